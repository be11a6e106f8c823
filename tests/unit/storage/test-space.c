/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fixture.h"

enum { SMALL_IMAGE = 48 << 20, FULL_MB = 60, SPACE_TRIES = 100, SPACE_PAUSE_US = 20000 };

static int fill(void *userdata, const char *rootfs, infra_error **reterr UNUSED)
{
        char of[PATH_ROOM], size[64];

        snprintf(size, sizeof(size), "count=%u", *(unsigned *)userdata);
        RUN("dd", "if=/dev/zero", path_in(of, "of=%s/data", rootfs), "bs=1M", size, "status=none");
        return 0;
}

static void test_figures(void **state UNUSED)
{
        unsigned megabytes = 20;

        FOREACH_PLACE(p) {
                bool copies = p == &fixture.places[0];
                _cleanup_storage_ struct storage *s = storage_at(p, "figures");
                uint64_t available, total, before, after;

                assert_ok(storage_space(s, &available, &total, &error));
                assert_true(available > 0 && available <= total);
                assert_ok(storage_forecast(s, "wiki", &before, &error));
                assert_ok(storage_generation_make(s, "wiki", 1, "bookworm", "", fill, &megabytes, &error));
                assert_ok(storage_generation_exchange(s, "wiki", 1, GENERATION_PREVIOUS, &error));
                assert_ok(storage_forecast(s, "wiki", &after, &error));
                assert_int_equal((after - before) >> 20, copies ? megabytes : 0);
        }
}

static void test_require(void **state UNUSED)
{
        _cleanup_storage_ struct storage *plain = storage_at(&fixture.places[0], "require");
        _cleanup_storage_ struct storage *small = storage_at(&fixture.places[1], "require");
        _cleanup_error_ infra_error *refused = NULL;
        uint64_t available, total;

        assert_ok(storage_space(plain, &available, &total, &error));
        assert_result(storage_require(plain, available, &error), -ENOSPC);
        if (available > total / 10 + (1ull << 30))
                assert_ok(storage_require(plain, 1 << 20, &error));
        assert_int_equal(storage_require(small, 1 << 20, &refused), -ENOSPC); /* less than the reserve in all */
        assert_non_null(strstr(infra_error_message(refused), "MB"));
}

static void test_wrong_filesystem(void **state UNUSED)
{
        _cleanup_error_ infra_error *refused = NULL;
        struct storage *s = NULL;
        char path[PATH_ROOM];

        path_in(path, "%s/wrong", fixture.directory);
        assert_int_equal(storage_open(STORAGE_BTRFS, path, &s, &refused), -EOPNOTSUPP);
        assert_non_null(strstr(infra_error_message(refused), "btrfs"));
        assert_result(storage_open(STORAGE_DIR, "relative", &s, &error), -EINVAL);
        assert_null(s);
}

/* The disk fills up in the middle: an error that says so, the half copy gone, the live one as it was. */
static void full(struct storage *s, const char *from)
{
        _cleanup_error_ infra_error *made = NULL;
        _cleanup_generations_ struct generations g = {};
        _cleanup_free_ char *volume = storage_volume_path(s, "wiki", "/srv");
        unsigned megabytes = 1;
        char path[PATH_ROOM];
        int r;

        assert_ok(storage_generation_make(s, "wiki", 1, "bookworm", "", fill, &megabytes, &error));
        assert_ok(storage_generation_exchange(s, "wiki", 1, GENERATION_PREVIOUS, &error));
        r = storage_volume_make(s, "wiki", "/srv", from, &made);
        assert_int_equal(r, -ENOSPC);
        assert_non_null(strstr(infra_error_message(made), "No space left"));
        assert_false(path_exists(AT_FDCWD, volume));
        assert_ok(storage_generations(s, "wiki", &g, &error));
        assert_int_equal(g.n, 1);
        assert_int_equal(generations_live(&g)->number, 1);
        path_in(path, "%s/volumes/wiki", storage_path(s));
        assert_int_equal(rmdir(path), 0); /* nothing half-made is left */
        r = -ENOSPC; /* and the space comes back: btrfs frees it after the deletion */
        for (unsigned i = 0; i < SPACE_TRIES && r == -ENOSPC; i++, usleep(SPACE_PAUSE_US))
                r = storage_generation_clone(s, "wiki", 1, 2, "trixie", "", NULL);
        assert_int_equal(r, 0);
}

static void test_full(void **state UNUSED)
{
        static const enum storage_backend backends[] = { STORAGE_BTRFS, STORAGE_DIR };
        char from[PATH_ROOM], mounted[PATH_ROOM], path[PATH_ROOM];
        unsigned megabytes = FULL_MB;

        assert_int_equal(mkdir(path_in(from, "%s/large", fixture.directory), 0755), 0);
        fill(&megabytes, from, NULL);
        for (size_t i = 0; i < ELEMENTS(backends); i++) {
                _cleanup_storage_ struct storage *s = NULL;

                path_in(mounted, "%s/btrfs%zu", fixture.directory, i + 1);
                image_mount(mounted, mkfs_btrfs, SMALL_IMAGE);
                assert_ok(storage_open(backends[i], path_in(path, "%s/infra", mounted), &s, &error));
                full(s, from);
                assert_int_equal(umount2(mounted, MNT_DETACH), 0);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_wrong_filesystem),
        cmocka_unit_test(test_full),
};

STORAGE_TESTS(tests)
