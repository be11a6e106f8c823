/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Carrying: entries of one generation's root made what they are in another's. Neither may be running. A file is
 * copied beside the target root, out of the guest's sight but on its filesystem, and renamed into place; so each
 * entry is whole or what it was, and a carry that was cut off is done again from its beginning.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "storage/copy.h"
#include "storage/erase.h"
#include "storage/written.h"

#define WORKSHOP ".infra-carry"

struct carrying {
        struct side from, to;
        char *workshop_path;
        int workshop; /* directory for files under way */
        infra_error **reterr;
};

static void carrying_done(struct carrying *c)
{
        side_done(&c->from);
        side_done(&c->to);
        closep(&c->workshop);
        if (c->workshop_path)
                tree_erase(c->workshop_path, NULL);
        free(c->workshop_path);
}

/* @workshop: a directory on the target's filesystem and out of everybody's sight; made here. */
static int carrying_open(const char *from, const char *to, const char *workshop, struct carrying *c, infra_error **reterr)
{
        int r;

        c->workshop_path = strdup(workshop);
        if (!c->workshop_path)
                return infra_error_oom(reterr);
        r = side_open_tree(from, &c->from, reterr);
        if (r >= 0)
                r = side_open_tree(to, &c->to, reterr);
        if (r >= 0)
                r = tree_erase(workshop, reterr);
        if (r < 0)
                return r;
        if (mkdir(workshop, 0700) < 0)
                return infra_error_set(reterr, -errno, "cannot make %s: %m", workshop);
        c->workshop = open(workshop, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return c->workshop < 0 ? infra_error_set(reterr, -errno, "cannot open %s: %m", workshop) : 0;
}

static char *parent_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int remove_entry(struct carrying *c, const char *path)
{
        _cleanup_free_ char *parent = parent_of(path);
        _cleanup_close_ int dir = parent ? side_directory(&c->to, parent) : -ENOMEM;

        /* No parent, or something else in its place: then it is gone already. */
        if (dir < 0)
                return dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ? 0 : dir;
        if (unlinkat(dir, strrchr(path, '/') + 1, 0) == 0 || errno == ENOENT)
                return 0;
        /* One that still holds something holds what nobody said should go: what the upgrade put there, or is left alone. */
        if (errno == EISDIR && (unlinkat(dir, strrchr(path, '/') + 1, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == ENOENT))
                return 0;
        return -errno;
}

/* Directories on the way that the target lacks come along with their owners and modes. */
static int make_parents(struct carrying *c, const char *path);

static int carry_directory(struct carrying *c, const char *path, const struct stat *st)
{
        _cleanup_free_ char *parent = parent_of(path);
        const char *name = strrchr(path, '/') + 1;
        struct copy copy = { .from = path, .reterr = c->reterr };
        _cleanup_close_ int from = parent ? side_directory(&c->from, parent) : -ENOMEM, to = -1;
        struct stat there;
        int r = make_parents(c, path);

        if (r < 0 || from < 0)
                return r < 0 ? r : from;
        to = side_directory(&c->to, parent);
        if (to < 0)
                return to;
        if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode) && unlinkat(to, name, 0) < 0)
                return -errno;
        if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = attributes_drop(&copy, from, to, name);
        return r < 0 ? r : attributes_copy(&copy, from, to, name, st);
}

