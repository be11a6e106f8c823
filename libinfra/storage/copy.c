/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The walk over a tree: which entry is what. Content is in data.c, attributes in attributes.c. */

#include "storage/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

/* Returned for an entry that was gone when its turn came: a running guest deletes files. */
enum { VANISHED = 1 };

/* Two descriptors and a directory stream a level, within the usual limit of 1024 descriptors. */
enum { TREE_DEPTH_MAX = 256 };

struct link {
        dev_t device;
        ino_t inode;
        char *path; /* in the new tree, without a leading slash */
};

static int open_beneath(int dirfd, const char *name, uint64_t flags)
{
        struct open_how how = { .flags = flags | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV };
        long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

        return fd < 0 ? -errno : (int)fd;
}

int directory_open(int dirfd, const char *name)
{
        return open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY);
}

int file_open(int dirfd, const char *name)
{
        return open_beneath(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

DIR *directory_entries(int fd)
{
        _cleanup_close_ int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

        if (dir)
                copy = -1;
        return dir;
}

int copy_failed(struct copy *c, int code, const char *what)
{
        return infra_error_set(c->reterr, code, "%s %s%s: %s", what, c->from, c->path.text ? c->path.text : "",
                               strerror(-code));
}

static int link_compare(const void *a, const void *b)
{
        const struct link *x = a, *y = b;

        if (x->device != y->device)
                return x->device < y->device ? -1 : 1;
        return (x->inode > y->inode) - (x->inode < y->inode);
}

static void link_free(void *p)
{
        struct link *l = p;

        free(l->path);
        free(l);
}

/* 1 when the file got its further name, 0 when this is the first one. */
static int link_copy(struct copy *c, int to, const char *name, const struct stat *st)
{
        struct link *l, key = { .device = st->st_dev, .inode = st->st_ino };
        struct link **found = tfind(&key, &c->links, link_compare);

        if (found && linkat(c->top, (*found)->path, to, name, 0) == 0)
                return 1;
        if (found) /* the first name may have vanished before it was copied */
                return errno == ENOENT ? 0 : copy_failed(c, -errno, "cannot link");
        l = calloc(1, sizeof(*l));
        if (!l)
                return infra_error_oom(c->reterr);
        *l = key;
        l->path = strdup(c->path.text + 1);
        if (!l->path || !tsearch(l, &c->links, link_compare)) {
                link_free(l);
                return infra_error_oom(c->reterr);
        }
        return 0;
}

/* Another file may have come to the name since it was looked at: @st becomes that of the one that is copied. */
static int file_copy(struct copy *c, int from, int to, const char *name, struct stat *st)
{
        _cleanup_close_ int source = file_open(from, name), target = -1;

        if (source == -ENOENT)
                return VANISHED;
        if (source < 0)
                return copy_failed(c, source == -EXDEV ? -EBUSY : source, "cannot open");
        if (fstat(source, st) < 0 || !S_ISREG(st->st_mode))
                return copy_failed(c, -ESTALE, "changed while it was copied:");
        target = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (target < 0)
                return copy_failed(c, -errno, "cannot make the copy of");
        return data_copy(c, source, target, st);
}

static int symlink_copy(struct copy *c, int from, int to, const char *name)
{
        char target[PATH_MAX + 1];
        ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

        if (n < 0)
                return errno == ENOENT ? VANISHED : copy_failed(c, -errno, "cannot read");
        target[n] = '\0';
        return symlinkat(target, to, name) < 0 ? copy_failed(c, -errno, "cannot make the copy of") : 0;
}

static int entries_copy(struct copy *c, int from, int to);

static int directory_copy(struct copy *c, int from, int to, const char *name)
{
        _cleanup_close_ int source = directory_open(from, name), target = -1;
        int r;

        if (source == -ENOENT)
                return VANISHED;
        if (source < 0 && source != -EXDEV)
                return copy_failed(c, source, "cannot open");
        if (c->depth >= TREE_DEPTH_MAX)
                return copy_failed(c, -ELOOP, "too deep:");
        if (mkdirat(to, name, 0700) < 0)
                return copy_failed(c, -errno, "cannot make the copy of");
        if (source == -EXDEV) /* a mount is not part of the tree */
                return 0;
        target = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0)
                return copy_failed(c, -errno, "cannot open the copy of");
        c->depth++;
        r = entries_copy(c, source, target);
        c->depth--;
        return r;
}

int copy_entry(struct copy *c, int from, int to, const char *name)
{
        struct stat st;
        int r = 0;

        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : copy_failed(c, -errno, "cannot look at");
        if (S_ISDIR(st.st_mode) && st.st_dev == c->self.st_dev && st.st_ino == c->self.st_ino)
                return 0;
        if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && c->path.length > 0)
                r = link_copy(c, to, name, &st);
        if (r != 0)
                return MIN(r, 0);
        if (S_ISDIR(st.st_mode))
                r = directory_copy(c, from, to, name);
        else if (S_ISREG(st.st_mode))
                r = file_copy(c, from, to, name, &st);
        else if (S_ISLNK(st.st_mode))
                r = symlink_copy(c, from, to, name);
        else if (mknodat(to, name, st.st_mode & ~07777u, st.st_rdev) < 0)
                r = copy_failed(c, -errno, "cannot make the copy of");
        if (r != 0)
                return MIN(r, 0);
        return attributes_copy(c, from, to, name, &st);
}

