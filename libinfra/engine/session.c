/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

enum { ANCESTORS_MAX = 64, NAME_SIZE = 32, STAT_MAX = 4096, TCP_MAX = 64 << 20, TCP_ESTABLISHED = 1 };

struct process {
        char name[NAME_SIZE];
        pid_t pid;
        pid_t parent;
        unsigned terminal; /* device number, 0 = none */
        int64_t began_ms;  /* CLOCK_BOOTTIME */
};

static int look_at(const char *proc, pid_t pid, struct process *ret)
{
        _cleanup_free_ char *path = path_join("%s/%d/stat", proc, (int)pid), *text = NULL;
        unsigned long long ticks = 0;
        const char *open, *close;
        int parent, terminal;

        if (!path || file_read(AT_FDCWD, path, STAT_MAX, &text, NULL) < 0)
                return -ESRCH;
        open = strchr(text, '(');
        close = strrchr(text, ')');
        if (!open || !close ||
            sscanf(close + 1, " %*c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent, &terminal, &ticks) != 3)
                return -ESRCH;
        *ret = (struct process){ .pid = pid, .parent = parent, .terminal = (unsigned)terminal,
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

static bool is_ssh(const struct process *p)
{
        static const char *const names[] = { "sshd", "dropbear" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (startswith(p->name, names[i]))
                        return true;
        return false;
}

/* The uppermost of several ssh daemons listens; where a connection starts a daemon of its own there is just one. */
static bool is_of_connection(const char *proc, const struct process *p, bool ssh_below)
{
        struct process parent;

        if (!is_ssh(p))
                return false;
        return !ssh_below || (p->parent > 1 && look_at(proc, p->parent, &parent) >= 0 && is_ssh(&parent));
}

/* Whether a process has that socket open. */
static bool has_socket(const char *proc, pid_t pid, unsigned long inode)
{
        _cleanup_free_ char *path = path_join("%s/%d/fd", proc, (int)pid);
        DIR *d = path ? opendir(path) : NULL;
        char wanted[64], have[64];
        bool found = false;

        snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
        for (const struct dirent *e; d && !found && (e = readdir(d));) {
                ssize_t n = readlinkat(dirfd(d), e->d_name, have, sizeof(have) - 1);

                have[MAX(n, (ssize_t)0)] = '\0';
                found = streq(have, wanted);
        }
        if (d)
                closedir(d);
        return found;
}

enum { END_MAX = 48 };

/* A line of /proc/net/tcp: "0: 0100007F:0016 0100007F:A3D2 01 ... inode". */
struct connection {
        char local[END_MAX], remote[END_MAX];
        unsigned long inode;
};

/* IPv4 within IPv6 is IPv4. */
static void unmap(char end[static END_MAX])
{
        static const char mapped[] = "0000000000000000FFFF0000";
        size_t length = strnlen(end, END_MAX - 1), skip = sizeof(mapped) - 1;

        if (startswith(end, mapped))
                memmove(end, end + skip, length - skip + 1);
}

static bool parse_connection(const char *line, struct connection *ret)
{
        unsigned state;

        if (sscanf(line, " %*d: %47s %47s %x %*s %*s %*s %*u %*u %lu", ret->local, ret->remote, &state, &ret->inode) != 4 || state != TCP_ESTABLISHED)
                return false;
        unmap(ret->local);
        unmap(ret->remote);
        return true;
}

static const char *next_line(const char *p)
{
        p = strchr(p, '\n');
        return p ? p + 1 : "";
}

/* Whether both ends of a connection of that process are sockets of this host. */
static bool is_from_here(const char *proc, pid_t pid)
{
        _cleanup_free_ char *four = path_join("%s/%d/net/tcp", proc, (int)pid), *six = path_join("%s/%d/net/tcp6", proc, (int)pid);
        _cleanup_free_ char *tcp = NULL, *tcp6 = NULL, *all = NULL;
        struct connection a, b;

        if (four)
                file_read(AT_FDCWD, four, TCP_MAX, &tcp, NULL);
        if (six)
                file_read(AT_FDCWD, six, TCP_MAX, &tcp6, NULL);
        all = path_join("%s%s", tcp ? tcp : "", tcp6 ? tcp6 : "");
        for (const char *p = all; p && *p; p = next_line(p)) {
                if (!parse_connection(p, &a) || !has_socket(proc, pid, a.inode))
                        continue;
                for (const char *q = all; *q; q = next_line(q))
                        if (parse_connection(q, &b) && streq(a.local, b.remote) && streq(a.remote, b.local))
                                return true;
        }
        return false;
}

static int refuse(const char *why, infra_error **reterr)
{
        return infra_error_set(reterr, -EPERM, "%s. Open a second connection: ssh HOST infractl firewall confirm", why);
}

int session_check(const char *proc, pid_t pid, int64_t since_ms, infra_error **reterr)
{
        bool ssh_below = false, connected = false;
        struct process p;

        if (pid <= 0 || look_at(proc, pid, &p) < 0)
                return infra_error_set(reterr, -EPERM, "nobody can tell which process asks; confirm with infractl on this host");
        for (int i = 0; i < ANCESTORS_MAX; i++) {
                if (is_console(p.terminal))
                        return 0;
                if (is_of_connection(proc, &p, ssh_below)) {
                        if (p.began_ms <= since_ms)
                                return refuse("this connection is older than the rules: that it still works proves nothing", reterr);
                        if (is_from_here(proc, p.pid))
                                return refuse("this connection comes from the host itself, which proves nothing", reterr);
                        connected = true;
                }
                ssh_below = ssh_below || is_ssh(&p);
                if (p.parent <= 1 || look_at(proc, p.parent, &p) < 0)
                        break;
        }
        return connected ? 0 :
                           refuse("there is neither an ssh connection nor a console above this process: a job, a service, or a "
                                  "window of tmux, screen or mosh proves nothing",
                                  reterr);
}
