/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a run does next, played through without a container: a plan of two containers is driven to its end
 * with failures and crashes at every step, and the end is judged by the invariants.
 */

#include "../testing.h"

#include <errno.h>

#include "../estates.h"
#include "engine/choice.h"
#include "engine/engine.h"

enum { ROUNDS_MAX = 1000 };

struct play {
        infra_estate *estate;
        struct plan *plan;
        enum step_state states[64];
        int fail_at;      /* index whose act fails, or -1 */
        int undo_fail_at; /* index whose undo fails, or -1 */
        char log[4096];
};

static int begin(void **state)
{
        struct play *p = calloc(1, sizeof(*p));
        struct facts f = facts_of_two();
        struct plan_options options = {};

        p->estate = estate_of_two();
        p->fail_at = p->undo_fail_at = -1;
        assert_int_equal(plan_compute(PLAN_UPGRADE, "trixie", &options, p->estate, &f, &p->plan, NULL), 0);
        facts_done(&f);
        *state = p;
        return 0;
}

static int finish(void **state)
{
        struct play *p = *state;

        plan_free(p->plan);
        infra_estate_free(p->estate);
        free(p);
        return 0;
}

/* Carries the choices out as the runner does; returns the state of the run at its end. */
static enum run_state play(struct play *p)
{
        for (int round = 0; round < ROUNDS_MAX; round++) {
                struct choice c = choose(&(struct scene){ .plan = p->plan, .states = p->states, .estate = p->estate });

                switch (c.kind) {
                case CHOICE_DO:
                        p->states[c.index] = (int)c.index == p->fail_at ? STEP_STATE_FAILED : STEP_STATE_DONE;
                        break;
                case CHOICE_UNDO:
                        strcat(strcat(p->log, step_type(p->plan->steps[c.index].kind)->name), " ");
                        p->states[c.index] = (int)c.index == p->undo_fail_at ? STEP_STATE_UNDO_FAILED : STEP_STATE_UNDONE;
                        break;
                case CHOICE_NO_UNDO:
                        p->states[c.index] = STEP_STATE_UNDONE;
                        break;
                case CHOICE_LEAVE:
                        p->states[c.index] = STEP_STATE_LEFT_OUT;
                        break;
                default:
                        return c.state;
                }
        }
        fail_msg("no end after %d rounds", ROUNDS_MAX);
        return RUN_STATE_MAX;
}

static size_t index_of(const struct play *p, const char *container, enum step_kind kind)
{
        for (size_t i = 0; i < p->plan->n_steps; i++)
                if (p->plan->steps[i].kind == kind && streq(p->plan->steps[i].container, container))
                        return i;
        fail_msg("no such step");
        return 0;
}

static void all_well(void **state)
{
        struct play *p = *state;

        assert_int_equal(play(p), RUN_DONE);
        assert_string_equal(p->log, "");
        assert_int_equal(standing_of(p->plan, p->states, "email"), STANDING_COMMITTED);
}

static void a_failed_gate_turns_back_in_reverse(void **state)
{
        struct play *p = *state;

        p->fail_at = (int)index_of(p, "email", STEP_GATE);
        assert_int_equal(play(p), RUN_PARTIAL);
        assert_string_equal(p->log, "boot exchange snapshot halt fence ");
        assert_int_equal(standing_of(p->plan, p->states, "email"), STANDING_ROLLED_BACK);
        assert_int_equal(standing_of(p->plan, p->states, "wiki"), STANDING_COMMITTED);
}

static void untouched_volumes_are_not_restored(void **state)
{
        struct play *p = *state;

        p->fail_at = (int)index_of(p, "email", STEP_EXCHANGE);
        play(p);
        assert_string_equal(p->log, "exchange halt fence ");
}

static void a_failed_preflight_touches_nothing(void **state)
{
        struct play *p = *state;

        p->fail_at = (int)index_of(p, "wiki", STEP_PREFLIGHT);
        assert_int_equal(play(p), RUN_PARTIAL);
        assert_string_equal(p->log, "");
        assert_int_equal(standing_of(p->plan, p->states, "wiki"), STANDING_FAILED);
}

static void a_failed_rollback_is_stuck_and_ends(void **state)
{
        struct play *p = *state;

        p->fail_at = (int)index_of(p, "email", STEP_GATE);
        p->undo_fail_at = (int)index_of(p, "email", STEP_HALT);
        assert_int_equal(play(p), RUN_STUCK);
        assert_int_equal(standing_of(p->plan, p->states, "email"), STANDING_STUCK);
        /* The other container is no part of the trouble. */
        assert_int_equal(standing_of(p->plan, p->states, "wiki"), STANDING_COMMITTED);
}

static void a_wave_that_fails_leaves_the_rest(void **state)
{
        struct play *p = *state;

        p->plan->on_failure = ON_FAILURE_ROLLBACK_WAVE;
        p->fail_at = (int)index_of(p, "email", STEP_UPGRADE);
        assert_int_equal(play(p), RUN_FAILED);
        assert_int_equal(standing_of(p->plan, p->states, "wiki"), STANDING_LEFT_OUT);
}

