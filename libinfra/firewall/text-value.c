/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of fields as nft writes them, and back. */

#include "firewall/rule.h"
#include "firewall/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

struct name {
        unsigned value;
        const char *text;
};

static const struct name nfprotos[] = { { NFPROTO_IPV4, "ipv4" }, { NFPROTO_IPV6, "ipv6" }, {} };
static const struct name protocols[] = { { ETH_P_IP, "ip" }, { ETH_P_IPV6, "ip6" }, { ETH_P_ARP, "arp" }, {} };
static const struct name l4protos[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_ICMP, "icmp" }, { IPPROTO_ICMPV6, "ipv6-icmp" },
                                       { IPPROTO_UDPLITE, "udplite" }, { IPPROTO_SCTP, "sctp" }, { IPPROTO_DCCP, "dccp" }, { IPPROTO_GRE, "gre" },
                                       { IPPROTO_ESP, "esp" }, { IPPROTO_AH, "ah" }, { IPPROTO_COMP, "comp" }, {} };
static const struct name states[] = { { 1, "invalid" }, { 2, "established" }, { 4, "related" }, { 8, "new" }, { 64, "untracked" }, {} };
static const struct name statuses[] = { { 0x01, "expected" }, { 0x02, "seen-reply" }, { 0x04, "assured" }, { 0x08, "confirmed" },
                                       { 0x10, "snat" }, { 0x20, "dnat" }, { 0x200, "dying" }, {} };
static const struct name directions[] = { { 0, "original" }, { 1, "reply" }, {} };
static const struct name fib_types[] = { { 0, "unspec" }, { 1, "unicast" }, { 2, "local" }, { 3, "broadcast" }, { 4, "anycast" },
                                        { 5, "multicast" }, { 6, "blackhole" }, { 7, "unreachable" }, { 8, "prohibit" }, {} };
static const struct name tcp_flags[] = { { 0x01, "fin" }, { 0x02, "syn" }, { 0x04, "rst" }, { 0x08, "psh" }, { 0x10, "ack" },
                                        { 0x20, "urg" }, { 0x40, "ecn" }, { 0x80, "cwr" }, {} };
static const struct name days[] = { { 0, "Sunday" }, { 1, "Monday" }, { 2, "Tuesday" }, { 3, "Wednesday" }, { 4, "Thursday" },
                                   { 5, "Friday" }, { 6, "Saturday" }, {} };
static const struct name dccp_types[] = { { 0, "request" }, { 1, "response" }, { 2, "data" }, { 3, "ack" }, { 4, "dataack" }, { 5, "closereq" },
                                         { 6, "close" }, { 7, "reset" }, { 8, "sync" }, { 9, "syncack" }, {} };
static const struct name existences[] = { { 0, "missing" }, { 1, "exists" }, {} };
static const struct name mh_types[] = { { 0, "binding-refresh-request" }, { 1, "home-test-init" }, { 2, "careof-test-init" }, { 3, "home-test" },
                                       { 4, "careof-test" }, { 5, "binding-update" }, { 6, "binding-acknowledgement" }, { 7, "binding-error" },
                                       { 8, "fast-binding-update" }, { 9, "fast-binding-acknowledgement" }, { 10, "fast-binding-advertisement" },
                                       { 11, "experimental-mobility-header" }, { 12, "home-agent-switch-message" }, {} };
static const struct name packet_types[] = { { 0, "host" }, { 1, "broadcast" }, { 2, "multicast" }, { 3, "other" }, {} };

/* Only read: ruleset text has the numbers. */
static const struct name icmp_types[] = { { 0, "echo-reply" }, { 3, "destination-unreachable" }, { 5, "redirect" }, { 8, "echo-request" },
                                         { 11, "time-exceeded" }, { 12, "parameter-problem" }, { 13, "timestamp-request" },
                                         { 14, "timestamp-reply" }, {} };
static const struct name icmpv6_types[] = { { 1, "destination-unreachable" }, { 2, "packet-too-big" }, { 3, "time-exceeded" },
                                           { 4, "parameter-problem" }, { 128, "echo-request" }, { 129, "echo-reply" },
                                           { 133, "nd-router-solicit" }, { 134, "nd-router-advert" }, { 135, "nd-neighbor-solicit" },
                                           { 136, "nd-neighbor-advert" }, { 137, "nd-redirect" }, {} };

