/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fields of packets: how nft names them and where the kernel loads them from. Datatype numbers: nft's datatype.h. */

#include <linux/netfilter/nf_tables.h>

#include <string.h>

#include "base/macro.h"
#include "firewall/ruleset.h"

#define HOST .host_order = true

static const struct field_type types[FIELD_MAX] = {
        [FIELD_IIFNAME] = { "iifname", 16, 41, "ifname", SOURCE_META, NFT_META_IIFNAME },
        [FIELD_OIFNAME] = { "oifname", 16, 41, "ifname", SOURCE_META, NFT_META_OIFNAME },
        [FIELD_NFPROTO] = { "meta nfproto", 1, 2, "nf_proto", SOURCE_META, NFT_META_NFPROTO },
        [FIELD_PROTOCOL] = { "meta protocol", 2, 10, "ether_type", SOURCE_META, NFT_META_PROTOCOL },
        [FIELD_L4PROTO] = { "meta l4proto", 1, 12, "inet_proto", SOURCE_META, NFT_META_L4PROTO },
        [FIELD_IP_SADDR] = { "ip saddr", 4, 7, "ipv4_addr", SOURCE_NETWORK, 12 },
        [FIELD_IP_DADDR] = { "ip daddr", 4, 7, "ipv4_addr", SOURCE_NETWORK, 16 },
        [FIELD_IP6_SADDR] = { "ip6 saddr", 16, 8, "ipv6_addr", SOURCE_NETWORK, 8 },
        [FIELD_IP6_DADDR] = { "ip6 daddr", 16, 8, "ipv6_addr", SOURCE_NETWORK, 24 },
        [FIELD_SPORT] = { "th sport", 2, 13, "inet_service", SOURCE_TRANSPORT, 0 },
        [FIELD_DPORT] = { "th dport", 2, 13, "inet_service", SOURCE_TRANSPORT, 2 },
        [FIELD_ICMP_TYPE] = { "icmp type", 1, 14, "icmp_type", SOURCE_TRANSPORT, 0 },
        [FIELD_ICMPV6_TYPE] = { "icmpv6 type", 1, 29, "icmpv6_type", SOURCE_TRANSPORT, 0 },
        [FIELD_ICMP_CODE] = { "icmp code", 1, 32, "icmp_code", SOURCE_TRANSPORT, 1 },
        [FIELD_ICMPV6_CODE] = { "icmpv6 code", 1, 33, "icmpv6_code", SOURCE_TRANSPORT, 1 },
        [FIELD_TCP_FLAGS] = { "tcp flags", 1, 15, "tcp_flag", SOURCE_TRANSPORT, 13 },
        [FIELD_TCP_MSS] = { "tcp option maxseg size", 2, 4, "integer", SOURCE_TCP_OPTION, 2 },
        [FIELD_IP_TOS] = { "@nh,8,8", 1, 4, "integer", SOURCE_NETWORK, 1 },
        [FIELD_IP_FRAGMENT] = { "ip frag-off", 2, 4, "integer", SOURCE_NETWORK, 6 },
        [FIELD_IP_TTL] = { "ip ttl", 1, 4, "integer", SOURCE_NETWORK, 8 },
        [FIELD_IP6_CLASS] = { "@nh,0,16", 2, 4, "integer", SOURCE_NETWORK, 0 },
        [FIELD_IP6_HOPLIMIT] = { "ip6 hoplimit", 1, 4, "integer", SOURCE_NETWORK, 7 },
        [FIELD_ETHER_SADDR] = { "ether saddr", 6, 9, "ether_addr", SOURCE_LINK, 6 },
        [FIELD_ARP_SADDR] = { "arp saddr ip", 4, 7, "ipv4_addr", SOURCE_NETWORK, 14 },
        [FIELD_LENGTH] = { "meta length", 4, 4, "integer", SOURCE_META, NFT_META_LEN, HOST },
        [FIELD_PRIORITY] = { "meta priority", 4, 23, "classid", SOURCE_META, NFT_META_PRIORITY, HOST },
        [FIELD_MARK] = { "meta mark", 4, 19, "mark", SOURCE_META, NFT_META_MARK, HOST },
        [FIELD_SKUID] = { "meta skuid", 4, 24, "uid", SOURCE_META, NFT_META_SKUID, HOST },
        [FIELD_SKGID] = { "meta skgid", 4, 25, "gid", SOURCE_META, NFT_META_SKGID, HOST },
        [FIELD_PKTTYPE] = { "meta pkttype", 1, 31, "pkt_type", SOURCE_META, NFT_META_PKTTYPE },
        [FIELD_CPU] = { "meta cpu", 4, 4, "integer", SOURCE_META, NFT_META_CPU, HOST },
        [FIELD_IIFGROUP] = { "iifgroup", 4, 35, "devgroup", SOURCE_META, NFT_META_IIFGROUP, HOST },
        [FIELD_OIFGROUP] = { "oifgroup", 4, 35, "devgroup", SOURCE_META, NFT_META_OIFGROUP, HOST },
        [FIELD_CGROUP] = { "meta cgroup", 4, 4, "integer", SOURCE_META, NFT_META_CGROUP, HOST },
        [FIELD_REALM] = { "meta rtclassid", 4, 22, "realm", SOURCE_META, NFT_META_RTCLASSID, HOST },
        [FIELD_SECPATH] = { "meta ipsec", 1, 39, "boolean", SOURCE_META, NFT_META_SECPATH },
        [FIELD_CT_STATE] = { "ct state", 4, 26, "ct_state", SOURCE_CT, NFT_CT_STATE, HOST },
        [FIELD_CT_STATUS] = { "ct status", 4, 28, "ct_status", SOURCE_CT, NFT_CT_STATUS, HOST },
        [FIELD_CT_DIRECTION] = { "ct direction", 1, 27, "ct_dir", SOURCE_CT, NFT_CT_DIRECTION },
        [FIELD_CT_MARK] = { "ct mark", 4, 19, "mark", SOURCE_CT, NFT_CT_MARK, HOST },
        [FIELD_CT_HELPER] = { "ct helper", 16, 5, "string", SOURCE_CT, NFT_CT_HELPER },
        [FIELD_CT_ORIG_IP_SADDR] = { "ct original ip saddr", 4, 7, "ipv4_addr", SOURCE_CT, NFT_CT_SRC_IP, .extra = 1 },
        [FIELD_CT_ORIG_IP_DADDR] = { "ct original ip daddr", 4, 7, "ipv4_addr", SOURCE_CT, NFT_CT_DST_IP, .extra = 1 },
        [FIELD_CT_ORIG_IP6_SADDR] = { "ct original ip6 saddr", 16, 8, "ipv6_addr", SOURCE_CT, NFT_CT_SRC_IP6, .extra = 1 },
        [FIELD_CT_ORIG_IP6_DADDR] = { "ct original ip6 daddr", 16, 8, "ipv6_addr", SOURCE_CT, NFT_CT_DST_IP6, .extra = 1 },
        [FIELD_CT_ORIG_SPORT] = { "ct original proto-src", 2, 13, "inet_service", SOURCE_CT, NFT_CT_PROTO_SRC, .extra = 1 },
        [FIELD_CT_ORIG_DPORT] = { "ct original proto-dst", 2, 13, "inet_service", SOURCE_CT, NFT_CT_PROTO_DST, .extra = 1 },
        [FIELD_FIB_DADDR_TYPE] = { "fib daddr type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST, NFTA_FIB_F_DADDR },
        [FIELD_FIB_SADDR_TYPE] = { "fib saddr type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST, NFTA_FIB_F_SADDR },
        [FIELD_FIB_SADDR_OIF] = { "fib saddr . iif oif", 4, 20, "iface_index", SOURCE_FIB, NFT_FIB_RESULT_OIF, HOST, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF },
};

const struct field_type *field_type(enum field f)
{
        return &types[f];
}

unsigned field_room(enum field f)
{
        return (types[f].size + 3) / 4 * 4;
}

uint64_t field_number(enum field f, const uint8_t *value)
{
        unsigned size = types[f].size;
        uint64_t number = 0;
        uint32_t wide;

        if (types[f].host_order && size == 4) {
                memcpy(&wide, value, sizeof(wide));
                return wide;
        }
        for (unsigned i = 0; i < size && i < 8; i++)
                number = number << 8 | value[i];
        return number;
}

void field_put_number(enum field f, uint64_t number, uint8_t *value)
{
        unsigned size = types[f].size;
        uint32_t wide = (uint32_t)number;

        if (types[f].host_order && size == 4)
                memcpy(value, &wide, sizeof(wide));
        else
                for (unsigned i = size; i-- > 0; number >>= 8)
                        value[i] = (uint8_t)number;
}
