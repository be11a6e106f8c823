/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A ruleset as JSON, whole and without loss, for firewall generations. What is zero, false or empty is left out;
 * bytes are hexadecimal without the zeros at their end. Rules and elements carry `nft`, the line as nft writes it: that
 * is for people, and not read. Places in the policy are in the comments; spans are not kept.
 */

#include "base/json.h"
#include "firewall/ruleset.h"

/* A new object; NULL when memory is out. */
json_t *ruleset_encode(const struct ruleset *r);
/* -EBADMSG on a key, word or value that is not known, or does not fit. */
int ruleset_decode(const json_t *j, struct ruleset **ret, infra_error **reterr);
