/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The client: one way to ask, two transports behind one table of functions. "daemon" speaks to infrad over
 * its private socket; "local" opens the manager in this process (rescue without the daemon). Questions that
 * only read fall back from the first to the second with a note on stderr; changes never do.
 *
 * Every answer is the JSON of infra/manager.h. A client belongs to one thread; its event loop is where
 * progress arrives.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include <infra/manager.h>

#include "base/error.h"

enum question_kind {
        QUESTION_STATUS,
        QUESTION_LIST,
        QUESTION_SHOW,     /* name */
        QUESTION_DRIFT,    /* name */
        QUESTION_PLAN,     /* kind, name, restore_volumes */
        QUESTION_RUNS,     /* limit */
        QUESTION_REPORT,   /* run */
        QUESTION_FIREWALL, /* name: kernel, policy, diff */
        QUESTION_FIREWALL_STATE, /* name: status, generations */
        QUESTION_BAN,      /* name, zone, for_ms: changes what the kernel drops, no run */
        QUESTION_UNBAN,    /* name, zone */
        QUESTION_BANS,
        QUESTION_CHECK,
        QUESTION_KIND_MAX,
};

struct question {
        enum question_kind ask;
        const char *kind; /* of the plan */
        const char *name;
        bool restore_volumes;
        unsigned limit;
        int64_t run;
        const char *zone; /* "" = none */
        int64_t for_ms;
};

/* A change: a plan to be begun, as it was shown. */
struct change {
        const char *kind;
        const char *subject;
        bool restore_volumes;
        const char *digest; /* "" = whatever the plan is by now */
        const char *control; /* "", or how far it may go by itself */
};

struct client_options {
        struct infra_paths paths;
        const char *socket; /* NULL = /run/infra/infrad.socket */
        bool local;         /* never ask infrad */
        bool quiet;         /* no notes on stderr */
};

struct client;
struct transport {
        const char *name;
        /* -EHOSTDOWN when nothing answers. */
        int (*open)(struct client *c, infra_error **reterr);
        void (*close)(struct client *c);
        int (*ask)(struct client *c, const struct question *q, char **ret_json, infra_error **reterr);
        int (*begin)(struct client *c, const struct change *change, int64_t *ret_run, infra_error **reterr);
        /* What a person says to the run under way: go, pause, abort. */
        int (*control)(struct client *c, const char *what, int64_t *ret_run, infra_error **reterr);
        /* A change of the firewall; the answer is its STATE. */
        int (*firewall)(struct client *c, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr);
        /* Takes up a run that nobody carries on; 1 = it is carried on now, 0 = somebody does. */
        int (*take_up)(struct client *c, int64_t run, infra_error **reterr);
        /* Whether progress can still arrive. */
        bool (*alive)(struct client *c);
};
extern const struct transport transport_daemon;
extern const struct transport transport_local;

typedef void (*client_progress)(void *userdata, int64_t run, const char *json);

/* Visible for the transports; everybody else uses the functions below. */
struct client {
        struct client_options options;
        const struct transport *transport; /* NULL until the first question */
        sd_event *event;
        infra_manager *manager; /* local */
        bool locked;            /* local: we are the writer */
        struct sd_bus *bus;     /* daemon */
        client_progress progress;
        void *userdata;
};

int client_new(const struct client_options *options, struct client **ret, infra_error **reterr);
/* Takes NULL, returns NULL. */
struct client *client_free(struct client *c);

/* A read. Opens a transport when there is none yet. *ret_json is to be freed. */
int client_ask(struct client *c, const struct question *q, char **ret_json, infra_error **reterr);
/* Opens the transport that changes will use: -EHOSTDOWN when infrad is not there (no fallback). */
int client_prepare(struct client *c, infra_error **reterr);
/* A change; progress arrives on the client's event loop. */
int client_begin(struct client *c, const struct change *change, int64_t *ret_run, infra_error **reterr);
int client_control(struct client *c, const char *what, int64_t *ret_run, infra_error **reterr);
int client_firewall(struct client *c, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr);
int client_take_up(struct client *c, int64_t run, infra_error **reterr);
void client_set_progress(struct client *c, client_progress progress, void *userdata);
bool client_alive(struct client *c);
/* Closes a lost connection and tries again. */
int client_reopen(struct client *c, infra_error **reterr);
bool client_is_local(const struct client *c);
/* The manager of this process, for what needs the caller's terminal. */
int client_manager(struct client *c, infra_manager **ret, infra_error **reterr);
const char *client_socket(const struct client *c);

DEFINE_CLEANUP(struct client *, client_free);
#define _cleanup_client_ CLEANUP(client_freep)
