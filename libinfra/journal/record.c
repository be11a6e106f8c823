/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records read back from the journal. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/statement.h"

static const char *const run_states[RUN_STATE_MAX] = {
        [RUN_RUNNING] = "running", [RUN_PAUSED] = "paused", [RUN_DONE] = "done",
        [RUN_PARTIAL] = "partial", [RUN_FAILED] = "failed", [RUN_STUCK] = "stuck",
};

static const char *const step_states[STEP_STATE_MAX] = {
        [STEP_STATE_PENDING] = "pending",         [STEP_STATE_INTENT] = "intent",
        [STEP_STATE_DONE] = "done",               [STEP_STATE_FAILED] = "failed",
        [STEP_STATE_UNDO_INTENT] = "undo-intent", [STEP_STATE_UNDONE] = "undone",
        [STEP_STATE_UNDO_FAILED] = "undo-failed", [STEP_STATE_LEFT_OUT] = "left-out",
};

const char *run_state_name(enum run_state s)
{
        return run_states[s];
}

bool run_state_is_final(enum run_state s)
{
        return s != RUN_RUNNING && s != RUN_PAUSED;
}

static const char *const controls[CONTROL_MAX] = {
        [CONTROL_GO] = "go",
        [CONTROL_PAUSE] = "pause",
        [CONTROL_PAUSE_BEFORE_CUT_OVER] = "pause-before-cut-over",
        [CONTROL_ABORT] = "abort",
};

const char *run_control_name(enum run_control c)
{
        return controls[c];
}

int run_control_parse(const char *s)
{
        for (int i = 0; i < CONTROL_MAX; i++)
                if (streq(controls[i], s))
                        return i;
        return -EINVAL;
}

const char *step_state_name(enum step_state s)
{
        return step_states[s];
}

void run_record_done(struct run_record *r)
{
        free(r->kind);
        free(r->subject);
        free(r->plan);
        free(r->digest);
        free(r->owner);
        free(r->boot_id);
        free(r->error);
        *r = (struct run_record){};
}

static void step_record_done(struct step_record *r)
{
        free(r->container);
        free(r->kind);
        free(r->error);
        free(r->data);
}

static void outage_record_done(struct outage_record *r)
{
        free(r->container);
}

static void event_record_done(struct event_record *r)
{
        free(r->container);
        free(r->text);
}

static void kept_record_done(struct kept_record *r)
{
        free(r->container);
        free(r->tag);
}

