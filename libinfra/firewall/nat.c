/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Address translation, IPv4 only: containers are reached on their public addresses and leave by them. What
 * comes in is translated first and judged in `forward` on the internal address, so that `from` decides.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/compile.h"

/* Zones whose addresses containers may have of their own. */
static const struct {
        const char *zone;
        const char *map; /* internal -> public, for what leaves there */
        size_t offset;
} publics[] = {
        { "internet", "nat_out_internet", offsetof(struct container, internet) },
        { "intranet", "nat_out_intranet", offsetof(struct container, intranet) },
};

static const struct address *public_of(const struct container *c, size_t i)
{
        return (const struct address *)(const void *)((const char *)c + publics[i].offset);
}

static int add_pair(struct table *t, const char *name, enum field f, const struct address *from,
                    const struct address *to, const struct span *span)
{
        struct set *s = table_set(t, name);
        struct element *x;

        if (!s)
                s = table_add_set(t, name, DATA_ADDRESS, false, &f, 1);
        x = s ? ARRAY_ADD(s->elements, s->n_elements) : NULL;
        if (!x)
                return -ENOMEM;
        memcpy(x->key, from->bytes, 4);
        memcpy(x->key_end, from->bytes, 4);
        memcpy(x->data, to->bytes, 4);
        return ruleset_comment(&x->comment, &x->span, span);
}

/* The @i-th port of the service. */
static int add_public_port(struct table *t, const struct container *c, const struct service *s, unsigned i)
{
        static const enum field fields[] = { FIELD_L4PROTO, FIELD_DPORT };
        struct set *set = table_set(t, "public_ports");
        struct element *x;

        if (!set)
                set = table_add_set(t, "public_ports", DATA_ADDRESS_PORT, false, fields, ELEMENTS(fields));
        x = set ? ARRAY_ADD(set->elements, set->n_elements) : NULL;
        if (!x)
                return -ENOMEM;
        x->key[0] = (uint8_t)s->port.protocol;
        x->key[4] = (uint8_t)((s->public_port + i) >> 8);
        x->key[5] = (uint8_t)(s->public_port + i);
        memcpy(x->key_end, x->key, sizeof(x->key));
        memcpy(x->data, c->internal.bytes, 4);
        x->data[4] = (uint8_t)((s->port.first + i) >> 8);
        x->data[5] = (uint8_t)(s->port.first + i);
        return ruleset_comment(&x->comment, &x->span, &s->span);
}

static int add_container(struct table *t, const struct container *c)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(publics); i++) {
                const struct address *a = public_of(c, i);

                if (!address_is_set(a))
                        continue;
                r = add_pair(t, "nat_in", FIELD_IP_DADDR, a, &c->internal, &c->addresses_span);
                if (r >= 0)
                        r = add_pair(t, publics[i].map, FIELD_IP_SADDR, &c->internal, a, &c->addresses_span);
        }
        for (size_t i = 0; r >= 0 && i < c->n_services; i++)
                for (unsigned k = 0; r >= 0 && c->services[i].public_port && k <= (unsigned)(c->services[i].port.last - c->services[i].port.first); k++)
                        r = add_public_port(t, c, &c->services[i], k);
        return r;
}

int nat_add_maps(struct table *t, const infra_estate *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                r = add_container(t, &e->containers[i]);
        return r;
}

/* A rule for IPv4 with the translation looked up by @fields. */
static struct rule *add_translation(struct table *t, struct chain *c, enum verdict_kind kind, const char *map,
                                    const enum field *fields, size_t n)
{
        uint8_t v4 = NFPROTO_IPV4;
        struct rule *r = chain_add_rule(c, kind, map);

        (void)t;
        if (!r || !match_value(r, FIELD_NFPROTO, &v4, 1))
                return NULL;
        if (n)
                memcpy(r->verdict.fields, fields, n * sizeof(*fields));
        r->verdict.n_fields = n;
        return r;
}

static bool translates_destinations(const struct table *t, const infra_estate *e)
{
        return table_set(t, "nat_in") || table_set(t, "public_ports") || rules_has(e, RULE_NAT_PREROUTING) || rules_has(e, RULE_NAT_PREROUTING_LAST);
}

