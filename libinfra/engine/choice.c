/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/choice.h"

static const char *const standings[STANDING_MAX] = {
        [STANDING_PENDING] = "pending",
        [STANDING_RUNNING] = "running",
        [STANDING_DONE] = "done",
        [STANDING_COMMITTED] = "committed",
        [STANDING_TURNING_BACK] = "turning-back",
        [STANDING_ROLLED_BACK] = "rolled-back",
        [STANDING_LEFT_OUT] = "left-out",
        [STANDING_FAILED] = "failed",
        [STANDING_STUCK] = "stuck",
};

const char *standing_name(enum standing s)
{
        return standings[s];
}

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && streq(a, b));
}

/* Counts of the steps of one container by state. */
struct tally {
        size_t n[STEP_STATE_MAX];
        size_t all;
        bool commits;   /* the plan has a commit for it */
        bool committed; /* that is done */
        bool changed;   /* something undoable was begun */
};

static struct tally tally_of(const struct plan *plan, const enum step_state *states, const char *container)
{
        struct tally t = {};

        for (size_t i = 0; i < plan->n_steps; i++) {
                const struct step *s = &plan->steps[i];

                if (!same(s->container, container))
                        continue;
                t.all++;
                t.n[states[i]]++;
                if (s->kind == STEP_COMMIT) {
                        t.commits = true;
                        t.committed = states[i] == STEP_STATE_DONE;
                }
                /* A candidate that goes again and a fence that opens again changed nothing. */
                if (step_type(s->kind)->undoable && s->kind != STEP_SHADOW && s->kind != STEP_COPY && s->kind != STEP_FENCE && states[i] != STEP_STATE_PENDING && states[i] != STEP_STATE_LEFT_OUT)
                        t.changed = true;
        }
        return t;
}

enum standing standing_of(const struct plan *plan, const enum step_state *states, const char *container)
{
        struct tally t = tally_of(plan, states, container);
        size_t open = t.n[STEP_STATE_DONE] + t.n[STEP_STATE_INTENT] + t.n[STEP_STATE_FAILED] + t.n[STEP_STATE_UNDO_INTENT];
        bool back = t.n[STEP_STATE_FAILED] + t.n[STEP_STATE_UNDO_INTENT] + t.n[STEP_STATE_UNDONE] > 0;

        if (t.n[STEP_STATE_UNDO_FAILED] > 0)
                return STANDING_STUCK;
        if (back && open > 0)
                return STANDING_TURNING_BACK;
        if (back)
                return t.changed ? STANDING_ROLLED_BACK : STANDING_FAILED;
        if (t.n[STEP_STATE_LEFT_OUT] > 0 && open == 0)
                return STANDING_LEFT_OUT;
        if (t.n[STEP_STATE_DONE] == t.all)
                return t.commits ? STANDING_COMMITTED : STANDING_DONE;
        return open > 0 ? STANDING_RUNNING : STANDING_PENDING;
}

/* Whether a container turned back or could not: what depends on it, by policy, is then not begun. */
static bool went_wrong(const struct plan *plan, const enum step_state *states, const char *container)
{
        enum standing s = standing_of(plan, states, container);

        return s == STANDING_TURNING_BACK || s == STANDING_ROLLED_BACK || s == STANDING_FAILED || s == STANDING_STUCK ||
               s == STANDING_LEFT_OUT;
}

static bool stands_on_wrong(const struct plan *plan, const enum step_state *states, const infra_estate *estate, const char *name)
{
        const struct container *c = estate_container(estate, name);

        for (size_t i = 0; c && i < c->n_after; i++)
                if (went_wrong(plan, states, estate->containers[c->after[i]].name))
                        return true;
        return false;
}

/*
 * Where a wave stands or falls together, what is not committed goes back with the first that went wrong: its own wave
 * from behind its fences, and the candidates of later waves, which are not begun any more. A person decides about the
 * rest.
 */
static bool all_fall(const struct plan *plan, const enum step_state *states)
{
        if (plan->on_failure != ON_FAILURE_ROLLBACK_WAVE)
                return false;
        for (size_t i = 0; i < plan->n_steps; i++)
                if (plan->steps[i].container && went_wrong(plan, states, plan->steps[i].container))
                        return true;
        return false;
}

/* Whether policy stops before a pending step because of what happened elsewhere in the run. */
static bool is_stopped(const struct plan *plan, const enum step_state *states, const infra_estate *estate, const struct step *s)
{
        if (went_wrong(plan, states, NULL))
                return true;
        if (s->container && went_wrong(plan, states, s->container))
                return true;
        if (s->container && plan->kind == PLAN_APPLY && stands_on_wrong(plan, states, estate, s->container))
                return true;
        return false;
}

static bool boot_was_begun(const struct plan *plan, const enum step_state *states, const char *container)
{
        for (size_t i = 0; i < plan->n_steps; i++)
                if (plan->steps[i].kind == STEP_BOOT && same(plan->steps[i].container, container))
                        return states[i] != STEP_STATE_PENDING;
        return false;
}

/* Undo of one step: needed, or only to be noted. */
static struct choice undo(const struct plan *plan, const enum step_state *states, size_t i)
{
        const struct step *s = &plan->steps[i];
        bool needed = step_type(s->kind)->undoable;

        /* Volumes that nobody could write to since their snapshot are what they were. */
        if (s->kind == STEP_SNAPSHOT && !boot_was_begun(plan, states, s->container))
                needed = false;
        return (struct choice){ .kind = needed ? CHOICE_UNDO : CHOICE_NO_UNDO, .index = i };
}

static struct choice end(const struct plan *plan, const enum step_state *states)
{
        size_t well = 0, wrong = 0;
        bool stuck = false;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const char *container = plan->steps[i].container;

