/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches of headers behind the address: IPsec's, extension headers of IPv6, the segment size, ECN. */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/import/translate.h"

enum { LENGTH_UNIT = 8, LENGTH_MAX = 255, ECN_BITS = 0x03, TCP_ECE = 0x40, TCP_CWR = 0x80, OFFSET_BITS = 0xfff8, RESERVED_BITS = 0x6, MORE_BIT = 0x1 };

static int needs_protocol(struct translate *t, const struct module *m, int protocol, const char *hint)
{
        return t->protocol == protocol ? 0 : translate_complain(t, m->at, hint, "match %s needs that protocol", m->type->name);
}

static int add_range(struct translate *t, const struct given *g, enum field f, uint64_t most)
{
        struct number_range range = {};
        int r = value_range(t, g, ':', most, &range);

        if (r < 0)
                return r;
        if (range.first > 0 || range.last < most)
                return translate_range(t, f, range.first, range.last, g->negated);
        return g->negated ? translate_complain(t, g->at + 1, "leave the rule out", "no packet can match this") : 0;
}

/* The number of a security association. */
static int add_index(struct translate *t, const struct module *m)
{
        static const struct {
                const char *name;
                enum field field;
                int protocol;
                uint64_t most;
                const char *hint;
        } kinds[] = {
                { "ah", FIELD_AH_SPI, IPPROTO_AH, UINT32_MAX, "add -p ah" },
                { "esp", FIELD_ESP_SPI, IPPROTO_ESP, UINT32_MAX, "add -p esp" },
                { "ipcomp", FIELD_COMP_CPI, IPPROTO_COMP, UINT16_MAX, "add -p ipcomp" },
        };
        size_t i = 0;
        int r;

        while (!streq(kinds[i].name, m->type->name))
                i++;
        if (i == 0 && t->from->family == AF_INET6)
                return translate_complain(t, m->at + 1, "match the addresses", "nftables passes over an AH in IPv6, it cannot look into it");
        r = needs_protocol(t, m, kinds[i].protocol, kinds[i].hint);
        for (size_t k = 0; r >= 0 && k < m->n_given; k++) {
                const struct given *g = &m->given[k];

                if (endswith(g->name, "spi"))
                        r = add_range(t, g, kinds[i].field, kinds[i].most);
                else
                        r = translate_complain(t, g->at, "leave the option out", "%s has no counterpart here", g->name);
        }
        return r;
}

/* A SYN without the option is none of either kind. */
static int add_tcpmss(struct translate *t, const struct module *m)
{
        const struct given *g = given(m, "--mss");
        struct number_range range = {};
        int r = needs_protocol(t, m, IPPROTO_TCP, "add -p tcp --syn");

        if (r >= 0 && !g)
                r = translate_complain(t, m->at, NULL, "match tcpmss needs --mss");
        if (r >= 0)
                r = value_range(t, g, ':', UINT16_MAX, &range);
        if (r < 0)
                return r;
        return g->negated ? translate_unless(t, FIELD_TCP_MSS, range.first, range.last) :
                            translate_range(t, FIELD_TCP_MSS, range.first, range.last, false);
}

static int add_flag(struct translate *t, uint64_t bit, bool negated)
{
        struct match *m = translate_match(t, MATCH_ANY_BIT, FIELD_TCP_FLAGS, negated);

        if (m)
                field_put_number(FIELD_TCP_FLAGS, bit, m->mask);
        return m ? 0 : -ENOMEM;
}

static int add_ecn(struct translate *t, const struct module *m)
{
        int r = m->n_given ? 0 : translate_complain(t, m->at, NULL, "match ecn needs an option");

        for (size_t i = 0; r >= 0 && i < m->n_given; i++) {
                const struct given *g = &m->given[i];
                uint64_t value;

                if (streq(g->name, "--ecn-ip-ect")) {
                        r = value_number(t, g, ECN_BITS, &value);
                        if (r >= 0)
                                r = t->from->family == AF_INET ? translate_bits(t, FIELD_IP_TOS, value, ECN_BITS, g->negated) :
                                                                 translate_bits(t, FIELD_IP6_CLASS, value << 4, ECN_BITS << 4, g->negated);
                        continue;
                }
                r = needs_protocol(t, m, IPPROTO_TCP, "add -p tcp");
                if (r >= 0)
                        r = add_flag(t, streq(g->name, "--ecn-tcp-cwr") ? TCP_CWR : TCP_ECE, g->negated);
        }
        return r;
}

