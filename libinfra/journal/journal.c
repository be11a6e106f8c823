/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening, the writer's lock, and everything that writes. Reading is in record.c. */

#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "journal/statement.h"

enum { BUSY_TIMEOUT_MS = 10000, LOCK_TEXT_MAX = 512, LOCK_PATIENCE_MS = 500, LOCK_STEP_MS = 20 };

static const char schema[] =
        "PRAGMA journal_mode=WAL;"
        "PRAGMA synchronous=FULL;"
        "PRAGMA foreign_keys=ON;"
        "CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,"
        " plan TEXT NOT NULL, digest TEXT NOT NULL, state INTEGER NOT NULL, uid INTEGER NOT NULL, owner TEXT NOT NULL,"
        " boot_id TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '');"
        "CREATE TABLE IF NOT EXISTS step(run INTEGER NOT NULL REFERENCES run(id), number INTEGER NOT NULL,"
        " container TEXT NOT NULL, kind TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,"
        " intent INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, duration INTEGER NOT NULL DEFAULT 0,"
        " error TEXT NOT NULL DEFAULT '', data TEXT NOT NULL DEFAULT '', worker INTEGER NOT NULL DEFAULT 0,"
        " worker_start INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(run, number)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS outage(run INTEGER NOT NULL REFERENCES run(id), container TEXT NOT NULL,"
        " closed_wall INTEGER NOT NULL, opened_wall INTEGER NOT NULL DEFAULT 0, closed_boot INTEGER NOT NULL,"
        " opened_boot INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(run, container)) WITHOUT ROWID;"
        "CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES run(id),"
        " wall INTEGER NOT NULL, container TEXT NOT NULL, text TEXT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS control(run INTEGER PRIMARY KEY REFERENCES run(id), control INTEGER NOT NULL);"
        "CREATE TABLE IF NOT EXISTS kept(container TEXT NOT NULL, generation INTEGER NOT NULL, tag TEXT NOT NULL,"
        " until INTEGER NOT NULL, warned INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(container, generation)) WITHOUT ROWID;";

int journal_open(const char *state_dir, struct journal **ret, infra_error **reterr)
{
        _cleanup_journal_ struct journal *j = calloc(1, sizeof(*j));
        _cleanup_free_ char *path = path_join("%s/journal.db", state_dir);
        int r;

        if (!j)
                return infra_error_oom(reterr);
        j->lock = -1;
        j->state_dir = strdup(state_dir);
        if (!path || !j->state_dir)
                return infra_error_oom(reterr);
        r = dir_make(AT_FDCWD, state_dir, 0755);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot make %s: %s", state_dir, strerror(-r));
        if (sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
                return journal_failed(j, reterr);
        sqlite3_busy_timeout(j->db, BUSY_TIMEOUT_MS);
        if (sqlite3_exec(j->db, schema, NULL, NULL, NULL) != SQLITE_OK)
                return journal_failed(j, reterr);
        *ret = TAKE_PTR(j);
        return 0;
}

struct journal *journal_free(struct journal *j)
{
        if (!j)
                return NULL;
        sqlite3_close(j->db);
        if (j->lock >= 0)
                close(j->lock);
        free(j->state_dir);
        free(j);
        return NULL;
}

/* A worker just forked holds the lock of a writer just killed until it has closed what it inherited. */
static int lock_patiently(int fd)
{
        int64_t end = clock_boottime_ms() + LOCK_PATIENCE_MS;

        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return -errno;
                if (clock_boottime_ms() > end)
                        return -EBUSY;
                clock_sleep_ms(LOCK_STEP_MS);
        }
        return 0;
}

int journal_lock(struct journal *j, const char *who, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/writer.lock", j->state_dir), *text = NULL, *holder = NULL;
        _cleanup_close_ int fd = -1;
        char now[CLOCK_TEXT_MAX];

        if (j->lock >= 0)
                return 0;
        text = path_join("%s, pid %d, since %s\n", who, (int)getpid(), clock_format(clock_wall_ms(), now));
        if (!path || !text)
                return infra_error_oom(reterr);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", path);
        if (lock_patiently(fd) < 0) {
                if (file_read(AT_FDCWD, path, LOCK_TEXT_MAX, &holder, NULL) >= 0)
                        holder[strcspn(holder, "\n")] = '\0';
                return infra_error_set(reterr, -EBUSY, "somebody else is the writer: %s", holder ? holder : "unknown");
        }
        if (ftruncate(fd, 0) < 0 || fd_write_all(fd, text, strlen(text)) < 0)
                return infra_error_set(reterr, -errno, "cannot write %s: %m", path);
        j->lock = TAKE_FD(fd);
        return 0;
}

static int begin_rows(struct journal *j, const char *kind, const char *subject, const char *plan, const char *digest,
                      uint32_t uid, const char *owner, const struct step_seed *steps, size_t n_steps, int64_t *ret_id,
                      infra_error **reterr)
{
        char boot[37] = "";
        int r;

        clock_boot_id(boot);
        r = statement_run(j, reterr,
                          "INSERT INTO run(kind, subject, plan, digest, state, uid, owner, boot_id, started)"
                          " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          "ssssiissi", kind, subject, plan, digest, (int64_t)RUN_RUNNING, (int64_t)uid, owner, boot,
                          clock_wall_ms());
        if (r < 0)
                return r;
        *ret_id = sqlite3_last_insert_rowid(j->db);
        for (size_t i = 0; i < n_steps; i++) {
                r = statement_run(j, reterr, "INSERT INTO step(run, number, container, kind) VALUES(?, ?, ?, ?)", "iiss",
                                  *ret_id, (int64_t)steps[i].number, steps[i].container, steps[i].kind);
                if (r < 0)
                        return r;
        }
        return 0;
}

