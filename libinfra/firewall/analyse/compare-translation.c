/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Address translations as changes of a packet. What a translation leaves open (one of several addresses, the address of
 * an interface) is a number of its own, the same on both sides where the same is said: whatever the kernel takes, it
 * takes for both. Of a range it is known that it is within.
 */

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"
#include "firewall/analyse/compare-course.h"

struct moves {
        struct move items[256];
        size_t n;
};

static void add(struct moves *m, uint32_t level, fn to)
{
        if (m->n < ELEMENTS(m->items))
                m->items[m->n++] = (struct move){ level, to };
}

static void add_number(struct course *c, struct moves *m, enum field f, uint32_t number, unsigned width)
{
        for (unsigned i = 0; i < width; i++)
                add(m, c->space->base[f] + i, number >> (width - 1 - i) & 1);
}

/* Names the translation, with all that makes it another one. */
static char *words_of(const struct verdict *v)
{
        const struct translation *t = &v->to;
        char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
        struct str s = {};

        str_add(&s, "%s", v->kind == VERDICT_MASQUERADE ? "masquerade" : v->kind == VERDICT_REDIRECT ? "redirect" : v->kind == VERDICT_SNAT ? "snat" : "dnat");
        if (t->family)
                str_add(&s, " to %s-%s", inet_ntop(t->family, t->first, first, sizeof(first)), inet_ntop(t->family, t->last, last, sizeof(last)));
        if (t->port_first)
                str_add(&s, " ports %u-%u", t->port_first, t->port_last);
        if (t->flags)
                str_add(&s, " flags %u", t->flags);
        return str_take(&s);
}

/* Bits at @base become a number that nobody knows, between @first and @last when they are given. */
static void add_open(struct course *c, struct moves *m, uint32_t base, unsigned width, const char *what, const char *words, const uint8_t *first,
                     const uint8_t *last)
{
        _cleanup_str_ struct str key = {};
        uint32_t level;

        str_add(&key, "the %s of %s", what, words);
        level = key.failed ? 0 : space_atom(c->space, key.text, width);
        c->space->failed = c->space->failed || key.failed;
        for (unsigned i = 0; i < width; i++)
                add(m, base + i, diagram_bit(&c->space->d, level + i));
        if (first)
                space_suppose(c->space, level, width, first, last);
}

/* The address: of a network the rest stays, of a range it is open. */
static void add_address(struct course *c, struct moves *m, enum field f, const struct translation *t, const char *words)
{
        unsigned width = c->space->bits[f];

        if (memcmp(t->first, t->last, width / 8) != 0 && !t->netmap) {
                add_open(c, m, c->space->base[f], width, "address", words, t->first, t->last);
                return;
        }
        for (unsigned i = 0; i < width; i++) {
                unsigned bit = t->first[i / 8] >> (7 - i % 8) & 1;

                if (bit != (t->last[i / 8] >> (7 - i % 8) & 1u))
                        break;
                add(m, c->space->base[f] + i, bit);
        }
}

static void add_port(struct course *c, struct moves *m, enum field f, const struct translation *t, const char *words)
{
        const uint8_t first[16] = { (uint8_t)(t->port_first >> 8), (uint8_t)t->port_first }, last[16] = { (uint8_t)(t->port_last >> 8), (uint8_t)t->port_last };

        if (t->port_first && t->port_first == t->port_last)
                add_number(c, m, f, t->port_first, 16);
        else if (t->port_first || t->flags)
                add_open(c, m, c->space->base[f], 16, "port", words, t->port_first ? first : NULL, last);
}

/* Of the type of a new destination nothing is known but that it is the same wherever the address is. */
static void add_type(struct course *c, struct moves *m, const char *words, bool local)
{
        enum field f = FIELD_FIB_DADDR_TYPE;
        _cleanup_str_ struct str key = {};
        uint32_t level;

        if (local) {
                add_number(c, m, f, 2 /* RTN_LOCAL */, 32);
                return;
        }
        if (!c->fib_later)
                return;
        str_add(&key, "type of the address of %s", words);
        level = key.failed ? 0 : space_atom(c->space, key.text, 32);
        c->space->failed = c->space->failed || key.failed;
        for (unsigned i = 0; i < 32; i++)
                add(m, c->space->base[f] + i, diagram_bit(&c->space->d, level + i));
}

static fn bound(struct course *c, const struct verdict *v)
{
        bool source = v->kind == VERDICT_SNAT || v->kind == VERDICT_MASQUERADE, v4 = c->space->family == AF_INET;
        enum field address = source ? (v4 ? FIELD_IP_SADDR : FIELD_IP6_SADDR) : v4 ? FIELD_IP_DADDR : FIELD_IP6_DADDR;
        enum field port = source ? FIELD_SPORT : FIELD_DPORT;
        bool own = v->kind == VERDICT_MASQUERADE || v->kind == VERDICT_REDIRECT;
        const struct translation *t = &v->to;
        _cleanup_free_ char *words = words_of(v);
        struct moves m = {};

        if (!words) {
                c->space->failed = true;
                return FN_FALSE;
        }
        if (own)
                add_open(c, &m, c->space->base[address], c->space->bits[address], "address", source ? "masquerade" : "redirect", NULL, NULL);
        else if (t->family)
                add_address(c, &m, address, t, words);
        add_port(c, &m, port, t, words);
        /* IPS_DST_NAT, IPS_SRC_NAT */
        add(&m, c->space->base[FIELD_CT_STATUS] + (source ? 27 : 26), FN_TRUE);
        if (!source && (own || t->family))
                add_type(c, &m, words, own);
        return end_leaf(c->space, END_BOUND, 0, change_of(c->space, m.items, m.n));
}

fn course_translation(struct course *c, const struct verdict *v)
{
        int family = v->to.family;

        if (c->space->family == AF_UNSPEC || (family && family != c->space->family))
                return end_leaf(c->space, END_FALL, 0, CHANGE_NONE);
        return bound(c, v);
}

fn course_element_translation(struct course *c, unsigned table, const struct verdict *v, const struct set *s, const struct element *e)
{
        struct verdict one = { .kind = v->kind, .to = { .family = AF_INET, .flags = v->to.flags } };

        (void)table;
        memcpy(one.to.first, e->data, 4);
        memcpy(one.to.last, e->data, 4);
        if (s->data == DATA_ADDRESS_PORT)
                one.to.port_first = one.to.port_last = (uint16_t)(e->data[4] << 8 | e->data[5]);
        /* The same leaf whether a port was asked for with it or not. */
        if (one.kind == VERDICT_DNAT_PORT)
                one.kind = VERDICT_DNAT;
        return course_translation(c, &one);
}
