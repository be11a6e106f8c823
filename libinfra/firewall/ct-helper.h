/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Helpers of connection tracking. A rule that gives a connection one names an object of the table. What that object is stands
 * in its name, "ftp-tcp-4": helper, protocol, family; so a ruleset needs no list of them, and whoever reads a rule knows.
 */

#include "firewall/ruleset.h"

struct batch;
struct str;
struct nftnl_obj;

struct helper {
        char name[16];
        uint8_t protocol;
        uint16_t family; /* NFPROTO_IPV4, NFPROTO_IPV6 */
};

/* False: the name is of no helper. */
bool helper_parse(const char *name, struct helper *ret);
/* The name of the @n-th that rules of the table give, each once; NULL behind the last. It is the table's. */
const char *table_helper(const struct table *t, size_t n);
bool table_has_helper(const struct table *t, const char *name);

void batch_add_helpers(struct batch *b, const struct table *t);
/* Of those that @have has and @want has not. */
void batch_delete_helpers(struct batch *b, const struct table *have, const struct table *want);
/* Whether the kernel's object is one that a rule of the table gives, and is what its name says. */
bool helper_is_ours(const struct table *t, struct nftnl_obj *o);
void text_helpers(struct str *s, const struct table *t);
