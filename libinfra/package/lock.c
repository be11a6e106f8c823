/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "package/root.h"

enum { LOCK_POLL_MS = 500 };

static const char *const lock_files[] = {
        "var/lib/dpkg/lock-frontend",
        "var/lib/dpkg/lock",
        "var/lib/apt/lists/lock",
        "var/cache/apt/archives/lock",
};

const char *lock_holder(int root, pid_t *ret_pid)
{
        for (size_t i = 0; i < ELEMENTS(lock_files); i++) {
                _cleanup_close_ int fd = root_openat(root, lock_files[i], O_RDONLY | O_NONBLOCK | O_NOCTTY);
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

                if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
                        continue;
                *ret_pid = lock.l_pid;
                return lock_files[i];
        }
        return NULL;
}

static void describe(const char *file, pid_t pid, char *text, size_t size)
{
        _cleanup_free_ char *path = path_join("/proc/%d/comm", (int)pid), *name = NULL;

        if (pid > 0 && path && file_read(AT_FDCWD, path, 64, &name, NULL) == 0)
                snprintf(text, size, "process %d (%.*s) holds /%s", (int)pid, (int)strcspn(name, "\n"), name, file);
        else
                snprintf(text, size, "another process holds /%s", file);
}

int lock_wait(int root, int transcript, int64_t deadline, infra_error **reterr)
{
        bool told = false;
        char who[160];
        pid_t pid = 0;

        for (;;) {
                const char *file = lock_holder(root, &pid);

                if (!file)
                        return 0;
                describe(file, pid, who, sizeof(who));
                if (!told)
                        dprintf(transcript, "# waiting: %s\n", who);
                told = true;
                if (clock_boottime_ms() >= deadline)
                        return infra_error_set(reterr, -EBUSY, "%s and did not give it back in time", who);
                clock_sleep_ms(LOCK_POLL_MS);
        }
}
