/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fields of packets: how nft names them and where the kernel loads them from. Datatype numbers: nft's datatype.h. */

#include <linux/netfilter/nf_tables.h>

#include <string.h>

#include "base/macro.h"
#include "firewall/ruleset.h"

#define HOST .host_order = true
#define HOST_FIRST_IS_LAST (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

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
        [FIELD_TCP_MSS] = { "tcp option maxseg size", 2, 4, "integer", SOURCE_TCP_OPTION, 2, .extra = 2 },
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
        [FIELD_FIB_SADDR_ANY_OIF] = { "fib saddr oif", 4, 20, "iface_index", SOURCE_FIB, NFT_FIB_RESULT_OIF, HOST, NFTA_FIB_F_SADDR },
        [FIELD_FIB_SADDR_MARK_OIF] = { "fib saddr . mark . iif oif", 4, 20, "iface_index", SOURCE_FIB, NFT_FIB_RESULT_OIF, HOST,
                                       NFTA_FIB_F_SADDR | NFTA_FIB_F_MARK | NFTA_FIB_F_IIF },
        [FIELD_FIB_SADDR_MARK_ANY_OIF] = { "fib saddr . mark oif", 4, 20, "iface_index", SOURCE_FIB, NFT_FIB_RESULT_OIF, HOST,
                                           NFTA_FIB_F_SADDR | NFTA_FIB_F_MARK },
        [FIELD_FIB_DADDR_IIF_TYPE] = { "fib daddr . iif type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST,
                                       NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF },
        [FIELD_FIB_DADDR_OIF_TYPE] = { "fib daddr . oif type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST,
                                       NFTA_FIB_F_DADDR | NFTA_FIB_F_OIF },
        [FIELD_FIB_SADDR_IIF_TYPE] = { "fib saddr . iif type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST,
                                       NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF },
        [FIELD_FIB_SADDR_OIF_TYPE] = { "fib saddr . oif type", 4, 38, "fib_addrtype", SOURCE_FIB, NFT_FIB_RESULT_ADDRTYPE, HOST,
                                       NFTA_FIB_F_SADDR | NFTA_FIB_F_OIF },
        [FIELD_HOUR] = { "meta hour", 4, 44, "hour", SOURCE_META, NFT_META_TIME_HOUR, HOST },
        [FIELD_DAY] = { "meta day", 1, 45, "day", SOURCE_META, NFT_META_TIME_DAY },
        [FIELD_TIME] = { "meta time", 8, 43, "time", SOURCE_META, NFT_META_TIME_NS, HOST },
        [FIELD_SECMARK] = { "meta secmark", 4, 4, "integer", SOURCE_META, NFT_META_SECMARK, HOST },
        [FIELD_AH_SPI] = { "ah spi", 4, 4, "integer", SOURCE_TRANSPORT, 4 },
        [FIELD_ESP_SPI] = { "esp spi", 4, 4, "integer", SOURCE_TRANSPORT, 0 },
        [FIELD_COMP_CPI] = { "comp cpi", 2, 4, "integer", SOURCE_TRANSPORT, 2 },
        [FIELD_DCCP_TYPE] = { "@th,64,8", 1, 4, "integer", SOURCE_TRANSPORT, 8 },
        [FIELD_CT_BYTES] = { "ct bytes", 8, 4, "integer", SOURCE_CT, NFT_CT_BYTES, HOST },
        [FIELD_CT_ORIG_BYTES] = { "ct original bytes", 8, 4, "integer", SOURCE_CT, NFT_CT_BYTES, HOST, 1 },
        [FIELD_CT_REPLY_BYTES] = { "ct reply bytes", 8, 4, "integer", SOURCE_CT, NFT_CT_BYTES, HOST, 2 },
        [FIELD_CT_PACKETS] = { "ct packets", 8, 4, "integer", SOURCE_CT, NFT_CT_PKTS, HOST },
        [FIELD_CT_ORIG_PACKETS] = { "ct original packets", 8, 4, "integer", SOURCE_CT, NFT_CT_PKTS, HOST, 1 },
        [FIELD_CT_REPLY_PACKETS] = { "ct reply packets", 8, 4, "integer", SOURCE_CT, NFT_CT_PKTS, HOST, 2 },
        [FIELD_CT_AVGPKT] = { "ct avgpkt", 8, 4, "integer", SOURCE_CT, NFT_CT_AVGPKT, HOST },
        [FIELD_CT_ORIG_AVGPKT] = { "ct original avgpkt", 8, 4, "integer", SOURCE_CT, NFT_CT_AVGPKT, HOST, 1 },
        [FIELD_CT_REPLY_AVGPKT] = { "ct reply avgpkt", 8, 4, "integer", SOURCE_CT, NFT_CT_AVGPKT, HOST, 2 },
        [FIELD_CT_REPLY_IP_SADDR] = { "ct reply ip saddr", 4, 7, "ipv4_addr", SOURCE_CT, NFT_CT_SRC_IP, .extra = 2 },
        [FIELD_CT_REPLY_IP_DADDR] = { "ct reply ip daddr", 4, 7, "ipv4_addr", SOURCE_CT, NFT_CT_DST_IP, .extra = 2 },
        [FIELD_CT_REPLY_IP6_SADDR] = { "ct reply ip6 saddr", 16, 8, "ipv6_addr", SOURCE_CT, NFT_CT_SRC_IP6, .extra = 2 },
        [FIELD_CT_REPLY_IP6_DADDR] = { "ct reply ip6 daddr", 16, 8, "ipv6_addr", SOURCE_CT, NFT_CT_DST_IP6, .extra = 2 },
        [FIELD_CT_REPLY_SPORT] = { "ct reply proto-src", 2, 13, "inet_service", SOURCE_CT, NFT_CT_PROTO_SRC, .extra = 2 },
        [FIELD_CT_REPLY_DPORT] = { "ct reply proto-dst", 2, 13, "inet_service", SOURCE_CT, NFT_CT_PROTO_DST, .extra = 2 },
        [FIELD_CT_PROTOCOL] = { "ct original protocol", 1, 12, "inet_proto", SOURCE_CT, NFT_CT_PROTOCOL }, /* both directions have the same */
        [FIELD_CT_EXPIRATION] = { "ct expiration", 4, 18, "time", SOURCE_CT, NFT_CT_EXPIRATION, HOST },
        [FIELD_CT_SECMARK] = { "ct secmark", 4, 4, "integer", SOURCE_CT, NFT_CT_SECMARK, HOST },
        [FIELD_CT_LABEL] = { "ct label", 16, 30, "ct_label", SOURCE_CT, NFT_CT_LABELS, HOST },
        [FIELD_CT_ZONE] = { "ct zone", 2, 4, "integer", SOURCE_CT, NFT_CT_ZONE, HOST },
        [FIELD_CT_ORIG_ZONE] = { "ct original zone", 2, 4, "integer", SOURCE_CT, NFT_CT_ZONE, HOST, 1 },
        [FIELD_CT_REPLY_ZONE] = { "ct reply zone", 2, 4, "integer", SOURCE_CT, NFT_CT_ZONE, HOST, 2 },
        [FIELD_SOCKET_TRANSPARENT] = { "socket transparent", 1, 4, "integer", SOURCE_SOCKET, NFT_SOCKET_TRANSPARENT },
        [FIELD_SOCKET_WILDCARD] = { "socket wildcard", 1, 4, "integer", SOURCE_SOCKET, NFT_SOCKET_WILDCARD },
        [FIELD_SOCKET_MARK] = { "socket mark", 4, 19, "mark", SOURCE_SOCKET, NFT_SOCKET_MARK, HOST },
        [FIELD_ROUTE_IPSEC] = { "rt ipsec", 1, 39, "boolean", SOURCE_ROUTE, NFT_RT_XFRM },
        [FIELD_HBH_EXISTS] = { "exthdr hbh", 1, 39, "boolean", SOURCE_IP6_HEADER_EXISTS, 0 },
        [FIELD_DST_EXISTS] = { "exthdr dst", 1, 39, "boolean", SOURCE_IP6_HEADER_EXISTS, 60 },
        [FIELD_RT_EXISTS] = { "exthdr rt", 1, 39, "boolean", SOURCE_IP6_HEADER_EXISTS, 43 },
        [FIELD_FRAG_EXISTS] = { "exthdr frag", 1, 39, "boolean", SOURCE_IP6_HEADER_EXISTS, 44 },
        [FIELD_MH_EXISTS] = { "exthdr mh", 1, 39, "boolean", SOURCE_IP6_HEADER_EXISTS, 135 },
        [FIELD_HBH_LENGTH] = { "hbh hdrlength", 1, 4, "integer", SOURCE_IP6_HEADER, 0, .extra = 1 },
        [FIELD_DST_LENGTH] = { "dst hdrlength", 1, 4, "integer", SOURCE_IP6_HEADER, 60, .extra = 1 },
        [FIELD_RT_LENGTH] = { "rt hdrlength", 1, 4, "integer", SOURCE_IP6_HEADER, 43, .extra = 1 },
        [FIELD_RT_TYPE] = { "rt type", 1, 4, "integer", SOURCE_IP6_HEADER, 43, .extra = 2 },
        [FIELD_RT_LEFT] = { "rt seg-left", 1, 4, "integer", SOURCE_IP6_HEADER, 43, .extra = 3 },
        [FIELD_FRAG_RESERVED] = { "frag reserved", 1, 4, "integer", SOURCE_IP6_HEADER, 44, .extra = 1 },
        [FIELD_FRAG_OFFSET] = { "frag offset-and-flags", 2, 4, "integer", SOURCE_IP6_HEADER, 44, .extra = 2 },
        [FIELD_FRAG_ID] = { "frag id", 4, 4, "integer", SOURCE_IP6_HEADER, 44, .extra = 4 },
        [FIELD_MH_TYPE] = { "mh type", 1, 17, "mh_type", SOURCE_IP6_HEADER, 135, .extra = 2 },
        [FIELD_TCP_NOP_EXISTS] = { "tcp option nop", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 1 },
        [FIELD_TCP_MSS_EXISTS] = { "tcp option maxseg", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 2 },
        [FIELD_TCP_WINDOW_EXISTS] = { "tcp option window", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 3 },
        [FIELD_TCP_SACK_PERM_EXISTS] = { "tcp option sack-perm", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 4 },
        [FIELD_TCP_SACK_EXISTS] = { "tcp option sack", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 5 },
        [FIELD_TCP_TIMESTAMP_EXISTS] = { "tcp option timestamp", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 8 },
        [FIELD_TCP_MD5_EXISTS] = { "tcp option md5sig", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 19 },
        [FIELD_TCP_MPTCP_EXISTS] = { "tcp option mptcp", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 30 },
        [FIELD_TCP_FASTOPEN_EXISTS] = { "tcp option fastopen", 1, 39, "boolean", SOURCE_TCP_OPTION_EXISTS, 34 },
        [FIELD_SCTP_DATA] = { "sctp chunk data", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 0 },
        [FIELD_SCTP_INIT] = { "sctp chunk init", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 1 },
        [FIELD_SCTP_INIT_ACK] = { "sctp chunk init-ack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 2 },
        [FIELD_SCTP_SACK] = { "sctp chunk sack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 3 },
        [FIELD_SCTP_HEARTBEAT] = { "sctp chunk heartbeat", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 4 },
        [FIELD_SCTP_HEARTBEAT_ACK] = { "sctp chunk heartbeat-ack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 5 },
        [FIELD_SCTP_ABORT] = { "sctp chunk abort", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 6 },
        [FIELD_SCTP_SHUTDOWN] = { "sctp chunk shutdown", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 7 },
        [FIELD_SCTP_SHUTDOWN_ACK] = { "sctp chunk shutdown-ack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 8 },
        [FIELD_SCTP_ERROR] = { "sctp chunk error", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 9 },
        [FIELD_SCTP_COOKIE_ECHO] = { "sctp chunk cookie-echo", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 10 },
        [FIELD_SCTP_COOKIE_ACK] = { "sctp chunk cookie-ack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 11 },
        [FIELD_SCTP_ECNE] = { "sctp chunk ecne", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 12 },
        [FIELD_SCTP_CWR] = { "sctp chunk cwr", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 13 },
        [FIELD_SCTP_SHUTDOWN_COMPLETE] = { "sctp chunk shutdown-complete", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 14 },
        [FIELD_SCTP_ASCONF] = { "sctp chunk asconf", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 193 },
        [FIELD_SCTP_ASCONF_ACK] = { "sctp chunk asconf-ack", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 128 },
        [FIELD_SCTP_FORWARD_TSN] = { "sctp chunk forward-tsn", 1, 39, "boolean", SOURCE_SCTP_CHUNK_EXISTS, 192 },
        [FIELD_IPSEC_IN_REQID_0] = { "ipsec in reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 0 },
        [FIELD_IPSEC_IN_REQID_1] = { "ipsec in spnum 1 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 2 },
        [FIELD_IPSEC_IN_REQID_2] = { "ipsec in spnum 2 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 4 },
        [FIELD_IPSEC_IN_REQID_3] = { "ipsec in spnum 3 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 6 },
        [FIELD_IPSEC_IN_REQID_4] = { "ipsec in spnum 4 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 8 },
        [FIELD_IPSEC_IN_REQID_5] = { "ipsec in spnum 5 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 10 },
        [FIELD_IPSEC_IN_SPI_0] = { "ipsec in spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 0 },
        [FIELD_IPSEC_IN_SPI_1] = { "ipsec in spnum 1 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 2 },
        [FIELD_IPSEC_IN_SPI_2] = { "ipsec in spnum 2 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 4 },
        [FIELD_IPSEC_IN_SPI_3] = { "ipsec in spnum 3 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 6 },
        [FIELD_IPSEC_IN_SPI_4] = { "ipsec in spnum 4 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 8 },
        [FIELD_IPSEC_IN_SPI_5] = { "ipsec in spnum 5 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 10 },
        [FIELD_IPSEC_OUT_REQID_0] = { "ipsec out reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 1 },
        [FIELD_IPSEC_OUT_REQID_1] = { "ipsec out spnum 1 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 3 },
        [FIELD_IPSEC_OUT_REQID_2] = { "ipsec out spnum 2 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 5 },
        [FIELD_IPSEC_OUT_REQID_3] = { "ipsec out spnum 3 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 7 },
        [FIELD_IPSEC_OUT_REQID_4] = { "ipsec out spnum 4 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 9 },
        [FIELD_IPSEC_OUT_REQID_5] = { "ipsec out spnum 5 reqid", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_REQID, HOST, 11 },
        [FIELD_IPSEC_OUT_SPI_0] = { "ipsec out spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 1 },
        [FIELD_IPSEC_OUT_SPI_1] = { "ipsec out spnum 1 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 3 },
        [FIELD_IPSEC_OUT_SPI_2] = { "ipsec out spnum 2 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 5 },
        [FIELD_IPSEC_OUT_SPI_3] = { "ipsec out spnum 3 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 7 },
        [FIELD_IPSEC_OUT_SPI_4] = { "ipsec out spnum 4 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 9 },
        [FIELD_IPSEC_OUT_SPI_5] = { "ipsec out spnum 5 spi", 4, 4, "integer", SOURCE_IPSEC, NFT_XFRM_KEY_SPI, .extra = 11 },
};

const struct field_type *field_type(enum field f)
{
        return &types[f];
}

unsigned field_room(enum field f)
{
        return (types[f].size + 3) / 4 * 4;
}

enum field field_presence(enum field f)
{
        enum field_source of = types[f].source == SOURCE_IP6_HEADER  ? SOURCE_IP6_HEADER_EXISTS
                               : types[f].source == SOURCE_TCP_OPTION ? SOURCE_TCP_OPTION_EXISTS
                                                                      : SOURCE_MAX;

        for (int i = 0; i < FIELD_MAX; i++)
                if (types[i].source == of && types[i].key == types[f].key)
                        return (enum field)i;
        return FIELD_MAX;
}

uint64_t field_number(enum field f, const uint8_t *value)
{
        unsigned size = types[f].size;
        uint64_t number = 0;

        for (unsigned i = 0; i < size && i < 8; i++)
                number = number << 8 | value[types[f].host_order && HOST_FIRST_IS_LAST ? size - 1 - i : i];
        return number;
}

void field_put_number(enum field f, uint64_t number, uint8_t *value)
{
        unsigned size = types[f].size;

        for (unsigned i = size; i-- > 0; number >>= 8)
                value[types[f].host_order && HOST_FIRST_IS_LAST ? size - 1 - i : i] = (uint8_t)number;
}

/* The kernel's are an array of words of this machine. */
void field_put_bit(unsigned bit, uint8_t value[static 16])
{
        unsigned at = bit / 8;

        if (!HOST_FIRST_IS_LAST)
                at ^= sizeof(long) - 1;
        value[at] |= (uint8_t)(1u << bit % 8);
}

int field_bit(const uint8_t value[static 16])
{
        for (unsigned bit = 0; bit < 128; bit++) {
                uint8_t one[16] = {};

                field_put_bit(bit, one);
                if (memcmp(one, value, sizeof(one)) == 0)
                        return (int)bit;
        }
        return -1;
}
