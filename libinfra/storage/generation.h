/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of the list of generations: what changes them shares with what reads them. */

#include "storage/storage.h"

void generation_done(struct generation *g);
/* One reading of all identities, no second try when a deletion is caught half-way. */
int generations_read(const struct storage *s, const char *container, struct generations *ret, infra_error **reterr);
/* Gives every tree below generations/ the name of its number, whatever crash left it under another. */
int generations_rename(const struct storage *s, const char *container, struct generations *g, infra_error **reterr);
