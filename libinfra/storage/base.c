/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bases: <path>/bases/NAME/<tag>, a snapshot of a generation's tree where the filesystem keeps one for nothing, else
 * a manifest of what is in it.
 */

#include <errno.h>
#include <sys/file.h>

#include "base/fd.h"
#include "storage/manifest.h"
#include "storage/place.h"
#include "storage/written.h"

char *base_path(const struct storage *s, const char *container, const char *tag)
{
        return path_join("%s/bases/%s/%s", s->path, container, tag);
}

static int base_name_check(const char *container, const char *tag, infra_error **reterr)
{
        int r = place_name_check("container", container, reterr);

        return r < 0 ? r : place_name_check("tag", tag, reterr);
}

static int base_build(struct storage *s, const char *tree, const char *built, infra_error **reterr)
{
        _cleanup_free_ char *rootfs = path_join("%s/rootfs", tree);
        int r;

        if (!rootfs)
                return infra_error_oom(reterr);
        if (!s->backend->touched)
                return manifest_write(rootfs, NULL, built, reterr);
        r = s->backend->tree_clone(s, tree, built, reterr);
        return r < 0 ? r : s->backend->tree_seal(s, built, reterr);
}

int base_agree(struct storage *s, const char *container, const char *tag, const char *clone, infra_error **reterr)
{
        _cleanup_free_ char *base = base_path(s, container, tag), *rootfs = path_join("%s/rootfs", clone);
        _cleanup_free_ char *built = path_join("%s/bases/%s/" BUILD_PREFIX "%s", s->path, container, tag);
        _cleanup_side_ struct side known = { .root = -1 };
        int r = base && rootfs && built ? side_open_manifest(base, &known, reterr) : infra_error_oom(reterr);

        if (r >= 0)
                r = manifest_write(rootfs, known.manifest, built, reterr);
        return r < 0 ? r : place_move(built, base, 0, reterr);
}

static int base_remove(struct storage *s, const char *path, infra_error **reterr)
{
        struct stat st;

        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
                return unlink(path) < 0 ? infra_error_set(reterr, -errno, "cannot delete %s: %m", path) : 0;
        return tree_retire(s, path, reterr);
}

int storage_base_make(struct storage *s, const char *container, unsigned number, const char *tag, infra_error **reterr)
{
        _cleanup_free_ char *directory = path_join("%s/bases/%s", s->path, container), *path = base_path(s, container, tag);
        _cleanup_free_ char *built = path_join("%s/bases/%s/" BUILD_PREFIX "%s", s->path, container, tag), *tree = NULL;
        _cleanup_close_ int lock = -1;
        int r = base_name_check(container, tag, reterr);

        if (r < 0)
                return r;
        if (!directory || !path || !built)
                return infra_error_oom(reterr);
        if (path_exists(AT_FDCWD, path))
                return 0;
        r = generation_tree(s, container, number, &tree, reterr);
        if (r >= 0)
                r = place_make(directory, SNAPSHOTS_MODE, reterr);
        if (r >= 0)
                r = place_lock(directory, LOCK_EX, &lock, reterr);
        if (r >= 0)
                r = place_tidy(s, directory, reterr);
        if (r >= 0)
                r = base_build(s, tree, built, reterr);
        if (r >= 0)
                r = place_move(built, path, RENAME_NOREPLACE, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot remember generation %u of %s", number, container) : 0;
}

int storage_base_delete(struct storage *s, const char *container, const char *tag, infra_error **reterr)
{
        _cleanup_free_ char *path = base_path(s, container, tag);
        int r = path ? base_name_check(container, tag, reterr) : infra_error_oom(reterr);

        if (r < 0)
                return r;
        return path_exists(AT_FDCWD, path) ? base_remove(s, path, reterr) : 0;
}

bool storage_base_exists(const struct storage *s, const char *container, const char *tag)
{
        _cleanup_free_ char *path = base_path(s, container, tag);

        return path && path_exists(AT_FDCWD, path);
}

int storage_bases(struct storage *s, const char *container, struct strlist *ret, infra_error **reterr)
{
        _cleanup_free_ char *directory = path_join("%s/bases/%s", s->path, container);
        _cleanup_strlist_ struct strlist names = {};
        int r = directory ? place_entries(directory, &names, reterr) : infra_error_oom(reterr);

        for (size_t i = 0; r >= 0 && i < names.n; i++)
                if (names.items[i][0] != '.' && strlist_add(ret, names.items[i]) < 0)
                        r = infra_error_oom(reterr);
        return r;
}
