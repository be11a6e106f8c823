/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A real upgrade of a real Debian root by the package room, killed twice on the way:
 *
 *      real-upgrade ROOT.tar TO-RELEASE [PROXY]
 *
 * Needs root and a mirror (through PROXY). The root is unpacked to a directory of its own beneath $TMPDIR;
 * commands run there in mount and pid namespaces of their own, with a private /dev and a read-only /proc/sys,
 * so the machine stays as it is. 1. dpkg alone is killed while it unpacks: package_upgrade must report it and
 * package_check must see it. 2. everything is killed while packages are configured. 3. the next call must
 * bring the root to a whole TO-RELEASE. Prints TAP; the transcript's path is printed when something failed.
 */

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "package/package.h"

enum {
        LIMIT_MS = 20 * 60 * 1000,
        WATCH_MS = 20,
        TRANSCRIPT_BYTES_MAX = 64 << 20,
        ARGUMENTS_MAX = 600,
        UNPACKED_BEFORE_KILL = 30,
        CONFIGURED_BEFORE_KILL = 20,
};

struct room {
        char directory[256];
        char *root;
        char *transcript_path;
        int transcript;
        const char *background; /* shell command to start beside each command, or "" */
        unsigned n, failed;
};

/* $0 = root, $1 = background command; the rest is the command. */
static const char enter[] =
        "set -e\n"
        "root=$0 background=$1; shift\n"
        "mount -t proc proc \"$root/proc\"\n"
        "mount --bind \"$root/proc/sys\" \"$root/proc/sys\"; mount -o remount,bind,ro \"$root/proc/sys\"\n"
        "mount -t tmpfs -o mode=755 tmpfs \"$root/dev\"\n"
        "cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty \"$root/dev/\"\n"
        "if [ -n \"$background\" ]; then chroot \"$root\" sh -c \"$background\" >/dev/null 2>&1 & sleep 0.3; fi\n"
        "exec chroot \"$root\" \"$@\"\n";

static int room_run(void *userdata, const char *const argv[], const char *const environment[], int output,
                    char **ret_output, int64_t timeout_ms, int *ret_status, infra_error **reterr)
{
        static const char *const head[] = { "unshare", "--mount", "--pid",  "--fork",   "--kill-child",
                                            "--propagation", "private", "sh", "-c", enter };
        const struct room *room = userdata;
        const char *words[ARGUMENTS_MAX + ELEMENTS(head) + 3];
        struct process_options options = {
                .output = output,
                .ret_output = ret_output,
                .timeout_ms = timeout_ms,
                .environment = environment,
        };
        size_t n = 0;

        for (; n < ELEMENTS(head); n++)
                words[n] = head[n];
        words[n++] = room->root;
        words[n++] = room->background;
        for (size_t i = 0; argv[i] && i < ARGUMENTS_MAX; i++)
                words[n++] = argv[i];
        words[n] = NULL;
        return process_run(words, &options, ret_status, reterr);
}

static bool check(struct room *room, bool good, const char *what, const infra_error *e)
{
        room->n++;
        room->failed += !good;
        printf("%sok %u - %s\n", good ? "" : "not ", room->n, what);
        if (e)
                printf("# %s\n", infra_error_message(e));
        fflush(stdout);
        return good;
}

static int run_here(const char *const argv[])
{
        struct process_options options = { .output = STDERR_FILENO };
        int status = -1;

        return process_run(argv, &options, &status, NULL) < 0 ? -1 : status;
}

