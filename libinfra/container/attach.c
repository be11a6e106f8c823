/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commands in a running container: unattended (container_run) and on the caller's terminal. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "container/lxc.h"

enum { BOOT_STEP_MS = 100, BOOT_ASK_MS = 10000, ESCAPE_CTRL_A = 1 };

static const char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8",
};

/* Inside the container, after the fork: only exec is left to do. */
static int exec_in_session(void *payload)
{
        char *const *argv = payload;

        setsid();
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? 127 : 126);
}

/* Ours and the caller's, NULL-terminated; the strings are borrowed. */
static char **environment_of(const char *const *more, const char *term)
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

static int open_running(const char *lxc_path, const char *name, handle *ret, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (!c->is_running(c))
                return infra_error_set(reterr, -ENOTCONN, "%s is not running", name);
        *ret = TAKE_PTR(c);
        return 0;
}

int container_run(const char *lxc_path, const char *name, const struct container_command *command,
                  int *ret_status, infra_error **reterr)
{
        lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), reader = -1, writer = -1;
        _cleanup_free_ char **all = environment_of(command->environment, "TERM=dumb");
        _cleanup_str_ struct str output = {};
        _cleanup_handle_ handle c = NULL;
        int ends[2], status = 0, r;
        pid_t pid = -1;

        r = open_running(lxc_path, name, &c, reterr);
        if (r < 0)
                return r;
        if (!all || null < 0)
                return infra_error_oom(reterr);
        if (command->ret_output) {
                if (pipe2(ends, O_CLOEXEC) < 0)
                        return infra_error_set(reterr, -errno, "cannot make a pipe: %m");
                reader = ends[0];
                writer = ends[1];
        }
        options.env_policy = LXC_ATTACH_CLEAR_ENV;
        options.extra_env_vars = all;
        options.initial_cwd = (char *)(uintptr_t) "/";
        options.stdin_fd = command->input >= 0 ? command->input : null;
        options.stdout_fd = writer >= 0 ? writer : command->output >= 0 ? command->output : null;
        options.stderr_fd = options.stdout_fd;
        if (c->attach(c, exec_in_session, (void *)(uintptr_t)command->argv, &options, &pid) < 0)
                return reason_set(reterr, -EIO, lxc_path, name, "cannot enter");
        if (writer >= 0)
                close(TAKE_FD(writer));
        r = process_wait(pid, reader, &output, command->timeout_ms, &status);
        if (r < 0)
                return infra_error_set(reterr, r, "%s in %s: %s", command->argv[0], name,
                                       r == -ETIME ? "no end within the time limit" : strerror(-r));
        if (command->ret_output) {
                char *text = str_take(&output);

                if (!text)
                        return infra_error_oom(reterr);
                *command->ret_output = text;
        }
        *ret_status = status;
        return 0;
}

/* 1 = booted, 0 = not yet. */
static int is_booted(const char *lxc_path, const char *name, infra_error **reterr)
{
        static const char *const argv[] = { "systemctl", "is-system-running", NULL };
        static const char *const passing[] = { "initializing", "starting", "offline", "unknown" };
        _cleanup_free_ char *output = NULL;
        struct container_command command = { .argv = argv, .input = -1, .output = -1, .ret_output = &output, .timeout_ms = BOOT_ASK_MS };
        int status = 0, r = container_run(lxc_path, name, &command, &status, reterr);

        if (r == -ETIME)
                return 0;
        if (r < 0)
                return r;
        /* A guest without systemd has booted when its init runs. */
        if (status == 127)
                return 1;
        for (size_t i = 0; i < ELEMENTS(passing); i++)
                if (startswith(output, passing[i]))
                        return 0;
        /* Before its bus is there, systemctl fails with a sentence and no state. */
        return startswith(output, "running") || startswith(output, "degraded") || startswith(output, "maintenance") || startswith(output, "stopping");
}

int container_wait_booted(const char *lxc_path, const char *name, int64_t limit_ms, infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + limit_ms;

        for (;;) {
                int r = is_booted(lxc_path, name, reterr);

                if (r < 0)
                        return infra_error_prefix(reterr, r, "%s while it boots", name);
                if (r > 0)
                        return 0;
                if (clock_boottime_ms() > end)
                        return infra_error_set(reterr, -ETIME, "%s has not booted within %lld s", name, (long long)limit_ms / 1000);
                clock_sleep_ms(BOOT_STEP_MS);
        }
}

int container_shell(const char *lxc_path, const char *name, const char *const *argv, int *ret_status,
                    infra_error **reterr)
{
        lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
        const char *term = getenv("TERM");
        _cleanup_free_ char *terminal = path_join("TERM=%s", term ? term : "linux");
        _cleanup_free_ char **all = environment_of(NULL, terminal);
        _cleanup_handle_ handle c = NULL;
        pid_t pid = -1;
        int status, r = open_running(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (!all || !terminal)
                return infra_error_oom(reterr);
        options.env_policy = LXC_ATTACH_CLEAR_ENV;
        options.extra_env_vars = all;
        options.initial_cwd = (char *)(uintptr_t) "/root";
        /* A terminal of its own inside, so that job control and window size work; pipes are passed on as they are. */
        if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
                options.attach_flags |= LXC_ATTACH_TERMINAL;
        if (argv) {
                lxc_attach_command_t command = { .program = (char *)(uintptr_t)argv[0], .argv = (char **)(uintptr_t)argv };

                r = c->attach(c, lxc_attach_run_command, &command, &options, &pid);
        } else {
                r = c->attach(c, lxc_attach_run_shell, NULL, &options, &pid);
        }
        if (r < 0)
                return reason_set(reterr, -EIO, lxc_path, name, "cannot enter");
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return infra_error_set(reterr, -errno, "cannot wait for the command in %s: %m", name);
        *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return 0;
}

int container_console(const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        int r = open_running(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        /* Terminal 0 is the console itself: messages of the boot and, where the guest runs one there, a getty. */
        if (c->console(c, 0, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, ESCAPE_CTRL_A) < 0)
                return reason_set(reterr, -EIO, lxc_path, name, "cannot open the console of");
        return 0;
}
