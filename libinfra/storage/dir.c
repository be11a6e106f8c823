/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trees as plain directories: a clone is a recursive copy that shares blocks where the filesystem can. */

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/erase.h"
#include "storage/place.h"

static int dir_check(const struct storage *s, infra_error **reterr)
{
        struct stat st;

        if (stat(s->path, &st) < 0)
                return infra_error_set(reterr, -errno, "%m");
        return S_ISDIR(st.st_mode) ? 0 : infra_error_set(reterr, -ENOTDIR, "it is not a directory");
}

static int dir_tree_make(const struct storage *s UNUSED, const char *path, infra_error **reterr)
{
        if (mkdir(path, STORAGE_MODE) < 0 || chmod(path, STORAGE_MODE) < 0)
                return infra_error_set(reterr, -errno, "cannot make %s: %m", path);
        return 0;
}

static int dir_tree_clone(const struct storage *s, const char *from, const char *to, infra_error **reterr)
{
        return tree_copy(from, to, s->progress, s->userdata, reterr);
}

static int dir_tree_seal(const struct storage *s UNUSED, const char *path UNUSED, infra_error **reterr UNUSED)
{
        return 0;
}

static int dir_tree_delete(const struct storage *s UNUSED, const char *path, infra_error **reterr)
{
        return tree_erase(path, reterr);
}

static int dir_tree_sync(const char *path, infra_error **reterr)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || syncfs(fd) < 0)
                return infra_error_set(reterr, -errno, "cannot sync %s: %m", path);
        return 0;
}

static int dir_space(const char *path, uint64_t *ret_free, uint64_t *ret_total, infra_error **reterr)
{
        struct statvfs v;

        if (statvfs(path, &v) < 0)
                return infra_error_set(reterr, -errno, "cannot read the space of %s: %m", path);
        *ret_free = (uint64_t)v.f_bavail * v.f_frsize;
        *ret_total = (uint64_t)v.f_blocks * v.f_frsize;
        return 0;
}

/* Tried on two files without a name: what the filesystem was made with decides, not its type. */
static bool dir_shares(const struct storage *s)
{
        _cleanup_close_ int a = open(s->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        _cleanup_close_ int b = open(s->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return a >= 0 && b >= 0 && fd_write_all(a, "infra", 5) >= 0 && ioctl(b, FICLONE, a) == 0;
}

const struct backend backend_dir = {
        .check = dir_check,
        .tree_make = dir_tree_make,
        .tree_clone = dir_tree_clone,
        .tree_seal = dir_tree_seal,
        .tree_delete = dir_tree_delete,
        .sync = dir_tree_sync,
        .space = dir_space,
        .shares = dir_shares,
};
