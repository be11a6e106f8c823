/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int root_open(const char *rootfs, infra_error **reterr)
{
        int fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? infra_error_set(reterr, -errno, "cannot open the root %s: %m", rootfs) : fd;
}

int root_read(int root, const char *path, size_t max, char **ret)
{
        /* O_NONBLOCK: a fifo put there must not hold us. */
        _cleanup_close_ int fd = root_openat(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        _cleanup_str_ struct str s = {};
        struct stat st;
        char buffer[16384];
        ssize_t n;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        while ((n = read(fd, buffer, sizeof(buffer))) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        str_add_bytes(&s, buffer, (size_t)n);
                if (s.length > max)
                        return -EFBIG;
        }
        *ret = str_take(&s);
        return *ret ? 0 : -ENOMEM;
}

static int write_temporary(int dirfd, const char *name, const char *text, const struct stat *like)
{
        _cleanup_close_ int fd = -1;
        int r;

        /* Left by a run that was killed, or put there: never written through. */
        if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        if (fchown(fd, like->st_uid, like->st_gid) < 0 || fchmod(fd, like->st_mode & 0777) < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int root_replace(int dirfd, const char *name, const char *like, const char *text)
{
        _cleanup_free_ char *temporary = path_join(".%s.infra-new", name);
        struct stat st;
        int r;

        if (!temporary)
                return -ENOMEM;
        if (fstatat(dirfd, like, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
                if (fstatat(dirfd, ".", &st, 0) < 0)
                        return -errno;
                st.st_mode = 0644;
        }
        r = write_temporary(dirfd, temporary, text, &st);
        if (r >= 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dirfd, temporary, 0);
                return r;
        }
        return fsync(dirfd) < 0 ? -errno : 0;
}
