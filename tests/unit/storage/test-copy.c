/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fixture.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { HOLE = 64 << 20, DEEP = 600, CHURN_FILES = 40, COPIES = 20 };

/* cap_net_raw=ep as the kernel stores it (VFS_CAP_REVISION_2). */
static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 0x20 };
/* user::rw-, user:1000:r--, group::r--, mask::r--, other::--- */
static const unsigned char acl[] = {
        2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
        0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255,
};

static void socket_make(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
}

static void source_make(const char *from)
{
        const struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 123456789 } };
        char a[PATH_ROOM], b[PATH_ROOM];
        int fd;

        assert_int_equal(dir_make(AT_FDCWD, path_in(a, "%s/sub/inner", from), 0755), 0);
        text_write(path_in(a, "%s/sub/file", from), "content");
        assert_int_equal(link(a, path_in(b, "%s/another", from)), 0);
        assert_int_equal(chown(a, 100033, 100044) | chmod(a, 06751), 0);
        assert_int_equal(setxattr(a, "security.capability", capability, sizeof(capability), 0), 0);
        assert_int_equal(setxattr(a, "user.comment", "hello", 5, 0), 0);
        text_write(path_in(a, "%s/acl", from), "acl");
        assert_int_equal(setxattr(a, "system.posix_acl_access", acl, sizeof(acl), 0), 0);
        assert_int_equal(symlink("/etc/passwd", path_in(a, "%s/link", from)), 0);
        assert_int_equal(lchown(a, 7, 8), 0);
        assert_int_equal(mkfifo(path_in(a, "%s/fifo", from), 0640), 0);
        assert_int_equal(mknod(path_in(a, "%s/null", from), S_IFCHR | 0666, makedev(1, 3)), 0);
        assert_int_equal(mknod(path_in(a, "%s/loop", from), S_IFBLK | 0660, makedev(7, 200)), 0);
        socket_make(path_in(a, "%s/socket", from));
        fd = open(path_in(a, "%s/sparse", from), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(pwrite(fd, "middle", 6, HOLE / 2), 6);
        assert_int_equal(ftruncate(fd, HOLE), 0);
        close(fd);
        assert_int_equal(chmod(path_in(a, "%s/sub/inner", from), 01777), 0);
        assert_int_equal(setxattr(from, "trusted.infra.restored", "7", 1, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, path_in(a, "%s/link", from), times, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(utimensat(AT_FDCWD, path_in(a, "%s/sub", from), times, 0), 0);
}

static void same(const char *from, const char *to, const char *name)
{
        char a[PATH_ROOM], b[PATH_ROOM];
        struct stat x, y;

        assert_int_equal(lstat(path_in(a, "%s/%s", from, name), &x), 0);
        if (lstat(path_in(b, "%s/%s", to, name), &y) < 0)
                fail_msg("%s was not copied", name);
        assert_int_equal(x.st_mode, y.st_mode);
        assert_int_equal(x.st_uid, y.st_uid);
        assert_int_equal(x.st_gid, y.st_gid);
        assert_int_equal(x.st_rdev, y.st_rdev);
        assert_int_equal(x.st_mtim.tv_sec, y.st_mtim.tv_sec);
        assert_int_equal(x.st_mtim.tv_nsec, y.st_mtim.tv_nsec);
        if (!S_ISDIR(x.st_mode)) {
                assert_int_equal(x.st_nlink, y.st_nlink);
                assert_int_equal(x.st_size, y.st_size);
        }
}

static void same_attribute(const char *to, const char *name, const char *attribute, const void *value, size_t size)
{
        char path[PATH_ROOM], found[256];

        assert_int_equal(lgetxattr(path_in(path, "%s/%s", to, name), attribute, found, sizeof(found)), size);
        assert_memory_equal(found, value, size);
}

static int count(void *userdata, uint64_t done, uint64_t total)
{
        assert_true(done <= total);
        ++*(unsigned *)userdata;
        return 0;
}

static void test_everything(void **state UNUSED)
{
        static const char *const names[] = { ".", "sub", "sub/inner", "sub/file", "another", "acl", "link", "fifo",
                                             "null", "loop", "socket", "sparse" };

        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "everything");
                char from[PATH_ROOM], to[PATH_ROOM], a[PATH_ROOM];
                struct stat x, y;
                unsigned told = 0;

                source_make(path_in(from, "%s/from", storage_path(s)));
                path_in(to, "%s/to", storage_path(s));
                storage_set_progress(s, count, &told);
                assert_ok(storage_tree_copy(s, from, to, &error));
                assert_true(told > 0);
                for (size_t i = 0; i < ELEMENTS(names); i++)
                        same(from, to, names[i]);
                same_attribute(to, "sub/file", "security.capability", capability, sizeof(capability));
                same_attribute(to, "sub/file", "user.comment", "hello", 5);
                same_attribute(to, "acl", "system.posix_acl_access", acl, sizeof(acl));
                assert_int_equal(getxattr(to, "trusted.infra.restored", NULL, 0), -1);
                assert_int_equal(stat(path_in(a, "%s/sub/file", to), &x) | stat(path_in(a, "%s/another", to), &y), 0);
                assert_int_equal(x.st_ino, y.st_ino);
                assert_int_equal(stat(path_in(a, "%s/sparse", to), &x), 0);
                assert_true(x.st_blocks * 512 < HOLE / 8);
                text_expect(path_in(a, "%s/another", to), "content");
                RUN("cmp", path_in(a, "%s/sparse", from), path_in(to, "%s/to/sparse", storage_path(s)));
                assert_result(storage_tree_copy(s, from, path_in(to, "%s/to", storage_path(s)), &error), -ENOTEMPTY);
        }
}

