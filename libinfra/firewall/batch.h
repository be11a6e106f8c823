/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One transaction: netlink messages between a begin and an end, all or nothing. Each message keeps where it
 * came from, so that the kernel's error, which names a sequence number (and, with extended acknowledgements,
 * an attribute), becomes the policy line.
 */

#include <libmnl/libmnl.h>

#include "firewall/ruleset.h"

struct message_origin {
        uint32_t sequence;
        const char *what;         /* "rule", "element" */
        const char *name;         /* of the set or chain; borrowed from the ruleset */
        const struct span *span;  /* borrowed; or NULL */
        const struct element *elements; /* of an element message, in order */
        size_t n_elements;
        size_t offset;            /* of the message in the batch */
};

struct batch {
        uint8_t *data;
        size_t size;
        size_t room;
        uint32_t first;           /* sequence number of the begin */
        uint32_t sequence;        /* the next one */
        struct message_origin *origins;
        size_t n_origins;
        struct element **lists;   /* made for element messages; what they point to is borrowed */
        size_t n_lists;
        bool failed; /* memory */
};

void batch_done(struct batch *b);
/* Begin and end; @generation is the ruleset's generation id the batch is based on (0: whatever it is). */
void batch_begin(struct batch *b, uint32_t generation);
void batch_end(struct batch *b);
/* A message header to fill; room for BATCH_MESSAGE_MAX bytes. NULL when memory is out. Close with batch_close. */
enum { BATCH_MESSAGE_MAX = 96 * 1024 };
struct nlmsghdr *batch_open(struct batch *b, uint16_t type, uint16_t family, uint16_t flags, const struct message_origin *origin);
void batch_close(struct batch *b, struct nlmsghdr *m);

/* @want in the place of @have, which is what the kernel has; NULL: it has no such table. */
void batch_replace_table(struct batch *b, const struct table *have, const struct table *want);
/* The parts: the table itself, a chain without its rules, a set without elements, the rules of a chain. */
void batch_add_table(struct batch *b, const struct table *t);
void batch_add_chain(struct batch *b, int family, const struct chain *c);
void batch_add_set(struct batch *b, int family, const struct set *s, uint32_t id);
void batch_add_rules(struct batch *b, int family, const struct chain *c);
/* Rules before those the chain has, in their order; one rule out of it. */
void batch_insert_rules(struct batch *b, int family, const struct chain *c);
void batch_delete_rule(struct batch *b, int family, const char *chain, uint64_t handle);
void batch_delete_table(struct batch *b, int family);
/* Elements of @s into or out of the kernel's set of that name. */
void batch_elements(struct batch *b, int family, const struct set *s, bool add);

#define _cleanup_batch_ CLEANUP(batch_done)
