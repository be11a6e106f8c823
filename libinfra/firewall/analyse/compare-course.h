/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One side of a comparison: what its chains do with every packet, as one function. */

#include "firewall/analyse/compare-space.h"

struct chain_course {
        fn f;
        bool known, busy;
        bool changes; /* some packet goes on changed */
};

struct set_course {
        const void *set;
        enum field fields[RULESET_FIELDS_MAX];
        unsigned table;
        fn f;
};

struct course {
        struct space *space;
        const struct ruleset *ruleset;
        struct strlist *assumed;
        struct chain_course *chains[RULESET_TABLES];
        struct set_course *sets;
        size_t n_sets;
        struct pool limits; /* texts of limits met, each with how often, which keeps those of one text apart */
        size_t *limits_met;
        size_t n_limits_met;
        struct pool meters; /* names of sets that limits count in, each with how many do */
        size_t *meters_met;
        size_t n_meters_met;
        bool routed;        /* marks are set before routing and behind it: that of routing is an outcome of its own */
        bool fib_later;     /* something behind prerouting's translation asks for the type of the destination */
};

int course_init(struct course *c, struct space *s, const struct ruleset *r, struct strlist *assumed);
void course_done(struct course *c);
/* Whether rules of the ruleset set a mark or class of service before routing decides, and whether behind it. */
void course_marks(const struct ruleset *r, bool *ret_before, bool *ret_behind);

/* Ends of all packets on that way, as the packet was when it came. */
fn course_path(struct course *c, enum path path, enum aspect aspect);

/* compare-match.c: packets that have the field at all: of a packet without a connection nothing of one is asked or set. */
fn course_has(struct course *c, enum field f);
/* Whether no packet here can fulfil one of the rule's matches alone: it is of another family. */
bool course_never(struct course *c, unsigned table, const struct rule *r);
/* FN_TRUE, or why one of its matches is not understood: END_UNKNOWN. */
fn course_unknown(struct course *c, unsigned table, const struct rule *r);
/* @then for packets for which all matches hold, which are understood, else @other. */
fn course_matches(struct course *c, unsigned table, const struct rule *r, fn then, fn other);
/* What the map says; where it says nothing, END_FALL. @leaf makes the leaf of an element. */
typedef fn (*element_leaf)(struct course *c, unsigned table, const struct verdict *v, const struct set *s, const struct element *e);
fn course_map(struct course *c, unsigned table, const struct verdict *v, element_leaf leaf);

/* compare-verdict.c */
fn course_chain(struct course *c, unsigned table, const struct chain *chain);
fn course_rule(struct course *c, unsigned table, const struct chain *chain, const struct rule *r, bool *ret_changes);
fn course_translation(struct course *c, const struct verdict *v);
fn course_element_translation(struct course *c, unsigned table, const struct verdict *v, const struct set *s, const struct element *e);
int course_assume(struct course *c, const char *format, ...) PRINTF_LIKE(2, 3);
/* Where a rule stands, for people: its comment, else its place in the chain. */
const char *course_place(const struct chain *chain, const struct rule *r, char buffer[static 192]);

/* compare-statement.c: one line that says all of the statement that matters. */
char *statement_line(const struct statement *s);

/* compare-assume.c: what is left out, into `assumed`; what cannot be, into `reasons`. */
int compare_assumptions(const struct ruleset *a, const struct ruleset *b, struct comparison *to);
