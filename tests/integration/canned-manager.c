/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A manager whose answers lie in files, preloaded over libinfra, so that infractl and infrad can be tested
 * without a container: directory $INFRA_CANNED holds
 *
 *   NAME.json    the answer to NAME (status, list, show, plan, runs, firewall, report, report-running)
 *   NAME.error   "CODE sentence": the error instead (also of begin and lock)
 *   events       one progress message a line; they are sent PACE apart
 *   at           number of messages sent so far: the journal, which outlives the process
 *
 * The run under way is always number 7.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include <infra/manager.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

enum { RUN = 7, ANSWER_MAX = 1 << 20, PACE_US = 100 * 1000 };

struct infra_manager {
        struct strlist events;
        sd_event_source *source;
        void (*changed)(void *userdata, int64_t run, const char *json);
        void *userdata;
};

static char *canned(const char *name, const char *suffix)
{
        _cleanup_free_ char *path = path_join("%s/%s%s", getenv("INFRA_CANNED"), name, suffix);
        char *text = NULL;

        return file_read(AT_FDCWD, path, ANSWER_MAX, &text, NULL) < 0 ? NULL : text;
}

static int canned_error(const char *name, infra_error **reterr)
{
        _cleanup_free_ char *text = canned(name, ".error");
        char *sentence;
        long code;

        if (!text)
                return 0;
        code = strtol(text, &sentence, 10);
        sentence[strcspn(sentence, "\n")] = '\0';
        return infra_error_set(reterr, (int)-code, "%s", sentence + 1);
}

static int answer(const char *name, char **ret_json, infra_error **reterr)
{
        int r = canned_error(name, reterr);

        if (r < 0)
                return r;
        *ret_json = canned(name, ".json");
        return *ret_json ? 0 : infra_error_set(reterr, -ENOENT, "%s is not canned", name);
}

static size_t sent(void)
{
        _cleanup_free_ char *text = canned("at", "");

        return text ? strtoul(text, NULL, 10) : 0;
}

static void set_sent(size_t n)
{
        _cleanup_free_ char *path = path_join("%s/at", getenv("INFRA_CANNED")), *text = path_join("%zu", n);

        file_replace(AT_FDCWD, path, text, strlen(text), 0644);
}

