/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The part of real-container about starting and stopping: who survives whom, how long it takes, why it failed. */

#include "real-container.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

void power_monitor_dies_and_the_guest_with_it(void **state)
{
        (void)state;
        boot(false);
        assert_int_equal(outside("kill -KILL $(ps -eo pid,args | grep -F '[lxc monitor] " LXC_PATH " " NAME
                                 "' | grep -v grep | awk '{print $1}')"),
                         0);
        clock_sleep_ms(500);
        assert_int_equal(status_now().state, CONTAINER_STOPPED);
        assert_int_equal(outside("! pgrep -x systemd-journal"), 0);
        boot(false);
}

void power_stop_is_orderly_within_the_grace(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        int64_t begin;
        bool killed = true;

        (void)state;
        boot(false);
        assert_int_equal(
                inside("printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=true\\nExecStop=sh -c \"sleep 1; date > /srv/data/stopped\"\\n' "
                       "> /run/systemd/system/last.service && systemctl daemon-reload && systemctl start last",
                       NULL),
                0);
        begin = clock_boottime_ms();
        good(container_stop(LXC_PATH, NAME, STOP_MS, &killed, &error), &error);
        print_message("# stopped in %lld ms\n", (long long)(clock_boottime_ms() - begin));
        assert_false(killed);
        assert_int_equal(outside("test -s " WORK "/volumes/data/stopped"), 0);
        good(container_stop(LXC_PATH, NAME, STOP_MS, &killed, &error), &error);
        assert_false(killed);
}

static void noise(int signal_number)
{
        (void)signal_number;
}

void power_stop_kills_after_the_grace_whatever_signals_come(void **state)
{
        const struct sigaction interrupting = { .sa_handler = noise }, ordinary = { .sa_handler = SIG_DFL };
        _cleanup_error_ infra_error *error = NULL;
        bool killed = false;
        int64_t took;

        (void)state;
        boot(false);
        assert_int_equal(
                inside("printf '[Service]\\nExecStart=sleep infinity\\nExecStop=sleep infinity\\nTimeoutStopSec=infinity\\n' "
                       "> /run/systemd/system/deaf.service && systemctl daemon-reload && systemctl start deaf",
                       NULL),
                0);
        sigaction(SIGALRM, &interrupting, NULL);
        alarm(1);
        took = clock_boottime_ms();
        good(container_stop(LXC_PATH, NAME, 3000, &killed, &error), &error);
        took = clock_boottime_ms() - took;
        alarm(0);
        sigaction(SIGALRM, &ordinary, NULL);
        assert_true(killed);
        assert_in_range(took, 3000, 8000);
        assert_int_equal(status_now().state, CONTAINER_STOPPED);
}

void power_stop_right_after_start(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        bool killed = true;

        (void)state;
        configure(false);
        good(container_start(LXC_PATH, NAME, &error), &error);
        good(container_stop(LXC_PATH, NAME, STOP_MS, &killed, &error), &error);
        assert_false(killed);
}

/* A worker with every signal blocked, killed with its whole session as soon as the container runs. */
void power_container_outlives_its_starter(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        sigset_t all;
        int status;
        pid_t pid;

        (void)state;
        configure(false);
        pid = fork();
        if (pid == 0) {
                setsid();
                sigfillset(&all);
                sigprocmask(SIG_SETMASK, &all, NULL);
                signal(SIGCHLD, SIG_IGN);
                signal(SIGPIPE, SIG_IGN);
                status = container_start(LXC_PATH, NAME, NULL);
                kill(0, status < 0 ? SIGTERM : SIGKILL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        good(container_wait_booted(LXC_PATH, NAME, START_MS, &error), &error);
        /* Nothing of what the starter ignored or blocked is left in what the guest's init starts. */
        assert_int_equal(inside("systemd-run --quiet --wait --pipe grep -E '^SigBlk:.0+$' /proc/self/status", NULL), 0);
}

void power_two_starts_make_one_container(void **state)
{
        pid_t pids[2];
        int status;

        (void)state;
        configure(false);
        for (size_t i = 0; i < 2; i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        _cleanup_error_ infra_error *error = NULL;
                        int r = container_start(LXC_PATH, NAME, &error);

                        if (r < 0)
                                dprintf(STDOUT_FILENO, "# %s\n", infra_error_message(error));
                        _exit(r < 0);
                }
        }
        for (size_t i = 0; i < 2; i++) {
                waitpid(pids[i], &status, 0);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        boot(false);
        assert_int_equal(outside("test $(pgrep -xc systemd-journal) = 1"), 0);
}

void power_failed_start_says_why(void **state)
{
        static const char *const gone[] = { WORK "/volumes/data", WORK "/volumes/gone" };
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        configure(false);
        good(container_configure(the_estate(), the_container(), WORK "/no-root", the_volumes, false, &error), &error);
        bad(container_start(LXC_PATH, NAME, &error), &error, -ENOENT, "its root " WORK "/no-root");
        good(container_configure(the_estate(), the_container(), ROOTFS, gone, false, &error), &error);
        bad(container_start(LXC_PATH, NAME, &error), &error, -ENOENT, "its volume " WORK "/volumes/gone");
        configure(false);
        assert_int_equal(outside("mv " ROOTFS "/sbin/init " ROOTFS "/sbin/init.away"), 0);
        bad(container_start(LXC_PATH, NAME, &error), &error, -EIO, "init");
        assert_int_equal(outside("mv " ROOTFS "/sbin/init.away " ROOTFS "/sbin/init"), 0);
        assert_int_equal(outside("ip link set br0 down && ip link set br0 name br1"), 0);
        bad(container_start(LXC_PATH, NAME, &error), &error, -ENODEV, "no bridge br0");
        assert_int_equal(outside("ip link set br1 name br0 && ip link set br0 up"), 0);
        good(bridge_make(&the_estate()->host, &error), &error);
        boot(false);
}

void power_filesystem_without_idmap_is_named(void **state)
{
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        configure(false);
        /* sysfs never has them. */
        good(container_configure(the_estate(), the_container(), "/sys", the_volumes, false, &error), &error);
        bad(container_start(LXC_PATH, NAME, &error), &error, -EIO, "id-mapped mounts");
        configure(false);
}

/* Duplicate detection would keep it silent for one to two seconds after each start. */
void power_ipv6_answers_at_once(void **state)
{
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        configure(false);
        good(container_start(LXC_PATH, NAME, &error), &error);
        assert_int_equal(outside("python3 -c '\n"
                                 "import socket\n"
                                 "try: socket.create_connection((\"2001:db8:616:162:2::5\", 1), 0.5)\n"
                                 "except ConnectionRefusedError: pass'"),
                         0);
        assert_int_equal(
                outside("! nsenter --net=/proc/$(pgrep -xo systemd)/ns/net ip -6 addr show dev eth0 scope global | grep -q tentative"),
                0);
        good(container_wait_booted(LXC_PATH, NAME, START_MS, &error), &error);
        assert_int_equal(inside("ip -6 route | grep -q '^default via 2001:db8:616:162:2::1 dev eth0'", NULL), 0);
}
