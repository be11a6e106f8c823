/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes of the firewall and what became of them. Each acts in a process of its own. */

#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/fd.h"
#include "engine/firewall-change.h"
#include "engine/retreat.h"
#include "facade/manager.h"
#include "firewall/firewall.h"
#include "firewall/watch.h"

enum { CHANGE_LIMIT_MS = 120 * 1000, SETTLE_US = 500 * 1000, ACCURACY_US = 50 * 1000 };

/* What a person asks for. */
struct wish {
        const infra_manager *manager;
        const struct infra_firewall_change *change;
        const infra_estate *estate; /* of an apply */
        const char *what;           /* of a question */
};

/* The policy may have changed since its difference was shown. */
static int check_shown(const struct ruleset *wanted, const char *shown, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        _cleanup_free_ char *diff = NULL;
        struct ruleset *have = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        if (r >= 0)
                r = ruleset_diff(have, wanted, &diff, reterr);
        if (r >= 0 && have && !*diff)
                r = infra_error_set(reterr, -EALREADY, "the ruleset in the kernel is what the policy says");
        else if (r >= 0 && shown && *shown && !streq(diff, shown))
                r = infra_error_set(reterr, -ESTALE, "the policy or the kernel's ruleset changed since the difference was shown; nothing is loaded");
        ruleset_free(have);
        return r;
}

static int apply(const struct wish *w, struct firewall_change *c, infra_error **reterr)
{
        struct ruleset *wanted = NULL;
        unsigned number = 0;
        int r = firewall_compile(w->estate, &wanted, reterr);

        if (r >= 0)
                r = firewall_change_check_free(w->manager->state, reterr);
        if (r >= 0)
                r = check_shown(wanted, w->change->shown, reterr);
        /* What the host falls back to may be all that is new. */
        if (r == -EALREADY)
                firewall_change_rescue(w->manager->state, w->estate, NULL);
        c->wanted = wanted;
        c->estate = w->estate;
        c->policy = w->estate->digest;
        c->origin = "apply";
        if (r >= 0)
                r = firewall_change_load(w->manager->state, c, &number, reterr);
        ruleset_free(wanted);
        return r;
}

static int change(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct wish *w = userdata;
        const struct infra_firewall_change *a = w->change;
        struct firewall_change c = { .number = a->number, .uid = a->uid, .confirm_ms = a->confirm_ms };
        unsigned number = 0;
        int r;

        if (streq(a->what, "apply"))
                r = apply(w, &c, reterr);
        else if (streq(a->what, "restore"))
                r = firewall_change_load(w->manager->state, &c, &number, reterr);
        else if (streq(a->what, "confirm"))
                r = firewall_change_confirm(w->manager->state, (pid_t)a->pid, reterr);
        else
                r = firewall_change_revert(w->manager->state, a->uid, reterr);
        return r < 0 ? r : firewall_state(w->manager->state, ret, reterr);
}

INFRA_PUBLIC int infra_manager_firewall_change(infra_manager *m, const struct infra_firewall_change *c, char **ret_json, infra_error **reterr)
{
        struct wish w = { .manager = m, .change = c };
        _cleanup_estate_ infra_estate *e = NULL;
        json_t *j = NULL;
        int r = 0;

        if (!streq(c->what, "apply") && !streq(c->what, "restore") && !streq(c->what, "confirm") && !streq(c->what, "revert"))
                return infra_error_set(reterr, -EINVAL, "'%s' is none of apply, restore, confirm, revert", c->what);
        if ((streq(c->what, "apply") || streq(c->what, "restore")) && infra_manager_busy(m))
                return infra_error_set(reterr, -EBUSY, "run %lld is under way", (long long)infra_manager_busy(m));
        if (streq(c->what, "apply"))
                r = manager_estate(m, &e, reterr);
        w.estate = e;
        if (r >= 0)
                r = isolate(change, &w, CHANGE_LIMIT_MS, &j, reterr);
        return r < 0 ? r : manager_answer(j, ret_json, reterr);
}

static int settle(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct wish *w = userdata;
        _cleanup_free_ char *text = NULL;
        int r = firewall_change_settle(w->manager->state, &text, reterr);

        if (r >= 0)
                *ret = json_pack("{s:o}", "lines", text ? json_pack("[s]", text) : json_array());
        return r;
}

INFRA_PUBLIC int infra_manager_firewall_settle(infra_manager *m, char **ret_json, infra_error **reterr)
{
        _cleanup_free_ char *pending = path_join("%s/firewall/pending", m->state);
        struct wish w = { .manager = m };
        json_t *j = NULL;
        int r;

        /* Nearly always nothing waits, and infrad asks again and again. */
        if (pending && !path_exists(AT_FDCWD, pending))
                return manager_answer(json_pack("{s:[]}", "lines"), ret_json, reterr);
        r = isolate(settle, &w, CHANGE_LIMIT_MS, &j, reterr);
        return r < 0 ? r : manager_answer(j, ret_json, reterr);
}

