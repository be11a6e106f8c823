/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/analyse/compare-box.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

enum { SLICES_MAX = 8 };

static fn values_of(struct space *s, fn packets, enum field f)
{
        return diagram_exists(&s->d, packets, s->base[f], s->base[f] + space_room(s, f), true);
}

static fn without(struct space *s, fn packets, enum field f)
{
        return diagram_exists(&s->d, packets, s->base[f], s->base[f] + space_room(s, f), false);
}

/* One value, as a set: the smallest. */
static fn one_of(struct space *s, fn values)
{
        const struct diagram_node n = s->d.nodes[values];
        bool low;

        if (diagram_is_leaf(&s->d, values))
                return values;
        low = n.low != FN_FALSE;
        return diagram_make(&s->d, n.level, low ? one_of(s, n.low) : FN_FALSE, low ? FN_FALSE : one_of(s, n.high));
}

/* One value of the field, every bit of it said. */
static fn one_value(struct space *s, fn values, enum field f, unsigned i)
{
        const struct diagram_node n = s->d.nodes[values];
        uint32_t level = s->base[f] + i;
        bool asked = !diagram_is_leaf(&s->d, values) && n.level == level, high = asked && n.low == FN_FALSE;
        fn rest;

        if (i == space_room(s, f) || values == FN_FALSE)
                return values;
        rest = one_value(s, !asked ? values : high ? n.high : n.low, f, i + 1);
        return high ? diagram_make(&s->d, level, FN_FALSE, rest) : diagram_make(&s->d, level, rest, FN_FALSE);
}

/* The values of @f that go with the same values of the others; of the first few such classes the largest. */
static fn slice(struct space *s, fn packets, enum field f, fn values, fn *ret_rest)
{
        fn best = FN_FALSE;
        double most = -1;

        *ret_rest = packets;
        for (int i = 0; i < SLICES_MAX && values != FN_FALSE && !s->d.failed; i++) {
                fn rest = without(s, diagram_and(&s->d, packets, one_value(s, values, f, 0)), f);
                fn odd = diagram_choose(&s->d, packets, diagram_not(&s->d, rest), rest);
                fn same = diagram_and(&s->d, values, diagram_not(&s->d, values_of(s, odd, f)));
                double share = diagram_share(&s->d, same);

                if (share > most) {
                        best = same;
                        most = share;
                        *ret_rest = rest;
                }
                values = diagram_and(&s->d, values, diagram_not(&s->d, same));
        }
        return best;
}

void box_take(struct space *s, fn packets, fn all, struct box *ret)
{
        size_t n;
        const enum field *order = space_order(&n);

        *ret = (struct box){ .packets = FN_TRUE, .all = all };
        for (size_t i = 0; i < n; i++) {
                enum field f = order[i];
                fn values, rest;

                if (space_room(s, f) == 0)
                        continue;
                values = values_of(s, packets, f);
                rest = without(s, packets, f);
                if (diagram_and(&s->d, values, rest) != packets)
                        values = slice(s, packets, f, values, &rest);
                ret->parts[f] = values;
                ret->packets = diagram_and(&s->d, ret->packets, values);
                packets = rest;
        }
        /* What is left speaks of limits only. */
        ret->packets = diagram_and(&s->d, ret->packets, packets);
}

static bool is_icmp(struct space *s, const struct box *b)
{
        uint8_t protocol[16] = { s->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6 };

        return b->parts[FIELD_L4PROTO] == space_range(s, FIELD_L4PROTO, protocol, protocol, FN_TRUE, FN_FALSE);
}

static void add_part(struct space *s, const struct box *b, enum field f, const char *word, struct str *to)
{
        fn all;

        if (space_room(s, f) == 0)
                return;
        all = values_of(s, b->all, f);
        if (b->parts[f] == all)
                return;
        str_add(to, "%s", word);
        ranges_text(s, f, f == FIELD_SPORT && is_icmp(s, b), b->parts[f], all, to);
}

