/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What was written to a tree since a base of it was taken. Where the filesystem can tell which inodes were touched
 * (btrfs), only those are looked at, and of directories among them the names; otherwise everything is walked. Either
 * way an entry counts only when it differs from what it was.
 */

#include "storage/written.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "storage/generation.h"
#include "storage/place.h"

static const char *const kind_names[WRITTEN_KIND_MAX] = {
        [WRITTEN_ADDED] = "added",
        [WRITTEN_MODIFIED] = "modified",
        [WRITTEN_REMOVED] = "removed",
};

const char *written_kind_name(enum written_kind k)
{
        return kind_names[k];
}

void write_set_done(struct write_set *s)
{
        for (size_t i = 0; i < s->n; i++)
                free(s->items[i].path);
        free(s->items);
        *s = (struct write_set){};
}

bool entry_equal(const struct entry *a, const struct entry *b, bool same_inodes)
{
        if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->device != b->device || a->attributes != b->attributes)
                return false;
        if (a->mode == 0 || S_ISDIR(a->mode))
                return true;
        if (a->size != b->size || a->modified_ns != b->modified_ns || !streq(a->target ? a->target : "", b->target ? b->target : ""))
                return false;
        return !same_inodes || (a->inode == b->inode && a->changed_ns == b->changed_ns);
}

/* One comparison under way. */
struct comparison {
        const struct side *was, *now;
        const struct strlist *skip;
        bool same_inodes;
        struct write_set *set;
};

static bool is_skipped(const struct comparison *c, const char *path)
{
        for (size_t i = 0; c->skip && i < c->skip->n; i++) {
                size_t n = strlen(c->skip->items[i]);

                if (strncmp(path, c->skip->items[i], n) == 0 && (path[n] == '\0' || path[n] == '/'))
                        return true;
        }
        return false;
}

static int add(struct comparison *c, const char *path, const struct entry *was, const struct entry *now)
{
        struct written *w = ARRAY_ADD(c->set->items, c->set->n);
        const struct entry *e = now->mode ? now : was;

        if (!w)
                return -ENOMEM;
        *w = (struct written){
                .path = strdup(path),
                .kind = !was->mode ? WRITTEN_ADDED : !now->mode ? WRITTEN_REMOVED : WRITTEN_MODIFIED,
                .mode = e->mode,
                .bytes = S_ISREG(e->mode) && now->mode ? e->size : 0,
                .changed_ms = e->changed_ns / 1000000,
                .content = was->size != now->size || was->modified_ns != now->modified_ns || ((was->mode ^ now->mode) & S_IFMT),
        };
        return w->path ? 0 : -ENOMEM;
}

static int compare_below(struct comparison *c, const char *path, bool all);

static char *below(const char *path, const char *name)
{
        return path_join("%s/%s", path[1] ? path : "", name);
}

/*
 * @all: also what is below a directory that is there on both sides. Below another directory of the same name nothing need
 * have been touched for its files to be other files: a rename touches the directory alone.
 */
static int compare(struct comparison *c, const char *path, bool all)
{
        _cleanup_entry_ struct entry was = {}, now = {};
        bool descend;
        int r = 0;

        if (is_skipped(c, path))
                return 0;
        if (path[1]) {
                r = side_entry(c->was, path, &was);
                if (r >= 0)
                        r = side_entry(c->now, path, &now);
                if (r >= 0 && !entry_equal(&was, &now, c->same_inodes))
                        r = add(c, path, &was, &now);
        }
        /* A directory that came, went or is another one takes everything below it along. */
        descend = all || S_ISDIR(was.mode) != S_ISDIR(now.mode) || (S_ISDIR(now.mode) && was.inode != now.inode);
        return r < 0 || !descend ? r : compare_below(c, path, true);
}

static int compare_below(struct comparison *c, const char *path, bool all)
{
        _cleanup_strlist_ struct strlist was = {}, now = {};
        int r = side_names(c->was, path, &was);

        if (r >= 0)
                r = side_names(c->now, path, &now);
        for (size_t i = 0, k = 0; r >= 0 && (i < was.n || k < now.n);) {
                int order = i >= was.n ? 1 : k >= now.n ? -1 : strcmp(was.items[i], now.items[k]);
                _cleanup_free_ char *child = below(path, order <= 0 ? was.items[i] : now.items[k]);

                i += order <= 0;
                k += order >= 0;
                if (!child)
                        return -ENOMEM;
                if (all || order != 0)
                        r = compare(c, child, all);
        }
        return r;
}

