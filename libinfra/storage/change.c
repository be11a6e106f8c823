/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Changing generations. Each change has one commit point, a rename: of the complete ".new-N" to its name, of
 * candidate and live against each other, of a doomed tree to ".del-N". A tree gets its identity before its
 * rename. The old live tree gets its later state before the exchange (at live/ the file's state does not
 * count), so nothing after the exchange is needed for a true picture.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "storage/generation.h"
#include "storage/identity.h"
#include "storage/place.h"
#include "storage/written.h"

enum { ROOTFS_MODE = 0755 };

/* One change of one container: its lock, its directory, and its generations after tidying. */
struct change {
        int lock;
        char *directory; /* of the generations that are not live */
        char *live;
        struct generations found;
};

static void change_done(struct change *c)
{
        closep(&c->lock);
        free(c->directory);
        free(c->live);
        generations_done(&c->found);
}
#define _cleanup_change_ CLEANUP(change_done)

static int change_begin(struct storage *s, const char *container, struct change *c, infra_error **reterr)
{
        _cleanup_free_ char *home = path_join("%s/containers/%s", s->path, container);
        int r;

        *c = (struct change){ .lock = -1 };
        c->directory = path_join("%s/containers/%s/generations", s->path, container);
        c->live = path_join("%s/containers/%s/live", s->path, container);
        if (!home || !c->directory || !c->live)
                return infra_error_oom(reterr);
        r = place_name_check("container", container, reterr);
        if (r >= 0)
                r = place_make(c->directory, STORAGE_MODE, reterr);
        if (r >= 0)
                r = place_lock(home, LOCK_EX, &c->lock, reterr);
        if (r >= 0)
                r = generations_read(s, container, &c->found, reterr);
        if (r >= 0)
                r = generations_rename(s, container, &c->found, reterr);
        return r < 0 ? r : place_tidy(s, c->directory, reterr);
}

/* Identity, sync, rename: what turns a built tree into a generation. */
static int candidate_publish(struct storage *s, const struct change *c, const char *container, const char *built,
                             const struct generation *g, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/%u", c->directory, g->number);
        int r;

        if (!path)
                return infra_error_oom(reterr);
        r = identity_write(built, container, g, reterr);
        if (r >= 0)
                r = s->backend->sync(built, reterr);
        return r < 0 ? r : place_move(built, path, RENAME_NOREPLACE, reterr);
}

static int root_make(struct storage *s, const char *built, storage_fill fill, void *userdata, infra_error **reterr)
{
        _cleanup_free_ char *rootfs = path_join("%s/rootfs", built);
        int r;

        if (!rootfs)
                return infra_error_oom(reterr);
        r = s->backend->tree_make(s, built, reterr);
        if (r < 0)
                return r;
        if (mkdir(rootfs, ROOTFS_MODE) < 0 || chmod(rootfs, ROOTFS_MODE) < 0)
                return infra_error_set(reterr, -errno, "cannot make %s: %m", rootfs);
        return fill ? fill(userdata, rootfs, reterr) : 0;
}

/* 1 when the generation is there already with that parent, 0 when the number is free. */
static int number_taken(const struct change *c, unsigned number, unsigned parent, infra_error **reterr)
{
        const struct generation *g = generations_find(&c->found, number);

        if (number == 0)
                return infra_error_set(reterr, -EINVAL, "generations are numbered from 1");
        if (g && g->parent != parent)
                return infra_error_set(reterr, -EEXIST, "%s is generation %u already, with parent %u", g->path, number,
                                       g->parent);
        return g ? 1 : 0;
}

/* The build is thrown away at once when it failed: a full disk is wanted back. */
static int build_end(struct storage *s, const char *built, int result)
{
        if (result < 0)
                tree_discard(s, built, NULL);
        return result;
}