static bool room_make(struct room *room, const char *tar)
{
        const char *base = getenv("TMPDIR") ?: "/var/tmp";

        snprintf(room->directory, sizeof(room->directory), "%s/infra-real-upgrade.XXXXXX", base);
        if (!mkdtemp(room->directory))
                return false;
        room->root = path_join("%s/root", room->directory);
        room->transcript_path = path_join("%s/transcript", room->directory);
        if (!room->root || !room->transcript_path || mkdir(room->root, 0755) < 0)
                return false;
        room->transcript = open(room->transcript_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        return room->transcript >= 0 &&
               run_here((const char *const[]){ "tar", "-C", room->root, "-xpf", tar, NULL }) == 0;
}

/* Lines of the transcript from @from on that begin with @word. */
static unsigned transcript_count(const struct room *room, off_t from, const char *word)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_strlist_ struct strlist lines = {};
        unsigned n = 0;

        if (file_read(AT_FDCWD, room->transcript_path, TRANSCRIPT_BYTES_MAX, &text, NULL) < 0 ||
            strlist_lines(&lines, text + MIN((size_t)from, strlen(text))) < 0)
                return 0;
        for (size_t i = 0; i < lines.n; i++)
                n += startswith(lines.items[i], word);
        return n;
}

/* Kills the processes that live in the root and are called @name (NULL = all of them). */
static unsigned kill_inside(const struct room *room, const char *name)
{
        DIR *proc = opendir("/proc");
        struct stat root, st;
        unsigned n = 0;

        if (!proc || stat(room->root, &root) < 0)
                return 0;
        for (struct dirent *e; (e = readdir(proc));) {
                _cleanup_free_ char *where = path_join("/proc/%s/root/.", e->d_name);
                _cleanup_free_ char *comm_path = path_join("/proc/%s/comm", e->d_name), *comm = NULL;
                pid_t pid = atoi(e->d_name);

                if (pid <= 0 || stat(where, &st) < 0 || st.st_ino != root.st_ino || st.st_dev != root.st_dev ||
                    file_read(AT_FDCWD, comm_path, 64, &comm, NULL) < 0)
                        continue;
                if (!name || (startswith(comm, name) && comm[strlen(name)] == '\n'))
                        n += kill(pid, SIGKILL) == 0;
        }
        closedir(proc);
        return n;
}

static _Noreturn void upgrade_in_child(const struct guest *g, struct room *room, const char *proxy)
{
        _cleanup_error_ infra_error *error = NULL;
        int r = package_upgrade(g, proxy, room->transcript, LIMIT_MS, &error);

        printf("# package_upgrade: %d: %s\n", r, infra_error_message(error));
        fflush(stdout);
        _exit(r < 0 ? 1 : 0);
}

/* Starts an upgrade and kills @victim (NULL = everything with the caller) at the @count-th line with @word. */
static void interrupt(const struct guest *g, struct room *room, const char *proxy, const char *word, unsigned count,
                      const char *victim)
{
        struct stat st = {};
        unsigned killed = 0;
        int status = 0;
        pid_t pid;

        fstat(room->transcript, &st);
        pid = fork();
        if (pid == 0)
                upgrade_in_child(g, room, proxy);
        while (waitpid(pid, &status, WNOHANG) == 0) {
                clock_sleep_ms(WATCH_MS);
                if (killed > 0 || transcript_count(room, st.st_size, word) < count)
                        continue;
                if (!victim)
                        kill(pid, SIGKILL);
                killed = kill_inside(room, victim);
        }
        check(room, killed > 0, victim ? "dpkg is killed while it unpacks" : "everything is killed while configuring", NULL);
        check(room, victim ? WIFEXITED(status) && WEXITSTATUS(status) == 1 : WIFSIGNALED(status),
              victim ? "the upgrade reports it" : "the upgrade is gone", NULL);
}

static void check_state(const struct guest *g, struct room *room, const struct strlist *keep, const char *release,
                        bool whole)
{
        _cleanup_package_state_ struct package_state state = {};
        _cleanup_error_ infra_error *error = NULL;
        int r = package_observe(g, keep, &state, &error);

        if (!check(room, r >= 0, "the state can be observed", error))
                return;
        r = package_check(&state, release, &error);
        check(room, whole ? r == 0 : r == -EREMOTEIO, whole ? "the root is whole" : "the root is seen to be broken", error);
}

static void upgrade(const struct guest *g, struct room *room, const char *proxy, const char *what)
{
        _cleanup_error_ infra_error *error = NULL;
        int64_t start = clock_boottime_ms();
        int r = package_upgrade(g, proxy, room->transcript, LIMIT_MS, &error);
        char took[32];

        check(room, r == 0, what, error);
        printf("# %s\n", str_duration(took, clock_boottime_ms() - start));
}