void box_describe(struct space *s, const struct box *b, struct str *to)
{
        static const enum field first[] = { FIELD_L4PROTO, FIELD_IP_SADDR, FIELD_IP6_SADDR, FIELD_SPORT, FIELD_IIFNAME, FIELD_IP_DADDR,
                                            FIELD_IP6_DADDR, FIELD_DPORT, FIELD_OIFNAME, FIELD_CT_STATE };
        static const char *const words[] = { "", " from ", " from ", " port ", " by ", " to ", " to ", " port ", " out by ", ", " };
        size_t n, start = to->length;
        const enum field *order = space_order(&n);
        bool anything;

        for (size_t i = 0; i < ELEMENTS(first); i++) {
                add_part(s, b, first[i], first[i] == FIELD_SPORT && is_icmp(s, b) ? " type " : words[i], to);
                if (i == 0 && to->length == start)
                        str_add(to, "anything");
        }
        for (size_t i = 0; i < n; i++) {
                char word[64];

                anything = true;
                for (size_t k = 0; k < ELEMENTS(first); k++)
                        anything = anything && first[k] != order[i];
                snprintf(word, sizeof(word), ", %s ", field_type(order[i])->text);
                if (anything)
                        add_part(s, b, order[i], word, to);
        }
}

/* The packets among @packets that have one of the values, or all when none has. */
static fn prefer_range(struct space *s, fn packets, enum field f, const uint8_t *first, const uint8_t *last)
{
        fn some = s->bits[f] || field_is_name(f) ? diagram_and(&s->d, packets, space_range(s, f, first, last, FN_TRUE, FN_FALSE)) : FN_FALSE;

        return some == FN_FALSE ? packets : some;
}

static fn prefer(struct space *s, fn packets, enum field f, const uint8_t *value)
{
        return prefer_range(s, packets, f, value, value);
}

static fn prefer_number(struct space *s, fn packets, enum field f, uint64_t number)
{
        uint8_t value[16] = {};

        field_put_number(f, number, value);
        return prefer(s, packets, f, value);
}

static fn prefer_address(struct space *s, fn packets, enum field f, const char *text)
{
        uint8_t value[16] = {};

        return inet_pton(field_type(f)->size == 4 ? AF_INET : AF_INET6, text, value) == 1 ? prefer(s, packets, f, value) : packets;
}

/* Addresses that are somebody's: not 0.0.0.0 or ::, no group's, none of one link. */
static fn prefer_unicast(struct space *s, fn packets)
{
        static const uint8_t first4[16] = { 1 }, last4[16] = { 223, 255, 255, 255 }, first6[16] = { 0x20 };
        static const uint8_t last6[16] = { 0x3f, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };

        packets = prefer_range(s, packets, FIELD_IP_SADDR, first4, last4);
        packets = prefer_range(s, packets, FIELD_IP_DADDR, first4, last4);
        packets = prefer_range(s, packets, FIELD_IP6_SADDR, first6, last6);
        return prefer_range(s, packets, FIELD_IP6_DADDR, first6, last6);
}

/* What a person would think of first: a new connection, TCP, of addresses that are nobody's. */
static fn usual(struct space *s, fn p)
{
        static const struct {
                enum field field;
                uint64_t number;
        } numbers[] = { { FIELD_CT_STATE, STATE_BIT_NEW }, { FIELD_CT_STATE, STATE_BIT_ESTABLISHED }, { FIELD_CT_DIRECTION, 0 },
                        { FIELD_CT_STATUS, 0 }, { FIELD_L4PROTO, IPPROTO_TCP }, { FIELD_L4PROTO, IPPROTO_UDP },
                        { FIELD_FIB_DADDR_TYPE, 1 }, { FIELD_DPORT, 80 }, { FIELD_DPORT, 8080 }, { FIELD_DPORT, 22 }, { FIELD_SPORT, 40000 }, { FIELD_TCP_FLAGS, 2 }, { FIELD_TCP_FLAGS, 0x10 },
                        { FIELD_IP_TTL, 64 }, { FIELD_IP6_HOPLIMIT, 64 }, { FIELD_LENGTH, 60 }, { FIELD_TCP_MSS, 1460 }, { FIELD_FIB_SADDR_TYPE, 1 } };

        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                p = prefer_number(s, p, numbers[i].field, numbers[i].number);
        p = prefer_unicast(s, p);
        p = prefer_address(s, p, FIELD_IP_SADDR, "198.51.100.7");
        p = prefer_address(s, p, FIELD_IP_DADDR, "192.0.2.10");
        p = prefer_address(s, p, FIELD_IP6_SADDR, "2001:db8::7");
        p = prefer_address(s, p, FIELD_IP6_DADDR, "2001:db8:1::10");
        for (size_t i = 1; i < s->names->n; i++) {
                const uint8_t *name = (const uint8_t *)space_name(s, i);

                if (streq((const char *)name, "lo"))
                        continue; /* where it is possible at all, another is likelier */
                p = prefer(s, p, FIELD_IIFNAME, name);
                p = prefer(s, p, FIELD_OIFNAME, name);
        }
        return p;
}

