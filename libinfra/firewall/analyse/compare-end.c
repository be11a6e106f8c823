/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Leaves: what becomes of packets, and how changes of a packet follow each other. */

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-space.h"

enum { OP_AFTER = 0xf1000000u, OP_THEN = 0xf8000000u };

fn end_leaf(struct space *s, enum end_kind kind, uint32_t argument, uint32_t change)
{
        struct end e = { kind, argument, change };
        uint32_t n;

        if (kind == END_DROP || kind == END_REJECT || kind == END_UNKNOWN)
                e.change = CHANGE_NONE;
        n = pool_put(&s->ends, &e, sizeof(e));
        if (n == UINT32_MAX) {
                s->failed = true;
                return FN_FALSE;
        }
        return diagram_leaf(&s->d, n);
}

fn end_unknown(struct space *s, const char *format, ...)
{
        _cleanup_str_ struct str text = {};
        uint32_t n = UINT32_MAX;
        va_list ap;

        va_start(ap, format);
        str_addv(&text, format, ap);
        va_end(ap);
        if (!text.failed)
                n = pool_put(&s->texts, text.text ? text.text : "", text.length + 1);
        s->failed = s->failed || n == UINT32_MAX;
        return s->failed ? FN_FALSE : end_leaf(s, END_UNKNOWN, n, CHANGE_NONE);
}

struct end end_of(const struct space *s, fn leaf)
{
        uint32_t n = s->d.nodes[leaf].low;
        struct end e = { END_DROP, 0, CHANGE_NONE };

        if (n < s->ends.n_items && s->ends.lengths[n] == sizeof(e))
                memcpy(&e, s->ends.items[n], sizeof(e));
        return e;
}

static int by_level(const void *a, const void *b)
{
        const struct move *x = a, *y = b;

        return x->level < y->level ? -1 : x->level > y->level;
}

uint32_t change_of(struct space *s, struct move *moves, size_t n)
{
        uint32_t r;

        if (n)
                qsort(moves, n, sizeof(*moves), by_level);
        r = pool_put(&s->changes, moves, n * sizeof(*moves));
        if (r == UINT32_MAX) {
                s->failed = true;
                return CHANGE_NONE;
        }
        return r;
}

const struct move *change_moves(const struct space *s, uint32_t change, size_t *ret_n)
{
        *ret_n = s->changes.lengths[change] / sizeof(struct move);
        return (const struct move *)(const void *)s->changes.items[change];
}

static const struct move *moved(const struct space *s, uint32_t change, uint32_t level)
{
        size_t n;
        const struct move *m = change_moves(s, change, &n), key = { level, 0 };

        return n ? bsearch(&key, m, n, sizeof(*m), by_level) : NULL;
}

fn change_bit(struct space *s, uint32_t change, uint32_t level)
{
        const struct move *m = moved(s, change, level);

        return m ? m->to : diagram_bit(&s->d, level);
}

uint32_t change_then(struct space *s, uint32_t first, uint32_t second)
{
        size_t n_first, n_second, n = 0;
        const struct move *m;
        _cleanup_free_ struct move *both = NULL;

        if (first == CHANGE_NONE || second == CHANGE_NONE)
                return first == CHANGE_NONE ? second : first;
        change_moves(s, first, &n_first);
        change_moves(s, second, &n_second);
        both = calloc(n_first + n_second, sizeof(*both));
        if (!both) {
                s->failed = true;
                return CHANGE_NONE;
        }
        for (size_t i = 0; i < n_second; i++) {
                struct move one = change_moves(s, second, &n_second)[i];

                one.to = space_after(s, one.to, first, CHANGE_NONE);
                if (s->d.failed || one.to != diagram_bit(&s->d, one.level))
                        both[n++] = one;
        }
        m = change_moves(s, first, &n_first);
        for (size_t i = 0; i < n_first; i++)
                if (!moved(s, second, m[i].level))
                        both[n++] = m[i];
        return change_of(s, both, n);
}

static bool within(const struct space *s, uint32_t level, enum field f)
{
        return s->bits[f] && level >= s->base[f] && level < s->base[f] + space_width(s, f);
}

