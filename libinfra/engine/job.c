/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/job.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

enum { LIMIT_ACCURACY_US = 100 * 1000, LOOK_US = 200 * 1000, TAIL_BYTES = 2000, TAIL_LINES = 5 };

/* What must be left for those who serve and for the journal. */
static const uint64_t floor_bytes = 256u << 20;

static bool is_full(const char *disk)
{
        struct statvfs v;

        return statvfs(disk, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < floor_bytes;
}

static int on_exit_of(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct job *j = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        j->terms.ended(j, j->terms.userdata);
        return 0;
}

static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct job *j = userdata;

        (void)source;
        (void)usec;
        j->late = true;
        job_kill(j);
        return 0;
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
        int64_t now = clock_boottime_ms();
        struct job *j = userdata;
        struct stat st;

        (void)usec;
        if (stat(j->transcript, &st) == 0 && st.st_size != j->size) {
                j->size = st.st_size;
                j->grown_ms = now;
        }
        j->full = is_full(j->disk);
        if (j->full || now - j->grown_ms > j->terms.silence_ms) {
                j->silent = !j->full;
                job_kill(j);
                return 0;
        }
        sd_event_source_set_time_relative(source, LOOK_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int watch(struct job *j, sd_event *event)
{
        int r;

        j->pidfd = (int)syscall(SYS_pidfd_open, j->terms.pid, 0);
        if (j->pidfd < 0)
                return -errno;
        r = sd_event_add_io(event, &j->exit_source, j->pidfd, EPOLLIN, on_exit_of, j);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &j->limit_source, CLOCK_BOOTTIME, (uint64_t)j->terms.limit_ms * 1000,
                                               LIMIT_ACCURACY_US, on_limit, j);
        if (r >= 0 && j->terms.silence_ms > 0)
                r = sd_event_add_time_relative(event, &j->look_source, CLOCK_BOOTTIME, LOOK_US, LIMIT_ACCURACY_US, on_look, j);
        return r;
}

int job_watch(sd_event *event, const struct job_terms *terms, struct job **ret, infra_error **reterr)
{
        struct job *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return infra_error_oom(reterr);
        *j = (struct job){ .terms = *terms, .transcript = strdup(terms->transcript), .disk = strdup(terms->disk), .pidfd = -1, .grown_ms = clock_boottime_ms() };
        r = j->transcript && j->disk ? watch(j, event) : -ENOMEM;
        if (r < 0) {
                job_free(j);
                return infra_error_set(reterr, r, "cannot watch worker %d: %s", (int)terms->pid, strerror(-r));
        }
        *ret = j;
        return 0;
}

void job_kill(struct job *j)
{
        kill(-j->terms.pid, SIGKILL);
        kill(j->terms.pid, SIGKILL);
}

/* The last lines of the terminal, in one. */
static void add_tail(struct str *s, const char *transcript)
{
        _cleanup_close_ int fd = open(transcript, O_RDONLY | O_CLOEXEC);
        _cleanup_strlist_ struct strlist lines = {};
        char text[TAIL_BYTES + 1];
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        n = pread(fd, text, TAIL_BYTES, st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
        text[MAX(n, 0)] = '\0';
        if (n <= 0 || strlist_lines(&lines, text) < 0)
                return;
        for (size_t i = lines.n > TAIL_LINES ? lines.n - TAIL_LINES : 0; i < lines.n; i++)
                str_add(s, " | %s", lines.items[i]);
}

char *job_verdict(const struct job *j)
{
        struct str s = {};
        char text[32];

        if (!j->late && !j->silent && !j->full && !j->aborted)
                return NULL;
        if (j->full) {
                str_add(&s, "the disk of %s is all but full (less than %s left), and what serves lives on it, too", j->disk, str_bytes(text, floor_bytes));
                return str_take(&s);
        }
        if (j->silent) {
                str_add(&s, "it printed nothing for %s and seems to wait for somebody; its last lines:", str_duration(text, j->terms.silence_ms));
                add_tail(&s, j->transcript);
        } else {
                str_add(&s, "%s", j->late ? "no end within its time limit; killed" : "aborted");
        }
        return str_take(&s);
}

struct job *job_free(struct job *j)
{
        if (!j)
                return NULL;
        sd_event_source_disable_unref(j->exit_source);
        sd_event_source_disable_unref(j->limit_source);
        sd_event_source_disable_unref(j->look_source);
        closep(&j->pidfd);
        free(j->transcript);
        free(j->disk);
        free(j);
        return NULL;
}
