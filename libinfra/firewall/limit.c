/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rates: of new connections of one source to a service, of echo requests, of lines in the log. Services of the same rate
 * share a set and a rule, so that the cost of a packet grows with the number of different rates only.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/compile.h"
#include "firewall/opening.h"

enum { METER_SIZE = 65535, METER_TIMEOUT_MIN_S = 60, SERVICE_LOG_RATE = 10, LOG_BURST = 5 };

static const int families[] = { AF_INET, AF_INET6 };
static const enum field saddr[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
static const enum field daddr[] = { FIELD_IP_DADDR, FIELD_IP6_DADDR };

static struct statement *add_rate(struct rule *r, enum statement_kind kind, const struct rate *rate)
{
        struct statement *s = r ? rule_add_statement(r, kind) : NULL;

        if (s) {
                s->rate = rate->count;
                s->per_s = rate->per_s;
                s->burst = rate->burst;
        }
        return s;
}

static struct statement *add_log(struct rule *r, const infra_estate *e, const char *what)
{
        struct statement *s = rule_add_statement(r, STATEMENT_LOG);

        if (s)
                snprintf(s->prefix, sizeof(s->prefix), "%.64s %s: ", e->filter.log_prefix ? e->filter.log_prefix : "infra", what);
        return s;
}

/* Echo requests above the rate; the others go on. */
int limit_add_icmp(struct table *t, struct chain *c, const infra_estate *e)
{
        static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 }, echo[] = { 8, 128 };
        static const enum field types[] = { FIELD_ICMP_TYPE, FIELD_ICMPV6_TYPE };

        for (size_t i = 0; e->filter.icmp_limit.count && i < ELEMENTS(types); i++) {
                struct rule *r = chain_add_rule(c, VERDICT_DROP, NULL);
                struct statement *s;

                if (!r || rule_of_family(t, r, families[i]) < 0 || !match_protocol(r, protocols[i]) || !match_value(r, types[i], &echo[i], 1))
                        return -ENOMEM;
                s = add_rate(r, STATEMENT_LIMIT, &e->filter.icmp_limit);
                if (!s)
                        return -ENOMEM;
                s->over = true;
        }
        return 0;
}

int limit_add_dropped(struct chain *c, const infra_estate *e)
{
        struct rule *r;

        if (!e->filter.log_dropped.count)
                return 0;
        r = chain_add_rule(c, VERDICT_CONTINUE, NULL);
        return add_rate(r, STATEMENT_LIMIT, &e->filter.log_dropped) && add_log(r, e, c->name) ? 0 : -ENOMEM;
}

/* Services that are limited or logged alike, of one family; of the host without an address. */
struct group {
        const infra_estate *estate;
        bool host;
        size_t family;
        const struct rate *rate; /* NULL: those that are logged */
};

static bool belongs(const struct group *g, const struct service *s)
{
        return g->rate ? memcmp(&s->limit, g->rate, sizeof(s->limit)) == 0 : s->log;
}

static size_t group_fields(const struct group *g, enum field *ret)
{
        size_t n = 0;

        if (!g->host)
                ret[n++] = daddr[g->family];
        ret[n++] = FIELD_L4PROTO;
        ret[n++] = FIELD_DPORT;
        return n;
}

static int add_element(struct set *set, const struct service *s, const struct address *own)
{
        struct element *x = ARRAY_ADD(set->elements, set->n_elements);
        unsigned at = 0;

        if (!x)
                return -ENOMEM;
        if (own) {
                memcpy(x->key, own->bytes, address_bits(own) / 8);
                at = address_bits(own) / 8;
        }
        x->key[at] = (uint8_t)s->port.protocol;
        memcpy(x->key_end, x->key, sizeof(x->key));
        field_put_number(FIELD_DPORT, s->port.first, x->key + at + 4);
        field_put_number(FIELD_DPORT, s->port.last, x->key_end + at + 4);
        set->interval = set->interval || s->port.first != s->port.last;
        return ruleset_comment(&x->comment, &x->span, &s->span);
}

static int add_members(struct set *set, const struct group *g)
{
        const infra_estate *e = g->estate;
        int r = 0;

        for (size_t i = 0; g->host && r >= 0 && i < e->host.n_services; i++)
                if (belongs(g, &e->host.services[i]))
                        r = add_element(set, &e->host.services[i], NULL);
        for (size_t i = 0; !g->host && i < e->n_containers; i++) {
                const struct container *c = &e->containers[i];
                const struct address *own = g->family ? &c->ipv6 : &c->internal;

                for (size_t k = 0; r >= 0 && address_is_set(own) && k < c->n_services; k++)
                        if (belongs(g, &c->services[k]))
                                r = add_element(set, &c->services[k], own);
        }
        return r;
}

