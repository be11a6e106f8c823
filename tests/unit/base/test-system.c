/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* fd and process: what touches the file system and starts programs. */

#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"

static int in_directory(void **state)
{
        char template[] = "/tmp/infra-test-XXXXXX";

        *state = strdup(mkdtemp(template));
        return 0;
}

static int directory_gone(void **state)
{
        int r = tree_remove(AT_FDCWD, *state);

        free(*state);
        return r;
}

static void files_are_replaced_whole(void **state)
{
        _cleanup_free_ char *path = path_join("%s/file", (char *)*state), *text = NULL;
        struct stat st;
        size_t size = 0;

        assert_int_equal(file_replace(AT_FDCWD, path, "old", 3, 0600), 0);
        assert_int_equal(file_replace(AT_FDCWD, path, "newer", 5, 0640), 0);
        assert_int_equal(file_read(AT_FDCWD, path, 100, &text, &size), 0);
        assert_string_equal(text, "newer");
        assert_int_equal(size, 5);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        free(TAKE_PTR(text));
        assert_int_equal(file_read(AT_FDCWD, path, 4, &text, NULL), -EFBIG);
        assert_int_equal(file_read(AT_FDCWD, "/nonexistent", 4, &text, NULL), -ENOENT);
}

/* A guest that puts a link or a fifo where the temporary file will be gains nothing and holds nobody. */
static void nothing_is_written_through_a_planted_name(void **state)
{
        _cleanup_free_ char *path = path_join("%s/file", (char *)*state), *victim = path_join("%s/victim", (char *)*state);
        _cleanup_free_ char *planted = path_join("%s.new.%d", path, (int)getpid()), *text = NULL;

        assert_int_equal(file_replace(AT_FDCWD, victim, "kept", 4, 0600), 0);
        assert_int_equal(link(victim, planted), 0);
        assert_int_equal(file_replace(AT_FDCWD, path, "new", 3, 0600), 0);
        assert_int_equal(mkfifo(planted, 0600), 0);
        assert_int_equal(file_replace(AT_FDCWD, path, "newer", 5, 0600), 0);
        assert_int_equal(file_read(AT_FDCWD, victim, 100, &text, NULL), 0);
        assert_string_equal(text, "kept");
}

static void paths_of_a_guest_stay_in_its_root(void **state)
{
        _cleanup_free_ char *root = path_join("%s/root", (char *)*state), *data = path_join("%s/root/data", (char *)*state);
        _cleanup_free_ char *link = path_join("%s/root/link", (char *)*state), *where = NULL;

        assert_int_equal(dir_make(AT_FDCWD, data, 0755), 0);
        assert_int_equal(symlink("/../../data", link), 0);
        assert_int_equal(root_resolve(root, "/link", &where), 0);
        assert_string_equal(where, data);
        assert_int_equal(unlink(link), 0);
        assert_int_equal(symlink("/etc", link), 0);
        free(TAKE_PTR(where));
        assert_int_equal(root_resolve(root, "/link/hostname", &where), -ENOENT);
}

static void trees_are_removed_without_following_links(void **state)
{
        _cleanup_free_ char *tree = path_join("%s/a/b/c", (char *)*state), *top = path_join("%s/a", (char *)*state);
        _cleanup_free_ char *outside = path_join("%s/outside", (char *)*state), *link = path_join("%s/a/link", (char *)*state);
        _cleanup_free_ char *kept = path_join("%s/outside/kept", (char *)*state);

        assert_int_equal(dir_make(AT_FDCWD, tree, 0755), 0);
        assert_int_equal(dir_make(AT_FDCWD, tree, 0755), 0);
        assert_int_equal(dir_make(AT_FDCWD, outside, 0755), 0);
        assert_int_equal(file_replace(AT_FDCWD, kept, "", 0, 0600), 0);
        assert_int_equal(symlink(outside, link), 0);
        assert_int_equal(tree_remove(AT_FDCWD, top), 0);
        assert_false(path_exists(AT_FDCWD, top));
        assert_true(path_exists(AT_FDCWD, kept));
        assert_int_equal(tree_remove(AT_FDCWD, top), 0);
}

static void programs_are_run(void **state)
{
        static const char *const argv[] = { "sh", "-c", "echo $WORD; echo err >&2; exit 7", NULL };
        static const char *const environment[] = { "WORD=hello", NULL };
        _cleanup_free_ char *output = NULL;
        struct process_options o = { .output = -1, .ret_output = &output, .environment = environment };
        int status = -1;

        (void)state;
        assert_int_equal(process_run(argv, &o, &status, NULL), 0);
        assert_int_equal(status, 7);
        assert_string_equal(output, "hello\nerr\n");
}

static void slow_programs_are_killed(void **state)
{
        static const char *const argv[] = { "sh", "-c", "sleep 30 & sleep 30", NULL };
        _cleanup_error_ infra_error *e = NULL;
        struct process_options o = { .output = -1, .timeout_ms = 100 };
        int64_t start = clock_boottime_ms();
        int status = -1;

        (void)state;
        assert_int_equal(process_run(argv, &o, &status, &e), -ETIME);
        assert_true(clock_boottime_ms() - start < 5000);
        assert_non_null(strstr(infra_error_message(e), "time limit"));
}

static void missing_programs_are_named(void **state)
{
        static const char *const argv[] = { "infra-no-such-program", NULL };
        _cleanup_error_ infra_error *e = NULL;
        struct process_options o = { .output = -1 };
        int status = -1;

        (void)state;
        assert_int_equal(process_run(argv, &o, &status, &e), -ENOENT);
        assert_non_null(strstr(infra_error_message(e), "infra-no-such-program"));
}

static void a_process_is_known_by_its_start(void **state)
{
        uint64_t start = process_identity(getpid());
        pid_t child = fork();

        (void)state;
        if (child == 0)
                _exit(0);
        assert_true(process_alive(getpid(), start));
        /* The bare start time repeats after a reboot; the boot takes part. */
        assert_true(start >> 40);
        assert_false(process_alive(getpid(), start + 1));
        /* An ended child that nobody waited for is not alive. */
        clock_sleep_ms(50);
        assert_false(process_alive(child, process_identity(child)));
        waitpid(child, NULL, 0);
        assert_int_equal(process_identity(child), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(files_are_replaced_whole, in_directory, directory_gone),
                cmocka_unit_test_setup_teardown(nothing_is_written_through_a_planted_name, in_directory, directory_gone),
                cmocka_unit_test_setup_teardown(paths_of_a_guest_stay_in_its_root, in_directory, directory_gone),
                cmocka_unit_test_setup_teardown(trees_are_removed_without_following_links, in_directory, directory_gone),
                cmocka_unit_test(programs_are_run),
                cmocka_unit_test(slow_programs_are_killed),
                cmocka_unit_test(missing_programs_are_named),
                cmocka_unit_test(a_process_is_known_by_its_start),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
