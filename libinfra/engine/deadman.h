/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The dead-man: a process that puts the old ruleset back unless somebody confirms the new one. It is there before the
 * new one is loaded, belongs to nobody, has what it needs in memory, and ends as soon as `pending` is gone. When the host
 * goes down it does not wait. What the kernel does not take any more it replaces by the rescue ruleset.
 */

#include "engine/generation.h"

/*
 * Forks it. @previous NULL: there was no ruleset of ours. @p is written to `pending` already: without that it would end
 * at once; guard and guard_identity are filled in.
 */
int deadman_start(int dir, struct pending *p, const struct ruleset *previous, infra_error **reterr);
