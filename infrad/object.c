/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The manager's methods on the bus. Answers are the JSON texts of infra/manager.h. */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infrad.h"

/* Names of the codes that callers act on; anything else is EIO to them. */
static const struct {
        int code;
        const char *name;
} codes[] = {
        { ENOENT, "ENOENT" }, { EBUSY, "EBUSY" },     { EALREADY, "EALREADY" }, { ESTALE, "ESTALE" }, { EINVAL, "EINVAL" },
        { EPERM, "EPERM" },   { ENOSPC, "ENOSPC" },   { EBADMSG, "EBADMSG" },   { ETIME, "ETIME" },   { ENOTCONN, "ENOTCONN" },
        { EOPNOTSUPP, "EOPNOTSUPP" }, { ENOMEM, "ENOMEM" }, { EEXIST, "EEXIST" }, { EUCLEAN, "EUCLEAN" }, { ENODATA, "ENODATA" },
};

static int fail(int r, infra_error *e, sd_bus_error *error)
{
        const char *name = "EIO";
        char full[64];

        for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
                if (codes[i].code == -r)
                        name = codes[i].name;
        snprintf(full, sizeof(full), "org.infra1.Error.%s", name);
        sd_bus_error_set(error, full, e ? infra_error_message(e) : strerror(-r));
        infra_error_free(e);
        return r;
}

int object_answer(sd_bus_message *m, int r, char *json, infra_error *e, sd_bus_error *error)
{
        if (r < 0)
                return fail(r, e, error);
        r = sd_bus_reply_method_return(m, "s", json);
        free(json);
        return r;
}

static int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *json = NULL;
        int r = infra_manager_status(d->manager, &json, &e);

        return object_answer(m, r, json, e, error);
}

static int method_list(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *json = NULL;
        int r = infra_manager_list(d->manager, &json, &e);

        return object_answer(m, r, json, e, error);
}

static int method_show(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        const char *name;
        char *json = NULL;
        int r = sd_bus_message_read(m, "s", &name);

        if (r >= 0)
                r = infra_manager_show(d->manager, name, &json, &e);
        return object_answer(m, r, json, e, error);
}

/* What lies in a container is its admins' and the operators' business. */
static int method_drift(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        const char *name;
        char *json = NULL;
        uid_t uid = 0;
        int r = sd_bus_message_read(m, "s", &name);

        if (r >= 0)
                r = access_check(d, m, "drift", name, &uid, error);
        if (r < 0)
                return r;
        r = infra_manager_drift(d->manager, name, &json, &e);
        return object_answer(m, r, json, e, error);
}

static int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        const char *kind, *subject;
        infra_error *e = NULL;
        char *json = NULL;
        int volumes, r = sd_bus_message_read(m, "ssb", &kind, &subject, &volumes);

        if (r >= 0)
                r = infra_manager_plan(d->manager, kind, subject, volumes, &json, &e);
        return object_answer(m, r, json, e, error);
}

static int method_begin(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        const char *kind, *subject, *digest, *control;
        infra_error *e = NULL;
        int64_t run = 0;
        uid_t uid = 0;
        int volumes, r = sd_bus_message_read(m, "ssbss", &kind, &subject, &volumes, &digest, &control);

        if (r >= 0)
                r = access_check(d, m, kind, subject, &uid, error);
        if (r < 0)
                return r;
        r = infra_manager_begin(d->manager, d->event, kind, subject, volumes, digest, control, uid, &run, &e);
        if (r < 0)
                return fail(r, e, error);
        log_event(LOG_RUN, "run %lld: %s %s begun by uid %u", (long long)run, kind, subject, uid);
        return sd_bus_reply_method_return(m, "x", run);
}

static int method_control(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        const char *what;
        int64_t run = 0;
        uid_t uid = 0;
        int r = sd_bus_message_read(m, "s", &what);

        if (r >= 0)
                r = access_check(d, m, what, "", &uid, error);
        if (r < 0)
                return r;
        r = infra_manager_control(d->manager, what, uid, &run, &e);
        if (r < 0)
                return fail(r, e, error);
        log_event(LOG_RUN, "run %lld: %s, said by uid %u", (long long)run, what, uid);
        return sd_bus_reply_method_return(m, "x", run);
}

static int method_runs(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *json = NULL;
        uint32_t limit;
        int r = sd_bus_message_read(m, "u", &limit);

        if (r >= 0)
                r = infra_manager_runs(d->manager, limit, &json, &e);
        return object_answer(m, r, json, e, error);
}

static int method_report(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *json = NULL;
        int64_t run;
        int r = sd_bus_message_read(m, "x", &run);

        if (r >= 0)
                r = infra_manager_report(d->manager, run, &json, &e);
        return object_answer(m, r, json, e, error);
}

