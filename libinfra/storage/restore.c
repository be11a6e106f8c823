/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting a volume's snapshot back.
 *
 *   1. clone of the snapshot at ".new-VOLUME", marked inside: trusted.infra.restored = TAG; synced
 *   2. renamed to ".restore-TAG:VOLUME"
 *   3. exchanged with the live volume: the only step that counts
 *   4. what is now at ".restore-TAG:VOLUME" moves to snapshots/TAG.replaced/VOLUME
 *
 * The mark travels with the tree, so it is at the live place exactly if step 3 happened. At the place
 * ".restore-TAG:VOLUME" a tree marked TAG is an unused copy, and any other is replaced content that nobody may
 * throw away; nothing that is marked TAG is ever replaced by a restore of TAG, as that is a no-op.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/volume.h"

#define RESTORE_PREFIX ".restore-"

enum { REPLACED_MAX = 1000 };

static const char restored_attribute[] = OWN_ATTRIBUTES "restored";

/* 1 or 0, or a negative errno when it cannot be known. */
static int is_marked(const char *tree, const char *tag, infra_error **reterr)
{
        char value[TAG_LENGTH_MAX + 16];
        ssize_t n = getxattr(tree, restored_attribute, value, sizeof(value));

        if (n < 0 && errno == ENODATA)
                return 0;
        if (n < 0)
                return infra_error_set(reterr, -errno, "cannot read the mark of %s: %m", tree);
        return (size_t)n == strlen(tag) && memcmp(value, tag, (size_t)n) == 0;
}

/* A second restore of the same tag after another one's finds the name taken: both contents are kept. */
static char *replaced_path(const struct volume_change *c, const char *tag, const char *escaped, unsigned attempt)
{
        if (attempt == 1)
                return path_join("%s/%s.replaced/%s", c->snapshots, tag, escaped);
        return path_join("%s/%s.replaced.%u/%s", c->snapshots, tag, attempt, escaped);
}

static int replaced_keep(struct storage *s, const struct volume_change *c, const char *tree, const char *tag,
                         const char *escaped, infra_error **reterr)
{
        _cleanup_free_ char *path = NULL, *directory = NULL;
        int r;

        for (unsigned i = 1; !path || path_exists(AT_FDCWD, path); i++) {
                free(path);
                path = replaced_path(c, tag, escaped, i);
                if (!path)
                        return infra_error_oom(reterr);
                if (i > REPLACED_MAX)
                        return infra_error_set(reterr, -EEXIST, "too many replaced contents of restore %s", tag);
        }
        directory = strndup(path, (size_t)(strrchr(path, '/') - path));
        if (!directory)
                return infra_error_oom(reterr);
        r = place_make(directory, SNAPSHOTS_MODE, reterr);
        if (r >= 0)
                r = snapshot_stamp(tree, reterr);
        if (r >= 0)
                r = place_move(tree, path, RENAME_NOREPLACE, reterr);
        return r < 0 ? r : s->backend->tree_seal(s, path, reterr);
}

static int restore_settle(struct storage *s, const struct volume_change *c, const char *name, infra_error **reterr)
{
        const char *start = name + strlen(RESTORE_PREFIX), *colon = strchr(start, ':');
        _cleanup_free_ char *tree = path_join("%s/%s", c->directory, name);
        _cleanup_free_ char *tag = colon ? strndup(start, (size_t)(colon - start)) : NULL;
        int r;

        if (!colon)
                return 0; /* not of our making */
        if (!tree || !tag)
                return infra_error_oom(reterr);
        r = is_marked(tree, tag, reterr);
        if (r < 0)
                return r;
        return r ? tree_discard(s, tree, reterr) : replaced_keep(s, c, tree, tag, colon + 1, reterr);
}

int restores_settle(struct storage *s, const struct volume_change *c, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist names = {};
        int r;

        r = place_entries(c->directory, &names, reterr);
        for (size_t i = 0; i < names.n && r >= 0; i++)
                if (startswith(names.items[i], RESTORE_PREFIX))
                        r = restore_settle(s, c, names.items[i], reterr);
        return r;
}

static int restore_build(struct storage *s, const struct volume_change *c, const char *snapshot, const char *tag,
                         const char *ready, infra_error **reterr)
{
        _cleanup_free_ char *built = path_join("%s/" BUILD_PREFIX "%s", c->directory, c->escaped);
        int r;

        if (!built)
                return infra_error_oom(reterr);
        r = s->backend->tree_clone(s, snapshot, built, reterr);
        if (r >= 0 && setxattr(built, restored_attribute, tag, strlen(tag), 0) < 0)
                r = infra_error_set(reterr, -errno, "cannot mark %s: %m", built);
        if (r >= 0)
                r = s->backend->sync(built, reterr);
        if (r >= 0)
                r = place_move(built, ready, RENAME_NOREPLACE, reterr);
        if (r < 0)
                tree_discard(s, built, NULL);
        return r;
}

static int restore_run(struct storage *s, const struct volume_change *c, const char *tag, infra_error **reterr)
{
        _cleanup_free_ char *snapshot = path_join("%s/%s/%s", c->snapshots, tag, c->escaped);
        _cleanup_free_ char *ready = path_join("%s/" RESTORE_PREFIX "%s:%s", c->directory, tag, c->escaped);
        bool present = path_exists(AT_FDCWD, c->live);
        int r;

        if (!snapshot || !ready)
                return infra_error_oom(reterr);
        r = present ? is_marked(c->live, tag, reterr) : 0;
        if (r < 0)
                return r;
        if (r > 0)
                return s->backend->sync(c->live, reterr);
        if (!path_exists(AT_FDCWD, snapshot))
                return infra_error_set(reterr, -ENOENT, "there is no such snapshot");
        r = restore_build(s, c, snapshot, tag, ready, reterr);
        if (r >= 0)
                r = place_move(ready, c->live, present ? RENAME_EXCHANGE : RENAME_NOREPLACE, reterr);
        if (r >= 0)
                r = restores_settle(s, c, reterr);
        return r < 0 ? r : s->backend->sync(c->live, reterr);
}

int storage_volume_restore(struct storage *s, const char *container, const char *volume, const char *tag,
                           infra_error **reterr)
{
        _cleanup_volume_change_ struct volume_change c = { .lock = -1 };
        int r;

        r = place_name_check("tag", tag, reterr);
        if (r >= 0)
                r = volume_change_begin(s, container, volume, &c, reterr);
        if (r >= 0)
                r = restore_run(s, &c, tag, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot restore snapshot %s of %s of %s", tag, volume, container);
        return 0;
}

bool storage_volume_is_restored(struct storage *s, const char *container, const char *volume, const char *tag)
{
        _cleanup_free_ char *live = storage_volume_path(s, container, volume);

        return live && is_marked(live, tag, NULL) == 1;
}
