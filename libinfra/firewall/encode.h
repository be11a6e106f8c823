/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What encoding and decoding share about the kernel's numbers, and the parts of encoding: encode.c (tables, chains,
 * sets), encode-match.c, encode-statement.c, encode-verdict.c (a rule's expressions). False: memory.
 */

#include "firewall/ruleset.h"

struct nftnl_rule;
struct nftnl_expr;

uint32_t register_of(unsigned word);
uint32_t set_key_type(const struct set *s);
uint32_t set_flags(const struct set *s);
/* The rule as the kernel writes it back. */
bool encode_expressions(struct nftnl_rule *r, const struct rule *from);

bool encode_append(struct nftnl_rule *r, struct nftnl_expr *e);
bool encode_load(struct nftnl_rule *r, enum field f, uint32_t reg);
/* Concatenated, from the first register on. */
bool encode_loads(struct nftnl_rule *r, const enum field *fields, size_t n);
/* Comparisons and masks of the first register. */
bool encode_compare(struct nftnl_rule *r, uint32_t op, const void *value, unsigned size);
bool encode_mask(struct nftnl_rule *r, const void *mask, const void *xor, unsigned size);
/* A mask of any register. */
bool encode_mask_at(struct nftnl_rule *r, uint32_t reg, const void *mask, const void *xor, unsigned size);
/* A number in this machine's order becomes one that compares byte by byte. */
bool encode_order(struct nftnl_rule *r, unsigned size);
bool encode_immediate(struct nftnl_rule *r, uint32_t reg, const void *value, unsigned size);
/* @dreg: register of what the map gives, NFT_REG_VERDICT for a verdict; UINT32_MAX for a set. */
bool encode_lookup(struct nftnl_rule *r, const char *set, uint32_t dreg, bool negated);
bool encode_match(struct nftnl_rule *r, const struct match *m);
bool encode_statement(struct nftnl_rule *r, const struct statement *s);
bool encode_verdict(struct nftnl_rule *r, const struct verdict *v);
/* How many bytes of an interface's name are compared: all, or those before the "*". */
unsigned match_name_size(const struct match *m);