/* Anew each time: a test may change them while infrad runs. */
static void load_events(infra_manager *m)
{
        _cleanup_free_ char *text = canned("events", "");

        strlist_done(&m->events);
        if (text)
                strlist_lines(&m->events, text);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        infra_manager *m = userdata;
        size_t at = sent();

        (void)usec;
        if (at >= m->events.n)
                return 0;
        set_sent(at + 1);
        m->changed(m->userdata, RUN, m->events.items[at]);
        sd_event_source_set_time_relative(source, PACE_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void carry_on(infra_manager *m, sd_event *event)
{
        m->source = sd_event_source_disable_unref(m->source);
        sd_event_add_time_relative(event, &m->source, CLOCK_BOOTTIME, PACE_US, 1000, on_time, m);
}

INFRA_PUBLIC int infra_manager_new(const struct infra_paths *paths, infra_manager **ret, infra_error **reterr)
{
        (void)paths;
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : infra_error_oom(reterr);
}

INFRA_PUBLIC infra_manager *infra_manager_free(infra_manager *m)
{
        if (m) {
                sd_event_source_disable_unref(m->source);
                strlist_done(&m->events);
        }
        free(m);
        return NULL;
}

INFRA_PUBLIC int infra_manager_status(infra_manager *m, char **ret_json, infra_error **reterr)
{
        (void)m;
        return answer("status", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_list(infra_manager *m, char **ret_json, infra_error **reterr)
{
        (void)m;
        return answer("list", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_show(infra_manager *m, const char *name, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)name;
        return answer("show", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_plan(infra_manager *m, const char *kind, const char *subject, bool restore_volumes,
                                    char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)kind;
        (void)subject;
        (void)restore_volumes;
        return answer("plan", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_runs(infra_manager *m, unsigned limit, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)limit;
        return answer("runs", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_report(infra_manager *m, int64_t run, char **ret_json, infra_error **reterr)
{
        (void)run;
        load_events(m);
        return answer(sent() < m->events.n ? "report-running" : "report", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_firewall(infra_manager *m, const char *what, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)what;
        return answer("firewall", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_firewall_state(infra_manager *m, const char *what, char **ret_json, infra_error **reterr)
{
        (void)m;
        return answer(streq(what, "status") ? "firewall-status" : "firewall-generations", ret_json, reterr);
}

/* What was asked for goes into the file "changed". */
INFRA_PUBLIC int infra_manager_firewall_change(infra_manager *m, const struct infra_firewall_change *c, char **ret_json, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/changed", getenv("INFRA_CANNED"));
        _cleanup_free_ char *text = path_join("%s %u %lld", c->what, c->number, (long long)c->confirm_ms);
        int r = canned_error("firewall-change", reterr);

        (void)m;
        if (r >= 0)
                file_replace(AT_FDCWD, path, text, strlen(text), 0644);
        return r < 0 ? r : answer("firewall-status", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_firewall_settle(infra_manager *m, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)reterr;
        *ret_json = strdup("{\"lines\":[]}");
        return 0;
}

INFRA_PUBLIC int infra_manager_firewall_watch(infra_manager *m, struct sd_event *event, void (*drifted)(void *userdata, const char *json),
                                              void *userdata, infra_error **reterr)
{
        (void)m;
        (void)event;
        (void)drifted;
        (void)userdata;
        (void)reterr;
        return 0;
}

INFRA_PUBLIC int infra_firewall_boot(const char *state_dir, char **ret_text, infra_error **reterr)
{
        (void)state_dir;
        (void)reterr;
        *ret_text = strdup("generation 1 is loaded");
        return 0;
}

INFRA_PUBLIC int infra_manager_ban(infra_manager *m, const char *address, const char *zone, int64_t for_ms, char **ret_json,
                                   infra_error **reterr)
{
        (void)m;
        (void)address;
        (void)zone;
        (void)for_ms;
        return answer("bans", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_unban(infra_manager *m, const char *address, const char *zone, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)address;
        (void)zone;
        return answer("bans", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_bans(infra_manager *m, char **ret_json, infra_error **reterr)
{
        (void)m;
        return answer("bans", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_lock(infra_manager *m, const char *who, infra_error **reterr)
{
        (void)m;
        (void)who;
        return canned_error("lock", reterr);
}

/* What was asked for goes into the file "begun", for the test to look at. */
INFRA_PUBLIC int infra_manager_begin(infra_manager *m, struct sd_event *event, const char *kind, const char *subject,
                                     bool restore_volumes, const char *digest, const char *control, uint32_t uid,
                                     int64_t *ret_run, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/begun", getenv("INFRA_CANNED"));
        _cleanup_free_ char *text = path_join("%s %s %d %s", kind, subject, restore_volumes, digest ? digest : "");
        int r = canned_error("begin", reterr);

        (void)uid;
        (void)control;
        /* infrad's own beginning after a boot is none of the test's. */
        if (r < 0 || !*subject)
                return r < 0 ? r : -EALREADY;
        file_replace(AT_FDCWD, path, text, strlen(text), 0644);
        load_events(m);
        set_sent(0);
        carry_on(m, event);
        *ret_run = RUN;
        return 0;
}

INFRA_PUBLIC int infra_manager_expire(infra_manager *m, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)reterr;
        *ret_json = strdup("{\"lines\":[]}");
        return 0;
}

INFRA_PUBLIC int infra_manager_drift(infra_manager *m, const char *name, char **ret_json, infra_error **reterr)
{
        (void)m;
        (void)name;
        return answer("drift", ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_control(infra_manager *m, const char *what, uint32_t uid, int64_t *ret_run, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/said", getenv("INFRA_CANNED"));

        (void)m;
        (void)uid;
        *ret_run = 7;
        file_replace(AT_FDCWD, path, what, strlen(what), 0644);
        return canned_error("control", reterr);
}

INFRA_PUBLIC int infra_manager_recover(infra_manager *m, struct sd_event *event, int64_t *ret_run, infra_error **reterr)
{
        (void)reterr;
        load_events(m);
        *ret_run = sent() > 0 && sent() < m->events.n ? RUN : 0;
        if (*ret_run)
                carry_on(m, event);
        return 0;
}

INFRA_PUBLIC int64_t infra_manager_busy(const infra_manager *m)
{
        return m->source && sent() < m->events.n ? RUN : 0;
}

INFRA_PUBLIC void infra_manager_set_listener(infra_manager *m,
                                             void (*changed)(void *userdata, int64_t run, const char *json),
                                             void *userdata)
{
        m->changed = changed;
        m->userdata = userdata;
}

/* Ends with the number of words. */
INFRA_PUBLIC int infra_manager_shell(infra_manager *m, const char *name, const char *const *argv, int *ret_status,
                                     infra_error **reterr)
{
        (void)m;
        (void)name;
        (void)reterr;
        *ret_status = 0;
        for (size_t i = 0; argv && argv[i]; i++)
                ++*ret_status;
        return 0;
}
