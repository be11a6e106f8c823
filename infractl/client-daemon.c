/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * infrad over its private socket: D-Bus without a bus. Error names org.infra1.Error.<ERRNO> come back as that
 * errno; anything that means "nobody there" becomes -EHOSTDOWN.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/str.h"
#include "infractl/client.h"

static const char object[] = "/org/infra1", interface[] = "org.infra1.Manager", error_prefix[] = "org.infra1.Error.";
/* Planning observes the whole host; infrad gives up on that after two minutes. */
enum { CALL_LIMIT_US = 150 * 1000 * 1000 };

/* As infrad names them. */
static const struct {
        const char *name;
        int code;
} errors[] = {
        { "ENOENT", -ENOENT },     { "EBUSY", -EBUSY },           { "EALREADY", -EALREADY },
        { "ESTALE", -ESTALE },     { "EINVAL", -EINVAL },         { "EPERM", -EPERM },
        { "ENOSPC", -ENOSPC },     { "EBADMSG", -EBADMSG },       { "ETIME", -ETIME },
        { "ENOTCONN", -ENOTCONN }, { "EOPNOTSUPP", -EOPNOTSUPP }, { "ENOMEM", -ENOMEM },
        { "ENODATA", -ENODATA },   { "EEXIST", -EEXIST },     { "EUCLEAN", -EUCLEAN },       { "EIO", -EIO },
};

static const char *const methods[QUESTION_KIND_MAX] = {
        [QUESTION_STATUS] = "Status",     [QUESTION_LIST] = "List",   [QUESTION_SHOW] = "Show",
        [QUESTION_PLAN] = "Plan",         [QUESTION_RUNS] = "Runs",   [QUESTION_REPORT] = "Report",
        [QUESTION_DRIFT] = "Drift",
        [QUESTION_FIREWALL_STATE] = "FirewallState",
        [QUESTION_FIREWALL] = "Firewall", [QUESTION_CHECK] = "Check",
        [QUESTION_BAN] = "Ban",           [QUESTION_UNBAN] = "Unban", [QUESTION_BANS] = "Bans",
};

static int code_of(const char *name)
{
        if (streq(name, SD_BUS_ERROR_ACCESS_DENIED))
                return -EACCES;
        if (streq(name, SD_BUS_ERROR_NO_REPLY) || streq(name, SD_BUS_ERROR_DISCONNECTED) ||
            streq(name, SD_BUS_ERROR_TIMEOUT))
                return -EHOSTDOWN;
        if (!startswith(name, error_prefix))
                return -EIO;
        for (size_t i = 0; i < ELEMENTS(errors); i++)
                if (streq(name + strlen(error_prefix), errors[i].name))
                        return errors[i].code;
        return -EIO;
}

static bool is_gone(int r)
{
        return r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE || r == -ETIMEDOUT || r == -ESHUTDOWN ||
               r == -ECONNREFUSED;
}

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct client *c = userdata;
        const char *json;
        int64_t run;

        (void)error;
        if (sd_bus_message_read(m, "xs", &run, &json) >= 0 && c->progress)
                c->progress(c->userdata, run, json);
        return 0;
}

static int connect_to(const char *path, infra_error **reterr)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot make a socket: %m");
        if (strlen(path) >= sizeof(address.sun_path))
                return infra_error_set(reterr, -ENAMETOOLONG, "the socket path %s is longer than %zu characters", path,
                                       sizeof(address.sun_path) - 1);
        strcpy(address.sun_path, path);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                if (errno == EACCES || errno == EPERM)
                        return infra_error_set(reterr, -errno, "cannot connect to infrad (socket %s): %m", path);
                return infra_error_set(reterr, -EHOSTDOWN, "infrad is not running (socket %s)", path);
        }
        return TAKE_FD(fd);
}

static int start_bus(struct client *c, int fd)
{
        int r = sd_bus_new(&c->bus);

        if (r >= 0)
                r = sd_bus_set_fd(c->bus, fd, fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_bus_set_bus_client(c->bus, 0);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(c->bus, CALL_LIMIT_US);
        if (r >= 0)
                r = sd_bus_start(c->bus);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, NULL, object, interface, "Progress", on_progress, c);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
        return r;
}

static void daemon_close(struct client *c)
{
        if (c->bus)
                sd_bus_detach_event(c->bus);
        c->bus = sd_bus_flush_close_unref(c->bus);
}

