/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whatever moment a writer dies at, live is whole, every identity is right, no content is lost, and the same call
 * made again finishes the work. First exhaustively: the writer is killed before its first, second, ... system call
 * that changes the disk, until it gets through. Then at random moments.
 */

#include "fixture.h"

#include <linux/btrfs.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"

enum { CALLS_MAX = 400, READINGS = 250, READING_PAUSE_US = 200, RANDOM_KILLS = 100, RANDOM_PAUSE_US = 5000 };

static const char mail[] = "/var/mail";

typedef int (*operation)(struct storage *s, unsigned argument, infra_error **reterr);

/* Syncs are not among them: to a killed process's successor the disk looks the same before and after. */
static bool changes_disk(const struct __ptrace_syscall_info *info)
{
        static const unsigned long requests[] = {
                BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SUBVOL_CREATE_V2, BTRFS_IOC_SNAP_CREATE_V2, BTRFS_IOC_SNAP_DESTROY,
                BTRFS_IOC_SNAP_DESTROY_V2, BTRFS_IOC_SUBVOL_SETFLAGS, FICLONE,
        };
        static const unsigned long calls[] = {
                SYS_rename, SYS_renameat, SYS_renameat2, SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_unlink, SYS_unlinkat,
                SYS_setxattr, SYS_lsetxattr, SYS_chmod, SYS_copy_file_range, SYS_write,
        };

        if (info->entry.nr == SYS_openat)
                return info->entry.args[2] & O_CREAT;
        for (size_t i = 0; i < ELEMENTS(requests); i++)
                if (info->entry.nr == SYS_ioctl && info->entry.args[1] == requests[i])
                        return true;
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                if (info->entry.nr == calls[i])
                        return true;
        return false;
}

static pid_t writer_start(struct storage *s, operation run_it, unsigned argument, bool traced)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                infra_error *error = NULL;

                if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0))
                        _exit(2);
                if (run_it(s, argument, &error) < 0) {
                        fprintf(stderr, "# %s\n", infra_error_message(error));
                        _exit(1);
                }
                _exit(0);
        }
        return pid;
}

/* Whether the writer was killed; false = it came to its end before the n-th change. */
static bool killed_before(struct storage *s, operation run_it, unsigned argument, unsigned n)
{
        pid_t pid = writer_start(s, run_it, argument, true);
        unsigned seen = 0;
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
        for (;;) {
                struct __ptrace_syscall_info info;

                assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status)) {
                        assert_int_equal(WEXITSTATUS(status), 0);
                        return false;
                }
                if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0 &&
                    info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_disk(&info) && ++seen == n) {
                        kill(pid, SIGKILL);
                        assert_int_equal(waitpid(pid, &status, 0), pid);
                        return true;
                }
        }
}

/* Generation N holds the file rootfs/content with the text N. */
static int fill(void *userdata, const char *rootfs, infra_error **reterr UNUSED)
{
        char path[PATH_ROOM];

        text_write(path_in(path, "%s/content", rootfs), userdata);
        return 0;
}

static char *inbox_of(char buffer[static PATH_ROOM], struct storage *s)
{
        return path_in(buffer, "%s/volumes/wiki/var-mail/inbox", storage_path(s));
}

static struct storage *scene_make(const struct place *p, const char *test)
{
        struct storage *s = storage_at(p, test);
        char inbox[PATH_ROOM];

        assert_ok(storage_generation_make(s, "wiki", 1, "bookworm", "", fill, (char *)"1", &error));
        assert_ok(storage_generation_make(s, "wiki", 2, "trixie", "", fill, (char *)"2", &error));
        assert_ok(storage_generation_exchange(s, "wiki", 1, GENERATION_PREVIOUS, &error));
        assert_ok(storage_volume_make(s, "wiki", mail, NULL, &error));
        for (unsigned i = 0; i < 2; i++) {
                text_write(inbox_of(inbox, s), i ? "b" : "a");
                assert_ok(storage_volume_snapshot(s, "wiki", mail, i ? "b" : "a", &error));
        }
        return s;
}

