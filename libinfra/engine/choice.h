/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a run does next, from its plan and the states of its steps alone; pure, so that every case is a test. */

#include "journal/journal.h"
#include "plan/plan.h"

enum choice_kind {
        CHOICE_DO,       /* begin, or begin again, step @index */
        CHOICE_UNDO,     /* undo step @index */
        CHOICE_NO_UNDO,  /* step @index has nothing to undo: note it as undone */
        CHOICE_LEAVE,    /* leave step @index out */
        CHOICE_WAIT,     /* nothing more beside what is under way */
        CHOICE_HOLD,     /* nothing until a person says `resume` (or `abort`) */
        CHOICE_END,      /* the run is over with @state */
        CHOICE_KIND_MAX,
};

struct choice {
        enum choice_kind kind;
        size_t index;
        enum run_state state;
};

/* What is known of a run when its next step is chosen. */
struct scene {
        const struct plan *plan;
        const enum step_state *states; /* of plan->steps */
        const bool *busy;              /* a worker is at the step; NULL: none */
        const infra_estate *estate;    /* gives `after` (for plans that start containers) */
        enum run_control control;
};

/*
 * Steps that touch what serves run alone, in the order of the plan, each after everything before it. Steps beside
 * them run as soon as those of their own container before them are done, as many as the plan's jobs. A paused run
 * begins nothing but what brings a container behind a closed fence to its end; an aborted one turns back what is
 * not committed.
 */
struct choice choose(const struct scene *s);

/* Between its fence and its commit: no place to pause. */
bool is_cut_over(const struct plan *plan, const enum step_state *states, const char *container);

/* How a container (NULL: the host) stands in a run. */
enum standing {
        STANDING_PENDING,
        STANDING_RUNNING,
        STANDING_DONE,
        STANDING_COMMITTED,
        STANDING_TURNING_BACK,
        STANDING_ROLLED_BACK,
        STANDING_LEFT_OUT,
        STANDING_FAILED, /* failed with nothing to undo */
        STANDING_STUCK,
        STANDING_MAX,
};
const char *standing_name(enum standing s);
enum standing standing_of(const struct plan *plan, const enum step_state *states, const char *container);
