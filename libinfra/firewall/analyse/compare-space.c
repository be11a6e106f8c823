/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/analyse/compare-space.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* What decides most and is translated comes first; then a translation leaves only what is behind. */
static const enum field order[] = {
        FIELD_CT_STATE, FIELD_CT_DIRECTION, FIELD_CT_STATUS, FIELD_FIB_DADDR_TYPE, FIELD_PROTOCOL, FIELD_IP_DADDR, FIELD_IP6_DADDR,
        FIELD_L4PROTO, FIELD_DPORT, FIELD_IIFNAME, FIELD_OIFNAME, FIELD_IP_SADDR, FIELD_IP6_SADDR, FIELD_SPORT, FIELD_TCP_FLAGS,
        FIELD_TCP_MSS, FIELD_IP_TOS, FIELD_IP_FRAGMENT, FIELD_IP_TTL, FIELD_IP6_CLASS, FIELD_IP6_HOPLIMIT, FIELD_ETHER_SADDR,
        FIELD_LENGTH, FIELD_PRIORITY, FIELD_MARK, FIELD_SKUID, FIELD_SKGID, FIELD_PKTTYPE, FIELD_CPU, FIELD_IIFGROUP, FIELD_OIFGROUP,
        FIELD_CGROUP, FIELD_REALM, FIELD_SECPATH, FIELD_CT_MARK, FIELD_CT_HELPER, FIELD_CT_ORIG_IP_DADDR, FIELD_CT_ORIG_IP6_DADDR,
        FIELD_CT_ORIG_IP_SADDR, FIELD_CT_ORIG_IP6_SADDR, FIELD_CT_ORIG_SPORT, FIELD_CT_ORIG_DPORT, FIELD_FIB_SADDR_TYPE,
        FIELD_FIB_SADDR_OIF,
};

static const uint32_t states[] = { STATE_BIT_NEW, STATE_BIT_ESTABLISHED, STATE_BIT_RELATED, STATE_BIT_INVALID, STATE_BIT_UNTRACKED };

static int family_of(enum field f)
{
        switch (f) {
        case FIELD_IP_SADDR: case FIELD_IP_DADDR: case FIELD_IP_TOS: case FIELD_IP_FRAGMENT: case FIELD_IP_TTL:
        case FIELD_CT_ORIG_IP_SADDR: case FIELD_CT_ORIG_IP_DADDR:
                return AF_INET;
        case FIELD_IP6_SADDR: case FIELD_IP6_DADDR: case FIELD_IP6_CLASS: case FIELD_IP6_HOPLIMIT:
        case FIELD_CT_ORIG_IP6_SADDR: case FIELD_CT_ORIG_IP6_DADDR:
                return AF_INET6;
        default:
                return AF_UNSPEC;
        }
}

bool field_is_name(enum field f)
{
        return f == FIELD_IIFNAME || f == FIELD_OIFNAME || f == FIELD_CT_HELPER;
}

unsigned space_width(const struct space *s, enum field f)
{
        return field_is_name(f) ? s->names->bits : s->bits[f];
}

const enum field *space_order(size_t *ret_n)
{
        *ret_n = ELEMENTS(order);
        return order;
}

unsigned space_room(const struct space *s, enum field f)
{
        return s->bits[f] == 0 ? 0 : f == FIELD_CT_STATE ? (unsigned)ELEMENTS(states) : space_width(s, f);
}

uint32_t space_state(size_t n)
{
        return n < ELEMENTS(states) ? states[n] : 0;
}

/* Fields that are the same bytes of the transport header. */
static void share(struct space *s)
{
        static const struct {
                enum field field, in;
                unsigned at;
        } shared[] = { { FIELD_ICMP_TYPE, FIELD_SPORT, 0 }, { FIELD_ICMPV6_TYPE, FIELD_SPORT, 0 },
                       { FIELD_ICMP_CODE, FIELD_SPORT, 8 }, { FIELD_ICMPV6_CODE, FIELD_SPORT, 8 } };

        for (size_t i = 0; i < ELEMENTS(shared); i++) {
                s->base[shared[i].field] = s->base[shared[i].in] + shared[i].at;
                s->bits[shared[i].field] = 8;
        }
}

int space_init(struct space *s, int family, const struct names *names, size_t memory)
{
        *s = (struct space){ .family = family, .names = names, .possible = FN_TRUE };
        for (size_t i = 0; i < ELEMENTS(order); i++) {
                enum field f = order[i];

                if (family_of(f) != AF_UNSPEC && family_of(f) != family)
                        continue;
                s->base[f] = s->levels;
                s->bits[f] = field_type(f)->size * 8;
                s->levels += space_room(s, f);
        }
        s->field_levels = s->levels;
        s->bits[FIELD_NFPROTO] = 8;
        share(s);
        if (diagram_init(&s->d, memory) < 0)
                return -ENOMEM;
        /* The first change is none; leaves 0 and 1 are false and true. */
        if (change_of(s, NULL, 0) != CHANGE_NONE || pool_put(&s->ends, "0", 1) != FN_FALSE || pool_put(&s->ends, "1", 1) != FN_TRUE)
                return -ENOMEM;
        return 0;
}

