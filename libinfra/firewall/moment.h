/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rules of the moment: what leads to closed fences, and what drops the banned. Who is meant stands in sets that are filled at
 * run time (fenced4, banned4 and so on); the rules that look into them stand first in their chains, but only while there is
 * somebody in a set: the rest of the time no packet pays for them. They are part of no compiled ruleset and of no generation.
 */

#include "base/error.h"
#include "firewall/ruleset.h"

struct batch;
struct firewall;

/* Those of chain @name of a table of that family into @ret, which is empty; most chains have none. 0 or -ENOMEM. */
int moment_rules(int family, const char *name, struct chain *ret);
/* How many of the first rules of @c, as the kernel has them, are these: all of them or 0. Or -ENOMEM. */
int moment_standing(int family, const struct chain *c);
/* Whether that chain must have them: somebody is in a set of @t that they look into. */
bool moment_wanted(const struct table *t, const char *name);
/* Whether @t has those sets at all: the rescue ruleset has not. */
bool moment_known(const struct table *t, const char *name);
/* Takes them out of a ruleset that was read. 0 or -ENOMEM. */
int moment_forget(struct ruleset *r);
/* Into the batch what puts them first in their chain in the kernel (@wanted), or out of it; nothing where it is so. */
int moment_change(struct firewall *f, struct batch *b, int family, const char *name, bool wanted, infra_error **reterr);
/* The same for a table whose rules are all exchanged: before @c has any. */
void batch_moment(struct batch *b, int family, const char *name);
