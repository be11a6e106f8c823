/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting until a service serves: hysteresis, interval, limit, and the gate's comparison. */

#include "server.h"

enum { INTERVAL_MS = 10 };

struct script {
        const char *outcomes; /* one letter an attempt: p, f, u; the last one goes on */
        size_t n;
};

static int run_script(void *userdata, const char *const argv[] UNUSED, int64_t timeout_ms UNUSED, char **ret_output,
                      int *ret_status, infra_error **reterr UNUSED)
{
        struct script *s = userdata;
        char c = s->outcomes[MIN(s->n, strlen(s->outcomes) - 1)];

        s->n++;
        *ret_output = NULL;
        *ret_status = c == 'p' ? 0 : c == 'f' ? 1 : 127;
        return 0;
}

static unsigned most_passes;

static int note_progress(void *userdata, const struct probe_result *last, unsigned passes)
{
        unsigned *attempts = userdata;

        ++*attempts;
        most_passes = MAX(most_passes, passes);
        assert_int_equal(passes > 0, last->verdict == PROBE_PASS);
        return 0;
}

static struct probe_result wait_for(const char *outcomes, unsigned passes, int64_t within, unsigned *attempts)
{
        struct script s = { .outcomes = outcomes };
        struct probe p = { .kind = PROBE_EXEC, .passes = passes, .interval_ms = INTERVAL_MS, .within_ms = within };
        struct probe_target t = { .name = "db", .run = run_script, .userdata = &s };
        struct probe_result result = {};

        *attempts = 0;
        most_passes = 0;
        assert_int_equal(strlist_add(&p.command, "check"), 0);
        assert_int_equal(probe_wait(&p, &t, &result, note_progress, attempts, NULL), 0);
        assert_int_equal(s.n, *attempts);
        strlist_done(&p.command);
        return result;
}

static void test_passes_in_a_row(void **state UNUSED)
{
        unsigned attempts;
        struct probe_result r = wait_for("ffpfppufppp", 3, 2000, &attempts);

        assert_int_equal(r.verdict, PROBE_PASS);
        assert_int_equal(attempts, 11);
        assert_int_equal(most_passes, 3);
        probe_result_done(&r);
        r = wait_for("p", 1, 0, &attempts);
        assert_int_equal(r.verdict, PROBE_PASS);
        assert_int_equal(attempts, 1);
        probe_result_done(&r);
}

static void test_limit(void **state UNUSED)
{
        unsigned attempts;
        int64_t start = clock_boottime_ms();
        struct probe_result r = wait_for("f", 1, 100, &attempts);

        assert_int_equal(r.verdict, PROBE_FAIL);
        assert_in_range(clock_boottime_ms() - start, 100, 400);
        assert_in_range(attempts, 4, 12);
        probe_result_done(&r);
        r = wait_for("ffu", 2, 50, &attempts);
        assert_int_equal(r.verdict, PROBE_UNKNOWN);
        probe_result_done(&r);
        /* Passing at the end, but not often enough: flapping is not serving. */
        r = wait_for("pfpfpfpfpfpfpfpfpfpfpfpfpfpfpfp", 2, 0, &attempts);
        assert_int_equal(r.verdict, PROBE_FAIL);
        assert_non_null(strstr(r.detail, "only 1 of 2 passes in a row"));
        assert_int_equal(attempts, 1);
        probe_result_done(&r);
}

static int stop_at_third(void *userdata, const struct probe_result *last UNUSED, unsigned passes UNUSED)
{
        unsigned *attempts = userdata;

        return ++*attempts == 3 ? -ECANCELED : 0;
}

static void test_stopped(void **state UNUSED)
{
        struct script s = { .outcomes = "f" };
        struct probe p = { .kind = PROBE_EXEC, .passes = 1, .interval_ms = INTERVAL_MS, .within_ms = 60000 };
        struct probe_target t = { .name = "db", .run = run_script, .userdata = &s };
        struct probe_result result = {};
        _cleanup_error_ infra_error *error = NULL;
        unsigned attempts = 0;

        assert_int_equal(strlist_add(&p.command, "check"), 0);
        assert_int_equal(probe_wait(&p, &t, &result, stop_at_third, &attempts, &error), -ECANCELED);
        assert_int_equal(attempts, 3);
        assert_null(result.detail);
        assert_non_null(strstr(infra_error_message(error), "db"));
        strlist_done(&p.command);
}

/* Every other connection is greeted badly. */
static void handle_flapping(int fd, struct server *s)
{
        server_say(fd, s->connections % 2 && s->connections < 6 ? "421 not now\r\n" : "220 hi\r\n");
        server_read(fd, s, "\r\n");
        server_say(fd, "250 ok\r\n");
        server_read(fd, s, "QUIT\r\n");
}

static void test_flapping_server(void **state UNUSED)
{
        struct server s = { .handle = handle_flapping };
        struct probe p = { .kind = PROBE_SMTP, .passes = 3, .interval_ms = INTERVAL_MS, .timeout_ms = 500, .within_ms = 3000 };
        _cleanup_probe_result_ struct probe_result r = {};
        struct probe_target t;

        server_start(&s, "127.0.0.1");
        t = server_target(&s);
        assert_int_equal(probe_wait(&p, &t, &r, NULL, NULL, NULL), 0);
        server_stop(&s);
        assert_int_equal(r.verdict, PROBE_PASS);
        /* 1 fails, 2 passes, 3 fails, 4 passes, 5 fails, 6 to 8 pass. */
        assert_int_equal(s.connections, 8);
}

static void test_worse(void **state UNUSED)
{
        static const enum probe_verdict order[] = { PROBE_FAIL, PROBE_UNKNOWN, PROBE_PASS };

        for (size_t now = 0; now < ELEMENTS(order); now++)
                for (size_t before = 0; before < ELEMENTS(order); before++)
                        assert_int_equal(probe_is_worse(order[now], order[before]), now < before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_passes_in_a_row), cmocka_unit_test(test_limit), cmocka_unit_test(test_stopped),
                cmocka_unit_test(test_flapping_server), cmocka_unit_test(test_worse),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