                if (went_wrong(plan, states, container))
                        wrong++;
                else
                        well++;
                stuck = stuck || standing_of(plan, states, container) == STANDING_STUCK;
        }
        return (struct choice){
                .kind = CHOICE_END,
                .state = stuck ? RUN_STUCK : wrong == 0 ? RUN_DONE : well == 0 ? RUN_FAILED : RUN_PARTIAL,
        };
}

bool is_cut_over(const struct plan *plan, const enum step_state *states, const char *container)
{
        bool inside = false;

        for (size_t i = 0; container && i < plan->n_steps; i++) {
                const struct step *s = &plan->steps[i];

                if (!same(s->container, container))
                        continue;
                if (s->kind == STEP_FENCE)
                        inside = states[i] == STEP_STATE_INTENT || states[i] == STEP_STATE_DONE;
                if (s->kind == STEP_COMMIT && states[i] != STEP_STATE_PENDING && states[i] != STEP_STATE_INTENT)
                        inside = false;
        }
        return inside;
}

static bool is_open(enum step_state s)
{
        return s == STEP_STATE_DONE || s == STEP_STATE_INTENT || s == STEP_STATE_FAILED || s == STEP_STATE_UNDO_INTENT;
}

static bool is_settled(enum step_state s)
{
        return s == STEP_STATE_DONE || s == STEP_STATE_UNDONE || s == STEP_STATE_UNDO_FAILED || s == STEP_STATE_LEFT_OUT;
}

static bool is_busy(const struct scene *s, size_t i)
{
        return s->busy && s->busy[i];
}

/* Workers under way. */
static size_t busy_of(const struct scene *s, const char *container)
{
        size_t n = 0;

        for (size_t i = 0; i < s->plan->n_steps; i++)
                n += is_busy(s, i) && same(s->plan->steps[i].container, container);
        return n;
}

static size_t busy_in(const struct scene *s, bool beside)
{
        size_t n = 0;

        for (size_t i = 0; i < s->plan->n_steps; i++)
                n += is_busy(s, i) && step_type(s->plan->steps[i].kind)->beside == beside;
        return n;
}

/* @fall: see all_fall(). */
static bool is_turning_back(const struct scene *s, const char *container, bool fall)
{
        enum standing standing = standing_of(s->plan, s->states, container);

        if (standing == STANDING_TURNING_BACK)
                return true;
        if (!container || standing != STANDING_RUNNING)
                return false;
        return fall || s->control == CONTROL_ABORT;
}

/* Back first, from the last step to the first: the old service before any new one. */
static bool choose_undo(const struct scene *s, bool fall, struct choice *ret)
{
        for (size_t i = s->plan->n_steps; i-- > 0;) {
                const char *container = s->plan->steps[i].container;
                bool last = true;

                if (!is_open(s->states[i]) || !is_turning_back(s, container, fall) || busy_of(s, container) > 0)
                        continue;
                for (size_t k = i + 1; k < s->plan->n_steps; k++)
                        last = last && !(is_open(s->states[k]) && same(s->plan->steps[k].container, container));
                if (!last)
                        continue;
                *ret = undo(s->plan, s->states, i);
                if (ret->kind == CHOICE_NO_UNDO || step_type(s->plan->steps[i].kind)->beside || busy_in(s, false) == 0)
                        return true;
        }
        return false;
}

static bool has_room(const struct scene *s, const struct step *step)
{
        return step_type(step->kind)->beside ? busy_in(s, true) < s->plan->jobs : busy_in(s, false) == 0;
}

/* Whether everything that must come before step @i is over, and nothing is in its way. */
static bool is_due(const struct scene *s, size_t i)
{
        const struct step *step = &s->plan->steps[i];
        bool beside = step_type(step->kind)->beside;

        for (size_t k = 0; k < i; k++) {
                const struct step *before = &s->plan->steps[k];
                bool waits = !beside || !step_type(before->kind)->beside || same(before->container, step->container);

                if (waits && !is_settled(s->states[k]))
                        return false;
        }
        return has_room(s, step);
}

static bool is_held(const struct scene *s, const struct step *step)
{
        if (is_cut_over(s->plan, s->states, step->container))
                return false;
        return s->control == CONTROL_PAUSE || (s->control == CONTROL_PAUSE_BEFORE_CUT_OVER && step->kind == STEP_FENCE);
}

/* ret_held: a step was only not begun because of a pause. */
static bool choose_do(const struct scene *s, bool fall, struct choice *ret, bool *ret_held)
{
        for (size_t i = 0; i < s->plan->n_steps; i++) {
                const struct step *step = &s->plan->steps[i];

                ret->index = i;
                if (s->states[i] == STEP_STATE_INTENT && !is_busy(s, i) && has_room(s, step)) {
                        ret->kind = CHOICE_DO;
                        return true;
                }
                if (s->states[i] != STEP_STATE_PENDING)
                        continue;
                if (fall || s->control == CONTROL_ABORT || is_stopped(s->plan, s->states, s->estate, step)) {
                        ret->kind = CHOICE_LEAVE;
                        return true;
                }
                if (!is_due(s, i))
                        continue;
                if (is_held(s, step)) {
                        *ret_held = true;
                        continue;
                }
                ret->kind = CHOICE_DO;
                return true;
        }
        return false;
}

struct choice choose(const struct scene *s)
{
        struct choice c = {};
        bool fall = all_fall(s->plan, s->states), held = false;

        if (choose_undo(s, fall, &c) || choose_do(s, fall, &c, &held))
                return c;
        if (busy_in(s, true) + busy_in(s, false) > 0)
                return (struct choice){ .kind = CHOICE_WAIT };
        if (held)
                return (struct choice){ .kind = CHOICE_HOLD };
        return end(s->plan, s->states);
}
