/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches that need a protocol: ports, flags of TCP, types of ICMP. */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firewall/import/translate.h"

enum { MULTIPORT_MAX = 15, ICMP_ANY = 255, DCCP_TYPE_BITS = 0x1e, DCCP_TYPES = 16 };

static int add_port(struct translate *t, const struct given *g, enum field f)
{
        struct number_range range;
        int r = g ? value_ports(t, g, ':', g->value, &range) : 0;

        return g && r >= 0 ? translate_range(t, f, range.first, range.last, g->negated) : r;
}

static int add_ports(struct translate *t, const struct module *m)
{
        int r = add_port(t, given(m, "--sport"), FIELD_SPORT);

        return r < 0 ? r : add_port(t, given(m, "--dport"), FIELD_DPORT);
}

static bool parse_flags(const char *text, uint64_t *ret)
{
        static const struct value_word names[] = { { "FIN", 1 }, { "SYN", 2 }, { "RST", 4 }, { "PSH", 8 }, { "ACK", 16 }, { "URG", 32 },
                                                   { "ALL", 63 }, { "NONE", 0 }, {} };
        unsigned flag;
        char name[8];

        for (*ret = 0;; text++) {
                size_t length = strcspn(text, ",");

                snprintf(name, sizeof(name), "%.*s", (int)length, text);
                if (length >= sizeof(name) || !parse_word(names, name, &flag))
                        return false;
                *ret |= flag;
                text += length;
                if (!*text)
                        return true;
        }
}

static enum field existing(enum field_source source, uint64_t kind)
{
        for (int f = 0; f < FIELD_MAX; f++)
                if (field_type((enum field)f)->source == source && field_type((enum field)f)->key == kind)
                        return (enum field)f;
        return FIELD_MAX;
}

static int add_option(struct translate *t, const struct given *g)
{
        uint64_t kind;
        int r = value_number(t, g, UINT8_MAX, &kind);
        enum field f = existing(SOURCE_TCP_OPTION_EXISTS, kind);

        if (r < 0)
                return r;
        if (f == FIELD_MAX)
                return translate_complain(t, g->at + 1, "1 to 5, 8, 19, 30 and 34 are", "option %s of TCP is not matched here", g->value);
        return translate_number(t, f, !g->negated, false);
}

static int add_tcp(struct translate *t, const struct module *m)
{
        const struct given *syn = given(m, "--syn"), *flags = given(m, "--tcp-flags"), *option = given(m, "--tcp-option");
        uint64_t mask, value;
        int r = add_ports(t, m);

        if (r < 0)
                return r;
        if (option)
                r = add_option(t, option);
        if (r < 0)
                return r;
        if (syn)
                r = translate_bits(t, FIELD_TCP_FLAGS, 0x02, 0x17, syn->negated);
        if (r < 0 || !flags)
                return r;
        if (!parse_flags(flags->value, &mask) || !parse_flags(flags->second, &value))
                return translate_complain(t, flags->at + 1, "SYN, ACK, FIN, RST, URG, PSH, ALL, NONE", "'%s %s' are no flags of TCP",
                                          flags->value, flags->second);
        return translate_bits(t, FIELD_TCP_FLAGS, value, mask, flags->negated);
}

#define PORTS                                                                        \
        { "--sport", 1, true, "--source-port" }, { "--dport", 1, true, "--destination-port" }

static const struct option_type port_options[] = { PORTS, {} };
static const struct option_type tcp_options[] = { PORTS, { "--tcp-flags", 2, true, NULL }, { "--syn", 0, true, NULL },
                                                  { "--tcp-option", 1, true, NULL }, {} };

const struct module_type translate_match_tcp = { "tcp", tcp_options, add_tcp, 0 };
const struct module_type translate_match_udp = { "udp", port_options, add_ports, 0 };

