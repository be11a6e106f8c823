/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "storage/volume.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "storage/copy.h"

enum { VOLUME_MODE = 0755 };

char *storage_volume_path(const struct storage *s, const char *container, const char *volume)
{
        _cleanup_free_ char *escaped = volume_escape(volume);

        return escaped ? path_join("%s/volumes/%s/%s", s->path, container, escaped) : NULL;
}

void volume_change_done(struct volume_change *c)
{
        closep(&c->lock);
        free(c->escaped);
        free(c->directory);
        free(c->live);
        free(c->snapshots);
}

/* Every tag's directory is tidied, and one left empty goes. */
static int snapshots_tidy(const struct storage *s, const char *directory, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist tags = {};
        int r;

        r = place_entries(directory, &tags, reterr);
        for (size_t i = 0; i < tags.n && r >= 0; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, tags.items[i]);

                if (!path)
                        return infra_error_oom(reterr);
                r = place_tidy(s, path, reterr);
                if (r >= 0)
                        rmdir(path);
        }
        return r;
}

int volume_change_begin(struct storage *s, const char *container, const char *volume, struct volume_change *c,
                        infra_error **reterr)
{
        int r;

        *c = (struct volume_change){ .lock = -1 };
        if (volume[0] != '/')
                return infra_error_set(reterr, -EINVAL, "\"%s\" cannot be a volume: it is not absolute", volume);
        r = place_name_check("container", container, reterr);
        if (r < 0)
                return r;
        c->escaped = volume_escape(volume);
        c->directory = path_join("%s/volumes/%s", s->path, container);
        c->live = storage_volume_path(s, container, volume);
        c->snapshots = path_join("%s/snapshots/%s", s->path, container);
        if (!c->escaped || !c->directory || !c->live || !c->snapshots)
                return infra_error_oom(reterr);
        r = place_make(c->directory, STORAGE_MODE, reterr);
        if (r >= 0)
                r = place_lock(c->directory, LOCK_EX, &c->lock, reterr);
        if (r >= 0)
                r = place_tidy(s, c->directory, reterr);
        if (r >= 0)
                r = restores_settle(s, c, reterr);
        return r < 0 ? r : snapshots_tidy(s, c->snapshots, reterr);
}

static int volume_fill(struct storage *s, const char *built, const char *seed, infra_error **reterr)
{
        struct stat st;
        int r;

        r = s->backend->tree_make(s, built, reterr);
        if (r < 0)
                return r;
        if (chmod(built, VOLUME_MODE) < 0)
                return infra_error_set(reterr, -errno, "cannot set the mode of %s: %m", built);
        if (!seed || (lstat(seed, &st) < 0 && errno == ENOENT))
                return 0;
        return tree_copy(seed, built, s->progress, s->userdata, reterr);
}

int storage_volume_make(struct storage *s, const char *container, const char *volume, const char *seed,
                        infra_error **reterr)
{
        _cleanup_volume_change_ struct volume_change c = { .lock = -1 };
        _cleanup_free_ char *built = NULL;
        int r;

        r = volume_change_begin(s, container, volume, &c, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot make volume %s of %s", volume, container);
        if (path_exists(AT_FDCWD, c.live))
                return 0;
        built = path_join("%s/" BUILD_PREFIX "%s", c.directory, c.escaped);
        if (!built)
                return infra_error_oom(reterr);
        r = volume_fill(s, built, seed, reterr);
        if (r >= 0)
                r = s->backend->sync(built, reterr);
        if (r >= 0)
                r = place_move(built, c.live, RENAME_NOREPLACE, reterr);
        if (r < 0) {
                tree_discard(s, built, NULL);
                return infra_error_prefix(reterr, r, "cannot make volume %s of %s", volume, container);
        }
        return volume_mark(s, container, volume, reterr);
}
