/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal on a real file: durability settings, states, the single writer, and reading after a kill. */

#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/statement.h"

static const struct step_seed seeds[] = { { 1, NULL, "bridge" }, { 2, "wiki", "fence" }, { 3, "wiki", "commit" } };

static int in_directory(void **state)
{
        char template[] = "/tmp/infra-test-XXXXXX";

        *state = strdup(mkdtemp(template));
        return 0;
}

static int directory_gone(void **state)
{
        int r = tree_remove(AT_FDCWD, *state);

        free(*state);
        return r;
}

static struct journal *open_in(const char *dir)
{
        _cleanup_error_ infra_error *e = NULL;
        struct journal *j = NULL;

        if (journal_open(dir, &j, &e) < 0)
                fail_msg("%s", infra_error_message(e));
        return j;
}

static int64_t begin(struct journal *j)
{
        int64_t run = 0;

        assert_int_equal(journal_begin(j, "upgrade", "trixie", "{}", "d", 0, "root", seeds, 3, &run, NULL), 0);
        return run;
}

static void pragma_is(struct journal *j, const char *sql, const char *expected)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(statement_prepare(j, &s, NULL, sql, ""), 0);
        assert_int_equal(statement_row(j, s, NULL), 1);
        text = statement_text(s, 0);
        assert_string_equal(text, expected);
}

static void writes_are_durable(void **state)
{
        _cleanup_journal_ struct journal *j = open_in(*state);

        pragma_is(j, "PRAGMA journal_mode", "wal");
        pragma_is(j, "PRAGMA synchronous", "2");
}

static void a_run_goes_through_its_states(void **state)
{
        _cleanup_journal_ struct journal *j = open_in(*state);
        _cleanup_step_records_ struct step_records steps = {};
        _cleanup_run_record_ struct run_record open = {}, closed = {};
        int64_t run = begin(j);

        assert_int_equal(journal_open_run(j, &open, NULL), 0);
        assert_int_equal(open.id, run);
        assert_string_equal(open.subject, "trixie");
        journal_step_state(j, run, 1, STEP_STATE_INTENT, NULL, NULL, 0, NULL);
        journal_step_worker(j, run, 1, 42, 4242, NULL);
        journal_step_state(j, run, 1, STEP_STATE_INTENT, NULL, NULL, 0, NULL);
        journal_step_state(j, run, 1, STEP_STATE_DONE, NULL, "{\"a\":1}", 55, NULL);
        journal_step_state(j, run, 2, STEP_STATE_FAILED, "no", NULL, 5, NULL);
        journal_step_state(j, run, 2, STEP_STATE_UNDONE, NULL, NULL, 0, NULL);
        assert_int_equal(journal_steps(j, run, &steps, NULL), 0);
        assert_int_equal(steps.n, 3);
        assert_int_equal(steps.items[0].state, STEP_STATE_DONE);
        assert_int_equal(steps.items[0].attempts, 2);
        assert_int_equal(steps.items[0].duration_ms, 55);
        assert_int_equal(steps.items[0].worker, 0);
        assert_string_equal(steps.items[0].data, "{\"a\":1}");
        assert_int_equal(steps.items[1].state, STEP_STATE_UNDONE);
        assert_string_equal(steps.items[1].error, "no");
        assert_int_equal(steps.items[2].state, STEP_STATE_PENDING);
        assert_int_equal(journal_run_state(j, run, RUN_PARTIAL, "no", NULL), 0);
        assert_int_equal(journal_open_run(j, &closed, NULL), 0);
        assert_int_equal(closed.id, 0);
}

static void an_outage_counts_from_first_closing_to_first_opening(void **state)
{
        _cleanup_journal_ struct journal *j = open_in(*state);
        _cleanup_outage_records_ struct outage_records outages = {};
        int64_t run = begin(j);

        journal_fence(j, run, "wiki", true, 1000, 10, NULL);
        journal_fence(j, run, "wiki", true, 2000, 20, NULL);
        journal_fence(j, run, "wiki", false, 5000, 50, NULL);
        journal_fence(j, run, "wiki", false, 9000, 90, NULL);
        assert_int_equal(journal_outages(j, run, &outages, NULL), 0);
        assert_int_equal(outages.n, 1);
        assert_int_equal(outages.items[0].closed_wall_ms, 1000);
        assert_int_equal(outages.items[0].opened_wall_ms, 5000);
}

static void there_is_one_writer(void **state)
{
        _cleanup_journal_ struct journal *first = open_in(*state), *second = open_in(*state);
        _cleanup_error_ infra_error *e = NULL;

        assert_int_equal(journal_lock(first, "infrad", NULL), 0);
        assert_int_equal(journal_lock(first, "infrad", NULL), 0);
        assert_int_equal(journal_lock(second, "infractl of alice", &e), -EBUSY);
        assert_non_null(strstr(infra_error_message(e), "infrad, pid"));
        first = journal_free(first);
        assert_int_equal(journal_lock(second, "infractl of alice", NULL), 0);
}

static void forecasts_are_medians(void **state)
{
        static const int64_t durations[] = { 100, 9000, 300 };
        _cleanup_journal_ struct journal *j = open_in(*state);
        int64_t ms = -1;

        for (size_t i = 0; i < ELEMENTS(durations); i++)
                journal_step_state(j, begin(j), 2, STEP_STATE_DONE, NULL, NULL, durations[i], NULL);
        assert_int_equal(journal_forecast(j, "fence", "wiki", &ms, NULL), 0);
        assert_int_equal(ms, 300);
        assert_int_equal(journal_forecast(j, "fence", "email", &ms, NULL), 0);
        assert_int_equal(ms, 0);
        assert_int_equal(journal_forecast(j, "fence", NULL, &ms, NULL), 0);
        assert_int_equal(ms, 300);
}

/* A writer killed in the middle of its writes leaves every acknowledged state and a journal that opens. */
static void acknowledged_states_survive_kill(void **state)
{
        for (int round = 0; round < 10; round++) {
                _cleanup_step_records_ struct step_records steps = {};
                int ends[2], acknowledged = 0, last = 0;
                pid_t child;

                assert_int_equal(pipe(ends), 0);
                child = fork();
                if (child == 0) {
                        struct journal *j = open_in(*state);
                        int64_t run = begin(j);

                        for (int n = 1;; n++) {
                                journal_step_state(j, run, 1, STEP_STATE_INTENT, NULL, NULL, 0, NULL);
                                if (write(ends[1], &n, sizeof(n)) != sizeof(n))
                                        _exit(1);
                        }
                }
                close(ends[1]);
                for (int i = 0; i < 5 + round * 3; i++)
                        if (read(ends[0], &last, sizeof(last)) == sizeof(last))
                                acknowledged = last;
                kill(child, SIGKILL);
                waitpid(child, NULL, 0);
                while (read(ends[0], &last, sizeof(last)) == sizeof(last))
                        acknowledged = last;
                close(ends[0]);
                {
                        _cleanup_journal_ struct journal *j = open_in(*state);

                        assert_int_equal(journal_steps(j, round + 1, &steps, NULL), 0);
                        assert_true(steps.items[0].attempts >= (unsigned)acknowledged);
                        assert_true(steps.items[0].attempts <= (unsigned)acknowledged + 1);
                }
        }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, in_directory, directory_gone)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(writes_are_durable), TEST(a_run_goes_through_its_states), TEST(an_outage_counts_from_first_closing_to_first_opening),
                TEST(there_is_one_writer), TEST(forecasts_are_medians), TEST(acknowledged_states_survive_kill),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
