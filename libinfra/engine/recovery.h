/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a new runner must put right before it goes on, and what a stuck one does last. */

#include "engine/engine.h"
#include "journal/journal.h"

/*
 * After a crash or reboot: our table is loaded if it is gone, and the fence of every container between its
 * STEP_FENCE and its commit is closed again. Runs in a process of its own.
 */
int recovery_fences(const infra_estate *e, const struct plan *plan, const enum step_state *states, infra_error **reterr);

/*
 * Candidates whose preparation was interrupted are thrown away, with what it left: nobody knows what is in them, the
 * step clones anew, and a disk they filled is wanted back before the journal can go on. @alive: steps whose worker is.
 */
int recovery_candidates(const infra_estate *e, const struct plan *plan, const enum step_state *states, const bool *alive,
                        const char *state_dir, infra_error **reterr);

/* One failed rollback: the container is left reachable as it is; the opening is journaled. */
int recovery_leave_reachable(struct journal *j, int64_t run, const infra_estate *e, const char *container,
                             infra_error **reterr);
