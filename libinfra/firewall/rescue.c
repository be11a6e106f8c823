/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/rescue.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "base/array.h"
#include "firewall/compile.h"

enum { SSH_PORT = 22, STATE_ESTABLISHED = 2, STATE_RELATED = 4, ZONES_DEEP = 4 };

static const uint8_t icmp_types[] = { 3, 8, 11, 12 };
static const uint8_t icmpv6_types[] = { 1, 2, 3, 4, 128, 129, 133, 134, 135, 136 };

static int add_types(struct table *t, const char *name, enum field f, const uint8_t *types, size_t n)
{
        struct set *s = table_add_set(t, name, DATA_NONE, false, &f, 1);

        for (size_t i = 0; s && i < n; i++) {
                struct element *x = ARRAY_ADD(s->elements, s->n_elements);

                if (!x)
                        return -ENOMEM;
                x->key[0] = x->key_end[0] = types[i];
        }
        return s ? set_sort(s) : -ENOMEM;
}

/* The chain's last rule becomes ssh. */
static int add_ssh(struct rule *r)
{
        uint8_t port[4] = { SSH_PORT >> 8, SSH_PORT & 0xff };

        return r && match_protocol(r, IPPROTO_TCP) && match_value(r, FIELD_DPORT, port, 2) ? 0 : -ENOMEM;
}

static int add_network(struct chain *c, const char *interface, const struct address *a)
{
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        uint8_t family = a->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
        enum field f = a->family == AF_INET6 ? FIELD_IP6_SADDR : FIELD_IP_SADDR;

        if (!r || (interface && !match_interface(r, FIELD_IIFNAME, interface)) || !match_value(r, FIELD_NFPROTO, &family, 1))
                return -ENOMEM;
        if (a->prefix >= address_bits(a) ? !match_value(r, f, a->bytes, address_bits(a) / 8) : !match_network(r, f, a))
                return -ENOMEM;
        return add_ssh(r);
}

static int add_interface(struct chain *c, const char *interface)
{
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);

        return r && (!interface || match_interface(r, FIELD_IIFNAME, interface)) ? add_ssh(r) : -ENOMEM;
}

static int add_zone(struct chain *c, const infra_estate *e, const struct zone *z, unsigned depth);

static int add_member(struct chain *c, const infra_estate *e, const struct origin *o, unsigned depth)
{
        const struct container *x = o->kind == ORIGIN_CONTAINER && o->index < e->n_containers ? &e->containers[o->index] : NULL;
        int r = 0;

        if (o->kind == ORIGIN_NETWORK)
                return add_network(c, NULL, &o->network);
        if (o->kind == ORIGIN_ZONE && o->index < e->n_zones && depth < ZONES_DEEP)
                return add_zone(c, e, &e->zones[o->index], depth + 1);
        if (x && address_is_set(&x->internal))
                r = add_network(c, NULL, &x->internal);
        if (r >= 0 && x && address_is_set(&x->ipv6))
                r = add_network(c, NULL, &x->ipv6);
        return r;
}

static int add_zone(struct chain *c, const infra_estate *e, const struct zone *z, unsigned depth)
{
        int r = z->interface && z->n_networks == 0 ? add_interface(c, z->interface) : 0;

        for (size_t i = 0; r >= 0 && i < z->n_networks; i++)
                r = add_network(c, z->interface, &z->networks[i]);
        for (size_t i = 0; r >= 0 && i < z->n_members; i++)
                r = add_member(c, e, &z->members[i], depth);
        return r;
}

static int add_zones(struct chain *c, const infra_estate *e)
{
        size_t before = c->n_rules;
        int r = 0;

        for (size_t i = 0; e && r >= 0 && i < e->filter.n_rescue; i++)
                r = add_member(c, e, &e->filter.rescue[i], 0);
        /* Zones without anything in them would lock everybody out. */
        return r >= 0 && c->n_rules == before ? add_interface(c, NULL) : r;
}

static int add_answers(struct table *t, struct chain *c)
{
        return match_state(chain_add_rule(c, VERDICT_ACCEPT, NULL), STATE_ESTABLISHED | STATE_RELATED) ? compile_icmp(t, c) : -ENOMEM;
}

static int compile(const infra_estate *e, struct table *t)
{
        struct chain *c;

        if (add_types(t, "icmp_types", FIELD_ICMP_TYPE, icmp_types, sizeof(icmp_types)) < 0 ||
            add_types(t, "icmpv6_types", FIELD_ICMPV6_TYPE, icmpv6_types, sizeof(icmpv6_types)) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "input", "filter", NF_INET_LOCAL_IN, 0, true);
        if (!c || !match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_IIFNAME, "lo") || add_answers(t, c) < 0 ||
            add_zones(c, e) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "forward", "filter", NF_INET_FORWARD, 0, true);
        return c ? add_answers(t, c) : -ENOMEM;
}

int rescue_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr)
{
        struct ruleset *r = ruleset_new();

        if (!r || compile(e, &r->tables[0]) < 0) {
                ruleset_free(r);
                return infra_error_oom(reterr);
        }
        *ret = r;
        return 0;
}