/* A program that listens, and a source that is not Debian's. */
static void furnish(struct room *room, const char *proxy, struct strlist *ret_keep, const struct guest *g)
{
        static const char foreign[] = "deb http://packages.example.org/debian bookworm main\n";
        _cleanup_free_ char *option = path_join("Acquire::http::Proxy=%s", proxy ? proxy : "DIRECT");
        const char *const install[] = { "sh", "-c", "apt-get -q -o \"$0\" update && apt-get -qy -o \"$0\" install netcat-openbsd",
                                        option, NULL };
        static const char *const environment[] = { "DEBIAN_FRONTEND=noninteractive", NULL };
        _cleanup_free_ char *path = path_join("%s/etc/apt/sources.list.d/example.list", room->root);
        _cleanup_error_ infra_error *error = NULL;
        int status = -1;
        int r = room_run(room, install, environment, room->transcript, NULL, LIMIT_MS, &status, &error);

        check(room, r == 0 && status == 0, "a service is installed", error);
        room->background = "nc -l 127.0.0.1 47653";
        r = package_keep_list(g, ret_keep, &error);
        room->background = "";
        check(room, r == 0, "the packages that must stay are listed", error);
        check(room, strlist_contains(ret_keep, "netcat-openbsd"), "the listening program's package is among them", NULL);
        check(room, strlist_contains(ret_keep, "dpkg") && strlist_contains(ret_keep, "apt"), "apt and dpkg are, too", NULL);
        for (size_t i = 0; i < ret_keep->n; i++)
                printf("# keeps %s\n", ret_keep->items[i]);
        check(room, file_replace(AT_FDCWD, path, foreign, strlen(foreign), 0644) == 0, "a foreign source is added", NULL);
}

static void upgrade_all(struct room *room, const struct package_sources *to)
{
        struct guest g = { .run = room_run, .userdata = room, .rootfs = room->root };
        _cleanup_strlist_ struct strlist keep = {};
        _cleanup_error_ infra_error *error = NULL;

        furnish(room, to->proxy, &keep, &g);
        check(room, package_mirror_check(to, 30000, &error) == 0, "the mirror has the release", error);
        check(room, package_switch(&g, to, &error) == 0, "the sources are switched", error);
        interrupt(&g, room, to->proxy, "Unpacking ", UNPACKED_BEFORE_KILL, "dpkg");
        check_state(&g, room, &keep, to->release, false);
        interrupt(&g, room, to->proxy, "Setting up ", CONFIGURED_BEFORE_KILL, NULL);
        check_state(&g, room, &keep, to->release, false);
        check(room, package_switch(&g, to, &error) == 0, "switching again is harmless", error);
        upgrade(&g, room, to->proxy, "the upgrade is repaired and finished");
        check_state(&g, room, &keep, to->release, true);
        upgrade(&g, room, to->proxy, "an upgrade with nothing to do");
        check_state(&g, room, &keep, to->release, true);
}

int main(int argc, char **argv)
{
        struct room room = { .transcript = -1, .background = "" };
        struct package_sources to = {
                .mirror = "http://deb.debian.org/debian",
                .security_mirror = "http://deb.debian.org/debian-security",
        };
        int64_t start = clock_boottime_ms();
        char took[32];

        if (argc < 3) {
                fprintf(stderr, "usage: real-upgrade ROOT.tar TO-RELEASE [PROXY]\n");
                return 2;
        }
        to.release = argv[2];
        to.proxy = argc > 3 && *argv[3] ? argv[3] : NULL;
        if (check(&room, room_make(&room, argv[1]), "a root is unpacked", NULL))
                upgrade_all(&room, &to);
        printf("1..%u\n# %s in all\n", room.n, str_duration(took, clock_boottime_ms() - start));
        if (room.failed > 0)
                printf("# transcript: %s\n", room.transcript_path);
        else
                tree_remove(AT_FDCWD, room.directory);
        closep(&room.transcript);
        free(room.root);
        free(room.transcript_path);
        return room.failed > 0;
}
