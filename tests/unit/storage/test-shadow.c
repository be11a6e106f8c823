/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A candidate made while the original serves: nothing the original writes is missed, nothing of the upgrade's is lost. */

#include "written.h"

#include <btrfsutil.h>
#include <sys/xattr.h>

#include "storage/backend.h"

/* The files below are not touched, but are other files. */
static void another_directory_of_the_name_is_told(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char root[PATH_ROOM], a[PATH_ROOM], b[PATH_ROOM];

        live_one(s);
        root_of(root, s, "live");
        assert_int_equal(rename(path_in(a, "%s/twins/a", root), path_in(b, "%s/twins/old", root)), 0);
        assert_int_equal(rename(path_in(b, "%s/twins/b", root), a), 0);
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        expect(&set, "/twins/a/same", WRITTEN_MODIFIED);
        expect(&set, "/twins/b/same", WRITTEN_REMOVED);
        expect(&set, "/twins/old/same", WRITTEN_ADDED);
}

static void carry_everything(struct storage *s, const struct write_set *set, int wanted)
{
        const struct written **items = calloc(set->n + 1, sizeof(*items));

        for (size_t i = 0; i < set->n; i++)
                items[i] = &set->items[i];
        assert_result(storage_carry(s, "lists", 1, 2, items, set->n, &error), wanted);
        free(items);
}

/* Gone: an attribute of a directory, and directories in which the upgrade put something that is its own. */
static void what_is_gone_goes_and_no_more(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {}, again = {};
        char root[PATH_ROOM], candidate[PATH_ROOM], a[PATH_ROOM];

        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill, NULL, &error));
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
        root_of(root, s, "live");
        root_of(candidate, s, "generations/2");
        assert_int_equal(setxattr(path_in(a, "%s/d6", root), "user.note", "1", 1, 0), 0);
        assert_ok(storage_generation_shadow(s, "lists", 1, 2, "run-1", "clone-2", &error));
        usleep(20000);
        assert_int_equal(removexattr(path_in(a, "%s/d6", root), "user.note"), 0);
        RUN("rm", "-r", path_in(a, "%s/d1", root));
        RUN("rm", "-r", path_in(a, "%s/d2", root));
        text_write(path_in(a, "%s/d2/of the upgrade", candidate), "new");
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        carry_everything(s, &set, 0);
        assert_true(getxattr(path_in(a, "%s/d6", candidate), "user.note", NULL, 0) < 0);
        assert_int_equal(access(path_in(a, "%s/d1", candidate), F_OK), -1);
        assert_int_equal(access(path_in(a, "%s/d2/f2", candidate), F_OK), -1);
        text_expect(path_in(a, "%s/d2/of the upgrade", candidate), "new");
        text_write(path_in(a, "%s/d2", root), "a file now");
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &again, &error));
        carry_everything(s, &again, -ENOTEMPTY);
        text_expect(path_in(a, "%s/d2/of the upgrade", candidate), "new");
}

static int write_meanwhile(void *userdata, uint64_t done UNUSED, uint64_t total UNUSED)
{
        char root[PATH_ROOM], a[PATH_ROOM];

        for (int i = 0; i < FILES; i++)
                text_write(path_in(a, "%s/d%d/f%d", root_of(root, userdata, "live"), i % DIRECTORIES, i), "during");
        return 0;
}

static int fill_much(void *userdata, const char *rootfs, infra_error **reterr)
{
        char path[PATH_ROOM];

        RUN("dd", "if=/dev/zero", path_in(path, "of=%s/much", rootfs), "bs=1M", "count=20", "status=none");
        return fill(userdata, rootfs, reterr);
}

/* What the original writes while it is copied is its own doing, never the upgrade's. */
static void writes_during_the_copy_are_no_conflict(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char root[PATH_ROOM], a[PATH_ROOM];

        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill_much, NULL, &error));
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
        storage_set_progress(s, write_meanwhile, s);
        assert_ok(storage_generation_shadow(s, "lists", 1, 2, "run-1", "clone-2", &error));
        storage_set_progress(s, NULL, NULL);
        usleep(20000);
        for (int i = 0; i < FILES; i++)
                text_write(path_in(a, "%s/d%d/f%d", root_of(root, s, "live"), i % DIRECTORIES, i), "later");
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        assert_int_equal(set.n, FILES);
        assert_ok(storage_touched(s, "lists", 2, "clone-2", &set, &error));
        for (size_t i = 0; i < set.n; i++)
                assert_false(set.items[i].touched);
}

/* A guest with subvolumes of its own is walked, and as exactly. */
static void nested_trees_are_walked(struct storage *s)
{
        CLEANUP(write_set_done) struct write_set set = {};
        char root[PATH_ROOM], a[PATH_ROOM], nested[PATH_ROOM];
        struct timespec times[2];
        struct stat st;

        if (s->backend != &backend_btrfs)
                return;
        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill, NULL, &error));
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
        root_of(root, s, "live");
        assert_int_equal(btrfs_util_create_subvolume(path_in(nested, "%s/d0/machines", root), 0, NULL, NULL), BTRFS_UTIL_OK);
        text_write(path_in(a, "%s/disk", nested), "old");
        text_write(path_in(a, "%s/kept", nested), "old");
        assert_ok(storage_generation_shadow(s, "lists", 1, 2, "run-1", "clone-2", &error));
        usleep(20000);
        text_write(path_in(a, "%s/disk", nested), "newer");
        assert_int_equal(stat(path_in(a, "%s/d1/f1", root), &st), 0);
        text_write(a, "odd"); /* as long as before, and its time put back */
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        assert_int_equal(utimensat(AT_FDCWD, a, times, 0), 0);
        assert_ok(storage_write_set(s, "lists", 1, "clone-2", NULL, &set, &error));
        assert_int_equal(set.n, 2);
        expect(&set, "/d0/machines/disk", WRITTEN_MODIFIED);
        expect(&set, "/d1/f1", WRITTEN_MODIFIED);
}

AT_EACH_PLACE(another_directory_of_the_name_is_told)
AT_EACH_PLACE(what_is_gone_goes_and_no_more)
AT_EACH_PLACE(writes_during_the_copy_are_no_conflict)
AT_EACH_PLACE(nested_trees_are_walked)

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_directory_of_the_name_is_told),
        cmocka_unit_test(test_what_is_gone_goes_and_no_more),
        cmocka_unit_test(test_writes_during_the_copy_are_no_conflict),
        cmocka_unit_test(test_nested_trees_are_walked),
};

STORAGE_TESTS(tests)
