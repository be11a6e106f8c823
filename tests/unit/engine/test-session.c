/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who came over a new connection: processes by hand, and this one. */

#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "engine/session.h"

struct person {
        char root[32];
        long ticks;
};

static int setup(void **state)
{
        struct person *p = calloc(1, sizeof(*p));

        strcpy(p->root, "/tmp/infra-session-XXXXXX");
        assert_non_null(mkdtemp(p->root));
        p->ticks = sysconf(_SC_CLK_TCK);
        *state = p;
        return 0;
}

static int teardown(void **state)
{
        struct person *p = *state;

        tree_remove(AT_FDCWD, p->root);
        free(p);
        return 0;
}

enum { TTY1 = 4 << 8 | 1, TTYS0 = 4 << 8 | 64, HVC0 = 229 << 8, PTS0 = 136 << 8 };

static void put(struct person *p, int pid, int parent, int session, int tty, unsigned second, const char *name)
{
        _cleanup_free_ char *directory = path_join("%s/%d", p->root, pid), *path = path_join("%s/%d/stat", p->root, pid);
        _cleanup_free_ char *text = path_join("%d (%s) S %d %d %d %d %d 4194560 100 0 0 0 1 2 0 0 20 0 1 0 %ld 9000 200 1 1 1\n", pid,
                                              name, parent, pid, session, tty, pid, (long)second * p->ticks);

        assert_int_equal(dir_make(AT_FDCWD, directory, 0755), 0);
        assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

/* Whether that process may confirm what was loaded in that second. */
static bool may(struct person *p, int pid, int64_t second)
{
        _cleanup_error_ infra_error *error = NULL;
        int r = session_check(p->root, pid, second * 1000, &error);

        assert_true(r == 0 || r == -EPERM);
        assert_int_equal(r < 0, error != NULL);
        return r == 0;
}

static void assert_began(struct person *p, int pid, int64_t second)
{
        assert_true(may(p, pid, second - 1));
        assert_false(may(p, pid, second));
}

static void test_ssh(void **state)
{
        struct person *p = *state;

        put(p, 100, 1, 100, 0, 10, "sshd");
        put(p, 200, 100, 200, 0, 500, "sshd-session");
        put(p, 201, 200, 200, 0, 501, "sshd-session");
        put(p, 202, 201, 202, PTS0, 501, "bash");
        put(p, 203, 202, 202, PTS0, 900, "infractl");
        assert_began(p, 203, 500);
        /* Another session over the same connection is no new one. */
        put(p, 300, 201, 300, 0, 950, "bash");
        put(p, 301, 300, 300, 0, 951, "infractl");
        assert_began(p, 301, 500);
}

static void test_ssh_of_root(void **state)
{
        struct person *p = *state;

        put(p, 100, 1, 100, 0, 10, "sshd");
        put(p, 200, 100, 200, 0, 500, "sshd");
        put(p, 202, 200, 202, 0, 501, "infractl");
        assert_began(p, 202, 500);
}

/* Where systemd starts a daemon for each connection there is none that listens. */
static void test_ssh_by_socket(void **state)
{
        struct person *p = *state;

        put(p, 200, 1, 200, 0, 500, "sshd");
        put(p, 202, 200, 202, PTS0, 700, "odd) name (1");
        assert_began(p, 202, 500);
}

static void test_sudo_is_no_new_session(void **state)
{
        struct person *p = *state;

        put(p, 50, 1, 50, PTS0, 100, "bash");
        put(p, 60, 50, 50, PTS0, 800, "sudo");
        put(p, 61, 60, 61, PTS0 | 1, 801, "sudo");
        put(p, 62, 61, 61, PTS0 | 1, 801, "infractl");
        assert_began(p, 62, 100);
}

static void test_window_of_old_multiplexer(void **state)
{
        static const char *const names[] = { "tmux: server", "screen", "SCREEN", "mosh-server" };
        struct person *p = *state;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                put(p, 70, 1, 70, 0, 300, names[i]);
                put(p, 71, 70, 71, PTS0, 900, "zsh");
                put(p, 72, 71, 71, PTS0, 901, "infractl");
                assert_began(p, 72, 300);
        }
}

static void test_console(void **state)
{
        static const int consoles[] = { TTY1, TTYS0, HVC0, 5 << 8 | 1 }, others[] = { 0, PTS0, 5 << 8 | 2 };
        struct person *p = *state;

        put(p, 80, 1, 80, 0, 1, "login");
        for (size_t i = 0; i < ELEMENTS(consoles); i++) {
                put(p, 81, 80, 81, consoles[i], 2, "bash");
                assert_true(may(p, 81, 1000));
        }
        for (size_t i = 0; i < ELEMENTS(others); i++) {
                put(p, 81, 80, 81, others[i], 2, "bash");
                assert_began(p, 81, 2);
        }
        /* sudo at the console. */
        put(p, 81, 80, 81, TTYS0, 2, "bash");
        put(p, 82, 81, 82, PTS0, 2000, "sudo");
        assert_true(may(p, 82, 1000));
}

static void test_unknown(void **state)
{
        struct person *p = *state;

        assert_false(may(p, 99, 0));
        assert_false(may(p, 0, 0));
        put(p, 91, 1, 90, PTS0, 5, "bash"); /* the leader has gone */
        assert_false(may(p, 91, 1));
}

static void test_this_process(void **state)
{
        int64_t before = clock_boottime_ms();
        int ready[2], status;
        pid_t child;

        (void)state;
        assert_int_equal(pipe(ready), 0);
        clock_sleep_ms(30);
        child = fork();
        if (child == 0) {
                /* Nobody's, as if the daemon had started it. */
                if (fork() == 0) {
                        setsid();
                        status = getpid();
                        write(ready[1], &status, sizeof(status));
                        pause();
                }
                _exit(0);
        }
        waitpid(child, &status, 0);
        assert_int_equal(read(ready[0], &child, sizeof(child)), sizeof(child));
        assert_int_equal(session_check("/proc", child, before, NULL), 0);
        assert_int_equal(session_check("/proc", child, clock_boottime_ms(), NULL), -EPERM);
        kill(child, SIGKILL);
        close(ready[0]);
        close(ready[1]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_ssh, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ssh_of_root, setup, teardown),
                cmocka_unit_test_setup_teardown(test_ssh_by_socket, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sudo_is_no_new_session, setup, teardown),
                cmocka_unit_test_setup_teardown(test_window_of_old_multiplexer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_console, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
                cmocka_unit_test(test_this_process),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
