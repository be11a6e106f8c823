/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening, space and forecast. */

#include "storage/storage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/erase.h"
#include "storage/place.h"

/*
 * What an upgrade writes beyond clones. Measured: bookworm -> trixie of a minbase root with systemd fetches
 * 54 MB and leaves less than 1 GB of new and replaced blocks; half as much again for packages with data.
 */
static const uint64_t growth_bytes = 1536ull << 20;
static const uint64_t reserve_least = 512ull << 20;
enum { RESERVE_PERCENT = 5 };

static const char format_attribute[] = "trusted.infra.format";

static const struct backend *const backends[STORAGE_BACKEND_MAX] = {
        [STORAGE_BTRFS] = &backend_btrfs,
        [STORAGE_DIR] = &backend_dir,
};

static int exchange_check(const char *path, infra_error **reterr)
{
        _cleanup_free_ char *a = path_join("%s/" BUILD_PREFIX "a", path), *b = path_join("%s/" BUILD_PREFIX "b", path);
        int r = 0;

        if (!a || !b)
                return infra_error_oom(reterr);
        if ((mkdir(a, STORAGE_MODE) < 0 && errno != EEXIST) || (mkdir(b, STORAGE_MODE) < 0 && errno != EEXIST) ||
            renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0)
                r = infra_error_set(reterr, -errno, "its filesystem cannot exchange directories: %m");
        rmdir(a);
        rmdir(b);
        return r;
}

/*
 * Cut-over and rollback need an atomic exchange and trusted attributes: learnt when the place is used for the
 * first time, not on the night they are needed. The attribute says that this has been done.
 */
static int abilities_check(const char *path, infra_error **reterr)
{
        int r;

        if (getxattr(path, format_attribute, NULL, 0) > 0)
                return 0;
        r = exchange_check(path, reterr);
        if (r >= 0 && setxattr(path, format_attribute, "1", 1, 0) < 0)
                r = infra_error_set(reterr, -errno, "its filesystem cannot keep extended attributes: %m");
        return r;
}

int storage_open(enum storage_backend backend, const char *path, struct storage **ret, infra_error **reterr)
{
        _cleanup_storage_ struct storage *s = calloc(1, sizeof(*s));
        int r;

        if (backend < 0 || backend >= STORAGE_BACKEND_MAX || path[0] != '/')
                return infra_error_set(reterr, -EINVAL, "storage needs a backend and an absolute path, not \"%s\"", path);
        if (!s)
                return infra_error_oom(reterr);
        s->backend = backends[backend];
        s->path = strdup(path);
        if (!s->path)
                return infra_error_oom(reterr);
        for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--)
                s->path[n - 1] = '\0';
        r = place_make(s->path, STORAGE_MODE, reterr);
        if (r >= 0)
                r = s->backend->check(s, reterr);
        if (r >= 0)
                r = abilities_check(s->path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot open storage %s", path);
        *ret = TAKE_PTR(s);
        return 0;
}

struct storage *storage_free(struct storage *s)
{
        if (!s)
                return NULL;
        free(s->path);
        free(s);
        return NULL;
}

void storage_set_progress(struct storage *s, storage_progress progress, void *userdata)
{
        s->progress = progress;
        s->userdata = userdata;
}

const char *storage_path(const struct storage *s)
{
        return s->path;
}

static int copy_beside(struct storage *s, const char *from, const char *to, infra_error **reterr)
{
        const char *name = strrchr(to, '/');
        _cleanup_free_ char *built = NULL;
        int r;

        if (!name)
                return infra_error_set(reterr, -EINVAL, "%s is not absolute", to);
        built = path_join("%.*s/" BUILD_PREFIX "%s", (int)(name - to), to, name + 1);
        if (!built)
                return infra_error_oom(reterr);
        r = tree_erase(built, reterr);
        if (r >= 0)
                r = tree_copy(from, built, s->progress, s->userdata, reterr);
        if (r >= 0)
                r = place_move(built, to, RENAME_NOREPLACE, reterr);
        if (r < 0)
                tree_erase(built, NULL);
        return r;
}

int storage_tree_copy(struct storage *s, const char *from, const char *to, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist present = {};
        int r;

        r = place_entries(to, &present, reterr);
        if (r >= 0 && present.n > 0)
                r = infra_error_set(reterr, -ENOTEMPTY, "%s is not empty", to);
        if (r >= 0 && path_exists(AT_FDCWD, to))
                r = tree_copy(from, to, s->progress, s->userdata, reterr);
        else if (r >= 0)
                r = copy_beside(s, from, to, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot copy %s to %s", from, to) : 0;
}

int storage_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, infra_error **reterr)
{
        return s->backend->space(s->path, ret_free, ret_total, reterr);
}

int storage_forecast(struct storage *s, const char *container, uint64_t *ret_bytes, infra_error **reterr)
{
        _cleanup_free_ char *live = path_join("%s/containers/%s/live", s->path, container);
        uint64_t used = 0;
        int r;

        if (!live)
                return infra_error_oom(reterr);
        if (!s->backend->shares(s) && path_exists(AT_FDCWD, live)) {
                r = tree_usage(live, &used, reterr);
                if (r < 0)
                        return r;
        }
        *ret_bytes = used + growth_bytes;
        return 0;
}

int storage_require(struct storage *s, uint64_t bytes, infra_error **reterr)
{
        char need[32], have[32], keep[32];
        uint64_t available, total, reserve;
        int r;

        r = storage_space(s, &available, &total, reterr);
        if (r < 0)
                return r;
        reserve = MAX(total / 100 * RESERVE_PERCENT, reserve_least);
        if (available >= reserve && available - reserve >= bytes)
                return 0;
        return infra_error_set(reterr, -ENOSPC, "%s needs %s and a reserve of %s, but only %s are free", s->path,
                               str_bytes(need, bytes), str_bytes(keep, reserve), str_bytes(have, available));
}
