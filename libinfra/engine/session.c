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

static int look_at(pid_t pid, struct process *ret)
{
        _cleanup_free_ char *path = path_join("/proc/%d/stat", (int)pid), *text = NULL;
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

/* Serial lines, virtual consoles, hypervisor consoles: nothing that a firewall could cut. */
static bool is_console(unsigned terminal)
{
        static const char *const names[] = { "ttyS", "tty", "hvc", "console", "ttyAMA", "ttyUSB" };
        _cleanup_free_ char *path = path_join("/sys/dev/char/%u:%u/uevent", major(terminal), minor(terminal)), *text = NULL;
        const char *name;

        if (!terminal || !path || file_read(AT_FDCWD, path, STAT_MAX, &text, NULL) < 0)
                return false;
        name = strstr(text, "DEVNAME=");
        name = name ? name + strlen("DEVNAME=") : "";
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                const char *rest = startswith(name, names[i]) ? name + strlen(names[i]) : NULL;

                if (rest && (*rest == '\n' || *rest == '\0' ? streq(names[i], "console") : strspn(rest, "0123456789") == strcspn(rest, "\n")))
                        return true;
        }
        return false;
}

static bool is_younger(const struct process *p, int64_t since_ms)
{
        struct process leader;

        /* Without its leader nobody can say when a session began. */
        return p->session > 0 && look_at(p->session, &leader) >= 0 && leader.began_ms > since_ms;
}

static bool is_of_connection(const struct process *p)
{
        struct process parent;

        return startswith(p->name, "sshd") && p->parent > 1 && look_at(p->parent, &parent) >= 0 && startswith(parent.name, "sshd");
}

static int refuse(infra_error **reterr)
{
        return infra_error_set(reterr, -EPERM,
                               "this connection is older than the rules: that it still works proves nothing. Open a second connection: "
                               "ssh HOST infractl firewall confirm");
}

int session_check(pid_t pid, int64_t since_ms, infra_error **reterr)
{
        struct process p;

        if (pid <= 0 || look_at(pid, &p) < 0)
                return infra_error_set(reterr, -EPERM, "nobody can tell which process asks; confirm with infractl on this host");
        if (!is_console(p.terminal) && !is_younger(&p, since_ms))
                return refuse(reterr);
        for (int i = 0; i < ANCESTORS_MAX && p.parent > 1; i++) {
                if (look_at(p.parent, &p) < 0)
                        return 0;
                if (is_console(p.terminal))
                        return 0;
                if (p.terminal && !is_younger(&p, since_ms))
                        return refuse(reterr);
                if (is_of_connection(&p) && p.began_ms <= since_ms)
                        return refuse(reterr);
        }
        return 0;
}
