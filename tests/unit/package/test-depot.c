/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Depots between libcurl as a guest's apt and a small server on loopback as the mirror. */

#include "depot-world.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "package/depot-cache.h"

static void test_once(void **state UNUSED)
{
        struct client clients[CLIENTS];
        _cleanup_answer_ struct answer a = {};
        struct world w;
        struct depot_counts counts;

        world_init(&w);
        all_ask(&w, "/pool/big.deb", clients);
        for (unsigned i = 0; i < CLIENTS; i++) {
                assert_true(is_big(&w, &clients[i].a));
                assert_non_null(strstr(clients[i].a.fields.text, "Last-Modified: " MODIFIED));
                answer_done(&clients[i].a);
        }
        settle(&w);
        get(&w, "/pool/big.deb", "Range: bytes=1000-", &a);
        assert_true(is_big(&w, &a));
        assert_int_equal(w.mirror.requests, 1);
        assert_int_equal(fetched(&w), 1);
        assert_int_equal(files(&w, ""), 1);
        depot_counts(w.depot[0], &counts);
        assert_int_equal(counts.served, CLIENTS / 2 + 1);
        assert_int_equal(counts.refused + counts.failed, 0);
        assert_true(counts.fetched_bytes == 0 || counts.fetched_bytes == BIG);
        for (unsigned i = 0; i < 2; i++) {
                get(&w, "/dists/x/main/by-hash/empty", NULL, &a);
                assert_int_equal(a.status, 200);
                assert_int_equal(a.length, 0);
                settle(&w);
        }
        assert_int_equal(w.mirror.requests, 2);
        world_done(&w);
}

static void test_changing(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        struct world w;

        world_init(&w);
        for (int i = 1; i <= 2; i++) {
                get(&w, "/dists/x/InRelease", NULL, &a);
                assert_int_equal(a.status, 200);
                assert_string_equal(a.body.text, "Suite: x\n");
                assert_non_null(strcasestr(a.fields.text, "ETag: \"one\"\r\n"));
                assert_non_null(strstr(a.fields.text, "Last-Modified: " MODIFIED));
                assert_int_equal(w.mirror.requests, i);
        }
        assert_non_null(strstr(w.mirror.last, "Cache-Control: max-age=0"));
        get(&w, "/dists/x/InRelease", "If-Modified-Since: " MODIFIED, &a);
        assert_int_equal(a.status, 304);
        get(&w, "/dists/x/InRelease", "If-None-Match: \"one\"", &a);
        assert_int_equal(a.status, 304);
        assert_int_equal(a.code, CURLE_OK);
        assert_int_equal(w.mirror.requests, 4);
        assert_int_equal(files(&w, ""), 0);
        world_done(&w);
}

static void test_failures(void **state UNUSED)
{
        static const char *const bad[] = { "/dists/endless", "/pool/endless", "/pool/silent", "/dists/silent" };
        struct client clients[CLIENTS];
        _cleanup_answer_ struct answer a = {};
        struct depot_counts counts;
        struct world w;

        world_init(&w);
        get(&w, "/pool/none.deb", NULL, &a);
        assert_int_equal(a.status, 404);
        assert_non_null(strstr(a.body.text, "HTTP 404"));
        get(&w, "/dists/x/Release", NULL, &a);
        assert_int_equal(a.status, 404);
        get(&w, "/pool/broken.deb", NULL, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.code, CURLE_PARTIAL_FILE);
        get(&w, "/dists/x/Packages-broken", NULL, &a);
        assert_int_equal(a.code, CURLE_PARTIAL_FILE);
        get(&w, "/dists/chunked", NULL, &a);
        assert_int_equal(a.code, CURLE_OK);
        assert_string_equal(a.body.text, "hello");
        get(&w, "/pool/chunked", NULL, &a);
        assert_string_equal(a.body.text, "hello");
        get(&w, "/pool/chunked-broken", NULL, &a);
        assert_true(a.code != CURLE_OK || a.status == 502);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                get(&w, bad[i], NULL, &a);
                assert_int_equal(a.status, 502);
                assert_true(a.body.length > 10);
        }
        ask(&w, 0, "GET", "http://127.0.0.1:1/nobody/pool/x.deb", NULL, &a);
        assert_int_equal(a.status, 502);
        print_message("# %s", a.body.text);
        settle(&w);
        depot_counts(w.depot[0], &counts);
        assert_int_equal(counts.refused, 0);
        assert_true(counts.failed >= 7);
        w.mirror.requests = 0;
        all_ask(&w, "/pool/slow.deb", clients);
        for (unsigned i = 0; i < CLIENTS; i++) {
                assert_int_equal(clients[i].a.status, 404);
                answer_done(&clients[i].a);
        }
        /* Those who waited share the answer; one that came late may have asked again. */
        assert_in_range(w.mirror.requests, 1, 2);
        assert_int_equal(files(&w, ""), 0);
        assert_int_equal(files(&w, ".part"), 0);
        world_done(&w);
}

