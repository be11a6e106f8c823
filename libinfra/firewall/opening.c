/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/opening.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"

const struct shape shape_services = {
        .name = "services", .interface = FIELD_IIFNAME, .peer = { FIELD_IP_SADDR, FIELD_IP6_SADDR },
        .own = { FIELD_IP_DADDR, FIELD_IP6_DADDR }, .has_own = true,
};
const struct shape shape_connects = {
        .name = "connects", .interface = FIELD_OIFNAME, .peer = { FIELD_IP_DADDR, FIELD_IP6_DADDR },
        .own = { FIELD_IP_SADDR, FIELD_IP6_SADDR }, .has_own = true,
};
const struct shape shape_host = {
        .name = "host", .interface = FIELD_IIFNAME, .peer = { FIELD_IP_SADDR, FIELD_IP6_SADDR },
};
const struct shape shape_output = {
        .name = "output", .interface = FIELD_OIFNAME, .peer = { FIELD_IP_DADDR, FIELD_IP6_DADDR },
};

enum { KIND_ZONE = 1, KIND_NET = 2 };
static const char *const suffixes[OPENING_KINDS] = { "", "_zone", "_net", "_zonenet" };

/* Without an address in the key, one map serves both families. */
static bool is_common(const struct shape *shape, unsigned kind)
{
        return !shape->has_own && !(kind & KIND_NET);
}

static void map_name(char ret[static RULESET_NAME_MAX + 1], const struct shape *shape, unsigned kind, int family)
{
        snprintf(ret, RULESET_NAME_MAX + 1, "%s%s%s", shape->name, suffixes[kind],
                 is_common(shape, kind) ? "" : family == AF_INET ? "4" : "6");
}

/* For answers the addresses change places: what was a source is now a destination. */
static enum field mirrored(enum field f)
{
        switch (f) {
        case FIELD_IP_SADDR: return FIELD_IP_DADDR;
        case FIELD_IP_DADDR: return FIELD_IP_SADDR;
        case FIELD_IP6_SADDR: return FIELD_IP6_DADDR;
        case FIELD_IP6_DADDR: return FIELD_IP6_SADDR;
        case FIELD_DPORT: return FIELD_SPORT;
        default: return f;
        }
}

static size_t map_fields(const struct shape *shape, unsigned kind, int family, bool reversed, enum field *ret)
{
        size_t n = 0, f = family == AF_INET6;

        if (kind & KIND_ZONE)
                ret[n++] = shape->interface;
        if (kind & KIND_NET)
                ret[n++] = shape->peer[f];
        if (shape->has_own)
                ret[n++] = shape->own[f];
        ret[n++] = FIELD_L4PROTO;
        ret[n++] = FIELD_DPORT;
        for (size_t i = 0; reversed && i < n; i++)
                ret[i] = mirrored(ret[i]);
        return n;
}

static struct set *map_for(struct table *t, const infra_estate *e, const struct shape *shape, unsigned kind, int family)
{
        enum field fields[RULESET_FIELDS_MAX];
        char name[RULESET_NAME_MAX + 1];
        struct set *s;

        map_name(name, shape, kind, family);
        s = table_set(t, name);
        if (s)
                return s;
        s = table_add_set(t, name, DATA_VERDICT, kind & KIND_NET, fields, map_fields(shape, kind, family, false, fields));
        if (s)
                s->counter = e->filter.counters;
        return s;
}

/* Appends a value to a key under construction. */
static void put(uint8_t *key, unsigned *at, const void *value, unsigned size)
{
        memcpy(key + *at, value, size);
        *at += (size + 3) / 4 * 4;
}

