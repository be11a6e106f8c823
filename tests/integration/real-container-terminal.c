/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The parts of real-container that a person sees: shell and console on a terminal, a release root being made. */

#include "real-container.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

struct screen {
        int fd;
        pid_t pid;
        struct str text;
};

/* Starts @act in a session on a terminal of its own, 40 lines of 120 columns. */
static void screen_open(struct screen *s, int (*act)(void))
{
        const struct winsize size = { .ws_row = 40, .ws_col = 120 };

        *s = (struct screen){ .fd = -1 };
        s->pid = forkpty(&s->fd, NULL, NULL, &size);
        assert_true(s->pid >= 0);
        if (s->pid == 0) {
                setenv("TERM", "xterm", 1);
                _exit(act());
        }
}

static void screen_type(struct screen *s, const char *keys)
{
        assert_int_equal(write(s->fd, keys, strlen(keys)), strlen(keys));
}

/* Waits until the text after the last wait contains @words. */
static void screen_wait(struct screen *s, const char *words)
{
        int64_t end = clock_boottime_ms() + 10000;
        char *at, *rest;

        while (!s->text.text || !(at = strstr(s->text.text, words))) {
                struct pollfd p = { .fd = s->fd, .events = POLLIN };
                char buffer[4096];
                ssize_t n = poll(&p, 1, 100) > 0 ? read(s->fd, buffer, sizeof(buffer)) : 0;

                if (n > 0)
                        str_add_bytes(&s->text, buffer, (size_t)n);
                if (n < 0 || clock_boottime_ms() > end)
                        fail_msg("the terminal never showed '%s': %s", words, s->text.text ? s->text.text : "");
        }
        rest = strdup(at + strlen(words));
        str_done(&s->text);
        s->text = (struct str){};
        str_add(&s->text, "%s", rest);
        free(rest);
}

