/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Start, stop, freeze. Each looks afterwards whether it is so: liblxc's answer alone is not believed.
 *
 * A container is started from a child of its own, in a new session and with no signal blocked or ignored: its
 * monitor and its init inherit nothing from the caller and outlive it, even when it is killed meanwhile.
 * Waiting is done here and not by liblxc, whose wait ends at the first signal the caller gets; that would
 * cut an orderly stop short.
 */

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "container/lxc.h"
#include "container/netlink.h"

enum {
        SETTLE_MS = 30000, /* a passing state (starting, stopping) lasts no longer */
        INTERFACE_MS = 10000,
        STEP_MS = 20,
        ASK_AGAIN_MS = 3000, /* a guest that is still booting loses the first request to stop */
};

static bool is_passing(enum container_state s)
{
        return s == CONTAINER_STARTING || s == CONTAINER_STOPPING;
}

/* Waits while the container is in passage: after a crash somebody else's act may be under way. */
static int settle(handle c, const char *name, enum container_state *ret, infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + SETTLE_MS;

        for (;;) {
                enum container_state s = handle_state(c);

                *ret = s;
                if (!is_passing(s))
                        return 0;
                if (clock_boottime_ms() > end)
                        return infra_error_set(reterr, -EBUSY, "%s stays %s", name, container_state_name(s));
                clock_sleep_ms(STEP_MS);
        }
}

/*
 * liblxc adds IPv6 addresses with duplicate detection: for one or two seconds they do not answer, longer than all the
 * rest of a start takes. Policies are checked for duplicates, so they are put in again without it. Enters the
 * container's network namespace for good: for the child only. When it fails, the addresses answer later.
 */
static void ipv6_at_once(handle c)
{
        _cleanup_free_ char *path = path_join("/proc/%d/ns/net", (int)c->init_pid(c)),
                            *item = handle_item(c, "lxc.net.0.ipv6.address");
        _cleanup_close_ int net = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        _cleanup_strlist_ struct strlist lines = {};
        unsigned index;

        if (!item || net < 0 || strlist_lines(&lines, item) < 0 || setns(net, CLONE_NEWNET) < 0)
                return;
        index = if_nametoindex("eth0");
        for (size_t i = 0; index && i < lines.n; i++) {
                struct address a;

                if (address_parse(lines.items[i], &a) < 0 || a.family != AF_INET6 ||
                    netlink_address_delete(index, &a) < 0)
                        continue;
                netlink_address_add(index, &a);
        }
}

static int start_apart(handle c, infra_error **reterr)
{
        pid_t pid;

        if (!c->want_daemonize(c, true) || !c->want_close_all_fds(c, true))
                return infra_error_oom(reterr);
        pid = fork();
        if (pid < 0)
                return infra_error_set(reterr, -errno, "cannot make a process: %m");
        if (pid == 0) {
                signals_reset();
                setsid();
                if (!c->start(c, 0, NULL))
                        _exit(1);
                ipv6_at_once(c);
                _exit(0);
        }
        /* How it ended is seen by looking at the container. */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return 0;
}

