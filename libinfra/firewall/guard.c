/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Before anything else is asked of a packet: whether its sender is banned, and whether it lies about where it comes from.
 *
 * Outside interfaces carry no address of the bridge's networks; the bridge carries no others. Which container uses which
 * address is told by its port of the bridge, in the bridge's own table.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/compile.h"
#include "firewall/opening.h"

static const enum field saddr[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
static const struct address link_local = { .family = AF_INET6, .prefix = 10, .bytes = { 0xfe, 0x80 } };

/*
 * The banned: banned4 and banned6 wherever they come from, banned_at4 and banned_at6 at one interface. The rules that look
 * into these sets are of the moment (moment.h).
 */
static int add_bans(struct table *t)
{
        static const char *const names[] = { "banned4", "banned6" }, *const at[] = { "banned_at4", "banned_at6" };

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                const enum field fields[] = { FIELD_IIFNAME, saddr[i] };
                struct set *s = table_add_set(t, names[i], DATA_NONE, true, &saddr[i], 1);

                if (!s)
                        return -ENOMEM;
                s->runtime = s->timeout = true;
                s = table_add_set(t, at[i], DATA_NONE, true, fields, ELEMENTS(fields));
                if (!s)
                        return -ENOMEM;
                s->runtime = s->timeout = true;
        }
        return 0;
}

static bool is_first(const infra_estate *e, size_t i)
{
        for (size_t k = 0; k < i; k++)
                if (e->zones[k].interface && streq(e->zones[k].interface, e->zones[i].interface))
                        return false;
        return true;
}