int storage_generation_make(struct storage *s, const char *container, unsigned number, const char *release,
                            const char *run, storage_fill fill, void *userdata, infra_error **reterr)
{
        struct generation g = {
                .number = number,
                .release = (char *)(release ? release : ""),
                .state = GENERATION_CANDIDATE,
                .run = (char *)(run ? run : ""),
                .created_ms = clock_wall_ms(),
        };
        _cleanup_change_ struct change c = { .lock = -1 };
        _cleanup_free_ char *built = NULL;
        int r;

        r = change_begin(s, container, &c, reterr);
        if (r >= 0)
                r = number_taken(&c, number, 0, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot make generation %u of %s", number, container);
        if (r > 0)
                return 0;
        built = path_join("%s/" BUILD_PREFIX "%u", c.directory, number);
        if (!built)
                return infra_error_oom(reterr);
        r = root_make(s, built, fill, userdata, reterr);
        if (r >= 0)
                r = candidate_publish(s, &c, container, built, &g, reterr);
        if (build_end(s, built, r) < 0)
                return infra_error_prefix(reterr, r, "cannot make generation %u of %s", number, container);
        return 0;
}

/* @tree: where the content comes from, when that is not where @from is now. */
static int clone_build(struct storage *s, const struct change *c, const char *container, const struct generation *from,
                       const char *tag, struct generation *g, infra_error **reterr)
{
        _cleanup_free_ char *built = path_join("%s/" BUILD_PREFIX "%u", c->directory, g->number);
        _cleanup_free_ char *base = tag ? base_path(s, container, tag) : NULL, *rootfs = base ? path_join("%s/rootfs", base) : NULL;
        bool tree = rootfs && path_exists(AT_FDCWD, rootfs);
        int r;

        if (!built || (tag && !rootfs))
                return infra_error_oom(reterr);
        if (!g->release)
                g->release = from->release;
        r = s->backend->tree_clone(s, tree ? base : from->path, built, reterr);
        if (r >= 0 && tag && !tree)
                r = base_agree(s, container, tag, built, reterr);
        if (r >= 0)
                r = candidate_publish(s, c, container, built, g, reterr);
        return build_end(s, built, r);
}

/* @tag: of a base that the clone is to agree with, or NULL. */
static int generation_clone(struct storage *s, const char *container, unsigned from, const char *tag, unsigned number,
                            const char *release, const char *run, infra_error **reterr)
{
        struct generation g = {
                .number = number,
                .parent = from,
                .release = (char *)release,
                .state = GENERATION_CANDIDATE,
                .run = (char *)(run ? run : ""),
                .created_ms = clock_wall_ms(),
        };
        _cleanup_change_ struct change c = { .lock = -1 };
        const struct generation *source;
        int r;

        r = change_begin(s, container, &c, reterr);
        if (r >= 0)
                r = number_taken(&c, number, from, reterr);
        if (r > 0)
                return 0;
        source = generations_find(&c.found, from);
        if (r >= 0 && !source)
                r = infra_error_set(reterr, -ENOENT, "there is no generation %u", from);
        if (r >= 0)
                r = clone_build(s, &c, container, source, tag, &g, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot clone generation %u of %s as %u", from, container, number);
        return 0;
}

int storage_generation_clone(struct storage *s, const char *container, unsigned from, unsigned number,
                             const char *release, const char *run, infra_error **reterr)
{
        return generation_clone(s, container, from, NULL, number, release, run, reterr);
}

int storage_generation_shadow(struct storage *s, const char *container, unsigned from, unsigned number, const char *run,
                              const char *tag, infra_error **reterr)
{
        int r = storage_base_make(s, container, from, tag, reterr);

        return r < 0 ? r : generation_clone(s, container, from, tag, number, NULL, run, reterr);
}

static int state_write(const char *tree, const char *container, const struct generation *g, enum generation_state state,
                       infra_error **reterr)
{
        struct generation wanted = *g;

        wanted.state = state;
        return identity_write(tree, container, &wanted, reterr);
}

/*
 * The step that counts and the rename that only puts the names right, under the readers' lock. Both are for the
 * directories' fsync after it: they may come to the disk in any order.
 */
static int names_exchange(const struct change *c, const struct generation *now, const struct generation *old,
                          infra_error **reterr)
{
        _cleanup_free_ char *right = path_join("%s/%u", c->directory, old ? old->number : 0);
        _cleanup_close_ int lock = -1;
        int r;

        if (!right)
                return infra_error_oom(reterr);
        place_lock(c->directory, LOCK_EX, &lock, NULL); /* a reader that hangs does not stop a cut-over */
        if (renameat2(AT_FDCWD, now->path, AT_FDCWD, c->live, old ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
                return infra_error_set(reterr, -errno, "cannot exchange %s and %s: %m", now->path, c->live);
        if (old && renameat2(AT_FDCWD, now->path, AT_FDCWD, right, RENAME_NOREPLACE) < 0)
                return infra_error_set(reterr, -errno, "cannot rename %s to %s: %m", now->path, right);
        closep(&lock);
        lock = -1;
        r = place_sync_parent(c->live, reterr);
        return r < 0 ? r : place_sync_parent(now->path, reterr);
}

static int exchange_run(struct storage *s, const struct change *c, const char *container, const struct generation *now,
                        enum generation_state old_state, infra_error **reterr)
{
        const struct generation *old = generations_live(&c->found);
        int r = 0;

        if (old)
                r = state_write(c->live, container, old, old_state, reterr);
        if (r >= 0)
                r = s->backend->sync(now->path, reterr);
        if (r >= 0)
                r = names_exchange(c, now, old, reterr);
        if (r >= 0)
                r = state_write(c->live, container, now, GENERATION_LIVE, reterr);
        return r < 0 ? r : s->backend->sync(c->live, reterr);
}

int storage_generation_exchange(struct storage *s, const char *container, unsigned number,
                                enum generation_state old_state, infra_error **reterr)
{
        _cleanup_change_ struct change c = { .lock = -1 };
        const struct generation *now;
        int r;

        if (old_state == GENERATION_LIVE || old_state < 0 || old_state >= GENERATION_STATE_MAX)
                return infra_error_set(reterr, -EINVAL, "what was live cannot become %d", (int)old_state);
        r = change_begin(s, container, &c, reterr);
        now = generations_find(&c.found, number);
        if (r >= 0 && !now)
                r = infra_error_set(reterr, -ENOENT, "there is no such generation");
        if (r >= 0 && now->state == GENERATION_LIVE)
                r = s->backend->sync(c.live, reterr); /* exchanged before, perhaps by a call that was cut off */
        else if (r >= 0)
                r = exchange_run(s, &c, container, now, old_state, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot make generation %u of %s live", number, container);
        return 0;
}

int storage_generation_mark(struct storage *s, const char *container, unsigned number, const char *release,
                            enum generation_state state, infra_error **reterr)
{
        _cleanup_change_ struct change c = { .lock = -1 };
        const struct generation *g;
        struct generation wanted;
        int r;

        r = change_begin(s, container, &c, reterr);
        g = generations_find(&c.found, number);
        if (r >= 0 && !g)
                r = infra_error_set(reterr, -ENOENT, "there is no such generation");
        if (r >= 0 && state == GENERATION_LIVE && g->state != GENERATION_LIVE)
                r = infra_error_set(reterr, -EINVAL, "only an exchange makes a generation live");
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot mark generation %u of %s", number, container);
        wanted = *g;
        if (release)
                wanted.release = (char *)release;
        if (state != GENERATION_STATE_MAX)
                wanted.state = state;
        if (wanted.state == g->state && streq(wanted.release, g->release))
                return 0;
        return identity_write(g->path, container, &wanted, reterr);
}

int storage_generation_delete(struct storage *s, const char *container, unsigned number, infra_error **reterr)
{
        _cleanup_free_ char *home = path_join("%s/containers/%s", s->path, container);
        _cleanup_change_ struct change c = { .lock = -1 };
        const struct generation *g;
        int r;

        if (!home)
                return infra_error_oom(reterr);
        if (!path_exists(AT_FDCWD, home))
                return 0;
        r = change_begin(s, container, &c, reterr);
        g = generations_find(&c.found, number);
        if (r >= 0 && !g)
                return 0;
        if (r >= 0 && g->state == GENERATION_LIVE)
                r = infra_error_set(reterr, -EBUSY, "it is live");
        if (r >= 0)
                r = tree_retire(s, g->path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot delete generation %u of %s", number, container);
        return 0;
}
