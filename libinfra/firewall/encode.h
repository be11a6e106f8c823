/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What encoding and decoding share about the kernel's numbers. */

#include "firewall/ruleset.h"

struct nftnl_rule;

uint32_t register_of(unsigned word);
uint32_t set_key_type(const struct set *s);
uint32_t set_flags(const struct set *s);
/* The rule as the kernel writes it back. False: memory. */
bool encode_expressions(struct nftnl_rule *r, const struct rule *from);