static int add_prerouting(struct table *t, const infra_estate *e, infra_diags *diags)
{
        static const enum field address = FIELD_IP_DADDR, port[] = { FIELD_L4PROTO, FIELD_DPORT };
        struct chain *c;
        uint32_t local = 2; /* RTN_LOCAL: any address of the host */

        if (!translates_destinations(t, e))
                return 0;
        c = table_add_chain(t, "prerouting", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, false);
        if (!c || rules_add(t, c, e, RULE_NAT_PREROUTING, diags) < 0)
                return -ENOMEM;
        if (table_set(t, "nat_in") && !add_translation(t, c, VERDICT_DNAT, "nat_in", &address, 1))
                return -ENOMEM;
        if (table_set(t, "public_ports")) {
                struct rule *r = add_translation(t, c, VERDICT_DNAT_PORT, "public_ports", port, ELEMENTS(port));

                if (!match_value(r, FIELD_FIB_DADDR_TYPE, &local, sizeof(local)))
                        return -ENOMEM;
        }
        return rules_add(t, c, e, RULE_NAT_PREROUTING_LAST, diags);
}

/* A container that asks for a public address of another, or its own, is answered through the host. */
static int add_hairpin(struct table *t, struct chain *c, const struct host *h)
{
        uint32_t dnat = 0x20; /* IPS_DST_NAT */
        uint8_t v4 = NFPROTO_IPV4;
        struct rule *r = chain_add_rule(c, VERDICT_MASQUERADE, NULL);
        struct match *m;

        (void)t;
        if (!r || !match_value(r, FIELD_NFPROTO, &v4, 1) || !match_network(r, FIELD_IP_SADDR, &h->bridge_ipv4) ||
            !match_interface(r, FIELD_OIFNAME, h->bridge))
                return -ENOMEM;
        m = rule_add_match(r, MATCH_ANY_BIT, FIELD_CT_STATUS);
        if (!m)
                return -ENOMEM;
        memcpy(m->mask, &dnat, sizeof(dnat));
        return ruleset_comment(&r->comment, &r->span, &h->span);
}

/* What leaves by interface @z->interface (if it has one) for @to (if not NULL). */
static int match_leaving(struct rule *r, const struct zone *z, const struct address *to)
{
        if (!r || (z->interface && !match_interface(r, FIELD_OIFNAME, z->interface)) ||
            (to && !match_network(r, FIELD_IP_DADDR, to)))
                return -ENOMEM;
        return ruleset_comment(&r->comment, &r->span, &z->span);
}

/* The containers' own addresses in that zone. */
static int add_own(struct table *t, struct chain *c, const struct zone *z, const struct address *to)
{
        static const enum field address = FIELD_IP_SADDR;

        for (size_t i = 0; i < ELEMENTS(publics); i++)
                if (streq(publics[i].zone, z->name) && table_set(t, publics[i].map))
                        return match_leaving(add_translation(t, c, VERDICT_SNAT, publics[i].map, &address, 1), z, to);
        return 0;
}

/* The host's address for the containers that have none there. */
static int add_shared(struct table *t, struct chain *c, const struct host *h, const struct zone *z,
                      const struct address *to)
{
        struct rule *r;

        if (z->translate == TRANSLATE_NONE)
                return 0;
        r = add_translation(t, c, z->translate == TRANSLATE_ADDRESS ? VERDICT_SNAT : VERDICT_MASQUERADE, NULL, NULL, 0);
        if (r && z->translate == TRANSLATE_ADDRESS) {
                r->verdict.to.family = AF_INET;
                memcpy(r->verdict.to.first, z->translate_to.bytes, 4);
                memcpy(r->verdict.to.last, z->translate_to.bytes, 4);
        }
        return match_network(r, FIELD_IP_SADDR, &h->bridge_ipv4) ? match_leaving(r, z, to) : -ENOMEM;
}

static bool is_outside(const struct zone *z, const struct host *h)
{
        return z->interface && !streq(z->interface, h->bridge);
}

