/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The journal: runs and their steps in SQLite (WAL, synchronous FULL), the only durable truth besides the
 * things themselves. INTENT is durable before an act, DONE after its verification. One writer at a time:
 * the writer holds an flock on <state>/writer.lock for as long as it lives, so a crash frees it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct journal;

enum run_state {
        RUN_RUNNING,   /* under way */
        RUN_PAUSED,    /* waits for a person */
        RUN_DONE,      /* all committed */
        RUN_PARTIAL,   /* some containers were rolled back or left out */
        RUN_FAILED,    /* nothing was changed or everything was turned back */
        RUN_STUCK,     /* a rollback failed: a person is needed */
        RUN_STATE_MAX,
};
const char *run_state_name(enum run_state s);
bool run_state_is_final(enum run_state s);

/* What a person said about a run under way. */
enum run_control {
        CONTROL_GO,
        CONTROL_PAUSE,                 /* begin nothing more */
        CONTROL_PAUSE_BEFORE_CUT_OVER, /* begin no cut-over: prepare everything and wait */
        CONTROL_ABORT,                 /* turn back what is not committed */
        CONTROL_MAX,
};
const char *run_control_name(enum run_control c);
int run_control_parse(const char *s);

enum step_state {
        STEP_STATE_PENDING,
        STEP_STATE_INTENT,      /* act begun, outcome unknown */
        STEP_STATE_DONE,        /* verified */
        STEP_STATE_FAILED,      /* act failed; not undone yet */
        STEP_STATE_UNDO_INTENT, /* undo begun */
        STEP_STATE_UNDONE,
        STEP_STATE_UNDO_FAILED,
        STEP_STATE_LEFT_OUT,    /* never begun because the container turned back or depends on one that did */
        STEP_STATE_MAX,
};
const char *step_state_name(enum step_state s);

struct run_record {
        int64_t id;
        char *kind;
        char *subject;
        char *plan;    /* canonical JSON */
        char *digest;
        enum run_state state;
        char *owner;   /* user name */
        uint32_t uid;
        char *boot_id; /* of the boot it began in */
        int64_t started_ms; /* wall */
        int64_t ended_ms;   /* wall; 0 = not ended */
        char *error;   /* first failure, or "" */
        enum run_control control;
};

struct step_record {
        unsigned number;
        char *container; /* "" = host */
        char *kind;
        enum step_state state;
        unsigned attempts;
        int64_t intent_ms; /* wall; 0 = not yet */
        int64_t done_ms;   /* wall; 0 = not yet */
        int64_t duration_ms; /* boottime */
        char *error;       /* or "" */
        char *data;        /* result as JSON, or "" */
        pid_t worker;      /* 0 = none */
        uint64_t worker_start;
};

struct outage_record {
        char *container;
        int64_t closed_wall_ms;
        int64_t opened_wall_ms; /* 0 = still closed */
        int64_t closed_boot_ms;
        int64_t opened_boot_ms;
};

struct event_record {
        int64_t id;
        int64_t wall_ms;
        char *container; /* "" = run */
        char *text;
};

/* A generation that is out of use, and the volume snapshots of the run that put it out of use. */
struct kept_record {
        char *container;
        unsigned generation;
        char *tag;        /* of the snapshots, "run-7" */
        int64_t until_ms; /* wall; deleted then */
        bool warned;
};

struct kept_records { struct kept_record *items; size_t n; };
struct run_records { struct run_record *items; size_t n; };
struct step_records { struct step_record *items; size_t n; };
struct outage_records { struct outage_record *items; size_t n; };
struct event_records { struct event_record *items; size_t n; };
void run_record_done(struct run_record *r);
void run_records_done(struct run_records *l);
void step_records_done(struct step_records *l);
void outage_records_done(struct outage_records *l);
void event_records_done(struct event_records *l);
void kept_records_done(struct kept_records *l);

/* Opens <state_dir>/journal.db, making it if need be. Readers need no lock. */
int journal_open(const char *state_dir, struct journal **ret, infra_error **reterr);
struct journal *journal_free(struct journal *j);

/*
 * Becomes the writer. -EBUSY with who it is ("infrad, pid 42, since ...") when somebody else is. @who goes
 * into the lock file for that message. The lock lasts until journal_free().
 */
int journal_lock(struct journal *j, const char *who, infra_error **reterr);

struct step_seed {
        unsigned number;
        const char *container; /* or NULL */
        const char *kind;
};
/* Records a new run with all its steps pending, in one transaction. */
int journal_begin(struct journal *j, const char *kind, const char *subject, const char *plan, const char *digest,
                  uint32_t uid, const char *owner, const struct step_seed *steps, size_t n_steps, int64_t *ret_id,
                  infra_error **reterr);
int journal_run_state(struct journal *j, int64_t run, enum run_state state, const char *error, infra_error **reterr);
/* Durable before it returns; so is the event that says who said it. */
int journal_run_control(struct journal *j, int64_t run, enum run_control control, infra_error **reterr);
/* Durable before it returns. INTENT and UNDO_INTENT count an attempt and take the time. */
int journal_step_state(struct journal *j, int64_t run, unsigned step, enum step_state state, const char *error,
                       const char *data, int64_t duration_ms, infra_error **reterr);
int journal_step_worker(struct journal *j, int64_t run, unsigned step, pid_t pid, uint64_t start, infra_error **reterr);
int journal_fence(struct journal *j, int64_t run, const char *container, bool closed, int64_t wall_ms, int64_t boot_ms,
                  infra_error **reterr);
int journal_event(struct journal *j, int64_t run, const char *container, const char *text, infra_error **reterr);

/* A generation that went out of use is kept until then; said again, the later time counts. */
int journal_keep(struct journal *j, const char *container, unsigned generation, const char *tag, int64_t until_ms, infra_error **reterr);
int journal_kept_warned(struct journal *j, const char *container, unsigned generation, infra_error **reterr);
int journal_kept_forget(struct journal *j, const char *container, unsigned generation, infra_error **reterr);
/* By the time they are kept until. */
int journal_kept(struct journal *j, struct kept_records *ret, infra_error **reterr);

/* Runs, newest first; @limit 0 = all. -ENOENT for one run that does not exist. */
int journal_runs(struct journal *j, unsigned limit, struct run_records *ret, infra_error **reterr);
int journal_run(struct journal *j, int64_t id, struct run_record *ret, infra_error **reterr);
/* The run that is not final, or ret->id = 0. */
int journal_open_run(struct journal *j, struct run_record *ret, infra_error **reterr);
int journal_steps(struct journal *j, int64_t run, struct step_records *ret, infra_error **reterr);
int journal_outages(struct journal *j, int64_t run, struct outage_records *ret, infra_error **reterr);
int journal_events(struct journal *j, int64_t run, struct event_records *ret, infra_error **reterr);
/* Median duration of the done steps of that kind on that container (NULL: any) in the last runs; 0 = never done. */
int journal_forecast(struct journal *j, const char *kind, const char *container, int64_t *ret_ms, infra_error **reterr);

DEFINE_CLEANUP(struct journal *, journal_free);
#define _cleanup_journal_ CLEANUP(journal_freep)
#define _cleanup_run_record_ CLEANUP(run_record_done)
#define _cleanup_run_records_ CLEANUP(run_records_done)
#define _cleanup_step_records_ CLEANUP(step_records_done)
#define _cleanup_outage_records_ CLEANUP(outage_records_done)
#define _cleanup_event_records_ CLEANUP(event_records_done)
#define _cleanup_kept_records_ CLEANUP(kept_records_done)
