/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum { RESULT_MAX = 4 << 20, FIRST_FD = 3 };

static char *place_path(const struct worker_place *p, const char *suffix)
{
        return path_join("%s/runs/%lld/%03u-%s%s.%s", p->state_dir, (long long)p->run, p->step->number,
                         step_type(p->step->kind)->name, p->undo ? ".undo" : "", suffix);
}

/* One for both ways of a step. */
static char *lock_path(const struct worker_place *p)
{
        return path_join("%s/runs/%lld/%03u-%s.lock", p->state_dir, (long long)p->run, p->step->number, step_type(p->step->kind)->name);
}

char *worker_transcript(const struct worker_place *p)
{
        return place_path(p, "log");
}

/* Nothing of the parent's but its memory: descriptors, signals and session are the worker's own. */
static void detach(int transcript)
{
        sigset_t none;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        setsid();
        prctl(PR_SET_NAME, "infra-worker");
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (int s = 1; s < 32; s++)
                if (s != SIGKILL && s != SIGSTOP)
                        signal(s, SIG_DFL);
        signal(SIGPIPE, SIG_IGN);
        dup2(null, STDIN_FILENO);
        dup2(transcript, STDOUT_FILENO);
        dup2(transcript, STDERR_FILENO);
        close_range(FIRST_FD, ~0u, 0);
}

/*
 * Two workers of one step come after each other: whoever began the first may have died before its number was
 * journaled, and then nobody knows of it. A record lock, because that is not handed on to what a worker starts.
 */
static int take_turn(const char *path)
{
        struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

        if (fd < 0)
                return -errno;
        while (fcntl(fd, F_SETLKW, &whole) < 0)
                if (errno != EINTR)
                        return -errno;
        /* Stays open, and so locked, until the worker ends. */
        return 0;
}

static int answer(const char *path, int code, const char *error, json_t *data, int64_t duration_ms)
{
        _cleanup_json_ json_t *j = json_pack("{s:i,s:s,s:O,s:I}", "code", code, "error", error, "data", data, "duration_ms",
                                             (json_int_t)duration_ms);
        _cleanup_free_ char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

        return text ? file_replace(AT_FDCWD, path, text, strlen(text), 0640) : -ENOMEM;
}

static void work(struct work *w, bool undo, const char *result_path, const char *lock_path, int transcript)
{
        infra_error *error = NULL;
        const char *message = "";
        int64_t start;
        int r;

        detach(transcript);
        r = take_turn(lock_path);
        if (r < 0)
                dprintf(STDERR_FILENO, "cannot lock %s: %s\n", lock_path, strerror(-r));
        start = clock_boottime_ms();
        w->transcript = STDOUT_FILENO;
        w->result = json_object();
        work_say(w, "%s%s %s", undo ? "undoing: " : "", step_type(w->step->kind)->doing,
                 w->step->container ? w->step->container : "");
        r = w->result ? operation_perform(w, undo, &error) : -ENOMEM;
        if (r < 0) {
                message = error ? infra_error_message(error) : strerror(-r);
                work_say(w, "failed: %s", message);
        }
        if (answer(result_path, MIN(r, 0), message, w->result, clock_boottime_ms() - start) < 0)
                _exit(1);
        _exit(0);
}

int worker_start(const struct worker_place *p, struct work *w, pid_t *ret_pid, infra_error **reterr)
{
        _cleanup_free_ char *dir = path_join("%s/runs/%lld", p->state_dir, (long long)p->run);
        _cleanup_free_ char *log = worker_transcript(p), *result = place_path(p, "result"), *lock = lock_path(p);
        _cleanup_close_ int transcript = -1;
        pid_t pid;
        int r;

        if (!dir || !log || !result || !lock)
                return infra_error_oom(reterr);
        r = dir_make(AT_FDCWD, dir, 0750);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot make %s: %s", dir, strerror(-r));
        if (unlink(result) < 0 && errno != ENOENT)
                return infra_error_set(reterr, -errno, "cannot remove %s: %m", result);
        transcript = open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (transcript < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", log);
        pid = fork();
        if (pid < 0)
                return infra_error_set(reterr, -errno, "cannot start a worker: %m");
        if (pid == 0)
                work(w, p->undo, result, lock, transcript);
        *ret_pid = pid;
        return 0;
}

json_t *worker_data_of(const struct step_records *records, const char *container, enum step_kind kind)
{
        for (size_t i = 0; container && i < records->n; i++)
                if (streq(records->items[i].kind, step_type(kind)->name) && streq(records->items[i].container, container))
                        return json_loads(records->items[i].data, 0, NULL);
        return NULL;
}

void worker_result_done(struct worker_result *r)
{
        free(r->error);
        free(r->data);
}

int worker_result(const struct worker_place *p, struct worker_result *ret, infra_error **reterr)
{
        _cleanup_free_ char *path = place_path(p, "result"), *text = NULL;
        _cleanup_worker_result_ struct worker_result result = {};
        _cleanup_json_ json_t *j = NULL;
        const char *error;
        int r;

        if (!path)
                return infra_error_oom(reterr);
        r = file_read(AT_FDCWD, path, RESULT_MAX, &text, NULL);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        j = json_loads(text, 0, NULL);
        error = json_string_value(json_object_get(j, "error"));
        if (!j || !error)
                return infra_error_set(reterr, -EBADMSG, "cannot understand %s", path);
        result.code = (int)json_integer_value(json_object_get(j, "code"));
        result.duration_ms = json_integer_value(json_object_get(j, "duration_ms"));
        result.error = strdup(error);
        result.data = json_dumps(json_object_get(j, "data"), JSON_COMPACT);
        if (!result.error || !result.data)
                return infra_error_oom(reterr);
        *ret = result;
        result = (struct worker_result){};
        return 0;
}
