/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Why not a library: BuDDy and CUDD know functions to true and false only (CUDD's have numbers as leaves, but only its
 * own arithmetic), and ten thousand translations are ten thousand outcomes, which is one diagram here and ten thousand
 * there. BuDDy is also global state, which libinfra has nowhere.
 */

#include "firewall/analyse/diagram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_HUGE = 1 << 21, FIRST_NODES = 1 << 14, NOTHING = UINT32_MAX, MEMO_MAX = 1 << 21 };
enum { OP_FILL = 0xe0000000u, OP_WHERE, OP_EXISTS, OP_EXISTS_OUTSIDE };

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c)
{
        uint64_t x = (uint64_t)a * 0x9e3779b97f4a7c15u ^ (uint64_t)b * 0xc2b2ae3d27d4eb4fu ^ (uint64_t)c * 0x165667b19e3779f9u;

        x ^= x >> 29;
        x *= 0xbf58476d1ce4e5b9u;
        return (uint32_t)(x >> 32);
}

/* Tables are looked into at random places: with pages of 4 KB most of the time goes into finding the page. */
static void *allocate(size_t size)
{
        void *block = size < PAGE_HUGE ? malloc(size) : aligned_alloc(PAGE_HUGE, (size + PAGE_HUGE - 1) / PAGE_HUGE * PAGE_HUGE);

        if (block && size >= PAGE_HUGE)
                madvise(block, size, MADV_HUGEPAGE);
        return block;
}

static int grow(struct diagram *d, size_t room)
{
        struct diagram_node *nodes = allocate(room * sizeof(*nodes));
        size_t n_memo = room < MEMO_MAX ? room : MEMO_MAX;
        uint32_t *buckets;

        if (!nodes)
                return -ENOMEM;
        if (d->n_nodes)
                memcpy(nodes, d->nodes, d->n_nodes * sizeof(*nodes));
        free(d->nodes);
        d->nodes = nodes;
        buckets = allocate(room * sizeof(*buckets));
        if (!buckets)
                return -ENOMEM;
        free(d->buckets);
        d->buckets = buckets;
        d->n_buckets = room;
        memset(buckets, 0xff, room * sizeof(*buckets));
        for (uint32_t i = 0; i < d->n_nodes; i++) {
                uint32_t *b = &buckets[mix(nodes[i].level, nodes[i].low, nodes[i].high) & (room - 1)];

                nodes[i].next = *b;
                *b = i;
        }
        if (n_memo > d->n_memo) {
                struct diagram_memo *memo = allocate(n_memo * sizeof(*memo));

                if (!memo)
                        return -ENOMEM;
                memset(memo, 0xff, n_memo * sizeof(*memo));
                free(d->memo);
                d->memo = memo;
                d->n_memo = n_memo;
        }
        return 0;
}

int diagram_init(struct diagram *d, size_t memory)
{
        *d = (struct diagram){};
        /* A block that doubles is there twice for a moment; and a memo goes with each node up to a point. */
        if (memory) {
                d->limit = memory / (2 * sizeof(struct diagram_node) + sizeof(uint32_t) + sizeof(struct diagram_memo));
                d->limit = d->limit ? d->limit : 1;
        }
        if (grow(d, FIRST_NODES) < 0)
                return -ENOMEM;
        diagram_leaf(d, FN_FALSE);
        diagram_leaf(d, FN_TRUE);
        return 0;
}

void diagram_done(struct diagram *d)
{
        free(d->nodes);
        free(d->buckets);
        free(d->memo);
        *d = (struct diagram){};
}

static fn find(struct diagram *d, uint32_t level, fn low, fn high)
{
        uint32_t at = mix(level, low, high) & (uint32_t)(d->n_buckets - 1);

        if (d->failed)
                return FN_FALSE;
        for (uint32_t i = d->buckets[at]; i != (uint32_t)NOTHING; i = d->nodes[i].next)
                if (d->nodes[i].level == level && d->nodes[i].low == low && d->nodes[i].high == high)
                        return i;
        /* Numbers of nodes stay below those of operations in the memo. */
        if ((d->limit && d->n_nodes >= d->limit && d->n_nodes > FN_TRUE) || d->n_nodes >= OP_FILL / 2 ||
            (d->n_nodes == d->n_buckets && grow(d, d->n_buckets * 2) < 0)) {
                d->failed = true;
                return FN_FALSE;
        }
        at = mix(level, low, high) & (uint32_t)(d->n_buckets - 1);
        d->nodes[d->n_nodes] = (struct diagram_node){ level, low, high, d->buckets[at] };
        d->buckets[at] = (uint32_t)d->n_nodes;
        return (fn)d->n_nodes++;
}

fn diagram_leaf(struct diagram *d, uint32_t number)
{
        return find(d, (uint32_t)DIAGRAM_LEAF, number, number);
}

