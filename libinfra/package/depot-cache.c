/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/depot-cache.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"

#define PART ".part"
#define MAGIC "infra depot 1\n"

enum { HASH_BYTES = 32, KEY_BYTES = 64 + sizeof(PART) };

struct names {
        char kept[KEY_BYTES];
        char part[KEY_BYTES];
};

_Static_assert(sizeof(struct cache_head) <= CACHE_HEAD_BYTES, "the head has its room");

static int names_make(const char *url, struct names *ret)
{
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned int n = 0;

        if (EVP_Digest(url, strlen(url), hash, &n, EVP_sha256(), NULL) != 1 || n != HASH_BYTES)
                return -EIO;
        for (size_t i = 0; i < HASH_BYTES; i++)
                snprintf(ret->kept + 2 * i, 3, "%02x", hash[i]);
        snprintf(ret->part, sizeof(ret->part), "%.64s" PART, ret->kept);
        return 0;
}

/* Whether @name still means the file behind @fd. */
static bool same_file(int dir, const char *name, int fd)
{
        struct stat named, opened;

        return fstat(fd, &opened) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

static void sweep(int dir)
{
        int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *e;

        if (!entries) {
                closep(&fd);
                return;
        }
        while ((e = readdir(entries))) {
                _cleanup_close_ int part = -1;

                if (!endswith(e->d_name, PART))
                        continue;
                part = openat(dir, e->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                if (part >= 0 && flock(part, LOCK_EX | LOCK_NB) == 0 && same_file(dir, e->d_name, part))
                        unlinkat(dir, e->d_name, 0);
        }
        closedir(entries);
}

int cache_new(const char *path, int *ret_dir, infra_error **reterr)
{
        int r = dir_make(AT_FDCWD, path, 0700), fd;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot make the depot's directory %s: %s", path, strerror(-r));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open the depot's directory %s: %m", path);
        sweep(fd);
        *ret_dir = fd;
        return 0;
}

int cache_peek(int part, const char *url, struct cache_head *ret)
{
        struct cache_head head;

        if (pread(part, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || memcmp(head.magic, MAGIC, sizeof(MAGIC)) != 0)
                return 0;
        head.modified[sizeof(head.modified) - 1] = '\0';
        head.reason[sizeof(head.reason) - 1] = '\0';
        head.url[sizeof(head.url) - 1] = '\0';
        if (!streq(head.url, url))
                return 0;
        *ret = head;
        return 1;
}

int cache_open(int dir, const char *url, struct cache_head *ret, int *ret_fd)
{
        _cleanup_close_ int fd = -1;
        struct names names = {};
        struct stat st;
        int r = names_make(url, &names);

        if (r < 0)
                return r;
        fd = openat(dir, names.kept, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!cache_peek(fd, url, ret) || ret->status != 200 || (uint64_t)st.st_size != CACHE_HEAD_BYTES + ret->size) {
                if (same_file(dir, names.kept, fd))
                        unlinkat(dir, names.kept, 0);
                return -ENOENT;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int cache_claim(int dir, const char *url, int *ret_fd)
{
        struct names names = {};
        int r = names_make(url, &names);

        while (r >= 0) {
                _cleanup_close_ int fd = openat(dir, names.part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                struct stat st;

                if (fd < 0)
                        return -errno;
                if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                        if (errno != EWOULDBLOCK)
                                return -errno;
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
                /* Between open and flock it may have been renamed or removed by its fetcher. */
                if (!same_file(dir, names.part, fd))
                        continue;
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (st.st_size == 0) {
                        *ret_fd = TAKE_FD(fd);
                        return 1;
                }
                /* Left by a dead fetcher. Not used again: somebody may be reading what it had. */
                if (unlinkat(dir, names.part, 0) < 0)
                        return -errno;
        }
        return r;
}

int cache_reopen(int dir, const char *url, int *ret_fd)
{
        struct names names = {};
        int r = names_make(url, &names), fd;

        if (r < 0)
                return r;
        fd = openat(dir, names.part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int head_write(int part, const char *url, const struct cache_head *values)
{
        union {
                struct cache_head head;
                char bytes[CACHE_HEAD_BYTES];
        } block = { .bytes = "" };

        block.head = *values;
        memcpy(block.head.magic, MAGIC, sizeof(MAGIC));
        snprintf(block.head.url, sizeof(block.head.url), "%s", url);
        return fd_write_all(part, block.bytes, sizeof(block.bytes));
}

int cache_begin(int part, const char *url, uint64_t size, const char *modified)
{
        struct cache_head head = { .size = size, .status = 200 };

        /* Now, while the answer can still be given without keeping it. Some filesystems cannot reserve. */
        if (fallocate(part, FALLOC_FL_KEEP_SIZE, 0, (off_t)(CACHE_HEAD_BYTES + size)) < 0 && errno != EOPNOTSUPP)
                return -errno;
        snprintf(head.modified, sizeof(head.modified), "%s", modified);
        return head_write(part, url, &head);
}

void cache_report(int part, const char *url, unsigned status, const char *reason)
{
        struct cache_head head = { .status = status };

        snprintf(head.reason, sizeof(head.reason), "%s", reason);
        head_write(part, url, &head);
}

int cache_keep(int dir, const char *url, int part, uint64_t size)
{
        struct names names = {};
        struct stat st;
        int r = names_make(url, &names);

        if (r < 0)
                return r;
        if (fstat(part, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size != CACHE_HEAD_BYTES + size)
                return -EIO;
        /* After a power cut a name without its content would be served for good; nobody waits for this. */
        if (fdatasync(part) < 0 || renameat(dir, names.part, dir, names.kept) < 0)
                return -errno;
        flock(part, LOCK_UN);
        return 0;
}

void cache_drop(int dir, const char *url, int part)
{
        struct names names = {};

        if (names_make(url, &names) >= 0 && same_file(dir, names.part, part))
                unlinkat(dir, names.part, 0);
        /* Said, because a child between fork and exec may share the descriptor. */
        flock(part, LOCK_UN);
}

bool cache_growing(int part)
{
        if (flock(part, LOCK_SH | LOCK_NB) < 0)
                return errno == EWOULDBLOCK || errno == EINTR;
        flock(part, LOCK_UN);
        return false;
}
