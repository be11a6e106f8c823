/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which rules have the shape of a container's public address or of a service. */

#include "firewall/import/policy-shape.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"

void shapes_done(struct shapes *s)
{
        for (size_t i = 0; s->taken && i < s->table->n_chains; i++)
                free(s->taken[i]);
        free(s->taken);
        free(s->cuts);
        free(s->containers);
        free(s->services);
}

/* What a rule asks for, as far as shapes are made of it. */
struct question {
        const struct match *saddr, *daddr, *iif, *oif, *protocol, *dport;
};

static bool is_plain(const struct match *m)
{
        return !m->negated && (m->kind == MATCH_EQUAL || m->kind == MATCH_BITS || m->kind == MATCH_RANGE);
}

/* False: it asks for something else, too, or does something beside its verdict. */
static bool read_rule(const struct rule *r, struct question *ret)
{
        *ret = (struct question){};
        if (r->n_statements > 0 || r->unknown)
                return false;
        for (size_t i = 0; i < r->n_matches; i++) {
                const struct match *m = &r->matches[i];
                const struct match **slot = m->fields[0] == FIELD_IP_SADDR  ? &ret->saddr
                                            : m->fields[0] == FIELD_IP_DADDR ? &ret->daddr
                                            : m->fields[0] == FIELD_IIFNAME  ? &ret->iif
                                            : m->fields[0] == FIELD_OIFNAME  ? &ret->oif
                                            : m->fields[0] == FIELD_L4PROTO  ? &ret->protocol
                                            : m->fields[0] == FIELD_DPORT    ? &ret->dport
                                                                             : NULL;

                if (m->fields[0] == FIELD_NFPROTO && m->kind == MATCH_EQUAL && !m->negated && m->value[0] == NFPROTO_IPV4)
                        continue;
                if (!slot || *slot || !is_plain(m) || m->n_fields != 1)
                        return false;
                *slot = m;
        }
        return true;
}

/* One address, or a network; false for a range or an odd mask. */
static bool address_of(const struct match *m, struct address *ret)
{
        *ret = (struct address){ .family = AF_INET, .prefix = 32 };
        if (!m || m->kind == MATCH_RANGE)
                return false;
        memcpy(ret->bytes, m->value, 4);
        if (m->kind == MATCH_EQUAL)
                return true;
        ret->prefix = 0;
        while (ret->prefix < 32 && (m->mask[ret->prefix / 8] & 0x80u >> ret->prefix % 8))
                ret->prefix++;
        for (unsigned bit = ret->prefix; bit < 32; bit++)
                if (m->mask[bit / 8] & 0x80u >> bit % 8)
                        return false;
        return true;
}

static bool host_of(const struct match *m, struct address *ret)
{
        return address_of(m, ret) && ret->prefix == 32;
}

static bool interface_of(const struct match *m, char ret[static 16])
{
        if (!m || m->kind != MATCH_EQUAL)
                return false;
        memcpy(ret, m->value, 16);
        return true;
}

static const struct chain *base_chain(const struct table *t, const char *type, unsigned hook, int priority)
{
        for (size_t i = 0; i < t->n_chains; i++) {
                const struct chain *c = &t->chains[i];

                if (c->type && streq(c->type, type) && c->hook == hook && c->priority == priority && strstr(c->name, "4-"))
                        return c;
        }
        return NULL;
}

static bool *taken(struct shapes *s, const struct chain *c, size_t rule)
{
        return &s->taken[c - s->table->chains][rule];
}

/* One address for another, with no port and no range. */
static bool translates_to(const struct verdict *v, enum verdict_kind kind, struct address *ret)
{
        *ret = (struct address){ .family = AF_INET, .prefix = 32 };
        memcpy(ret->bytes, v->to.first, 4);
        return v->kind == kind && !*v->name && v->to.family == AF_INET && !v->to.port_first && !v->to.netmap && !v->to.flags &&
               memcmp(v->to.first, v->to.last, 4) == 0;
}

