/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "facts/facts.h"

#include <stdlib.h>

void container_fact_done(struct container_fact *c)
{
        for (size_t i = 0; i < c->n_generations; i++) {
                free(c->generations[i].release);
                free(c->generations[i].state);
                free(c->generations[i].run);
        }
        free(c->generations);
        free(c->name);
        free(c->state);
        strlist_done(&c->unmade);
        free(c->previous_run);
        free(c->release);
        *c = (struct container_fact){};
}

void facts_done(struct facts *f)
{
        for (size_t i = 0; i < f->n_containers; i++)
                container_fact_done(&f->containers[i]);
        free(f->containers);
        strlist_done(&f->foreign);
        free(f->firewall_diff);
        *f = (struct facts){};
}
