/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The container room on real containers:
 *
 *      INFRA_TEST_ROOT_TAR=bookworm.tar tests/host/isolated-host NAME .../real-container
 *
 * INFRA_TEST_FILESYSTEM is btrfs (default) or ext4. With INFRA_TEST_PROXY_SOCKET a release root is made too.
 * The tests build on each other: bridge and ids first, then one container through its life.
 */

#include "real-container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static void bridge_is_made_once(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        struct host foreign = the_estate()->host;

        (void)state;
        assert_false(bridge_is_made(&the_estate()->host));
        good(bridge_make(&the_estate()->host, &error), &error);
        assert_true(bridge_is_made(&the_estate()->host));
        good(bridge_make(&the_estate()->host, &error), &error);
        assert_int_equal(outside("test $(ip -o addr show dev br0 | grep -c 'global') = 2"), 0);
        assert_int_equal(
                outside("test $(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | tr -d '\\n') = 11"),
                0);
        assert_int_equal(outside("echo 0 > /proc/sys/net/ipv4/ip_forward"), 0);
        assert_int_equal(outside("cp /sys/class/net/br0/address /mnt/bridge-address"), 0);
        assert_false(bridge_is_made(&the_estate()->host));
        good(bridge_make(&the_estate()->host, &error), &error);
        foreign.bridge = (char *)(uintptr_t) "eno1";
        bad(bridge_make(&foreign, &error), &error, -EEXIST, "not a bridge");
        assert_int_equal(outside("! ip -o addr show dev eno1 | grep -q 10.0.0.1"), 0);
}

static void start_says_which_ids_are_missing(void **state)
{
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        assert_int_equal(
                outside("grep -v ^root: /etc/subuid > /mnt/s; echo mario:200000:65536 >> /mnt/s; cat /mnt/s > /etc/subuid; cat /mnt/s > /etc/subgid"),
                0);
        configure(false);
        assert_int_equal(status_now().state, CONTAINER_STOPPED);
        bad(container_start(LXC_PATH, NAME, &error), &error, -EIO, "subuid");
        assert_int_equal(status_now().state, CONTAINER_STOPPED);
        good(idmap_allow(&the_estate()->host, &error), &error);
        good(idmap_allow(&the_estate()->host, &error), &error);
        assert_int_equal(
                outside("test \"$(grep -c ^root:100000:65536$ /etc/subuid)\" = 1 && grep -q ^mario: /etc/subgid"), 0);
}

static void root_is_prepared_inside_it(void **state)
{
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        assert_int_equal(outside("rm -f " ROOTFS "/etc/resolv.conf; ln -s /mnt/outside " ROOTFS
                                 "/etc/resolv.conf; echo mine > /mnt/outside"),
                         0);
        good(container_prepare_root(the_estate(), the_container(), ROOTFS, &error), &error);
        assert_int_equal(outside("test \"$(cat /mnt/outside)\" = mine && test \"$(cat " ROOTFS
                                 "/etc/resolv.conf)\" = 'nameserver 10.0.0.1'"),
                         0);
        /* A directory that leads out is followed inside the root only. */
        assert_int_equal(outside("mkdir -p /mnt/apt && mv " ROOTFS
                                 "/etc/apt/apt.conf.d /mnt/kept && ln -s /mnt/apt " ROOTFS "/etc/apt/apt.conf.d"),
                         0);
        good(container_prepare_root(the_estate(), the_container(), ROOTFS, &error), &error);
        assert_int_equal(outside("test -z \"$(ls -A /mnt/apt)\" && rm " ROOTFS
                                 "/etc/apt/apt.conf.d && cp -a /mnt/kept " ROOTFS "/etc/apt/apt.conf.d"),
                         0);
}