static int daemon_open(struct client *c, infra_error **reterr)
{
        int fd = connect_to(client_socket(c), reterr), r;

        if (fd < 0)
                return fd;
        r = start_bus(c, fd);
        if (r >= 0)
                return 0;
        daemon_close(c);
        return infra_error_set(reterr, is_gone(r) ? -EHOSTDOWN : r, "cannot speak to infrad (socket %s): %s",
                               client_socket(c), strerror(-r));
}

static int call(struct client *c, sd_bus_message *m, sd_bus_message **ret, infra_error **reterr)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(c->bus, m, CALL_LIMIT_US, &error, ret);

        if (r >= 0)
                return r;
        if (is_gone(r) || (error.name && code_of(error.name) == -EHOSTDOWN))
                r = infra_error_set(reterr, -EHOSTDOWN, "infrad stopped answering (socket %s): %s", client_socket(c),
                                    error.message ? error.message : strerror(-r));
        else
                r = infra_error_set(reterr, error.name ? code_of(error.name) : r, "%s",
                                    error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        return r;
}

static int append(sd_bus_message *m, const struct question *q)
{
        switch (q->ask) {
        case QUESTION_SHOW:
        case QUESTION_DRIFT:
        case QUESTION_FIREWALL_STATE:
        case QUESTION_FIREWALL: return sd_bus_message_append(m, "s", q->name);
        case QUESTION_PLAN: return sd_bus_message_append(m, "ssb", q->kind, q->name, (int)q->restore_volumes);
        case QUESTION_BAN: return sd_bus_message_append(m, "ssx", q->name, q->zone, q->for_ms);
        case QUESTION_UNBAN: return sd_bus_message_append(m, "ss", q->name, q->zone);
        case QUESTION_RUNS: return sd_bus_message_append(m, "u", q->limit);
        case QUESTION_REPORT: return sd_bus_message_append(m, "x", q->run);
        default: return 0;
        }
}

static int message(struct client *c, const char *method, sd_bus_message **ret)
{
        int r = sd_bus_message_new_method_call(c->bus, ret, NULL, object, interface, method);

        return is_gone(r) ? -EHOSTDOWN : r;
}

static int call_text(struct client *c, sd_bus_message *m, char **ret_json, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *json;
        int r = call(c, m, &reply, reterr);

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "s", &json);
        if (r < 0)
                return infra_error_set(reterr, -EPROTO, "infrad answered something else than text");
        *ret_json = strdup(json);
        return *ret_json ? 0 : infra_error_oom(reterr);
}

static int daemon_ask(struct client *c, const struct question *q, char **ret_json, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = message(c, methods[q->ask], &m);

        if (r >= 0)
                r = append(m, q);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask infrad: %s", strerror(-r));
        return call_text(c, m, ret_json, reterr);
}

/* A call that answers with a run; @r: what making the message came to. */
static int call_run(struct client *c, sd_bus_message *m, int r, int64_t *ret_run, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask infrad: %s", strerror(-r));
        r = call(c, m, &reply, reterr);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "x", ret_run);
        return r < 0 ? infra_error_set(reterr, -EPROTO, "infrad answered something else than a run number") : 0;
}

static int daemon_begin(struct client *c, const struct change *change, int64_t *ret_run, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = message(c, "Begin", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "ssbss", change->kind, change->subject, (int)change->restore_volumes,
                                          change->digest, change->control);
        return call_run(c, m, r, ret_run, reterr);
}

static int daemon_control(struct client *c, const char *what, int64_t *ret_run, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = message(c, "Control", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", what);
        return call_run(c, m, r, ret_run, reterr);
}

static int daemon_firewall(struct client *c, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr)
{
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = message(c, "FirewallChange", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "suxs", change->what, change->number, change->confirm_ms, change->shown ? change->shown : "");
        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask infrad: %s", strerror(-r));
        return call_text(c, m, ret_json, reterr);
}

/* infrad does that by itself. */
static int daemon_take_up(struct client *c, int64_t run, infra_error **reterr)
{
        (void)c;
        (void)run;
        (void)reterr;
        return 0;
}

static bool daemon_alive(struct client *c)
{
        return c->bus && sd_bus_is_open(c->bus) > 0;
}

const struct transport transport_daemon = {
        .name = "daemon",
        .open = daemon_open,
        .close = daemon_close,
        .ask = daemon_ask,
        .begin = daemon_begin,
        .control = daemon_control,
        .firewall = daemon_firewall,
        .take_up = daemon_take_up,
        .alive = daemon_alive,
};
