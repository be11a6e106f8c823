/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs with several workers, played through without a container: random ends of random workers, failures, crashes,
 * pauses and aborts; after each choice the rules hold, and each run ends with every container old or new.
 */

#include "../testing.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "../estates.h"
#include "base/fd.h"
#include "engine/choice.h"
#include "engine/window.h"

enum { STEPS_MAX = 128, ROUNDS_MAX = 5000, SERIES = 60, CONTAINERS = 6 };

struct play {
        infra_estate *estate;
        struct plan *plan;
        enum step_state states[STEPS_MAX];
        bool busy[STEPS_MAX], undoing[STEPS_MAX];
        enum run_control control;
        unsigned fails; /* one act in so many fails; 0 = none */
        unsigned seed;
        bool held;
};

static int begin_with(void **state, enum on_failure on_failure)
{
        struct play *p = calloc(1, sizeof(*p));
        struct facts f = facts_of_two();
        struct plan_options options = {};
        infra_estate *e = p->estate = estate_of_two();

        for (size_t i = 2; i < CONTAINERS; i++) {
                struct container *c = ARRAY_ADD(e->containers, e->n_containers);
                struct container_fact *fact = ARRAY_ADD(f.containers, f.n_containers);
                struct wave *w = &e->upgrades[0].waves[i % 2];

                *c = (struct container){ .name = path_join("c%zu", i), .profile = strdup("plain"), .release = strdup("bookworm"),
                                         .span = e->containers[0].span };
                *fact = (struct container_fact){ .exists = true, .managed = true, .running = true, .state = strdup("running"), .live = 1,
                                                 .last = 1, .previous_run = strdup(""), .release = strdup("bookworm") };
                w->containers = reallocarray(w->containers, w->n_containers + 1, sizeof(size_t));
                w->containers[w->n_containers++] = i;
        }
        e->upgrades[0].strategy = STRATEGY_SHADOW;
        e->upgrades[0].jobs = 3;
        e->upgrades[0].on_failure = on_failure;
        assert_int_equal(plan_compute(PLAN_UPGRADE, "trixie", &options, e, &f, &p->plan, NULL), 0);
        assert_true(p->plan->n_steps < STEPS_MAX);
        facts_done(&f);
        *state = p;
        return 0;
}

static int begin(void **state)
{
        return begin_with(state, ON_FAILURE_ROLLBACK_CONTAINER);
}

static int begin_waves(void **state)
{
        return begin_with(state, ON_FAILURE_ROLLBACK_WAVE);
}

static int finish(void **state)
{
        struct play *p = *state;

        plan_free(p->plan);
        infra_estate_free(p->estate);
        free(p);
        return 0;
}

/* What must be so whenever something has just begun. */
static void check_rules(const struct play *p)
{
        size_t alone = 0, beside = 0;

        for (size_t i = 0; i < p->plan->n_steps; i++) {
                const struct step *s = &p->plan->steps[i];

                if (!p->busy[i])
                        continue;
                if (step_type(s->kind)->beside)
                        beside += !p->undoing[i];
                else
                        alone++;
                for (size_t k = 0; k < p->plan->n_steps; k++) {
                        const struct step *o = &p->plan->steps[k];

                        /* One step of a container at a time. */
                        assert_false(k != i && p->busy[k] && streq(s->container, o->container));
                        /* Nobody's fence closes before everybody is prepared or out. */
                        if (s->kind == STEP_FENCE && !p->undoing[i] && o->kind == STEP_REHEARSE)
                                assert_true(p->states[k] != STEP_STATE_PENDING && !p->busy[k]);
                }
        }
        assert_true(alone <= 1);
        assert_true(beside <= p->plan->jobs);
}

static void end_one(struct play *p)
{
        size_t n = 0, chosen;

        for (size_t i = 0; i < p->plan->n_steps; i++)
                n += p->busy[i];
        assert_true(n > 0);
        chosen = (size_t)rand_r(&p->seed) % n;
        for (size_t i = 0; i < p->plan->n_steps; i++) {
                if (!p->busy[i] || chosen-- != 0)
                        continue;
                p->busy[i] = false;
                if (p->undoing[i])
                        p->states[i] = STEP_STATE_UNDONE;
                else if (p->fails && p->plan->steps[i].kind != STEP_COMMIT && rand_r(&p->seed) % p->fails == 0)
                        p->states[i] = STEP_STATE_FAILED;
                else
                        p->states[i] = STEP_STATE_DONE;
                return;
        }
}

