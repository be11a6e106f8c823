/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What was written since a base: told by the filesystem (btrfs) and by a walk (dir), each against a model that looks
 * at everything before and after; and carried, after which both roots are the same.
 */

#include "written.h"

#include <ftw.h>
#include <sys/xattr.h>

#include "storage/backend.h"
#include "storage/touched.h"

enum { OPERATIONS = 300, SEEN_MAX = 4000 };

static void each_kind_of_change_is_told(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        _cleanup_strlist_ struct strlist skip = {};
        char root[PATH_ROOM], a[PATH_ROOM], b[PATH_ROOM];

        live_one(s);
        root_of(root, s, "live");
        strlist_add(&skip, "/d9");
        text_write(path_in(a, "%s/d0/f0", root), "newer");
        text_write(path_in(a, "%s/d0/new file", root), "");
        assert_int_equal(chmod(path_in(a, "%s/d1/f1", root), 0600), 0);
        assert_int_equal(unlink(path_in(a, "%s/d2/f2", root)), 0);
        assert_int_equal(mkdir(path_in(a, "%s/d3/sub", root), 0700), 0);
        text_write(path_in(a, "%s/d3/sub/deep", root), "x");
        assert_int_equal(rename(path_in(a, "%s/d4", root), path_in(b, "%s/d4-moved", root)), 0);
        assert_int_equal(chown(path_in(a, "%s/d5", root), 7, 8), 0);
        assert_int_equal(setxattr(path_in(a, "%s/d6", root), "user.note", "1", 1, 0), 0);
        text_write(path_in(a, "%s/d9/f9", root), "in a volume");
        assert_int_equal(unlink(path_in(a, "%s/link", root)), 0);
        assert_int_equal(symlink("d0/f12", a), 0);

        assert_ok(storage_write_set(s, "lists", 1, "clone-2", &skip, &set, &error));
        expect(&set, "/d0/f0", WRITTEN_MODIFIED);
        expect(&set, "/d0/new file", WRITTEN_ADDED);
        expect(&set, "/d1/f1", WRITTEN_MODIFIED);
        assert_false(find(&set, "/d1/f1")->content);
        expect(&set, "/d2/f2", WRITTEN_REMOVED);
        expect(&set, "/d3/sub", WRITTEN_ADDED);
        expect(&set, "/d3/sub/deep", WRITTEN_ADDED);
        expect(&set, "/d4", WRITTEN_REMOVED);
        expect(&set, "/d4/f4", WRITTEN_REMOVED);
        expect(&set, "/d4-moved/f4", WRITTEN_ADDED);
        expect(&set, "/d5", WRITTEN_MODIFIED);
        expect(&set, "/d6", WRITTEN_MODIFIED);
        expect(&set, "/link", WRITTEN_MODIFIED);
        assert_null(find(&set, "/d9/f9"));
        assert_null(find(&set, "/d0"));
        assert_null(find(&set, "/d0/f12"));
        assert_int_equal(set.items[0].path[0], '/');
}

static void nothing_written_is_nothing(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char a[PATH_ROOM], root[PATH_ROOM], text[TEXT_MAX];
        _cleanup_free_ char *content = NULL;

        live_one(s);
        /* Reading is no change. */
        path_in(a, "%s/d0/f0", root_of(root, s, "live"));
        assert_int_equal(file_read(AT_FDCWD, a, sizeof(text), &content, NULL), 0);
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        assert_int_equal(set.n, 0);
        assert_result(storage_write_set(s, "lists", 1, "clone-7", NULL, &set, &error), -ENOENT);
}

/* A model: everything in a tree, by path. */
struct seen {
        char *path;
        struct stat st;
        char text[64];
        bool note;
};
static struct {
        struct seen items[SEEN_MAX];
        size_t n, prefix;
} model[2], *modelled;

static int see(const char *path, const struct stat *st, int flag UNUSED, struct FTW *ftw)
{
        struct seen *seen = &modelled->items[modelled->n];
        ssize_t n = 0;

        if (ftw->level == 0)
                return 0;
        assert_true(modelled->n++ < SEEN_MAX);
        *seen = (struct seen){ .path = strdup(path + modelled->prefix), .st = *st, .note = lgetxattr(path, "user.note", NULL, 0) > 0 };
        if (S_ISLNK(st->st_mode)) {
                n = readlink(path, seen->text, sizeof(seen->text) - 1);
        } else if (S_ISREG(st->st_mode)) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);

                n = read(fd, seen->text, sizeof(seen->text) - 1);
                close(fd);
        }
        assert_true(n >= 0);
        return 0;
}

