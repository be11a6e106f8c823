/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an estate contains, by name, without looking at the host. */

#include <stdlib.h>

#include "base/json.h"
#include "estate/estate.h"

static json_t *containers_json(const infra_estate *e, size_t *ret_services)
{
        json_t *list = json_array();

        for (size_t i = 0; i < e->n_containers; i++) {
                const struct container *c = &e->containers[i];

                *ret_services += c->n_services;
                json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "name", c->name, "profile", c->profile, "release",
                                                      c->release, "services", (json_int_t)c->n_services));
        }
        return list;
}

INFRA_PUBLIC int infra_estate_summary(const infra_estate *e, char **ret_json, infra_error **reterr)
{
        json_t *zones = json_array(), *upgrades = json_array(), *containers;
        size_t services = e->host.n_services;
        _cleanup_json_ json_t *j = NULL;
        char *text;

        for (size_t i = 0; i < e->n_zones; i++)
                json_array_append_new(zones, json_string(e->zones[i].name));
        for (size_t i = 0; i < e->n_upgrades; i++)
                json_array_append_new(upgrades, json_string(e->upgrades[i].name));
        containers = containers_json(e, &services);
        j = json_pack("{s:s,s:s,s:o,s:o,s:o,s:I}", "host", e->host.name, "digest", e->digest, "zones", zones, "containers",
                      containers, "upgrades", upgrades, "services", (json_int_t)services);
        text = j ? json_dumps(j, JSON_COMPACT) : NULL;
        if (!text)
                return infra_error_oom(reterr);
        *ret_json = text;
        return 0;
}