void space_done(struct space *s)
{
        diagram_done(&s->d);
        pool_done(&s->texts);
        pool_done(&s->ends);
        pool_done(&s->changes);
        pool_done(&s->atoms);
        free(s->atom_levels);
}

uint32_t space_atom(struct space *s, const char *text, unsigned count)
{
        uint32_t n = pool_put(&s->atoms, text, strlen(text) + 1), *level;

        if (n < s->n_atom_levels)
                return s->atom_levels[n];
        level = n == UINT32_MAX ? NULL : ARRAY_ADD(s->atom_levels, s->n_atom_levels);
        if (!level) {
                s->failed = true;
                return 0;
        }
        *level = s->levels;
        s->levels += count;
        return *level;
}

const char *space_atom_at(const struct space *s, uint32_t level)
{
        size_t i = s->n_atom_levels;

        while (i > 0 && s->atom_levels[i - 1] > level)
                i--;
        return level >= s->field_levels && i > 0 ? s->atoms.items[i - 1] : NULL;
}

static bool bit_set(const uint8_t *wire, unsigned i)
{
        return wire[i / 8] & 0x80u >> i % 8;
}

void space_suppose(struct space *s, uint32_t level, unsigned width, const uint8_t *first, const uint8_t *last)
{
        fn least = FN_TRUE, most = FN_TRUE;

        for (unsigned i = width; i-- > 0;) {
                fn bit = diagram_bit(&s->d, level + i);

                least = bit_set(first, i) ? diagram_choose(&s->d, bit, least, FN_FALSE) : diagram_choose(&s->d, bit, FN_TRUE, least);
                most = bit_set(last, i) ? diagram_choose(&s->d, bit, most, FN_TRUE) : diagram_choose(&s->d, bit, FN_FALSE, most);
        }
        s->possible = diagram_and(&s->d, s->possible, diagram_and(&s->d, least, most));
}

uint32_t space_routed(struct space *s, enum field f)
{
        char text[64];

        snprintf(text, sizeof(text), "type of %s in routing", field_type(f)->text);
        return space_atom(s, text, s->bits[f]);
}

uint32_t space_segment(struct space *s)
{
        return space_atom(s, "type of the way's largest segment", 1);
}

static fn constant(unsigned number, unsigned width, unsigned i)
{
        return number >> (width - 1 - i) & 1;
}

fn space_bit(struct space *s, enum field f, unsigned i)
{
        unsigned family = s->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

        if (f == FIELD_NFPROTO)
                return constant(s->bridge ? NFPROTO_BRIDGE : family, 8, i);
        if (f == FIELD_PROTOCOL && s->family != AF_UNSPEC)
                return constant(s->family == AF_INET ? ETH_P_IP : ETH_P_IPV6, 16, i);
        if (f != FIELD_CT_STATE)
                return diagram_bit(&s->d, s->base[f] + i);
        for (uint32_t k = 0; k < ELEMENTS(states); k++)
                if (states[k] == 1u << (31 - i))
                        return diagram_bit(&s->d, s->base[f] + k);
        return FN_FALSE;
}

void space_wire(enum field f, const uint8_t *value, uint8_t wire[static 16])
{
        unsigned size = field_type(f)->size;

        memset(wire, 0, 16);
        memcpy(wire, value, size);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (field_type(f)->host_order)
                for (unsigned i = 0; i < size; i++)
                        wire[i] = value[size - 1 - i];
#endif
}

const char *space_name(const struct space *s, size_t n)
{
        return s->names->items[n < s->names->n ? n : s->names->n - 1];
}

/* The names for which @holds, from number @n on, of which @left bits are still to be asked. */
static fn named(struct space *s, enum field f, size_t n, unsigned left, bool (*holds)(const char *name, const uint8_t *a, const uint8_t *b),
                const uint8_t *a, const uint8_t *b)
{
        fn low, high;

        if (left == 0)
                return holds(space_name(s, n), a, b);
        low = named(s, f, n, left - 1, holds, a, b);
        high = named(s, f, n | (size_t)1 << (left - 1), left - 1, holds, a, b);
        return diagram_make(&s->d, s->base[f] + s->names->bits - left, low, high);
}

static bool name_between(const char *name, const uint8_t *first, const uint8_t *last)
{
        return memcmp(name, first, 16) >= 0 && memcmp(name, last, 16) <= 0;
}

static bool name_masked(const char *name, const uint8_t *value, const uint8_t *mask)
{
        for (unsigned i = 0; i < 16; i++)
                if (((uint8_t)name[i] & mask[i]) != value[i])
                        return false;
        return true;
}