struct manager_watch {
        infra_manager *manager;
        struct firewall_watch *watch;
        sd_event_source *news;
        sd_event_source *quiet; /* when nothing more came for a while */
        void (*drifted)(void *userdata, const char *json);
        void *userdata;
        bool was_drifted;
        struct firewall_changer last;
        char by[48]; /* who made it differ; "" = it does not, or nobody knows */
};

/* Whoever may only read sees what is overdue as overdue. */
static int state(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct wish *w = userdata;
        _cleanup_free_ char *text = NULL;

        firewall_change_settle(w->manager->state, &text, NULL);
        if (streq(w->what, "generations"))
                return firewall_state_generations(w->manager->state, ret, reterr);
        return firewall_state(w->manager->state, ret, reterr);
}

int manager_firewall_state(const infra_manager *m, const char *what, json_t **ret, infra_error **reterr)
{
        struct wish w = { .manager = m, .what = what };
        int r = isolate(state, &w, CHANGE_LIMIT_MS, ret, reterr);

        if (r >= 0 && m->watch && json_is_true(json_object_get(*ret, "drifted")))
                json_object_set_new(*ret, "drifted_by", json_string(m->watch->by));
        return r;
}

INFRA_PUBLIC int infra_manager_firewall_state(infra_manager *m, const char *what, char **ret_json, infra_error **reterr)
{
        json_t *j = NULL;
        int r;

        if (!streq(what, "status") && !streq(what, "generations"))
                return infra_error_set(reterr, -EINVAL, "'%s' is none of status, generations", what);
        r = manager_firewall_state(m, what, &j, reterr);
        return r < 0 ? r : manager_answer(j, ret_json, reterr);
}

INFRA_PUBLIC int infra_firewall_boot(const char *state_dir, char **ret_text, infra_error **reterr)
{
        int r = firewall_change_boot(state_dir ? state_dir : "/var/lib/infra", ret_text, reterr);

        return r < 0 ? r : r == BOOT_CONFIRMED ? 0 : 1;
}

struct manager_watch *manager_watch_free(struct manager_watch *w)
{
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->news);
        sd_event_source_disable_unref(w->quiet);
        firewall_watch_free(w->watch);
        free(w);
        return NULL;
}

/* Said once, when it begins and when it ends. */
static int on_quiet(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct manager_watch *w = userdata;
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        bool drifted;

        (void)source;
        (void)usec;
        if (manager_firewall_state(w->manager, "status", &j, NULL) < 0)
                return 0;
        drifted = json_is_true(json_object_get(j, "drifted"));
        if (drifted != w->was_drifted) {
                w->was_drifted = drifted;
                *w->by = '\0';
                if (drifted && *w->last.name)
                        snprintf(w->by, sizeof(w->by), "%s (process %u)", w->last.name, w->last.pid);
                json_object_set_new(j, "drifted_by", json_string(w->by));
                text = json_dumps(j, JSON_COMPACT);
                if (text)
                        w->drifted(w->userdata, text);
        }
        return 0;
}

static int look_later(struct manager_watch *w)
{
        int r;

        if (!w->quiet)
                return sd_event_add_time_relative(sd_event_source_get_event(w->news), &w->quiet, CLOCK_BOOTTIME, SETTLE_US, ACCURACY_US, on_quiet, w);
        r = sd_event_source_set_time_relative(w->quiet, SETTLE_US);
        return r < 0 ? r : sd_event_source_set_enabled(w->quiet, SD_EVENT_ONESHOT);
}

static int on_news(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct manager_watch *w = userdata;
        int enabled = SD_EVENT_OFF;

        (void)source;
        (void)fd;
        (void)revents;
        if (!firewall_watch_drain(w->watch, &w->last))
                return 0;
        /* A ruleset that never rests is looked at all the same. */
        if (w->quiet)
                sd_event_source_get_enabled(w->quiet, &enabled);
        if (enabled == SD_EVENT_OFF)
                look_later(w);
        return 0;
}

INFRA_PUBLIC int infra_manager_firewall_watch(infra_manager *m, struct sd_event *event, void (*drifted)(void *userdata, const char *json),
                                              void *userdata, infra_error **reterr)
{
        struct manager_watch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return infra_error_oom(reterr);
        *w = (struct manager_watch){ .manager = m, .drifted = drifted, .userdata = userdata };
        r = firewall_watch_open(&w->watch, reterr);
        if (r >= 0) {
                r = sd_event_add_io(event, &w->news, firewall_watch_fd(w->watch), EPOLLIN, on_news, w);
                if (r >= 0)
                        r = look_later(w);
                if (r < 0)
                        infra_error_set(reterr, r, "cannot watch nftables: %s", strerror(-r));
        }
        if (r < 0) {
                manager_watch_free(w);
                return r;
        }
        manager_watch_free(m->watch);
        m->watch = w;
        return 0;
}
