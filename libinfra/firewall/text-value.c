/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of fields as nft writes them. */

#include "firewall/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <string.h>

#include "base/macro.h"

struct word {
        unsigned value;
        const char *text;
};

static const struct word nfprotos[] = { { NFPROTO_IPV4, "ipv4" }, { NFPROTO_IPV6, "ipv6" }, {} };
static const struct word protocols[] = { { ETH_P_IP, "ip" }, { ETH_P_IPV6, "ip6" }, { ETH_P_ARP, "arp" }, {} };
static const struct word l4protos[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_ICMP, "icmp" }, { IPPROTO_ICMPV6, "ipv6-icmp" },
                                       { IPPROTO_UDPLITE, "udplite" }, { IPPROTO_SCTP, "sctp" }, { IPPROTO_DCCP, "dccp" }, { IPPROTO_GRE, "gre" },
                                       { IPPROTO_ESP, "esp" }, { IPPROTO_AH, "ah" }, {} };
static const struct word states[] = { { 1, "invalid" }, { 2, "established" }, { 4, "related" }, { 8, "new" }, { 64, "untracked" }, {} };
static const struct word statuses[] = { { 0x01, "expected" }, { 0x02, "seen-reply" }, { 0x04, "assured" }, { 0x08, "confirmed" },
                                       { 0x10, "snat" }, { 0x20, "dnat" }, { 0x200, "dying" }, {} };
static const struct word directions[] = { { 0, "original" }, { 1, "reply" }, {} };
static const struct word fib_types[] = { { 0, "unspec" }, { 1, "unicast" }, { 2, "local" }, { 3, "broadcast" }, { 4, "anycast" },
                                        { 5, "multicast" }, { 6, "blackhole" }, { 7, "unreachable" }, { 8, "prohibit" }, {} };
static const struct word tcp_flags[] = { { 0x01, "fin" }, { 0x02, "syn" }, { 0x04, "rst" }, { 0x08, "psh" }, { 0x10, "ack" },
                                        { 0x20, "urg" }, { 0x40, "ecn" }, { 0x80, "cwr" }, {} };
static const struct word packet_types[] = { { 0, "host" }, { 1, "broadcast" }, { 2, "multicast" }, { 3, "other" }, {} };

static const struct word *words_of(enum field f)
{
        switch (f) {
        case FIELD_NFPROTO: return nfprotos;
        case FIELD_PROTOCOL: return protocols;
        case FIELD_L4PROTO: return l4protos;
        case FIELD_CT_STATE: return states;
        case FIELD_CT_STATUS: return statuses;
        case FIELD_CT_DIRECTION: return directions;
        case FIELD_FIB_DADDR_TYPE:
        case FIELD_FIB_SADDR_TYPE: return fib_types;
        case FIELD_PKTTYPE: return packet_types;
        case FIELD_TCP_FLAGS: return tcp_flags;
        default: return NULL;
        }
}

static bool is_address(enum field f)
{
        return streq(field_type(f)->datatype_name, "ipv4_addr") || streq(field_type(f)->datatype_name, "ipv6_addr");
}

static bool is_hex(enum field f)
{
        return f == FIELD_MARK || f == FIELD_CT_MARK || f == FIELD_PRIORITY || f == FIELD_IP6_CLASS || f == FIELD_IP_TOS;
}

void text_name(struct str *s, const uint8_t *value, unsigned size)
{
        str_add(s, "\"%.*s%s\"", (int)size, (const char *)value, size < 16 ? "*" : "");
}

void text_value(struct str *s, enum field f, const uint8_t *value)
{
        const struct word *words = words_of(f);
        char text[INET6_ADDRSTRLEN];

        if (f == FIELD_IIFNAME || f == FIELD_OIFNAME || f == FIELD_CT_HELPER) {
                text_name(s, value, 16);
        } else if (is_address(f)) {
                str_add(s, "%s", inet_ntop(field_type(f)->size == 4 ? AF_INET : AF_INET6, value, text, sizeof(text)));
        } else if (f == FIELD_ETHER_SADDR) {
                for (unsigned i = 0; i < 6; i++)
                        str_add(s, "%s%02x", i ? ":" : "", value[i]);
        } else {
                uint64_t number = field_number(f, value);

                for (; words && words->text; words++)
                        if (words->value == number) {
                                str_add(s, "%s", words->text);
                                return;
                        }
                str_add(s, is_hex(f) ? "0x%llx" : "%llu", (unsigned long long)number);
        }
}

/* Every bit of the mask that has a name, joined. */
void text_bits(struct str *s, enum field f, const uint8_t *mask, const char *joint)
{
        uint64_t bits = field_number(f, mask);
        bool first = true;

        for (const struct word *w = words_of(f); w && w->text; w++) {
                if (!(bits & w->value))
                        continue;
                str_add(s, "%s%s", first ? "" : joint, w->text);
                bits &= ~w->value;
                first = false;
        }
        if (bits || first)
                str_add(s, "%s0x%llx", first ? "" : joint, (unsigned long long)bits);
}
