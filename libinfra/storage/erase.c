/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One descriptor per level; what lies deeper than the limit is moved to the top directory and removed in the
 * next round, so a guest cannot make a tree that we cannot remove.
 */

#include "storage/erase.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "storage/copy.h"

enum { ERASE_DEPTH_MAX = 128 };

struct erase {
        const char *path; /* of the whole tree, for messages */
        int top;
        unsigned moved;
        infra_error **reterr;
};

static void flags_clear(int fd)
{
        int flags = 0;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
                flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
                ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
}

static int unlink_hard(int dirfd, const char *name)
{
        _cleanup_close_ int fd = -1;

        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EPERM)
                return -errno;
        flags_clear(dirfd);
        fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
                flags_clear(fd);
        return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int erase_entries(struct erase *e, int fd, unsigned depth);

static int move_up(struct erase *e, int dirfd, const char *name)
{
        char to[32];

        for (;;) {
                snprintf(to, sizeof(to), ".deep-%u", e->moved++);
                if (renameat2(dirfd, name, e->top, to, RENAME_NOREPLACE) == 0)
                        return 0;
                if (errno != EEXIST)
                        return -errno;
        }
}

static int erase_directory(struct erase *e, int dirfd, const char *name, unsigned depth)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (depth > ERASE_DEPTH_MAX)
                return move_up(e, dirfd, name);
        fd = directory_open(dirfd, name);
        if (fd < 0)
                return fd == -EXDEV ? -EBUSY : fd;
        r = erase_entries(e, fd, depth);
        if (r < 0)
                return r;
        return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int erase_entry(struct erase *e, int dirfd, const char *name, unsigned depth)
{
        infra_error *before = e->reterr ? *e->reterr : NULL;
        int r;

        r = unlink_hard(dirfd, name);
        if (r == -EISDIR)
                r = erase_directory(e, dirfd, name, depth + 1);
        if (r < 0 && e->reterr && *e->reterr == before) /* the innermost name says most */
                infra_error_set(e->reterr, r, "%s in %s: %s", name, e->path, strerror(-r));
        return r;
}

static int erase_entries(struct erase *e, int fd, unsigned depth)
{
        DIR *dir = directory_entries(fd);
        int r = dir ? 0 : -errno;

        while (r >= 0) {
                struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry) {
                        r = -errno;
                        break;
                }
                if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        r = erase_entry(e, fd, entry->d_name, depth);
        }
        if (dir)
                closedir(dir);
        return r;
}

int tree_erase(const char *path, infra_error **reterr)
{
        _cleanup_close_ int top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct erase e = { .path = path, .top = top, .reterr = reterr };
        int r;

        if (top < 0 && errno == ENOENT)
                return 0;
        if (top < 0 && errno != ENOTDIR && errno != ELOOP)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", path);
        if (top < 0)
                return unlink_hard(AT_FDCWD, path) < 0 ? infra_error_set(reterr, -errno, "%s: %m", path) : 0;
        for (;;) {
                unsigned moved = e.moved;

                r = erase_entries(&e, top, 0);
                if (r < 0)
                        return infra_error_prefix(reterr, r, "cannot remove");
                if (e.moved == moved)
                        break;
        }
        if (rmdir(path) < 0 && errno != ENOENT)
                return infra_error_set(reterr, -errno, "cannot remove %s: %m", path);
        return 0;
}
