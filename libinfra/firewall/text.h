/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of nft's language: values (text-value.c) and rules (text-rule.c), for text.c that writes rulesets. */

#include "base/str.h"
#include "firewall/ruleset.h"

void text_value(struct str *s, enum field f, const uint8_t *value);
/* An interface's name of which only @size bytes are given; below 16 with a "*" behind. */
void text_name(struct str *s, const uint8_t *value, unsigned size);
/* Bits of a field that have a name of their own, such as "frag more-fragments 1"; false: the match is of no such. */
bool text_part(struct str *s, const struct match *m);
/* Every bit of the mask that has a name, joined; the rest as a number. */
void text_bits(struct str *s, enum field f, const uint8_t *mask, const char *joint);
/* Fields of a concatenation. */
void text_fields(struct str *s, const enum field *fields, size_t n);
/* How many bits from the first on are set. */
unsigned text_prefix(const uint8_t *mask, unsigned size);