static void test_refused(void **state UNUSED)
{
        static const char *const tails[] = {
                "-security/pool/x.deb", "", "/../pool/x.deb", "/a/%2e%2E/pool/x.deb", "/pool/.%2e/x", "/pool/..", "/pool/a%2fb",
                "/pool/a%00", "/pool/%zz", "/pool/x.deb?a=b", "/pool/a\\..\\b", "/./pool/x.deb",
        };
        static const char *const whole[] = {
                "http://127.0.0.1/debian/pool/x.deb", "http://example.invalid/debian/pool/x.deb",
                "http://127.0.0.1:1/nobody@example.invalid/pool/x.deb", "ftp://127.0.0.1/debian/pool/x.deb",
        };
        _cleanup_answer_ struct answer a = {};
        _cleanup_free_ char *url = NULL;
        struct depot_counts counts;
        struct world w;

        world_init(&w);
        for (size_t i = 0; i < ELEMENTS(tails); i++) {
                get(&w, tails[i], NULL, &a);
                assert_int_equal(a.status, 403);
        }
        for (size_t i = 0; i < ELEMENTS(whole); i++) {
                ask(&w, 0, "GET", whole[i], NULL, &a);
                assert_int_equal(a.status, 403);
        }
        depot_counts(w.depot[0], &counts);
        assert_int_equal(counts.refused, ELEMENTS(tails) + ELEMENTS(whole));
        url = path_join("%s/pool/big.deb", w.origin);
        ask(&w, 0, "DELETE", url, NULL, &a);
        assert_int_equal(a.status, 405);
        assert_non_null(strstr(a.fields.text, "Allow: GET, HEAD"));
        /* libcurl asks for a tunnel. */
        ask(&w, 0, "GET", "https://127.0.0.1/debian/pool/x.deb", NULL, &a);
        assert_int_not_equal(a.code, CURLE_OK);
        assert_non_null(strstr(a.fields.text, " 405 "));
        depot_counts(w.depot[0], &counts);
        assert_int_equal(counts.refused, ELEMENTS(tails) + ELEMENTS(whole) + 2);
        assert_int_equal(counts.served + counts.failed, 0);
        assert_int_equal(w.mirror.requests, 0);
        world_done(&w);
}

static void test_origins(void **state UNUSED)
{
        static const char *const bad[] = { "ftp://x/debian", "http://", "http:///x", "http://a@x/debian", "http://x/d?y", "x" };
        struct world w;

        world_init(&w);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                const char *origins[] = { bad[i], NULL };
                struct depot_options o = { .directory = w.directory, .origins = origins };
                _cleanup_error_ infra_error *error = NULL;
                struct depot *d = NULL;

                assert_int_equal(depot_start(w.listener[0], &o, &d, &error), -EINVAL);
                assert_null(d);
        }
        assert_null(depot_free(NULL));
        world_done(&w);
}

static void test_head(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        _cleanup_free_ char *url = NULL, *missing = NULL;
        struct world w;

        world_init(&w);
        url = path_join("%s/pool/big.deb", w.origin);
        missing = path_join("%s/pool/none.deb", w.origin);
        ask(&w, 0, "HEAD", url, NULL, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.length, BIG);
        assert_int_equal(files(&w, ""), 0);
        ask(&w, 0, "HEAD", missing, NULL, &a);
        assert_int_equal(a.status, 404);
        get(&w, "/pool/big.deb", NULL, &a);
        settle(&w);
        ask(&w, 1, "HEAD", url, NULL, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.length, BIG);
        assert_int_equal(a.body.length, 0);
        assert_int_equal(w.mirror.requests, 3);
        world_done(&w);
}

/* What a killed process leaves: a part with its head and some of the content, and no lock. */
static void leave_part(const struct world *w, const char *url)
{
        _cleanup_close_ int dir = open(w->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), part = -1;

        assert_int_equal(cache_claim(dir, url, &part), 1);
        assert_int_equal(cache_begin(part, url, BIG, ""), 0);
        assert_int_equal(fd_write_all(part, "rubbish", 7), 0);
}

