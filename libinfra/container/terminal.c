/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A container on the caller's terminal: a shell or command in it, and its console. */

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/lxc.h"

enum { ESCAPE_CTRL_A = 1 };

/* attach() ignores both for good when its input is the caller's own: they come back as they were. */
struct keys {
        struct sigaction interrupt;
        struct sigaction quit;
};

static struct keys keys_keep(void)
{
        struct keys k;

        sigaction(SIGINT, NULL, &k.interrupt);
        sigaction(SIGQUIT, NULL, &k.quit);
        return k;
}

static void keys_restore(const struct keys *k)
{
        sigaction(SIGINT, &k->interrupt, NULL);
        sigaction(SIGQUIT, &k->quit, NULL);
}

/* Root's shell as the guest's passwd names it, as a login shell. */
static int exec_shell(void)
{
        const struct passwd *root = getpwuid(0);
        const char *program = root && root->pw_shell && *root->pw_shell ? root->pw_shell : "/bin/sh";
        const char *base = strrchr(program, '/');
        _cleanup_free_ char *name = path_join("-%s", base ? base + 1 : program);

        if (name)
                execl(program, name, (char *)NULL);
        return lxc_attach_run_shell(NULL);
}

/* Inside the container, on the terminal that attach() set up. */
static int exec_on_terminal(void *payload)
{
        char *const *argv = payload;

        signals_reset();
        if (!argv)
                return exec_shell();
        execvp(argv[0], argv);
        dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
}

static int enter_interactive(handle c, const char *const *argv, char **environment_all, pid_t *ret_pid)
{
        lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;

        options.env_policy = LXC_ATTACH_CLEAR_ENV;
        options.extra_env_vars = environment_all;
        options.initial_cwd = (char *)(uintptr_t) "/root";
        /* A terminal of its own inside, so that job control and window size work; pipes are passed on as they are. */
        if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
                options.attach_flags |= LXC_ATTACH_TERMINAL;
        return c->attach(c, exec_on_terminal, (void *)(uintptr_t)argv, &options, ret_pid);
}

int container_shell(const char *lxc_path, const char *name, const char *const *argv, int *ret_status,
                    infra_error **reterr)
{
        const char *term = getenv("TERM");
        _cleanup_free_ char *terminal = path_join("TERM=%s", term ? term : "linux");
        _cleanup_free_ char **all = environment_of(NULL, terminal);
        off_t mark = reason_mark(lxc_path, name);
        struct keys keys = keys_keep();
        _cleanup_handle_ handle c = NULL;
        pid_t pid = -1;
        int status, r = handle_open_running(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (!all || !terminal)
                return infra_error_oom(reterr);
        r = enter_interactive(c, argv, all, &pid);
        if (r < 0) {
                keys_restore(&keys);
                return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot enter");
        }
        do
                r = waitpid(pid, &status, 0);
        while (r < 0 && errno == EINTR);
        keys_restore(&keys);
        if (r < 0)
                return infra_error_set(reterr, -errno, "cannot wait for the command in %s: %m", name);
        *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        return 0;
}

int container_console(const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        off_t mark = reason_mark(lxc_path, name);
        int r = handle_open_running(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        /* Terminal 0 is the console itself: messages of the boot and, where the guest runs one there, a getty. */
        if (c->console(c, 0, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, ESCAPE_CTRL_A) < 0)
                return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot open the console of");
        return 0;
}