static int make_parents(struct carrying *c, const char *path)
{
        _cleanup_free_ char *parent = parent_of(path), *above = NULL;
        _cleanup_close_ int there = -1, from = -1;
        struct stat st;

        if (!parent)
                return -ENOMEM;
        there = side_directory(&c->to, parent);
        if (there >= 0 || !parent[1])
                return there < 0 ? there : 0;
        above = parent_of(parent);
        from = above ? side_directory(&c->from, above) : -ENOMEM;
        if (from < 0)
                return from;
        if (fstatat(from, strrchr(parent, '/') + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? carry_directory(c, parent, &st) : -ENOTDIR;
}

static int carry_file(struct carrying *c, const char *path)
{
        _cleanup_free_ char *parent = parent_of(path);
        const char *name = strrchr(path, '/') + 1;
        struct copy copy = { .from = path, .top = c->workshop, .reterr = c->reterr };
        _cleanup_close_ int from = -1, to = -1;
        struct stat there;
        int r = parent ? make_parents(c, path) : -ENOMEM;

        if (r < 0)
                return r;
        from = side_directory(&c->from, parent);
        to = side_directory(&c->to, parent);
        if (from < 0 || to < 0)
                return MIN(from, to);
        r = fstat(c->workshop, &copy.self) < 0 ? -errno : copy_entry(&copy, from, c->workshop, name);
        copy_forget_links(&copy);
        str_done(&copy.path);
        if (r < 0)
                return r;
        if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(there.st_mode) && unlinkat(to, name, AT_REMOVEDIR) < 0)
                return -errno;
        return renameat(c->workshop, name, to, name) < 0 ? -errno : 0;
}

/* @going: only what is gone; otherwise only what is there. */
static int carry_one(struct carrying *c, const struct written *w, bool going)
{
        _cleanup_free_ char *parent = parent_of(w->path);
        _cleanup_close_ int from = -1;
        struct stat st;

        if (!parent)
                return -ENOMEM;
        from = side_directory(&c->from, parent);
        if (from < 0 && from != -ENOENT && from != -ENOTDIR && from != -ELOOP)
                return from;
        if (from < 0 || fstatat(from, strrchr(w->path, '/') + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return going ? remove_entry(c, w->path) : 0;
        if (going)
                return 0;
        return S_ISDIR(st.st_mode) ? carry_directory(c, w->path, &st) : carry_file(c, w->path);
}

static int carry_some(struct carrying *c, const struct written *w, bool going)
{
        int r = carry_one(c, w, going);

        if (r < 0 && (!c->reterr || !*c->reterr))
                infra_error_set(c->reterr, r, "%s: %s", w->path, strerror(-r));
        return r;
}

/* Sorted by path: what goes, goes from below; what comes, comes after the directory it is in. */
static int carry_all(struct carrying *c, const struct written *const *items, size_t n)
{
        int r = 0;

        for (size_t i = n; r >= 0 && i > 0; i--)
                r = carry_some(c, items[i - 1], true);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = carry_some(c, items[i], false);
        return r;
}

int storage_carry(struct storage *s, const char *container, unsigned from, unsigned to, const struct written *const *items, size_t n,
                  infra_error **reterr)
{
        CLEANUP(carrying_done) struct carrying c = { .from.root = -1, .to.root = -1, .workshop = -1, .reterr = reterr };
        _cleanup_free_ char *tree = NULL, *target = NULL, *top = NULL, *to_top = NULL, *workshop = NULL;
        int r;

        if (n == 0)
                return 0;
        r = generation_tree(s, container, from, &tree, reterr);
        if (r >= 0)
                r = generation_tree(s, container, to, &target, reterr);
        if (r < 0)
                return r;
        top = path_join("%s/rootfs", tree);
        to_top = path_join("%s/rootfs", target);
        workshop = path_join("%s/" WORKSHOP, target);
        r = top && to_top && workshop ? carrying_open(top, to_top, workshop, &c, reterr) : infra_error_oom(reterr);
        if (r >= 0)
                r = carry_all(&c, items, n);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot carry what %s wrote into generation %u", container, to) : 0;
}

int carry_between(const char *from, const char *to, const struct write_set *set, infra_error **reterr)
{
        CLEANUP(carrying_done) struct carrying c = { .from.root = -1, .to.root = -1, .workshop = -1, .reterr = reterr };
        _cleanup_free_ const struct written **items = calloc(set->n + 1, sizeof(struct written *));
        _cleanup_free_ char *workshop = path_join("%s/" WORKSHOP, to);
        int r;

        if (!items || !workshop)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < set->n; i++)
                items[i] = &set->items[i];
        r = carrying_open(from, to, workshop, &c, reterr);
        return r < 0 ? r : carry_all(&c, items, set->n);
}
