/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "storage/side.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/manifest.h"

void entry_done(struct entry *e)
{
        free(e->target);
        *e = (struct entry){};
}

int side_open_tree(const char *top, struct side *ret, infra_error **reterr)
{
        int fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", top);
        *ret = (struct side){ .root = fd };
        return 0;
}

int side_open_manifest(const char *file, struct side *ret, infra_error **reterr)
{
        *ret = (struct side){ .root = -1 };
        return manifest_read(file, &ret->manifest, reterr);
}

void side_done(struct side *s)
{
        closep(&s->root);
        s->root = -1;
        manifest_free(s->manifest);
        s->manifest = NULL;
}

static int open_below(int root, const char *path, uint64_t flags)
{
        struct open_how how = {
                .flags = flags | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
        };
        long fd = syscall(SYS_openat2, root, path[1] ? path + 1 : ".", &how, sizeof(how));

        return fd < 0 ? -errno : (int)fd;
}

int side_directory(const struct side *s, const char *path)
{
        return open_below(s->root, path, O_RDONLY | O_DIRECTORY);
}

/* FNV-1a over names and values; the order of the list is the filesystem's and does not count. */
static uint64_t attributes_hash(const char *path)
{
        char names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
        ssize_t size = llistxattr(path, names, sizeof(names));
        uint64_t sum = 0;

        for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
                ssize_t n = lgetxattr(path, name, value, sizeof(value));
                uint64_t hash = 0xcbf29ce484222325u;

                if (startswith(name, OWN_ATTRIBUTES))
                        continue;
                for (const char *p = name; *p; p++)
                        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
                for (ssize_t i = 0; i < n; i++)
                        hash = (hash ^ (unsigned char)value[i]) * 0x100000001b3u;
                sum += hash;
        }
        return sum;
}

static int64_t nanoseconds(const struct timespec *t)
{
        return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

int entry_read(int dirfd, const char *name, struct entry *ret)
{
        _cleanup_free_ char *path = path_join("/proc/self/fd/%d/%s", dirfd, name);
        char target[PATH_MAX + 1];
        struct stat st;

        *ret = (struct entry){};
        if (!path)
                return -ENOMEM;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        *ret = (struct entry){
                .mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid, .size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size,
                .device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? st.st_rdev : 0, .modified_ns = nanoseconds(&st.st_mtim),
                .changed_ns = nanoseconds(&st.st_ctim), .inode = st.st_ino, .attributes = attributes_hash(path),
        };
        if (S_ISLNK(st.st_mode)) {
                ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

                ret->target = n >= 0 ? strndup(target, (size_t)n) : NULL;
                if (!ret->target)
                        return n < 0 ? -errno : -ENOMEM;
        }
        return 0;
}

static int tree_entry(const struct side *s, const char *path, struct entry *ret)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
        _cleanup_close_ int dir = -1;

        *ret = (struct entry){};
        if (!parent)
                return -ENOMEM;
        dir = side_directory(s, parent);
        if (dir < 0)
                return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP || dir == -EXDEV ? 0 : dir;
        return entry_read(dir, slash[1] ? slash + 1 : ".", ret);
}

int side_entry(const struct side *s, const char *path, struct entry *ret)
{
        return s->manifest ? manifest_entry(s->manifest, path, ret) : tree_entry(s, path, ret);
}

static int tree_names(const struct side *s, const char *path, struct strlist *ret)
{
        _cleanup_close_ int fd = side_directory(s, path);
        int r = 0;
        DIR *dir;

        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV ? 0 : fd;
        dir = directory_entries(fd);
        if (!dir)
                return -errno;
        for (struct dirent *e; r >= 0 && (e = readdir(dir));)
                if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
                        r = strlist_add(ret, e->d_name);
        closedir(dir);
        strlist_sort(ret);
        return r;
}

int side_names(const struct side *s, const char *path, struct strlist *ret)
{
        return s->manifest ? manifest_names(s->manifest, path, ret) : tree_names(s, path, ret);
}
