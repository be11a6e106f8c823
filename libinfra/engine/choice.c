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
                if (step_type(s->kind)->undoable && states[i] != STEP_STATE_PENDING && states[i] != STEP_STATE_LEFT_OUT)
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

/* Whether policy stops before a pending step because of what happened elsewhere in the run. */
static bool is_stopped(const struct plan *plan, const enum step_state *states, const infra_estate *estate, const struct step *s)
{
        if (went_wrong(plan, states, NULL))
                return true;
        if (s->container && went_wrong(plan, states, s->container))
                return true;
        if (s->container && plan->kind == PLAN_APPLY && stands_on_wrong(plan, states, estate, s->container))
                return true;
        if (plan->on_failure == ON_FAILURE_ROLLBACK_CONTAINER)
                return false;
        /* rollback-wave, pause: what has not begun stays as it is; a person decides about the rest. */
        for (size_t i = 0; i < plan->n_steps; i++)
                if (plan->steps[i].container && went_wrong(plan, states, plan->steps[i].container))
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

struct choice choose(const struct plan *plan, const enum step_state *states, const infra_estate *estate)
{
        /* Back first, from the last step to the first: the old service before any new one. */
        for (size_t i = plan->n_steps; i-- > 0;) {
                enum step_state s = states[i];
                bool open = s == STEP_STATE_DONE || s == STEP_STATE_INTENT || s == STEP_STATE_FAILED || s == STEP_STATE_UNDO_INTENT;

                if (open && standing_of(plan, states, plan->steps[i].container) == STANDING_TURNING_BACK)
                        return undo(plan, states, i);
        }
        for (size_t i = 0; i < plan->n_steps; i++) {
                if (states[i] == STEP_STATE_INTENT)
                        return (struct choice){ .kind = CHOICE_DO, .index = i };
                if (states[i] != STEP_STATE_PENDING)
                        continue;
                if (is_stopped(plan, states, estate, &plan->steps[i]))
                        return (struct choice){ .kind = CHOICE_LEAVE, .index = i };
                return (struct choice){ .kind = CHOICE_DO, .index = i };
        }
        return end(plan, states);
}
