/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules and chains as functions: a rule says what becomes of its packets and lets the others fall to the next. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-course.h"

int course_assume(struct course *c, const char *format, ...)
{
        _cleanup_str_ struct str text = {};
        va_list ap;

        va_start(ap, format);
        str_addv(&text, format, ap);
        va_end(ap);
        if (!text.failed && strlist_contains(c->assumed, text.text))
                return 0;
        if (text.failed || strlist_add(c->assumed, text.text) < 0) {
                c->space->failed = true;
                return -ENOMEM;
        }
        return 0;
}

const char *course_place(const struct chain *chain, const struct rule *r, char buffer[static 192])
{
        if (r->comment)
                snprintf(buffer, 192, "%s", r->comment);
        else
                snprintf(buffer, 192, "rule %zu of chain %s", (size_t)(r - chain->rules) + 1, chain->name);
        return buffer;
}

/* With what makes two that read alike count differently: for how long it remembers, and with which others it counts. */
static char *limit_line(struct course *c, unsigned table, const struct statement *st)
{
        _cleanup_free_ char *line = statement_line(st);
        const struct set *set = *st->name ? table_set(&c->ruleset->tables[table], st->name) : NULL;
        struct str s = {};
        uint32_t n;

        if (!line || !set)
                return TAKE_PTR(line);
        str_add(&s, "%s", line);
        if (set->timeout_ms)
                str_add(&s, " kept %" PRId64 " ms", set->timeout_ms);
        n = pool_put(&c->meters, st->name, strlen(st->name) + 1);
        if (n == UINT32_MAX || (n == c->n_meters_met && !ARRAY_ADD(c->meters_met, c->n_meters_met)))
                c->space->failed = true;
        else if (c->meters_met[n]++ > 0)
                str_add(&s, " counted together with the first of set %u", n + 1);
        return str_take(&s);
}

/* The n-th limit of one text on one side and the n-th on the other are the same limit; two of one side are not. */
static fn limit_holds(struct course *c, unsigned table, const struct statement *st)
{
        _cleanup_free_ char *line = limit_line(c, table, st);
        _cleanup_str_ struct str key = {};
        uint32_t n = line ? pool_put(&c->limits, line, strlen(line) + 1) : UINT32_MAX;

        if (n == c->n_limits_met && !ARRAY_ADD(c->limits_met, c->n_limits_met))
                n = UINT32_MAX;
        if (n == UINT32_MAX) {
                c->space->failed = true;
                return FN_FALSE;
        }
        str_add(&key, "%s", line);
        if (++c->limits_met[n] > 1)
                str_add(&key, " (number %zu)", c->limits_met[n]);
        course_assume(c, "%s: the same on both sides where the text is", key.text ? key.text : "");
        return key.failed ? FN_FALSE : diagram_bit(&c->space->d, space_atom(c->space, key.text, 1));
}

/* The largest segment is only ever made smaller; by what the way allows (0) is as good as one more bit. */
static uint32_t shrink(struct course *c, const struct statement *st)
{
        struct space *s = c->space;
        static const uint8_t least[16];
        unsigned width = s->bits[st->field];
        struct move moves[16];
        uint8_t value[16];
        fn smaller = space_range(s, st->field, least, st->value, FN_TRUE, FN_FALSE);

        space_wire(st->field, st->value, value);
        if (value[0] == 0 && value[1] == 0) {
                moves[0] = (struct move){ space_segment(s), FN_TRUE };
                return change_of(s, moves, 1);
        }
        for (unsigned i = 0; i < width; i++) {
                fn bit = value[i / 8] & 0x80u >> i % 8 ? FN_TRUE : FN_FALSE;

                moves[i] = (struct move){ s->base[st->field] + i, diagram_choose(&s->d, smaller, space_bit(s, st->field, i), bit) };
        }
        return change_of(s, moves, width);
}