static void unprivileged_files_keep_their_owners(void **state)
{
        _cleanup_free_ char *output = NULL;

        (void)state;
        boot(false);
        assert_int_equal(
                inside("cat /proc/self/uid_map | tr -s ' '; stat -c %u:%g /srv/data/file /root; echo new > /srv/data/new; chown 33:33 /srv/data/new; touch /root/new '/srv/a #b/new'; cat /srv/data/file; hostname",
                       &output),
                0);
        assert_string_equal(output, " 0 100000 65536\n33:33\n0:0\nold\nplain\n");
        assert_int_equal(outside("test \"$(stat -c %u:%g " WORK "/volumes/data/new " ROOTFS "/root/new '" WORK
                                 "/volumes/a #b/new' | tr '\\n' ' ')\" = '33:33 0:0 0:0 '"),
                         0);
        /* On the host its processes have the subordinate ids. */
        assert_int_equal(outside("ps -o uid= -C systemd-journal | grep -q 100000"), 0);
        free(output);
        output = NULL;
        assert_int_equal(
                inside("systemctl --failed --no-legend --plain | grep -Ev '^(sys-kernel-debug.mount|systemd-modules-load.service) '; wc -c < /etc/machine-id",
                       &output),
                0);
        assert_string_equal(output, "33\n");
}

static void host_and_container_reach_each_other(void **state)
{
        (void)state;
        boot(false);
        /* The gateway's hardware address does not change with the containers. */
        assert_int_equal(outside("cmp /sys/class/net/br0/address /mnt/bridge-address"), 0);
        assert_int_equal(
                inside("ip -o addr show dev eth0 | grep -q '10.0.0.5/24' && ip -o addr show dev eth0 | grep -q '2001:db8:616:162:2::5/80'",
                       NULL),
                0);
        assert_int_equal(
                inside("ip route | grep -q 'default via 10.0.0.1' && ip -6 route | grep -q 'default via 2001:db8:616:162:2::1'",
                       NULL),
                0);
        assert_int_equal(
                outside("python3 -c 'import socket,sys\nfor a in (\"10.0.0.5\",\"2001:db8:616:162:2::5\"):\n try: socket.create_connection((a,1),3)\n except ConnectionRefusedError: pass'"),
                0);
}

static void status_and_names(void **state)
{
        _cleanup_strlist_ struct strlist names = {};
        _cleanup_error_ infra_error *error = NULL;
        struct container_status s;

        (void)state;
        boot(false);
        s = status_now();
        assert_int_equal(s.state, CONTAINER_RUNNING);
        assert_true(s.managed && s.init > 1);
        assert_string_equal(s.rootfs, ROOTFS);
        good(container_observe(LXC_PATH, "nobody", &s, &error), &error);
        assert_int_equal(s.state, CONTAINER_ABSENT);
        good(container_names(LXC_PATH, &names, &error), &error);
        assert_int_equal(names.n, 1);
        assert_int_equal(outside("test ! -e " LXC_PATH "/nobody"), 0);
}

static int run(const char *const *argv, const char *const *environment, int64_t timeout_ms, int input,
               char **ret_output, infra_error **reterr)
{
        struct container_command command = { .argv = argv,
                                             .environment = environment,
                                             .input = input,
                                             .output = -1,
                                             .ret_output = ret_output,
                                             .timeout_ms = timeout_ms };
        int status = -1, r = container_run(LXC_PATH, NAME, &command, &status, reterr);

        return r < 0 ? r : status;
}

static void commands_hand_on_exit_output_and_environment(void **state)
{
        static const char *const print[] = { "sh", "-c", "echo out; echo err >&2; echo $A $HOME $SECRET; exit 7",
                                             NULL };
        static const char *const killed[] = { "sh", "-c", "kill -TERM $$", NULL }, *const none[] = { "no-such-program",
                                                                                                     NULL };
        static const char *const reader[] = { "cat", NULL }, *const signals[] = { "grep", "^SigIgn",
                                                                                  "/proc/self/status", NULL };
        static const char *const environment[] = { "A=b", NULL };
        _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL, *f = NULL;
        _cleanup_error_ infra_error *error = NULL;
        int ends[2];

        (void)state;
        boot(false);
        setenv("SECRET", "secret", 1);
        signal(SIGPIPE, SIG_IGN);
        assert_int_equal(run(print, environment, COMMAND_MS, -1, &a, &error), 7);
        assert_string_equal(a, "out\nerr\nb /root\n");
        assert_int_equal(run(killed, NULL, COMMAND_MS, -1, &b, &error), 128 + SIGTERM);
        assert_int_equal(run(none, NULL, COMMAND_MS, -1, &c, &error), 127);
        assert_non_null(strstr(c, "no-such-program: No such file"));
        assert_int_equal(run(reader, NULL, COMMAND_MS, -1, &d, &error), 0);
        assert_string_equal(d, "");
        assert_int_equal(pipe2(ends, O_CLOEXEC) | (int)write(ends[1], "in", 2), 2);
        close(ends[1]);
        assert_int_equal(run(reader, NULL, COMMAND_MS, ends[0], &e, &error), 0);
        assert_string_equal(e, "in");
        close(ends[0]);
        /* What we ignore, the guest's programs do not. */
        assert_int_equal(run(signals, NULL, COMMAND_MS, -1, &f, &error), 0);
        assert_non_null(strstr(f, "0000000000000000"));
}

