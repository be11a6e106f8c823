/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The upgrade: a table of commands run one after the other in the guest, each line and its output in the
 * transcript. The same table repairs what an earlier, killed run left: finish what dpkg had begun, get the
 * lists of the new release, let apt mend dependencies, and only then upgrade. Lists come before mending
 * because apt mends with what its lists offer: with none it can only remove. The two mending commands may
 * fail on the first pass (the one often needs the other first); the last command may not, and the caller
 * looks at the end state in any case.
 *
 * The guest's own daily apt runs are masked until reboot or until we are done, whichever is first; one that
 * is running is waited for, never stopped in the middle.
 */

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "package/guest.h"
#include "package/lock.h"
#include "package/root.h"

enum {
        LOCK_WAIT_MS = 15 * 60 * 1000,
        QUIESCE_LIMIT_MS = 60000,
        LOCKED_TRIES_MAX = 3,
        TAIL_BYTES_MAX = 65536,
        REASONS_MAX = 3,
        REASON_BYTES_MAX = 300,
};

struct upgrade {
        const struct guest *guest;
        const char *proxy;
        int root;
        int transcript;
        int64_t deadline;
};

struct command {
        const char *const *words;
        bool is_apt;
        bool may_fail;
};

static const char *const configure[] = { "dpkg", "--force-confdef", "--force-confold", "--configure", "-a", NULL };
static const char *const update[] = { "apt-get", "update", NULL };
static const char *const mend[] = { "apt-get", "-f", "install", NULL };
static const char *const full_upgrade[] = { "apt-get", "full-upgrade", NULL };

static const struct command commands[] = {
        { configure, false, true },
        { update, true, false },
        { mend, true, true },
        { configure, false, true },
        { full_upgrade, true, false },
};

static const char *const apt_options[] = {
        "--yes",
        "--quiet",
        "-o", "DPkg::Lock::Timeout=600",
        "-o", "Dpkg::Options::=--force-confdef",
        "-o", "Dpkg::Options::=--force-confold",
        "-o", "Dpkg::Use-Pty=false",
        /* A mirror that is gone is an error and not a warning: half the lists would mean half an upgrade. */
        "-o", "APT::Update::Error-Mode=any",
        "-o", "Acquire::Retries=3",
        /* "stable" has become "oldstable" since the root was made; the signature still says whose it is. */
        "-o", "Acquire::AllowReleaseInfoChange::Suite=true",
        "-o", "Acquire::AllowReleaseInfoChange::Version=true",
        /* Settings of the root that would hold it back, or remove more than asked for. */
        "-o", "APT::Default-Release=",
        "-o", "APT::Get::AutomaticRemove=false",
        "-o", "Dir::Ignore-Files-Silently::=\\.before-[a-z]+$",
};

#define DAILY_TIMERS "apt-daily.timer apt-daily-upgrade.timer"
#define DAILY_SERVICES "apt-daily.service apt-daily-upgrade.service"
#define WITH_SYSTEMD "[ -d /run/systemd/system ] && command -v systemctl >/dev/null || exit 0\n"

/* Only the timers are stopped: a service that is in the middle of an upgrade must come to its end. */
static const char daily_off[] = WITH_SYSTEMD
        "systemctl stop " DAILY_TIMERS "\n"
        "systemctl mask --runtime " DAILY_TIMERS " " DAILY_SERVICES "\n"
        "exit 0\n";
static const char daily_on[] = WITH_SYSTEMD
        "systemctl unmask --runtime " DAILY_TIMERS " " DAILY_SERVICES "\n"
        "for t in " DAILY_TIMERS "; do systemctl is-enabled -q $t && systemctl start $t; done\n"
        "exit 0\n";

static int add_words(struct strlist *l, const char *const *words, size_t n)
{
        for (size_t i = 0; i < n && words[i]; i++)
                if (strlist_add(l, words[i]) < 0)
                        return -ENOMEM;
        return 0;
}