/* In bytes, with the first eight. */
static int add_length(struct translate *t, const struct given *g, enum field f)
{
        uint64_t length;
        int r = value_number(t, g, UINT32_MAX, &length);

        if (r < 0)
                return r;
        if (length >= LENGTH_UNIT && length % LENGTH_UNIT == 0 && length / LENGTH_UNIT - 1 <= LENGTH_MAX)
                return translate_number(t, f, length / LENGTH_UNIT - 1, g->negated);
        return g->negated ? translate_number(t, field_presence(f), 1, false) :
                            translate_complain(t, g->at + 1, "8, 16, 24 and so on, with the first eight bytes", "no header is %s bytes long", g->value);
}

static int add_frag_option(struct translate *t, const struct given *g)
{
        int r;

        if (streq(g->name, "--fragid"))
                return add_range(t, g, FIELD_FRAG_ID, UINT32_MAX);
        if (streq(g->name, "--fragfirst"))
                return translate_bits(t, FIELD_FRAG_OFFSET, 0, OFFSET_BITS, false);
        if (streq(g->name, "--fragmore") || streq(g->name, "--fraglast"))
                return translate_bits(t, FIELD_FRAG_OFFSET, streq(g->name, "--fragmore"), MORE_BIT, false);
        if (!streq(g->name, "--fragres"))
                return translate_complain(t, g->at, "leave it out", "%s has no effect in the kernel", g->name);
        r = translate_number(t, FIELD_FRAG_RESERVED, 0, false);
        return r < 0 ? r : translate_bits(t, FIELD_FRAG_OFFSET, 0, RESERVED_BITS, false);
}

static int add_header_option(struct translate *t, const struct given *g)
{
        static const struct {
                const char *name;
                enum field field;
        } lengths[] = { { "--dst-len", FIELD_DST_LENGTH }, { "--hbh-len", FIELD_HBH_LENGTH }, { "--rt-len", FIELD_RT_LENGTH } };

        for (size_t i = 0; i < ELEMENTS(lengths); i++)
                if (streq(lengths[i].name, g->name))
                        return add_length(t, g, lengths[i].field);
        if (startswith(g->name, "--frag"))
                return add_frag_option(t, g);
        if (streq(g->name, "--rt-type"))
                return add_range(t, g, FIELD_RT_TYPE, UINT8_MAX);
        if (streq(g->name, "--rt-segsleft"))
                return add_range(t, g, FIELD_RT_LEFT, UINT8_MAX);
        return translate_complain(t, g->at, "match the type or the length of the header", "%s has no counterpart here", g->name);
}

/* Also that the header is there at all, whatever is asked of it. */
static int add_header(struct translate *t, const struct module *m)
{
        static const struct {
                const char *name;
                enum field exists;
        } kinds[] = { { "dst", FIELD_DST_EXISTS }, { "hbh", FIELD_HBH_EXISTS }, { "rt", FIELD_RT_EXISTS }, { "frag", FIELD_FRAG_EXISTS } };
        size_t i = 0;
        int r;

        while (!streq(kinds[i].name, m->type->name))
                i++;
        r = translate_number(t, kinds[i].exists, 1, false);
        for (size_t k = 0; r >= 0 && k < m->n_given; k++)
                r = add_header_option(t, &m->given[k]);
        return r;
}

static int add_mh(struct translate *t, const struct module *m)
{
        static const struct value_word types[] = { { "binding-refresh-request", 0 }, { "brr", 0 }, { "home-test-init", 1 }, { "hoti", 1 },
                                                   { "careof-test-init", 2 }, { "coti", 2 }, { "home-test", 3 }, { "hot", 3 },
                                                   { "careof-test", 4 }, { "cot", 4 }, { "binding-update", 5 }, { "bu", 5 },
                                                   { "binding-acknowledgement", 6 }, { "ba", 6 }, { "binding-error", 7 }, { "be", 7 }, {} };
        const struct given *g = given(m, "--mh-type");
        int r = needs_protocol(t, m, IPPROTO_MH, "add -p ipv6-mh");
        unsigned type;

        if (r < 0 || !g)
                return r;
        return parse_word(types, g->value, &type) ? translate_number(t, FIELD_MH_TYPE, type, g->negated) : add_range(t, g, FIELD_MH_TYPE, UINT8_MAX);
}