/* The set of the group; *ret NULL when nobody is in it. */
static int group_set(struct table *t, const struct group *g, const char *name, struct set **ret)
{
        enum field fields[RULESET_FIELDS_MAX];
        size_t n = group_fields(g, fields);
        struct set *s = table_add_set(t, name, DATA_NONE, false, fields, n);

        if (!s || add_members(s, g) < 0)
                return -ENOMEM;
        *ret = s;
        if (s->n_elements == 0) {
                free(s->name);
                t->n_sets--;
                *ret = NULL;
        }
        return 0;
}

static int add_meter(struct table *t, struct rule *r, const struct group *g, const char *name)
{
        enum field fields[RULESET_FIELDS_MAX];
        size_t n = group_fields(g, fields + 1) + 1;
        struct statement *x = add_rate(r, STATEMENT_METER, g->rate);
        struct set *s;

        fields[0] = saddr[g->family];
        s = table_add_set(t, name, DATA_NONE, false, fields, n);
        if (!s || !x)
                return -ENOMEM;
        s->dynamic = s->timeout = s->runtime = true;
        s->size = METER_SIZE;
        s->timeout_ms = 1000 * (int64_t)(g->rate->per_s * 2 > METER_TIMEOUT_MIN_S ? g->rate->per_s * 2 : METER_TIMEOUT_MIN_S);
        x->over = true;
        snprintf(x->name, sizeof(x->name), "%s", name);
        memcpy(x->fields, fields, sizeof(x->fields));
        x->n_fields = n;
        return 0;
}

static int add_group(struct table *t, struct chain *c, const struct group *g, unsigned number)
{
        static const struct rate log_rate = { SERVICE_LOG_RATE, 1, LOG_BURST };
        const char *ending = g->family ? "6" : "4", *whose = g->host ? "host" : "service";
        char members[RULESET_NAME_MAX + 1], meter[RULESET_NAME_MAX + 1];
        enum field fields[RULESET_FIELDS_MAX];
        size_t n = group_fields(g, fields);
        struct set *s = NULL;
        struct rule *r;

        snprintf(members, sizeof(members), g->rate ? "limited_%s%u_%s" : "logged_%s%.0u%s", whose, g->rate ? number : 0, ending);
        snprintf(meter, sizeof(meter), "rates_%s%u_%s", whose, number, ending);
        if (group_set(t, g, members, &s) < 0)
                return -ENOMEM;
        if (!s)
                return 0;
        r = chain_add_rule(c, g->rate ? VERDICT_DROP : VERDICT_CONTINUE, NULL);
        if (!r || rule_of_family(t, r, families[g->family]) < 0 || !match_set(r, members, fields, n))
                return -ENOMEM;
        if (g->rate)
                return add_meter(t, r, g, meter);
        return add_rate(r, STATEMENT_LIMIT, &log_rate) && add_log(r, g->estate, "service") ? 0 : -ENOMEM;
}

/* Whether an earlier service has the same rate. */
static bool is_known(const struct rate *rates, size_t n, const struct rate *rate)
{
        for (size_t i = 0; i < n; i++)
                if (memcmp(&rates[i], rate, sizeof(*rate)) == 0)
                        return true;
        return rate->count == 0;
}

static int collect(const struct service *services, size_t n_services, struct rate **rates, size_t *n)
{
        for (size_t i = 0; i < n_services; i++) {
                struct rate *slot;

                if (is_known(*rates, *n, &services[i].limit))
                        continue;
                slot = ARRAY_ADD(*rates, *n);
                if (!slot)
                        return -ENOMEM;
                *slot = services[i].limit;
        }
        return 0;
}

int limit_add_services(struct table *t, struct chain *c, const infra_estate *e, bool host)
{
        _cleanup_free_ struct rate *rates = NULL;
        size_t n = 0;
        int r = host ? collect(e->host.services, e->host.n_services, &rates, &n) : 0;

        for (size_t i = 0; !host && r >= 0 && i < e->n_containers; i++)
                r = collect(e->containers[i].services, e->containers[i].n_services, &rates, &n);
        for (size_t f = 0; f < ELEMENTS(families); f++) {
                struct group g = { .estate = e, .host = host, .family = f };

                for (size_t i = 0; r >= 0 && i < n; i++) {
                        g.rate = &rates[i];
                        r = add_group(t, c, &g, (unsigned)i + 1);
                }
                g.rate = NULL;
                r = r < 0 ? r : add_group(t, c, &g, 0);
        }
        return r;
}