static void identities_verify(struct storage *s, struct generations *g)
{
        assert_ok(storage_generations(s, "wiki", g, &error));
        assert_non_null(generations_live(g));
        assert_non_null(generations_find(g, 1));
        assert_non_null(generations_find(g, 2));
}

/* Returns the number of the live one. No writer may be at work: paths would go stale between here and there. */
static unsigned generations_verify(struct storage *s)
{
        _cleanup_generations_ struct generations g = {};
        char path[PATH_ROOM], number[16];

        identities_verify(s, &g);
        for (size_t i = 0; i < g.n; i++) {
                unsigned content = g.items[i].number <= 2 ? g.items[i].number : g.items[i].parent;

                snprintf(number, sizeof(number), "%u", content);
                text_expect(path_in(path, "%s/rootfs/content", g.items[i].path), number);
        }
        return generations_live(&g)->number;
}

static int exchange(struct storage *s, unsigned number, infra_error **reterr)
{
        return storage_generation_exchange(s, "wiki", number, GENERATION_BAD, reterr);
}

static int clone_one(struct storage *s, unsigned number, infra_error **reterr)
{
        return storage_generation_clone(s, "wiki", 1, number, "trixie", "9", reterr);
}

static int delete_one(struct storage *s, unsigned number, infra_error **reterr)
{
        return storage_generation_delete(s, "wiki", number, reterr);
}

static int restore(struct storage *s, unsigned which, infra_error **reterr)
{
        return storage_volume_restore(s, "wiki", mail, which ? "b" : "a", reterr);
}

/* The old one has its new state from the very moment of the exchange. */
static void expect_bad(struct storage *s, unsigned number)
{
        _cleanup_generations_ struct generations g = {};

        identities_verify(s, &g);
        assert_int_equal(generations_find(&g, number)->state, GENERATION_BAD);
}

static void test_exchange(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = scene_make(p, "exchange");
                unsigned before = 0, after = 0, live = 1;

                for (unsigned n = 1; n < CALLS_MAX; n++) {
                        bool killed = killed_before(s, exchange, 3 - live, n);
                        unsigned now = generations_verify(s);

                        before += now == live;
                        after += killed && now != live;
                        if (now != live)
                                expect_bad(s, live);
                        assert_ok(exchange(s, 3 - live, &error));
                        assert_int_equal(generations_verify(s), 3 - live);
                        live = 3 - live;
                        if (!killed)
                                break;
                }
                assert_true(before > 3 && after > 3); /* both sides of the step that counts were seen */
        }
}

static void test_clone_and_delete(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = scene_make(p, "clone");
                bool cloning = true, deleting = true;

                for (unsigned n = 1; n < CALLS_MAX && (cloning || deleting); n++) {
                        cloning = killed_before(s, clone_one, n + 2, n);
                        assert_int_equal(generations_verify(s), 1);
                        assert_ok(clone_one(s, n + 2, &error));
                        assert_int_equal(generations_verify(s), 1);
                        deleting = killed_before(s, delete_one, n + 2, n);
                        assert_int_equal(generations_verify(s), 1);
                        assert_ok(delete_one(s, n + 2, &error));
                        assert_int_equal(generations_verify(s), 1);
                }
                assert_false(cloning || deleting);
        }
}