/* One more of several, or the next of all; @missing: it must not be there. */
static int add_chunk(struct translate *t, enum field f, bool alternative, bool missing)
{
        struct rule *r = alternative ? translate_alternative(t, false) : NULL;
        struct match *m = r ? rule_add_match(r, MATCH_EQUAL, f) : NULL;

        if (!alternative)
                return translate_number(t, f, !missing, false);
        if (m)
                field_put_number(f, !missing, m->value);
        return m ? 0 : -ENOMEM;
}

static int add_chunks(struct translate *t, const struct given *g)
{
        static const struct value_word chunks[] = { { "DATA", 0 }, { "INIT", 1 }, { "INIT_ACK", 2 }, { "SACK", 3 }, { "HEARTBEAT", 4 },
                                                    { "HEARTBEAT_ACK", 5 }, { "ABORT", 6 }, { "SHUTDOWN", 7 }, { "SHUTDOWN_ACK", 8 },
                                                    { "ERROR", 9 }, { "COOKIE_ECHO", 10 }, { "COOKIE_ACK", 11 }, { "ECN_ECNE", 12 },
                                                    { "ECN_CWR", 13 }, { "SHUTDOWN_COMPLETE", 14 }, { "ASCONF", 193 }, { "ASCONF_ACK", 128 },
                                                    { "FORWARD_TSN", 192 }, {} };
        bool all = streq(g->value, "all"), alternatives = all == g->negated;
        int r = 0;

        if (!all && !streq(g->value, "any"))
                return translate_complain(t, g->at + 1, "any, all", "that a packet has these chunks and no others cannot be asked for");
        if (alternatives)
                r = translate_choice(t);
        for (const char *at = g->second; r >= 0; at++) {
                size_t length = strcspn(at, ",");
                unsigned type;
                char name[20];

                snprintf(name, sizeof(name), "%.*s", (int)length, at);
                if (length >= sizeof(name) || !parse_word(chunks, name, &type))
                        return translate_complain(t, g->at + 2, "DATA, INIT, ABORT, ..., without flags", "'%.*s' is no chunk that can be asked for", (int)length, at);
                r = add_chunk(t, existing(SOURCE_SCTP_CHUNK_EXISTS, type), alternatives, g->negated);
                at += length;
                if (!*at)
                        break;
        }
        return r;
}

static int add_sctp(struct translate *t, const struct module *m)
{
        const struct given *g = given(m, "--chunk-types");
        int r = add_ports(t, m);

        return r < 0 || !g ? r : add_chunks(t, g);
}

/* "REQUEST,RESPONSE" as bits; INVALID is every type that has no name. */
static bool parse_packet_types(const char *text, unsigned *ret)
{
        static const struct value_word types[] = { { "REQUEST", 0x1 }, { "RESPONSE", 0x2 }, { "DATA", 0x4 }, { "ACK", 0x8 }, { "DATAACK", 0x10 }, { "CLOSEREQ", 0x20 },
                                                   { "CLOSE", 0x40 }, { "RESET", 0x80 }, { "SYNC", 0x100 }, { "SYNCACK", 0x200 }, { "INVALID", 0xfc00 }, {} };
        unsigned bits;
        char name[16];

        for (*ret = 0;; text++) {
                size_t length = strcspn(text, ",");

                snprintf(name, sizeof(name), "%.*s", (int)length, text);
                if (length >= sizeof(name) || !parse_word(types, name, &bits))
                        return false;
                *ret |= bits;
                text += length;
                if (!*text)
                        return true;
        }
}

