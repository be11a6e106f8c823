/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Closed fences. Who is fenced stands in the sets fenced4 and fenced6 of both tables; what that means in the chains
 * fence_in, fence_out and fence_host, which are always there. The rules that jump to them stand first in their chains, but
 * only while somebody is fenced: the rest of the time no packet pays for them.
 */

#include "firewall/ruleset.h"

/* The jumps of chain @name of a table of that family into @ret, which is empty; most chains have none. 0 or -ENOMEM. */
int fence_jumps(int family, const char *name, struct chain *ret);
/* How many of the first rules of @c are its jumps, all of them: otherwise 0. Or -ENOMEM. */
int fence_jumps_standing(int family, const struct chain *c);
/* Whether anybody is in the sets of a table. */
bool fence_is_closed(const struct table *t);
/* Takes the jumps out of a ruleset that was read: they are of the moment. 0 or -ENOMEM. */
int fence_forget(struct ruleset *r);