/* Whether all bits of a field are asked before what either looks at. */
static bool stands_before(const struct space *s, enum field f, fn a, fn b)
{
        uint32_t end = s->base[f] + s->bits[f];

        return f != FIELD_NFPROTO && f != FIELD_PROTOCOL && f != FIELD_CT_STATE && s->d.nodes[a].level >= end && s->d.nodes[b].level >= end;
}

static fn by_bit(struct space *s, enum field f, unsigned i, fn high, fn low)
{
        if (f != FIELD_NFPROTO && f != FIELD_PROTOCOL && f != FIELD_CT_STATE)
                return diagram_pick(&s->d, s->base[f] + i, high, low);
        return diagram_choose(&s->d, space_bit(s, f, i), high, low);
}

static fn within(struct space *s, enum field f, const uint8_t *a, const uint8_t *b, fn then, fn other)
{
        fn least = then, most = then, both = then;
        bool wide = memcmp(a, b, s->bits[f] / 8) != 0;

        for (unsigned i = s->bits[f]; i-- > 0;) {
                bool from = bit_set(a, i), to = bit_set(b, i);

                if (from == to)
                        both = by_bit(s, f, i, from ? both : other, from ? other : both);
                else
                        both = from ? other : by_bit(s, f, i, most, least);
                if (!wide)
                        continue;
                least = by_bit(s, f, i, from ? least : then, from ? other : least);
                most = by_bit(s, f, i, to ? most : other, to ? then : most);
        }
        return both;
}

fn space_range(struct space *s, enum field f, const uint8_t *first, const uint8_t *last, fn then, fn other)
{
        uint8_t a[16], b[16];

        if (field_is_name(f))
                return diagram_choose(&s->d, named(s, f, 0, s->names->bits, name_between, first, last), then, other);
        if (s->bits[f] == 0)
                return other;
        space_wire(f, first, a);
        space_wire(f, last, b);
        if (stands_before(s, f, then, other))
                return within(s, f, a, b, then, other);
        return diagram_choose(&s->d, within(s, f, a, b, FN_TRUE, FN_FALSE), then, other);
}

static fn masked(struct space *s, enum field f, const uint8_t *v, const uint8_t *m, fn then, fn other)
{
        fn r = then;

        for (unsigned i = s->bits[f]; i-- > 0;) {
                if (bit_set(m, i))
                        r = by_bit(s, f, i, bit_set(v, i) ? r : other, bit_set(v, i) ? other : r);
                else if (bit_set(v, i))
                        r = other;
        }
        return r;
}

fn space_bits(struct space *s, enum field f, const uint8_t *value, const uint8_t *mask, fn then, fn other)
{
        uint8_t v[16], m[16];

        if (field_is_name(f))
                return diagram_choose(&s->d, named(s, f, 0, s->names->bits, name_masked, value, mask), then, other);
        if (s->bits[f] == 0)
                return other;
        space_wire(f, value, v);
        space_wire(f, mask, m);
        if (stands_before(s, f, then, other))
                return masked(s, f, v, m, then, other);
        return diagram_choose(&s->d, masked(s, f, v, m, FN_TRUE, FN_FALSE), then, other);
}

fn space_packets(struct space *s, enum path path)
{
        static const uint8_t nothing[16], all[16] = { 0xff, 0xff, 0xff, 0xff };
        static const uint16_t types[] = { ETH_P_IP, ETH_P_IPV6 };
        fn r = FN_FALSE, in = space_range(s, FIELD_IIFNAME, nothing, nothing, FN_TRUE, FN_FALSE);
        fn out = space_range(s, FIELD_OIFNAME, nothing, nothing, FN_TRUE, FN_FALSE);

        for (size_t i = 0; i < ELEMENTS(states); i++) {
                fn one = FN_TRUE;

                for (size_t k = ELEMENTS(states); k-- > 0;) {
                        uint32_t level = s->base[FIELD_CT_STATE] + (uint32_t)k;

                        one = k == i ? diagram_make(&s->d, level, FN_FALSE, one) : diagram_make(&s->d, level, one, FN_FALSE);
                }
                r = diagram_or(&s->d, r, one);
        }
        for (size_t i = 0; i < ELEMENTS(types) && s->family == AF_UNSPEC; i++) {
                uint8_t type[16] = { (uint8_t)(types[i] >> 8), (uint8_t)types[i] };

                r = diagram_and(&s->d, r, diagram_not(&s->d, space_bits(s, FIELD_PROTOCOL, type, all, FN_TRUE, FN_FALSE)));
        }
        r = diagram_and(&s->d, r, path == PATH_FROM_HOST ? in : diagram_not(&s->d, in));
        return diagram_and(&s->d, r, path == PATH_TO_HOST ? out : diagram_not(&s->d, out));
}
