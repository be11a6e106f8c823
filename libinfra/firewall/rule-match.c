/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches of a rule: fields, what they need, values and lists of them. */

#include "firewall/rule.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Other ways to say a field; the protocol that goes with it is a match of its own. */
static const struct {
        const char *words;
        enum field field;
        uint8_t protocol;
} aliases[] = {
        { "tcp dport", FIELD_DPORT, IPPROTO_TCP },     { "tcp sport", FIELD_SPORT, IPPROTO_TCP },
        { "udp dport", FIELD_DPORT, IPPROTO_UDP },     { "udp sport", FIELD_SPORT, IPPROTO_UDP },
        { "sctp dport", FIELD_DPORT, IPPROTO_SCTP },   { "sctp sport", FIELD_SPORT, IPPROTO_SCTP },
        { "dccp dport", FIELD_DPORT, IPPROTO_DCCP },   { "dccp sport", FIELD_SPORT, IPPROTO_DCCP },
        { "udplite dport", FIELD_DPORT, IPPROTO_UDPLITE }, { "udplite sport", FIELD_SPORT, IPPROTO_UDPLITE },
        { "meta iifname", FIELD_IIFNAME, 0 },          { "meta oifname", FIELD_OIFNAME, 0 },
        { "iif", FIELD_IIFNAME, 0 },                   { "oif", FIELD_OIFNAME, 0 },
        { "ip protocol", FIELD_L4PROTO, 0 },           { "ip6 nexthdr", FIELD_L4PROTO, 0 },
        { "@th , 104 , 8", FIELD_TCP_FLAGS, IPPROTO_TCP },
        { "l4proto", FIELD_L4PROTO, 0 },               { "mark", FIELD_MARK, 0 },
};

static const struct {
        enum field field;
        uint8_t family;   /* 0: either */
        uint8_t protocol; /* 0: any */
} needs[] = {
        { FIELD_IP_SADDR, NFPROTO_IPV4, 0 },    { FIELD_IP_DADDR, NFPROTO_IPV4, 0 },   { FIELD_IP_TOS, NFPROTO_IPV4, 0 },
        { FIELD_IP_FRAGMENT, NFPROTO_IPV4, 0 }, { FIELD_IP_TTL, NFPROTO_IPV4, 0 },     { FIELD_IP6_SADDR, NFPROTO_IPV6, 0 },
        { FIELD_IP6_DADDR, NFPROTO_IPV6, 0 },   { FIELD_IP6_CLASS, NFPROTO_IPV6, 0 },  { FIELD_IP6_HOPLIMIT, NFPROTO_IPV6, 0 },
        { FIELD_ICMP_TYPE, NFPROTO_IPV4, IPPROTO_ICMP },     { FIELD_ICMP_CODE, NFPROTO_IPV4, IPPROTO_ICMP },
        { FIELD_ICMPV6_TYPE, NFPROTO_IPV6, IPPROTO_ICMPV6 }, { FIELD_ICMPV6_CODE, NFPROTO_IPV6, IPPROTO_ICMPV6 },
        { FIELD_TCP_FLAGS, 0, IPPROTO_TCP },    { FIELD_TCP_MSS, 0, IPPROTO_TCP },
        { FIELD_AH_SPI, 0, IPPROTO_AH },        { FIELD_ESP_SPI, 0, IPPROTO_ESP },     { FIELD_COMP_CPI, 0, IPPROTO_COMP },
        { FIELD_DCCP_TYPE, 0, IPPROTO_DCCP },
        { FIELD_CT_ORIG_IP_SADDR, NFPROTO_IPV4, 0 }, { FIELD_CT_ORIG_IP_DADDR, NFPROTO_IPV4, 0 },
        { FIELD_CT_ORIG_IP6_SADDR, NFPROTO_IPV6, 0 }, { FIELD_CT_ORIG_IP6_DADDR, NFPROTO_IPV6, 0 },
        { FIELD_CT_REPLY_IP_SADDR, NFPROTO_IPV4, 0 }, { FIELD_CT_REPLY_IP_DADDR, NFPROTO_IPV4, 0 },
        { FIELD_CT_REPLY_IP6_SADDR, NFPROTO_IPV6, 0 }, { FIELD_CT_REPLY_IP6_DADDR, NFPROTO_IPV6, 0 },
};

/* Of all fields that come from there. */
static const struct {
        enum field_source source;
        uint8_t family, protocol;
} source_needs[] = {
        { SOURCE_TCP_OPTION_EXISTS, 0, IPPROTO_TCP }, { SOURCE_SCTP_CHUNK_EXISTS, 0, IPPROTO_SCTP },
        { SOURCE_IP6_HEADER, NFPROTO_IPV6, 0 },       { SOURCE_IP6_HEADER_EXISTS, NFPROTO_IPV6, 0 },
};

static bool says(const struct rule *r, enum field f)
{
        for (size_t i = 0; i < r->n_matches; i++)
                if (r->matches[i].fields[0] == f)
                        return true;
        return false;
}

static bool add_number(struct scan *s, enum field f, uint8_t value)
{
        struct match *m = says(s->rule, f) ? NULL : scan_add_match(s, MATCH_EQUAL, f);

        if (m)
                m->value[0] = value;
        return !s->oom;
}