/* Which aspect a bit belongs to; ASPECT_ALL: to none, it only says where the packet has been. */
static enum aspect aspect_of(const struct space *s, uint32_t level)
{
        if (within(s, level, FIELD_CT_STATUS) || within(s, level, FIELD_FIB_DADDR_TYPE))
                return ASPECT_ALL;
        if (within(s, level, FIELD_IP_SADDR) || within(s, level, FIELD_IP6_SADDR) || within(s, level, FIELD_SPORT))
                return ASPECT_SOURCE;
        return ASPECT_OTHER;
}

uint32_t change_keep(struct space *s, uint32_t change, enum aspect aspect)
{
        size_t n, kept = 0;
        const struct move *m = change_moves(s, change, &n);
        _cleanup_free_ struct move *some = NULL;

        if (aspect == ASPECT_ALL || change == CHANGE_NONE)
                return change;
        some = calloc(n, sizeof(*some));
        if (!some) {
                s->failed = true;
                return CHANGE_NONE;
        }
        for (size_t i = 0; i < n; i++)
                if (aspect_of(s, m[i].level) == aspect)
                        some[kept++] = m[i];
        return change_of(s, some, kept);
}

static bool goes_on(uint32_t kind)
{
        return kind == END_FALL || kind == END_RETURN || kind == END_ACCEPT || kind == END_BOUND || kind == END_QUEUE;
}

static fn leaf_after(struct space *s, fn f, uint32_t leaves)
{
        struct end e = end_of(s, f);

        if (f <= FN_TRUE || leaves == CHANGE_NONE || !goes_on(e.kind))
                return f;
        return end_leaf(s, e.kind, e.argument, change_then(s, leaves, e.change));
}

fn space_after(struct space *s, fn f, uint32_t change, uint32_t leaves)
{
        const struct move *m;
        fn low, high, r;
        size_t n;

        if (s->d.failed || s->failed)
                return FN_FALSE;
        if (diagram_is_leaf(&s->d, f))
                return leaf_after(s, f, leaves);
        m = change_moves(s, change, &n);
        if (leaves == CHANGE_NONE && (n == 0 || s->d.nodes[f].level > m[n - 1].level))
                return f;
        if (diagram_recall(&s->d, f, change, OP_AFTER + leaves, &r))
                return r;
        m = moved(s, change, s->d.nodes[f].level);
        if (m && m->to <= FN_TRUE) {
                r = space_after(s, m->to == FN_TRUE ? s->d.nodes[f].high : s->d.nodes[f].low, change, leaves);
        } else {
                fn bit = m ? m->to : FN_FALSE;

                low = space_after(s, s->d.nodes[f].low, change, leaves);
                high = space_after(s, s->d.nodes[f].high, change, leaves);
                r = m ? diagram_choose(&s->d, bit, high, low) : diagram_pick(&s->d, s->d.nodes[f].level, high, low);
        }
        diagram_remember(&s->d, f, change, OP_AFTER + leaves, r);
        return r;
}

static fn then_slowly(struct space *s, fn f, enum end_kind kind, fn next, enum aspect aspect)
{
        uint32_t op = OP_THEN + (uint32_t)kind * 16 + aspect;
        fn low, high, r;

        if (s->d.failed || s->failed)
                return FN_FALSE;
        if (diagram_is_leaf(&s->d, f)) {
                struct end e = end_of(s, f);

                if (f <= FN_TRUE)
                        return f;
                if (e.kind == kind)
                        return space_after(s, next, e.change, change_keep(s, e.change, aspect));
                return e.kind == END_QUEUE ? end_leaf(s, e.kind, e.argument, change_keep(s, e.change, aspect)) : f;
        }
        if (diagram_recall(&s->d, f, next, op, &r))
                return r;
        low = then_slowly(s, s->d.nodes[f].low, kind, next, aspect);
        high = then_slowly(s, s->d.nodes[f].high, kind, next, aspect);
        r = diagram_pick(&s->d, s->d.nodes[f].level, high, low);
        diagram_remember(&s->d, f, next, op, r);
        return r;
}

fn space_then(struct space *s, fn f, enum end_kind kind, fn next, enum aspect aspect)
{
        bool changes = s->changes.n_items > 1;
        fn open = end_leaf(s, kind, 0, CHANGE_NONE);

        return changes ? then_slowly(s, f, kind, next, aspect) : diagram_fill(&s->d, f, open, next);
}