fn diagram_make(struct diagram *d, uint32_t level, fn low, fn high)
{
        return low == high ? low : find(d, level, low, high);
}

static struct diagram_memo *memo_of(const struct diagram *d, uint32_t a, uint32_t b, uint32_t c)
{
        return &d->memo[mix(a, b, c) & (uint32_t)(d->n_memo - 1)];
}

bool diagram_recall(const struct diagram *d, uint32_t a, uint32_t b, uint32_t c, fn *ret)
{
        const struct diagram_memo *m = memo_of(d, a, b, c);

        if (m->a != a || m->b != b || m->c != c)
                return false;
        *ret = m->result;
        return true;
}

void diagram_remember(struct diagram *d, uint32_t a, uint32_t b, uint32_t c, fn result)
{
        if (!d->failed)
                *memo_of(d, a, b, c) = (struct diagram_memo){ a, b, c, result };
}

static fn half(const struct diagram *d, fn f, uint32_t level, bool high)
{
        const struct diagram_node *n = &d->nodes[f];

        return n->level != level ? f : high ? n->high : n->low;
}

fn diagram_choose(struct diagram *d, fn f, fn g, fn h)
{
        uint32_t level;
        fn low, high, r;

        if (d->failed)
                return FN_FALSE;
        if (f == FN_TRUE || g == h)
                return g;
        if (f == FN_FALSE)
                return h;
        if (f == g || (g == FN_TRUE && h == FN_FALSE))
                return g == FN_TRUE ? f : diagram_choose(d, f, FN_TRUE, h);
        if (f == h)
                return diagram_choose(d, f, g, FN_FALSE);
        if (diagram_recall(d, f, g, h, &r))
                return r;
        level = d->nodes[f].level;
        level = d->nodes[g].level < level ? d->nodes[g].level : level;
        level = d->nodes[h].level < level ? d->nodes[h].level : level;
        low = diagram_choose(d, half(d, f, level, false), half(d, g, level, false), half(d, h, level, false));
        high = diagram_choose(d, half(d, f, level, true), half(d, g, level, true), half(d, h, level, true));
        r = diagram_make(d, level, low, high);
        diagram_remember(d, f, g, h, r);
        return r;
}

fn diagram_fill(struct diagram *d, fn f, fn from, fn to)
{
        uint32_t level;
        fn low, high, r;

        if (d->failed)
                return FN_FALSE;
        if (f == from || to == from)
                return f == from ? to : f;
        if (diagram_is_leaf(d, f))
                return f;
        /* @from is one leaf in all of a comparison but for few calls, and those differ in @to. */
        if (diagram_recall(d, f, to, OP_FILL + 16 + from, &r))
                return r;
        level = d->nodes[f].level < d->nodes[to].level ? d->nodes[f].level : d->nodes[to].level;
        low = diagram_fill(d, half(d, f, level, false), from, half(d, to, level, false));
        high = diagram_fill(d, half(d, f, level, true), from, half(d, to, level, true));
        r = diagram_make(d, level, low, high);
        diagram_remember(d, f, to, OP_FILL + 16 + from, r);
        return r;
}

fn diagram_where(struct diagram *d, fn f, fn leaf)
{
        fn low, high, r;

        if (d->failed)
                return FN_FALSE;
        if (diagram_is_leaf(d, f))
                return f == leaf;
        if (diagram_recall(d, f, leaf, OP_WHERE, &r))
                return r;
        low = diagram_where(d, d->nodes[f].low, leaf);
        high = diagram_where(d, d->nodes[f].high, leaf);
        r = diagram_make(d, d->nodes[f].level, low, high);
        diagram_remember(d, f, leaf, OP_WHERE, r);
        return r;
}

fn diagram_exists(struct diagram *d, fn f, uint32_t first, uint32_t last, bool outside)
{
        uint32_t level = d->nodes[f].level, op = outside ? OP_EXISTS_OUTSIDE : OP_EXISTS;
        fn low, high, r;

        if (d->failed)
                return FN_FALSE;
        if (diagram_is_leaf(d, f) || (!outside && level >= last))
                return f;
        if (outside && level >= last)
                return FN_TRUE; /* no leaf: true somewhere */
        /* Levels stay below 2^16, or what is asked about begins at 0. */
        if (diagram_recall(d, f, first << 16 ^ last, op, &r))
                return r;
        low = diagram_exists(d, d->nodes[f].low, first, last, outside);
        high = diagram_exists(d, d->nodes[f].high, first, last, outside);
        r = (level >= first && level < last) != outside ? diagram_or(d, low, high) : diagram_make(d, level, low, high);
        diagram_remember(d, f, first << 16 ^ last, op, r);
        return r;
}
