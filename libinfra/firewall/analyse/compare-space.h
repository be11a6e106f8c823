/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The packets two rulesets are compared over: which bit of which field is which level of the diagrams, and what can
 * become of a packet. Of one address family at a time.
 *
 * Addresses, protocol, ports and numbers are their bits, first bit first. Names (interfaces, helpers) are numbers of a
 * list of all names either ruleset mentions, one of each prefix, and one that nothing matches. The state is one of five
 * bits. The first four bytes of the transport header are shared by ports and ICMP, as they are in packets.
 */

#include "firewall/analyse/compare.h"
#include "firewall/analyse/diagram.h"

/* Byte strings with numbers; the same string has the same number. */
struct pool {
        char **items;
        size_t *lengths;
        size_t n_items, n_lengths;
        uint32_t *slots;
        size_t n_slots;
};
/* UINT32_MAX when memory is out. */
uint32_t pool_put(struct pool *p, const void *bytes, size_t length);
void pool_done(struct pool *p);

/* Names of interfaces and helpers: number 0 is "" (none), the last is one that nothing matches. */
struct names {
        char (*items)[16];
        size_t n;
        unsigned bits;
};
int names_collect(struct names *n, const struct ruleset *a, const struct ruleset *b);

enum end_kind {
        END_FALL,    /* on to the next rule */
        END_RETURN,  /* out of this chain */
        END_ACCEPT,
        END_BOUND,   /* accepted with an address translation: no other is asked for at this hook */
        END_DROP,
        END_REJECT,
        END_QUEUE,
        END_UNKNOWN, /* `argument`: why, in `texts` */
        END_PAIR,    /* of both sides: `argument` and `change` are the two leaves */
};

/* A leaf: what becomes of a packet and (`change`) what it has become by then. */
struct end {
        uint32_t kind, argument, change;
};

/* Bits that are not what they were: each is a function of the bits before. */
struct move {
        uint32_t level;
        fn to;
};

enum { CHANGE_NONE = 0 };

struct space {
        struct diagram d;
        int family;
        bool bridge;              /* of table bridge: NFPROTO is another */
        const struct names *names;
        uint32_t base[FIELD_MAX]; /* level of the first bit */
        unsigned bits[FIELD_MAX]; /* 0: no packet of the family has it */
        uint32_t levels;
        uint32_t field_levels;    /* of fields; those behind are of atoms */
        fn possible;              /* what is known of atoms */
        struct pool texts, ends, changes, atoms;
        uint32_t *atom_levels;
        size_t n_atom_levels;
        bool failed;              /* out of memory, other than of nodes */
};

int space_init(struct space *s, int family, const struct names *names, size_t memory);
void space_done(struct space *s);

/* Levels of @count bits that stand for @text; new ones when it is the first time. */
uint32_t space_atom(struct space *s, const char *text, unsigned count);
/* The atom at that level, or NULL when it is a field's. */
const char *space_atom_at(const struct space *s, uint32_t level);
/* That the number at these levels is first .. last. */
void space_suppose(struct space *s, uint32_t level, unsigned width, const uint8_t *first, const uint8_t *last);
/* Levels that only outcomes have: the field as it was when the packet was routed. */
uint32_t space_routed(struct space *s, enum field f);
/* And one that says that the largest segment is what the way allows at most. */
uint32_t space_segment(struct space *s);
/* The function that is bit @i of the field, first bit first. */
fn space_bit(struct space *s, enum field f, unsigned i);
unsigned space_width(const struct space *s, enum field f); /* bits; of names: of their number */
bool field_is_name(enum field f);
/* Fields with bits of their own, in the order of their levels, and how many levels each has. */
const enum field *space_order(size_t *ret_n);
unsigned space_room(const struct space *s, enum field f);
/* The bit of FIELD_CT_STATE that the n-th of its levels is; 0 behind the last. */
uint32_t space_state(size_t n);
/*
 * @then where the value is first .. last, both as matches have them (names by their bytes), else @other. Quick when neither
 * looks at this field or one before it.
 */
fn space_range(struct space *s, enum field f, const uint8_t *first, const uint8_t *last, fn then, fn other);
/* The same where it is @value where @mask has bits. */
fn space_bits(struct space *s, enum field f, const uint8_t *value, const uint8_t *mask, fn then, fn other);
/* All packets that take that way. */
fn space_packets(struct space *s, enum path path);
/* The field's bytes with the first bit first, whatever this machine's order is. */
void space_wire(enum field f, const uint8_t *value, uint8_t wire[static 16]);
/* The n-th name (numbers behind the last mean the last). */
const char *space_name(const struct space *s, size_t n);

fn end_leaf(struct space *s, enum end_kind kind, uint32_t argument, uint32_t change);
fn end_unknown(struct space *s, const char *format, ...) PRINTF_LIKE(2, 3);
struct end end_of(const struct space *s, fn leaf);

/* The change that @moves (any order, each level once) are. */
uint32_t change_of(struct space *s, struct move *moves, size_t n);
const struct move *change_moves(const struct space *s, uint32_t change, size_t *ret_n);
/* What the bit at that level is after @change. */
fn change_bit(struct space *s, uint32_t change, uint32_t level);
/* First @first, then @second. */
uint32_t change_then(struct space *s, uint32_t first, uint32_t second);

enum { WAYS = PATH_SWITCHED + 1 };

enum aspect { ASPECT_ALL, ASPECT_SOURCE, ASPECT_OTHER };
/* Without what is no part of that aspect of an outcome. */
uint32_t change_keep(struct space *s, uint32_t change, enum aspect aspect);

/* @f asked about a packet after @change; what its leaves change comes on top of @leaves. */
fn space_after(struct space *s, fn f, uint32_t change, uint32_t leaves);
/* Where @f has an end of @kind, @next goes on with the packet as it is by then; @aspect of it is kept. */
fn space_then(struct space *s, fn f, enum end_kind kind, fn next, enum aspect aspect);
