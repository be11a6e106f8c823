/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may reach what, tried packet by packet: origins of the policy by containers and host. */

#include <errno.h>
#include <infra/firewall.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "facade/flow.h"

struct origin_row {
        struct end end;
        const char *name;
        const char *kind;
};

struct matrix {
        const struct source *source;
        const char *name;
        struct origin_row *rows;
        size_t n_rows;
};

static int add_row(struct matrix *m, struct end end, const char *name, const char *kind)
{
        struct origin_row *r = ARRAY_ADD(m->rows, m->n_rows);

        if (!r)
                return -ENOMEM;
        *r = (struct origin_row){ end, name, kind };
        return 0;
}

/* A network somebody is let in from, once. */
static int add_networks(struct matrix *m, const struct service *s)
{
        for (size_t i = 0; i < s->n_from; i++) {
                struct end end = { .kind = END_ADDRESS, .address = s->from[i].network };
                bool known = s->from[i].kind != ORIGIN_NETWORK;

                for (size_t k = 0; !known && k < m->n_rows; k++)
                        known = streq(m->rows[k].name, s->from[i].name);
                end.address.prefix = address_bits(&end.address);
                if (!known && add_row(m, end, s->from[i].name, "network") < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_rows(struct matrix *m)
{
        const infra_estate *e = m->source->estate;
        int r = add_row(m, (struct end){ .kind = END_ANY }, "any", "any");

        for (size_t i = 0; r >= 0 && i < e->n_zones; i++)
                r = add_row(m, (struct end){ .kind = END_ZONE, .zone = &e->zones[i] }, e->zones[i].name, "zone");
        for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                r = add_row(m, (struct end){ .kind = END_CONTAINER, .container = &e->containers[i] }, e->containers[i].name, "container");
        for (size_t k = 0; r >= 0 && k < e->host.n_services; k++)
                r = add_networks(m, &e->host.services[k]);
        for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                for (size_t k = 0; r >= 0 && k < e->containers[i].n_services; k++)
                        r = add_networks(m, &e->containers[i].services[k]);
        return r;
}

/* 1: gets through, 0: does not, -EINVAL: an end has no address of that family, -ENOMEM. */
static int try_packet(const struct source *s, const struct flow *f)
{
        _cleanup_trace_ struct trace t = {};
        enum path path;
        struct packet p;
        int r = flow_packet(f, s, &p, &path, NULL);

        if (r < 0)
                return r;
        r = trace_packet(s->ruleset, &p, path, &s->routing, &t);
        return r < 0 ? r : t.fate == FATE_ACCEPT;
}

static int add_port(const struct matrix *m, const struct origin_row *row, const struct end *to, const struct ports *ports, json_t *cell)
{
        static const int families[] = { AF_INET, AF_INET6 };
        static const char *const names[] = { "ipv4", "ipv6" };
        char text[ADDRESS_TEXT_MAX];
        _cleanup_json_ json_t *open = json_array();
        bool partly = false;

        for (size_t i = 0; i < ELEMENTS(families); i++) {
                struct flow f = { .family = families[i], .from = row->end, .to = *to, .protocol = ports->protocol, .state = STATE_BIT_NEW };
                int first, last;

                f.to.port = ports->first;
                first = try_packet(m->source, &f);
                f.to.port = ports->last;
                last = ports->last == ports->first ? first : try_packet(m->source, &f);
                if (first == -ENOMEM || last == -ENOMEM)
                        return -ENOMEM;
                if (first > 0 || last > 0)
                        json_array_append_new(open, json_string(names[i]));
                partly = partly || first == 0 || last == 0;
        }
        if (json_array_size(open) == 0)
                return 0;
        return json_array_append_new(cell, json_pack("{s:s,s:O,s:b}", "port", ports_format(ports, text), "families", open, "partly", partly));
}

static bool is_listed(const json_t *cell, const struct ports *p)
{
        char text[ADDRESS_TEXT_MAX];
        const json_t *item;
        size_t i;

        ports_format(p, text);
        json_array_foreach(cell, i, item)
                if (streq(json_string_value(json_object_get(item, "port")), text))
                        return true;
        return false;
}

static int add_services(const struct matrix *m, const struct origin_row *row, const struct end *to, json_t *cell)
{
        const infra_estate *e = m->source->estate;
        const struct service *services = to->container ? to->container->services : e->host.services;
        size_t n = to->container ? to->container->n_services : e->host.n_services;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!is_listed(cell, &services[i].port))
                        r = add_port(m, row, to, &services[i].port, cell);
        return r;
}

/* What a container `connects` to there need not be a service. */
static int add_connects(const struct matrix *m, const struct origin_row *row, const struct end *to, json_t *cell)
{
        const struct container *c = row->end.container;
        const infra_estate *e = m->source->estate;
        int r = 0;

        for (size_t i = 0; r >= 0 && c && i < c->n_connects; i++) {
                const struct origin *o = &c->connects[i].to;
                bool meant = to->container ? o->kind == ORIGIN_CONTAINER && &e->containers[o->index] == to->container : o->kind == ORIGIN_HOST;

                if (meant && !is_listed(cell, &c->connects[i].port))
                        r = add_port(m, row, to, &c->connects[i].port, cell);
        }
        return r;
}

static json_t *cell_json(const struct matrix *m, const struct origin_row *row, const struct end *to)
{
        json_t *cell;

        if (to->container && to->container == row->end.container)
                return json_null();
        cell = json_array();
        if (!cell || add_services(m, row, to, cell) < 0 || add_connects(m, row, to, cell) < 0) {
                json_decref(cell);
                return NULL;
        }
        return cell;
}

static json_t *row_json(const struct matrix *m, const struct origin_row *row)
{
        const infra_estate *e = m->source->estate;
        json_t *cells = json_array();
        bool failed = json_array_append_new(cells, cell_json(m, row, &(struct end){ .kind = END_HOST })) < 0;

        for (size_t i = 0; !failed && i < e->n_containers; i++)
                failed = json_array_append_new(cells, cell_json(m, row, &(struct end){ .kind = END_CONTAINER, .container = &e->containers[i] })) < 0;
        if (failed) {
                json_decref(cells);
                return NULL;
        }
        return json_pack("{s:s,s:s,s:o}", "name", row->name, "kind", row->kind, "cells", cells);
}

static json_t *matrix_json(const struct matrix *m)
{
        const infra_estate *e = m->source->estate;
        json_t *to = json_array(), *from = json_array();

        json_array_append_new(to, json_pack("{s:s,s:s}", "name", e->host.name, "kind", "host"));
        for (size_t i = 0; i < e->n_containers; i++)
                json_array_append_new(to, json_pack("{s:s,s:s}", "name", e->containers[i].name, "kind", "container"));
        for (size_t i = 0; i < m->n_rows; i++)
                if (json_array_append_new(from, row_json(m, &m->rows[i])) < 0) {
                        json_decref(to);
                        json_decref(from);
                        return NULL;
                }
        return json_pack("{s:s,s:s,s:o,s:o}", "host", e->host.name, "source", m->name, "to", to, "from", from);
}

INFRA_PUBLIC int infra_firewall_matrix(const char *in, const char *policy, const char *profiles, char **ret_json, infra_error **reterr)
{
        _cleanup_source_ struct source s = {};
        _cleanup_json_ json_t *j = NULL;
        struct matrix m = { .source = &s, .name = in };
        int r = source_load(in, policy, profiles, &s, reterr);

        if (r >= 0 && !s.estate)
                return infra_error_set(reterr, -EINVAL, "a matrix needs a policy for the names: --policy DIR");
        if (r < 0)
                return r;
        j = add_rows(&m) < 0 ? NULL : matrix_json(&m);
        free(m.rows);
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}