/* From another filesystem nothing can be shared: the content goes by copy_file_range or by buffer. */
static void test_across(void **state UNUSED)
{
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[1], "across");
        char from[PATH_ROOM], to[PATH_ROOM], a[PATH_ROOM], b[PATH_ROOM];
        struct stat st;

        assert_int_equal(mkdir(path_in(from, "%s/across", fixture.directory), 0755), 0);
        source_make(from);
        RUN("dd", "if=/dev/urandom", path_in(a, "of=%s/random", from), "bs=1M", "count=9", "status=none");
        assert_ok(storage_tree_copy(s, from, path_in(to, "%s/to", storage_path(s)), &error));
        same(from, to, "sub/file");
        RUN("cmp", path_in(a, "%s/random", from), path_in(b, "%s/random", to));
        RUN("cmp", path_in(a, "%s/sparse", from), path_in(b, "%s/sparse", to));
        assert_int_equal(stat(b, &st), 0);
        assert_true(st.st_blocks * 512 < HOLE / 8);
}

static int stop(void *userdata UNUSED, uint64_t done UNUSED, uint64_t total UNUSED)
{
        return -ECANCELED;
}

static void test_stop(void **state UNUSED)
{
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[0], "stop");
        char from[PATH_ROOM], to[PATH_ROOM], a[PATH_ROOM];

        assert_int_equal(mkdir(path_in(from, "%s/from", storage_path(s)), 0755), 0);
        RUN("dd", "if=/dev/zero", path_in(a, "of=%s/zero", from), "bs=1M", "count=20", "status=none");
        storage_set_progress(s, stop, NULL);
        assert_result(storage_tree_copy(s, from, path_in(to, "%s/to", storage_path(s)), &error), -ECANCELED);
        assert_false(path_exists(AT_FDCWD, to)); /* whole or not at all */
        assert_false(path_exists(AT_FDCWD, path_in(a, "%s/.new-to", storage_path(s))));
}

