/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/deadman.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "engine/retreat.h"

enum { LOCK_PATIENCE_MS = 5000, RETRY_MS = 1000, FIRST_FD = 3, NEWS_MAX = 4096, TRIES = 5 };

struct deadman {
        int dir;
        struct pending pending;
        const struct ruleset *previous;
};

/* Only what says for sure that nobody waits any more counts: a disk that cannot be read does not. */
static bool is_over(const struct deadman *d)
{
        struct pending now = {};
        int r = pending_read(d->dir, &now, NULL);

        return r == -ENOENT || (r >= 0 && (now.number != d->pending.number || now.deadline_ms != d->pending.deadline_ms)) ||
               pending_is_confirmed(d->dir, &d->pending);
}

/* The first process of a host sends it to all others before it takes the host down. */
static bool is_going_down(int signals)
{
        struct signalfd_siginfo from;

        while (read(signals, &from, sizeof(from)) == sizeof(from))
                if (from.ssi_pid == 1)
                        return true;
        return false;
}

/* Why the time is up, or NULL when it is over before. */
static const char *wait_for_deadline(const struct deadman *d, int signals)
{
        int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC), news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct itimerspec at = { .it_value = { d->pending.deadline_ms / 1000, d->pending.deadline_ms % 1000 * 1000000 } };
        _cleanup_free_ char *path = path_join("/proc/self/fd/%d", d->dir);
        char buffer[NEWS_MAX];

        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        if (path && news >= 0)
                inotify_add_watch(news, path, IN_DELETE | IN_MOVED_TO);
        for (;;) {
                struct pollfd p[] = { { .fd = timer, .events = POLLIN }, { .fd = news, .events = POLLIN }, { .fd = signals, .events = POLLIN } };

                if (clock_boottime_ms() >= d->pending.deadline_ms)
                        return "nobody confirmed it in time";
                /* Of the deadline alone without a timer. */
                poll(p, ELEMENTS(p), timer >= 0 ? -1 : RETRY_MS);
                if (news >= 0)
                        read(news, buffer, sizeof(buffer));
                if (is_over(d))
                        return NULL;
                if (signals >= 0 && is_going_down(signals))
                        return "the host went down before anybody confirmed it";
        }
}

/* What is in memory, unless the kernel does not take it any more. */
static bool load_previous(const struct deadman *d)
{
        for (int i = 0; i < TRIES || !d->previous; i++) {
                if (retreat_load(d->previous, NULL) >= 0)
                        return true;
                clock_sleep_ms(RETRY_MS);
        }
        return false;
}

/* For as long as it takes: nobody else may be able to. */
static void put_back(const struct deadman *d, const char *reason)
{
        _cleanup_close_ int lock = generations_lock(d->dir, LOCK_PATIENCE_MS, NULL);
        char why[160];

        if (is_over(d))
                return;
        if (!load_previous(d)) {
                while (retreat(d->dir, &d->pending, true, reason, NULL) < 0)
                        clock_sleep_ms(RETRY_MS);
                return;
        }
        if (d->pending.previous)
                snprintf(why, sizeof(why), "%s; generation %u is loaded again", reason, d->pending.previous);
        else
                snprintf(why, sizeof(why), "%s; as before it no ruleset of ours is loaded", reason);
        outcome_write(d->dir, d->pending.number, "went back", why);
        while (pending_remove(d->dir, NULL) < 0)
                clock_sleep_ms(RETRY_MS);
}

/* Of SIGTERM it matters who sends it. */
static void stand_firm(void)
{
        static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTTIN, SIGTTOU, SIGTSTP };
        sigset_t mask;

        for (size_t i = 0; i < ELEMENTS(ignored); i++)
                signal(ignored[i], SIG_IGN);
        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int termination_open(void)
{
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void settle_down(int dir)
{
        _cleanup_close_ int nothing = open("/dev/null", O_RDWR | O_CLOEXEC), score = -1;

        for (int fd = 0; nothing >= 0 && fd < FIRST_FD; fd++)
                dup2(nothing, fd);
        if (dir > FIRST_FD)
                close_range(FIRST_FD, (unsigned)dir - 1, 0);
        close_range((unsigned)dir + 1, ~0u, 0);
        nothing = -1;
        prctl(PR_SET_PDEATHSIG, 0);
        prctl(PR_SET_NAME, "infra-deadman");
        (void)!chdir("/");
        /* When memory is short it is the last to go. */
        score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (score >= 0)
                fd_write_all(score, "-1000", 5);
}

/* systemd kills whole control groups, of infrad or of a login. In one of its own it belongs to nobody. */
static void leave_group(void)
{
        static const char *const trees[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd" };

        for (size_t i = 0; i < ELEMENTS(trees); i++) {
                _cleanup_free_ char *root = path_join("%s/cgroup.procs", trees[i]), *own = path_join("%s/infra-deadman", trees[i]);
                _cleanup_free_ char *members = path_join("%s/infra-deadman/cgroup.procs", trees[i]);
                _cleanup_close_ int fd = -1;

                if (!root || !own || !members || !path_exists(AT_FDCWD, root) || dir_make(AT_FDCWD, own, 0755) < 0)
                        continue;
                fd = open(members, O_WRONLY | O_CLOEXEC);
                if (fd >= 0)
                        fd_write_all(fd, "0", 1);
        }
}

static void grandchild(struct deadman *d, int report)
{
        pid_t pid = getpid();
        const char *why;

        stand_firm();
        leave_group();
        if (fd_write_all(report, &pid, sizeof(pid)) < 0)
                _exit(1);
        settle_down(d->dir);
        why = wait_for_deadline(d, termination_open());
        if (why)
                put_back(d, why);
        _exit(0);
}

int deadman_start(int dir, struct pending *p, const struct ruleset *previous, infra_error **reterr)
{
        struct deadman d = { .dir = dir, .pending = *p, .previous = previous };
        _cleanup_close_ int reader = -1, writer = -1;
        pid_t child, guard = 0;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return infra_error_set(reterr, -errno, "cannot make a pipe: %m");
        reader = ends[0];
        writer = ends[1];
        child = fork();
        if (child < 0)
                return infra_error_set(reterr, -errno, "cannot fork: %m");
        if (child == 0) {
                setsid();
                if (fork() == 0)
                        grandchild(&d, writer);
                _exit(0);
        }
        close(TAKE_FD(writer));
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
                ;
        if (read(reader, &guard, sizeof(guard)) != sizeof(guard) || guard <= 0)
                return infra_error_set(reterr, -EIO, "cannot start the process that would put the old ruleset back; nothing is changed");
        p->guard = guard;
        p->guard_identity = process_identity(guard);
        return 0;
}