static int add_outside(struct table *t, struct chain *c, const infra_estate *e, const struct address *own)
{
        for (size_t i = 0; i < e->n_zones; i++) {
                const struct zone *z = &e->zones[i];
                struct rule *r;

                if (!z->interface || streq(z->interface, e->host.bridge) || !is_first(e, i))
                        continue;
                r = chain_add_rule(c, VERDICT_DROP, NULL);
                if (!r || rule_of_family(t, r, own->family) < 0 || !match_network(r, saddr[own->family == AF_INET6], own) ||
                    !match_interface(r, FIELD_IIFNAME, z->interface) || ruleset_comment(&r->comment, &r->span, &z->span) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_inside(struct table *t, struct chain *c, const infra_estate *e, const struct address *own)
{
        struct rule *r = chain_add_rule(c, VERDICT_DROP, NULL);
        struct match *m;

        if (!r || rule_of_family(t, r, own->family) < 0 || !match_interface(r, FIELD_IIFNAME, e->host.bridge))
                return -ENOMEM;
        m = match_network(r, saddr[own->family == AF_INET6], own);
        if (!m)
                return -ENOMEM;
        m->negated = true;
        if (own->family == AF_INET6) {
                m = match_network(r, FIELD_IP6_SADDR, &link_local);
                if (!m)
                        return -ENOMEM;
                m->negated = true;
                /* Who has no address yet asks whether it is free. */
                m = match_value(r, FIELD_IP6_SADDR, (uint8_t[16]){}, 16);
                if (!m)
                        return -ENOMEM;
                m->negated = true;
        }
        return ruleset_comment(&r->comment, &r->span, &e->host.span);
}

int guard_add(struct table *t, const infra_estate *e)
{
        const struct address *own[] = { &e->host.bridge_ipv4, &e->host.bridge_ipv6 };
        struct chain *c = compile_chain(t, "raw_prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW, false);

        if (!c || add_bans(t) < 0)
                return -ENOMEM;
        for (size_t i = 0; e->filter.anti_spoofing && i < ELEMENTS(own); i++)
                if (address_is_set(own[i]) && (add_outside(t, c, e, own[i]) < 0 || add_inside(t, c, e, own[i]) < 0))
                        return -ENOMEM;
        return 0;
}

static int add_port(struct set *ports, struct set *addresses, const struct container *c, const struct address *a)
{
        char name[16] = {};
        struct element *port = ports ? ARRAY_ADD(ports->elements, ports->n_elements) : NULL, *address;

        container_port(c, name);
        if (ports && !port)
                return -ENOMEM;
        if (port) {
                memcpy(port->key, name, sizeof(name));
                memcpy(port->key_end, name, sizeof(name));
                if (ruleset_comment(&port->comment, &port->span, &c->span) < 0)
                        return -ENOMEM;
        }
        if (!address_is_set(a))
                return 0;
        address = ARRAY_ADD(addresses->elements, addresses->n_elements);
        if (!address)
                return -ENOMEM;
        memcpy(address->key, name, sizeof(name));
        memcpy(address->key + sizeof(name), a->bytes, address_bits(a) / 8);
        memcpy(address->key_end, address->key, sizeof(address->key));
        return ruleset_comment(&address->comment, &address->span, &c->addresses_span);
}

/* What comes from a container's port with an address that is not its own. */
static int add_liar(struct table *t, struct chain *c, uint16_t ether, const char *set, enum field address)
{
        static const enum field port = FIELD_IIFNAME;
        const enum field fields[] = { FIELD_IIFNAME, address };
        const uint8_t protocol[] = { (uint8_t)(ether >> 8), (uint8_t)ether };
        struct rule *r = chain_add_rule(c, VERDICT_DROP, NULL);
        struct match *m;

        (void)t;
        if (!match_set(r, "ports", &port, 1) || !match_value(r, FIELD_PROTOCOL, protocol, sizeof(protocol)))
                return -ENOMEM;
        m = match_set(r, set, fields, ELEMENTS(fields));
        if (m)
                m->negated = true;
        return m ? 0 : -ENOMEM;
}

/* Nobody's address: of who asks whether one is free, by ARP or neighbour discovery. */
static int add_nobody(struct table *t, struct chain *c)
{
        static const uint8_t none[16], arp[] = { ETH_P_ARP >> 8, ETH_P_ARP & 0xff };
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);

        if (!match_value(r, FIELD_PROTOCOL, arp, sizeof(arp)) || !match_value(r, FIELD_ARP_SADDR, none, 4))
                return -ENOMEM;
        r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        if (!r || rule_of_family(t, r, AF_INET6) < 0 || !match_value(r, FIELD_IP6_SADDR, none, 16))
                return -ENOMEM;
        r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        return !r || rule_of_family(t, r, AF_INET6) < 0 || !match_network(r, FIELD_IP6_SADDR, &link_local) ? -ENOMEM : 0;
}

int guard_add_bridge(struct table *t, const infra_estate *e)
{
        static const enum field port = FIELD_IIFNAME;
        static const enum field v4[] = { FIELD_IIFNAME, FIELD_IP_SADDR }, v6[] = { FIELD_IIFNAME, FIELD_IP6_SADDR };
        struct set *s;
        struct chain *c;

        if (!e->filter.anti_spoofing || e->n_containers == 0)
                return 0;
        if (!table_add_set(t, "ports", DATA_NONE, false, &port, 1) || !table_add_set(t, "ports4", DATA_NONE, false, v4, 2) ||
            !table_add_set(t, "ports6", DATA_NONE, false, v6, 2))
                return -ENOMEM;
        s = table_set(t, "ports");
        for (size_t i = 0; i < e->n_containers; i++)
                if (add_port(s, table_set(t, "ports4"), &e->containers[i], &e->containers[i].internal) < 0 ||
                    add_port(NULL, table_set(t, "ports6"), &e->containers[i], &e->containers[i].ipv6) < 0)
                        return -ENOMEM;
        c = table_add_chain(t, "prerouting", "filter", NF_BR_PRE_ROUTING, NF_BR_PRI_FILTER_BRIDGED, false);
        if (!c || add_nobody(t, c) < 0 || add_liar(t, c, ETH_P_ARP, "ports4", FIELD_ARP_SADDR) < 0 ||
            add_liar(t, c, ETH_P_IP, "ports4", FIELD_IP_SADDR) < 0)
                return -ENOMEM;
        return add_liar(t, c, ETH_P_IPV6, "ports6", FIELD_IP6_SADDR);
}
