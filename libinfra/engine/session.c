/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/session.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

enum { ANCESTORS_MAX = 64, NAME_SIZE = 32, STAT_MAX = 4096 };

struct process {
        char name[NAME_SIZE];
        pid_t parent;
        pid_t session;
        unsigned terminal; /* device number, 0 = none */
        int64_t began_ms;  /* CLOCK_BOOTTIME */
};

static int look_at(const char *proc, pid_t pid, struct process *ret)
{
        _cleanup_free_ char *path = path_join("%s/%d/stat", proc, (int)pid), *text = NULL;
        unsigned long long ticks = 0;
        const char *open, *close;
        int parent, session, terminal;

        if (!path || file_read(AT_FDCWD, path, STAT_MAX, &text, NULL) < 0)
                return -ESRCH;
        open = strchr(text, '(');
        close = strrchr(text, ')');
        if (!open || !close ||
            sscanf(close + 1, " %*c %d %*d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent, &session,
                   &terminal, &ticks) != 4)
                return -ESRCH;
        *ret = (struct process){ .parent = parent, .session = session, .terminal = (unsigned)terminal,
                                 .began_ms = (int64_t)(ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK)) };
        snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(close - open - 1), open + 1);
        return 0;
}

/*
 * Serial lines, virtual consoles, hypervisor consoles: nothing that a firewall could cut. By their numbers in the kernel's
 * admin-guide/devices.txt: tty1.. and ttyS0.., console, ttyUSB0.., ttyAMA0.. and the like, hvc0...
 */
static bool is_console(unsigned terminal)
{
        unsigned kind = major(terminal);

        return (kind == 4 && minor(terminal) > 0) || (kind == 5 && minor(terminal) == 1) || kind == 188 || kind == 204 || kind == 229;
}

static bool is_younger(const char *proc, const struct process *p, int64_t since_ms)
{
        struct process leader;

        /* Without its leader nobody can say when a session began. */
        return p->session > 0 && look_at(proc, p->session, &leader) >= 0 && leader.began_ms > since_ms;
}

static bool is_named(const struct process *p, const char *const *names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (startswith(p->name, names[i]))
                        return true;
        return false;
}

static bool is_ssh(const struct process *p)
{
        static const char *const names[] = { "sshd", "dropbear" };

        return is_named(p, names, ELEMENTS(names));
}

/* Its windows are sessions that begin whenever somebody likes, over connections that come and go. */
static bool is_multiplexer(const struct process *p)
{
        static const char *const names[] = { "tmux", "screen", "SCREEN", "mosh-server", "dtach", "abduco", "zellij" };

        return is_named(p, names, ELEMENTS(names));
}

/* The uppermost of several ssh daemons listens; where a connection starts a daemon of its own there is just one. */
static bool is_of_connection(const char *proc, const struct process *p, bool ssh_below)
{
        struct process parent;

        if (!is_ssh(p))
                return false;
        return !ssh_below || (p->parent > 1 && look_at(proc, p->parent, &parent) >= 0 && is_ssh(&parent));
}

static int refuse(infra_error **reterr)
{
        return infra_error_set(reterr, -EPERM,
                               "this connection is older than the rules: that it still works proves nothing. Open a second connection: "
                               "ssh HOST infractl firewall confirm");
}

static int check_above(const char *proc, struct process p, int64_t since_ms, infra_error **reterr)
{
        bool ssh_below = false;

        for (int i = 0; i < ANCESTORS_MAX && p.parent > 1; i++) {
                if (look_at(proc, p.parent, &p) < 0 || is_console(p.terminal))
                        return 0;
                if (p.terminal && !is_younger(proc, &p, since_ms))
                        return refuse(reterr);
                if (p.began_ms <= since_ms && (is_multiplexer(&p) || is_of_connection(proc, &p, ssh_below)))
                        return refuse(reterr);
                ssh_below = ssh_below || is_ssh(&p);
        }
        return 0;
}

int session_check(const char *proc, pid_t pid, int64_t since_ms, infra_error **reterr)
{
        struct process p;

        if (pid <= 0 || look_at(proc, pid, &p) < 0)
                return infra_error_set(reterr, -EPERM, "nobody can tell which process asks; confirm with infractl on this host");
        if (is_console(p.terminal))
                return 0;
        return is_younger(proc, &p, since_ms) ? check_above(proc, p, since_ms, reterr) : refuse(reterr);
}
