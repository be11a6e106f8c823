/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The expressions of one rule from the kernel, walked with what the last loads put into the registers. Each take_
 * function reads what it knows and steps behind it; false: not understood.
 */

#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "base/str.h"
#include "firewall/ruleset.h"

enum {
        WALK_REGISTERS = 4, /* whole ones: NFT_REG_1 .. NFT_REG_4 */
        WALK_MAX = 64,      /* expressions of a rule; the kernel has a limit of 128 */
};

struct walk {
        struct nftnl_expr *list[WALK_MAX];
        size_t n, at;
        struct nftnl_expr *e; /* list[at], or NULL at the end */
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        uint8_t masks[RULESET_FIELDS_MAX][16]; /* of fields that a dynamic set counts by; otherwise zero */
        uint8_t values[WALK_REGISTERS][16]; /* immediate ones */
};

bool walk_is(const struct walk *w, const char *name);
/* The expression @ahead steps on; NULL behind the end. */
struct nftnl_expr *walk_peek(const struct walk *w, size_t ahead);
void walk_step(struct walk *w);
bool walk_data(uint8_t to[static 16], struct nftnl_expr *e, uint16_t attribute);
/* The value that an immediate put into a whole register; NULL: no such register. */
const uint8_t *walk_value(const struct walk *w, uint32_t reg);

/* decode-match.c: loads into consecutive registers; what is compared with them. */
bool take_loads(struct walk *w);
bool take_match(struct walk *w, struct rule *r);

/* decode-statement.c: a statement that begins here; one that takes what was loaded. */
bool starts_statement(const struct walk *w);
bool take_statement(struct walk *w, struct rule *r);
/* A header's byte read, masked and written back. */
bool starts_header(const struct walk *w);
bool take_header(struct walk *w, struct rule *r);
bool takes_loaded(const struct walk *w);
bool take_loaded(struct walk *w, struct rule *r);

/* decode-verdict.c */
bool starts_verdict(const struct walk *w);
bool take_verdict(struct walk *w, struct rule *r);
/* A lookup that gives something: a verdict, or what the following translation needs. */
bool take_map(struct walk *w, struct rule *r);