static void test_killed(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        _cleanup_free_ char *url = NULL, *other = NULL;
        struct cache_head head;
        struct world w;
        int dir, fd = -1;

        world_init(&w);
        url = path_join("%s/pool/big.deb", w.origin);
        other = path_join("%s/pool/other.deb", w.origin);
        leave_part(&w, url);
        get(&w, "/pool/big.deb", NULL, &a);
        assert_true(is_big(&w, &a));
        settle(&w);
        leave_part(&w, other);
        assert_int_equal(files(&w, ".part"), 1);
        depot_free(w.depot[1]);
        depot_up(&w, 1);
        assert_int_equal(files(&w, ".part"), 0);
        ask(&w, 1, "GET", url, NULL, &a);
        assert_true(is_big(&w, &a));
        assert_int_equal(w.mirror.requests, 1);
        /* A kept file that lost its end. */
        dir = open(w.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(cache_open(dir, url, &head, &fd), 0);
        assert_int_equal(head.size, BIG);
        close(fd);
        for (DIR *d = fdopendir(dir); d; closedir(d), d = NULL)
                for (struct dirent *e; (e = readdir(d));)
                        if (e->d_name[0] != '.' && (fd = openat(dir, e->d_name, O_WRONLY | O_CLOEXEC)) >= 0) {
                                assert_int_equal(ftruncate(fd, BIG / 2), 0);
                                close(fd);
                        }
        ask(&w, 1, "GET", url, NULL, &a);
        assert_true(is_big(&w, &a));
        assert_int_equal(w.mirror.requests, 2);
        world_done(&w);
}

/* The end comes in the middle of a fetch, with clients that wait for it. */
static void test_stop(void **state UNUSED)
{
        struct client c;
        struct world w;
        int64_t begin;

        world_init(&w);
        c = (struct client){ .w = &w, .path = "/pool/big.deb" };
        assert_int_equal(pthread_create(&c.thread, NULL, client_run, &c), 0);
        while (w.mirror.requests == 0)
                usleep(1000);
        usleep(20000);
        begin = clock_boottime_ms();
        w.depot[0] = depot_free(w.depot[0]);
        assert_true(clock_boottime_ms() - begin < 1000);
        pthread_join(c.thread, NULL);
        assert_false(is_big(&w, &c.a));
        assert_int_equal(files(&w, ""), 0);
        assert_int_equal(files(&w, ".part"), 0);
        /* The socket is still the caller's, and serves the next. */
        depot_up(&w, 0);
        get(&w, "/pool/big.deb", NULL, &c.a);
        assert_true(is_big(&w, &c.a));
        answer_done(&c.a);
        world_done(&w);
}

/* Whoever caused a fetch may go: it is for the others, too. */
static void test_gone(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_free_ char *request = NULL;
        struct world w;
        int fd;

        world_init(&w);
        request = path_join("GET %s/pool/big.deb HTTP/1.1\r\nHost: x\r\n\r\n", w.origin);
        address.sin_port = htons(w.port[0]);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        put(fd, request, strlen(request));
        while (files(&w, ".part") == 0)
                usleep(1000);
        close(fd);
        settle(&w);
        assert_int_equal(files(&w, ""), 1);
        get(&w, "/pool/big.deb", NULL, &a);
        assert_true(is_big(&w, &a));
        assert_int_equal(w.mirror.requests, 1);
        world_done(&w);
}

static void test_no_room(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        struct depot_counts counts;
        struct world w;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        world_init(&w);
        for (unsigned i = 0; i < 2; i++)
                depot_free(w.depot[i]);
        assert_int_equal(mount("none", w.directory, "tmpfs", 0, "size=1m"), 0);
        for (unsigned i = 0; i < 2; i++)
                depot_up(&w, i);
        get(&w, "/pool/big.deb", NULL, &a);
        assert_true(is_big(&w, &a));
        assert_int_equal(files(&w, ""), 0);
        assert_int_equal(files(&w, ".part"), 0);
        depot_counts(w.depot[0], &counts);
        assert_int_equal(counts.served, 1);
        assert_int_equal(counts.failed, 0);
        assert_int_equal(umount2(w.directory, MNT_DETACH), 0);
        world_done(&w);
}

/* The listening socket is of one network namespace, the mirror is in the one that the depot was started in. */
static void *start_elsewhere(void *userdata)
{
        struct world *w = userdata;
        struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
                return NULL;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
        close(fd);
        mirror_start(&w->mirror);
        snprintf(w->origin, sizeof(w->origin), "http://127.0.0.1:%u/debian", w->mirror.port);
        depot_up(w, 0);
        return w;
}

static void test_namespaces(void **state UNUSED)
{
        _cleanup_answer_ struct answer a = {};
        char template[] = "/tmp/test-depot-XXXXXX";
        struct world w = {};
        pthread_t thread;
        void *started;

        w.listener[0] = listen_any(&w.port[0]);
        w.listener[1] = -1;
        assert_non_null(mkdtemp(template));
        snprintf(w.directory, sizeof(w.directory), "%s/depot", template);
        assert_int_equal(pthread_create(&thread, NULL, start_elsewhere, &w), 0);
        pthread_join(thread, &started);
        if (!started) {
                close(w.listener[0]);
                rmdir(template);
                skip();
        }
        get(&w, "/pool/big.deb", NULL, &a);
        assert_true(is_big(&w, &a));
        get(&w, "/dists/x/InRelease", NULL, &a);
        assert_int_equal(a.status, 200);
        world_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_once),     cmocka_unit_test(test_changing), cmocka_unit_test(test_failures),
                cmocka_unit_test(test_refused),  cmocka_unit_test(test_origins),  cmocka_unit_test(test_head),
                cmocka_unit_test(test_killed),   cmocka_unit_test(test_stop),     cmocka_unit_test(test_gone),
                cmocka_unit_test(test_no_room),  cmocka_unit_test(test_namespaces),
        };

        curl_global_init(CURL_GLOBAL_DEFAULT);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
