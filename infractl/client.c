/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which transport answers. */

#include "infractl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char default_socket[] = "/run/infra/infrad.socket";

int client_new(const struct client_options *options, struct client **ret, infra_error **reterr)
{
        struct client *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return infra_error_oom(reterr);
        c->options = *options;
        r = sd_event_new(&c->event);
        if (r < 0) {
                client_free(c);
                return infra_error_set(reterr, r, "cannot make an event loop: %s", strerror(-r));
        }
        *ret = c;
        return 0;
}

struct client *client_free(struct client *c)
{
        if (!c)
                return NULL;
        if (c->transport)
                c->transport->close(c);
        infra_manager_free(c->manager);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

const char *client_socket(const struct client *c)
{
        return c->options.socket ? c->options.socket : default_socket;
}

bool client_is_local(const struct client *c)
{
        return c->options.local || c->transport == &transport_local;
}

static int open_transport(struct client *c, const struct transport *t, infra_error **reterr)
{
        int r;

        if (c->transport == t)
                return 0;
        if (c->transport)
                c->transport->close(c);
        c->transport = NULL;
        r = t->open(c, reterr);
        if (r >= 0)
                c->transport = t;
        return r;
}

static int open_for_reading(struct client *c, infra_error **reterr)
{
        _cleanup_error_ infra_error *e = NULL;
        int r;

        if (c->transport)
                return 0;
        if (c->options.local)
                return open_transport(c, &transport_local, reterr);
        r = open_transport(c, &transport_daemon, &e);
        if (r >= 0)
                return r;
        if (!c->options.quiet)
                fprintf(stderr, "infractl: %s; reading it here instead\n", infra_error_message(e));
        r = open_transport(c, &transport_local, reterr);
        /* Neither way: what matters to the caller is that nobody answered. */
        return r == -EACCES || r == -EPERM || r == -EROFS ? infra_error_prefix(reterr, r, "without infrad") : r;
}

int client_prepare(struct client *c, infra_error **reterr)
{
        _cleanup_error_ infra_error *e = NULL;
        int r;

        if (c->options.local)
                return open_transport(c, &transport_local, reterr);
        r = open_transport(c, &transport_daemon, &e);
        if (r == -EHOSTDOWN)
                return infra_error_set(reterr, r, "infrad is not running (socket %s): start it, or add --local",
                                       client_socket(c));
        return r < 0 ? infra_error_set(reterr, r, "%s", infra_error_message(e)) : 0;
}

int client_ask(struct client *c, const struct question *q, char **ret_json, infra_error **reterr)
{
        int r = open_for_reading(c, reterr);

        return r < 0 ? r : c->transport->ask(c, q, ret_json, reterr);
}

int client_begin(struct client *c, const struct change *change, int64_t *ret_run, infra_error **reterr)
{
        int r = client_prepare(c, reterr);

        return r < 0 ? r : c->transport->begin(c, change, ret_run, reterr);
}

int client_control(struct client *c, const char *what, int64_t *ret_run, infra_error **reterr)
{
        int r = client_prepare(c, reterr);

        return r < 0 ? r : c->transport->control(c, what, ret_run, reterr);
}

int client_firewall(struct client *c, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr)
{
        int r = client_prepare(c, reterr);

        return r < 0 ? r : c->transport->firewall(c, change, ret_json, reterr);
}

int client_take_up(struct client *c, int64_t run, infra_error **reterr)
{
        return c->options.local && c->transport ? c->transport->take_up(c, run, reterr) : 0;
}

void client_set_progress(struct client *c, client_progress progress, void *userdata)
{
        c->progress = progress;
        c->userdata = userdata;
}

bool client_alive(struct client *c)
{
        return c->transport && c->transport->alive(c);
}

int client_reopen(struct client *c, infra_error **reterr)
{
        const struct transport *t = c->transport;

        if (!t)
                return client_prepare(c, reterr);
        t->close(c);
        c->transport = NULL;
        return open_transport(c, t, reterr);
}

int client_manager(struct client *c, infra_manager **ret, infra_error **reterr)
{
        int r = c->manager ? 0 : infra_manager_new(&c->options.paths, &c->manager, reterr);

        if (r < 0)
                return r;
        *ret = c->manager;
        return 0;
}