static bool add_needed(struct scan *s, uint8_t family, uint8_t protocol)
{
        return (!family || add_number(s, FIELD_NFPROTO, family)) && (!protocol || add_number(s, FIELD_L4PROTO, protocol));
}

/* A bridge tells families by the EtherType, and its table has no rules by hand. */
bool scan_needs(struct scan *s, enum field f)
{
        for (size_t i = 0; i < ELEMENTS(needs); i++)
                if (needs[i].field == f)
                        return add_needed(s, needs[i].family, needs[i].protocol);
        for (size_t i = 0; i < ELEMENTS(source_needs); i++)
                if (source_needs[i].source == field_type(f)->source)
                        return add_needed(s, source_needs[i].family, source_needs[i].protocol);
        return true;
}

/* "@nh,8,8" as words: a comma is one of its own. */
static void spread_commas(const char *text, char *ret, size_t size)
{
        size_t n = 0;

        for (; *text && n + 3 < size; text++) {
                if (*text == ',')
                        ret[n++] = ' ';
                ret[n++] = *text;
                if (*text == ',')
                        ret[n++] = ' ';
        }
        ret[n] = '\0';
}

bool scan_field(struct scan *s, enum field *ret)
{
        size_t longest = 0, begin = s->at, end = begin;

        for (size_t i = 0; i < ELEMENTS(aliases); i++) {
                if (!scan_take_words(s, aliases[i].words))
                        continue;
                *ret = aliases[i].field;
                return !aliases[i].protocol || add_number(s, FIELD_L4PROTO, aliases[i].protocol);
        }
        for (int f = 0; f < FIELD_MAX; f++) {
                const char *text = field_type((enum field)f)->text;
                char words[64];

                spread_commas(text, words, sizeof(words));
                if (scan_take_words(s, words)) {
                        if (strlen(text) > longest) {
                                longest = strlen(text);
                                end = s->at;
                                *ret = (enum field)f;
                        }
                        s->at = begin;
                }
        }
        s->at = end;
        if (!longest)
                return scan_fail(s, true, "for example: tcp dport 25 ip saddr 192.0.2.0/24 accept; see infra.policy(5)", "'%.*s' begins no match, statement or verdict",
                                 (int)s->words[s->at].length, s->words[s->at].text);
        return scan_needs(s, *ret);
}

static bool prefix_value(struct scan *s, enum field f, const struct word *w, const char *slash, struct value *ret)
{
        unsigned bits = field_type(f)->size * 8;
        uint64_t prefix;

        if (!value_parse(f, w->text, (size_t)(slash - w->text), ret->first) ||
            !word_number(&(struct word){ slash + 1, w->length - (size_t)(slash + 1 - w->text), false }, &prefix) || prefix > bits)
                return scan_fail(s, false, "for example 192.0.2.0/24", "'%.*s' is not a network", (int)w->length, w->text);
        for (unsigned bit = 0; bit < prefix; bit++)
                ret->mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        for (unsigned i = 0; i < bits / 8; i++) {
                ret->first[i] &= ret->mask[i];
                ret->last[i] = (uint8_t)(ret->first[i] | ~ret->mask[i]);
        }
        ret->masked = true;
        return true;
}

static bool name_value(const struct word *w, struct value *ret)
{
        size_t n = w->length - 1;

        memcpy(ret->first, w->text, n);
        memcpy(ret->last, w->text, n);
        memset(ret->last + n, 0xff, 16 - n);
        memset(ret->mask, 0xff, n);
        ret->masked = true;
        return n > 0 && n < 15;
}

/* A range of moments ends with its last second. */
static void whole_second(uint8_t *last)
{
        uint64_t number = field_number(FIELD_TIME, last);

        field_put_number(FIELD_TIME, number > UINT64_MAX - 999999999 ? UINT64_MAX : number + 999999999, last);
}

bool scan_value(struct scan *s, enum field f, struct value *ret)
{
        const struct word *w = scan_word(s, "a value");
        const char *slash = w ? memchr(w->text, '/', w->length) : NULL;
        const char *dash = w ? memchr(w->text, '-', w->length) : NULL;

        memset(ret, 0, sizeof(*ret));
        if (!w)
                return false;
        if (f == FIELD_IIFNAME || f == FIELD_OIFNAME) {
                if (w->length > 1 && w->text[w->length - 1] == '*')
                        return name_value(w, ret) || scan_fail(s, false, NULL, "'%.*s' is not the name of an interface", (int)w->length, w->text);
                slash = dash = NULL;
        }
        if (slash && !w->quoted)
                return prefix_value(s, f, w, slash, ret);
        if (value_parse(f, w->text, w->length, ret->first)) {
                memcpy(ret->last, ret->first, 16);
                return true;
        }
        if (dash && value_parse(f, w->text, (size_t)(dash - w->text), ret->first) &&
            value_parse(f, dash + 1, w->length - (size_t)(dash + 1 - w->text), ret->last)) {
                if (f == FIELD_TIME)
                        whole_second(ret->last);
                if (field_type(f)->size <= 8 ? field_number(f, ret->first) <= field_number(f, ret->last) : memcmp(ret->first, ret->last, 16) <= 0)
                        return true;
                return scan_fail(s, false, "the smaller one first", "'%.*s' goes backwards", (int)w->length, w->text);
        }
        return scan_fail(s, false, NULL, "'%.*s' is not a value of %s", (int)w->length, w->text, field_type(f)->text);
}