/* A guest at work: files come, get names, change their size and go. */
static void churn(const char *from)
{
        char a[PATH_ROOM], b[PATH_ROOM];

        for (unsigned i = 0;; i = (i + 1) % CHURN_FILES) {
                mkdir(path_in(a, "%s/churn-%u", from, i), 0755);
                text_write(path_in(a, "%s/churn-%u/file", from, i), "text");
                link(a, path_in(b, "%s/link-%u", from, i));
                symlink("file", path_in(b, "%s/churn-%u/symlink", from, i));
                unlink(b);
                truncate(a, i);
                unlink(path_in(b, "%s/link-%u", from, (i + CHURN_FILES / 2) % CHURN_FILES));
                unlink(path_in(a, "%s/churn-%u/file", from, (i + CHURN_FILES / 2) % CHURN_FILES));
                rmdir(path_in(a, "%s/churn-%u", from, (i + CHURN_FILES / 2) % CHURN_FILES));
        }
}

static void test_running_guest(void **state UNUSED)
{
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[0], "running");
        char from[PATH_ROOM], to[PATH_ROOM], a[PATH_ROOM];
        pid_t pid;

        assert_int_equal(mkdir(path_in(from, "%s/from", storage_path(s)), 0755), 0);
        text_write(path_in(a, "%s/steady", from), "steady");
        pid = fork();
        if (pid == 0)
                churn(from);
        for (unsigned i = 0; i < COPIES; i++) {
                assert_ok(storage_tree_copy(s, from, path_in(to, "%s/to-%u", storage_path(s), i), &error));
                text_expect(path_in(a, "%s/steady", to), "steady");
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* What a mount hides or shows is not part of the tree. */
static void test_mounts_stay_out(void **state UNUSED)
{
        _cleanup_storage_ struct storage *s = storage_at(&fixture.places[0], "mounts");
        char from[PATH_ROOM], to[PATH_ROOM], a[PATH_ROOM];

        assert_int_equal(dir_make(AT_FDCWD, path_in(a, "%s/from/proc", storage_path(s)), 0755), 0);
        assert_int_equal(mount("/etc", a, NULL, MS_BIND, NULL), 0);
        path_in(from, "%s/from", storage_path(s));
        assert_ok(storage_tree_copy(s, from, path_in(to, "%s/to", storage_path(s)), &error));
        assert_int_equal(umount(a), 0);
        assert_true(path_exists(AT_FDCWD, path_in(a, "%s/proc", to)));
        assert_false(path_exists(AT_FDCWD, path_in(a, "%s/proc/passwd", to)));
}

static void immutable_make(const char *path)
{
        int fd, flags = FS_IMMUTABLE_FL;

        text_write(path, "immutable");
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
        close(fd);
}

/* A guest cannot make a tree that we cannot delete. */
static int fill_nasty(void *userdata UNUSED, const char *rootfs, infra_error **reterr UNUSED)
{
        int fd = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char path[PATH_ROOM];

        immutable_make(path_in(path, "%s/immutable", rootfs));
        for (unsigned i = 0; i < DEEP; i++) {
                int next;

                assert_int_equal(mkdirat(fd, "d", 0700), 0);
                next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                close(fd);
                fd = next;
        }
        close(fd);
        return 0;
}

static void test_nasty_is_deleted(void **state UNUSED)
{
        FOREACH_PLACE(p) {
                _cleanup_storage_ struct storage *s = storage_at(p, "nasty");
                _cleanup_strlist_ struct strlist left = {};
                char path[PATH_ROOM];

                assert_ok(storage_generation_make(s, "blog", 1, "bookworm", "", fill_nasty, NULL, &error));
                assert_ok(storage_generation_delete(s, "blog", 1, &error));
                path_in(path, "%s/containers/blog/generations", storage_path(s));
                assert_int_equal(rmdir(path), 0);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),      cmocka_unit_test(test_across),
        cmocka_unit_test(test_stop),            cmocka_unit_test(test_mounts_stay_out),
        cmocka_unit_test(test_nasty_is_deleted), cmocka_unit_test(test_running_guest),
};

STORAGE_TESTS(tests)