static int seen_compare(const void *a, const void *b)
{
        return strcmp(((const struct seen *)a)->path, ((const struct seen *)b)->path);
}

static void look(size_t which, const char *root)
{
        modelled = &model[which];
        for (size_t i = 0; i < modelled->n; i++)
                free(modelled->items[i].path);
        modelled->n = 0;
        modelled->prefix = strlen(root);
        assert_int_equal(nftw(root, see, 16, FTW_PHYS), 0);
        qsort(modelled->items, modelled->n, sizeof(struct seen), seen_compare);
}

static bool differs(const struct seen *a, const struct seen *b, bool inodes)
{
        if (a->st.st_mode != b->st.st_mode || a->st.st_uid != b->st.st_uid || a->st.st_gid != b->st.st_gid || a->note != b->note)
                return true;
        if (S_ISDIR(a->st.st_mode))
                return false;
        if (a->st.st_mtim.tv_sec != b->st.st_mtim.tv_sec || a->st.st_mtim.tv_nsec != b->st.st_mtim.tv_nsec || strcmp(a->text, b->text) != 0)
                return true;
        return inodes && (a->st.st_ino != b->st.st_ino || a->st.st_ctim.tv_sec != b->st.st_ctim.tv_sec ||
                          a->st.st_ctim.tv_nsec != b->st.st_ctim.tv_nsec);
}

/* Paths that differ between the two looks, one a line. */
static char *model_differences(bool inodes)
{
        struct str s = {};

        for (size_t i = 0, k = 0; i < model[0].n || k < model[1].n;) {
                int order = i >= model[0].n ? 1 : k >= model[1].n ? -1 : strcmp(model[0].items[i].path, model[1].items[k].path);

                if (order < 0)
                        str_add(&s, "removed %s\n", model[0].items[i].path);
                else if (order > 0)
                        str_add(&s, "added %s\n", model[1].items[k].path);
                else if (differs(&model[0].items[i], &model[1].items[k], inodes))
                        str_add(&s, "modified %s\n", model[1].items[k].path);
                i += order <= 0;
                k += order >= 0;
        }
        return str_take(&s);
}

static char *told(const struct write_set *set)
{
        struct str s = {};

        for (size_t i = 0; i < set->n; i++)
                str_add(&s, "%s %s\n", written_kind_name(set->items[i].kind), set->items[i].path);
        return str_take(&s);
}

static int never_told(const char *base UNUSED, const char *tree UNUSED, const char *below UNUSED, struct strlist *ret UNUSED,
                      infra_error **reterr UNUSED)
{
        return -EXDEV;
}

static char *told_by_walk(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        const struct backend *own = s->backend;
        struct backend walking = *own;

        walking.touched = never_told;
        s->backend = &walking;
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        s->backend = own;
        return told(&set);
}

/* One random change below the root; one that cannot be is none. */
static void change_something(const char *root, unsigned *seed)
{
        char a[PATH_ROOM], b[PATH_ROOM];
        unsigned file = (unsigned)rand_r(seed) % FILES, other = (unsigned)rand_r(seed) % FILES, dir = (unsigned)rand_r(seed) % DIRECTORIES;
        const struct timespec times[2] = { { 1000000000 + (time_t)file, 0 }, { 1000000000 + (time_t)other, 5 } };

        path_in(a, "%s/d%u/f%u", root, file % DIRECTORIES, file);
        path_in(b, "%s/d%u/g%u", root, dir, other);
        switch (rand_r(seed) % 12) {
        case 0: if (access(a, F_OK) == 0) text_write(a, other % 2 ? "one" : "another"); break;
        case 1: if (access(path_in(b, "%s/d%u", root, dir), F_OK) == 0) text_write(path_in(b, "%s/d%u/n%u", root, dir, other), "new"); break;
        case 2: chmod(a, 0600 + other % 8); break;
        case 3: lchown(a, other, file); break;
        case 4: rename(a, b); break;
        case 5: unlink(a); break;
        case 6: mkdir(b, 0750); break;
        case 7: rmdir(b); break;
        case 8: symlink("somewhere", b); break;
        case 9: link(a, b); break;
        case 10: setxattr(a, "user.note", "1", 1, 0); break;
        default: utimensat(AT_FDCWD, a, times, AT_SYMLINK_NOFOLLOW); break;
        }
        if (rand_r(seed) % 40 == 0) /* another directory with files of the same names, none of them touched */
                renameat2(AT_FDCWD, path_in(a, "%s/twins/a", root), AT_FDCWD, path_in(b, "%s/twins/b", root), RENAME_EXCHANGE);
        if (rand_r(seed) % 40 == 0)
                rename(path_in(a, "%s/d%u", root, dir), path_in(b, "%s/d%u/below", root, (dir + 1) % DIRECTORIES));
}

