/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches, sets and maps as functions; built in halves, so that ten thousand elements are as good as sorted. */

#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-course.h"

/* Fields by their levels, the last first: what is built from the end needs no second look. */
static void sort_fields(const struct space *s, const enum field *fields, size_t n, size_t ret[static RULESET_FIELDS_MAX])
{
        for (size_t i = 0; i < n; i++) {
                size_t at = i;

                for (; at > 0 && s->base[fields[ret[at - 1]]] < s->base[fields[i]]; at--)
                        ret[at] = ret[at - 1];
                ret[at] = i;
        }
}

/* @then for the element's packets, else @other. */
static fn element_holds(struct course *c, const struct set *s, const enum field *fields, const struct element *e, fn then, fn other)
{
        size_t sorted[RULESET_FIELDS_MAX];
        fn r = then;

        sort_fields(c->space, fields, s->n_fields, sorted);
        for (size_t k = 0; k < s->n_fields; k++) {
                size_t i = sorted[k];
                uint8_t first[16] = {}, last[16] = {};
                unsigned offset = set_field_offset(s, i), size = field_type(s->fields[i])->size;

                memcpy(first, e->key + offset, size);
                memcpy(last, e->key_end + offset, size);
                r = space_range(c->space, fields[i], first, last, r, other);
        }
        return r;
}

