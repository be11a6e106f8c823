/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Decision diagrams, ordered and reduced, with any number of leaves: a function from the bits of a packet to a number.
 * Leaves 0 and 1 are false and true, so that a set of packets is a function, too. Equal functions are the same `fn`.
 *
 * Nothing is freed before diagram_done(): a comparison is short, and a limit on nodes bounds it. Behind the limit
 * `failed` is set, every operation returns FN_FALSE at once, and what was computed means nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t fn;

enum { FN_FALSE = 0, FN_TRUE = 1 };
enum { DIAGRAM_LEAF = UINT32_MAX }; /* the level of leaves, below all others */

struct diagram_node {
        uint32_t level; /* of the bit asked; smaller is asked first */
        fn low;         /* of leaves: the number */
        fn high;
        uint32_t next;
};

struct diagram_memo {
        uint32_t a, b, c, result;
};

struct diagram {
        struct diagram_node *nodes;
        size_t n_nodes;
        size_t limit; /* nodes; 0 = none */
        uint32_t *buckets;
        size_t n_buckets;
        struct diagram_memo *memo;
        size_t n_memo;
        bool failed;
};

/* @memory: bytes, 0 = no limit. 0 or -ENOMEM. */
int diagram_init(struct diagram *d, size_t memory);
void diagram_done(struct diagram *d);

fn diagram_leaf(struct diagram *d, uint32_t number);
fn diagram_make(struct diagram *d, uint32_t level, fn low, fn high);
static inline fn diagram_bit(struct diagram *d, uint32_t level)
{
        return diagram_make(d, level, FN_FALSE, FN_TRUE);
}

static inline bool diagram_is_leaf(const struct diagram *d, fn f)
{
        return d->nodes[f].level == (uint32_t)DIAGRAM_LEAF;
}

/* @f (false or true everywhere) ? @g : @h. */
fn diagram_choose(struct diagram *d, fn f, fn g, fn h);
/* The bit at that level ? @high : @low, which may look at any bits. */
static inline fn diagram_pick(struct diagram *d, uint32_t level, fn high, fn low)
{
        if (level < d->nodes[high].level && level < d->nodes[low].level)
                return diagram_make(d, level, low, high);
        return diagram_choose(d, diagram_bit(d, level), high, low);
}

static inline fn diagram_and(struct diagram *d, fn f, fn g)
{
        return diagram_choose(d, f, g, FN_FALSE);
}

static inline fn diagram_or(struct diagram *d, fn f, fn g)
{
        return diagram_choose(d, f, FN_TRUE, g);
}

static inline fn diagram_not(struct diagram *d, fn f)
{
        return diagram_choose(d, f, FN_FALSE, FN_TRUE);
}

/* @f with leaf @from replaced by @to: what the first leaves open, the second says. */
fn diagram_fill(struct diagram *d, fn f, fn from, fn to);
/* True where @f has leaf @leaf. */
fn diagram_where(struct diagram *d, fn f, fn leaf);
/* Whether there is a value of the bits at levels @first .. @last - 1 (@outside: of all others) with which @f is true. */
fn diagram_exists(struct diagram *d, fn f, uint32_t first, uint32_t last, bool outside);

/* Operations of others remember what they computed, under a number >= DIAGRAM_OWN of their own in @c. */
enum { DIAGRAM_OWN = 0xf0000000u };
bool diagram_recall(const struct diagram *d, uint32_t a, uint32_t b, uint32_t c, fn *ret);
void diagram_remember(struct diagram *d, uint32_t a, uint32_t b, uint32_t c, fn result);
