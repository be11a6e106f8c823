/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/container.h"

enum { NICE = 10, IOPRIO_WHO_PROCESS = 1, IOPRIO_LOWEST_BEST_EFFORT = 2 << 13 | 7 };

/* What stands mounted below /sys and is needed there again after /sys was mounted anew. */
static const char *const below_sys[] = { "/sys/fs/cgroup", "/sys/kernel/security" };

/* Without a sysfs of the new network namespace liblxc does not find the bridge; with nothing but that, no cgroups. */
static int mounts_make(infra_error **reterr)
{
        int trees[ELEMENTS(below_sys)];

        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return infra_error_set(reterr, -errno, "cannot make mounts private: %m");
        for (size_t i = 0; i < ELEMENTS(below_sys); i++)
                trees[i] = open_tree(AT_FDCWD, below_sys[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
            mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return infra_error_set(reterr, -errno, "cannot mount proc and sysfs: %m");
        for (size_t i = 0; i < ELEMENTS(below_sys); i++) {
                if (trees[i] < 0)
                        continue;
                if (move_mount(trees[i], "", AT_FDCWD, below_sys[i], MOVE_MOUNT_F_EMPTY_PATH) < 0 && i == 0)
                        return infra_error_set(reterr, -errno, "cannot bring %s back: %m", below_sys[i]);
                close(trees[i]);
        }
        return 0;
}

static int loopback_up(infra_error **reterr)
{
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) < 0)
                return infra_error_set(reterr, -errno, "cannot set up lo of the sealed network: %m");
        return 0;
}

static int enter(struct seal *s, infra_error **reterr)
{
        int r;

        s->outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (s->outside < 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
                return infra_error_set(reterr, -errno, "cannot make a sealed network: %m");
        r = mounts_make(reterr);
        if (r >= 0)
                r = loopback_up(reterr);
        if (r >= 0)
                r = bridge_make(&s->estate.host, reterr);
        if (r < 0)
                return r;
        s->inside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        return s->inside < 0 ? infra_error_set(reterr, -errno, "cannot open the sealed network: %m") : 0;
}

struct entry {
        struct seal *seal;
        sealed_function function;
        int64_t limit_ms;
};

/* Process 1 of its own process ids: when it ends, all others do. */
static int inner(void *userdata, json_t **ret, infra_error **reterr)
{
        struct entry *e = userdata;
        struct seal *s = e->seal;
        int r;

        /* The originals are served first: what is prepared aside takes what they leave. */
        setpriority(PRIO_PROCESS, 0, NICE);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST_BEST_EFFORT);
        r = enter(s, reterr);
        return r < 0 ? r : e->function(s, ret, reterr);
}

static int outer(void *userdata, json_t **ret, infra_error **reterr)
{
        struct entry *e = userdata;

        if (unshare(CLONE_NEWPID) < 0)
                return infra_error_set(reterr, -errno, "cannot make process ids of its own: %m");
        return isolate(inner, e, e->limit_ms, ret, reterr);
}

int sealed_run(struct work *w, sealed_function function, int64_t limit_ms, json_t **ret, infra_error **reterr)
{
        struct seal s = { .work = w, .estate = *w->estate, .outside = -1, .inside = -1 };
        struct entry e = { .seal = &s, .function = function, .limit_ms = limit_ms };
        _cleanup_free_ char *lxc_path = path_join("%s/ghosts", w->state_dir);

        if (!lxc_path)
                return infra_error_oom(reterr);
        s.estate.host.lxc_path = lxc_path;
        s.ghost = *w;
        s.ghost.estate = &s.estate;
        s.ghost.storage = NULL;
        return isolate(outer, &e, limit_ms, ret, reterr);
}

int sealed_outside(struct seal *s, int (*function)(void *userdata, infra_error **reterr), void *userdata, infra_error **reterr)
{
        int r;

        if (setns(s->outside, CLONE_NEWNET) < 0)
                return infra_error_set(reterr, -errno, "cannot go to the host's network: %m");
        r = function(userdata, reterr);
        if (setns(s->inside, CLONE_NEWNET) < 0)
                return infra_error_set(reterr, -errno, "cannot come back to the sealed network: %m");
        return r;
}

int ghost_end(struct seal *s, infra_error **reterr)
{
        const char *path = s->estate.host.lxc_path, *name = s->work->container->name;
        int r = container_stop(path, name, 0, NULL, reterr);

        return r < 0 ? r : container_forget(path, name, reterr);
}
