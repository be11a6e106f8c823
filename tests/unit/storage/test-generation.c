/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fixture.h"

#include <btrfsutil.h>

static int fill(void *userdata, const char *rootfs, infra_error **reterr UNUSED)
{
        char path[PATH_ROOM];

        text_write(path_in(path, "%s/content", rootfs), userdata);
        return 0;
}

static void expect(struct storage *s, unsigned number, unsigned parent, const char *release, enum generation_state state)
{
        _cleanup_generations_ struct generations g = {};
        const struct generation *found;

        assert_ok(storage_generations(s, "lists", &g, &error));
        found = generations_find(&g, number);
        assert_non_null(found);
        assert_int_equal(found->parent, parent);
        assert_string_equal(found->release, release);
        assert_int_equal(found->state, state);
        assert_true(found->created_ms > 0);
}

static void expect_live(struct storage *s, unsigned number, const char *content, size_t n)
{
        _cleanup_generations_ struct generations g = {};
        char path[PATH_ROOM];

        assert_ok(storage_generations(s, "lists", &g, &error));
        assert_int_equal(g.n, n);
        assert_non_null(generations_live(&g));
        assert_int_equal(generations_live(&g)->number, number);
        text_expect(path_in(path, "%s/containers/lists/live/rootfs/content", storage_path(s)), content);
        for (size_t i = 0; i < g.n; i++)
                if (g.items[i].number != number) /* every other one has its own name */
                        assert_string_equal(g.items[i].path, path_in(path, "%s/containers/lists/generations/%u",
                                                                     storage_path(s), g.items[i].number));
}

static void two_generations(struct storage *s)
{
        char path[PATH_ROOM];

        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill, (char *)"one", &error));
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
        assert_ok(storage_generation_clone(s, "lists", 1, 2, "bookworm", "7", &error));
        text_write(path_in(path, "%s/containers/lists/generations/2/rootfs/content", storage_path(s)), "two");
}

static void test_names(void **state UNUSED)
{
        for (int i = 0; i < GENERATION_STATE_MAX; i++)
                assert_int_equal(generation_state_parse(generation_state_name((enum generation_state)i)), i);
        assert_int_equal(generation_state_parse("alive"), -EINVAL);
}

static void test_life(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "life");
                _cleanup_generations_ struct generations none = {};

                assert_ok(storage_generations(s, "lists", &none, &error));
                assert_int_equal(none.n, 0);
                for (unsigned again = 0; again < 2; again++) {
                        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill, (char *)"one", &error));
                        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
                        expect_live(s, 1, "one", 1);
                }
                two_generations(s);
                expect(s, 2, 1, "bookworm", GENERATION_CANDIDATE);
                assert_ok(storage_generation_clone(s, "lists", 1, 2, "bookworm", "7", &error));
                for (unsigned again = 0; again < 2; again++) {
                        assert_ok(storage_generation_mark(s, "lists", 2, "trixie", GENERATION_STATE_MAX, &error));
                        assert_ok(storage_generation_exchange(s, "lists", 2, GENERATION_PREVIOUS, &error));
                        expect_live(s, 2, "two", 2);
                        expect(s, 1, 0, "bookworm", GENERATION_PREVIOUS);
                        expect(s, 2, 1, "trixie", GENERATION_LIVE);
                }
                assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_BAD, &error)); /* and back */
                expect_live(s, 1, "one", 2);
                expect(s, 2, 1, "trixie", GENERATION_BAD);
                for (unsigned again = 0; again < 2; again++)
                        assert_ok(storage_generation_delete(s, "lists", 2, &error));
                expect_live(s, 1, "one", 1);
        }
}

