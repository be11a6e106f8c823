/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Throw-away copies for what is tried aside: <path>/scratch/NAME/<use>-<what>. Nothing here is ever read again after
 * the step that made it; what a crash left is deleted by the next.
 */

#include <stdio.h>

#include "base/fd.h"
#include "storage/place.h"
#include "storage/written.h"

static int scratch_clone(struct storage *s, const char *container, const char *from, const char *name, char **ret,
                         infra_error **reterr)
{
        _cleanup_free_ char *directory = path_join("%s/scratch/%s", s->path, container), *path = NULL;
        int r = place_name_check("container", container, reterr);

        if (r < 0)
                return r;
        path = directory ? path_join("%s/%s", directory, name) : NULL;
        if (!path)
                return infra_error_oom(reterr);
        r = place_make(directory, STORAGE_MODE, reterr);
        if (r >= 0)
                r = tree_discard(s, path, reterr);
        if (r >= 0)
                r = s->backend->tree_clone(s, from, path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot copy %s to try something", from);
        *ret = TAKE_PTR(path);
        return 0;
}

int storage_scratch_generation(struct storage *s, const char *container, unsigned number, unsigned use, char **ret,
                               infra_error **reterr)
{
        _cleanup_free_ char *name = path_join("%u-root", use), *tree = NULL;
        int r = name ? generation_tree(s, container, number, &tree, reterr) : infra_error_oom(reterr);

        return r < 0 ? r : scratch_clone(s, container, tree, name, ret, reterr);
}

int storage_scratch_volume(struct storage *s, const char *container, const char *volume, unsigned use, char **ret,
                           infra_error **reterr)
{
        _cleanup_free_ char *from = storage_volume_path(s, container, volume), *escaped = volume_escape(volume);
        _cleanup_free_ char *name = escaped ? path_join("%u-%s", use, escaped) : NULL;

        return from && name ? scratch_clone(s, container, from, name, ret, reterr) : infra_error_oom(reterr);
}

int storage_scratch_drop(struct storage *s, const char *container, infra_error **reterr)
{
        _cleanup_free_ char *directory = path_join("%s/scratch/%s", s->path, container);
        _cleanup_strlist_ struct strlist names = {};
        int r = directory ? place_entries(directory, &names, reterr) : infra_error_oom(reterr);

        for (size_t i = 0; r >= 0 && i < names.n; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, names.items[i]);

                r = path ? tree_discard(s, path, reterr) : infra_error_oom(reterr);
        }
        return r;
}

int storage_generation_sync(struct storage *s, const char *container, unsigned number, infra_error **reterr)
{
        _cleanup_free_ char *tree = NULL;
        int r = generation_tree(s, container, number, &tree, reterr);

        return r < 0 ? r : s->backend->sync(tree, reterr);
}