/* "hop-by-hop,ipv6-frag" with --soft: all of them are there; with "!" none is. */
static int add_headers(struct translate *t, const struct module *m)
{
        static const struct value_word words[] = { { "hop-by-hop", FIELD_HBH_EXISTS }, { "hop", FIELD_HBH_EXISTS }, { "0", FIELD_HBH_EXISTS },
                                                   { "ipv6-opts", FIELD_DST_EXISTS }, { "dst", FIELD_DST_EXISTS }, { "60", FIELD_DST_EXISTS },
                                                   { "ipv6-route", FIELD_RT_EXISTS }, { "route", FIELD_RT_EXISTS }, { "43", FIELD_RT_EXISTS },
                                                   { "ipv6-frag", FIELD_FRAG_EXISTS }, { "frag", FIELD_FRAG_EXISTS }, { "44", FIELD_FRAG_EXISTS }, {} };
        const struct given *g = given(m, "--header");
        int r = 0;

        if (!g)
                return translate_complain(t, m->at, NULL, "match ipv6header needs --header");
        if (!given(m, "--soft"))
                return translate_complain(t, g->at, "add --soft", "that a packet has these headers and no others cannot be asked for");
        for (const char *at = g->value; r >= 0; at++) {
                size_t length = strcspn(at, ",");
                unsigned f;
                char name[16];

                snprintf(name, sizeof(name), "%.*s", (int)length, at);
                if (length >= sizeof(name) || !parse_word(words, name, &f))
                        return translate_complain(t, g->at + 1, "hop, dst, route, frag; others with -p", "'%.*s' is no header that can be asked for",
                                                  (int)length, at);
                r = translate_number(t, (enum field)f, !g->negated, false);
                at += length;
                if (!*at)
                        break;
        }
        return r;
}

#define MATCH(id, family, function, ...)                                      \
        static const struct option_type id##_options[] = { __VA_ARGS__, {} }; \
        const struct module_type translate_match_##id = { #id, id##_options, function, family }

MATCH(ah, 0, add_index, { "--ahspi", 1, true, NULL }, { "--ahlen", 1, true, NULL }, { "--ahres", 0, false, NULL });
MATCH(esp, 0, add_index, { "--espspi", 1, true, NULL });
MATCH(ipcomp, 0, add_index, { "--ipcompspi", 1, true, NULL }, { "--compres", 0, false, NULL });
MATCH(tcpmss, 0, add_tcpmss, { "--mss", 1, true, NULL });
MATCH(ecn, 0, add_ecn, { "--ecn-tcp-cwr", 0, true, NULL }, { "--ecn-tcp-ece", 0, true, NULL }, { "--ecn-ip-ect", 1, true, NULL });
MATCH(dst, AF_INET6, add_header, { "--dst-len", 1, true, NULL }, { "--dst-opts", 1, false, NULL });
MATCH(hbh, AF_INET6, add_header, { "--hbh-len", 1, true, NULL }, { "--hbh-opts", 1, false, NULL });
MATCH(rt, AF_INET6, add_header, { "--rt-type", 1, true, NULL }, { "--rt-segsleft", 1, true, NULL }, { "--rt-len", 1, true, NULL },
      { "--rt-0-res", 0, false, NULL }, { "--rt-0-addrs", 1, false, NULL }, { "--rt-0-not-strict", 0, false, NULL });
MATCH(frag, AF_INET6, add_header, { "--fragid", 1, true, NULL }, { "--fraglen", 1, true, NULL }, { "--fragres", 0, false, NULL },
      { "--fragfirst", 0, false, NULL }, { "--fragmore", 0, false, NULL }, { "--fraglast", 0, false, NULL });
MATCH(mh, AF_INET6, add_mh, { "--mh-type", 1, true, NULL });
MATCH(ipv6header, AF_INET6, add_headers, { "--header", 1, true, NULL }, { "--soft", 0, false, NULL });