static void test_refusals(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "refusals");
                char path[PATH_ROOM], kept[PATH_ROOM];

                two_generations(s);
                assert_result(storage_generation_delete(s, "lists", 1, &error), -EBUSY);
                assert_result(storage_generation_exchange(s, "lists", 9, GENERATION_PREVIOUS, &error), -ENOENT);
                assert_result(storage_generation_exchange(s, "lists", 2, GENERATION_LIVE, &error), -EINVAL);
                assert_result(storage_generation_mark(s, "lists", 2, NULL, GENERATION_LIVE, &error), -EINVAL);
                assert_result(storage_generation_clone(s, "lists", 8, 9, "trixie", "", &error), -ENOENT);
                assert_result(storage_generation_make(s, "lists", 2, "trixie", "", fill, NULL, &error), -EEXIST);
                assert_result(storage_generation_make(s, "../lists", 2, "trixie", "", fill, NULL, &error), -EINVAL);

                /* A volume left mounted in a candidate is never deleted with it. */
                path_in(kept, "%s/precious", storage_path(s));
                path_in(path, "%s/containers/lists/generations/2/rootfs/mnt", storage_path(s));
                assert_int_equal(mkdir(kept, 0700) | mkdir(path, 0700), 0);
                assert_int_equal(mount(kept, path, NULL, MS_BIND, NULL), 0);
                text_write(path_in(kept, "%s/precious/data", storage_path(s)), "data");
                assert_result(storage_generation_delete(s, "lists", 2, &error), -EBUSY);
                expect_live(s, 1, "one", 2);
                assert_int_equal(umount(path), 0);
                assert_ok(storage_generation_delete(s, "lists", 2, &error));
                text_expect(kept, "data");
        }
}

static int fill_fails(void *userdata UNUSED, const char *rootfs, infra_error **reterr)
{
        char path[PATH_ROOM];

        text_write(path_in(path, "%s/half", rootfs), "half");
        return infra_error_set(reterr, -EIO, "mirror is gone");
}

static void test_left_overs(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "left");
                _cleanup_error_ infra_error *failed = NULL;
                char a[PATH_ROOM], b[PATH_ROOM];

                two_generations(s);
                assert_int_equal(storage_generation_make(s, "lists", 5, "trixie", "", fill_fails, NULL, &failed), -EIO);
                assert_non_null(strstr(infra_error_message(failed), "mirror is gone"));
                assert_false(path_exists(AT_FDCWD, path_in(a, "%s/containers/lists/generations/.new-5", storage_path(s))));

                /* A build and a deletion that were cut off. */
                path_in(a, "%s/containers/lists/generations/.new-6/rootfs", storage_path(s));
                path_in(b, "%s/containers/lists/generations/.del-6/rootfs", storage_path(s));
                assert_int_equal(dir_make(AT_FDCWD, a, 0755) | dir_make(AT_FDCWD, b, 0755), 0);
                expect_live(s, 1, "one", 2);
                assert_ok(storage_generation_delete(s, "lists", 6, &error));
                assert_false(path_exists(AT_FDCWD, a) || path_exists(AT_FDCWD, b));

                /* An exchange without what follows it. */
                path_in(a, "%s/containers/lists/live", storage_path(s));
                path_in(b, "%s/containers/lists/generations/2", storage_path(s));
                assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
                expect(s, 2, 1, "bookworm", GENERATION_LIVE);
                expect(s, 1, 0, "bookworm", GENERATION_PREVIOUS);
                assert_ok(storage_generation_exchange(s, "lists", 2, GENERATION_PREVIOUS, &error));
                expect_live(s, 2, "two", 2);

                /* Names that went round in a circle. */
                assert_ok(storage_generation_clone(s, "lists", 2, 3, NULL, NULL, &error));
                path_in(a, "%s/containers/lists/generations/1", storage_path(s));
                path_in(b, "%s/containers/lists/generations/3", storage_path(s));
                assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
                assert_ok(storage_generation_delete(s, "lists", 99, &error));
                expect_live(s, 2, "two", 3);
        }
}

static void expect_unclean(struct storage *s, const char *first, const char *second)
{
        _cleanup_generations_ struct generations g = {};
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(storage_generations(s, "lists", &g, &error), -EUCLEAN);
        assert_non_null(strstr(infra_error_message(error), first));
        assert_non_null(strstr(infra_error_message(error), second));
}