static int add_packet_types(struct translate *t, const struct given *g)
{
        unsigned types;
        bool several;

        if (!parse_packet_types(g->value, &types))
                return value_wrong(t, g);
        several = !g->negated && (types & (types - 1));
        if (several && translate_choice(t) < 0)
                return -ENOMEM;
        for (unsigned type = 0; type < DCCP_TYPES; type++) {
                struct rule *r = several && types & 1u << type ? translate_alternative(t, false) : NULL;
                struct match *m;

                if (!(types & 1u << type))
                        continue;
                m = !several ? translate_match(t, MATCH_BITS, FIELD_DCCP_TYPE, g->negated) : r ? rule_add_match(r, MATCH_BITS, FIELD_DCCP_TYPE) : NULL;
                if (!m)
                        return -ENOMEM;
                m->value[0] = (uint8_t)(type << 1);
                m->mask[0] = DCCP_TYPE_BITS;
        }
        return 0;
}

static int add_dccp(struct translate *t, const struct module *m)
{
        const struct given *types = given(m, "--dccp-types"), *option = given(m, "--dccp-option");
        int r = add_ports(t, m);

        if (r >= 0 && option)
                return translate_complain(t, option->at, "leave the option out", "options of DCCP are not matched by nftables everywhere");
        return r < 0 || !types ? r : add_packet_types(t, types);
}

static const struct option_type sctp_options[] = { PORTS, { "--chunk-types", 2, true, NULL }, {} };
static const struct option_type dccp_options[] = { PORTS, { "--dccp-types", 1, true, NULL }, { "--dccp-option", 1, true, NULL }, {} };
const struct module_type translate_match_sctp = { "sctp", sctp_options, add_sctp, 0 };
const struct module_type translate_match_dccp = { "dccp", dccp_options, add_dccp, 0 };

/* The ports that are not in the list, which is sorted and merged. */
static size_t complement(const struct number_range *ranges, size_t n, struct number_range *ret)
{
        uint64_t next = 0;
        size_t count = 0;

        for (size_t i = 0; i < n; i++) {
                if (ranges[i].first > next)
                        ret[count++] = (struct number_range){ next, ranges[i].first - 1 };
                next = ranges[i].last + 1;
        }
        if (next <= UINT16_MAX)
                ret[count++] = (struct number_range){ next, UINT16_MAX };
        return count;
}

static int add_pair(struct set *s, const struct number_range *source, const struct number_range *destination)
{
        struct element *e = translate_element(s);

        if (!e)
                return -ENOMEM;
        field_put_number(FIELD_SPORT, source->first, e->key);
        field_put_number(FIELD_SPORT, source->last, e->key_end);
        field_put_number(FIELD_DPORT, destination->first, e->key + field_room(FIELD_SPORT));
        field_put_number(FIELD_DPORT, destination->last, e->key_end + field_room(FIELD_SPORT));
        return 0;
}

/* Source or destination is in the list, as elements that do not overlap: the kernel takes no others. */
static int add_either(struct translate *t, struct number_range *ranges, size_t n)
{
        static const enum field fields[] = { FIELD_SPORT, FIELD_DPORT };
        static const struct number_range all = { 0, UINT16_MAX };
        struct number_range others[MULTIPORT_MAX + 1];
        struct set *s = translate_set(t, "port_set", true, fields, ELEMENTS(fields));
        size_t n_others;
        int r = s ? 0 : -ENOMEM;

        translate_merge(ranges, &n);
        n_others = complement(ranges, n, others);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_pair(s, &ranges[i], &all);
        for (size_t i = 0; r >= 0 && i < n_others; i++)
                for (size_t k = 0; r >= 0 && k < n; k++)
                        r = add_pair(s, &others[i], &ranges[k]);
        if (r >= 0)
                r = set_sort(s);
        return r < 0 ? r : translate_set_match(t, s, false);
}

static int read_list(struct translate *t, const struct given *g, struct number_range ranges[static MULTIPORT_MAX], size_t *ret_n)
{
        size_t n = 0;

        for (const char *at = g->value;; at++) {
                size_t length = strcspn(at, ",");
                _cleanup_free_ char *one = strndup(at, length);
                int r;

                if (!one)
                        return -ENOMEM;
                if (n >= MULTIPORT_MAX)
                        return translate_complain(t, g->at + 1, NULL, "more than %d ports", MULTIPORT_MAX);
                r = value_ports(t, g, ':', one, &ranges[n++]);
                if (r < 0)
                        return r;
                at += length;
                if (!*at)
                        break;
        }
        *ret_n = n;
        return 0;
}