int journal_begin(struct journal *j, const char *kind, const char *subject, const char *plan, const char *digest,
                  uint32_t uid, const char *owner, const struct step_seed *steps, size_t n_steps, int64_t *ret_id,
                  infra_error **reterr)
{
        int64_t id = 0;
        int r = statement_run(j, reterr, "BEGIN IMMEDIATE", "");

        if (r < 0)
                return r;
        r = begin_rows(j, kind, subject, plan, digest, uid, owner, steps, n_steps, &id, reterr);
        if (r >= 0)
                r = statement_run(j, reterr, "COMMIT", "");
        if (r < 0) {
                statement_run(j, NULL, "ROLLBACK", "");
                return r;
        }
        *ret_id = id;
        return 0;
}

int journal_run_state(struct journal *j, int64_t run, enum run_state state, const char *error, infra_error **reterr)
{
        return statement_run(j, reterr,
                             "UPDATE run SET state = ?1, ended = ?2, error = CASE WHEN error = '' THEN ?3 ELSE error END"
                             " WHERE id = ?4",
                             "iisi", (int64_t)state, run_state_is_final(state) ? clock_wall_ms() : (int64_t)0, error, run);
}

int journal_run_control(struct journal *j, int64_t run, enum run_control control, infra_error **reterr)
{
        return statement_run(j, reterr,
                             "INSERT INTO control(run, control) VALUES(?1, ?2) ON CONFLICT(run) DO UPDATE SET control = ?2", "ii",
                             run, (int64_t)control);
}

int journal_step_state(struct journal *j, int64_t run, unsigned step, enum step_state state, const char *error,
                       const char *data, int64_t duration_ms, infra_error **reterr)
{
        int64_t now = clock_wall_ms(), s = (int64_t)state, n = (int64_t)step;

        switch (state) {
        case STEP_STATE_INTENT:
        case STEP_STATE_UNDO_INTENT:
                return statement_run(j, reterr,
                                     "UPDATE step SET state = ?, attempts = attempts + 1,"
                                     " intent = CASE WHEN intent = 0 THEN ? ELSE intent END, worker = 0 WHERE run = ? AND number = ?",
                                     "iiii", s, now, run, n);
        case STEP_STATE_DONE:
                return statement_run(j, reterr,
                                     "UPDATE step SET state = ?, done = ?, duration = ?, data = ?, error = '', worker = 0"
                                     " WHERE run = ? AND number = ?",
                                     "iiisii", s, now, duration_ms, data, run, n);
        case STEP_STATE_FAILED:
        case STEP_STATE_UNDO_FAILED:
                return statement_run(j, reterr,
                                     "UPDATE step SET state = ?, duration = ?, error = ?, worker = 0 WHERE run = ? AND number = ?",
                                     "iisii", s, duration_ms, error, run, n);
        default:
                return statement_run(j, reterr,
                                     "UPDATE step SET state = ?, worker = 0, data = CASE WHEN ? = '' THEN data ELSE ? END"
                                     " WHERE run = ? AND number = ?",
                                     "issii", s, data, data, run, n);
        }
}

int journal_step_worker(struct journal *j, int64_t run, unsigned step, pid_t pid, uint64_t start, infra_error **reterr)
{
        return statement_run(j, reterr, "UPDATE step SET worker = ?, worker_start = ? WHERE run = ? AND number = ?", "iiii",
                             (int64_t)pid, (int64_t)start, run, (int64_t)step);
}

int journal_fence(struct journal *j, int64_t run, const char *container, bool closed, int64_t wall_ms, int64_t boot_ms,
                  infra_error **reterr)
{
        /* The first closing counts, and the first opening after it: a repeated step must not shorten the outage. */
        if (closed)
                return statement_run(j, reterr,
                                     "INSERT INTO outage(run, container, closed_wall, closed_boot) VALUES(?, ?, ?, ?)"
                                     " ON CONFLICT DO NOTHING",
                                     "isii", run, container, wall_ms, boot_ms);
        return statement_run(j, reterr,
                             "UPDATE outage SET opened_wall = ?, opened_boot = ? WHERE run = ? AND container = ? AND opened_wall = 0",
                             "iiis", wall_ms, boot_ms, run, container);
}

int journal_event(struct journal *j, int64_t run, const char *container, const char *text, infra_error **reterr)
{
        return statement_run(j, reterr, "INSERT INTO event(run, wall, container, text) VALUES(?, ?, ?, ?)", "iiss", run,
                             clock_wall_ms(), container, text);
}

int journal_keep(struct journal *j, const char *container, unsigned generation, const char *tag, int64_t until_ms, infra_error **reterr)
{
        return statement_run(j, reterr,
                             "INSERT INTO kept(container, generation, tag, until) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(container, generation)"
                             " DO UPDATE SET until = max(until, ?4), tag = ?3, warned = 0",
                             "sisi", container, (int64_t)generation, tag, until_ms);
}

int journal_kept_warned(struct journal *j, const char *container, unsigned generation, infra_error **reterr)
{
        return statement_run(j, reterr, "UPDATE kept SET warned = 1 WHERE container = ? AND generation = ?", "si", container,
                             (int64_t)generation);
}

int journal_kept_forget(struct journal *j, const char *container, unsigned generation, infra_error **reterr)
{
        return statement_run(j, reterr, "DELETE FROM kept WHERE container = ? AND generation = ?", "si", container, (int64_t)generation);
}
