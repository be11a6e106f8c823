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
        CHOICE_END,      /* the run is over with @state */
        CHOICE_KIND_MAX,
};

struct choice {
        enum choice_kind kind;
        size_t index;
        enum run_state state;
};

/* @states[i] is the state of plan->steps[i]. @estate gives `after` (for plans that start containers). */
struct choice choose(const struct plan *plan, const enum step_state *states, const infra_estate *estate);

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
