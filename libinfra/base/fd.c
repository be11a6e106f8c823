/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
        _cleanup_str_ struct str s = {};
        size_t size;
        char *text;

        if (fd < 0)
                return -errno;
        for (;;) {
                char buffer[16384];
                ssize_t n = read(fd, buffer, sizeof(buffer));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                str_add_bytes(&s, buffer, (size_t)n);
                if (s.length > max)
                        return -EFBIG;
        }
        size = s.length;
        text = str_take(&s);
        if (!text)
                return -ENOMEM;
        *ret = text;
        if (ret_size)
                *ret_size = size;
        return 0;
}

int fd_write_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int dir_sync(int dirfd, const char *path)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int sync_parent(int dirfd, const char *path)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash ? strndup(path, MAX((size_t)(slash - path), 1u)) : strdup(".");

        return parent ? dir_sync(dirfd, parent) : -ENOMEM;
}

int file_replace(int dirfd, const char *path, const void *data, size_t size, mode_t mode)
{
        _cleanup_free_ char *temporary = path_join("%s.new.%d", path, (int)getpid());
        _cleanup_close_ int fd = -1;
        int r;

        if (!temporary)
                return -ENOMEM;
        /* Left by a run that was killed, or put there by a guest: never written through. */
        if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, size);
        if (r >= 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
                r = -errno;
        if (r >= 0 && renameat(dirfd, temporary, dirfd, path) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(dirfd, temporary, 0);
                return r;
        }
        return sync_parent(dirfd, path);
}

int dir_make(int dirfd, const char *path, mode_t mode)
{
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1;; p++) {
                char end = *p;

                if (end != '/' && end != '\0')
                        continue;
                *p = '\0';
                if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
                        return -errno;
                *p = end;
                if (end == '\0')
                        return 0;
        }
}

int root_openat(int root, const char *path, int flags)
{
        struct open_how how = {
                .flags = (unsigned)flags | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

        return fd < 0 ? -errno : (int)fd;
}

int root_resolve(const char *root, const char *path, char **ret)
{
        _cleanup_close_ int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
        _cleanup_free_ char *link = NULL;
        char where[PATH_MAX];
        ssize_t n;

        if (top < 0)
                return -errno;
        fd = root_openat(top, path, O_PATH);
        if (fd < 0)
                return fd;
        link = path_join("/proc/self/fd/%d", fd);
        if (!link)
                return -ENOMEM;
        n = readlink(link, where, sizeof(where));
        if (n < 0 || n == sizeof(where))
                return n < 0 ? -errno : -ENAMETOOLONG;
        *ret = strndup(where, (size_t)n);
        return *ret ? 0 : -ENOMEM;
}

bool path_exists(int dirfd, const char *path)
{
        return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int tree_empty(int fd, dev_t device);

static int entry_remove(int fd, const char *name, dev_t device)
{
        _cleanup_close_ int child = -1;
        int r;

        if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (child < 0)
                return -errno;
        r = tree_empty(child, device);
        if (r < 0)
                return r;
        return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int tree_empty(int fd, dev_t device)
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3), result = 0;
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
        struct stat st;

        if (!dir || fstat(fd, &st) < 0 || st.st_dev != device) {
                result = !dir ? -errno : -EXDEV;
                if (dir)
                        closedir(dir);
                else
                        closep(&copy);
                return result;
        }
        for (struct dirent *e; (e = readdir(dir));) {
                int r;

                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                r = entry_remove(fd, e->d_name, device);
                if (r < 0 && result == 0)
                        result = r;
        }
        closedir(dir);
        return result;
}

int tree_remove(int dirfd, const char *path)
{
        struct stat st;

        if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        return entry_remove(dirfd, path, st.st_dev);
}

char *path_join(const char *format, ...)
{
        char *path = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&path, format, ap);
        va_end(ap);
        return n < 0 ? NULL : path;
}