/* The content must be in exactly one of the snapshots of what was replaced; they are deleted then. */
static void replaced_take(struct storage *s, const char *content)
{
        CLEANUP(volume_snapshots_done) struct volume_snapshots l = {};
        unsigned found = 0;

        assert_ok(storage_volume_snapshots(s, "wiki", &l, &error));
        for (size_t i = 0; i < l.n; i++) {
                _cleanup_free_ char *text = NULL;
                char path[PATH_ROOM];

                if (!strstr(l.items[i].tag, ".replaced"))
                        continue;
                path_in(path, "%s/snapshots/wiki/%s/var-mail/inbox", storage_path(s), l.items[i].tag);
                assert_int_equal(file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL), 0);
                found += streq(text, content);
                assert_ok(storage_volume_snapshot_delete(s, "wiki", mail, l.items[i].tag, &error));
        }
        assert_int_equal(found, 1);
}

static void test_restore(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = scene_make(p, "restore");
                unsigned before = 0, after = 0;
                bool killed = true;

                for (unsigned n = 1; n < CALLS_MAX && killed; n++) {
                        const char *tag = n % 2 ? "b" : "a";
                        char inbox[PATH_ROOM], content[32];
                        bool restored;

                        snprintf(content, sizeof(content), "written %u", n);
                        text_write(inbox_of(inbox, s), content);
                        killed = killed_before(s, restore, n % 2, n);
                        restored = storage_volume_is_restored(s, "wiki", mail, tag);
                        text_expect(inbox, restored ? tag : content);
                        before += !restored;
                        after += restored && killed;
                        assert_ok(restore(s, n % 2, &error));
                        assert_true(storage_volume_is_restored(s, "wiki", mail, tag));
                        text_expect(inbox, tag);
                        replaced_take(s, content);
                }
                assert_true(!killed && before > 3 && after > 1);
        }
}

/* All of it, over and over, until killed. */
static int everything(struct storage *s, unsigned live, infra_error **reterr)
{
        for (unsigned i = 3;; i++) {
                int r;

                live = 3 - live;
                r = exchange(s, live, reterr);
                if (r >= 0)
                        r = clone_one(s, i, reterr);
                if (r >= 0)
                        r = restore(s, i % 2, reterr);
                if (r >= 0)
                        r = delete_one(s, i, reterr);
                if (r < 0)
                        return r;
        }
}

static int exchanges(struct storage *s, unsigned live, infra_error **reterr)
{
        int r = 0;

        while (r >= 0) {
                live = 3 - live;
                r = exchange(s, live, reterr);
        }
        return r;
}

/* A reader never sees an exchange half-way, nor waits for more than its renames. */
static void test_reader(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = scene_make(p, "reader");
                pid_t pid = writer_start(s, exchanges, 1, false);
                unsigned seen[3] = {};

                for (unsigned i = 0; i < READINGS; i++) {
                        _cleanup_generations_ struct generations g = {};

                        identities_verify(s, &g);
                        assert_int_equal(g.n, 2);
                        seen[generations_live(&g)->number]++;
                        usleep(READING_PAUSE_US);
                }
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                assert_true(seen[1] > 0 && seen[2] > 0);
        }
}

static void test_random(void **state UNUSED)
{
        struct storage *scenes[PLACES] = {};

        for (unsigned i = 0; i < PLACES; i++)
                scenes[i] = scene_make(&fixture.places[i], "random");
        for (unsigned i = 0; i < RANDOM_KILLS; i++) {
                struct storage *s = scenes[i % PLACES];
                pid_t pid = writer_start(s, everything, generations_verify(s), false);
                _cleanup_generations_ struct generations beside = {};
                _cleanup_free_ char *content = NULL;
                char inbox[PATH_ROOM];
                int status;

                usleep((useconds_t)(random() % RANDOM_PAUSE_US));
                identities_verify(s, &beside); /* beside the writer */
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status)); /* and did not end in an error */
                generations_verify(s);
                assert_int_equal(file_read(AT_FDCWD, inbox_of(inbox, s), TEXT_MAX, &content, NULL), 0);
                assert_true(streq(content, "a") || streq(content, "b"));
        }
        for (unsigned i = 0; i < PLACES; i++)
                storage_free(scenes[i]);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_clone_and_delete),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_random),
};

STORAGE_TESTS(tests)
