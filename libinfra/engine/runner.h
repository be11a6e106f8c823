/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The runner carries one run through on an sd-event loop: one worker at a time for what touches what serves, several
 * beside each other for what is prepared aside. It keeps nothing that is not
 * in the journal: killed at any instant, a new runner on the same run goes on from the journal and from what
 * the operations observe.
 *
 *   next step of a healthy container -> INTENT -> worker -> DONE
 *                                             \-> FAILED -> its container turns back: undo, last step first
 *   worker vanished without an answer         -> the same step again, at most ATTEMPTS_MAX times
 *   undo failed                               -> stuck: fence opened as the last thing, a person is asked
 */

#include <systemd/sd-event.h>

#include "engine/engine.h"
#include "journal/journal.h"

struct runner;

struct runner_progress {
        int64_t run;
        enum run_state state;
        const struct step *step; /* NULL: the run as a whole */
        enum step_state step_state;
        size_t of;          /* number of steps in all */
        int64_t elapsed_ms; /* of the run */
        const char *text;
};
typedef void (*runner_changed)(void *userdata, const struct runner_progress *p);

/*
 * Takes over plan and estate. @journal is borrowed and must be locked. The run must exist in the journal.
 * @changed is called after each durable change, the last time with a final state; the runner may be freed
 * only after that call has returned.
 */
int runner_new(struct journal *journal, const char *state_dir, int64_t run, struct plan *plan, infra_estate *estate,
               sd_event *event, runner_changed changed, void *userdata, struct runner **ret, infra_error **reterr);
/* Begins or, after a crash, goes on; @recovered: puts ruleset and fences back first. */
int runner_start(struct runner *r, bool recovered, infra_error **reterr);
bool runner_ended(const struct runner *r);
/* What a person said, durable before it returns; -EALREADY while the run is being aborted. */
int runner_control(struct runner *r, enum run_control control, const char *who, infra_error **reterr);
int64_t runner_run(const struct runner *r);
struct runner *runner_free(struct runner *r);

DEFINE_CLEANUP(struct runner *, runner_free);
#define _cleanup_runner_ CLEANUP(runner_freep)