static void test_unclean(void **state UNUSED)
{
        static const char *const wrong[] = {
                "", "format=2\n", "format=1\ncontainer=wiki\nnumber=2\nparent=1\nrelease=\nstate=bad\nrun=\ncreated=1\n",
                "format=1\ncontainer=lists\nnumber=0\nparent=1\nrelease=\nstate=bad\nrun=\ncreated=1\n",
                "format=1\ncontainer=lists\nnumber=2\nparent=1\nrelease=\nstate=good\nrun=\ncreated=1\n",
                "format=1\ncontainer=lists\nnumber=2\nparent=1\nrelease=\nstate=bad\nrun=\ncreated=1\nmore=1\n",
                "format=1\ncontainer=lists\nnumber=2\nparent=-1\nrelease=\nstate=bad\nrun=\ncreated=1\n",
        };
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[0], "unclean");
        char a[PATH_ROOM], b[PATH_ROOM];

        two_generations(s);
        RUN("cp", "-a", path_in(a, "%s/containers/lists/generations/2", storage_path(s)),
            path_in(b, "%s/containers/lists/generations/copy", storage_path(s)));
        expect_unclean(s, a, b);
        assert_result(storage_generation_exchange(s, "lists", 2, GENERATION_PREVIOUS, &error), -EUCLEAN);
        RUN("rm", "-r", b);
        path_in(b, "%s/identity", a);
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                text_write(b, wrong[i]);
                expect_unclean(s, a, "identity");
        }
        unlink(b);
        expect_unclean(s, a, "identity");
        assert_result(storage_generation_delete(s, "lists", 2, &error), -EUCLEAN);
}

/* systemd in a guest makes subvolumes of its own, and may make them read-only. */
static void test_nested(void **state UNUSED)
{
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[1], "nested");
        char path[PATH_ROOM];

        two_generations(s);
        path_in(path, "%s/containers/lists/generations/2/rootfs/machines", storage_path(s));
        assert_int_equal(btrfs_util_create_subvolume(path, 0, NULL, NULL), BTRFS_UTIL_OK);
        path_in(path, "%s/containers/lists/generations/2/rootfs/machines/inner", storage_path(s));
        assert_int_equal(btrfs_util_create_subvolume(path, 0, NULL, NULL), BTRFS_UTIL_OK);
        text_write(path_in(path, "%s/containers/lists/generations/2/rootfs/machines/inner/disk", storage_path(s)), "disk");
        path_in(path, "%s/containers/lists/generations/2/rootfs/machines/inner", storage_path(s));
        assert_int_equal(btrfs_util_set_subvolume_read_only(path, true), BTRFS_UTIL_OK);

        assert_ok(storage_generation_clone(s, "lists", 2, 3, "trixie", "", &error));
        text_expect(path_in(path, "%s/containers/lists/generations/3/rootfs/machines/inner/disk", storage_path(s)), "disk");
        assert_ok(storage_generation_delete(s, "lists", 2, &error));
        assert_ok(storage_generation_exchange(s, "lists", 3, GENERATION_PREVIOUS, &error));
        text_expect(path_in(path, "%s/containers/lists/live/rootfs/machines/inner/disk", storage_path(s)), "disk");
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_BAD, &error));
        assert_ok(storage_generation_delete(s, "lists", 3, &error));
        expect_live(s, 1, "one", 1);
}

/* `backend: dir` on btrfs, later changed to `backend: btrfs`: the trees are plain directories. */
static void test_backend_changed(void **state UNUSED)
{
        _cleanup_storage_ struct storage *before = storage_at(&fixture.places[2], "changed"), *s = NULL;

        two_generations(before);
        assert_ok(storage_open(STORAGE_BTRFS, storage_path(before), &s, &error));
        assert_ok(storage_generation_clone(s, "lists", 2, 3, "trixie", "", &error));
        assert_ok(storage_generation_exchange(s, "lists", 3, GENERATION_PREVIOUS, &error));
        expect_live(s, 3, "two", 3);
        assert_ok(storage_generation_delete(s, "lists", 1, &error));
        assert_ok(storage_generation_delete(s, "lists", 2, &error));
        expect_live(s, 3, "two", 1);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_life),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_left_overs), cmocka_unit_test(test_unclean), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_backend_changed),
};

STORAGE_TESTS(tests)
