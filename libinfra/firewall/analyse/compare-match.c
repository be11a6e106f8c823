/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches, sets and maps as functions; built in halves, so that ten thousand elements are as good as sorted. */

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-course.h"

static fn element_holds(struct course *c, const struct set *s, const enum field *fields, const struct element *e)
{
        fn r = FN_TRUE;

        for (size_t i = s->n_fields; i-- > 0;) {
                uint8_t first[16] = {}, last[16] = {};
                unsigned offset = set_field_offset(s, i), size = field_type(s->fields[i])->size;

                memcpy(first, e->key + offset, size);
                memcpy(last, e->key_end + offset, size);
                r = diagram_and(&c->space->d, space_range(c->space, fields[i], first, last), r);
        }
        return r;
}

static fn union_of(struct course *c, const struct set *s, const enum field *fields, size_t from, size_t to)
{
        size_t middle = from + (to - from) / 2;

        if (to - from < 2)
                return from < to ? element_holds(c, s, fields, &s->elements[from]) : FN_FALSE;
        return diagram_or(&c->space->d, union_of(c, s, fields, from, middle), union_of(c, s, fields, middle, to));
}

/* What programs fill is taken as empty on both sides, and said so. */
static bool is_filled_later(struct course *c, const struct set *s)
{
        if (!s->runtime && !s->dynamic)
                return false;
        course_assume(c, "set %s is filled at run time: taken as empty", s->name);
        return true;
}

static const struct set *set_for(struct course *c, unsigned table, const char *name, size_t n_fields, fn *ret_unknown)
{
        const struct set *s = table_set(&c->ruleset->tables[table], name);

        if (s && !s->unknown && s->n_fields == n_fields)
                return s;
        *ret_unknown = end_unknown(c->space, s ? "set %s is of a kind that is not understood" : "there is no set %s", name);
        return NULL;
}

static fn set_holds(struct course *c, unsigned table, const struct match *m, fn *ret_unknown)
{
        const struct set *s = set_for(c, table, m->set, m->n_fields, ret_unknown);
        struct set_course *known;
        fn f;

        if (!s || is_filled_later(c, s))
                return FN_FALSE;
        for (size_t i = 0; i < c->n_sets; i++)
                if (c->sets[i].set == s && memcmp(c->sets[i].fields, m->fields, m->n_fields * sizeof(*m->fields)) == 0)
                        return c->sets[i].f;
        f = union_of(c, s, m->fields, 0, s->n_elements);
        known = ARRAY_ADD(c->sets, c->n_sets);
        if (!known) {
                c->space->failed = true;
                return FN_FALSE;
        }
        *known = (struct set_course){ .set = s, .f = f };
        memcpy(known->fields, m->fields, m->n_fields * sizeof(*m->fields));
        return f;
}

static bool has_field(const struct course *c, enum field f)
{
        return field_is_name(f) || c->space->bits[f];
}

static fn any_bit(struct space *s, const struct match *m)
{
        fn r = FN_FALSE;
        uint8_t mask[16];

        space_wire(m->fields[0], m->mask, mask);
        for (unsigned i = s->bits[m->fields[0]]; i-- > 0;)
                if (mask[i / 8] & 0x80u >> i % 8)
                        r = diagram_choose(&s->d, space_bit(s, m->fields[0], i), FN_TRUE, r);
        return r;
}

/* The kernel compares nothing where a packet does not have the field: without connection, option, header or socket. */
fn course_is_there(struct course *c, enum field f)
{
        static const uint8_t one[16] = { 1 };
        struct match tracked = { .kind = MATCH_ANY_BIT, .fields = { FIELD_CT_STATE } };

        if (field_presence(f) != FIELD_MAX)
                return space_range(c->space, field_presence(f), one, one);
        if (field_type(f)->source == SOURCE_IPSEC) {
                char state[64];

                snprintf(state, sizeof(state), "there is a state of IPsec, %s, number %u", field_type(f)->extra % 2 ? "out" : "in", field_type(f)->extra / 2);
                return diagram_bit(&c->space->d, space_atom(c->space, state, 1));
        }
        if (field_type(f)->source == SOURCE_SOCKET)
                return diagram_bit(&c->space->d, space_atom(c->space, f == FIELD_SOCKET_TRANSPARENT ? "there is a socket" : "there is a whole socket", 1));
        if (field_type(f)->source != SOURCE_CT || f < FIELD_FIB_SADDR_OIF)
                return FN_TRUE;
        field_put_number(FIELD_CT_STATE, STATE_BIT_NEW | STATE_BIT_ESTABLISHED | STATE_BIT_RELATED, tracked.mask);
        return any_bit(c->space, &tracked);
}

