/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fields of packets: how nft names them and where the kernel loads them from. Datatype numbers: nft's datatype.h. */

#include <linux/netfilter/nf_tables.h>

#include "base/macro.h"
#include "firewall/ruleset.h"

static const struct field_type types[FIELD_MAX] = {
        [FIELD_IIFNAME] = { "iifname", 16, 41, "ifname", SOURCE_META, NFT_META_IIFNAME },
        [FIELD_OIFNAME] = { "oifname", 16, 41, "ifname", SOURCE_META, NFT_META_OIFNAME },
        [FIELD_NFPROTO] = { "meta nfproto", 1, 2, "nf_proto", SOURCE_META, NFT_META_NFPROTO },
        [FIELD_PROTOCOL] = { "meta protocol", 2, 11, "ether_type", SOURCE_META, NFT_META_PROTOCOL },
        [FIELD_L4PROTO] = { "meta l4proto", 1, 12, "inet_proto", SOURCE_META, NFT_META_L4PROTO },
        [FIELD_IP_SADDR] = { "ip saddr", 4, 7, "ipv4_addr", SOURCE_NETWORK, 12 },
        [FIELD_IP_DADDR] = { "ip daddr", 4, 7, "ipv4_addr", SOURCE_NETWORK, 16 },
        [FIELD_IP6_SADDR] = { "ip6 saddr", 16, 8, "ipv6_addr", SOURCE_NETWORK, 8 },
        [FIELD_IP6_DADDR] = { "ip6 daddr", 16, 8, "ipv6_addr", SOURCE_NETWORK, 24 },
        [FIELD_SPORT] = { "th sport", 2, 13, "inet_service", SOURCE_TRANSPORT, 0 },
        [FIELD_DPORT] = { "th dport", 2, 13, "inet_service", SOURCE_TRANSPORT, 2 },
        [FIELD_ICMP_TYPE] = { "icmp type", 1, 14, "icmp_type", SOURCE_TRANSPORT, 0 },
        [FIELD_ICMPV6_TYPE] = { "icmpv6 type", 1, 29, "icmpv6_type", SOURCE_TRANSPORT, 0 },
        [FIELD_TCP_FLAGS] = { "tcp flags", 1, 17, "tcp_flag", SOURCE_TRANSPORT, 13 },
        [FIELD_CT_STATE] = { "ct state", 4, 26, "ct_state", SOURCE_CT, NFT_CT_STATE },
        [FIELD_CT_STATUS] = { "ct status", 4, 28, "ct_status", SOURCE_CT, NFT_CT_STATUS },
        [FIELD_CT_DIRECTION] = { "ct direction", 1, 27, "ct_dir", SOURCE_CT, NFT_CT_DIRECTION },
        [FIELD_FIB_DADDR_TYPE] = { "fib daddr type", 4, 42, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE },
};

const struct field_type *field_type(enum field f)
{
        return &types[f];
}

unsigned field_room(enum field f)
{
        return (types[f].size + 3) / 4 * 4;
}
