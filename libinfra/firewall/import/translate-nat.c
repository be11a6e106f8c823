/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Targets that translate addresses. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_nat.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "firewall/import/translate-basic.h"

static int check_place(struct translate *t, const struct module *m, bool destination)
{
        const char *chain = t->chain->name;
        bool before = streq(chain, "PREROUTING") || streq(chain, "OUTPUT"), after = streq(chain, "POSTROUTING") || streq(chain, "INPUT");

        if (!streq(t->from->name, "nat"))
                return translate_complain(t, m->at + 1, NULL, "%s is for table nat", m->type->name);
        if ((destination && after) || (!destination && before))
                return translate_complain(t, m->at + 1, NULL, "%s is not for chain %s", m->type->name, chain);
        return 0;
}

static int read_ports(struct translate *t, const struct given *g, const char *text, struct translation *to)
{
        struct number_range range;
        int r;

        if (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP && t->protocol != IPPROTO_UDPLITE && t->protocol != IPPROTO_SCTP &&
            t->protocol != IPPROTO_DCCP)
                return translate_complain(t, g->at + 1, "add -p tcp or -p udp", "a port needs a protocol that has ports");
        if (strchr(text, '/'))
                return translate_complain(t, g->at + 1, "write a rule for each port", "a base port has no counterpart in nftables");
        r = value_ports(t, g, '-', text, &range);
        if (r < 0)
                return r;
        if (range.first == 0)
                return value_wrong(t, g);
        to->port_first = (uint16_t)range.first;
        to->port_last = (uint16_t)range.last;
        return 0;
}

/* "10.0.0.1-10.0.0.9:80-90", ":80", "[2001:db8::1]:80", "2001:db8::1-2001:db8::9" */
static int read_destination(struct translate *t, const struct given *g, struct translation *to)
{
        int family = t->from->family;
        const char *end = strrchr(g->value, ']'), *colon = family == AF_INET ? strchr(g->value, ':') : end ? strchr(end, ':') : NULL;
        _cleanup_free_ char *addresses = NULL;
        size_t n = 0;

        if (family == AF_INET6 && *g->value == ':' && g->value[1] != ':')
                colon = g->value;
        addresses = strndup(g->value, colon ? (size_t)(colon - g->value) : strlen(g->value));
        if (!addresses)
                return -ENOMEM;
        for (size_t i = 0; addresses[i]; i++)
                if (addresses[i] != '[' && addresses[i] != ']')
                        addresses[n++] = addresses[i];
        addresses[n] = '\0';
        if (n && !parse_address_range(family, addresses, to->first, to->last))
                return value_wrong(t, g);
        to->family = n ? family : 0;
        return colon ? read_ports(t, g, colon + 1, to) : n ? 0 : value_wrong(t, g);
}

static void read_flags(const struct module *m, struct translation *to)
{
        to->flags = (given(m, "--random") ? NF_NAT_RANGE_PROTO_RANDOM : 0) | (given(m, "--random-fully") ? NF_NAT_RANGE_PROTO_RANDOM_FULLY : 0) |
                    (given(m, "--persistent") ? NF_NAT_RANGE_PERSISTENT : 0);
}

static int add_nat(struct translate *t, const struct module *m)
{
        bool destination = streq(m->type->name, "DNAT");
        const struct given *g = given(m, destination ? "--to-destination" : "--to-source");
        int r = check_place(t, m, destination);

        if (r < 0)
                return r;
        if (!g)
                return translate_complain(t, m->at, NULL, "%s needs an address", m->type->name);
        t->verdict.kind = destination ? VERDICT_DNAT : VERDICT_SNAT;
        read_flags(m, &t->verdict.to);
        return read_destination(t, g, &t->verdict.to);
}

static int add_own(struct translate *t, const struct module *m)
{
        bool destination = streq(m->type->name, "REDIRECT");
        const struct given *g = given(m, "--to-ports");
        int r = check_place(t, m, destination);

        if (r < 0)
                return r;
        t->verdict.kind = destination ? VERDICT_REDIRECT : VERDICT_MASQUERADE;
        read_flags(m, &t->verdict.to);
        return g ? read_ports(t, g, g->value, &t->verdict.to) : 0;
}

static int add_netmap(struct translate *t, const struct module *m)
{
        const char *chain = t->chain->name;
        bool before = streq(chain, "PREROUTING") || streq(chain, "OUTPUT");
        const struct given *g = given(m, "--to");
        struct translation *to = &t->verdict.to;
        unsigned size = t->from->family == AF_INET ? 4 : 16;
        struct address a;
        int r = check_place(t, m, before);

        if (r < 0)
                return r;
        if (!translate_builtin(t->from, chain))
                return translate_complain(t, m->at + 1, "write it into PREROUTING or POSTROUTING", "here nothing tells which address NETMAP is for");
        if (!g || address_parse(g->value, &a) < 0 || a.family != t->from->family)
                return g ? value_wrong(t, g) : translate_complain(t, m->at, NULL, "NETMAP needs --to");
        a = address_network(&a);
        t->verdict.kind = before ? VERDICT_DNAT : VERDICT_SNAT;
        to->family = a.family;
        to->netmap = true;
        memcpy(to->first, a.bytes, size);
        memcpy(to->last, a.bytes, size);
        for (unsigned i = a.prefix; i < size * 8; i++)
                to->last[i / 8] |= (uint8_t)(0x80 >> i % 8);
        return 0;
}

#define RANDOM { "--random", 0, false, NULL }, { "--random-fully", 0, false, NULL }

static const struct option_type dnat_options[] = { { "--to-destination", 1, false, NULL }, { "--random", 0, false, NULL }, { "--persistent", 0, false, NULL }, {} };
static const struct option_type snat_options[] = { { "--to-source", 1, false, NULL }, RANDOM, { "--persistent", 0, false, NULL }, {} };
static const struct option_type masquerade_options[] = { { "--to-ports", 1, false, NULL }, RANDOM, {} };
static const struct option_type redirect_options[] = { { "--to-ports", 1, false, "--to-port" }, { "--random", 0, false, NULL }, {} };
static const struct option_type netmap_options[] = { { "--to", 1, false, NULL }, {} };
const struct module_type translate_target_DNAT = { "DNAT", dnat_options, add_nat, 0 };
const struct module_type translate_target_SNAT = { "SNAT", snat_options, add_nat, 0 };
const struct module_type translate_target_MASQUERADE = { "MASQUERADE", masquerade_options, add_own, 0 };
const struct module_type translate_target_REDIRECT = { "REDIRECT", redirect_options, add_own, 0 };
const struct module_type translate_target_NETMAP = { "NETMAP", netmap_options, add_netmap, 0 };