static int add_proxy(struct strlist *l, const char *proxy)
{
        static const char *const schemes[] = { "http", "https" };

        for (size_t i = 0; proxy && *proxy && i < ELEMENTS(schemes); i++) {
                _cleanup_free_ char *option = path_join("Acquire::%s::Proxy=%s", schemes[i], proxy);

                if (!option || strlist_add(l, "-o") < 0 || strlist_add(l, option) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int command_words(const struct upgrade *u, const struct command *c, struct strlist *ret)
{
        int r = add_words(ret, c->words, 1);

        if (r >= 0 && c->is_apt)
                r = add_words(ret, apt_options, ELEMENTS(apt_options));
        if (r >= 0 && c->is_apt)
                r = add_proxy(ret, u->proxy);
        return r < 0 ? r : add_words(ret, c->words + 1, SIZE_MAX);
}

/* Where the transcript ends now; -1 when it cannot be read back (a pipe). */
static off_t transcript_end(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

static bool is_reason(const char *line)
{
        return startswith(line, "E: ") || startswith(line, "dpkg: error") || startswith(line, "dpkg: unrecoverable");
}

static void add_reason(struct str *s, const char *line)
{
        line += strspn(line, " ");
        str_add(s, "%s%.*s", !s->length ? "" : endswith(s->text, ":") ? " " : "; ", (int)REASON_BYTES_MAX, line);
}

/* The meaningful end of a command's output: its first error lines, else its last line. */
static void find_reason(const struct strlist *lines, struct str *ret)
{
        unsigned n = 0;

        for (size_t i = 0; i < lines->n && n < REASONS_MAX; i++)
                if (is_reason(lines->items[i])) {
                        add_reason(ret, lines->items[i]);
                        n++;
                        /* "dpkg: error processing package x (--configure):" and on the next line why. */
                        if (endswith(lines->items[i], ":") && i + 1 < lines->n)
                                add_reason(ret, lines->items[++i]);
                }
        if (n == 0 && lines->n > 0)
                add_reason(ret, lines->items[lines->n - 1]);
}

/* Where the output of a command stands in the transcript. */
struct extent {
        off_t from, to;
};

/* What a command said last. The transcript may be open for writing only. */
static void read_reason(int transcript, const struct extent *output, struct str *ret)
{
        _cleanup_free_ char *path = path_join("/proc/self/fd/%d", transcript), *text = malloc(TAIL_BYTES_MAX + 1);
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        _cleanup_strlist_ struct strlist lines = {};
        off_t from = MAX(output->from, output->to - TAIL_BYTES_MAX);
        ssize_t n;

        if (output->from < 0 || fd < 0 || !text)
                return;
        n = pread(fd, text, (size_t)(output->to - from), from);
        if (n <= 0)
                return;
        text[n] = '\0';
        if (strlist_lines(&lines, text) == 0)
                find_reason(&lines, ret);
}

static int out_of_time(infra_error **reterr)
{
        return infra_error_set(reterr, -ETIME, "the time limit is over");
}

/* One run of one command, to its exit status. */
static int run_once(const struct upgrade *u, const struct strlist *words, struct extent *ret_output, int *ret_status,
                    infra_error **reterr)
{
        _cleanup_free_ char **argv = strlist_argv(words);
        int64_t start = clock_boottime_ms(), left = u->deadline - start;
        char took[32];
        int r;

        if (!argv)
                return infra_error_oom(reterr);
        if (left <= 0)
                return out_of_time(reterr);
        dprintf(u->transcript, "$");
        for (size_t i = 0; i < words->n; i++)
                dprintf(u->transcript, " %s", words->items[i]);
        dprintf(u->transcript, "\n");
        ret_output->from = transcript_end(u->transcript);
        r = u->guest->run(u->guest->userdata, (const char *const *)argv, guest_environment, u->transcript, NULL, left,
                          ret_status, reterr);
        ret_output->to = transcript_end(u->transcript);
        str_duration(took, clock_boottime_ms() - start);
        if (r < 0)
                dprintf(u->transcript, "# not ended after %s: %s\n", took, strerror(-r));
        else
                dprintf(u->transcript, "# ended with %d after %s\n", *ret_status, took);
        return r;
}

/* Waits for foreign locks, runs; once more when somebody took a lock between the waiting and the running. */
static int run_unlocked(const struct upgrade *u, const struct strlist *words, struct extent *ret_output,
                        int *ret_status, infra_error **reterr)
{
        int r = 0;

        for (int i = 0; i < LOCKED_TRIES_MAX; i++) {
                pid_t pid;

                r = lock_wait(u->root, u->transcript, MIN(u->deadline, clock_boottime_ms() + LOCK_WAIT_MS), reterr);
                if (r < 0)
                        return r;
                r = run_once(u, words, ret_output, ret_status, reterr);
                if (r < 0 || *ret_status == 0 || !lock_holder(u->root, &pid))
                        return r;
        }
        return r;
}

static int run_command(const struct upgrade *u, const struct command *c, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist words = {};
        _cleanup_str_ struct str reason = {};
        struct extent output = { -1, -1 };
        int status = -1, r;

        if (command_words(u, c, &words) < 0)
                return infra_error_oom(reterr);
        r = run_unlocked(u, &words, &output, &status, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "%s %s", c->words[0], c->is_apt ? c->words[1] : "--configure");
        if (status == 0 || c->may_fail)
                return 0;
        read_reason(u->transcript, &output, &reason);
        return infra_error_set(reterr, -EREMOTEIO, "%s %s ended with %d%s%s", c->words[0], c->words[1], status,
                               reason.length ? ": " : "", reason.length ? reason.text : "");
}

/* Not being able to quiet the daily runs is no reason to stop: they are waited for anyway. */
static void daily_runs(const struct upgrade *u, const char *script)
{
        const char *const argv[] = { "sh", "-c", script, NULL };
        _cleanup_error_ infra_error *error = NULL;
        int status = 0;
        int r = u->guest->run(u->guest->userdata, argv, guest_environment, u->transcript, NULL, QUIESCE_LIMIT_MS, &status,
                              &error);

        if (r < 0 || status != 0)
                dprintf(u->transcript, "# the daily apt runs could not be %s: %s\n",
                        script == daily_off ? "quieted" : "restored", r < 0 ? infra_error_message(error) : "see above");
}

int package_upgrade(const struct guest *g, const char *proxy, int transcript, int64_t limit_ms, infra_error **reterr)
{
        struct upgrade u = {
                .guest = g,
                .proxy = proxy,
                .transcript = transcript,
                .deadline = clock_boottime_ms() + limit_ms,
        };
        _cleanup_close_ int root = root_open(g->rootfs, reterr);
        int r = 0;

        if (root < 0)
                return root;
        u.root = root;
        daily_runs(&u, daily_off);
        for (size_t i = 0; i < ELEMENTS(commands) && r >= 0; i++)
                r = run_command(&u, &commands[i], reterr);
        daily_runs(&u, daily_on);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot upgrade the packages") : 0;
}
