/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Containers and runs as the JSON that people and programs get. */

#include "facade/manager.h"

static json_t *address_json(const struct address *a)
{
        char text[ADDRESS_TEXT_MAX];

        return json_string(address_is_set(a) ? address_format(a, text) : "");
}

static json_t *where_json(const struct span *span)
{
        return json_sprintf("%s:%u", span->file ? span->file : "", span->line);
}

static json_t *ports_json(const struct ports *p)
{
        char text[ADDRESS_TEXT_MAX];

        return json_string(ports_format(p, text));
}

json_t *describe_container(const infra_estate *e, const struct container *c, const struct container_fact *fact)
{
        (void)e;
        return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:s,s:s,s:s,s:i,s:o,s:o,s:b,s:o}", "name", c->name, "profile", c->profile,
                         "state", fact->state, "managed", fact->managed, "configured", fact->configured, "running",
                         fact->running, "fence", fact->fenced ? "closed" : "open", "release", fact->release,
                         "policy_release", c->release, "generation", (int)fact->live, "address",
                         address_json(&c->internal), "ipv6", address_json(&c->ipv6), "essential", c->essential, "where",
                         where_json(&c->span));
}

static json_t *services_json(const struct container *c)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->n_services; i++) {
                const struct service *s = &c->services[i];
                json_t *from = json_array();

                for (size_t k = 0; k < s->n_from; k++)
                        json_array_append_new(from, json_string(s->from[k].name));
                json_array_append_new(list, json_pack("{s:o,s:o,s:i,s:s,s:o}", "port", ports_json(&s->port), "from", from,
                                                      "public_port", (int)s->public_port, "probe",
                                                      probe_kind_name(s->probe.kind), "where", where_json(&s->span)));
        }
        return list;
}

static json_t *connects_json(const struct container *c)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->n_connects; i++)
                json_array_append_new(list, json_pack("{s:s,s:o,s:o}", "to", c->connects[i].to.name, "port",
                                                      ports_json(&c->connects[i].port), "where",
                                                      where_json(&c->connects[i].span)));
        return list;
}

static json_t *volumes_json(const struct container *c)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->n_volumes; i++)
                json_array_append_new(list, json_pack("{s:s,s:o}", "path", c->volumes[i].path, "where",
                                                      where_json(&c->volumes[i].span)));
        return list;
}

static json_t *names_json(const infra_estate *e, const size_t *indices, size_t n)
{
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, json_string(e->containers[indices[i]].name));
        return list;
}

static json_t *strings_json(const struct strlist *l)
{
        json_t *list = json_array();

        for (size_t i = 0; i < l->n; i++)
                json_array_append_new(list, json_string(l->items[i]));
        return list;
}

static json_t *generations_json(const struct container_fact *fact)
{
        json_t *list = json_array();

        for (size_t i = 0; i < fact->n_generations; i++) {
                const struct generation_fact *g = &fact->generations[i];

                json_array_append_new(list, json_pack("{s:i,s:i,s:s,s:s,s:s,s:I,s:I}", "number", (int)g->number, "parent",
                                                      (int)g->parent, "release", g->release, "state", g->state, "run",
                                                      g->run, "created_wall", (json_int_t)g->created_ms, "until_wall", (json_int_t)0));
        }
        return list;
}

json_t *describe_container_fully(const infra_estate *e, const struct container *c, const struct container_fact *fact)
{
        json_t *j = describe_container(e, c, fact);
        json_t *more = json_pack("{s:{s:o,s:o,s:o,s:o},s:o,s:o,s:o,s:o,s:o,s:o,s:I}", "addresses", "internal",
                                 address_json(&c->internal), "intranet", address_json(&c->intranet), "internet",
                                 address_json(&c->internet), "ipv6", address_json(&c->ipv6), "after",
                                 names_json(e, c->after, c->n_after), "services", services_json(c), "connects",
                                 connects_json(c), "volumes", volumes_json(c), "admins", strings_json(&c->admins),
                                 "generations", generations_json(fact), "stop_grace_ms", (json_int_t)c->stop_grace_ms);

        if (!j || !more || json_object_update(j, more) < 0) {
                json_decref(j);
                j = NULL;
        }
        json_decref(more);
        return j;
}

json_t *describe_run(const struct run_record *r)
{
        return json_pack("{s:I,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:s}", "id", (json_int_t)r->id, "kind", r->kind, "subject",
                         r->subject, "state", run_state_name(r->state), "owner", r->owner, "uid", (json_int_t)r->uid,
                         "started_wall", (json_int_t)r->started_ms, "ended_wall", (json_int_t)r->ended_ms, "error", r->error,
                         "digest", r->digest);
}