static int add_multiport(struct translate *t, const struct module *m)
{
        static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP };
        struct number_range ranges[MULTIPORT_MAX];
        const struct given *g = m->given;
        bool fits = false;
        size_t n;
        int r;

        for (size_t i = 0; i < ELEMENTS(protocols); i++)
                fits |= protocols[i] == t->protocol;
        if (!fits)
                return translate_complain(t, m->at, "tcp, udp, udplite, sctp or dccp", "multiport needs -p with a protocol that has ports");
        if (m->n_given != 1)
                return translate_complain(t, m->at, NULL, "multiport needs one of --sports, --dports, --ports");
        r = read_list(t, g, ranges, &n);
        if (r < 0)
                return r;
        if (streq(g->name, "--sports"))
                return translate_ranges(t, FIELD_SPORT, ranges, n, g->negated);
        if (streq(g->name, "--dports"))
                return translate_ranges(t, FIELD_DPORT, ranges, n, g->negated);
        if (!g->negated)
                return add_either(t, ranges, n);
        r = translate_ranges(t, FIELD_SPORT, ranges, n, true);
        translate_merge(ranges, &n);
        return r < 0 ? r : translate_ranges(t, FIELD_DPORT, ranges, n, true);
}

static const struct option_type multiport_options[] = { { "--sports", 1, true, "--source-ports" }, { "--dports", 1, true, "--destination-ports" },
                                                        { "--ports", 1, true, NULL }, {} };
const struct module_type translate_match_multiport = { "multiport", multiport_options, add_multiport, 0 };

struct icmp_name {
        const char *name;
        unsigned type;
        int code; /* -1: any */
};

static const struct icmp_name names4[] = {
        { "any", ICMP_ANY, -1 },           { "echo-reply", 0, -1 },           { "pong", 0, -1 },
        { "destination-unreachable", 3, -1 }, { "network-unreachable", 3, 0 }, { "host-unreachable", 3, 1 },
        { "protocol-unreachable", 3, 2 },  { "port-unreachable", 3, 3 },      { "fragmentation-needed", 3, 4 },
        { "source-route-failed", 3, 5 },   { "network-unknown", 3, 6 },       { "host-unknown", 3, 7 },
        { "network-prohibited", 3, 9 },    { "host-prohibited", 3, 10 },      { "TOS-network-unreachable", 3, 11 },
        { "TOS-host-unreachable", 3, 12 }, { "communication-prohibited", 3, 13 }, { "host-precedence-violation", 3, 14 },
        { "precedence-cutoff", 3, 15 },    { "source-quench", 4, -1 },        { "redirect", 5, -1 },
        { "network-redirect", 5, 0 },      { "host-redirect", 5, 1 },         { "TOS-network-redirect", 5, 2 },
        { "TOS-host-redirect", 5, 3 },     { "echo-request", 8, -1 },         { "ping", 8, -1 },
        { "router-advertisement", 9, -1 }, { "router-solicitation", 10, -1 }, { "time-exceeded", 11, -1 },
        { "ttl-exceeded", 11, -1 },        { "ttl-zero-during-transit", 11, 0 }, { "ttl-zero-during-reassembly", 11, 1 },
        { "parameter-problem", 12, -1 },   { "ip-header-bad", 12, 0 },        { "required-option-missing", 12, 1 },
        { "timestamp-request", 13, -1 },   { "timestamp-reply", 14, -1 },     { "address-mask-request", 17, -1 },
        { "address-mask-reply", 18, -1 },  {},
};