static void put_range(struct element *x, unsigned *at, const struct address *net, int family)
{
        uint8_t first[16] = {}, last[16];
        unsigned size = family == AF_INET ? 4 : 16, end = *at;

        memset(last, 0xff, sizeof(last));
        if (net) {
                memcpy(first, net->bytes, size);
                memcpy(last, net->bytes, size);
                for (unsigned bit = net->prefix; bit < size * 8; bit++) {
                        first[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
                        last[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
                }
        }
        put(x->key, at, first, size);
        put(x->key_end, &end, last, size);
}

static void put_both(struct element *x, unsigned *at, const void *value, unsigned size)
{
        unsigned end = *at;

        put(x->key, at, value, size);
        put(x->key_end, &end, value, size);
}

/* One element: from @interface (NULL: not looked at) and @net (NULL: not looked at). */
static int add_element(struct table *t, const infra_estate *e, const struct shape *shape, int family, const struct opening *o,
                       const char *interface, const struct address *net)
{
        bool ranged = o->ports.first != o->ports.last;
        unsigned kind = (interface ? KIND_ZONE : 0) | (net || ranged ? KIND_NET : 0), at = 0, end;
        uint8_t name[16] = {}, protocol = (uint8_t)o->ports.protocol;
        uint8_t first[2] = { (uint8_t)(o->ports.first >> 8), (uint8_t)o->ports.first };
        uint8_t last[2] = { (uint8_t)(o->ports.last >> 8), (uint8_t)o->ports.last };
        struct set *s = map_for(t, e, shape, kind, family);
        struct element *x = s ? ARRAY_ADD(s->elements, s->n_elements) : NULL;

        if (!x)
                return -ENOMEM;
        if (interface) {
                memcpy(name, interface, MIN(strlen(interface), sizeof(name) - 1));
                put_both(x, &at, name, sizeof(name));
        }
        if (kind & KIND_NET)
                put_range(x, &at, net, family);
        if (shape->has_own)
                put_both(x, &at, o->own->bytes, family == AF_INET ? 4 : 16);
        put_both(x, &at, &protocol, 1);
        end = at;
        put(x->key, &at, first, 2);
        put(x->key_end, &end, last, 2);
        x->accepts = true;
        return ruleset_comment(&x->comment, &x->span, o->span);
}

/* Whether somebody of that network can be at the bridge; whoever says so from there without is lying. */
static bool is_near(const struct table *t, const infra_estate *e, const struct address *net)
{
        const struct address *own = net->family == AF_INET ? &e->host.bridge_ipv4 : &e->host.bridge_ipv6;

        if (t->family != NFPROTO_BRIDGE)
                return true;
        return address_is_set(own) && (address_contains(own, net) || address_contains(net, own));
}

/* A zone with an interface is only what comes in or leaves there, its members as well. */
static int add_zone(struct table *t, const struct shape *shape, const infra_estate *e, int family, const struct opening *o)
{
        const struct zone *z = &e->zones[o->peer->index];
        const char *interface = z->interface ? z->interface : o->interface;
        int r = 0;

        if (o->interface && !streq(o->interface, interface))
                return 0; /* nothing comes in at two */
        /* Packets that the bridge switches show the containers' ends as interfaces, never the bridge itself. */
        if (t->family == NFPROTO_BRIDGE && interface) {
                if (!streq(interface, e->host.bridge))
                        return 0;
                interface = NULL;
        }
        if (z->n_networks == 0 && z->n_members == 0)
                return add_element(t, e, shape, family, o, interface, NULL);
        for (size_t i = 0; r >= 0 && i < z->n_networks; i++)
                if (z->networks[i].family == family && is_near(t, e, &z->networks[i]))
                        r = add_element(t, e, shape, family, o, interface, &z->networks[i]);
        for (size_t i = 0; r >= 0 && i < z->n_members; i++) {
                struct opening member = *o;

                member.peer = &z->members[i];
                member.interface = interface;
                r = opening_add(t, shape, e, family, &member);
        }
        return r;
}

int opening_add(struct table *t, const struct shape *shape, const infra_estate *e, int family, const struct opening *o)
{
        const struct container *c;
        struct address host;

        switch (o->peer->kind) {
        case ORIGIN_ANY:
                return add_element(t, e, shape, family, o, NULL, NULL);
        case ORIGIN_ZONE:
                return add_zone(t, shape, e, family, o);
        case ORIGIN_CONTAINER:
                c = &e->containers[o->peer->index];
                host = address_host(family == AF_INET ? &c->internal : &c->ipv6);
                return address_is_set(&host) ? add_element(t, e, shape, family, o, o->interface, &host) : 0;
        case ORIGIN_NETWORK:
                if (o->peer->network.family != family || !is_near(t, e, &o->peer->network))
                        return 0;
                return add_element(t, e, shape, family, o, o->interface, &o->peer->network);
        default:
                return 0; /* local: nobody; host: it does not come through here */
        }
}

int rule_of_family(const struct table *t, struct rule *r, int family)
{
        bool bridge = t->family == NFPROTO_BRIDGE;
        struct match *m = rule_add_match(r, MATCH_EQUAL, bridge ? FIELD_PROTOCOL : FIELD_NFPROTO);
        uint16_t ether = family == AF_INET ? ETH_P_IP : ETH_P_IPV6;

        if (!m)
                return -ENOMEM;
        if (bridge) {
                m->value[0] = (uint8_t)(ether >> 8);
                m->value[1] = (uint8_t)ether;
        } else {
                m->value[0] = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
        }
        return 0;
}

static int add_rules(struct table *t, struct chain *c, const struct shape *shape, bool reversed)
{
        static const int families[] = { AF_INET, AF_INET6 };

        for (unsigned kind = 0; kind < OPENING_KINDS; kind++) {
                for (size_t f = 0; f < ELEMENTS(families); f++) {
                        char name[RULESET_NAME_MAX + 1];
                        struct rule *r;

                        map_name(name, shape, kind, families[f]);
                        if (!table_set(t, name) || (f > 0 && is_common(shape, kind)))
                                continue;
                        r = chain_add_rule(c, VERDICT_MAP, name);
                        if (!r || (!is_common(shape, kind) && rule_of_family(t, r, families[f]) < 0))
                                return -ENOMEM;
                        r->verdict.n_fields = map_fields(shape, kind, families[f], reversed, r->verdict.fields);
                }
        }
        return 0;
}

int opening_rules(struct table *t, struct chain *c, const struct shape *shape)
{
        return add_rules(t, c, shape, false);
}

int opening_answers(struct table *t, struct chain *c, const struct shape *shape)
{
        return add_rules(t, c, shape, true);
}
