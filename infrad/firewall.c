/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Changes of the firewall: the methods, what was left to be put back, and who changed it behind our back. */

#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "infrad.h"

enum { SETTLE_US = 2 * 1000 * 1000 };

int method_firewall_state(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        const char *what;
        char *json = NULL;
        int r = sd_bus_message_read(m, "s", &what);

        if (r >= 0)
                r = infra_manager_firewall_state(d->manager, what, &json, &e);
        return object_answer(m, r, json, e, error);
}

int method_firewall_change(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infra_firewall_change change = {};
        struct infrad *d = userdata;
        struct asker asker = {};
        infra_error *e = NULL;
        char *json = NULL;
        uid_t uid = 0;
        int r = sd_bus_message_read(m, "suxs", &change.what, &change.number, &change.confirm_ms, &change.shown);

        if (r >= 0)
                r = access_check(d, m, "firewall", "", &uid, error);
        if (r >= 0)
                r = access_of(m, &asker);
        if (r < 0)
                return r;
        change.uid = uid;
        change.pid = asker.pid;
        r = infra_manager_firewall_change(d->manager, &change, &json, &e);
        if (r >= 0)
                log_event(LOG_FIREWALL, "firewall %s by uid %u%s", change.what, uid,
                          change.confirm_ms ? "; it goes back unless it is confirmed" : "");
        return object_answer(m, r, json, e, error);
}

static void on_drift(void *userdata, const char *json)
{
        _cleanup_json_ json_t *j = json_loads(json, 0, NULL);
        const char *drift = json_string_value(json_object_get(j, "drift")), *by = json_string_value(json_object_get(j, "drifted_by"));

        (void)userdata;
        if (json_is_true(json_object_get(j, "rescued")))
                log_event(LOG_TROUBLE, "the rescue ruleset is loaded, not generation %lld of the firewall: ssh gets in, nothing else works",
                          (long long)json_integer_value(json_object_get(j, "active")));
        else if (drift && *drift)
                log_event(LOG_DRIFT, "somebody changed the firewall%s%s; it differs from generation %lld:\n%s", by && *by ? ": " : "", by ? by : "",
                          (long long)json_integer_value(json_object_get(j, "active")), drift);
        else
                log_event(LOG_DRIFT, "the firewall is generation %lld again", (long long)json_integer_value(json_object_get(j, "active")));
}

static void settle(struct infrad *d)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        infra_error *error = NULL;
        bool failed = infra_manager_firewall_settle(d->manager, &text, &error) < 0;
        json_t *line;
        size_t i;

        if (failed && !d->settle_fails)
                log_event(LOG_TROUBLE, "a change of the firewall that nobody confirmed is not put back: %s", infra_error_message(error));
        d->settle_fails = failed;
        infra_error_free(error);
        j = text ? json_loads(text, 0, NULL) : NULL;
        json_array_foreach (json_object_get(j, "lines"), i, line)
                log_event(LOG_FIREWALL, "%s", json_string_value(line));
}

/* Whoever is locked out cannot ask, so a dead-man that was killed must be noticed without anybody's asking. */
static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)usec;
        settle(userdata);
        sd_event_source_set_time_relative(source, SETTLE_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void firewall_begin(struct infrad *d)
{
        infra_error *error = NULL;

        settle(d);
        sd_event_add_time_relative(d->event, &d->settle_source, CLOCK_BOOTTIME, SETTLE_US, 0, on_settle, d);
        if (infra_manager_firewall_watch(d->manager, d->event, on_drift, d, &error) < 0)
                log_event(LOG_TROUBLE, "changes of the firewall by others are not seen: %s", infra_error_message(error));
        infra_error_free(error);
}