static int by_path(const void *a, const void *b)
{
        return strcmp(((const struct written *)a)->path, ((const struct written *)b)->path);
}

/* Touched directories and their touched entries both name the same change. */
static void sort_and_unite(struct write_set *s)
{
        size_t kept = 0;

        if (s->n > 1)
                qsort(s->items, s->n, sizeof(*s->items), by_path);
        for (size_t i = 0; i < s->n; i++) {
                if (kept > 0 && streq(s->items[kept - 1].path, s->items[i].path))
                        free(s->items[i].path);
                else
                        s->items[kept++] = s->items[i];
        }
        s->n = kept;
}

static int compare_touched(struct comparison *c, const struct strlist *touched)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < touched->n; i++) {
                r = compare(c, touched->items[i], false);
                if (r >= 0 && !is_skipped(c, touched->items[i]))
                        r = compare_below(c, touched->items[i], false);
        }
        return r;
}

int write_set_find(const struct side *was, const struct side *now, const struct strlist *touched, const struct strlist *skip,
                   bool same_inodes, struct write_set *ret, infra_error **reterr)
{
        CLEANUP(write_set_done) struct write_set set = {};
        struct comparison c = { .was = was, .now = now, .skip = skip, .same_inodes = same_inodes, .set = &set };
        int r = touched ? compare_touched(&c, touched) : compare(&c, "/", true);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot compare: %s", strerror(-r));
        sort_and_unite(&set);
        *ret = set;
        set = (struct write_set){};
        return 0;
}

/* Finds with the backend's help where it can tell what was touched. */
static int find(const struct storage *s, const char *base, const char *now_tree, const char *below_tree, const struct strlist *skip,
                struct write_set *ret, infra_error **reterr)
{
        _cleanup_free_ char *was_top = path_join("%s%s", base, below_tree), *now_top = path_join("%s%s", now_tree, below_tree);
        _cleanup_side_ struct side was = { .root = -1 }, now = { .root = -1 };
        _cleanup_strlist_ struct strlist touched = {};
        bool tree = was_top && path_exists(AT_FDCWD, was_top), told = false, cloned = false;
        int r = was_top && now_top ? side_open_tree(now_top, &now, reterr) : infra_error_oom(reterr);

        if (r >= 0)
                r = tree ? side_open_tree(was_top, &was, reterr) : side_open_manifest(base, &was, reterr);
        if (r >= 0 && tree && s->backend->touched) {
                r = s->backend->touched(base, now_tree, below_tree, &touched, reterr);
                told = r >= 0;
                cloned = told || r == -EXDEV;
                r = r == -EOPNOTSUPP || r == -EXDEV ? 0 : r;
        }
        if (r < 0)
                return r;
        /* A copy has inodes and times of change of its own, a snapshot and a manifest those of the original. */
        return write_set_find(&was, &now, told ? &touched : NULL, skip, cloned || !tree, ret, reterr);
}

int generation_tree(struct storage *s, const char *container, unsigned number, char **ret, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        const struct generation *g;
        int r = storage_generations(s, container, &all, reterr);

        if (r < 0)
                return r;
        g = generations_find(&all, number);
        if (!g)
                return infra_error_set(reterr, -ENOENT, "%s has no generation %u", container, number);
        *ret = strdup(g->path);
        return *ret ? 0 : infra_error_oom(reterr);
}

int storage_write_set(struct storage *s, const char *container, unsigned number, const char *tag, const struct strlist *skip,
                      struct write_set *ret, infra_error **reterr)
{
        _cleanup_free_ char *base = base_path(s, container, tag), *tree = NULL;
        int r = base ? generation_tree(s, container, number, &tree, reterr) : infra_error_oom(reterr);