static const struct icmp_name names6[] = {
        { "destination-unreachable", 1, -1 }, { "no-route", 1, 0 },           { "communication-prohibited", 1, 1 },
        { "beyond-scope", 1, 2 },          { "address-unreachable", 1, 3 },   { "port-unreachable", 1, 4 },
        { "failed-policy", 1, 5 },         { "reject-route", 1, 6 },          { "packet-too-big", 2, -1 },
        { "time-exceeded", 3, -1 },        { "ttl-exceeded", 3, -1 },         { "ttl-zero-during-transit", 3, 0 },
        { "ttl-zero-during-reassembly", 3, 1 }, { "parameter-problem", 4, -1 }, { "bad-header", 4, 0 },
        { "unknown-header-type", 4, 1 },   { "unknown-option", 4, 2 },        { "echo-request", 128, -1 },
        { "ping", 128, -1 },               { "echo-reply", 129, -1 },         { "pong", 129, -1 },
        { "router-solicitation", 133, -1 }, { "router-advertisement", 134, -1 }, { "neighbour-solicitation", 135, -1 },
        { "neighbor-solicitation", 135, -1 }, { "neighbour-advertisement", 136, -1 }, { "neighbor-advertisement", 136, -1 },
        { "redirect", 137, -1 },           {},
};

static bool parse_icmp(const struct icmp_name *names, const char *text, struct icmp_name *ret)
{
        const char *slash = strchr(text, '/');
        uint64_t type, code = 0;
        char number[8];

        for (; names->name; names++)
                if (strcasecmp(names->name, text) == 0) {
                        *ret = *names;
                        return true;
                }
        snprintf(number, sizeof(number), "%.*s", (int)(slash ? slash - text : 7), text);
        if (!parse_number(number, 255, &type) || (slash && !parse_number(slash + 1, 255, &code)))
                return false;
        *ret = (struct icmp_name){ "", (unsigned)type, slash ? (int)code : -1 };
        return true;
}

/* "Not this type with this code" is one question. */
static int add_no_code(struct translate *t, const struct icmp_name *x, const enum field *fields)
{
        struct set *s = translate_set(t, "icmp_set", false, fields, 2);
        struct element *e = s ? translate_element(s) : NULL;

        if (!e)
                return -ENOMEM;
        e->key[0] = e->key_end[0] = (uint8_t)x->type;
        e->key[4] = e->key_end[4] = (uint8_t)x->code;
        return translate_set_match(t, s, true);
}

static int add_icmp(struct translate *t, const struct module *m)
{
        static const enum field fields4[] = { FIELD_ICMP_TYPE, FIELD_ICMP_CODE }, fields6[] = { FIELD_ICMPV6_TYPE, FIELD_ICMPV6_CODE };
        bool six = m->type == &translate_match_icmp6;
        const enum field *fields = six ? fields6 : fields4;
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        struct icmp_name x;
        int r;

        if (!g)
                return 0;
        if (!parse_icmp(six ? names6 : names4, g->value, &x))
                return translate_complain(t, g->at + 1, "a name, a number, or number/code", "'%s' is no type of ICMP", g->value);
        if (!six && x.type == ICMP_ANY)
                return g->negated ? translate_complain(t, g->at + 1, NULL, "no packet has none of all types") : 0;
        if (x.code >= 0 && g->negated)
                return add_no_code(t, &x, fields);
        r = translate_number(t, fields[0], x.type, g->negated);
        return r < 0 || x.code < 0 ? r : translate_number(t, fields[1], (uint64_t)x.code, false);
}

static const struct option_type icmp_options[] = { { "--icmp-type", 1, true, NULL }, {} };
static const struct option_type icmp6_options[] = { { "--icmpv6-type", 1, true, "--icmp6-type" }, {} };
const struct module_type translate_match_icmp = { "icmp", icmp_options, add_icmp, AF_INET };
const struct module_type translate_match_icmp6 = { "icmp6", icmp6_options, add_icmp, AF_INET6 };
