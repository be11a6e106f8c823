/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One attempt of each kind against real servers on loopback: good, bad, slow, silent, gone. */

#include "server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "probe/kind.h"

enum { SHORT_MS = 150 };

static void expect(struct probe_result r, enum probe_verdict verdict, const char *detail)
{
        assert_int_equal(r.verdict, verdict);
        assert_non_null(strstr(r.detail, detail));
        for (const char *c = r.detail; *c; c++)
                assert_true(*c >= ' ' && *c < 0x7f);
        probe_result_done(&r);
}

/* Reads and says nothing until the client goes away or the server is stopped. */
static void handle_silence(int fd, struct server *s)
{
        char buffer[256];

        while (!s->stop) {
                struct pollfd p = { .fd = fd, .events = POLLIN };

                if (poll(&p, 1, 10) > 0 && read(fd, buffer, sizeof(buffer)) <= 0)
                        return;
        }
}

static void handle_close(int fd UNUSED, struct server *s UNUSED)
{
}

/* answers: banner, reply to EHLO. */
static void handle_smtp(int fd, struct server *s)
{
        clock_sleep_ms(s->delay_ms);
        server_say(fd, s->answers[0]);
        server_read(fd, s, "\r\n");
        if (s->answers[1])
                server_say(fd, s->answers[1]);
        if (s->answers[1])
                server_read(fd, s, "QUIT\r\n");
}

/* answers: header, body. */
static void handle_http(int fd, struct server *s)
{
        server_read(fd, s, "\r\n\r\n");
        clock_sleep_ms(s->delay_ms);
        server_say(fd, s->answers[0]);
        if (s->answers[1])
                server_say(fd, s->answers[1]);
}

