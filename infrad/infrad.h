/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * infrad: one manager (libinfra), its bus objects, and nothing else: every act runs in a worker process of
 * the engine, every question in a process of its own. Single-threaded, on one sd-event loop.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <infra/manager.h>

#define INFRAD_OBJECT "/org/infra1"
#define INFRAD_INTERFACE "org.infra1.Manager"
#define INFRAD_NAME "org.infrad1" /* on the system bus */

struct peer;

struct infrad {
        infra_manager *manager;
        sd_event *event;
        char *socket_path;
        int socket;
        sd_event_source *accept_source;
        sd_event_source *retry_source;
        sd_event_source *expire_source;
        sd_event_source *settle_source;
        bool settle_fails; /* and that is said */
        struct peer *peers; /* connections to the private socket */
        sd_bus *system;     /* or NULL: no message bus here */
};

/* server.c: the private socket. */
int server_listen(struct infrad *d, infra_error **reterr);
void server_close(struct infrad *d);
/* The system bus, if there is one; its absence is no error. */
void server_join_system_bus(struct infrad *d);
/* Progress to everybody who is connected. */
void server_broadcast(struct infrad *d, int64_t run, const char *json);

/* object.c: the vtable. */
extern const sd_bus_vtable manager_vtable[];
/* Sends the answer and frees it, or sets the error and frees that. */
int object_answer(sd_bus_message *m, int r, char *json, infra_error *e, sd_bus_error *error);

/* firewall.c: methods of the vtable. */
int method_firewall_state(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_firewall_change(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Puts back what nobody confirmed, and watches from now on. */
void firewall_begin(struct infrad *d);

/* access.c: who asks. */
struct asker {
        uid_t uid;
        pid_t pid;     /* 0 = not known */
        bool operates; /* root or member of the group "infra" */
};
int access_of(sd_bus_message *m, struct asker *ret);
/*
 * 0 when the asker may do @kind to @subject; else the bus error is set with the right that is missing. A
 * container's admins may start, stop and restart that container, and see its drift.
 */
int access_check(struct infrad *d, sd_bus_message *m, const char *kind, const char *subject, uid_t *ret_uid,
                 sd_bus_error *error);

/* log.c: one line with a stable message id, to the journal or, without one, to stderr. */
enum log_event { LOG_STARTED, LOG_RUN, LOG_TROUBLE, LOG_STOPPED, LOG_FIREWALL, LOG_DRIFT, LOG_EVENT_MAX };
void log_event(enum log_event e, const char *format, ...) __attribute__((format(printf, 2, 3)));