static int screen_close(struct screen *s)
{
        int status = -1;

        for (int i = 0; i < 500 && waitpid(s->pid, &status, WNOHANG) == 0; i++) {
                struct pollfd p = { .fd = s->fd, .events = POLLIN };
                char buffer[4096];

                if (poll(&p, 1, 20) > 0 && read(s->fd, buffer, sizeof(buffer)) < 0)
                        clock_sleep_ms(20);
        }
        close(s->fd);
        str_done(&s->text);
        kill(s->pid, SIGKILL);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int shell(void)
{
        static const char *const argv[] = { "bash", "--norc", "-i", NULL };
        struct sigaction before, after;
        int status = -1, r;

        sigaction(SIGINT, NULL, &before);
        r = container_shell(LXC_PATH, NAME, argv, &status, NULL);
        sigaction(SIGINT, NULL, &after);
        return r < 0 || before.sa_handler != after.sa_handler ? 99 : status;
}

static int login(void)
{
        int status = -1, r = container_shell(LXC_PATH, NAME, NULL, &status, NULL);

        return r < 0 ? 99 : status;
}

void terminal_login(void **state)
{
        struct screen s;

        (void)state;
        boot(false);
        screen_open(&s, login);
        screen_wait(&s, "# ");
        screen_type(&s, "shopt -q login_shell && echo log''in-$SHLVL\nexit 6\n");
        screen_wait(&s, "login-1");
        assert_int_equal(screen_close(&s), 6);
}

void terminal_shell(void **state)
{
        struct winsize bigger = { .ws_row = 50, .ws_col = 132 };
        struct screen s;

        (void)state;
        boot(false);
        screen_open(&s, shell);
        screen_wait(&s, "# ");
        screen_type(&s, "stty size; echo $TERM-$HOME-$((6*7))\n");
        screen_wait(&s, "40 120");
        screen_wait(&s, "xterm-/root-42");
        /* Job control: ^C ends the job and not the shell, ^Z stops it. */
        screen_type(&s, "sleep 1000\n");
        clock_sleep_ms(300);
        screen_type(&s, "\003");
        screen_type(&s, "echo code=$?\n");
        screen_wait(&s, "code=130");
        screen_type(&s, "sleep 1001\n");
        clock_sleep_ms(300);
        screen_type(&s, "\032");
        screen_wait(&s, "Stopped");
        screen_type(&s, "kill %1\n");
        ioctl(s.fd, TIOCSWINSZ, &bigger);
        clock_sleep_ms(300);
        screen_type(&s, "stty size\n");
        screen_wait(&s, "50 132");
        screen_type(&s, "exit 5\n");
        assert_int_equal(screen_close(&s), 5);
}

static int console(void)
{
        return container_console(LXC_PATH, NAME, NULL) < 0;
}

void terminal_console(void **state)
{
        struct screen s;

        (void)state;
        boot(false);
        screen_open(&s, console);
        clock_sleep_ms(500);
        assert_int_equal(inside("echo hello-from-the-guest > /dev/console", NULL), 0);
        screen_wait(&s, "hello-from-the-guest");
        screen_type(&s, "\001q");
        assert_int_equal(screen_close(&s), 0);
}

void terminal_pipes(void **state)
{
        static const char *const argv[] = { "sh", "-c", "cat; test -t 1 || echo no terminal; exit 3", NULL };
        int in[2], out[2], status;
        char text[64] = "";
        ssize_t n, got = 0;
        pid_t pid;

        (void)state;
        boot(false);
        assert_int_equal(pipe(in) | pipe(out), 0);
        pid = fork();
        if (pid == 0) {
                dup2(in[0], STDIN_FILENO);
                dup2(out[1], STDOUT_FILENO);
                close(in[1]);
                _exit(container_shell(LXC_PATH, NAME, argv, &status, NULL) < 0 ? 99 : status);
        }
        close(in[0]);
        close(out[1]);
        assert_int_equal(write(in[1], "through ", 8), 8);
        close(in[1]);
        while ((n = read(out[0], text + got, sizeof(text) - 1 - (size_t)got)) > 0)
                got += n;
        close(out[0]);
        waitpid(pid, &status, 0);
        assert_string_equal(text, "through no terminal\n");
        assert_int_equal(WEXITSTATUS(status), 3);
}

void release_root(void **state)
{
        _cleanup_strlist_ struct strlist packages = {};
        _cleanup_free_ char *path = NULL, *again = NULL, *script = NULL;
        _cleanup_error_ infra_error *error = NULL;
        int64_t begin = clock_boottime_ms();
        pid_t other;
        int status;

        (void)state;
        if (!getenv("INFRA_TEST_PROXY_SOCKET"))
                return;
        good(bridge_make(&the_estate()->host, &error), &error);
        assert_int_equal(strlist_add(&packages, "postfix"), 0);
        assert_int_equal(outside("mkdir -p " WORK "/cache/.new-left-over/etc"), 0);
        other = fork();
        if (other == 0)
                _exit(root_cache(the_estate(), WORK "/cache", "bookworm", &packages, -1, &again, NULL) < 0);
        good(root_cache(the_estate(), WORK "/cache", "bookworm", &packages, STDERR_FILENO, &path, &error), &error);
        waitpid(other, &status, 0);
        assert_int_equal(WEXITSTATUS(status), 0);
        print_message("# %s in %lld ms\n", path, (long long)(clock_boottime_ms() - begin));
        good(root_cache(the_estate(), WORK "/cache", "bookworm", &packages, -1, &again, &error), &error);
        assert_string_equal(path, again);
        script = path_join(
                "set -e; cd '%s'; test $(stat -c %%u:%%g:%%a .) = 0:0:755; test -e usr/sbin/postfix; test -x sbin/init; "
                "chroot . dpkg --audit; test -z \"$(chroot . dpkg --audit)\"; test ! -e usr/sbin/policy-rc.d; "
                "! grep -rq 3142 etc/apt; grep -q bookworm-security etc/apt/sources.list; "
                "chroot . postconf -h mydestination myhostname inet_interfaces; test \"$(cat etc/hostname)\" = localhost; grep -q ^mydestination etc/postfix/main.cf; ! grep -qw \"$(hostname)\" etc/postfix/main.cf; "
                "test \"$(ls -A ..)\" = \"$(printf '.lock\\n%%s' \"$(basename '%s')\")\"",
                path, path);
        assert_int_equal(outside(script), 0);
}