/* `field` = `field` & mask ^ value, bit by bit; a name as a whole. */
static uint32_t set_change(struct course *c, const struct statement *st)
{
        struct space *s = c->space;
        struct move moves[128];
        uint8_t value[16], mask[16];
        unsigned width = space_width(s, st->field);
        size_t n = 0, number = 0;

        space_wire(st->field, st->value, value);
        space_wire(st->field, st->mask, mask);
        while (field_is_name(st->field) && number < s->names->n && memcmp(s->names->items[number], st->value, 16) != 0)
                number++;
        for (unsigned i = 0; i < width && n < ELEMENTS(moves); i++) {
                bool keep = mask[i / 8] & 0x80u >> i % 8, bit = value[i / 8] & 0x80u >> i % 8;
                uint32_t level = s->base[st->field] + i;

                if (field_is_name(st->field))
                        moves[n++] = (struct move){ level, number >> (width - 1 - i) & 1 };
                else if (!keep || bit)
                        moves[n++] = (struct move){ level, keep ? diagram_not(&s->d, diagram_bit(&s->d, level)) : (fn)bit };
        }
        return change_of(s, moves, n);
}

/* `field` = another & mask ^ value, bit by bit. */
static uint32_t copy_change(struct course *c, const struct statement *st)
{
        struct space *s = c->space;
        struct move moves[128];
        uint8_t value[16], mask[16];
        unsigned width = space_width(s, st->field);
        size_t n = 0;

        space_wire(st->field, st->value, value);
        space_wire(st->field, st->mask, mask);
        for (unsigned i = 0; i < width && n < ELEMENTS(moves); i++) {
                bool keep = mask[i / 8] & 0x80u >> i % 8, flip = value[i / 8] & 0x80u >> i % 8;
                fn from = keep ? diagram_bit(&s->d, s->base[st->fields[0]] + i) : FN_FALSE;

                moves[n++] = (struct move){ s->base[st->field] + i, flip ? diagram_not(&s->d, from) : from };
        }
        return change_of(s, moves, n);
}

static uint32_t untrack(struct course *c)
{
        struct space *s = c->space;
        struct move moves[5];

        /* The last of the five is "untracked". */
        for (uint32_t i = 0; i < 5; i++)
                moves[i] = (struct move){ s->base[FIELD_CT_STATE] + i, i == 4 };
        return change_of(s, moves, 5);
}

static uint32_t change_by(struct course *c, const struct statement *st)
{
        if (st->kind == STATEMENT_SET && st->field == FIELD_TCP_MSS)
                return shrink(c, st);
        return st->kind == STATEMENT_SET ? set_change(c, st) : st->kind == STATEMENT_COPY ? copy_change(c, st) : untrack(c);
}

/* A mark of a connection that is not there is not set; a rule that would read it ends there. */
static fn before_change(struct course *c, const struct statement *st, fn then)
{
        struct diagram *d = &c->space->d;
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE), changed;
        uint32_t change = change_by(c, st);

        changed = space_after(c->space, then, change, change);
        if (st->kind == STATEMENT_COPY)
                changed = diagram_choose(d, course_has(c, st->fields[0]), changed, fall);
        return st->kind == STATEMENT_NOTRACK ? changed : diagram_choose(d, course_has(c, st->field), changed, then);
}

static fn before_statement(struct course *c, unsigned table, const struct statement *st, fn then, bool *ret_changes)
{
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE);

        switch (st->kind) {
        case STATEMENT_LIMIT: case STATEMENT_METER: case STATEMENT_CONNECTIONS: case STATEMENT_QUOTA: case STATEMENT_NUMGEN:
                return diagram_choose(&c->space->d, limit_holds(c, table, st), then, fall);
        case STATEMENT_SET: case STATEMENT_COPY: case STATEMENT_NOTRACK:
                if (st->kind != STATEMENT_NOTRACK && space_width(c->space, st->field) == 0)
                        return fall;
                *ret_changes = true;
                return before_change(c, st, then);
        default:
                return then;
        }
}

static fn jump_to(struct course *c, unsigned table, const char *name, enum end_kind from, enum end_kind to, bool *ret_changes)
{
        const struct table *t = &c->ruleset->tables[table];
        const struct chain *chain = table_chain(t, name);
        fn f;

        if (!chain)
                return end_unknown(c->space, "there is no chain %s", name);
        f = course_chain(c, table, chain);
        *ret_changes = *ret_changes || c->chains[table][chain - t->chains].changes;
        if (c->chains[table][chain - t->chains].changes)
                return space_then(c->space, f, from, end_leaf(c->space, to, 0, CHANGE_NONE), ASPECT_ALL);
        return diagram_fill(&c->space->d, f, end_leaf(c->space, from, 0, CHANGE_NONE), end_leaf(c->space, to, 0, CHANGE_NONE));
}

