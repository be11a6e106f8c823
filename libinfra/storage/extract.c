/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A directory of a root becomes a volume: copied beside while its container serves, brought up to date while it is
 * stopped, and moved to the volume's place in one step. What was in the root is put aside in the generation's tree,
 * out of the guest's sight, until the generation goes; the mount point stays, empty.
 */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/volume.h"
#include "storage/written.h"

enum { MARK_MODE = 0600 };

static char *mark_path(const struct storage *s, const char *container, const char *volume)
{
        _cleanup_free_ char *escaped = volume_escape(volume);

        return escaped ? path_join("%s/volumes/%s/.made-%s", s->path, container, escaped) : NULL;
}

int volume_mark(const struct storage *s, const char *container, const char *volume, infra_error **reterr)
{
        _cleanup_free_ char *path = mark_path(s, container, volume);
        int r = path ? file_replace(AT_FDCWD, path, "", 0, MARK_MODE) : -ENOMEM;

        return r < 0 ? infra_error_set(reterr, r, "cannot mark volume %s of %s: %s", volume, container, strerror(-r)) : 0;
}

bool storage_volume_is_made(const struct storage *s, const char *container, const char *volume)
{
        _cleanup_free_ char *live = storage_volume_path(s, container, volume), *mark = mark_path(s, container, volume);

        return (live && path_exists(AT_FDCWD, live)) || (mark && path_exists(AT_FDCWD, mark));
}

/* Where things are in one extraction. */
struct extraction {
        struct volume_change change;
        char *copy;   /* beside the volume's place */
        char *source; /* in the root */
        char *aside;  /* in the generation's tree */
};

static void extraction_done(struct extraction *x)
{
        volume_change_done(&x->change);
        free(x->copy);
        free(x->source);
        free(x->aside);
}

static int extraction_begin(struct storage *s, const char *container, unsigned number, const char *volume, struct extraction *x,
                            infra_error **reterr)
{
        _cleanup_free_ char *tree = NULL;
        int r = volume_change_begin(s, container, volume, &x->change, reterr);

        if (r >= 0)
                r = generation_tree(s, container, number, &tree, reterr);
        if (r < 0)
                return r;
        x->copy = path_join("%s/.extract-%s", x->change.directory, x->change.escaped);
        x->source = path_join("%s/rootfs%s", tree, volume);
        x->aside = path_join("%s/extracted-%s", tree, x->change.escaped);
        return x->copy && x->source && x->aside ? 0 : infra_error_oom(reterr);
}

static int copy_anew(struct storage *s, const struct extraction *x, infra_error **reterr)
{
        int r = tree_discard(s, x->copy, reterr);

        if (r >= 0)
                r = s->backend->tree_make(s, x->copy, reterr);
        return r < 0 ? r : tree_copy(x->source, x->copy, s->progress, s->userdata, reterr);
}

int storage_volume_copy(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr)
{
        CLEANUP(extraction_done) struct extraction x = { .change.lock = -1 };
        int r = extraction_begin(s, container, number, volume, &x, reterr);

        if (r >= 0 && path_exists(AT_FDCWD, x.change.live))
                return 0;
        if (r >= 0)
                r = copy_anew(s, &x, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot copy %s of %s", volume, container) : 0;
}

int storage_volume_copy_drop(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr)
{
        CLEANUP(extraction_done) struct extraction x = { .change.lock = -1 };
        int r = extraction_begin(s, container, number, volume, &x, reterr);

        return r < 0 ? r : tree_discard(s, x.copy, reterr);
}

/* What was written since the copy; a copy that is gone is made anew. */
static int bring_up_to_date(struct storage *s, const struct extraction *x, infra_error **reterr)
{
        _cleanup_side_ struct side was = { .root = -1 }, now = { .root = -1 };
        CLEANUP(write_set_done) struct write_set set = {};
        int r;

        if (!path_exists(AT_FDCWD, x->copy))
                return copy_anew(s, x, reterr);
        r = side_open_tree(x->copy, &was, reterr);
        if (r >= 0)
                r = side_open_tree(x->source, &now, reterr);
        if (r >= 0)
                r = write_set_find(&was, &now, NULL, NULL, false, &set, reterr);
        return r < 0 ? r : carry_between(x->source, x->copy, &set, reterr);
}

/* An empty directory takes the place of the old content, like it but for that. */
static int put_aside(const struct extraction *x, infra_error **reterr)
{
        struct stat st;

        if (path_exists(AT_FDCWD, x->aside))
                return path_exists(AT_FDCWD, x->source) || mkdir(x->source, 0755) == 0 ? 0 : infra_error_set(reterr, -errno, "cannot make %s: %m", x->source);
        if (lstat(x->source, &st) < 0)
                return infra_error_set(reterr, -errno, "cannot look at %s: %m", x->source);
        if (rename(x->source, x->aside) < 0 || mkdir(x->source, st.st_mode & 07777) < 0 || chmod(x->source, st.st_mode & 07777) < 0 ||
            chown(x->source, st.st_uid, st.st_gid) < 0)
                return infra_error_set(reterr, -errno, "cannot put %s aside: %m", x->source);
        return 0;
}

int storage_volume_extract(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr)
{
        CLEANUP(extraction_done) struct extraction x = { .change.lock = -1 };
        int r = extraction_begin(s, container, number, volume, &x, reterr);

        if (r >= 0 && !path_exists(AT_FDCWD, x.change.live)) {
                r = bring_up_to_date(s, &x, reterr);
                if (r >= 0)
                        r = s->backend->sync(x.copy, reterr);
                if (r >= 0)
                        r = place_move(x.copy, x.change.live, RENAME_NOREPLACE, reterr);
        }
        if (r >= 0)
                r = volume_mark(s, container, volume, reterr);
        if (r >= 0)
                r = put_aside(&x, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot make %s of %s a volume", volume, container) : 0;
}

int storage_volume_extract_undo(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr)
{
        CLEANUP(extraction_done) struct extraction x = { .change.lock = -1 };
        _cleanup_free_ char *mark = mark_path(s, container, volume);
        int r = extraction_begin(s, container, number, volume, &x, reterr);

        if (r >= 0 && !mark)
                r = infra_error_oom(reterr);
        if (r < 0)
                return r;
        if (path_exists(AT_FDCWD, x.aside)) {
                if (rmdir(x.source) < 0 && errno != ENOENT)
                        return infra_error_set(reterr, -errno, "cannot remove the mount point %s: %m", x.source);
                if (rename(x.aside, x.source) < 0)
                        return infra_error_set(reterr, -errno, "cannot bring %s back: %m", x.source);
        }
        if (unlink(mark) < 0 && errno != ENOENT)
                return infra_error_set(reterr, -errno, "cannot remove %s: %m", mark);
        return tree_retire(s, x.change.live, reterr);
}
