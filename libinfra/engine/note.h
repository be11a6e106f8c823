/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a step's beginning or end means beyond itself, written into the journal. */

#include "journal/journal.h"
#include "plan/plan.h"

/*
 * Outages: closed from the intent on (the fence may be closed at any instant after), open when that is verified.
 * @data is what the worker answered, or NULL at the beginning.
 */
int note_fence(struct journal *j, int64_t run, const struct step *s, bool undo, const char *data, infra_error **reterr);
/* What went out of use is kept for a time from now on: the old one by a commit, the new one by a way back. */
int note_kept(struct journal *j, int64_t run, const struct plan *p, const struct step *s, bool undo, infra_error **reterr);