static struct choice next(const struct play *p)
{
        return choose(&(struct scene){ .plan = p->plan, .states = p->states, .busy = p->busy, .estate = p->estate, .control = p->control });
}

/* Plays until the end, a hold, or @rounds choices. */
static enum run_state play(struct play *p, int rounds)
{
        p->held = false;
        for (int round = 0; round < rounds; round++) {
                struct choice c = next(p);

                switch (c.kind) {
                case CHOICE_DO:
                case CHOICE_UNDO:
                        assert_false(p->busy[c.index]);
                        p->busy[c.index] = true;
                        p->undoing[c.index] = c.kind == CHOICE_UNDO;
                        p->states[c.index] = p->undoing[c.index] ? STEP_STATE_UNDO_INTENT : STEP_STATE_INTENT;
                        check_rules(p);
                        break;
                case CHOICE_NO_UNDO: p->states[c.index] = STEP_STATE_UNDONE; break;
                case CHOICE_LEAVE: p->states[c.index] = STEP_STATE_LEFT_OUT; break;
                case CHOICE_WAIT: end_one(p); break;
                case CHOICE_HOLD: p->held = true; return RUN_PAUSED;
                default: return c.state;
                }
                if (c.kind == CHOICE_DO && rand_r(&p->seed) % 3 == 0)
                        end_one(p);
        }
        return RUN_RUNNING;
}

/* Old: everything that was begun is undone or was never begun; new: all done. */
static void check_old_or_new(const struct play *p)
{
        for (size_t c = 0; c < p->estate->n_containers; c++) {
                const char *name = p->estate->containers[c].name;
                enum standing s = standing_of(p->plan, p->states, name);

                assert_true(s == STANDING_COMMITTED || s == STANDING_ROLLED_BACK || s == STANDING_FAILED || s == STANDING_LEFT_OUT);
                for (size_t i = 0; i < p->plan->n_steps; i++)
                        if (s != STANDING_COMMITTED && streq(p->plan->steps[i].container, name))
                                assert_true(p->states[i] == STEP_STATE_UNDONE || p->states[i] == STEP_STATE_LEFT_OUT);
        }
}

static void renew(struct play *p, unsigned seed)
{
        memset(p->states, 0, sizeof(p->states));
        memset(p->busy, 0, sizeof(p->busy));
        p->control = CONTROL_GO;
        p->seed = seed;
}

static void all_well_and_beside_each_other(void **state)
{
        struct play *p = *state;
        size_t most = 0, busy = 0;

        renew(p, 1);
        /* Three are prepared at once, as the upgrade says. */
        for (int round = 0; round < 20 && next(p).kind == CHOICE_DO; round++) {
                struct choice c = next(p);

                p->busy[c.index] = true;
                p->states[c.index] = STEP_STATE_INTENT;
                busy++;
                most = MAX(most, busy);
        }
        assert_int_equal(most, 3);
        renew(p, 2);
        assert_int_equal(play(p, ROUNDS_MAX), RUN_DONE);
        check_old_or_new(p);
}

static void failures_end_old_or_new(void **state)
{
        struct play *p = *state;

        p->fails = 25;
        for (unsigned seed = 0; seed < SERIES; seed++) {
                enum run_state end;

                renew(p, seed);
                end = play(p, ROUNDS_MAX);
                assert_true(run_state_is_final(end) && end != RUN_STUCK);
                check_old_or_new(p);
        }
}

/* infrad and its workers die: what was under way is begun again. */
static void crashes_change_nothing_of_that(void **state)
{
        struct play *p = *state;

        p->fails = 40;
        for (unsigned seed = 0; seed < SERIES; seed++) {
                enum run_state end = RUN_RUNNING;

                renew(p, seed);
                for (int crash = 0; crash < 20 && end == RUN_RUNNING; crash++) {
                        end = play(p, 1 + rand_r(&p->seed) % 30);
                        memset(p->busy, 0, sizeof(p->busy));
                }
                end = end == RUN_RUNNING ? play(p, ROUNDS_MAX) : end;
                assert_true(run_state_is_final(end));
                check_old_or_new(p);
        }
}

static bool any_cut_over(const struct play *p)
{
        for (size_t i = 0; i < p->estate->n_containers; i++)
                if (is_cut_over(p->plan, p->states, p->estate->containers[i].name))
                        return true;
        return false;
}

