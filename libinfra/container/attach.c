/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unattended commands in a running container, and whether it has booted. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "container/lxc.h"

enum { BOOT_STEP_MS = 100, BOOT_ASK_MS = 10000, END_MS = 500 };

static const char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "USER=root",
        "LOGNAME=root",
        "LANG=C.UTF-8",
};

/* Inside the container, after the fork: only exec is left to do. */
static int exec_in_session(void *payload)
{
        char *const *argv = payload;

        signals_reset();
        setsid();
        execvp(argv[0], argv);
        dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
}

char **environment_of(const char *const *more, const char *term)
{
        size_t n = 0;
        char **all;

        while (more && more[n])
                n++;
        all = calloc(ELEMENTS(environment) + n + 2, sizeof(*all));
        if (!all)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(environment); i++)
                all[i] = (char *)(uintptr_t)environment[i];
        for (size_t i = 0; i < n; i++)
                all[ELEMENTS(environment) + i] = (char *)(uintptr_t)more[i];
        all[ELEMENTS(environment) + n] = (char *)(uintptr_t)term;
        return all;
}

/* Enters the container for one unattended command; *ret_pid is a child of ours. */
static int enter(handle c, const struct container_command *command, int output, pid_t *ret_pid)
{
        lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        _cleanup_free_ char **all = environment_of(command->environment, "TERM=dumb");

        if (!all || null < 0)
                return -ENOMEM;
        options.env_policy = LXC_ATTACH_CLEAR_ENV;
        options.extra_env_vars = all;
        options.initial_cwd = (char *)(uintptr_t) "/";
        options.stdin_fd = command->input >= 0 ? command->input : null;
        options.stdout_fd = options.stderr_fd = output >= 0 ? output : null;
        return c->attach(c, exec_in_session, (void *)(uintptr_t)command->argv, &options, ret_pid) < 0 ? -EIO : 0;
}

/* A dying init kills the others first and waits for them, so it may be seen a moment longer than they. */
static bool has_ended(pid_t init, uint64_t born)
{
        for (int64_t end = clock_boottime_ms() + END_MS; process_alive(init, born); clock_sleep_ms(BOOT_STEP_MS / 10))
                if (clock_boottime_ms() > end)
                        return false;
        return true;
}

int container_run(const char *lxc_path, const char *name, const struct container_command *command, int *ret_status,
                  infra_error **reterr)
{
        _cleanup_close_ int reader = -1, writer = -1;
        off_t mark = reason_mark(lxc_path, name);
        _cleanup_str_ struct str output = {};
        _cleanup_handle_ handle c = NULL;
        int ends[2], status = 0, r;
        uint64_t born;
        pid_t pid = -1, init;

        r = handle_open_running(lxc_path, name, &c, reterr);
        if (r < 0)
                return r;
        if (command->ret_output) {
                if (pipe2(ends, O_CLOEXEC) < 0)
                        return infra_error_set(reterr, -errno, "cannot make a pipe: %m");
                reader = ends[0];
                writer = ends[1];
        }
        init = c->init_pid(c);
        born = process_identity(init);
        r = enter(c, command, writer >= 0 ? writer : command->output, &pid);
        if (r < 0)
                return reason_set(reterr, r, lxc_path, name, mark, "cannot enter");
        if (writer >= 0)
                close(TAKE_FD(writer));
        r = process_wait(pid, reader, &output, command->timeout_ms, &status);
        if (r < 0)
                return infra_error_set(reterr, r, "%s in %s: %s", command->argv[0], name,
                                       r == -ETIME ? "no end within the time limit" : strerror(-r));
        if (status == 128 + SIGKILL && has_ended(init, born))
                return infra_error_set(reterr, -ECONNRESET, "%s ended while %s ran in it", name, command->argv[0]);
        if (command->ret_output) {
                char *text = str_take(&output);

                if (!text)
                        return infra_error_oom(reterr);
                *command->ret_output = text;
        }
        *ret_status = status;
        return 0;
}

/* Whether the container's init is systemd, which can tell how far it is; by the program, its name is the guest's own.
 */
static bool has_systemd(handle c)
{
        _cleanup_free_ char *link = path_join("/proc/%d/exe", (int)c->init_pid(c));
        char program[PATH_MAX] = "";

        return link && readlink(link, program, sizeof(program) - 1) > 0 && endswith(program, "/systemd");
}

/* 1 = booted, 0 = not yet. */
static int is_booted(const char *lxc_path, const char *name, infra_error **reterr)
{
        static const char *const argv[] = { "systemctl", "is-system-running", NULL };
        static const char *const booted[] = { "running", "degraded", "maintenance", "stopping" };
        _cleanup_free_ char *output = NULL;
        struct container_command command = {
                .argv = argv, .input = -1, .output = -1, .ret_output = &output, .timeout_ms = BOOT_ASK_MS
        };
        _cleanup_handle_ handle c = NULL;
        int status = 0, r = handle_open_managed(lxc_path, name, &c, reterr);

        /* It may have started itself anew. */
        if (r < 0 || handle_state(c) == CONTAINER_STARTING)
                return r;
        if (handle_state(c) == CONTAINER_STOPPED)
                return infra_error_set(reterr, -ENOTCONN, "it has stopped");
        /* Another init has booted when it runs. */
        if (!has_systemd(c))
                return 1;
        r = container_run(lxc_path, name, &command, &status, reterr);
        if (r < 0)
                return r;
        /* Before its bus is there, systemctl fails with a sentence and no state. */
        for (size_t i = 0; i < ELEMENTS(booted); i++)
                if (startswith(output, booted[i]))
                        return 1;
        return 0;
}

int container_wait_booted(const char *lxc_path, const char *name, int64_t limit_ms, infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + limit_ms;

        for (;;) {
                _cleanup_error_ infra_error *error = NULL;
                int r = is_booted(lxc_path, name, &error);

                if (r > 0)
                        return 0;
                /* A command may not get in, or not come back, while the guest is busy with itself. */
                if (r < 0 && r != -ETIME && r != -EIO)
                        return infra_error_set(reterr, r, "%s while it boots: %s", name, infra_error_message(error));
                if (clock_boottime_ms() > end)
                        return infra_error_set(reterr, -ETIME, "%s has not booted within %lld s%s%s", name,
                                               (long long)limit_ms / 1000, r < 0 ? ": " : "",
                                               r < 0 ? infra_error_message(error) : "");
                clock_sleep_ms(BOOT_STEP_MS);
        }
}