static void late_command_is_killed_with_its_children(void **state)
{
        static const char *const sleeper[] = { "sh", "-c", "echo begun; sleep 4711 & sleep 4712; true", NULL };
        _cleanup_error_ infra_error *error = NULL;
        int64_t begin = clock_boottime_ms();
        char *output = NULL;

        (void)state;
        boot(false);
        bad(run(sleeper, NULL, 500, -1, &output, &error), &error, -ETIME, "time limit");
        assert_in_range(clock_boottime_ms() - begin, 450, 5000);
        free(output);
        assert_int_equal(inside("! grep -al 'sleep.471[12]' /proc/[0-9]*/cmdline | grep -v self", NULL), 0);
}

static void frozen_is_not_entered(void **state)
{
        static const char *const argv[] = { "true", NULL };
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        boot(false);
        good(container_freeze(LXC_PATH, NAME, &error), &error);
        assert_int_equal(status_now().state, CONTAINER_FROZEN);
        bad(run(argv, NULL, COMMAND_MS, -1, NULL, &error), &error, -EBUSY, "frozen");
        good(container_freeze(LXC_PATH, NAME, &error), &error);
        good(container_unfreeze(LXC_PATH, NAME, &error), &error);
        good(container_unfreeze(LXC_PATH, NAME, &error), &error);
        assert_int_equal(run(argv, NULL, COMMAND_MS, -1, NULL, &error), 0);
        /* A frozen one stops in order, too. */
        good(container_freeze(LXC_PATH, NAME, &error), &error);
        good(container_stop(LXC_PATH, NAME, STOP_MS, NULL, &error), &error);
}

static void container_ends_under_a_command(void **state)
{
        static const char *const argv[] = { "sleep", "30", NULL };
        _cleanup_error_ infra_error *error = NULL;
        pid_t init, killer;

        (void)state;
        boot(false);
        init = status_now().init;
        killer = fork();
        if (killer == 0) {
                clock_sleep_ms(300);
                _exit(kill(init, SIGKILL));
        }
        bad(run(argv, NULL, COMMAND_MS, -1, NULL, &error), &error, -ECONNRESET, "ended while");
        waitpid(killer, NULL, 0);
        for (int i = 0; i < 200 && status_now().state != CONTAINER_STOPPED; i++)
                clock_sleep_ms(20);
        bad(run(argv, NULL, COMMAND_MS, -1, NULL, &error), &error, -ENOTCONN, "not running");
        boot(false);
}

static void privileged_container_boots(void **state)
{
        _cleanup_free_ char *output = NULL;

        (void)state;
        boot(true);
        assert_int_equal(inside("tr -s ' ' < /proc/self/uid_map; stat -c %u /srv/data/file", &output), 0);
        assert_string_equal(output, " 0 0 4294967295\n33\n");
        boot(false);
}

