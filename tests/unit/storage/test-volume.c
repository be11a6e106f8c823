/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fixture.h"

#include <sys/xattr.h>

static const char mail[] = "/var/spool/mail";

static char *in_volume(char buffer[static PATH_ROOM], struct storage *s, const char *name)
{
        _cleanup_free_ char *live = storage_volume_path(s, "lists", mail);

        return path_in(buffer, "%s/%s", live, name);
}

static char *in_snapshot(char buffer[static PATH_ROOM], struct storage *s, const char *tag, const char *name)
{
        return path_in(buffer, "%s/snapshots/lists/%s/var-spool-mail/%s", storage_path(s), tag, name);
}

static void expect_snapshots(struct storage *s, const char *tags)
{
        CLEANUP(volume_snapshots_done) struct volume_snapshots l = {};
        _cleanup_str_ struct str found = {};

        assert_ok(storage_volume_snapshots(s, "lists", &l, &error));
        for (size_t i = 0; i < l.n; i++) {
                str_add(&found, "%s ", l.items[i].tag);
                assert_string_equal(l.items[i].volume, "var-spool-mail");
                assert_true(l.items[i].created_ms > 1000000000000);
        }
        assert_string_equal(found.text ? found.text : "", tags);
}

static void test_paths(void **state UNUSED)
{
        static const char *const wanted[][2] = {
                { "/var/lib/mysql", "var-lib-mysql" }, { "/a-b/c", "a%2db-c" }, { "/a/b-c", "a-b%2dc" },
                { "/.new-x", "%2enew%2dx" }, { "/a%2db", "a%252db" }, { "/srv/\xc3\xa4 b", "srv-%c3%a4%20b" },
        };
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[0], "paths");

        for (size_t i = 0; i < ELEMENTS(wanted); i++) {
                _cleanup_free_ char *path = storage_volume_path(s, "lists", wanted[i][0]);
                char expected[PATH_ROOM];

                assert_string_equal(path, path_in(expected, "%s/volumes/lists/%s", storage_path(s), wanted[i][1]));
        }
}

static void test_seed(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "seed");
                _cleanup_free_ char *empty = storage_volume_path(s, "lists", "/srv");
                char seed[PATH_ROOM], path[PATH_ROOM];
                struct stat st;

                assert_int_equal(mkdir(path_in(seed, "%s/seed", storage_path(s)), 0700), 0);
                text_write(path_in(path, "%s/inbox", seed), "mail");
                assert_int_equal(chmod(seed, 02770) | chown(seed, 100008, 100012) | chmod(seed, 02770), 0);
                assert_ok(storage_volume_make(s, "lists", mail, seed, &error));
                text_expect(in_volume(path, s, "inbox"), "mail");
                assert_int_equal(stat(in_volume(path, s, "."), &st), 0);
                assert_int_equal(st.st_uid, 100008);
                assert_int_equal(st.st_gid, 100012);
                assert_int_equal(st.st_mode & 07777, 02770);

                text_write(in_volume(path, s, "inbox"), "more mail");
                assert_ok(storage_volume_make(s, "lists", mail, seed, &error));
                text_expect(path, "more mail");
                assert_ok(storage_volume_make(s, "lists", "/srv", NULL, &error));
                assert_int_equal(stat(empty, &st), 0);
                assert_int_equal(st.st_mode & 07777, 0755);
                assert_result(storage_volume_make(s, "lists", "srv", NULL, &error), -EINVAL);
        }
}

static void test_restore(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "restore");
                char inbox[PATH_ROOM], path[PATH_ROOM];

                assert_result(storage_volume_snapshot(s, "lists", mail, "7", &error), -ENOENT);
                assert_ok(storage_volume_make(s, "lists", mail, NULL, &error));
                assert_result(storage_volume_restore(s, "lists", mail, "7", &error), -ENOENT);
                text_write(in_volume(inbox, s, "inbox"), "old");
                for (unsigned again = 0; again < 2; again++) { /* the second one changes nothing */
                        assert_ok(storage_volume_snapshot(s, "lists", mail, "7", &error));
                        text_write(inbox, "new");
                }
                text_expect(in_snapshot(path, s, "7", "inbox"), "old");
                assert_false(storage_volume_is_restored(s, "lists", mail, "7"));
                for (unsigned again = 0; again < 2; again++) {
                        assert_ok(storage_volume_restore(s, "lists", mail, "7", &error));
                        assert_true(storage_volume_is_restored(s, "lists", mail, "7"));
                        assert_false(storage_volume_is_restored(s, "lists", mail, "77"));
                        text_expect(inbox, again ? "later" : "old");
                        text_expect(in_snapshot(path, s, "7.replaced", "inbox"), "new");
                        text_write(inbox, "later");
                }
                expect_snapshots(s, "7 7.replaced ");
                assert_ok(storage_volume_snapshot(s, "lists", mail, "8", &error));
                assert_ok(storage_volume_restore(s, "lists", mail, "8", &error));
                assert_false(storage_volume_is_restored(s, "lists", mail, "7"));
                text_write(inbox, "eight");
                assert_ok(storage_volume_restore(s, "lists", mail, "7", &error));
                text_expect(inbox, "old");
                text_expect(in_snapshot(path, s, "7.replaced", "inbox"), "new");
                text_expect(in_snapshot(path, s, "7.replaced.2", "inbox"), "eight");
                for (unsigned again = 0; again < 2; again++)
                        assert_ok(storage_volume_snapshot_delete(s, "lists", mail, "8", &error));
                expect_snapshots(s, "7 7.replaced 7.replaced.2 8.replaced ");
                assert_false(path_exists(AT_FDCWD, path_in(path, "%s/snapshots/lists/8", storage_path(s))));
                assert_result(storage_volume_snapshot(s, "lists", mail, "../8", &error), -EINVAL);
        }
}

/* A restore cut off before and after its exchange, then a call about another tag. */
static void test_cut_off(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "cut");
                _cleanup_free_ char *live = storage_volume_path(s, "lists", mail);
                char inbox[PATH_ROOM], path[PATH_ROOM], beside[PATH_ROOM];

                assert_ok(storage_volume_make(s, "lists", mail, NULL, &error));
                text_write(in_volume(inbox, s, "inbox"), "precious");
                assert_ok(storage_volume_make(s, "lists", "/copy", NULL, &error));
                path_in(beside, "%s/volumes/lists/.restore-7:var-spool-mail", storage_path(s));

                assert_int_equal(rename(path_in(path, "%s/volumes/lists/copy", storage_path(s)), beside), 0);
                assert_int_equal(setxattr(beside, "trusted.infra.restored", "7", 1, 0), 0);
                assert_ok(storage_volume_snapshot(s, "lists", mail, "1", &error));
                assert_false(path_exists(AT_FDCWD, beside)); /* unused */
                text_expect(inbox, "precious");

                assert_ok(storage_volume_make(s, "lists", "/copy", NULL, &error));
                assert_int_equal(setxattr(path, "trusted.infra.restored", "7", 1, 0), 0);
                assert_int_equal(rename(live, beside) | rename(path, live), 0);
                assert_true(storage_volume_is_restored(s, "lists", mail, "7"));
                assert_ok(storage_volume_snapshot_delete(s, "lists", mail, "1", &error));
                text_expect(in_snapshot(path, s, "7.replaced", "inbox"), "precious");
                assert_true(storage_volume_is_restored(s, "lists", mail, "7"));
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_cut_off),
};

STORAGE_TESTS(tests)
