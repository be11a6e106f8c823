/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From libnftnl's objects to the intermediate form. */

#include "firewall/ruleset.h"

struct nftnl_rule;

/* Appends the rule to the chain. 0 or -ENOMEM. */
int decode_rule(struct nftnl_rule *n, struct chain *c);
/* The comment in the user data of a rule or an element; NULL when there is none. */
char *decode_comment(const void *data, uint32_t size);
