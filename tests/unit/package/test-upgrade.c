/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The upgrade's error paths, with a guest whose commands answer what the test says; the real thing is
 * tests/integration/real-upgrade. Locks and the transcript are real files.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "package/package.h"

enum { TEXT_MAX = 1 << 20, LIMIT_MS = 5000 };

struct fake {
        char root[64];
        int transcript;
        const char *fails;   /* word of the command that fails */
        const char *says;    /* what it says then */
        int result;          /* or what run returns then */
        struct strlist ran;  /* last word of each command, scripts left out */
        struct strlist words; /* of the last command */
        bool environment_good;
};

static bool has(const char *const *list, const char *word)
{
        for (; *list; list++)
                if (streq(*list, word))
                        return true;
        return false;
}

static int run_fake(void *userdata, const char *const argv[], const char *const environment[], int output,
                    char **ret_output UNUSED, int64_t timeout_ms, int *ret_status, infra_error **reterr)
{
        struct fake *f = userdata;
        size_t n = 0;

        assert_true(timeout_ms > 0);
        *ret_status = 0;
        f->environment_good = has(environment, "DEBIAN_FRONTEND=noninteractive") && has(environment, "TMPDIR=/tmp") &&
                              has(environment, "NEEDRESTART_MODE=l") && has(environment, "UCF_FORCE_CONFFOLD=1");
        if (streq(argv[0], "sh"))
                return 0;
        strlist_done(&f->words);
        while (argv[n])
                assert_int_equal(strlist_add(&f->words, argv[n++]), 0);
        assert_int_equal(strlist_add(&f->ran, argv[n - 1]), 0);
        if (!f->fails || !has(argv, f->fails))
                return 0;
        if (f->result < 0)
                return infra_error_set(reterr, f->result, "the guest is gone");
        dprintf(output, "%s", f->says);
        *ret_status = 100;
        return 0;
}

static struct guest fake_start(struct fake *f)
{
        char path[128];

        snprintf(f->root, sizeof(f->root), "/tmp/infra-upgrade.XXXXXX");
        assert_non_null(mkdtemp(f->root));
        snprintf(path, sizeof(path), "%s/var/lib/dpkg", f->root);
        assert_int_equal(dir_make(AT_FDCWD, path, 0755), 0);
        snprintf(path, sizeof(path), "%s/transcript", f->root);
        f->transcript = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        assert_true(f->transcript >= 0);
        return (struct guest){ .run = run_fake, .userdata = f, .rootfs = f->root };
}

static char *fake_transcript(const struct fake *f)
{
        char path[128], *text = NULL;

        snprintf(path, sizeof(path), "%s/transcript", f->root);
        assert_int_equal(file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL), 0);
        return text;
}

static void fake_done(struct fake *f)
{
        close(f->transcript);
        strlist_done(&f->ran);
        strlist_done(&f->words);
        assert_int_equal(tree_remove(AT_FDCWD, f->root), 0);
}

static void test_commands(void **state UNUSED)
{
        struct fake f = {};
        struct guest g = fake_start(&f);
        _cleanup_free_ char *transcript = NULL;
        static const char *const order[] = { "-a", "update", "install", "-a", "full-upgrade" };

        assert_int_equal(package_upgrade(&g, "http://10.0.0.201:3128", f.transcript, LIMIT_MS, NULL), 0);
        assert_int_equal(f.ran.n, ELEMENTS(order));
        for (size_t i = 0; i < ELEMENTS(order); i++)
                assert_string_equal(f.ran.items[i], order[i]);
        assert_true(f.environment_good);
        assert_true(strlist_contains(&f.words, "Dpkg::Options::=--force-confold"));
        assert_true(strlist_contains(&f.words, "Acquire::http::Proxy=http://10.0.0.201:3128"));
        transcript = fake_transcript(&f);
        assert_true(startswith(transcript, "$ dpkg --force-confdef --force-confold --configure -a\n# ended with 0 after "));
        assert_non_null(strstr(transcript, "\n$ apt-get --yes --quiet "));
        fake_done(&f);
}