        if (r >= 0 && !path_exists(AT_FDCWD, base))
                r = infra_error_set(reterr, -ENOENT, "there is no base %s", tag);
        if (r >= 0)
                r = find(s, base, tree, "/rootfs", skip, ret, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot tell what %s wrote", container) : 0;
}

int storage_volume_write_set(struct storage *s, const char *container, const char *volume, const char *tag, struct write_set *ret,
                             infra_error **reterr)
{
        _cleanup_free_ char *escaped = volume_escape(volume), *live = storage_volume_path(s, container, volume);
        _cleanup_free_ char *base = escaped ? path_join("%s/snapshots/%s/%s/%s", s->path, container, tag, escaped) : NULL;
        int r = base && live ? 0 : infra_error_oom(reterr);

        if (r >= 0 && !path_exists(AT_FDCWD, base))
                r = infra_error_set(reterr, -ENOENT, "there is no snapshot %s", tag);
        if (r >= 0)
                r = find(s, base, live, "", NULL, ret, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot tell what was written to %s of %s", volume, container) : 0;
}

static int base_side(struct storage *s, const char *container, const char *tag, struct side *ret, infra_error **reterr)
{
        _cleanup_free_ char *base = base_path(s, container, tag), *top = base ? path_join("%s/rootfs", base) : NULL;

        if (!top)
                return infra_error_oom(reterr);
        return path_exists(AT_FDCWD, top) ? side_open_tree(top, ret, reterr) : side_open_manifest(base, ret, reterr);
}

static int generation_side(struct storage *s, const char *container, unsigned number, struct side *ret, infra_error **reterr)
{
        _cleanup_free_ char *tree = NULL, *top = NULL;
        int r = generation_tree(s, container, number, &tree, reterr);

        top = r >= 0 ? path_join("%s/rootfs", tree) : NULL;
        if (r >= 0 && !top)
                return infra_error_oom(reterr);
        return r < 0 ? r : side_open_tree(top, ret, reterr);
}

int storage_touched(struct storage *s, const char *container, unsigned number, const char *tag, struct write_set *set,
                    infra_error **reterr)
{
        _cleanup_side_ struct side was = { .root = -1 }, now = { .root = -1 };
        int r = base_side(s, container, tag, &was, reterr);

        if (r >= 0)
                r = generation_side(s, container, number, &now, reterr);
        for (size_t i = 0; r >= 0 && i < set->n; i++) {
                _cleanup_entry_ struct entry a = {}, b = {};

                r = side_entry(&was, set->items[i].path, &a);
                if (r >= 0)
                        r = side_entry(&now, set->items[i].path, &b);
                if (r < 0)
                        return infra_error_set(reterr, r, "cannot compare %s: %s", set->items[i].path, strerror(-r));
                set->items[i].touched = !entry_equal(&a, &b, false);
        }
        return r;
}

static int same_content(const struct side *a, const struct side *b, const char *path)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
        _cleanup_close_ int da = parent ? side_directory(a, parent) : -1, db = parent ? side_directory(b, parent) : -1, x = -1, y = -1;
        char left[8192], right[8192];

        x = da >= 0 ? openat(da, slash + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        y = db >= 0 ? openat(db, slash + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        if (x < 0 || y < 0)
                return 0;
        for (;;) {
                ssize_t n = read(x, left, sizeof(left)), m = read(y, right, sizeof(right));

                if (n < 0 || m < 0)
                        return -errno;
                if (n != m || memcmp(left, right, (size_t)n) != 0)
                        return 0;
                if (n == 0)
                        return 1;
        }
}

int storage_same(struct storage *s, const char *container, unsigned a, unsigned b, const char *path, infra_error **reterr)
{
        _cleanup_side_ struct side x = { .root = -1 }, y = { .root = -1 };
        _cleanup_entry_ struct entry left = {}, right = {};
        int r = generation_side(s, container, a, &x, reterr);

        if (r >= 0)
                r = generation_side(s, container, b, &y, reterr);
        if (r >= 0)
                r = side_entry(&x, path, &left);
        if (r >= 0)
                r = side_entry(&y, path, &right);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot compare %s: %s", path, strerror(-r));
        left.modified_ns = right.modified_ns;
        if (!entry_equal(&left, &right, false))
                return 0;
        return S_ISREG(left.mode) ? same_content(&x, &y, path) : 1;
}