/* The first zone at the same interface as @z, for which one rule is enough. */
static bool is_first(const infra_estate *e, const struct zone *z)
{
        for (const struct zone *o = e->zones; o < z; o++)
                if (o->interface && streq(o->interface, z->interface))
                        return false;
        return true;
}

/* Whether a zone with addresses of its own is told by its networks: it has no interface, or shares it. */
static bool by_networks(const infra_estate *e, const struct zone *z)
{
        if (!streq(z->name, publics[0].zone) && !streq(z->name, publics[1].zone))
                return false;
        for (size_t i = 0; z->interface && i < e->n_zones; i++)
                if (&e->zones[i] != z && e->zones[i].interface && streq(e->zones[i].interface, z->interface))
                        return z->n_networks > 0;
        return !z->interface;
}

/* Of a zone told by its networks: @own the containers' own addresses, else the host's. */
static int add_networks(struct table *t, struct chain *c, const infra_estate *e, const struct zone *z, bool own)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < z->n_networks; i++) {
                const struct address *to = &z->networks[i];

                if (to->family != AF_INET || address_contains(&e->host.bridge_ipv4, to))
                        continue;
                if (own)
                        r = add_own(t, c, z, to);
                else if (!z->interface)
                        r = add_shared(t, c, &e->host, z, to);
        }
        return r;
}

/* A container's own address goes before the host's, and a zone's networks before the interface they share. */
static int add_postrouting(struct table *t, const infra_estate *e, infra_diags *diags)
{
        struct chain *c = table_add_chain(t, "postrouting", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, false);
        int r = c ? rules_add(t, c, e, RULE_NAT_POSTROUTING, diags) : -ENOMEM;

        if (r >= 0 && !e->filter.only_rules && (translates_destinations(t, e) || rules_has(e, RULE_NAT_OUTPUT)))
                r = add_hairpin(t, c, &e->host);

        for (const struct zone *z = e->zones; r >= 0 && z < e->zones + e->n_zones; z++)
                if (by_networks(e, z))
                        r = add_networks(t, c, e, z, true);
        for (const struct zone *z = e->zones; r >= 0 && z < e->zones + e->n_zones; z++)
                if (is_outside(z, &e->host) && !by_networks(e, z))
                        r = add_own(t, c, z, NULL);
        for (const struct zone *z = e->zones; r >= 0 && z < e->zones + e->n_zones; z++)
                if (by_networks(e, z))
                        r = add_networks(t, c, e, z, false);
        for (const struct zone *z = e->zones; r >= 0 && z < e->zones + e->n_zones; z++)
                if (is_outside(z, &e->host) && is_first(e, z))
                        r = add_shared(t, c, &e->host, z, NULL);
        return r < 0 ? r : rules_add(t, c, e, RULE_NAT_POSTROUTING_LAST, diags);
}

/* The host itself reaches containers by their public addresses as everybody does. */
static int add_output(struct table *t, const infra_estate *e, infra_diags *diags)
{
        static const enum field address = FIELD_IP_DADDR;
        bool maps = table_set(t, "nat_in") && !e->filter.only_rules;
        struct chain *c;

        if (!maps && !rules_has(e, RULE_NAT_OUTPUT))
                return 0;
        c = table_add_chain(t, "output", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, false);
        if (!c || rules_add(t, c, e, RULE_NAT_OUTPUT, diags) < 0)
                return -ENOMEM;
        return !maps || add_translation(t, c, VERDICT_DNAT, "nat_in", &address, 1) ? 0 : -ENOMEM;
}

/* The kernel looks for a translation of each connection as soon as there is one chain of that type, rules in it or not. */
int nat_add_chains(struct table *t, const infra_estate *e, infra_diags *diags)
{
        if (add_prerouting(t, e, diags) < 0 || add_output(t, e, diags) < 0 || add_postrouting(t, e, diags) < 0)
                return -ENOMEM;
        if (t->chains[t->n_chains - 1].n_rules == 0)
                chain_done(&t->chains[--t->n_chains]);
        return 0;
}