static void a_pause_never_holds_behind_a_fence(void **state)
{
        struct play *p = *state;

        p->fails = 0;
        for (unsigned seed = 0; seed < SERIES; seed++) {
                enum run_state end;

                renew(p, seed);
                end = play(p, 1 + rand_r(&p->seed) % 150);
                p->control = CONTROL_PAUSE;
                if (end == RUN_RUNNING)
                        end = play(p, ROUNDS_MAX);
                if (end == RUN_PAUSED)
                        assert_false(any_cut_over(p));
                p->control = CONTROL_GO;
                assert_int_equal(end == RUN_PAUSED ? play(p, ROUNDS_MAX) : end, RUN_DONE);
        }
}

static void everything_is_prepared_before_a_pause_at_the_cut_over(void **state)
{
        struct play *p = *state;

        renew(p, 5);
        p->control = CONTROL_PAUSE_BEFORE_CUT_OVER;
        assert_int_equal(play(p, ROUNDS_MAX), RUN_PAUSED);
        for (size_t i = 0; i < p->plan->n_steps; i++)
                assert_int_equal(p->states[i], step_type(p->plan->steps[i].kind)->beside ? STEP_STATE_DONE : STEP_STATE_PENDING);
        p->control = CONTROL_GO;
        assert_int_equal(play(p, ROUNDS_MAX), RUN_DONE);
}

static void an_abort_keeps_only_what_is_committed(void **state)
{
        struct play *p = *state;

        for (unsigned seed = 0; seed < SERIES; seed++) {
                bool committed[CONTAINERS];
                enum run_state end;

                renew(p, seed);
                p->fails = 0;
                end = play(p, 1 + rand_r(&p->seed) % 200);
                if (end != RUN_RUNNING)
                        continue;
                for (size_t i = 0; i < CONTAINERS; i++)
                        committed[i] = standing_of(p->plan, p->states, p->estate->containers[i].name) == STANDING_COMMITTED;
                p->control = CONTROL_ABORT;
                assert_true(run_state_is_final(play(p, ROUNDS_MAX)));
                check_old_or_new(p);
                /* A commit under way when the word came may still have come to its end. */
                for (size_t i = 0; i < CONTAINERS; i++)
                        if (committed[i])
                                assert_int_equal(standing_of(p->plan, p->states, p->estate->containers[i].name), STANDING_COMMITTED);
        }
}

/* Waves that stand or fall together: all committed, or none. */
static void a_wave_goes_back_as_one(void **state)
{
        struct play *p = *state;
        unsigned mixed = 0, back = 0;

        p->fails = 60;
        for (unsigned seed = 0; seed < SERIES * 2; seed++) {
                size_t committed[3] = {}, all[3] = {};

                renew(p, seed);
                assert_true(run_state_is_final(play(p, ROUNDS_MAX)));
                check_old_or_new(p);
                for (size_t i = 0; i < p->plan->n_steps; i++) {
                        const struct step *s = &p->plan->steps[i];

                        if (s->kind != STEP_COMMIT)
                                continue;
                        all[s->wave]++;
                        committed[s->wave] += standing_of(p->plan, p->states, s->container) == STANDING_COMMITTED;
                }
                for (unsigned w = 1; w <= 2; w++) {
                        mixed += committed[w] > 0 && committed[w] < all[w];
                        back += committed[w] == 0;
                }
        }
        assert_int_equal(mixed, 0);
        assert_true(back > 0);
}

static void no_fence_closes_outside_the_window(void **state)
{
        struct play *p = *state;
        _cleanup_error_ infra_error *e = NULL;
        size_t fence = 0;

        while (p->plan->steps[fence].kind != STEP_FENCE)
                fence++;
        assert_int_equal(window_wait(p->plan, fence, 1000, &e), 0);
        p->plan->window_start_ms = 10000000;
        assert_int_equal(window_wait(p->plan, fence, 9000000, &e), 1000000);
        assert_int_equal(window_wait(p->plan, fence, 10000000, &e), 0);
        p->plan->window_end_ms = 10000000 + 3600000;
        assert_int_equal(window_wait(p->plan, fence, 10000000, &e), 0);
        /* One second is enough for neither way. */
        assert_int_equal(window_wait(p->plan, fence, p->plan->window_end_ms - 1000, &e), -ETIME);
        assert_non_null(strstr(infra_error_message(e), "the way back"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(all_well_and_beside_each_other),
                TEST(failures_end_old_or_new),
                TEST(crashes_change_nothing_of_that),
                TEST(a_pause_never_holds_behind_a_fence),
                TEST(everything_is_prepared_before_a_pause_at_the_cut_over),
                TEST(an_abort_keeps_only_what_is_committed),
                TEST(no_fence_closes_outside_the_window),
                cmocka_unit_test_setup_teardown(a_wave_goes_back_as_one, begin_waves, finish),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
