/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Release, end state and the list of packages that must stay, from what dpkg and the guest's files say. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "package/package.h"

struct answers {
        char root[64];
        const char *audit, *states, *programs, *owners;
        int audit_status, result;
        bool asked_alias; /* dpkg-query -S was asked for both places of a program */
};

static int run_answers(void *userdata, const char *const argv[], const char *const environment[] UNUSED, int output,
                       char **ret_output, int64_t timeout_ms UNUSED, int *ret_status, infra_error **reterr)
{
        struct answers *a = userdata;
        const char *text = a->states;

        assert_int_equal(output, -1);
        if (a->result < 0)
                return infra_error_set(reterr, a->result, "no such container");
        *ret_status = 0;
        if (streq(argv[0], "dpkg")) {
                text = a->audit;
                *ret_status = a->audit_status;
        } else if (streq(argv[0], "sh")) {
                text = a->programs;
        } else if (streq(argv[1], "-S")) {
                text = a->owners;
                *ret_status = 1;
                a->asked_alias = argv[2] && streq(argv[2], "/usr/sbin/sshd") && streq(argv[3], "/sbin/sshd");
        }
        *ret_output = text ? strdup(text) : NULL;
        return 0;
}

static struct guest start(struct answers *a, const char *os_release)
{
        char path[128];

        snprintf(a->root, sizeof(a->root), "/tmp/infra-state.XXXXXX");
        assert_non_null(mkdtemp(a->root));
        snprintf(path, sizeof(path), "%s/etc", a->root);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/etc/os-release", a->root);
        if (os_release)
                assert_int_equal(file_replace(AT_FDCWD, path, os_release, strlen(os_release), 0644), 0);
        return (struct guest){ .run = run_answers, .userdata = a, .rootfs = a->root };
}

static void done(struct answers *a)
{
        assert_int_equal(tree_remove(AT_FDCWD, a->root), 0);
}

static void release_case(const char *os_release, int code, const char *wanted)
{
        struct answers a = {};
        struct guest g = start(&a, os_release);
        _cleanup_free_ char *release = NULL;

        assert_int_equal(package_release(g.rootfs, &release, NULL), code);
        if (code == 0)
                assert_string_equal(release, wanted);
        done(&a);
}

static void test_release(void **state UNUSED)
{
        release_case("PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nVERSION_ID=\"11\"\nVERSION_CODENAME=bullseye\n", 0, "bullseye");
        release_case("VERSION_CODENAME=\"trixie\"\n", 0, "trixie");
        release_case("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"8\"\nVERSION=\"8 (jessie)\"\n", 0, "jessie");
        release_case("NAME=x\n", -ENODATA, NULL);
        release_case(NULL, -ENOENT, NULL);
}

/* Debian's own /etc/os-release is a link; one that leads out of the root must not be believed. */
static void test_release_link(void **state UNUSED)
{
        static const char text[] = "VERSION_CODENAME=trixie\n";
        struct answers a = {};
        struct guest g = start(&a, NULL);
        _cleanup_free_ char *release = NULL;
        char path[128];

        snprintf(path, sizeof(path), "%s/etc/os-release", a.root);
        assert_int_equal(symlink("/etc/hostname", path), 0);
        assert_int_equal(package_release(g.rootfs, &release, NULL), -ENOENT);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("../../../../../../usr/lib/os-release", path), 0);
        snprintf(path, sizeof(path), "%s/usr/lib", a.root);
        assert_int_equal(dir_make(AT_FDCWD, path, 0755), 0);
        snprintf(path, sizeof(path), "%s/usr/lib/os-release", a.root);
        assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
        assert_int_equal(package_release(g.rootfs, &release, NULL), 0);
        assert_string_equal(release, "trixie");
        done(&a);
}

static const char good_states[] = "ii |apt\nii |dpkg\nhi |slapd\nrc |exim4\nun |foo\nii |netcat-openbsd\n";

