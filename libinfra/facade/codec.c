/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Facts as JSON and back: they are observed in a process of their own. */

#include <errno.h>

#include "base/array.h"
#include "facade/manager.h"

static json_t *generation_encode(const struct generation_fact *g)
{
        return json_pack("{s:i,s:i,s:s,s:s,s:s,s:I}", "number", (int)g->number, "parent", (int)g->parent, "release", g->release,
                         "state", g->state, "run", g->run, "created_wall", (json_int_t)g->created_ms);
}

static json_t *strings_encode(const struct strlist *l)
{
        json_t *list = json_array();

        for (size_t i = 0; i < l->n; i++)
                json_array_append_new(list, json_string(l->items[i]));
        return list;
}

static json_t *container_encode(const struct container_fact *c)
{
        json_t *generations = json_array();

        for (size_t i = 0; i < c->n_generations; i++)
                json_array_append_new(generations, generation_encode(&c->generations[i]));
        return json_pack("{s:s,s:b,s:b,s:b,s:s,s:b,s:b,s:b,s:i,s:i,s:i,s:s,s:s,s:o,s:I,s:o}", "name", c->name, "exists", c->exists,
                         "managed", c->managed, "running", c->running, "state", c->state, "configured", c->configured,
                         "volumes", c->volumes, "fenced", c->fenced, "live", (int)c->live, "last", (int)c->last, "previous",
                         (int)c->previous, "previous_run", c->previous_run, "release", c->release, "generations", generations,
                         "forecast_bytes", (json_int_t)c->forecast_bytes, "unmade", strings_encode(&c->unmade));
}

json_t *facts_encode(const struct facts *f)
{
        json_t *containers = json_array(), *foreign = strings_encode(&f->foreign);

        for (size_t i = 0; i < f->n_containers; i++)
                json_array_append_new(containers, container_encode(&f->containers[i]));
        return json_pack("{s:o,s:o,s:b,s:b,s:s,s:I,s:I}", "containers", containers, "foreign", foreign, "bridge", f->bridge,
                         "firewall_loaded", f->firewall_loaded, "firewall_diff", f->firewall_diff, "free",
                         (json_int_t)f->free_bytes, "total", (json_int_t)f->total_bytes);
}

static int text(const json_t *j, const char *key, char **ret)
{
        const char *s = json_string_value(json_object_get(j, key));

        *ret = strdup(s ? s : "");
        return *ret ? 0 : -ENOMEM;
}

static unsigned number(const json_t *j, const char *key)
{
        return (unsigned)json_integer_value(json_object_get(j, key));
}

static bool truth(const json_t *j, const char *key)
{
        return json_is_true(json_object_get(j, key));
}

static int generation_decode(const json_t *j, struct generation_fact *g)
{
        g->number = number(j, "number");
        g->parent = number(j, "parent");
        g->created_ms = json_integer_value(json_object_get(j, "created_wall"));
        return text(j, "release", &g->release) < 0 || text(j, "state", &g->state) < 0 || text(j, "run", &g->run) < 0 ? -ENOMEM : 0;
}

static int container_decode(const json_t *j, struct container_fact *c)
{
        const json_t *item;
        size_t i;

        c->exists = truth(j, "exists");
        c->managed = truth(j, "managed");
        c->running = truth(j, "running");
        c->configured = truth(j, "configured");
        c->volumes = truth(j, "volumes");
        c->fenced = truth(j, "fenced");
        c->live = number(j, "live");
        c->last = number(j, "last");
        c->previous = number(j, "previous");
        c->forecast_bytes = (uint64_t)json_integer_value(json_object_get(j, "forecast_bytes"));
        if (text(j, "name", &c->name) < 0 || text(j, "state", &c->state) < 0 || text(j, "release", &c->release) < 0 ||
            text(j, "previous_run", &c->previous_run) < 0)
                return -ENOMEM;
        json_array_foreach(json_object_get(j, "unmade"), i, item)
                if (strlist_add(&c->unmade, json_string_value(item)) < 0)
                        return -ENOMEM;
        json_array_foreach(json_object_get(j, "generations"), i, item) {
                struct generation_fact *g = ARRAY_ADD(c->generations, c->n_generations);

                if (!g || generation_decode(item, g) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int facts_decode(const json_t *j, struct facts *ret)
{
        _cleanup_facts_ struct facts f = {};
        const json_t *item;
        size_t i;

        f.bridge = truth(j, "bridge");
        f.firewall_loaded = truth(j, "firewall_loaded");
        f.free_bytes = (uint64_t)json_integer_value(json_object_get(j, "free"));
        f.total_bytes = (uint64_t)json_integer_value(json_object_get(j, "total"));
        if (text(j, "firewall_diff", &f.firewall_diff) < 0)
                return -ENOMEM;
        json_array_foreach(json_object_get(j, "containers"), i, item) {
                struct container_fact *c = ARRAY_ADD(f.containers, f.n_containers);

                if (!c || container_decode(item, c) < 0)
                        return -ENOMEM;
        }
        json_array_foreach(json_object_get(j, "foreign"), i, item)
                if (strlist_add(&f.foreign, json_string_value(item)) < 0)
                        return -ENOMEM;
        *ret = f;
        f = (struct facts){};
        return 0;
}