/* A body that never ends. */
static void handle_flood(int fd, struct server *s)
{
        static const char block[65536] = { [0] = 'x' };

        server_read(fd, s, "\r\n\r\n");
        server_say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while (!s->stop && send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
                ;
}

static void test_tcp(void **state UNUSED)
{
        static const char *const addresses[] = { "127.0.0.1", "::1" };
        struct probe p = { .kind = PROBE_TCP };

        for (size_t i = 0; i < ELEMENTS(addresses); i++) {
                struct server s = { .handle = handle_close };

                server_start(&s, addresses[i]);
                expect(server_ask(&p, &s), PROBE_PASS, addresses[i]);
                server_stop(&s);
                expect(server_ask(&p, &s), PROBE_FAIL, "Connection refused");
        }
}

/* A full accept queue drops our SYN: as silent as a host that is off. */
static void test_tcp_silent(void **state UNUSED)
{
        struct probe p = { .kind = PROBE_TCP, .timeout_ms = SHORT_MS };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        struct server s = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        struct probe_result result;
        int fillers[4];

        assert_int_equal(bind(s.fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(s.fd, 0), 0);
        assert_int_equal(getsockname(s.fd, (struct sockaddr *)&address, &size), 0);
        s.port = ntohs(address.sin_port);
        assert_int_equal(address_parse("127.0.0.1", &s.address), 0);
        for (size_t i = 0; i < ELEMENTS(fillers); i++) {
                fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                connect(fillers[i], (struct sockaddr *)&address, size);
        }
        clock_sleep_ms(20);
        result = server_ask(&p, &s);
        assert_in_range(result.duration_ms, SHORT_MS - 1, SHORT_MS * 4);
        expect(result, PROBE_FAIL, "within the time limit");
        for (size_t i = 0; i < ELEMENTS(fillers); i++)
                close(fillers[i]);
        close(s.fd);
}

/* What this machine lacks is not the service's failure. */
static void test_local_trouble(void **state UNUSED)
{
        static const enum probe_kind kinds[] = { PROBE_TCP, PROBE_SMTP };
        struct rlimit old, none;
        struct server s = { .port = 25 };

        assert_int_equal(address_parse("127.0.0.1", &s.address), 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                struct probe p = { .kind = kinds[i] };
                struct probe_target t = server_target(&s);
                struct probe_result result = {};

                assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
                assert_int_equal(probe_ask(&p, &t, &result, NULL), 0);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
                expect(result, PROBE_UNKNOWN, "Too many open files");
        }
        assert_true(errno_is_ours(EHOSTUNREACH));
        assert_true(errno_is_ours(ENETUNREACH));
        assert_false(errno_is_ours(ECONNREFUSED));
        assert_false(errno_is_ours(ETIMEDOUT));
}

static void smtp_case(const char *banner, const char *ehlo, int delay, enum probe_verdict verdict, const char *detail)
{
        struct server s = { .handle = handle_smtp, .answers = { banner, ehlo }, .delay_ms = delay };
        struct probe p = { .kind = PROBE_SMTP, .timeout_ms = SHORT_MS };

        server_start(&s, "127.0.0.1");
        expect(server_ask(&p, &s), verdict, detail);
        server_stop(&s);
}

static void test_smtp(void **state UNUSED)
{
        static const char good[] = "220 email.example.org ESMTP Postfix\r\n", hello[] = "250-email\r\n250-SIZE 10\r\n250 HELP\r\n";

        smtp_case(good, hello, 0, PROBE_PASS, "220 email.example.org ESMTP Postfix");
        smtp_case("220-wait\r\n220 now\r\n", "250 ok\r\n", 0, PROBE_PASS, "220 now");
        smtp_case("421 4.3.2 too busy\r\n", NULL, 0, PROBE_FAIL, "greeting: 421 4.3.2 too busy");
        smtp_case("554 \033[31mno\007 service\r\n", NULL, 0, PROBE_FAIL, "554 ?[31mno? service");
        smtp_case(good, "502 what?\r\n", 0, PROBE_FAIL, "answer to EHLO: 502 what?");
        smtp_case(good, NULL, 0, PROBE_FAIL, "closed before the answer to EHLO");
        smtp_case("", NULL, 0, PROBE_FAIL, "within the time limit");
        smtp_case("SSH-2.0-OpenSSH_9.2\r\n", NULL, 0, PROBE_FAIL, "not SMTP: SSH-2.0");
        smtp_case(good, hello, SHORT_MS + 50, PROBE_FAIL, "no greeting within");
}

static void test_smtp_dialogue(void **state UNUSED)
{
        struct server s = { .handle = handle_smtp, .answers = { "220 hi\r\n", "250 ok\r\n" } };
        struct probe p = { .kind = PROBE_SMTP, .timeout_ms = SHORT_MS };

        server_start(&s, "::1");
        expect(server_ask(&p, &s), PROBE_PASS, "220 hi");
        server_stop(&s);
        assert_string_equal(s.request, "QUIT\r\n");
}

static void test_smtp_half_open(void **state UNUSED)
{
        struct server s = { .handle = handle_silence };
        struct probe p = { .kind = PROBE_SMTP, .timeout_ms = SHORT_MS };

        server_start(&s, "127.0.0.1");
        expect(server_ask(&p, &s), PROBE_FAIL, "connected, but no greeting");
        server_stop(&s);
}

static void http_case(const struct probe *p, const char *head, const char *body, enum probe_verdict verdict,
                      const char *detail)
{
        struct server s = { .handle = handle_http, .answers = { head, body } };

        server_start(&s, "127.0.0.1");
        expect(server_ask(p, &s), verdict, detail);
        server_stop(&s);
}

static void test_http(void **state UNUSED)
{
        static char lists[] = "Mailing lists";
        struct probe p = { .kind = PROBE_HTTP, .timeout_ms = 1000 };
        static const char ok[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

        http_case(&p, ok, "hello", PROBE_PASS, "HTTP 200, 5 B");
        http_case(&p, "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL, PROBE_PASS,
                  "HTTP 301");
        http_case(&p, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", NULL, PROBE_FAIL, "HTTP 503");
        http_case(&p, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL, PROBE_FAIL, "HTTP 404");
        http_case(&p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "cut", PROBE_FAIL, "");
        http_case(&p, "", NULL, PROBE_FAIL, "");
        http_case(&p, "220 email ESMTP\r\n", NULL, PROBE_FAIL, "not HTTP");
        p.expect = lists;
        http_case(&p, ok, "<h1>Mailing lists</h1>", PROBE_PASS, "HTTP 200");
        http_case(&p, ok, "<h1>It works!</h1>", PROBE_FAIL, "\"Mailing lists\" is not in the body (18 B)");
        http_case(&p, ok, NULL, PROBE_FAIL, "is not in the body (0 B)");
}

static void test_http_request(void **state UNUSED)
{
        static char path[] = "/sympa?x=1", host[] = "lists.example.org";
        struct server s = { .handle = handle_http, .answers = { "HTTP/1.1 204 No Content\r\n\r\n" } };
        struct probe p = { .kind = PROBE_HTTP, .timeout_ms = 1000 };

        /* A proxy in our environment is not the container's service. */
        setenv("http_proxy", "http://127.0.0.1:1", 1);
        server_start(&s, "::1");
        expect(server_ask(&p, &s), PROBE_PASS, "HTTP 204");
        assert_true(startswith(s.request, "GET / HTTP/1.1\r\nHost: lists\r\n"));
        p.path = path;
        p.host_header = host;
        expect(server_ask(&p, &s), PROBE_PASS, "HTTP 204");
        server_stop(&s);
        assert_true(startswith(s.request, "GET /sympa?x=1 HTTP/1.1\r\nHost: lists.example.org\r\n"));
        expect(server_ask(&p, &s), PROBE_FAIL, "Connection refused");
        p.host_header = (char[]){ "a\r\nX-Forged: 1" };
        expect(server_ask(&p, &s), PROBE_UNKNOWN, "cannot ask");
        unsetenv("http_proxy");
}

static void test_http_slow_and_endless(void **state UNUSED)
{
        struct server slow = { .handle = handle_silence }, flood = { .handle = handle_flood };
        struct probe p = { .kind = PROBE_HTTP, .timeout_ms = SHORT_MS };

        server_start(&slow, "127.0.0.1");
        expect(server_ask(&p, &slow), PROBE_FAIL, "within the time limit");
        server_stop(&slow);
        p.timeout_ms = 2000;
        server_start(&flood, "127.0.0.1");
        expect(server_ask(&p, &flood), PROBE_PASS, "over 1.0 MB");
        p.expect = (char[]){ "needle" };
        expect(server_ask(&p, &flood), PROBE_FAIL, "(first 1.0 MB)");
        server_stop(&flood);
}

/* A plain http server is no https server. */
static void test_https_to_http(void **state UNUSED)
{
        struct probe p = { .kind = PROBE_HTTPS, .timeout_ms = 1000 };

        http_case(&p, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", NULL, PROBE_FAIL, "SSL");
}

/* A real TLS server with a certificate of its own that nobody trusts. */
static const char tls_script[] =
        "cd \"$0\" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=other"
        " -keyout key -out cert 2>/dev/null &&"
        " exec openssl s_server -4 -accept \"127.0.0.1:$1\" -key key -cert cert -www >/dev/null 2>&1";

static void test_https(void **state UNUSED)
{
        struct server s = { .handle = handle_close };
        struct probe p = { .kind = PROBE_HTTPS, .timeout_ms = 500, .interval_ms = 30, .within_ms = 3000 };
        _cleanup_probe_result_ struct probe_result r = {};
        char directory[] = "/tmp/infra-probe.XXXXXX", port[16];
        struct probe_target t;
        pid_t pid;

        if (access("/usr/bin/openssl", X_OK) < 0)
                skip();
        assert_non_null(mkdtemp(directory));
        /* Only to learn a free port. */
        server_start(&s, "127.0.0.1");
        server_stop(&s);
        snprintf(port, sizeof(port), "%u", s.port);
        pid = fork();
        if (pid == 0) {
                execlp("sh", "sh", "-c", tls_script, directory, port, NULL);
                _exit(127);
        }
        t = server_target(&s);
        p.expect = (char[]){ "s_server" };
        assert_int_equal(probe_wait(&p, &t, &r, NULL, NULL, NULL), 0);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        print_message("# %s\n", r.detail);
        tree_remove(AT_FDCWD, directory);
        assert_int_equal(r.verdict, PROBE_PASS);
}

struct fake_guest {
        int result, status;
        const char *output;
};

static int run_fake(void *userdata, const char *const argv[], int64_t timeout_ms, char **ret_output, int *ret_status,
                    infra_error **reterr)
{
        const struct fake_guest *g = userdata;

        assert_string_equal(argv[0], "check");
        assert_null(argv[1]);
        assert_int_equal(timeout_ms, 5000);
        if (g->result < 0)
                return infra_error_set(reterr, g->result, "no such container");
        *ret_output = g->output ? strdup(g->output) : NULL;
        *ret_status = g->status;
        return 0;
}

static void exec_case(struct fake_guest g, const char *expected, enum probe_verdict verdict, const char *detail)
{
        struct probe_target t = { .name = "db", .run = run_fake, .userdata = &g };
        struct probe p = { .kind = PROBE_EXEC, .expect = (char *)(uintptr_t)expected };
        struct probe_result result = {};

        assert_int_equal(strlist_add(&p.command, "check"), 0);
        assert_int_equal(probe_ask(&p, &t, &result, NULL), 0);
        expect(result, verdict, detail);
        strlist_done(&p.command);
}

static void test_exec(void **state UNUSED)
{
        exec_case((struct fake_guest){ .output = "first\nall is well\n" }, NULL, PROBE_PASS, "ended with 0: all is well");
        exec_case((struct fake_guest){ 0 }, NULL, PROBE_PASS, "check ended with 0");
        exec_case((struct fake_guest){ .status = 3, .output = "a\nno database\n\n" }, NULL, PROBE_FAIL,
                  "check ended with 3: no database");
        exec_case((struct fake_guest){ .output = "standby" }, "primary", PROBE_FAIL, "\"primary\" is not in its output");
        exec_case((struct fake_guest){ .output = "is primary\n" }, "primary", PROBE_PASS, "is primary");
        exec_case((struct fake_guest){ .status = 127 }, NULL, PROBE_UNKNOWN, "cannot be run");
        exec_case((struct fake_guest){ .result = -ESRCH }, NULL, PROBE_UNKNOWN, "no such container");
        exec_case((struct fake_guest){ .result = -ETIME }, NULL, PROBE_FAIL, "time limit");
}

static void test_every_kind(void **state UNUSED)
{
        for (int kind = 0; kind < PROBE_KIND_MAX; kind++) {
                struct probe p = { .kind = (enum probe_kind)kind };
                struct probe_target t = { .name = "x" };
                _cleanup_probe_result_ struct probe_result result = {};
                _cleanup_error_ infra_error *error = NULL;
                int r = probe_ask(&p, &t, &result, &error);

                assert_int_equal(r, kind == PROBE_NONE ? 0 : -EINVAL);
                assert_int_equal(result.verdict, kind == PROBE_NONE ? PROBE_PASS : PROBE_UNKNOWN);
        }
        for (int v = 0; v < PROBE_VERDICT_MAX; v++)
                assert_int_equal(probe_verdict_parse(probe_verdict_name((enum probe_verdict)v)), v);
        assert_int_equal(probe_verdict_parse("maybe"), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tcp),           cmocka_unit_test(test_tcp_silent), cmocka_unit_test(test_local_trouble),
                cmocka_unit_test(test_smtp),          cmocka_unit_test(test_smtp_dialogue),
                cmocka_unit_test(test_smtp_half_open), cmocka_unit_test(test_http),      cmocka_unit_test(test_http_request),
                cmocka_unit_test(test_http_slow_and_endless), cmocka_unit_test(test_https_to_http), cmocka_unit_test(test_https),
                cmocka_unit_test(test_exec),          cmocka_unit_test(test_every_kind),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
