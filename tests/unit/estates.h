/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small estate and its facts, built by hand: email, and wiki that starts after it. */

#include "base/array.h"
#include "estate/estate.h"
#include "facts/facts.h"

static inline infra_estate *estate_of_two(void)
{
        infra_estate *e = calloc(1, sizeof(*e));
        static const char *const names[] = { "email", "wiki" };
        struct upgrade *u;

        e->digest = strdup("policy");
        e->host.storage_path = strdup("/storage");
        strlist_add(&e->files, "containers/x.yaml");
        for (size_t i = 0; i < 2; i++) {
                struct container *c = ARRAY_ADD(e->containers, e->n_containers);

                c->name = strdup(names[i]);
                c->profile = strdup("plain");
                c->release = strdup("bookworm");
                c->autostart = true;
                c->span = (struct span){ e->files.items[0], (unsigned)i + 1, 1, 1 };
        }
        e->containers[1].after = calloc(1, sizeof(size_t));
        e->containers[1].n_after = 1;
        u = ARRAY_ADD(e->upgrades, e->n_upgrades);
        u->name = strdup("trixie");
        u->to = strdup("trixie");
        u->span = (struct span){ e->files.items[0], 9, 1, 1 };
        u->n_waves = 2;
        u->waves = calloc(2, sizeof(*u->waves));
        for (size_t i = 0; i < 2; i++) {
                u->waves[i].containers = calloc(1, sizeof(size_t));
                u->waves[i].containers[0] = i;
                u->waves[i].n_containers = 1;
        }
        return e;
}

/* Both exist, run bookworm as generation 1 and nothing is to be changed. */
static inline struct facts facts_of_two(void)
{
        struct facts f = { .bridge = true, .firewall_loaded = true, .firewall_diff = strdup(""), .free_bytes = 10ull << 30, .total_bytes = 20ull << 30 };
        static const char *const names[] = { "email", "wiki" };

        for (size_t i = 0; i < 2; i++) {
                struct container_fact *c = ARRAY_ADD(f.containers, f.n_containers);
                struct generation_fact *g = ARRAY_ADD(c->generations, c->n_generations);

                c->name = strdup(names[i]);
                c->exists = c->managed = c->running = c->configured = c->volumes = true;
                c->state = strdup("running");
                c->live = c->last = 1;
                c->previous_run = strdup("");
                c->release = strdup("bookworm");
                c->forecast_bytes = 1ull << 30;
                *g = (struct generation_fact){ 1, 0, strdup("bookworm"), strdup("live"), strdup(""), 0 };
        }
        return f;
}