static fn all_there(struct course *c, const struct match *m)
{
        fn f = FN_TRUE;

        for (size_t i = 0; i < m->n_fields; i++)
                f = diagram_and(&c->space->d, f, course_is_there(c, m->fields[i]));
        return f;
}

static void assume(struct course *c, const struct match *m)
{
        for (size_t i = 0; i < m->n_fields; i++) {
                enum field f = m->fields[i];

                if (f == FIELD_DAY)
                        course_assume(c, "the kernel's timezone is UTC: days of the week are reckoned by it");
                if (f == FIELD_IP_FRAGMENT || f == FIELD_FRAG_EXISTS || field_presence(f) == FIELD_FRAG_EXISTS)
                        course_assume(c, "connections are tracked on both sides, or on none: where they are, rules see no fragments");
        }
}

static fn match_holds(struct course *c, unsigned table, const struct match *m, fn *ret_unknown)
{
        struct space *s = c->space;
        fn f = FN_FALSE;

        /* What a packet does not have is neither equal nor unequal to anything. */
        for (size_t i = 0; i < m->n_fields; i++)
                if (!has_field(c, m->fields[i]))
                        return FN_FALSE;
        switch (m->kind) {
        case MATCH_EQUAL: f = space_range(s, m->fields[0], m->value, m->value); break;
        case MATCH_BITS: f = space_bits(s, m->fields[0], m->value, m->mask); break;
        case MATCH_RANGE: f = space_range(s, m->fields[0], m->value, m->mask); break;
        case MATCH_SET: f = set_holds(c, table, m, ret_unknown); break;
        case MATCH_ANY_BIT:
                if (!field_is_name(m->fields[0])) {
                        f = any_bit(s, m);
                        break;
                }
                /* fall through */
        default: *ret_unknown = end_unknown(s, "a match of %s that is not understood", field_type(m->fields[0])->text);
        }
        assume(c, m);
        return diagram_and(&s->d, all_there(c, m), m->negated ? diagram_not(&s->d, f) : f);
}

fn course_matches(struct course *c, unsigned table, const struct rule *r)
{
        fn f = FN_TRUE, unknown = FN_TRUE;

        for (size_t i = r->n_matches; i-- > 0;)
                f = diagram_and(&c->space->d, match_holds(c, table, &r->matches[i], &unknown), f);
        return unknown == FN_TRUE ? f : unknown;
}

static fn map_of(struct course *c, unsigned table, const struct verdict *v, const struct set *s, size_t from, size_t to, element_leaf leaf)
{
        struct diagram *d = &c->space->d;
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE);
        size_t middle = from + (to - from) / 2;

        if (to - from > 1)
                return diagram_fill(d, map_of(c, table, v, s, from, middle, leaf), fall, map_of(c, table, v, s, middle, to, leaf));
        if (from == to)
                return fall;
        return diagram_choose(d, element_holds(c, s, v->fields, &s->elements[from]), leaf(c, table, v, s, &s->elements[from]), fall);
}

fn course_map(struct course *c, unsigned table, const struct verdict *v, element_leaf leaf)
{
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE), unknown = fall;
        const struct set *s = set_for(c, table, v->name, v->n_fields, &unknown);

        for (size_t i = 0; i < v->n_fields; i++)
                if (!has_field(c, v->fields[i]))
                        return fall;
        if (!s || is_filled_later(c, s))
                return unknown;
        return map_of(c, table, v, s, 0, s->n_elements, leaf);
}
