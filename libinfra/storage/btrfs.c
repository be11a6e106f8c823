/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees as subvolumes. A guest's systemd makes subvolumes of its own (/var/lib/machines, portables), so clones
 * and deletions go through nested ones. A tree that is a plain directory (the backend was `dir` before) is
 * still cloned, by copy into a subvolume, and deleted.
 */

#include <btrfsutil.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/erase.h"
#include "storage/place.h"
#include "storage/touched.h"

static int btrfs_failed(enum btrfs_util_error e, const char *path, infra_error **reterr)
{
        int code = errno > 0 ? -errno : -EIO;

        return infra_error_set(reterr, code, "%s: %s: %s", path, btrfs_util_strerror(e), strerror(-code));
}

static bool is_subvolume(const char *path)
{
        return btrfs_util_is_subvolume(path) == BTRFS_UTIL_OK;
}

static int btrfs_check(const struct storage *s, infra_error **reterr)
{
        struct statfs st;

        if (statfs(s->path, &st) < 0)
                return infra_error_set(reterr, -errno, "%m");
        if (st.f_type != BTRFS_SUPER_MAGIC)
                return infra_error_set(reterr, -EOPNOTSUPP, "it is not on a btrfs filesystem, which `backend: btrfs` needs");
        return 0;
}

static int btrfs_tree_make(const struct storage *s UNUSED, const char *path, infra_error **reterr)
{
        enum btrfs_util_error e = btrfs_util_create_subvolume(path, 0, NULL, NULL);

        if (e != BTRFS_UTIL_OK)
                return btrfs_failed(e, path, reterr);
        if (chmod(path, STORAGE_MODE) < 0)
                return infra_error_set(reterr, -errno, "cannot set the mode of %s: %m", path);
        return 0;
}

static int btrfs_tree_clone(const struct storage *s, const char *from, const char *to, infra_error **reterr)
{
        enum btrfs_util_error e;
        int r;

        if (!is_subvolume(from)) {
                r = btrfs_tree_make(s, to, reterr);
                return r < 0 ? r : tree_copy(from, to, s->progress, s->userdata, reterr);
        }
        e = btrfs_util_create_snapshot(from, to, BTRFS_UTIL_CREATE_SNAPSHOT_RECURSIVE, NULL, NULL);
        return e == BTRFS_UTIL_OK ? 0 : btrfs_failed(e, from, reterr);
}

static int btrfs_tree_seal(const struct storage *s UNUSED, const char *path, infra_error **reterr)
{
        enum btrfs_util_error e = is_subvolume(path) ? btrfs_util_set_subvolume_read_only(path, true) : BTRFS_UTIL_OK;

        return e == BTRFS_UTIL_OK ? 0 : btrfs_failed(e, path, reterr);
}

static int subvolume_open_up(const char *path, infra_error **reterr)
{
        bool read_only = false;
        enum btrfs_util_error e = btrfs_util_get_subvolume_read_only(path, &read_only);

        if (e == BTRFS_UTIL_OK && read_only)
                e = btrfs_util_set_subvolume_read_only(path, false);
        return e == BTRFS_UTIL_OK ? 0 : btrfs_failed(e, path, reterr);
}

static void iterator_done(struct btrfs_util_subvolume_iterator **i)
{
        if (*i)
                btrfs_util_destroy_subvolume_iterator(*i);
}

/* A nested subvolume cannot be taken out of a read-only one. */
static int subvolumes_open_up(const char *path, infra_error **reterr)
{
        CLEANUP(iterator_done) struct btrfs_util_subvolume_iterator *i = NULL;
        enum btrfs_util_error e;
        int r;

        r = subvolume_open_up(path, reterr);
        if (r < 0)
                return r;
        e = btrfs_util_create_subvolume_iterator(path, 0, 0, &i);
        while (e == BTRFS_UTIL_OK) {
                _cleanup_free_ char *name = NULL, *nested = NULL;

                e = btrfs_util_subvolume_iterator_next(i, &name, NULL);
                if (e != BTRFS_UTIL_OK)
                        break;
                nested = path_join("%s/%s", path, name);
                if (!nested)
                        return infra_error_oom(reterr);
                r = subvolume_open_up(nested, reterr);
                if (r < 0)
                        return r;
        }
        return e == BTRFS_UTIL_ERROR_STOP_ITERATION ? 0 : btrfs_failed(e, path, reterr);
}

static int btrfs_tree_delete(const struct storage *s, const char *path, infra_error **reterr)
{
        enum btrfs_util_error e;
        int r;

        if (!is_subvolume(path))
                return tree_erase(path, reterr);
        r = subvolumes_open_up(path, reterr);
        if (r < 0)
                return r;
        e = btrfs_util_delete_subvolume(path, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
        if (e != BTRFS_UTIL_OK)
                return btrfs_failed(e, path, reterr);
        btrfs_util_sync(s->path); /* wakes the cleaner: otherwise a full disk stays full for half a minute */
        return 0;
}

static int btrfs_sync(const char *path, infra_error **reterr)
{
        enum btrfs_util_error e = btrfs_util_sync(path);

        return e == BTRFS_UTIL_OK ? 0 : btrfs_failed(e, path, reterr);
}

/*
 * The kernel's f_bavail counts unallocated space at the data profile's replication and is 0 when metadata can
 * no longer grow; what the cleaner has not yet freed of deleted subvolumes is missing from it, to the safe side.
 */
static int btrfs_space(const char *path, uint64_t *ret_free, uint64_t *ret_total, infra_error **reterr)
{
        return backend_dir.space(path, ret_free, ret_total, reterr);
}

static bool btrfs_shares(const struct storage *s UNUSED)
{
        return true;
}

const struct backend backend_btrfs = {
        .check = btrfs_check,
        .tree_make = btrfs_tree_make,
        .tree_clone = btrfs_tree_clone,
        .tree_seal = btrfs_tree_seal,
        .tree_delete = btrfs_tree_delete,
        .sync = btrfs_sync,
        .space = btrfs_space,
        .touched = btrfs_touched,
        .shares = btrfs_shares,
};