/* The zone of an interface: the first two that have translations. */
static int zone_of(struct shapes *s, const char interface[static 16])
{
        for (int i = 0; i < SHAPE_ZONES; i++) {
                if (!*s->interfaces[i])
                        memcpy(s->interfaces[i], interface, 16);
                if (memcmp(s->interfaces[i], interface, 16) == 0)
                        return i;
        }
        return -1;
}

static struct shape_container *container_at(struct shapes *s, const struct address *internal)
{
        struct shape_container *c;

        for (size_t i = 0; i < s->n_containers; i++)
                if (address_equal(&s->containers[i].internal, internal))
                        return &s->containers[i];
        c = ARRAY_ADD(s->containers, s->n_containers);
        if (c)
                c->internal = *internal;
        return c;
}

/* The rule of PREROUTING that leads from @public to @internal, whatever way it comes; @ret its place. */
static bool find_way_in(const struct chain *c, const struct address *public, const struct address *internal, size_t *ret)
{
        for (size_t i = 0; i < c->n_rules; i++) {
                struct address from, to;
                struct question q;

                if (read_rule(&c->rules[i], &q) && host_of(q.daddr, &from) && !q.saddr && !q.iif && !q.oif && !q.protocol && !q.dport &&
                    translates_to(&c->rules[i].verdict, VERDICT_DNAT, &to) && address_equal(&from, public) && address_equal(&to, internal)) {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

/* Both ways of one address: the way out names the interface. */
static int find_translations(struct shapes *s)
{
        const struct chain *in = base_chain(s->table, "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);
        const struct chain *out = base_chain(s->table, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);

        for (size_t i = 0; in && out && i < out->n_rules; i++) {
                struct address internal, public;
                struct shape_container *c;
                char interface[16];
                struct question q;
                size_t way_in;
                int zone;

                if (!read_rule(&out->rules[i], &q) || !host_of(q.saddr, &internal) || !interface_of(q.oif, interface) || q.daddr || q.iif ||
                    q.protocol || q.dport || !translates_to(&out->rules[i].verdict, VERDICT_SNAT, &public) ||
                    !find_way_in(in, &public, &internal, &way_in) || *taken(s, in, way_in))
                        continue;
                zone = zone_of(s, interface);
                c = zone < 0 ? NULL : container_at(s, &internal);
                if (zone >= 0 && !c)
                        return -ENOMEM;
                if (!c || address_is_set(&c->public[zone]))
                        continue;
                c->public[zone] = public;
                *taken(s, in, way_in) = *taken(s, out, i) = true;
        }
        return 0;
}

static bool service_of(const struct shapes *s, const struct rule *r, struct shape_service *ret)
{
        struct address to;
        struct question q;

        *ret = (struct shape_service){ .span = r->span };
        if (!read_rule(r, &q) || r->verdict.kind != VERDICT_ACCEPT || !host_of(q.daddr, &to) || q.oif || !q.protocol || q.protocol->kind != MATCH_EQUAL ||
            (q.protocol->value[0] != IPPROTO_TCP && q.protocol->value[0] != IPPROTO_UDP) || !q.dport || q.dport->kind == MATCH_BITS)
                return false;
        /* One of both: a service is from a zone, or from addresses. */
        if ((q.saddr && q.iif) || (q.saddr && !address_of(q.saddr, &ret->from)) || (q.iif && !interface_of(q.iif, ret->interface)))
                return false;
        if (!q.saddr)
                ret->from = (struct address){};
        ret->port.protocol = q.protocol->value[0];
        ret->port.first = (uint16_t)field_number(FIELD_DPORT, q.dport->value);
        ret->port.last = q.dport->kind == MATCH_RANGE ? (uint16_t)field_number(FIELD_DPORT, q.dport->mask) : ret->port.first;
        for (ret->container = 0; ret->container < s->n_containers; ret->container++)
                if (address_equal(&s->containers[ret->container].internal, &to))
                        return ret->port.first > 0;
        return false;
}

/* What a service may be moved past: rules that only accept. */
static bool only_accepts(const struct rule *r)
{
        return r->verdict.kind == VERDICT_ACCEPT && r->n_statements == 0 && !r->unknown;
}

static bool returns(const struct chain *c)
{
        for (size_t i = 0; i < c->n_rules; i++)
                if (c->rules[i].verdict.kind == VERDICT_RETURN || c->rules[i].verdict.kind == VERDICT_GOTO)
                        return true;
        return false;
}

/* The longest row of accepting rules, and the services in it. */
static int find_services(struct shapes *s)
{
        const struct chain *c = base_chain(s->table, "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER);
        size_t begin = 0, best = 0;

        /* The first rule lets the other family through. */
        for (size_t i = 1; c && !returns(c) && i <= c->n_rules; i++) {
                if (i < c->n_rules && only_accepts(&c->rules[i])) {
                        begin = begin ? begin : i;
                } else if (begin) {
                        if (i - begin > best) {
                                best = i - begin;
                                s->forward_begin = begin;
                                s->forward_end = i;
                        }
                        begin = 0;
                }
        }
        for (size_t i = s->forward_begin; i < s->forward_end; i++) {
                struct shape_service found, *slot;

                if (!service_of(s, &c->rules[i], &found))
                        continue;
                slot = ARRAY_ADD(s->services, s->n_services);
                if (!slot)
                        return -ENOMEM;
                *slot = found;
                *taken(s, c, i) = true;
        }
        return 0;
}

int shapes_find(const struct ruleset *r, struct shapes *ret)
{
        *ret = (struct shapes){ .table = &r->tables[0] };
        ret->taken = calloc(ret->table->n_chains + 1, sizeof(*ret->taken));
        ret->cuts = calloc(ret->table->n_chains + 1, sizeof(*ret->cuts));
        if (!ret->taken || !ret->cuts)
                return -ENOMEM;
        for (size_t i = 0; i < ret->table->n_chains; i++) {
                ret->taken[i] = calloc(ret->table->chains[i].n_rules + 1, sizeof(**ret->taken));
                if (!ret->taken[i])
                        return -ENOMEM;
        }
        if (find_translations(ret) < 0 || find_services(ret) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ret->table->n_chains; i++)
                for (size_t k = 0; k < ret->table->chains[i].n_rules; k++)
                        if (ret->taken[i][k])
                                ret->cuts[i] = ret->table->chains[i].hook == NF_INET_FORWARD ? ret->forward_end : k + 1;
        return 0;
}

/* Whether the rule is for addresses of the network only. */
static bool is_within(const struct rule *r, const struct address *network)
{
        for (size_t i = 0; i < r->n_matches; i++) {
                struct address a;

                if (r->matches[i].fields[0] == FIELD_IP_DADDR && is_plain(&r->matches[i]) && address_of(&r->matches[i], &a) &&
                    address_contains(network, &a))
                        return true;
        }
        return false;
}

static size_t drop_way_out(struct rule *r, const char *interface)
{
        char name[16] = "";
        size_t n = 0, dropped;

        memcpy(name, interface, strnlen(interface, sizeof(name) - 1));
        for (size_t i = 0; i < r->n_matches; i++) {
                const struct match *m = &r->matches[i];

                if (m->fields[0] != FIELD_OIFNAME || m->kind != MATCH_EQUAL || m->negated || memcmp(m->value, name, sizeof(name)) != 0)
                        r->matches[n++] = *m;
        }
        dropped = r->n_matches - n;
        r->n_matches = n;
        return dropped;
}

size_t import_assume_route(struct ruleset *r, const char *interface, const struct address *network)
{
        struct table *t = &r->tables[0];
        struct address net = address_network(network);
        size_t n = 0;

        for (size_t i = 0; i < t->n_chains; i++)
                for (size_t k = 0; t->chains[i].type && t->chains[i].hook != NF_INET_PRE_ROUTING && k < t->chains[i].n_rules; k++)
                        if (is_within(&t->chains[i].rules[k], &net))
                                n += drop_way_out(&t->chains[i].rules[k], interface);
        return n;
}