static int entries_copy(struct copy *c, int from, int to)
{
        DIR *dir = directory_entries(from);
        size_t length = c->path.length;
        int r = 0;

        if (!dir)
                return copy_failed(c, -errno, "cannot read");
        while (r >= 0) {
                struct dirent *e;

                errno = 0;
                e = readdir(dir);
                if (!e) {
                        r = errno ? copy_failed(c, -errno, "cannot read") : 0;
                        break;
                }
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                str_add(&c->path, "/%s", e->d_name);
                r = c->path.failed ? infra_error_oom(c->reterr) : copy_entry(c, from, to, e->d_name);
                if (c->path.text) {
                        c->path.length = length;
                        c->path.text[length] = '\0';
                }
        }
        closedir(dir);
        return r;
}

static int usage_entries(int fd, unsigned depth, uint64_t *bytes)
{
        DIR *dir = directory_entries(fd);

        if (!dir)
                return -errno;
        for (struct dirent *e; (e = readdir(dir));) {
                _cleanup_close_ int child = -1;
                struct stat st;

                if (streq(e->d_name, ".") || streq(e->d_name, "..") ||
                    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                /* A file with n names counts n times one n-th. */
                *bytes += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : MAX(st.st_nlink, 1u));
                if (!S_ISDIR(st.st_mode) || depth >= TREE_DEPTH_MAX)
                        continue;
                child = directory_open(fd, e->d_name);
                if (child >= 0)
                        usage_entries(child, depth + 1, bytes);
        }
        closedir(dir);
        return 0;
}

int tree_usage(const char *path, uint64_t *ret_bytes, infra_error **reterr)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t bytes = 0;
        int r;

        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", path);
        r = usage_entries(fd, 0, &bytes);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        *ret_bytes = bytes;
        return 0;
}

static int copy_run(struct copy *c, int from, const char *to)
{
        struct stat st;
        int r;

        r = fstat(from, &st) < 0 || fstat(c->top, &c->self) < 0 ? -errno : 0;
        if (r >= 0)
                r = entries_copy(c, from, c->top);
        if (r >= 0)
                r = attributes_copy(c, from, c->top, ".", &st);
        if (r >= 0 && syncfs(c->top) < 0)
                r = infra_error_set(c->reterr, -errno, "cannot sync %s: %m", to);
        return r;
}

void copy_forget_links(struct copy *c)
{
        tdestroy(c->links, link_free);
        c->links = NULL;
}

int tree_copy(const char *from, const char *to, storage_progress progress, void *userdata, infra_error **reterr)
{
        _cleanup_close_ int source = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), top = -1;
        struct copy c = { .from = from, .progress = progress, .userdata = userdata, .reterr = reterr };
        int r;

        if (source < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", from);
        if (progress) {
                r = tree_usage(from, &c.total, reterr);
                if (r < 0)
                        return r;
        }
        if (mkdir(to, 0700) < 0 && errno != EEXIST)
                return infra_error_set(reterr, -errno, "cannot make %s: %m", to);
        c.top = top = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (top < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", to);
        r = copy_run(&c, source, to);
        copy_forget_links(&c);
        str_done(&c.path);
        if (r >= 0 && progress)
                r = progress(userdata, MAX(c.done, c.total), MAX(c.done, c.total));
        return r;
}
