/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/fd.h"
#include "storage/copy.h"
#include "storage/volume.h"

static const char created_attribute[] = OWN_ATTRIBUTES "created";

int snapshot_stamp(const char *tree, infra_error **reterr)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%" PRId64, clock_wall_ms());

        if (setxattr(tree, created_attribute, text, (size_t)n, 0) < 0)
                return infra_error_set(reterr, -errno, "cannot write the time into %s: %m", tree);
        return 0;
}

/* One without a stamp was put there by hand: the filesystem's time of change is what is known of it. */
static int64_t snapshot_created(const char *tree)
{
        char text[32];
        ssize_t n = getxattr(tree, created_attribute, text, sizeof(text) - 1);
        struct stat st;

        if (n > 0) {
                text[n] = '\0';
                return strtoll(text, NULL, 10);
        }
        return stat(tree, &st) < 0 ? 0 : (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000;
}

static int snapshot_build(struct storage *s, const struct volume_change *c, const char *built, const char *path,
                          infra_error **reterr)
{
        int r;

        r = s->backend->tree_clone(s, c->live, built, reterr);
        if (r >= 0)
                r = snapshot_stamp(built, reterr);
        if (r >= 0)
                r = s->backend->tree_seal(s, built, reterr);
        if (r >= 0)
                r = s->backend->sync(built, reterr);
        if (r >= 0)
                r = place_move(built, path, RENAME_NOREPLACE, reterr);
        if (r < 0)
                tree_discard(s, built, NULL);
        return r;
}

int storage_volume_snapshot(struct storage *s, const char *container, const char *volume, const char *tag,
                            infra_error **reterr)
{
        _cleanup_volume_change_ struct volume_change c = { .lock = -1 };
        _cleanup_free_ char *directory = NULL, *built = NULL, *path = NULL;
        int r;

        r = place_name_check("tag", tag, reterr);
        if (r >= 0)
                r = volume_change_begin(s, container, volume, &c, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot take snapshot %s of %s of %s", tag, volume, container);
        directory = path_join("%s/%s", c.snapshots, tag);
        built = path_join("%s/%s/" BUILD_PREFIX "%s", c.snapshots, tag, c.escaped);
        path = path_join("%s/%s/%s", c.snapshots, tag, c.escaped);
        if (!directory || !built || !path)
                return infra_error_oom(reterr);
        if (path_exists(AT_FDCWD, path))
                return 0;
        if (!path_exists(AT_FDCWD, c.live))
                r = infra_error_set(reterr, -ENOENT, "there is no such volume");
        if (r >= 0)
                r = place_make(directory, SNAPSHOTS_MODE, reterr);
        if (r >= 0)
                r = snapshot_build(s, &c, built, path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot take snapshot %s of %s of %s", tag, volume, container);
        return 0;
}

int storage_volume_snapshot_delete(struct storage *s, const char *container, const char *volume, const char *tag,
                                   infra_error **reterr)
{
        _cleanup_free_ char *all = path_join("%s/snapshots/%s", s->path, container), *directory = NULL, *path = NULL;
        _cleanup_volume_change_ struct volume_change c = { .lock = -1 };
        int r;

        if (!all)
                return infra_error_oom(reterr);
        if (!path_exists(AT_FDCWD, all))
                return 0;
        r = place_name_check("tag", tag, reterr);
        if (r >= 0)
                r = volume_change_begin(s, container, volume, &c, reterr);
        directory = path_join("%s/%s", c.snapshots, tag);
        path = path_join("%s/%s/%s", c.snapshots, tag, c.escaped);
        if (r >= 0 && (!directory || !path))
                return infra_error_oom(reterr);
        if (r >= 0)
                r = tree_retire(s, path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot delete snapshot %s of %s of %s", tag, volume, container);
        rmdir(directory); /* goes with its last snapshot */
        return 0;
}

void volume_snapshots_done(struct volume_snapshots *l)
{
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].volume);
                free(l->items[i].tag);
        }
        free(l->items);
        *l = (struct volume_snapshots){};
}

static int snapshots_add(struct volume_snapshots *l, const char *directory, const char *tag, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist names = {};
        int r;

        r = place_entries(directory, &names, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, names.items[i]);
                struct volume_snapshot *item;

                if (names.items[i][0] == '.')
                        continue;
                item = path ? ARRAY_ADD(l->items, l->n) : NULL;
                if (!item)
                        return infra_error_oom(reterr);
                item->volume = strdup(names.items[i]);
                item->tag = strdup(tag);
                item->created_ms = snapshot_created(path);
                if (!item->volume || !item->tag)
                        return infra_error_oom(reterr);
        }
        return 0;
}

int storage_volume_snapshots(struct storage *s, const char *container, struct volume_snapshots *ret,
                             infra_error **reterr)
{
        _cleanup_free_ char *all = path_join("%s/snapshots/%s", s->path, container);
        CLEANUP(volume_snapshots_done) struct volume_snapshots l = {};
        _cleanup_strlist_ struct strlist tags = {};
        int r;

        if (!all)
                return infra_error_oom(reterr);
        r = place_name_check("container", container, reterr);
        if (r >= 0)
                r = place_entries(all, &tags, reterr);
        for (size_t i = 0; i < tags.n && r >= 0; i++) {
                _cleanup_free_ char *directory = path_join("%s/%s", all, tags.items[i]);

                if (!directory)
                        return infra_error_oom(reterr);
                if (tags.items[i][0] != '.')
                        r = snapshots_add(&l, directory, tags.items[i], reterr);
        }
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot list snapshots of %s", container);
        *ret = l;
        l = (struct volume_snapshots){};
        return 0;
}