#define DEFINE_RECORDS_DONE(noun)                                \
        void noun##_records_done(struct noun##_records *l)       \
        {                                                        \
                for (size_t i = 0; i < l->n; i++)                \
                        noun##_record_done(&l->items[i]);        \
                free(l->items);                                  \
                *l = (struct noun##_records){};                  \
        }
DEFINE_RECORDS_DONE(run)
DEFINE_RECORDS_DONE(step)
DEFINE_RECORDS_DONE(outage)
DEFINE_RECORDS_DONE(event)
DEFINE_RECORDS_DONE(kept)

#define RUN_COLUMNS "id, kind, subject, plan, digest, state, owner, uid, boot_id, started, ended, error,"\
                    " coalesce((SELECT control FROM control WHERE control.run = run.id), 0)"

static int read_run(sqlite3_stmt *s, struct run_record *r)
{
        int state = sqlite3_column_int(s, 5), control = sqlite3_column_int(s, 12);

        r->id = sqlite3_column_int64(s, 0);
        r->kind = statement_text(s, 1);
        r->subject = statement_text(s, 2);
        r->plan = statement_text(s, 3);
        r->digest = statement_text(s, 4);
        r->state = state >= 0 && state < RUN_STATE_MAX ? (enum run_state)state : RUN_STUCK;
        r->owner = statement_text(s, 6);
        r->uid = (uint32_t)sqlite3_column_int64(s, 7);
        r->boot_id = statement_text(s, 8);
        r->started_ms = sqlite3_column_int64(s, 9);
        r->ended_ms = sqlite3_column_int64(s, 10);
        r->error = statement_text(s, 11);
        r->control = control >= 0 && control < CONTROL_MAX ? (enum run_control)control : CONTROL_PAUSE;
        return r->kind && r->subject && r->plan && r->digest && r->owner && r->boot_id && r->error ? 0 : -ENOMEM;
}

static int read_step(sqlite3_stmt *s, struct step_record *r)
{
        int state = sqlite3_column_int(s, 3);

        r->number = (unsigned)sqlite3_column_int64(s, 0);
        r->container = statement_text(s, 1);
        r->kind = statement_text(s, 2);
        r->state = state >= 0 && state < STEP_STATE_MAX ? (enum step_state)state : STEP_STATE_FAILED;
        r->attempts = (unsigned)sqlite3_column_int64(s, 4);
        r->intent_ms = sqlite3_column_int64(s, 5);
        r->done_ms = sqlite3_column_int64(s, 6);
        r->duration_ms = sqlite3_column_int64(s, 7);
        r->error = statement_text(s, 8);
        r->data = statement_text(s, 9);
        r->worker = (pid_t)sqlite3_column_int64(s, 10);
        r->worker_start = (uint64_t)sqlite3_column_int64(s, 11);
        return r->container && r->kind && r->error && r->data ? 0 : -ENOMEM;
}

static int read_outage(sqlite3_stmt *s, struct outage_record *r)
{
        r->container = statement_text(s, 0);
        r->closed_wall_ms = sqlite3_column_int64(s, 1);
        r->opened_wall_ms = sqlite3_column_int64(s, 2);
        r->closed_boot_ms = sqlite3_column_int64(s, 3);
        r->opened_boot_ms = sqlite3_column_int64(s, 4);
        return r->container ? 0 : -ENOMEM;
}

static int read_event(sqlite3_stmt *s, struct event_record *r)
{
        r->id = sqlite3_column_int64(s, 0);
        r->wall_ms = sqlite3_column_int64(s, 1);
        r->container = statement_text(s, 2);
        r->text = statement_text(s, 3);
        return r->container && r->text ? 0 : -ENOMEM;
}

static int read_kept(sqlite3_stmt *s, struct kept_record *r)
{
        r->container = statement_text(s, 0);
        r->generation = (unsigned)sqlite3_column_int64(s, 1);
        r->tag = statement_text(s, 2);
        r->until_ms = sqlite3_column_int64(s, 3);
        r->warned = sqlite3_column_int(s, 4) != 0;
        return r->container && r->tag ? 0 : -ENOMEM;
}

/* Every row of the statement into the list, which is handed out only whole. */
#define DEFINE_RECORDS_READ(noun)                                                                                      \
        static int read_##noun##s(struct journal *j, sqlite3_stmt *s, struct noun##_records *ret, infra_error **reterr) \
        {                                                                                                              \
                CLEANUP(noun##_records_done) struct noun##_records l = {};                                             \
                int r;                                                                                                 \
                                                                                                                       \
                while ((r = statement_row(j, s, reterr)) > 0) {                                                        \
                        struct noun##_record *item = ARRAY_ADD(l.items, l.n);                                          \
                                                                                                                       \
                        if (!item || read_##noun(s, item) < 0)                                                         \
                                return infra_error_oom(reterr);                                                        \
                }                                                                                                      \
                if (r < 0)                                                                                             \
                        return r;                                                                                      \
                *ret = l;                                                                                              \
                l = (struct noun##_records){};                                                                         \
                return 0;                                                                                              \
        }
DEFINE_RECORDS_READ(run)
DEFINE_RECORDS_READ(step)
DEFINE_RECORDS_READ(outage)
DEFINE_RECORDS_READ(event)
DEFINE_RECORDS_READ(kept)

int journal_runs(struct journal *j, unsigned limit, struct run_records *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr, "SELECT " RUN_COLUMNS " FROM run ORDER BY id DESC LIMIT ?", "i",
                                  limit ? (int64_t)limit : (int64_t)-1);

        return r < 0 ? r : read_runs(j, s, ret, reterr);
}

/* The first row of the statement; 1 found, 0 none. */
static int first_run(struct journal *j, sqlite3_stmt *s, struct run_record *ret, infra_error **reterr)
{
        _cleanup_run_record_ struct run_record record = {};
        int r = statement_row(j, s, reterr);

        if (r <= 0)
                return r;
        if (read_run(s, &record) < 0)
                return infra_error_oom(reterr);
        *ret = record;
        record = (struct run_record){};
        return 1;
}

int journal_run(struct journal *j, int64_t id, struct run_record *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr, "SELECT " RUN_COLUMNS " FROM run WHERE id = ?", "i", id);

        if (r >= 0)
                r = first_run(j, s, ret, reterr);
        if (r < 0)
                return r;
        return r > 0 ? 0 : infra_error_set(reterr, -ENOENT, "there is no run %lld", (long long)id);
}

int journal_open_run(struct journal *j, struct run_record *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr,
                                  "SELECT " RUN_COLUMNS " FROM run WHERE state IN (?, ?) ORDER BY id LIMIT 1", "ii",
                                  (int64_t)RUN_RUNNING, (int64_t)RUN_PAUSED);

        if (r < 0)
                return r;
        *ret = (struct run_record){};
        r = first_run(j, s, ret, reterr);
        return r < 0 ? r : 0;
}

int journal_steps(struct journal *j, int64_t run, struct step_records *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr,
                                  "SELECT number, container, kind, state, attempts, intent, done, duration, error, data,"
                                  " worker, worker_start FROM step WHERE run = ? ORDER BY number",
                                  "i", run);

        return r < 0 ? r : read_steps(j, s, ret, reterr);
}

int journal_outages(struct journal *j, int64_t run, struct outage_records *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr,
                                  "SELECT container, closed_wall, opened_wall, closed_boot, opened_boot FROM outage"
                                  " WHERE run = ? ORDER BY container",
                                  "i", run);

        return r < 0 ? r : read_outages(j, s, ret, reterr);
}

int journal_events(struct journal *j, int64_t run, struct event_records *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr, "SELECT id, wall, container, text FROM event WHERE run = ? ORDER BY id", "i",
                                  run);

        return r < 0 ? r : read_events(j, s, ret, reterr);
}

int journal_kept(struct journal *j, struct kept_records *ret, infra_error **reterr)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int r = statement_prepare(j, &s, reterr, "SELECT container, generation, tag, until, warned FROM kept ORDER BY until, container", "");

        return r < 0 ? r : read_kepts(j, s, ret, reterr);
}

int journal_forecast(struct journal *j, const char *kind, const char *container, int64_t *ret_ms, infra_error **reterr)
{
        enum { RECENT = 15 };
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        int64_t durations[RECENT];
        size_t n = 0;
        int r = statement_prepare(j, &s, reterr,
                                  "SELECT duration FROM (SELECT run, duration FROM step WHERE kind = ?1 AND state = ?2"
                                  " AND (?3 = '' OR container = ?3) ORDER BY run DESC LIMIT 15) ORDER BY duration",
                                  "sis", kind, (int64_t)STEP_STATE_DONE, container);

        if (r < 0)
                return r;
        while (n < RECENT && (r = statement_row(j, s, reterr)) > 0)
                durations[n++] = sqlite3_column_int64(s, 0);
        if (r < 0)
                return r;
        *ret_ms = n ? durations[n / 2] : 0;
        return 0;
}