static void foreign_container_stays_as_it_is(void **state)
{
        static const char *const argv[] = { "true", NULL };
        struct container_command command = { .argv = argv, .input = -1, .output = -1 };
        _cleanup_error_ infra_error *error = NULL;
        struct container_status s;
        struct container c = *the_container();
        int status;

        (void)state;
        boot(false);
        /* The mark taken away while it runs: from now on it is somebody else's. */
        assert_int_equal(outside("sed -i 1d " LXC_PATH "/" NAME "/config"), 0);
        good(container_observe(LXC_PATH, NAME, &s, &error), &error);
        assert_true(!s.managed && s.state == CONTAINER_RUNNING);
        bad(container_start(LXC_PATH, NAME, &error), &error, -EPERM, "foreign");
        bad(container_stop(LXC_PATH, NAME, 0, NULL, &error), &error, -EPERM, "foreign");
        bad(container_freeze(LXC_PATH, NAME, &error), &error, -EPERM, "foreign");
        bad(container_unfreeze(LXC_PATH, NAME, &error), &error, -EPERM, "foreign");
        bad(container_forget(LXC_PATH, NAME, &error), &error, -EPERM, "foreign");
        bad(container_run(LXC_PATH, NAME, &command, &status, &error), &error, -EPERM, "foreign");
        bad(container_shell(LXC_PATH, NAME, argv, &status, &error), &error, -EPERM, "foreign");
        bad(container_console(LXC_PATH, NAME, &error), &error, -EPERM, "foreign");
        bad(container_configure(the_estate(), &c, ROOTFS, the_volumes, false, &error), &error, -EPERM, "foreign");
        assert_int_equal(status_now().init, s.init);
        assert_int_equal(outside("sed -i '1i " CONTAINER_MARK "' " LXC_PATH "/" NAME "/config"), 0);
        assert_int_equal(inside("true", NULL), 0);
}

static void guest_reboots_by_itself(void **state)
{
        pid_t init;

        (void)state;
        boot(false);
        init = status_now().init;
        inside("systemctl reboot", NULL);
        for (int i = 0; i < 500 && (status_now().init == init || status_now().state != CONTAINER_RUNNING); i++)
                clock_sleep_ms(20);
        assert_int_not_equal(status_now().init, init);
        assert_int_equal(status_now().state, CONTAINER_RUNNING);
}

static void forgotten_only_when_stopped(void **state)
{
        _cleanup_error_ infra_error *error = NULL;

        (void)state;
        boot(false);
        bad(container_forget(LXC_PATH, NAME, &error), &error, -EBUSY, "running");
        good(container_stop(LXC_PATH, NAME, STOP_MS, NULL, &error), &error);
        good(container_forget(LXC_PATH, NAME, &error), &error);
        assert_int_equal(status_now().state, CONTAINER_ABSENT);
        good(container_forget(LXC_PATH, NAME, &error), &error);
        bad(container_start(LXC_PATH, NAME, &error), &error, -ENOENT, "does not exist");
        assert_int_equal(outside("test -e " ROOTFS "/etc/hostname"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bridge_is_made_once),
                cmocka_unit_test(start_says_which_ids_are_missing),
                cmocka_unit_test(root_is_prepared_inside_it),
                cmocka_unit_test(unprivileged_files_keep_their_owners),
                cmocka_unit_test(host_and_container_reach_each_other),
                cmocka_unit_test(status_and_names),
                cmocka_unit_test(commands_hand_on_exit_output_and_environment),
                cmocka_unit_test(late_command_is_killed_with_its_children),
                cmocka_unit_test(frozen_is_not_entered),
                cmocka_unit_test(container_ends_under_a_command),
                cmocka_unit_test(power_monitor_dies_and_the_guest_with_it),
                cmocka_unit_test(power_stop_is_orderly_within_the_grace),
                cmocka_unit_test(power_stop_kills_after_the_grace_whatever_signals_come),
                cmocka_unit_test(power_stop_right_after_start),
                cmocka_unit_test(power_ipv6_answers_at_once),
                cmocka_unit_test(power_container_outlives_its_starter),
                cmocka_unit_test(power_two_starts_make_one_container),
                cmocka_unit_test(power_failed_start_says_why),
                cmocka_unit_test(power_filesystem_without_idmap_is_named),
                cmocka_unit_test(privileged_container_boots),
                cmocka_unit_test(foreign_container_stays_as_it_is),
                cmocka_unit_test(guest_reboots_by_itself),
                cmocka_unit_test(terminal_login),
                cmocka_unit_test(terminal_shell),
                cmocka_unit_test(terminal_console),
                cmocka_unit_test(terminal_pipes),
                cmocka_unit_test(forgotten_only_when_stopped),
                cmocka_unit_test(release_root),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
