/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

enum { OUTPUT_KEPT_MAX = 1 << 20, WAIT_STEP_MS = 10 };

static void child_exec(const char *const argv[], const struct process_options *o, int output)
{
        sigset_t none;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        setpgid(0, 0);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
                _exit(126);
        if (dup2(output >= 0 ? output : null, STDOUT_FILENO) < 0 || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
                _exit(126);
        for (const char *const *e = o->environment; e && *e; e++)
                putenv((char *)(uintptr_t)*e);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(errno == ENOENT ? 127 : 126);
}

/* Reads what is there; returns false at the end of the stream. */
static bool drain(int fd, struct str *s)
{
        char buffer[8192];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n > 0 && s->length < OUTPUT_KEPT_MAX)
                str_add_bytes(s, buffer, (size_t)n);
        return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

int process_wait(pid_t pid, int fd, struct str *output, int64_t timeout_ms, int *ret_status)
{
        int64_t end = clock_boottime_ms() + timeout_ms;
        bool open = fd >= 0, late = false;
        int status;

        for (;;) {
                pid_t done;

                if (open) {
                        struct pollfd p = { .fd = fd, .events = POLLIN };

                        if (poll(&p, 1, WAIT_STEP_MS * 5) > 0)
                                open = drain(fd, output);
                }
                done = waitpid(pid, &status, open ? WNOHANG : timeout_ms ? WNOHANG : 0);
                if (done < 0 && errno != EINTR)
                        return -errno;
                if (done == pid)
                        break;
                if (timeout_ms && !late && clock_boottime_ms() > end) {
                        kill(-pid, SIGKILL);
                        kill(pid, SIGKILL);
                        late = true;
                }
                if (!open)
                        clock_sleep_ms(WAIT_STEP_MS);
        }
        while (open) {
                /* What is left in the pipe; a grandchild may hold the other end for ever, so do not wait. */
                struct pollfd p = { .fd = fd, .events = POLLIN };

                open = poll(&p, 1, 0) > 0 && drain(fd, output);
        }
        *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return late ? -ETIME : 0;
}

int process_run(const char *const argv[], const struct process_options *options, int *ret_status,
                infra_error **reterr)
{
        _cleanup_str_ struct str output = {};
        _cleanup_close_ int reader = -1, writer = -1;
        int status = 0, r;
        pid_t pid;

        if (options->ret_output) {
                int ends[2];

                if (pipe2(ends, O_CLOEXEC) < 0)
                        return infra_error_set(reterr, -errno, "cannot make a pipe: %m");
                reader = ends[0];
                writer = ends[1];
        }
        pid = fork();
        if (pid < 0)
                return infra_error_set(reterr, -errno, "cannot start %s: %m", argv[0]);
        if (pid == 0)
                child_exec(argv, options, writer >= 0 ? writer : options->output);
        if (writer >= 0)
                close(TAKE_FD(writer));
        r = process_wait(pid, reader, &output, options->timeout_ms, &status);
        if (r < 0)
                return infra_error_set(reterr, r, "%s: %s", argv[0],
                                       r == -ETIME ? "no end within the time limit" : strerror(-r));
        if (status == 127)
                return infra_error_set(reterr, -ENOENT, "%s: program not found", argv[0]);
        if (options->ret_output) {
                char *text = str_take(&output);

                if (!text)
                        return infra_error_oom(reterr);
                *options->ret_output = text;
        }
        *ret_status = status;
        return 0;
}

/* State letter and start time from /proc/PID/stat; the command name may hold anything, so from its last ')'. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
        _cleanup_free_ char *path = path_join("/proc/%d/stat", (int)pid), *text = NULL;
        unsigned long long start;
        const char *p;

        if (!path || file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
                return -ESRCH;
        p = strrchr(text, ')');
        if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                         ret_state, &start) != 2)
                return -ESRCH;
        *ret_start = start;
        return 0;
}

/* The first half of the boot id, which is random but for a few bits. */
static uint64_t boot_number(void)
{
        char id[37], *end = id;
        uint64_t n = 0;

        if (clock_boot_id(id) < 0)
                return 0;
        for (unsigned digits = 0; digits < 16 && *end; end++) {
                const char *at = strchr("0123456789abcdef", *end);

                if (!at)
                        continue;
                n = n << 4 | (uint64_t)(at - "0123456789abcdef");
                digits++;
        }
        return n;
}

uint64_t process_identity(pid_t pid)
{
        uint64_t start;
        char state;

        return read_stat(pid, &state, &start) < 0 ? 0 : start ^ boot_number();
}

bool process_alive(pid_t pid, uint64_t identity)
{
        uint64_t start;
        char state;

        return read_stat(pid, &state, &start) == 0 && (start ^ boot_number()) == identity && state != 'Z' && state != 'X';
}