static fn union_of(struct course *c, const struct set *s, const enum field *fields, size_t from, size_t to)
{
        size_t middle = from + (to - from) / 2;

        if (to - from < 2)
                return from < to ? element_holds(c, s, fields, &s->elements[from], FN_TRUE, FN_FALSE) : FN_FALSE;
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

static fn set_holds(struct course *c, unsigned table, const struct match *m)
{
        fn unknown;
        const struct set *s = set_for(c, table, m->set, m->n_fields, &unknown);
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

static fn has_connection(struct space *s)
{
        fn r = FN_FALSE;

        for (uint32_t i = 0; space_state(i); i++)
                if (space_state(i) & (STATE_BIT_NEW | STATE_BIT_ESTABLISHED | STATE_BIT_RELATED))
                        r = diagram_or(&s->d, r, diagram_bit(&s->d, s->base[FIELD_CT_STATE] + i));
        return r;
}

fn course_has(struct course *c, enum field f)
{
        static const uint8_t nothing[16];
        struct space *s = c->space;

        if (!field_is_name(f) && !s->bits[f])
                return FN_FALSE;
        switch (f) {
        case FIELD_CT_STATUS: case FIELD_CT_DIRECTION: case FIELD_CT_MARK: case FIELD_CT_ORIG_IP_SADDR: case FIELD_CT_ORIG_IP_DADDR:
        case FIELD_CT_ORIG_IP6_SADDR: case FIELD_CT_ORIG_IP6_DADDR: case FIELD_CT_ORIG_SPORT: case FIELD_CT_ORIG_DPORT:
                return has_connection(s);
        case FIELD_CT_HELPER:
                return diagram_and(&s->d, has_connection(s), diagram_not(&s->d, space_range(s, f, nothing, nothing, FN_TRUE, FN_FALSE)));
        case FIELD_SKUID: case FIELD_SKGID:
                return diagram_bit(&s->d, space_atom(s, "have a process that sends or gets it", 1));
        case FIELD_CGROUP:
                return diagram_bit(&s->d, space_atom(s, "have a socket of this host", 1));
        case FIELD_ETHER_SADDR:
                return diagram_bit(&s->d, space_atom(s, "have an Ethernet header", 1));
        case FIELD_TCP_MSS:
                return diagram_bit(&s->d, space_atom(s, "have a TCP option maxseg", 1));
        default: return FN_TRUE;
        }
}

static fn has_fields(struct course *c, const enum field *fields, size_t n)
{
        fn r = FN_TRUE;

        for (size_t i = 0; i < n; i++)
                r = diagram_and(&c->space->d, r, course_has(c, fields[i]));
        return r;
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

/* Whether @a is asked before @b: by levels, then by their order in the rule. */
static bool before(const struct course *c, const struct match *a, const struct match *b)
{
        uint32_t x = c->space->base[a->fields[0]], y = c->space->base[b->fields[0]];

        return x != y ? x < y : a < b;
}

static bool is_understood(const struct match *m)
{
        return m->kind < MATCH_MAX && (m->kind != MATCH_ANY_BIT || !field_is_name(m->fields[0]));
}

/* @then where the match, which is understood, holds, else @other. */
static fn match_holds(struct course *c, unsigned table, const struct match *m, fn then, fn other)
{
        struct space *s = c->space;
        fn yes = m->negated ? other : then, no = m->negated ? then : other, f, has = has_fields(c, m->fields, m->n_fields);

        switch (m->kind) {
        case MATCH_EQUAL: f = space_range(s, m->fields[0], m->value, m->value, yes, no); break;
        case MATCH_BITS: f = space_bits(s, m->fields[0], m->value, m->mask, yes, no); break;
        case MATCH_RANGE: f = space_range(s, m->fields[0], m->value, m->mask, yes, no); break;
        case MATCH_SET: f = diagram_choose(&s->d, set_holds(c, table, m), yes, no); break;
        default: f = diagram_choose(&s->d, any_bit(s, m), yes, no);
        }
        /* What a packet does not have is neither equal nor unequal to anything. */
        return diagram_choose(&s->d, has, f, other);
}

bool course_never(struct course *c, unsigned table, const struct rule *r)
{
        for (const struct match *m = r->matches; m < r->matches + r->n_matches; m++) {
                /* Of these two the family knows the value. */
                bool known = m->n_fields == 1 && (m->fields[0] == FIELD_NFPROTO || m->fields[0] == FIELD_PROTOCOL);

                if (has_fields(c, m->fields, m->n_fields) == FN_FALSE)
                        return true;
                if (known && m->kind != MATCH_SET && is_understood(m) && match_holds(c, table, m, FN_TRUE, FN_FALSE) == FN_FALSE)
                        return true;
        }
        return false;
}

fn course_unknown(struct course *c, unsigned table, const struct rule *r)
{
        fn unknown = FN_TRUE;

        for (const struct match *m = r->matches; m < r->matches + r->n_matches; m++) {
                if (!is_understood(m))
                        unknown = end_unknown(c->space, "a match of %s that is not understood", field_type(m->fields[0])->text);
                else if (m->kind == MATCH_SET)
                        set_for(c, table, m->set, m->n_fields, &unknown);
        }
        return unknown;
}

fn course_matches(struct course *c, unsigned table, const struct rule *r, fn then, fn other)
{
        const struct match *last = NULL;
        fn f = then;

        /* By their levels, the last first: what is built from the end needs no second look. */
        for (size_t n = 0; n < r->n_matches; n++) {
                const struct match *next = NULL;

                for (const struct match *m = r->matches; m < r->matches + r->n_matches; m++)
                        if ((!last || before(c, m, last)) && (!next || before(c, next, m)))
                                next = m;
                f = match_holds(c, table, next, f, other);
                last = next;
        }
        return f;
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
        return element_holds(c, s, v->fields, &s->elements[from], leaf(c, table, v, s, &s->elements[from]), fall);
}

fn course_map(struct course *c, unsigned table, const struct verdict *v, element_leaf leaf)
{
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE), unknown = fall, has = has_fields(c, v->fields, v->n_fields);
        const struct set *s = set_for(c, table, v->name, v->n_fields, &unknown);

        if (has == FN_FALSE)
                return fall;
        if (!s || is_filled_later(c, s))
                return unknown;
        return diagram_choose(&c->space->d, has, map_of(c, table, v, s, 0, s->n_elements, leaf), fall);
}
