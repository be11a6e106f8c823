/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Preloaded into a program: one of what it does to files below a directory, or one of the rulesets that it sends to the
 * kernel, fails or is the last thing it does. All processes that come of it count together.
 *
 *      INFRA_FAULT_COUNTER  a file of 8 bytes that counts
 *      INFRA_FAULT_BELOW    the directory
 *      INFRA_FAULT_AT       the number of the call, 0 = none
 *      INFRA_FAULT_HOW      kill: SIGKILL before it; eio: it fails; full: from it on nothing can be written
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic uint64_t *counter;

static __attribute__((constructor)) void begin(void)
{
        const char *path = getenv("INFRA_FAULT_COUNTER");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *p = fd >= 0 ? mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

        counter = p == MAP_FAILED ? NULL : p;
        if (fd >= 0)
                close(fd);
}

static bool is_below(int fd)
{
        const char *below = getenv("INFRA_FAULT_BELOW");
        char name[64], path[512];
        ssize_t n;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        n = readlink(name, path, sizeof(path) - 1);
        path[n > 0 ? n : 0] = '\0';
        return below && strncmp(path, below, strlen(below)) == 0;
}

/* Whether this call fails; errno is set. @writes: it needs room on the disk. */
static bool fails(bool writes)
{
        const char *how = getenv("INFRA_FAULT_HOW"), *at = getenv("INFRA_FAULT_AT");
        uint64_t wanted = at ? strtoull(at, NULL, 10) : 0, n;

        if (!counter || !how)
                return false;
        n = atomic_fetch_add(counter, 1) + 1;
        if (!wanted || n < wanted)
                return false;
        if (strcmp(how, "full") == 0) {
                errno = ENOSPC;
                return writes;
        }
        if (n == wanted && strcmp(how, "kill") == 0)
                kill(getpid(), SIGKILL);
        errno = EIO;
        return n == wanted;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size)
{
        return is_below(fd) && fails(true) ? -1 : NEXT(write)(fd, data, size);
}

int fsync(int fd)
{
        return is_below(fd) && fails(false) ? -1 : NEXT(fsync)(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
        return is_below(to_dir) && fails(false) ? -1 : NEXT(renameat)(from_dir, from, to_dir, to);
}

int unlinkat(int dir, const char *path, int flags)
{
        return is_below(dir) && fails(false) ? -1 : NEXT(unlinkat)(dir, path, flags);
}

int openat(int dir, const char *path, int flags, ...)
{
        mode_t mode = 0;
        va_list list;

        va_start(list, flags);
        if (flags & O_CREAT)
                mode = va_arg(list, mode_t);
        va_end(list);
        return flags & O_EXCL && is_below(dir) && fails(true) ? -1 : NEXT(openat)(dir, path, flags, mode);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
        const struct sockaddr *to = m->msg_name;

        return to && to->sa_family == AF_NETLINK && fails(false) ? -1 : NEXT(sendmsg)(fd, m, flags);
}
