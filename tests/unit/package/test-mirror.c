/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mirror check against a small server on loopback that plays mirror and proxy. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "package/package.h"

#define RELEASE(codename) "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nCodename: " codename "\nDate: x\n"

enum { TIMEOUT_MS = 1000 };

struct mirror {
        const char *path; /* answered with body, everything else with 404 */
        const char *body;
        bool silent;
        char request[512]; /* the last request line */
        int fd;
        uint16_t port;
        atomic_bool stop;
        pthread_t thread;
};

static void answer(int fd, struct mirror *m)
{
        char buffer[2048] = "", head[128];
        ssize_t n = read(fd, buffer, sizeof(buffer) - 1);
        const char *body = m->path && strstr(buffer, m->path) ? m->body : NULL;

        if (n <= 0)
                return;
        snprintf(m->request, sizeof(m->request), "%.*s", (int)strcspn(buffer, "\r"), buffer);
        while (m->silent && !m->stop)
                usleep(5000);
        snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                 body ? "200 OK" : "404 Not Found", body ? strlen(body) : 0);
        send(fd, head, strlen(head), MSG_NOSIGNAL);
        if (body)
                send(fd, body, strlen(body), MSG_NOSIGNAL);
}

static void *loop(void *userdata)
{
        struct mirror *m = userdata;

        while (!m->stop) {
                struct pollfd p = { .fd = m->fd, .events = POLLIN };
                int fd = poll(&p, 1, 10) > 0 ? accept(m->fd, NULL, NULL) : -1;

                if (fd >= 0) {
                        answer(fd, m);
                        close(fd);
                }
        }
        return NULL;
}

static void start(struct mirror *m)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(m->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(m->fd, 8), 0);
        assert_int_equal(getsockname(m->fd, (struct sockaddr *)&address, &size), 0);
        m->port = ntohs(address.sin_port);
        m->stop = false;
        assert_int_equal(pthread_create(&m->thread, NULL, loop, m), 0);
}

static void stop(struct mirror *m)
{
        m->stop = true;
        pthread_join(m->thread, NULL);
        close(m->fd);
}

static int ask(const struct mirror *m, const char *release, bool security, bool proxied, int64_t timeout, const char *wanted)
{
        char own[128], secure[128], proxy[64];
        struct package_sources s = { .release = release, .mirror = own, .security_mirror = security ? secure : "" };
        _cleanup_error_ infra_error *error = NULL;
        int r;

        snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", m->port);
        snprintf(own, sizeof(own), "%s/debian/", proxied ? "http://mirror.invalid" : proxy);
        snprintf(secure, sizeof(secure), "%s/security", proxied ? "http://mirror.invalid" : proxy);
        s.proxy = proxied ? proxy : NULL;
        r = package_mirror_check(&s, timeout, &error);
        print_message("# %s\n", infra_error_message(error));
        if (wanted)
                assert_non_null(strstr(infra_error_message(error), wanted));
        return r;
}

static void test_answers(void **state UNUSED)
{
        struct mirror m = { .path = "/debian/dists/trixie/InRelease", .body = RELEASE("trixie") };

        start(&m);
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, NULL), 0);
        assert_string_equal(m.request, "GET /debian/dists/trixie/InRelease HTTP/1.1");
        assert_int_equal(ask(&m, "trixie", false, true, TIMEOUT_MS, NULL), 0);
        assert_string_equal(m.request, "GET http://mirror.invalid/debian/dists/trixie/InRelease HTTP/1.1");
        assert_int_equal(ask(&m, "forky", false, true, TIMEOUT_MS, "does not carry it"), -ENOENT);
        assert_int_equal(ask(&m, "trixie", true, false, TIMEOUT_MS, "the security mirror"), -ENOENT);
        assert_string_equal(m.request, "GET /security/dists/trixie-security/InRelease HTTP/1.1");
        m.body = RELEASE("trixie-proposed-updates");
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, "not that of trixie"), -EBADMSG);
        m.body = RELEASE("bookworm");
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, "not that of trixie"), -EBADMSG);
        m.body = "<html>Please log in, Codename: trixie</html>";
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, "not a signed Release file"), -EBADMSG);
        m.body = "";
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, "not a signed Release file"), -EBADMSG);
        stop(&m);
}

static void test_silence(void **state UNUSED)
{
        struct mirror m = { .silent = true };

        start(&m);
        assert_int_equal(ask(&m, "trixie", false, true, 100, "through proxy http://127.0.0.1:"), -ETIME);
        stop(&m);
        assert_int_equal(ask(&m, "trixie", false, true, TIMEOUT_MS, "through proxy http://127.0.0.1:"), -ECONNREFUSED);
        assert_int_equal(ask(&m, "trixie", false, false, TIMEOUT_MS, "see packages: in host.yaml"), -ECONNREFUSED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_silence),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
