/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of infra/manager.h. */

#include <infra/manager.h>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/runner.h"
#include "journal/journal.h"

struct infra_manager {
        char *policy;
        char *profiles; /* or NULL */
        char *state;
        struct journal *journal;
        struct runner *runner;   /* the run under way, or the last one */
        struct manager_watch *watch; /* of the firewall, or NULL */
        void (*changed)(void *userdata, int64_t run, const char *json);
        void *userdata;
};

/* The policy as it is now; diagnostics become one error that says how many and where the first is. */
int manager_estate(const infra_manager *m, infra_estate **ret, infra_error **reterr);
/* Facts, observed in a process of its own. */
int manager_facts(const infra_estate *e, struct facts *ret, infra_error **reterr);
/* See engine_drift(), in a process of its own. */
int manager_drift(const infra_estate *e, const struct facts *f, const char *name, json_t **ret, infra_error **reterr);
/* Text of a JSON value, which is consumed. */
int manager_answer(json_t *value, char **ret_json, infra_error **reterr);

/* firewall.c: "status" or "generations". */
int manager_firewall_state(const infra_manager *m, const char *what, json_t **ret, infra_error **reterr);
struct manager_watch *manager_watch_free(struct manager_watch *w);

json_t *describe_container(const infra_estate *e, const struct container *c, const struct container_fact *fact);
json_t *describe_container_fully(const infra_estate *e, const struct container *c, const struct container_fact *fact);
json_t *describe_run(const struct run_record *r);

/* Plan, sealed, with forecasts from the journal. */
int manager_compute(infra_manager *m, const char *kind, const char *subject, bool restore_volumes,
                    const infra_estate *e, const struct facts *f, struct plan **ret, infra_error **reterr);
/* Milliseconds a container is expected to be unreachable in the plan. */
/* Whether no earlier step is of the same container (NULL: the host). */
bool plan_is_first(const struct plan *p, size_t index);
int64_t plan_outage(const struct plan *p, const char *container);

/* Facts through a pipe. */
json_t *facts_encode(const struct facts *f);
int facts_decode(const json_t *j, struct facts *ret);