static void test_whole(void **state UNUSED)
{
        struct answers a = { .audit = "", .states = good_states };
        struct guest g = start(&a, "VERSION_CODENAME=trixie\n");
        _cleanup_package_state_ struct package_state s = {};
        _cleanup_strlist_ struct strlist keep = {};
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(strlist_add(&keep, "slapd"), 0);
        assert_int_equal(package_observe(&g, &keep, &s, &error), 0);
        assert_int_equal(s.broken.n, 0);
        assert_int_equal(s.missing.n, 0);
        assert_int_equal(package_check(&s, "trixie", &error), 0);
        assert_int_equal(package_check(&s, "forky", &error), -EREMOTEIO);
        assert_string_equal(infra_error_message(error), "the release is trixie, not forky");
        done(&a);
}

static void test_broken(void **state UNUSED)
{
        struct answers a = {
                .audit = "The following packages are only half configured, probably due to problems\n"
                         "configuring them the first time:\n dovecot-core         secure POP3/IMAP server\n\n",
                .audit_status = 1,
                .states = "ii |apt\niF |dovecot-core\niiR|libc6\nri |going\nrc |exim4\niU |new\n",
        };
        struct guest g = start(&a, "VERSION_CODENAME=bookworm\n");
        _cleanup_package_state_ struct package_state s = {};
        _cleanup_strlist_ struct strlist keep = {};
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(strlist_add(&keep, "exim4"), 0);
        assert_int_equal(strlist_add(&keep, "apt"), 0);
        assert_int_equal(package_observe(&g, &keep, &s, &error), 0);
        assert_int_equal(s.broken.n, 5);
        assert_int_equal(s.missing.n, 1);
        assert_int_equal(package_check(&s, "trixie", &error), -EREMOTEIO);
        assert_string_equal(infra_error_message(error),
                            "the release is bookworm, not trixie; not whole: dovecot-core (dpkg --audit), "
                            "dovecot-core (state \"iF \"), libc6 (state \"iiR\"), going (state \"ri \"), "
                            "new (state \"iU \"); no longer installed: exim4");
        done(&a);
}

static void test_unreadable(void **state UNUSED)
{
        struct answers a = { .audit = "dpkg: error: parsing file\n", .audit_status = 2, .states = good_states };
        struct guest g = start(&a, "VERSION_CODENAME=trixie\n");
        _cleanup_package_state_ struct package_state s = {};
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(package_observe(&g, NULL, &s, &error), -EREMOTEIO);
        assert_non_null(strstr(infra_error_message(error), "parsing file"));
        a.audit_status = 1;
        a.audit = "something unheard of\n";
        assert_int_equal(package_observe(&g, NULL, &s, &error), 0);
        assert_int_equal(package_check(&s, "trixie", &error), -EREMOTEIO);
        a.result = -ESRCH;
        assert_int_equal(package_observe(&g, NULL, &s, &error), -ESRCH);
        assert_non_null(strstr(infra_error_message(error), "no such container"));
        done(&a);
}

static void test_keep_list(void **state UNUSED)
{
        struct answers a = {
                .states = "ii |apt\nii |dpkg\nii |openssh-server\nrc |systemd-sysv\n",
                .programs = "/usr/sbin/sshd\n/usr/bin/python3.11 (deleted)\n/usr/local/bin/own\n",
                .owners = "diversion by x from: /usr/sbin/sshd\nopenssh-server: /usr/sbin/sshd\n"
                          "python3.11-minimal: /usr/bin/python3.11\nphp8.2-fpm, libapp:amd64: /usr/sbin/php-fpm8.2\n"
                          "dpkg-query: no path found matching pattern /usr/local/bin/own\n",
        };
        struct guest g = start(&a, NULL);
        _cleanup_strlist_ struct strlist keep = {};
        static const char *const wanted[] = { "apt", "dpkg", "libapp", "openssh-server", "php8.2-fpm" };

        assert_int_equal(package_keep_list(&g, &keep, NULL), 0);
        assert_true(a.asked_alias);
        assert_int_equal(keep.n, ELEMENTS(wanted));
        for (size_t i = 0; i < ELEMENTS(wanted); i++)
                assert_string_equal(keep.items[i], wanted[i]);
        done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_release),    cmocka_unit_test(test_release_link), cmocka_unit_test(test_whole),
                cmocka_unit_test(test_broken),     cmocka_unit_test(test_unreadable),   cmocka_unit_test(test_keep_list),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