static void random_changes_are_told_and_carried(struct storage *s)
{
        static unsigned seed = 20261124;
        CLEANUP(write_set_done) struct write_set set = {};
        _cleanup_free_ char *wanted = NULL, *found = NULL, *left = NULL, *walked = NULL;
        const struct written **items;
        char live[PATH_ROOM], candidate[PATH_ROOM];

        live_one(s);
        root_of(live, s, "live");
        root_of(candidate, s, "generations/2");
        look(0, live);
        for (int i = 0; i < OPERATIONS; i++)
                change_something(live, &seed);
        look(1, live);
        wanted = model_differences(true);
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        found = told(&set);
        assert_string_equal(found, wanted);
        walked = told_by_walk(s);
        assert_string_equal(walked, wanted);

        items = calloc(set.n, sizeof(*items));
        for (size_t i = 0; i < set.n; i++)
                items[i] = &set.items[i];
        assert_ok(storage_carry(s, "lists", 1, 2, items, set.n, &error));
        assert_ok(storage_carry(s, "lists", 1, 2, items, set.n, &error));
        free(items);
        look(0, live);
        look(1, candidate);
        left = model_differences(false);
        assert_string_equal(left, "");
}

static void what_the_candidate_touched_is_marked(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char root[PATH_ROOM], a[PATH_ROOM];

        live_one(s);
        root_of(root, s, "live");
        text_write(path_in(a, "%s/d0/f0", root), "live");
        text_write(path_in(a, "%s/d0/f12", root), "both");
        text_write(path_in(a, "%s/d1/f1", root), "live only");
        text_write(path_in(a, "%s/d2/new", root), "live");
        root_of(root, s, "generations/2");
        text_write(path_in(a, "%s/d0/f0", root), "candidate");
        text_write(path_in(a, "%s/d0/f12", root), "both");
        text_write(path_in(a, "%s/d2/new", root), "candidate");
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        assert_ok(storage_touched(s, "lists", 2, "clone-2", &set, &error));
        assert_true(find(&set, "/d0/f0")->touched);
        assert_true(find(&set, "/d0/f12")->touched);
        assert_true(find(&set, "/d2/new")->touched);
        assert_false(find(&set, "/d1/f1")->touched);
        assert_result(storage_same(s, "lists", 1, 2, "/d0/f12", &error), 1);
        assert_result(storage_same(s, "lists", 1, 2, "/d0/f0", &error), 0);
        assert_result(storage_same(s, "lists", 1, 2, "/nowhere", &error), 1);
}

/* A guest that turns a directory into a link gains nothing: what is written stays in the candidate. */
static void nothing_is_carried_through_a_link(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char root[PATH_ROOM], a[PATH_ROOM], outside[PATH_ROOM];
        const struct written *item;

        live_one(s);
        root_of(root, s, "live");
        path_in(outside, "%s/outside", storage_path(s));
        assert_int_equal(mkdir(outside, 0755), 0);
        text_write(path_in(a, "%s/d1/stolen", root), "x");
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        item = find(&set, "/d1/stolen");
        root_of(root, s, "generations/2");
        RUN("rm", "-r", path_in(a, "%s/d1", root));
        assert_int_equal(symlink(outside, a), 0);
        storage_carry(s, "lists", 1, 2, &item, 1, NULL);
        assert_int_equal(access(path_in(a, "%s/stolen", outside), F_OK), -1);
        assert_int_equal(rmdir(outside), 0);
}

static void volumes_are_compared_with_their_snapshots(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        _cleanup_free_ char *live = storage_volume_path(s, "lists", "/var/spool");
        char a[PATH_ROOM];

        assert_ok(storage_volume_make(s, "lists", "/var/spool", NULL, &error));
        text_write(path_in(a, "%s/kept", live), "old");
        text_write(path_in(a, "%s/gone", live), "old");
        assert_ok(storage_volume_snapshot(s, "lists", "/var/spool", "run-1", &error));
        usleep(20000);
        text_write(path_in(a, "%s/mail", live), "new mail");
        assert_int_equal(unlink(path_in(a, "%s/gone", live)), 0);
        assert_ok(storage_volume_write_set(s, "lists", "/var/spool", "run-1", &set, &error));
        assert_int_equal(set.n, 2);
        expect(&set, "/gone", WRITTEN_REMOVED);
        expect(&set, "/mail", WRITTEN_ADDED);
        assert_int_equal(find(&set, "/mail")->bytes, 8);
}