static fn element_verdict(struct course *c, unsigned table, const struct verdict *v, const struct set *s, const struct element *e)
{
        bool changes = false;
        fn f;

        (void)v;
        if (s->data != DATA_VERDICT)
                return end_unknown(c->space, "map %s gives no verdicts", s->name);
        if (!e->jump)
                return end_leaf(c->space, e->accepts ? END_ACCEPT : END_DROP, 0, CHANGE_NONE);
        f = jump_to(c, table, e->jump, END_RETURN, END_FALL, &changes);
        return f;
}

/* Whether a chain that the map jumps to lets packets go on changed. */
static bool map_changes(struct course *c, unsigned table, const struct verdict *v)
{
        const struct table *t = &c->ruleset->tables[table];
        const struct set *s = table_set(t, v->name);

        for (size_t i = 0; s && i < s->n_elements; i++) {
                const struct chain *chain = s->elements[i].jump ? table_chain(t, s->elements[i].jump) : NULL;

                if (chain && c->chains[table][chain - t->chains].changes)
                        return true;
        }
        return false;
}

static uint32_t argument(struct course *c, const char *format, unsigned a, unsigned b, unsigned flags)
{
        char text[96];
        uint32_t n;

        snprintf(text, sizeof(text), format, a, b, flags);
        n = pool_put(&c->space->texts, text, strlen(text) + 1);
        c->space->failed = c->space->failed || n == UINT32_MAX;
        return n;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static fn verdict_end(struct course *c, unsigned table, const struct verdict *v, bool *ret_changes)
{
        struct space *s = c->space;
        fn f;

        switch (v->kind) {
        case VERDICT_ACCEPT: return end_leaf(s, END_ACCEPT, 0, CHANGE_NONE);
        case VERDICT_DROP: return end_leaf(s, END_DROP, 0, CHANGE_NONE);
        case VERDICT_RETURN: return end_leaf(s, END_RETURN, 0, CHANGE_NONE);
        case VERDICT_CONTINUE: return end_leaf(s, END_FALL, 0, CHANGE_NONE);
        case VERDICT_REJECT: return end_leaf(s, END_REJECT, argument(c, "type %u code %u", v->reject_type, v->reject_code, 0), CHANGE_NONE);
        case VERDICT_QUEUE:
                return end_leaf(s, END_QUEUE, argument(c, "%u-%u flags %u", v->queue_first, v->queue_last, v->queue_flags), CHANGE_NONE);
        case VERDICT_JUMP: return jump_to(c, table, v->name, END_RETURN, END_FALL, ret_changes);
        case VERDICT_GOTO: return jump_to(c, table, v->name, END_FALL, END_RETURN, ret_changes);
        case VERDICT_MAP:
                f = course_map(c, table, v, element_verdict);
                *ret_changes = *ret_changes || map_changes(c, table, v);
                return f;
        case VERDICT_DNAT: case VERDICT_DNAT_PORT: case VERDICT_SNAT:
                if (*v->name)
                        return course_map(c, table, v, course_element_translation);
                /* fall through */
        case VERDICT_MASQUERADE: case VERDICT_REDIRECT: return course_translation(c, v);
        default: return end_unknown(s, "a verdict that is not understood");
        }
}

fn course_rule(struct course *c, unsigned table, const struct chain *chain, const struct rule *r, bool *ret_changes)
{
        fn f, unknown, fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE);
        char place[192];

        if (r->unknown)
                return end_unknown(c->space, "%s: %s", course_place(chain, r, place), r->unknown);
        if (course_never(c, table, r))
                return fall;
        unknown = course_unknown(c, table, r);
        if (unknown != FN_TRUE)
                return end_unknown(c->space, "%s: %s", course_place(chain, r, place), c->space->texts.items[end_of(c->space, unknown).argument]);
        f = verdict_end(c, table, &r->verdict, ret_changes);
        for (size_t i = r->n_statements; i-- > 0;)
                f = before_statement(c, table, &r->statements[i], f, ret_changes);
        return course_matches(c, table, r, f, fall);
}
