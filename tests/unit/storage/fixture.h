/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Three places to test on: `dir` on ext4, and `btrfs` and `dir` on btrfs, both in loop files in memory. All is mounted
 * in a mount namespace of the test's own, so whatever happens to the test, the kernel takes it away with its last
 * process, and no sync waits for what other programs wrote.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "storage/storage.h"

enum { PLACES = 3, IMAGE_BYTES = 300 << 20, TEXT_MAX = 4096, PATH_ROOM = 512 };

struct place {
        enum storage_backend backend;
        char directory[128];
};

struct fixture {
        char directory[64];
        struct place places[PLACES];
};

static struct fixture fixture;

static UNUSED void run(const char *const argv[])
{
        _cleanup_free_ char *output = NULL;
        struct process_options options = { .ret_output = &output, .timeout_ms = 30000 };
        int status = -1;

        if (process_run(argv, &options, &status, NULL) < 0 || status != 0)
                fail_msg("%s failed: %s", argv[0], output ? output : "");
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

/* Fails with the error's message unless the call returned @wanted. */
#define assert_result(call, wanted)                                                                        \
        do {                                                                                               \
                _cleanup_error_ infra_error *error = NULL;                                                 \
                int result = (call);                                                                       \
                if (result != (wanted))                                                                    \
                        fail_msg("%s: %d, not %d: %s", #call, result, (wanted), infra_error_message(error)); \
        } while (0)
#define assert_ok(call) assert_result(call, 0)

static UNUSED char *path_in(char buffer[static PATH_ROOM], const char *format, ...) PRINTF_LIKE(2, 3);
static char *path_in(char buffer[static PATH_ROOM], const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        vsnprintf(buffer, PATH_ROOM, format, ap);
        va_end(ap);
        return buffer;
}

static UNUSED void text_write(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static UNUSED void text_expect(const char *path, const char *text)
{
        _cleanup_free_ char *found = NULL;

        if (file_read(AT_FDCWD, path, TEXT_MAX, &found, NULL) < 0)
                fail_msg("%s cannot be read", path);
        assert_string_equal(found, text);
}

/* A storage of its own for each test and place. */
static UNUSED struct storage *storage_at(const struct place *p, const char *test)
{
        struct storage *s = NULL;
        char path[PATH_ROOM];

        assert_ok(storage_open(p->backend, path_in(path, "%s/%s", p->directory, test), &s, &error));
        return s;
}

static UNUSED void image_mount(const char *directory, const char *const mkfs[], uint64_t bytes)
{
        _cleanup_strlist_ struct strlist command = {};
        _cleanup_free_ char **argv = NULL;
        char image[PATH_ROOM];
        int fd = open(path_in(image, "%s.img", directory), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
        close(fd);
        assert_int_equal(mkdir(directory, 0755), 0);
        for (size_t i = 0; mkfs[i]; i++)
                strlist_add(&command, mkfs[i]);
        strlist_add(&command, image);
        argv = strlist_argv(&command);
        run((const char *const *)argv);
        RUN("mount", "-o", "loop", image, directory);
        unlink(image);
}

static const char *const mkfs_btrfs[] = { "mkfs.btrfs", "-q", "-M", NULL };
static const char *const mkfs_ext4[] = { "mkfs.ext4", "-q", NULL };

static UNUSED int fixture_setup(void **state UNUSED)
{
        static const enum storage_backend backends[PLACES] = { STORAGE_DIR, STORAGE_BTRFS, STORAGE_DIR };
        static const char *const names[PLACES] = { "ext4/plain", "btrfs/subvolumes", "btrfs/reflinks" };
        char path[PATH_ROOM];

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -1;
        snprintf(fixture.directory, sizeof(fixture.directory), "/tmp/infra-storage-XXXXXX");
        if (!mkdtemp(fixture.directory))
                return -1;
        if (mount("infra-test", fixture.directory, "tmpfs", 0, "mode=755") < 0)
                return -1;
        image_mount(path_in(path, "%s/btrfs", fixture.directory), mkfs_btrfs, IMAGE_BYTES);
        image_mount(path_in(path, "%s/ext4", fixture.directory), mkfs_ext4, IMAGE_BYTES);
        for (unsigned i = 0; i < PLACES; i++) {
                fixture.places[i].backend = backends[i];
                snprintf(fixture.places[i].directory, sizeof(fixture.places[i].directory), "%s/%s", fixture.directory,
                         names[i]);
        }
        return 0;
}

static UNUSED int fixture_teardown(void **state UNUSED)
{
        umount2(fixture.directory, MNT_DETACH); /* with all that is mounted inside */
        return rmdir(fixture.directory);
}

#define FOREACH_PLACE(p) for (struct place *p = fixture.places; p < fixture.places + PLACES; p++)

/* main of a storage test: needs root for mounts, owners and devices. */
#define STORAGE_TESTS(tests)                                                     \
        int main(void)                                                           \
        {                                                                        \
                cmocka_set_message_output(CM_OUTPUT_TAP);                        \
                if (geteuid() != 0) {                                            \
                        puts("1..0 # SKIP needs root");                          \
                        return 0;                                                \
                }                                                                \
                return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown); \
        }
