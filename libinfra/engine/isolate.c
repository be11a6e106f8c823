/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A function in a process of its own, its answer through a pipe as {"code","error","value"}. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/engine.h"

enum { ANSWER_MAX = 64 << 20, FIRST_FD = 3 };

/*
 * It dies with its parent, and holds nothing of the parent's but the pipe: the writer's lock is free as soon as
 * the writer is gone, and nothing is done any more for one that is.
 */
static void belong_to(int parent, int fd)
{
        struct pollfd dead = { .fd = parent, .events = POLLIN };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* By descriptor: a parent outside of our process ids has no number here. */
        if (parent < 0 || poll(&dead, 1, 0) != 0)
                _exit(1);
        if (fd > FIRST_FD)
                close_range(FIRST_FD, (unsigned)fd - 1, 0);
        close_range((unsigned)fd + 1, ~0u, 0);
}

static void child(int (*function)(void *, json_t **, infra_error **), void *userdata, int parent, int fd)
{
        infra_error *error = NULL;
        json_t *value = NULL, *answer;
        char *text;
        int r;

        setpgid(0, 0);
        belong_to(parent, fd);
        r = function(userdata, &value, &error);
        if (r >= 0)
                answer = json_pack("{s:i,s:o}", "code", 0, "value", value ? value : json_null());
        else
                answer = json_pack("{s:i,s:s}", "code", r, "error", error ? infra_error_message(error) : strerror(-r));
        /* What a guest or a library said need not be UTF-8. */
        if (!answer) {
                dprintf(STDERR_FILENO, "%s\n", error ? infra_error_message(error) : strerror(-r));
                answer = json_pack("{s:i,s:s}", "code", MIN(r, -EIO), "error", "it failed, and why is not text; see the transcript");
        }
        text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
        if (!text || fd_write_all(fd, text, strlen(text)) < 0)
                _exit(1);
        _exit(0);
}

/* Everything the child writes until it closes the pipe; -ETIME when that takes too long. */
static int collect(int fd, int64_t limit_ms, struct str *answer)
{
        int64_t end = clock_boottime_ms() + limit_ms;

        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                int64_t left = end - clock_boottime_ms();
                char buffer[16384];
                ssize_t n;

                if (left <= 0 || answer->length > ANSWER_MAX)
                        return left <= 0 ? -ETIME : -EFBIG;
                if (poll(&p, 1, (int)MIN(left, (int64_t)60000)) <= 0)
                        continue;
                n = read(fd, buffer, sizeof(buffer));
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0)
                        str_add_bytes(answer, buffer, (size_t)n);
        }
}

static int understand(const char *text, json_t **ret, infra_error **reterr)
{
        _cleanup_json_ json_t *answer = json_loads(text, 0, NULL);
        int code;

        if (!answer)
                return infra_error_set(reterr, -EIO, "the process that asked died; see the kernel's log");
        code = (int)json_integer_value(json_object_get(answer, "code"));
        if (code < 0)
                return infra_error_set(reterr, code, "%s", json_string_value(json_object_get(answer, "error")));
        *ret = json_incref(json_object_get(answer, "value"));
        return 0;
}

int isolate(int (*function)(void *userdata, json_t **ret, infra_error **reterr), void *userdata, int64_t limit_ms,
            json_t **ret, infra_error **reterr)
{
        _cleanup_str_ struct str answer = {};
        _cleanup_close_ int reader = -1, writer = -1, parent = (int)syscall(SYS_pidfd_open, getpid(), 0);
        int ends[2], r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return infra_error_set(reterr, -errno, "cannot make a pipe: %m");
        reader = ends[0];
        writer = ends[1];
        pid = fork();
        if (pid < 0)
                return infra_error_set(reterr, -errno, "cannot fork: %m");
        if (pid == 0)
                child(function, userdata, parent, writer);
        close(TAKE_FD(writer));
        r = collect(reader, limit_ms, &answer);
        if (r < 0) {
                kill(-pid, SIGKILL);
                kill(pid, SIGKILL);
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return infra_error_set(reterr, r, "no answer from the process that asked: %s", strerror(-r));
        return understand(answer.text ? answer.text : "", ret, reterr);
}