static bool is_set(const struct space *s, fn one, uint32_t level)
{
        while (!diagram_is_leaf(&s->d, one) && s->d.nodes[one].level < level)
                one = s->d.nodes[one].low != FN_FALSE ? s->d.nodes[one].low : s->d.nodes[one].high;
        return s->d.nodes[one].level == level && s->d.nodes[one].low == FN_FALSE;
}

static void read_field(struct space *s, fn one, enum field f, uint8_t value[static 16])
{
        uint8_t wire[16] = {};
        uint64_t number = 0;
        size_t code = 0;

        if (field_is_name(f)) {
                for (unsigned i = 0; i < s->names->bits; i++)
                        code = code << 1 | is_set(s, one, s->base[f] + i);
                memcpy(value, space_name(s, code), 16);
                return;
        }
        for (unsigned i = 0; i < s->bits[f]; i++) {
                fn bit = space_bit(s, f, i);
                bool on = diagram_is_leaf(&s->d, bit) ? bit == FN_TRUE : is_set(s, one, s->d.nodes[bit].level);

                wire[i / 8] |= (uint8_t)(on ? 0x80u >> i % 8 : 0);
                number = number << 1 | on;
        }
        if (field_type(f)->host_order)
                field_put_number(f, number, value);
        else
                memcpy(value, wire, 16);
}

/* A limit holds; a header or a socket ("have ...") is there; what nobody knows ("the address of ...") is a number. */
static void add_atom(struct space *s, struct str *to, size_t i, fn one)
{
        const char *comma = to->length ? ", " : "", *atom = s->atoms.items[i];
        uint32_t level = s->atom_levels[i], end = i + 1 < s->n_atom_levels ? s->atom_levels[i + 1] : s->levels;
        uint8_t number[16] = {};
        char text[INET6_ADDRSTRLEN];

        for (unsigned k = 0; k < end - level && k < 128; k++)
                number[k / 8] |= (uint8_t)(is_set(s, one, level + k) ? 0x80u >> k % 8 : 0);
        if (startswith(atom, "have "))
                str_add(to, "%sit does %s%s", comma, number[0] ? "" : "not ", atom);
        else if (startswith(atom, "the address of "))
                str_add(to, "%s%s is %s", comma, atom, inet_ntop(end - level == 32 ? AF_INET : AF_INET6, number, text, sizeof(text)));
        else if (startswith(atom, "the port of "))
                str_add(to, "%s%s is %u", comma, atom, (unsigned)number[0] << 8 | number[1]);
        else
                str_add(to, "%s%s %s", comma, atom, number[0] ? "holds" : "does not hold");
}

/* Whether it matters for the packets what the atom is. */
static bool asks_atom(struct space *s, fn packets, size_t i)
{
        uint32_t end = i + 1 < s->n_atom_levels ? s->atom_levels[i + 1] : s->levels;

        return !startswith(s->atoms.items[i], "type of ") && diagram_exists(&s->d, packets, s->atom_levels[i], end, false) != packets;
}

void packets_example(struct space *s, fn packets, struct packet *ret, struct str *ret_limits)
{
        fn possible = diagram_and(&s->d, packets, s->possible);
        fn one = one_of(s, usual(s, possible == FN_FALSE ? packets : possible));
        uint8_t protocol;

        *ret = (struct packet){ .family = s->family };
        for (enum field f = 0; f < FIELD_MAX; f++)
                read_field(s, one, f, ret->fields[f]);
        protocol = ret->fields[FIELD_L4PROTO][0];
        for (enum field f = FIELD_ICMP_TYPE; f <= FIELD_ICMPV6_CODE; f++) {
                bool v6 = f == FIELD_ICMPV6_TYPE || f == FIELD_ICMPV6_CODE;

                if (protocol != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
                        ret->fields[f][0] = 0;
        }
        for (size_t i = 0; i < s->n_atom_levels; i++)
                if (asks_atom(s, packets, i))
                        add_atom(s, ret_limits, i, one);
}
