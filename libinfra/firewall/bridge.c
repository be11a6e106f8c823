/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Between containers: packets that the bridge switches, which the inet hooks never see.
 *
 * A bridge table sees every bridge of the host, and those of virtual machines and of other containers are not
 * ours to judge. Which bridge a packet is on can only be asked where the kernel has nft_meta_bridge, so ours are
 * known by their addresses: whatever comes from or goes to the bridge's networks. Link-local addresses belong to
 * no network: between them only ICMPv6 and DHCPv6 pass, on any bridge, or a container would be reached there past
 * its services.
 *
 * The kernel need not track connections here, so the chain is stateless: answers are known by where they come from.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/compile.h"
#include "firewall/opening.h"

static const enum field saddr[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
static const enum field daddr[] = { FIELD_IP_DADDR, FIELD_IP6_DADDR };

/* Where no connections are tracked: what opens one is no answer, whatever port it comes from. */
int bridge_add_opening_drop(struct chain *c)
{
        struct rule *r = chain_add_rule(c, VERDICT_DROP, NULL);
        struct match *flags = match_protocol(r, IPPROTO_TCP) ? rule_add_match(r, MATCH_BITS, FIELD_TCP_FLAGS) : NULL;

        if (!flags)
                return -ENOMEM;
        flags->mask[0] = 0x12; /* SYN, ACK */
        flags->value[0] = 0x02;
        return 0;
}

static int add_containers(struct table *t)
{
        struct chain *c = table_add_chain(t, "containers", NULL, 0, 0, false);

        if (!c || compile_icmp(t, c) < 0 || opening_rules(t, c, &shape_services) < 0 ||
            opening_rules(t, c, &shape_connects) < 0 || bridge_add_opening_drop(c) < 0 ||
            opening_answers(t, c, &shape_services) < 0 || opening_answers(t, c, &shape_connects) < 0)
                return -ENOMEM;
        return chain_add_rule(c, VERDICT_DROP, NULL) ? 0 : -ENOMEM;
}

static int add_link_local(struct table *t)
{
        static const uint8_t dhcpv6[][2] = { { 546 >> 8, 546 & 0xff }, { 547 >> 8, 547 & 0xff } };
        struct chain *c = table_add_chain(t, "link_local", NULL, 0, 0, false);

        if (!c || !match_protocol(chain_add_rule(c, VERDICT_ACCEPT, NULL), IPPROTO_ICMPV6))
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(dhcpv6); i++) {
                struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);

                if (!match_protocol(r, IPPROTO_UDP) || !match_value(r, FIELD_DPORT, dhcpv6[i], sizeof(dhcpv6[i])))
                        return -ENOMEM;
        }
        return chain_add_rule(c, VERDICT_DROP, NULL) ? 0 : -ENOMEM;
}

/* To chain @to what comes from or goes to @net. */
static int add_jumps(struct table *t, struct chain *c, const struct address *net, const char *to,
                     const struct span *span)
{
        size_t f = net->family == AF_INET6;
        const enum field fields[] = { saddr[f], daddr[f] };

        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                struct rule *r = chain_add_rule(c, VERDICT_JUMP, to);

                if (!r || rule_of_family(t, r, net->family) < 0 || !match_network(r, fields[i], net) ||
                    ruleset_comment(&r->comment, &r->span, span) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int bridge_add_chains(struct table *t, const infra_estate *e)
{
        static const struct address link_local = { .family = AF_INET6, .prefix = 10, .bytes = { 0xfe, 0x80 } };
        const struct address *networks[] = { &e->host.bridge_ipv4, &e->host.bridge_ipv6 };
        struct chain *c;

        if (add_containers(t) < 0 || add_link_local(t) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "forward", "filter", NF_BR_FORWARD, 0, false);
        if (!c)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(networks); i++)
                if (address_is_set(networks[i]) && add_jumps(t, c, networks[i], "containers", &e->host.span) < 0)
                        return -ENOMEM;
        return add_jumps(t, c, &link_local, "link_local", NULL);
}