/* The program a process runs now, as (device, inode): it changes when the container's init is executed. */
static bool same_program(pid_t a, pid_t b)
{
        _cleanup_free_ char *x = path_join("/proc/%d/exe", (int)a), *y = path_join("/proc/%d/exe", (int)b);
        struct stat s, t;

        return x && y && stat(x, &s) == 0 && stat(y, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* liblxc says "running" before init is executed. */
static int init_runs(handle c, const char *lxc_path, const char *name, off_t mark, infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + SETTLE_MS;

        for (;;) {
                enum container_state state;
                int r = settle(c, name, &state, reterr);
                pid_t init;

                if (r < 0)
                        return r;
                init = state == CONTAINER_RUNNING ? c->init_pid(c) : -1;
                if (init > 0 && kill(init, 0) == 0 && !same_program(init, getpid()))
                        return 0;
                if (state == CONTAINER_STOPPED)
                        return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot start");
                if (clock_boottime_ms() > end)
                        return reason_set(reterr, -ETIME, lxc_path, name, mark, "no init runs in");
                clock_sleep_ms(STEP_MS);
        }
}

/* The interface of the run before ends with its network namespace, which the kernel takes down a while later. */
static void wait_interface_gone(handle c)
{
        _cleanup_free_ char *pair = handle_item(c, "lxc.net.0.veth.pair");
        int64_t end = clock_boottime_ms() + INTERFACE_MS;

        while (pair && if_nametoindex(pair) && handle_state(c) == CONTAINER_STOPPED && clock_boottime_ms() < end)
                clock_sleep_ms(STEP_MS);
}

int container_start(const char *lxc_path, const char *name, infra_error **reterr)
{
        enum container_state state = CONTAINER_ABSENT;
        off_t mark = reason_mark(lxc_path, name);
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r >= 0)
                r = settle(c, name, &state, reterr);
        if (r < 0)
                return r;
        if (state == CONTAINER_FROZEN)
                return container_unfreeze(lxc_path, name, reterr);
        if (state == CONTAINER_RUNNING)
                return 0;
        r = start_check(c, lxc_path, name, reterr);
        if (r >= 0) {
                wait_interface_gone(c);
                r = start_apart(c, reterr);
        }
        return r < 0 ? r : init_runs(c, lxc_path, name, mark, reterr);
}

/* Asks the guest's init to end until it does or @grace_ms is over. */
static enum container_state stop_in_order(handle c, int64_t grace_ms)
{
        int64_t now = clock_boottime_ms(), end = now + grace_ms, ask = now;
        enum container_state state = handle_state(c);

        while (state != CONTAINER_STOPPED && now < end) {
                if (state == CONTAINER_FROZEN)
                        c->unfreeze(c);
                if (now >= ask && state == CONTAINER_RUNNING) {
                        c->shutdown(c, 0);
                        ask = now + ASK_AGAIN_MS;
                }
                clock_sleep_ms(STEP_MS);
                now = clock_boottime_ms();
                state = handle_state(c);
        }
        return state;
}

int container_stop(const char *lxc_path, const char *name, int64_t grace_ms, bool *ret_killed, infra_error **reterr)
{
        enum container_state state = CONTAINER_ABSENT;
        off_t mark = reason_mark(lxc_path, name);
        struct container_status s;
        _cleanup_handle_ handle c = NULL;
        bool killed;
        int r = container_observe(lxc_path, name, &s, reterr);

        if (ret_killed)
                *ret_killed = false;
        if (r < 0 || s.state == CONTAINER_STOPPED || s.state == CONTAINER_ABSENT)
                return r;
        r = handle_open_managed(lxc_path, name, &c, reterr);
        if (r >= 0)
                r = is_passing(s.state) ? settle(c, name, &state, reterr) : 0;
        if (r < 0)
                return r;
        state = stop_in_order(c, grace_ms);
        /* In "stopping" init has ended by itself and the monitor tidies up. */
        killed = state == CONTAINER_RUNNING || state == CONTAINER_FROZEN;
        if (killed && !c->stop(c) && handle_state(c) != CONTAINER_STOPPED)
                return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot stop");
        for (int64_t end = clock_boottime_ms() + SETTLE_MS; (state = handle_state(c)) != CONTAINER_STOPPED;
             clock_sleep_ms(STEP_MS))
                if (clock_boottime_ms() > end)
                        return reason_set(reterr, -EIO, lxc_path, name, mark, "still runs after its stop:");
        if (ret_killed)
                *ret_killed = killed;
        return 0;
}

int container_freeze(const char *lxc_path, const char *name, infra_error **reterr)
{
        off_t mark = reason_mark(lxc_path, name);
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (handle_state(c) == CONTAINER_STOPPED)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running", name);
        if (!c->freeze(c) || handle_state(c) != CONTAINER_FROZEN)
                return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot freeze");
        return 0;
}

int container_unfreeze(const char *lxc_path, const char *name, infra_error **reterr)
{
        off_t mark = reason_mark(lxc_path, name);
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (handle_state(c) == CONTAINER_STOPPED)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running", name);
        if (!c->unfreeze(c) || handle_state(c) == CONTAINER_FROZEN)
                return reason_set(reterr, -EIO, lxc_path, name, mark, "cannot unfreeze");
        return 0;
}