static void apply_leaves_out_what_stands_on_a_failure(void **state)
{
        struct play *p = *state;

        p->plan->kind = PLAN_APPLY;
        p->fail_at = (int)index_of(p, "email", STEP_PREFLIGHT);
        play(p);
        assert_int_equal(standing_of(p->plan, p->states, "wiki"), STANDING_LEFT_OUT);
}

/* Whatever fails, each container ends whole: committed, or with every undoable step undone. */
static void every_failure_ends_old_or_new(void **state)
{
        struct play *p = *state;

        for (p->fail_at = 0; p->fail_at < (int)p->plan->n_steps; p->fail_at++) {
                const struct step *failed = &p->plan->steps[p->fail_at];

                if (failed->kind == STEP_COMMIT)
                        continue; /* the runner calls that stuck, see step_failed() */
                memset(p->states, 0, sizeof(p->states));
                play(p);
                for (size_t i = 0; i < p->plan->n_steps; i++) {
                        bool same = streq(p->plan->steps[i].container, failed->container);

                        assert_true(p->states[i] == (same ? ((int)i <= p->fail_at ? STEP_STATE_UNDONE : STEP_STATE_LEFT_OUT) : STEP_STATE_DONE));
                }
        }
}

static void an_interrupted_step_is_begun_again(void **state)
{
        struct play *p = *state;
        size_t i = index_of(p, "email", STEP_CLONE);
        struct choice c;

        for (size_t k = 0; k < i; k++)
                p->states[k] = STEP_STATE_DONE;
        p->states[i] = STEP_STATE_INTENT;
        c = choose(&(struct scene){ .plan = p->plan, .states = p->states, .estate = p->estate });
        assert_int_equal(c.kind, CHOICE_DO);
        assert_int_equal(c.index, i);
        /* In the middle of turning back, turning back goes on. */
        p->states[i] = STEP_STATE_UNDONE;
        p->states[i - 1] = STEP_STATE_UNDO_INTENT;
        c = choose(&(struct scene){ .plan = p->plan, .states = p->states, .estate = p->estate });
        assert_int_equal(c.index, i - 1);
        assert_true(c.kind == CHOICE_UNDO || c.kind == CHOICE_NO_UNDO);
}

static void every_operation_has_its_row(void **state)
{
        (void)state;
        for (int k = 0; k < STEP_KIND_MAX; k++) {
                const struct operation *o = operation((enum step_kind)k);

                assert_non_null(o->act);
                assert_true(o->limit_ms > 0);
                assert_int_equal(o->undo != NULL, step_type((enum step_kind)k)->undoable);
        }
        for (int s = 0; s < STANDING_MAX; s++)
                assert_non_null(standing_name((enum standing)s));
}

static int answer_well(void *userdata, json_t **ret, infra_error **reterr)
{
        (void)reterr;
        *ret = json_pack("{s:s}", "word", (const char *)userdata);
        return 0;
}

static int answer_badly(void *userdata, json_t **ret, infra_error **reterr)
{
        (void)userdata;
        (void)ret;
        return infra_error_set(reterr, -ENOENT, "there is none");
}

static int crash(void *userdata, json_t **ret, infra_error **reterr)
{
        (void)userdata;
        (void)ret;
        (void)reterr;
        _exit(9);
}

static int hang(void *userdata, json_t **ret, infra_error **reterr)
{
        (void)userdata;
        (void)ret;
        (void)reterr;
        sleep(60);
        return 0;
}

static void questions_are_isolated(void **state)
{
        _cleanup_error_ infra_error *e = NULL;
        _cleanup_json_ json_t *j = NULL;
        char word[] = "hello";

        (void)state;
        assert_int_equal(isolate(answer_well, word, 5000, &j, &e), 0);
        assert_string_equal(json_string_value(json_object_get(j, "word")), "hello");
        assert_int_equal(isolate(answer_badly, NULL, 5000, &j, &e), -ENOENT);
        assert_string_equal(infra_error_message(e), "there is none");
        assert_int_equal(isolate(crash, NULL, 5000, &j, &e), -EIO);
        assert_int_equal(isolate(hang, NULL, 200, &j, &e), -ETIME);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(all_well), TEST(a_failed_gate_turns_back_in_reverse), TEST(untouched_volumes_are_not_restored),
                TEST(a_failed_preflight_touches_nothing), TEST(a_failed_rollback_is_stuck_and_ends), TEST(a_wave_that_fails_leaves_the_rest),
                TEST(apply_leaves_out_what_stands_on_a_failure), TEST(every_failure_ends_old_or_new),
                TEST(an_interrupted_step_is_begun_again), TEST(every_operation_has_its_row), TEST(questions_are_isolated),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
