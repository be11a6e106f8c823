/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who came over a new connection: processes by hand, and this one. */

#include "../testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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

        put(p, 40, 1, 40, 0, 10, "sshd");
        put(p, 49, 40, 49, 0, 100, "sshd");
        put(p, 50, 49, 50, PTS0, 101, "bash");
        put(p, 60, 50, 50, PTS0, 800, "sudo");
        put(p, 61, 60, 61, PTS0 | 1, 801, "sudo");
        put(p, 62, 61, 61, PTS0 | 1, 801, "infractl");
        assert_began(p, 62, 100);
}

/* What has no connection above it proves nothing, however young it is. */
static void test_without_a_connection(void **state)
{
        static const char *const names[] = { "tmux: server", "screen", "SCREEN", "mosh-server", "cron", "atd", "systemd", "bash" };
        struct person *p = *state;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                put(p, 70, 1, 70, 0, 300, names[i]);
                put(p, 71, 70, 71, PTS0, 900, "zsh");
                put(p, 72, 71, 71, PTS0, 901, "infractl");
                assert_false(may(p, 72, 100));
        }
        /* Begun by systemd, or daemonised. */
        put(p, 73, 1, 73, 0, 900, "infractl");
        assert_false(may(p, 73, 100));
}

/* @inode: of a socket that process has. */
static void put_socket(struct person *p, int pid, const char *tcp, const char *tcp6, unsigned inode)
{
        _cleanup_free_ char *fds = path_join("%s/%d/fd", p->root, pid), *net = path_join("%s/%d/net", p->root, pid);
        _cleanup_free_ char *fd = path_join("%s/%d/fd/4", p->root, pid), *to = path_join("socket:[%u]", inode);
        _cleanup_free_ char *four = path_join("%s/%d/net/tcp", p->root, pid), *six = path_join("%s/%d/net/tcp6", p->root, pid);

        assert_int_equal(dir_make(AT_FDCWD, fds, 0755), 0);
        assert_int_equal(dir_make(AT_FDCWD, net, 0755), 0);
        unlink(fd);
        assert_int_equal(symlink(to, fd), 0);
        assert_int_equal(file_replace(AT_FDCWD, four, tcp, strlen(tcp), 0644), 0);
        assert_int_equal(file_replace(AT_FDCWD, six, tcp6, strlen(tcp6), 0644), 0);
}

#define HEAD "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define REST " 00000000:00000000 02:00 00000000     0        0 "

static void test_connection_from_the_host_itself(void **state)
{
        static const char listens[] = HEAD "   0: 00000000:0016 00000000:0000 0A" REST "700 1 0 100 0 0 10 0\n";
        static const char near[] = HEAD "   0: 0100007F:0016 0100007F:A3D2 01" REST "77 4 0 20 4 30 10 -1\n"
                                        "   1: 0100007F:A3D2 0100007F:0016 01" REST "78 4 0 20 4 30 10 -1\n";
        static const char far[] = HEAD "   0: 026433C6:0016 077100CB:A3D2 01" REST "77 4 0 20 4 30 10 -1\n"
                                       "   1: 026433C6:A3D2 077100CB:0016 01" REST "78 4 0 20 4 30 10 -1\n";
        static const char mapped[] = HEAD "   0: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000100007F:A3D2 01" REST "77 1 0\n";
        static const char there[] = HEAD "   1: 0100007F:A3D2 0100007F:0016 01" REST "78 4 0 20 4 30 10 -1\n";
        static const char six[] = HEAD "   0: 00000000000000000000000001000000:0016 00000000000000000000000001000000:A3D2 01" REST "77 1 0\n"
                                       "   1: 00000000000000000000000001000000:A3D2 00000000000000000000000001000000:0016 01" REST "78 1 0\n";
        struct person *p = *state;

        put(p, 100, 1, 100, 0, 10, "sshd");
        put(p, 200, 100, 200, 0, 500, "sshd");
        put(p, 202, 200, 202, 0, 501, "infractl");
        put_socket(p, 200, far, HEAD, 77);
        assert_true(may(p, 202, 400));
        put_socket(p, 200, listens, HEAD, 700);
        assert_true(may(p, 202, 400));
        put_socket(p, 200, near, HEAD, 77);
        assert_false(may(p, 202, 400));
        put_socket(p, 200, near, HEAD, 79);
        assert_true(may(p, 202, 400));
        put_socket(p, 200, there, mapped, 77);
        assert_false(may(p, 202, 400));
        put_socket(p, 200, HEAD, six, 77);
        assert_false(may(p, 202, 400));
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
                assert_false(may(p, 81, 1));
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
}

/* A process as sshd would have started it: its own parent is called like that. */
static void test_real_processes(void **state)
{
        int64_t before = clock_boottime_ms();
        int ready[2], status;
        pid_t daemon, child;

        (void)state;
        assert_int_equal(pipe(ready), 0);
        clock_sleep_ms(30);
        daemon = fork();
        if (daemon == 0) {
                prctl(PR_SET_NAME, "sshd");
                child = fork();
                if (child == 0) {
                        setsid();
                        pause();
                }
                write(ready[1], &child, sizeof(child));
                pause();
        }
        assert_int_equal(read(ready[0], &child, sizeof(child)), sizeof(child));
        assert_int_equal(session_check("/proc", child, before, NULL), 0);
        assert_int_equal(session_check("/proc", child, clock_boottime_ms(), NULL), -EPERM);
        kill(child, SIGKILL);
        kill(daemon, SIGKILL);
        waitpid(daemon, &status, 0);
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
                cmocka_unit_test_setup_teardown(test_without_a_connection, setup, teardown),
                cmocka_unit_test_setup_teardown(test_connection_from_the_host_itself, setup, teardown),
                cmocka_unit_test_setup_teardown(test_console, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
                cmocka_unit_test(test_real_processes),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
