/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Facts: what was observed at one moment. Data only; the engine fills them in through the drivers, the plan
 * reads them. containers[i] speaks of the estate's containers[i].
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/str.h"

struct generation_fact {
        unsigned number;
        unsigned parent;
        char *release;
        char *state; /* candidate, live, previous, bad */
        char *run;
        int64_t created_ms; /* wall */
};

struct container_fact {
        char *name;
        bool exists;  /* liblxc knows it */
        bool managed; /* and it carries our mark */
        bool running; /* init runs, frozen or not */
        char *state;  /* liblxc's word, for people */
        bool configured; /* the written configuration is the wanted one */
        bool volumes;    /* all volumes exist, but for those of `unmade` while it runs */
        struct strlist unmade; /* paths the policy calls volumes that are still part of the root */
        bool fenced;
        unsigned live;   /* number of the live generation, 0 = none */
        unsigned last;   /* highest number in use, 0 = none */
        unsigned previous; /* that `rollback` goes back to, 0 = none */
        char *previous_run; /* run that replaced it: tag of the volume snapshots; "" = none */
        char *release;   /* of the live root, from its os-release; "" = none */
        struct generation_fact *generations;
        size_t n_generations;
        uint64_t forecast_bytes; /* that an upgrade may take */
};

struct facts {
        struct container_fact *containers;
        size_t n_containers;
        struct strlist foreign; /* containers liblxc knows and the policy does not, or not ours */
        bool bridge;
        bool firewall_loaded;
        char *firewall_diff; /* kernel -> policy, "" = the same */
        uint64_t free_bytes;
        uint64_t total_bytes;
};

void facts_done(struct facts *f);
void container_fact_done(struct container_fact *c);

#define _cleanup_facts_ CLEANUP(facts_done)