static bool is_existence(enum field f)
{
        enum field_source s = field_type(f)->source;

        return s == SOURCE_TCP_OPTION_EXISTS || s == SOURCE_IP6_HEADER_EXISTS || s == SOURCE_SCTP_CHUNK_EXISTS;
}

static const struct name *words_of(enum field f)
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
        case FIELD_FIB_DADDR_IIF_TYPE:
        case FIELD_FIB_DADDR_OIF_TYPE:
        case FIELD_FIB_SADDR_IIF_TYPE:
        case FIELD_FIB_SADDR_OIF_TYPE: return fib_types;
        case FIELD_DAY: return days;
        case FIELD_CT_PROTOCOL: return l4protos;
        case FIELD_ROUTE_IPSEC: return existences;
        default: return is_existence(f) ? existences : NULL;
        }
}

static bool is_address(enum field f)
{
        return streq(field_type(f)->datatype_name, "ipv4_addr") || streq(field_type(f)->datatype_name, "ipv6_addr");
}

static bool is_hex(enum field f)
{
        return f == FIELD_MARK || f == FIELD_CT_MARK || f == FIELD_PRIORITY || f == FIELD_IP6_CLASS || f == FIELD_IP_TOS ||
               f == FIELD_DCCP_TYPE || f == FIELD_SOCKET_MARK;
}

void text_name(struct str *s, const uint8_t *value, unsigned size)
{
        str_add(s, "\"%.*s%s\"", (int)size, (const char *)value, size < 16 ? "*" : "");
}

void text_value(struct str *s, enum field f, const uint8_t *value)
{
        const struct name *words = words_of(f);
        char text[INET6_ADDRSTRLEN];

        if (f == FIELD_IIFNAME || f == FIELD_OIFNAME || f == FIELD_CT_HELPER) {
                text_name(s, value, 16);
        } else if (is_address(f)) {
                str_add(s, "%s", inet_ntop(field_type(f)->size == 4 ? AF_INET : AF_INET6, value, text, sizeof(text)));
        } else if (f == FIELD_CT_LABEL && field_bit(value) >= 0) {
                str_add(s, "%d", field_bit(value));
        } else if (f == FIELD_CT_LABEL) {
                str_add(s, "0x");
                for (unsigned i = 0; i < 16; i++)
                        str_add(s, "%02x", value[i]);
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
                if (f == FIELD_TIME && number % SECOND_NS) {
                        str_add(s, "%llu.%09llu", (unsigned long long)(number / SECOND_NS), (unsigned long long)(number % SECOND_NS));
                        return;
                }
                if (f == FIELD_TIME)
                        number /= SECOND_NS;
                str_add(s, is_hex(f) ? "0x%llx" : f == FIELD_CT_EXPIRATION ? "%llums" : "%llu", (unsigned long long)number);
        }
}

/* Every bit of the mask that has a name, joined. */
void text_bits(struct str *s, enum field f, const uint8_t *mask, const char *joint)
{
        uint64_t bits = field_number(f, mask);
        bool first = true;

        for (const struct name *w = words_of(f); w && w->text; w++) {
                if (!(bits & w->value))
                        continue;
                str_add(s, "%s%s", first ? "" : joint, w->text);
                bits &= ~w->value;
                first = false;
        }
        if (bits || first)
                str_add(s, "%s0x%llx", first ? "" : joint, (unsigned long long)bits);
}

static const struct field_part parts[] = {
        { "frag frag-off", FIELD_FRAG_OFFSET, 0xfff8, 3 },
        { "frag reserved2", FIELD_FRAG_OFFSET, 0x6, 1 },
        { "frag more-fragments", FIELD_FRAG_OFFSET, 0x1, 0 },
        { "dccp type", FIELD_DCCP_TYPE, 0x1e, 1 },
};

const struct field_part *field_part(size_t n)
{
        return n < ELEMENTS(parts) ? &parts[n] : NULL;
}