static void bases_come_and_go(struct storage *s)
{
        _cleanup_strlist_ struct strlist tags = {};

        live_one(s);
        assert_ok(storage_base_make(s, "lists", 1, "live-1", &error));
        assert_ok(storage_bases(s, "lists", &tags, &error));
        assert_int_equal(tags.n, 2);
        assert_ok(storage_base_delete(s, "lists", "live-1", &error));
        assert_ok(storage_base_delete(s, "lists", "live-1", &error));
        assert_false(storage_base_exists(s, "lists", "live-1"));
        assert_result(storage_base_make(s, "lists", 9, "live-9", &error), -ENOENT);
        assert_result(storage_base_delete(s, "lists", "../../containers", &error), -EINVAL);
}

static void scratch_is_thrown_away(struct storage *s)
{
        _cleanup_free_ char *tree = NULL, *volume = NULL;
        char a[PATH_ROOM];

        live_one(s);
        assert_ok(storage_volume_make(s, "lists", "/var/spool", NULL, &error));
        assert_ok(storage_scratch_generation(s, "lists", 2, 5, &tree, &error));
        assert_ok(storage_scratch_volume(s, "lists", "/var/spool", 5, &volume, &error));
        text_write(path_in(a, "%s/rootfs/d0/f0", tree), "tried");
        text_expect(path_in(a, "%s/containers/lists/generations/2/rootfs/d0/f0", storage_path(s)), "old");
        assert_ok(storage_scratch_drop(s, "lists", &error));
        assert_ok(storage_scratch_drop(s, "lists", &error));
        assert_int_equal(access(tree, F_OK), -1);
        assert_int_equal(access(volume, F_OK), -1);
}

/* However large the tree, only what was touched is looked at. */
static void btrfs_looks_at_little(struct storage *s)
{
        enum { MANY = 5000, LITTLE = 50 };
        _cleanup_strlist_ struct strlist touched = {};
        char root[PATH_ROOM], a[PATH_ROOM], base[PATH_ROOM], live[PATH_ROOM];

        live_one(s);
        root_of(root, s, "live");
        for (int i = 0; i < MANY; i++)
                text_write(path_in(a, "%s/d0/m%d", root, i), "");
        assert_ok(storage_base_make(s, "lists", 1, "later", &error));
        for (int i = 0; i < 3; i++)
                text_write(path_in(a, "%s/d0/m%d", root, i * 1000), "x");
        path_in(base, "%s/bases/lists/later", storage_path(s));
        path_in(live, "%s/containers/lists/live", storage_path(s));
        assert_ok(btrfs_touched(base, live, "/rootfs", &touched, &error));
        assert_true(touched.n >= 3);
        assert_true(touched.n < LITTLE);
}

AT_EACH_PLACE(each_kind_of_change_is_told)
AT_EACH_PLACE(nothing_written_is_nothing)
AT_EACH_PLACE(random_changes_are_told_and_carried)
AT_EACH_PLACE(what_the_candidate_touched_is_marked)
AT_EACH_PLACE(nothing_is_carried_through_a_link)
AT_EACH_PLACE(volumes_are_compared_with_their_snapshots)
AT_EACH_PLACE(bases_come_and_go)
AT_EACH_PLACE(scratch_is_thrown_away)

static void test_btrfs_looks_at_little(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = NULL;

                if (p->backend != STORAGE_BTRFS)
                        continue;
                s = storage_at(p, "little");
                btrfs_looks_at_little(s);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_change_is_told),
        cmocka_unit_test(test_nothing_written_is_nothing),
        cmocka_unit_test(test_random_changes_are_told_and_carried),
        cmocka_unit_test(test_what_the_candidate_touched_is_marked),
        cmocka_unit_test(test_nothing_is_carried_through_a_link),
        cmocka_unit_test(test_volumes_are_compared_with_their_snapshots),
        cmocka_unit_test(test_bases_come_and_go),
        cmocka_unit_test(test_scratch_is_thrown_away),
        cmocka_unit_test(test_btrfs_looks_at_little),
};

STORAGE_TESTS(tests)
