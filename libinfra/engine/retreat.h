/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel gets when a generation is to be loaded in any case: that one, or the nearest to it that it takes. */

#include "base/str.h"
#include "engine/generation.h"

enum boot_kind {
        BOOT_CONFIRMED,
        BOOT_RESCUE,  /* of the estate */
        BOOT_BUILTIN, /* ssh from everywhere */
        BOOT_KIND_MAX,
};

/* @ruleset, or, NULL, none of ours. */
int retreat_load(const struct ruleset *ruleset, infra_error **reterr);
/* An enum boot_kind. @number 0: none is confirmed. @dir may be -1. @notes: why it is not the generation. */
int retreat_load_best(int dir, unsigned number, struct str *notes, infra_error **reterr);
/*
 * Back from @p, with the lock held: loads what was before it, writes the outcome, forgets @p. Where no ruleset of ours was
 * before it there is none again, unless the host was rebooted since.
 */
int retreat(int dir, const struct pending *p, bool same_boot, const char *why, infra_error **reterr);
