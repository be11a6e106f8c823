/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A worker: one step in a process of its own, in its own session, with its transcript in a file. Its answer
 * is a file too, replaced durably, so that whoever comes after a crash of the parent can read it:
 *   <state>/runs/<run>/<number>-<kind>[.undo].log      transcript
 *   <state>/runs/<run>/<number>-<kind>[.undo].result   {"code","error","data","duration_ms"}
 *   <state>/runs/<run>/<number>-<kind>.lock            held by the one that works: a second waits for its end
 */

#include <sys/types.h>

#include "engine/engine.h"
#include "journal/journal.h"

struct worker_place {
        const char *state_dir;
        int64_t run;
        const struct step *step;
        bool undo;
};

/* Path of the transcript, allocated. */
char *worker_transcript(const struct worker_place *p);

/* Forks the worker; the caller waits for ret_pid and then reads worker_result(). */
int worker_start(const struct worker_place *p, struct work *w, pid_t *ret_pid, infra_error **reterr);

struct worker_result {
        int code; /* 0, or the negative errno of the step */
        char *error;
        char *data; /* JSON */
        int64_t duration_ms;
};
void worker_result_done(struct worker_result *r);
/* -ENOENT when the worker ended without an answer (killed). */
int worker_result(const struct worker_place *p, struct worker_result *ret, infra_error **reterr);

/* What the container's step of that kind left in the journal, for the steps that build on it; NULL: nothing. */
json_t *worker_data_of(const struct step_records *records, const char *container, enum step_kind kind);

#define _cleanup_worker_result_ CLEANUP(worker_result_done)
