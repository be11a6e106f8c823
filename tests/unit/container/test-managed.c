/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose container it is: the mark, foreign ones refused, adoption; and the subordinate ids. Starts nothing. */

#include "fixture.h"

static const char *const hosts[] = { "/nowhere" };

static void absent_is_a_state(void **state)
{
        _cleanup_strlist_ struct strlist names = {};
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;
        _cleanup_free_ char *none = NULL;
        struct container_status s;

        (void)state;
        fixture_init(&f);
        none = IN(&f, "none");
        assert_int_equal(container_observe(f.directory, "lists", &s, &error), 0);
        assert_int_equal(s.state, CONTAINER_ABSENT);
        assert_false(s.managed);
        assert_int_equal(container_names(f.directory, &names, &error), 0);
        assert_int_equal(container_names(none, &names, &error), 0);
        assert_int_equal(names.n, 0);
        assert_int_equal(container_forget(f.directory, "lists", &error), 0);
        assert_int_equal(container_stop(f.directory, "lists", 0, NULL, &error), 0);
        refused(container_start(f.directory, "lists", &error), &error, -ENOENT, "does not exist");
        refused(container_start(f.directory, "../lists", &error), &error, -ENOENT, "does not exist");
}

static void ours_is_written_once(void **state)
{
        _cleanup_strlist_ struct strlist names = {};
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;
        _cleanup_free_ char *config = NULL;
        struct container_status s;
        struct stat before, after;

        (void)state;
        fixture_init(&f);
        f.estate.host.lxc_path = f.directory;
        f.container.privileged = true;
        config = IN(&f, "lists/config");
        assert_int_equal(container_configure(&f.estate, &f.container, "/storage/lists/rootfs", hosts, false, &error),
                         0);
        assert_int_equal(stat(config, &before), 0);
        assert_int_equal(container_configure(&f.estate, &f.container, "/storage/lists/rootfs", hosts, false, &error),
                         0);
        assert_int_equal(stat(config, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(container_observe(f.directory, "lists", &s, &error), 0);
        assert_int_equal(s.state, CONTAINER_STOPPED);
        assert_true(s.managed);
        assert_int_equal(s.init, 0);
        assert_string_equal(s.rootfs, "/storage/lists/rootfs");
        assert_int_equal(container_names(f.directory, &names, &error), 0);
        assert_int_equal(names.n, 1);
        refused(container_start(f.directory, "lists", &error), &error, -ENOENT,
                "its root /storage/lists/rootfs is not there");
        refused(container_freeze(f.directory, "lists", &error), &error, -ENOTCONN, "not running");
        assert_int_equal(container_forget(f.directory, "lists", &error), 0);
        assert_int_equal(container_observe(f.directory, "lists", &s, &error), 0);
        assert_int_equal(s.state, CONTAINER_ABSENT);
}

static void foreign_is_refused_and_adopted(void **state)
{
        static const char *const argv[] = { "true", NULL };
        struct container_command command = { .argv = argv, .input = -1, .output = -1 };
        _cleanup_free_ char *dir = NULL, *config = NULL, *kept = NULL, *old = NULL, *root = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;
        int status;

        (void)state;
        fixture_init(&f);
        f.estate.host.lxc_path = f.directory;
        dir = IN(&f, "lists");
        config = IN(&f, "lists/config");
        kept = IN(&f, "lists/config.before-infra");
        old = path_join("lxc.uts.name = lists\nlxc.rootfs.path = dir:%s\n", f.directory);
        assert_int_equal(mkdir(dir, 0755), 0);
        text_put(config, old);
        refused(container_start(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        refused(container_freeze(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        refused(container_unfreeze(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        refused(container_forget(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        refused(container_run(f.directory, "lists", &command, &status, &error), &error, -EPERM, "foreign container");
        refused(container_shell(f.directory, "lists", NULL, &status, &error), &error, -EPERM, "foreign container");
        refused(container_console(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        refused(container_configure(&f.estate, &f.container, "/r", hosts, false, &error), &error, -EPERM,
                "foreign container");
        text_is(config, old);
        assert_int_equal(container_adopt_source(f.directory, "lists", &root, &error), 0);
        assert_string_equal(root, f.directory);
        assert_int_equal(container_configure(&f.estate, &f.container, "/r", hosts, true, &error), 0);
        text_is(kept, old);
        assert_int_equal(container_forget(f.directory, "lists", &error), 0);
        free(root);
        root = NULL;
        refused(container_adopt_source(f.directory, "lists", &root, &error), &error, -ENOENT, "no container lists");
}

/* A mark that is not the whole first line is none. */
static void mark_is_the_first_line(void **state)
{
        static const char *const texts[] = { "# a comment\n" CONTAINER_MARK "\n", CONTAINER_MARK " 2\n",
                                             " " CONTAINER_MARK "\n" };
        _cleanup_free_ char *dir = NULL, *config = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;

        (void)state;
        fixture_init(&f);
        dir = IN(&f, "lists");
        config = IN(&f, "lists/config");
        assert_int_equal(mkdir(dir, 0755), 0);
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                text_put(config, texts[i]);
                refused(container_start(f.directory, "lists", &error), &error, -EPERM, "foreign container");
        }
}

static void ids_are_added_when_missing(void **state)
{
        static const struct {
                const char *before, *after;
        } files[] = {
                { "", "root:100000:65536\n" },
                { "mario:100000:65536\n", "mario:100000:65536\nroot:100000:65536\n" },
                { "mario:100000:65536", "mario:100000:65536\nroot:100000:65536\n" },
                { "root:100000:65535\n", "root:100000:65535\nroot:100000:65536\n" },
                { "root:100001:65536\n", "root:100001:65536\nroot:100000:65536\n" },
                { "root:100000:65536\n", "root:100000:65536\n" },
                { "root:0:4294967295\n", "root:0:4294967295\n" },
                { "0:99999:65537\n", "0:99999:65537\n" },
                { "root:18446744073709551615:1\nnonsense\n",
                  "root:18446744073709551615:1\nnonsense\nroot:100000:65536\n" },
        };
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;
        _cleanup_free_ char *path = NULL, *none = NULL;

        (void)state;
        fixture_init(&f);
        path = IN(&f, "subuid");
        none = IN(&f, "none");
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                text_put(path, files[i].before);
                assert_int_equal(idmap_allow_in(path, 100000, 65536, &error), 0);
                assert_int_equal(idmap_allow_in(path, 100000, 65536, &error), 0);
                text_is(path, files[i].after);
        }
        assert_int_equal(idmap_allow_in(none, 100000, 65536, &error), 0);
        text_is(none, "root:100000:65536\n");
        refused(idmap_allow_in(f.directory, 100000, 65536, &error), &error, -EISDIR, f.directory);
}

static void states_have_names(void **state)
{
        (void)state;
        for (int i = 0; i < CONTAINER_STATE_MAX; i++)
                assert_non_null(container_state_name((enum container_state)i));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(absent_is_a_state),
                cmocka_unit_test(ours_is_written_once),
                cmocka_unit_test(foreign_is_refused_and_adopted),
                cmocka_unit_test(mark_is_the_first_line),
                cmocka_unit_test(ids_are_added_when_missing),
                cmocka_unit_test(states_have_names),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