/* Runs with one command failing; the error must say @wanted. */
static void failing(const char *fails, const char *says, int result, int code, const char *wanted)
{
        struct fake f = { .fails = fails, .says = says, .result = result };
        struct guest g = fake_start(&f);
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(package_upgrade(&g, NULL, f.transcript, LIMIT_MS, &error), code);
        print_message("# %s\n", infra_error_message(error));
        if (code < 0)
                assert_non_null(strstr(infra_error_message(error), wanted));
        assert_null(strstr(infra_error_message(error), "# ended"));
        fake_done(&f);
}

static void test_failures(void **state UNUSED)
{
        failing("update", "Hit:1 http://x bookworm InRelease\nE: Failed to fetch http://x/InRelease  503\nE: Some index\n", 0,
                -EREMOTEIO, "apt-get update ended with 100: E: Failed to fetch http://x/InRelease  503; E: Some index");
        failing("full-upgrade",
                "Setting up dovecot-core\ndpkg: error processing package dovecot-core (--configure):\n"
                " installed dovecot-core package post-installation script subprocess returned error exit status 1\nE: Sub-process\n",
                0, -EREMOTEIO, "dovecot-core (--configure): installed dovecot-core package post-installation script");
        failing("full-upgrade", "no error line\nbut an end\n", 0, -EREMOTEIO, "ended with 100: but an end");
        failing("full-upgrade", "", 0, -EREMOTEIO, "cannot upgrade the packages: apt-get full-upgrade ended with 100");
        failing("full-upgrade", NULL, -EPIPE, -EPIPE, "cannot upgrade the packages: apt-get full-upgrade: the guest is gone");
        /* Mending may fail: what follows decides. */
        failing("--configure", "dpkg: dependency problems\n", 0, 0, NULL);
        failing("-f", "E: Unmet dependencies\n", 0, 0, NULL);
}

static void test_time_limit(void **state UNUSED)
{
        struct fake f = {};
        struct guest g = fake_start(&f);
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(package_upgrade(&g, NULL, f.transcript, 0, &error), -ETIME);
        assert_int_equal(f.ran.n, 0);
        assert_non_null(strstr(infra_error_message(error), "time limit"));
        fake_done(&f);
}

/* Another process takes dpkg's lock and gives it back after @ms (0 = never). */
static pid_t hold_lock(const struct fake *f, int ms)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        char path[128], byte;
        int ends[2];
        pid_t pid;

        snprintf(path, sizeof(path), "%s/var/lib/dpkg/lock-frontend", f->root);
        assert_int_equal(pipe(ends), 0);
        pid = fork();
        if (pid == 0) {
                int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

                if (fcntl(fd, F_SETLK, &lock) < 0)
                        _exit(1);
                write(ends[1], "x", 1);
                if (ms > 0)
                        usleep((useconds_t)ms * 1000);
                else
                        pause();
                _exit(0);
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        close(ends[0]);
        close(ends[1]);
        return pid;
}

static void test_lock(void **state UNUSED)
{
        struct fake f = {};
        struct guest g = fake_start(&f);
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_free_ char *transcript = NULL;
        pid_t pid = hold_lock(&f, 200);

        assert_int_equal(package_upgrade(&g, NULL, f.transcript, LIMIT_MS, &error), 0);
        waitpid(pid, NULL, 0);
        transcript = fake_transcript(&f);
        assert_true(startswith(transcript, "# waiting: process "));
        assert_non_null(strstr(transcript, "holds /var/lib/dpkg/lock-frontend"));
        pid = hold_lock(&f, 0);
        strlist_done(&f.ran);
        assert_int_equal(package_upgrade(&g, NULL, f.transcript, 300, &error), -EBUSY);
        print_message("# %s\n", infra_error_message(error));
        assert_int_equal(f.ran.n, 0);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fake_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_commands),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_time_limit),
                cmocka_unit_test(test_lock),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