bool text_part(struct str *s, const struct match *m)
{
        const struct name *words = m->fields[0] == FIELD_DCCP_TYPE ? dccp_types : NULL;

        bool any = m->kind == MATCH_ANY_BIT; /* is not 0 */

        for (size_t i = 0; (any || m->kind == MATCH_BITS) && i < ELEMENTS(parts); i++) {
                uint64_t value = any ? 0 : field_number(m->fields[0], m->value);

                if (parts[i].field != m->fields[0] || field_number(m->fields[0], m->mask) != parts[i].mask || value & ~parts[i].mask)
                        continue;
                value >>= parts[i].shift;
                str_add(s, "%s %s", parts[i].text, m->negated != any ? "!= " : "");
                for (; words && words->text; words++)
                        if (words->value == value) {
                                str_add(s, "%s", words->text);
                                return true;
                        }
                str_add(s, "%llu", (unsigned long long)value);
                return true;
        }
        return false;
}

static bool parse_name(const struct name *names, const char *text, uint64_t *ret)
{
        for (; names && names->text; names++)
                if (streq(names->text, text)) {
                        *ret = names->value;
                        return true;
                }
        return false;
}

static bool parse_service(enum field f, const char *text, uint64_t *ret)
{
        struct servent *s = f == FIELD_SPORT || f == FIELD_DPORT ? getservbyname(text, NULL) : NULL;

        if (s)
                *ret = ntohs((uint16_t)s->s_port);
        return s;
}

/* "18:30" or "18:30:15" of a day, "500ms"; a moment is told by its second. */
static bool parse_time(enum field f, const char *text, uint64_t *ret)
{
        unsigned hour, minute, second = 0;
        unsigned long long number;
        int n = 0;

        if (f == FIELD_HOUR && sscanf(text, "%2u:%2u%n:%2u%n", &hour, &minute, &n, &second, &n) >= 2 && !text[n] && hour < 24 && minute < 60 && second < 60) {
                *ret = (hour * 60 + minute) * 60 + second;
                return true;
        }
        if ((f != FIELD_TIME && f != FIELD_CT_EXPIRATION) || *text < '0' || *text > '9' || sscanf(text, "%11llu%n", &number, &n) != 1)
                return false;
        if (f == FIELD_CT_EXPIRATION) {
                *ret = number;
                return streq(text + n, "ms");
        }
        *ret = number > UINT64_MAX / SECOND_NS ? UINT64_MAX : number * SECOND_NS;
        return !text[n];
}

bool part_parse(const struct field_part *p, const char *text, size_t length, uint64_t *ret)
{
        char copy[32];

        if (length >= sizeof(copy))
                return false;
        snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
        if (!(p->field == FIELD_DCCP_TYPE && parse_name(dccp_types, copy, ret)) && !word_number(&(struct word){ copy, length, false }, ret))
                return false;
        return *ret <= p->mask >> p->shift;
}

static bool parse_link(const char *text, uint8_t *ret)
{
        int n = 0;

        return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", ret, ret + 1, ret + 2, ret + 3, ret + 4, ret + 5, &n) == 6 && !text[n];
}

bool value_parse(enum field f, const char *text, size_t length, uint8_t ret[static 16])
{
        const struct name *read_only = f == FIELD_ICMP_TYPE ? icmp_types : f == FIELD_ICMPV6_TYPE ? icmpv6_types : f == FIELD_MH_TYPE ? mh_types : NULL;
        unsigned size = field_type(f)->size;
        char copy[64];
        uint64_t number;

        if (length == 0 || length >= sizeof(copy))
                return false;
        snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
        memset(ret, 0, 16);
        if (f == FIELD_IIFNAME || f == FIELD_OIFNAME || f == FIELD_CT_HELPER) {
                memcpy(ret, copy, length < 16 ? length : 16);
                return length < 16;
        }
        if (is_address(f))
                return inet_pton(size == 4 ? AF_INET : AF_INET6, copy, ret) == 1;
        if (f == FIELD_ETHER_SADDR)
                return parse_link(copy, ret);
        if (f == FIELD_CT_LABEL) {
                if (!word_number(&(struct word){ copy, length, false }, &number) || number > 127)
                        return false;
                field_put_bit((unsigned)number, ret);
                return true;
        }
        if (!parse_name(words_of(f), copy, &number) && !parse_name(read_only, copy, &number) && !parse_service(f, copy, &number) &&
            !parse_time(f, copy, &number) && !word_number(&(struct word){ copy, length, false }, &number))
                return false;
        if (size < 8 && number >> size * 8)
                return false;
        field_put_number(f, number, ret);
        return true;
}