static int method_firewall(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        const char *what;
        char *json = NULL;
        int r = sd_bus_message_read(m, "s", &what);

        if (r >= 0)
                r = infra_manager_firewall(d->manager, what, &json, &e);
        return object_answer(m, r, json, e, error);
}

static int method_ban(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        const char *address, *zone;
        infra_error *e = NULL;
        char *json = NULL;
        int64_t for_ms;
        uid_t uid = 0;
        int r = sd_bus_message_read(m, "ssx", &address, &zone, &for_ms);

        if (r >= 0)
                r = access_check(d, m, "ban", "", &uid, error);
        if (r < 0)
                return r;
        r = infra_manager_ban(d->manager, address, zone, for_ms, &json, &e);
        if (r >= 0)
                log_event(LOG_RUN, "%s is banned%s%s, said by uid %u", address, *zone ? " in zone " : "", zone, uid);
        return object_answer(m, r, json, e, error);
}

static int method_unban(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        const char *address, *zone;
        infra_error *e = NULL;
        char *json = NULL;
        uid_t uid = 0;
        int r = sd_bus_message_read(m, "ss", &address, &zone);

        if (r >= 0)
                r = access_check(d, m, "unban", "", &uid, error);
        if (r < 0)
                return r;
        r = infra_manager_unban(d->manager, address, zone, &json, &e);
        if (r >= 0)
                log_event(LOG_RUN, "%s is no longer banned, said by uid %u", address, uid);
        return object_answer(m, r, json, e, error);
}

static int method_bans(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *json = NULL;
        int r = infra_manager_bans(d->manager, &json, &e);

        return object_answer(m, r, json, e, error);
}

static json_t *diags_json(const infra_diags *diags)
{
        json_t *list = json_array();
        char *text = NULL;
        size_t size = 0;
        FILE *f;

        for (size_t i = 0; i < infra_diags_count(diags); i++) {
                const char *file, *message, *hint;
                unsigned line, column;

                infra_diags_at(diags, i, &file, &line, &column, &message, &hint);
                json_array_append_new(list, json_pack("{s:s,s:i,s:i,s:s,s:s?}", "file", file, "line", (int)line, "column",
                                                      (int)column, "message", message, "hint", hint));
        }
        f = open_memstream(&text, &size);
        if (f) {
                infra_diags_print(diags, f);
                fclose(f);
        }
        list = json_pack("{s:o,s:s}", "diagnostics", list, "text", text ? text : "");
        free(text);
        return list;
}

static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        infra_diags *diags = infra_diags_new();
        struct infrad *d = userdata;
        infra_error *e = NULL;
        char *text;
        json_t *j;
        int r = diags ? infra_manager_check(d->manager, diags, &e) : -ENOMEM;

        if (r < 0 && r != -EBADMSG) {
                infra_diags_free(diags);
                return fail(r, e, error);
        }
        infra_error_free(e);
        j = diags_json(diags);
        infra_diags_free(diags);
        text = j ? json_dumps(j, JSON_COMPACT) : NULL;
        json_decref(j);
        return object_answer(m, text ? 0 : -ENOMEM, text, NULL, error);
}

/* Reading is free for everybody; Begin, Control and FirewallChange check who asks. */
const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", status), method_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", list), method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Show", SD_BUS_ARGS("s", name), SD_BUS_RESULT("s", container), method_show,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Drift", SD_BUS_ARGS("s", name), SD_BUS_RESULT("s", drift), method_drift,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("s", kind, "s", subject, "b", restore_volumes), SD_BUS_RESULT("s", plan),
                                method_plan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Begin", SD_BUS_ARGS("s", kind, "s", subject, "b", restore_volumes, "s", digest, "s", control),
                                SD_BUS_RESULT("x", run), method_begin, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Control", SD_BUS_ARGS("s", what), SD_BUS_RESULT("x", run), method_control,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Runs", SD_BUS_ARGS("u", limit), SD_BUS_RESULT("s", runs), method_runs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("x", run), SD_BUS_RESULT("s", report), method_report,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Firewall", SD_BUS_ARGS("s", what), SD_BUS_RESULT("s", ruleset), method_firewall,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("FirewallState", SD_BUS_ARGS("s", what), SD_BUS_RESULT("s", state), method_firewall_state,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("FirewallChange", SD_BUS_ARGS("s", what, "u", number, "x", confirm_ms, "s", shown),
                                SD_BUS_RESULT("s", state), method_firewall_change, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Ban", SD_BUS_ARGS("s", address, "s", zone, "x", for_ms), SD_BUS_RESULT("s", bans), method_ban,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unban", SD_BUS_ARGS("s", address, "s", zone), SD_BUS_RESULT("s", bans), method_unban,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Bans", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", bans), method_bans, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", diagnostics), method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Progress", SD_BUS_ARGS("x", run, "s", progress), 0),
        SD_BUS_VTABLE_END,
};
