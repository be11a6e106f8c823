/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Changes to a text by offset, collected in any order and applied at once: whatever is not named by an edit
 * stays byte for byte as a person wrote it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct edit {
        size_t at;
        size_t length; /* of what goes away */
        char *text;    /* what comes instead */
        size_t order;  /* in which it was added */
};

struct edits {
        struct edit *items;
        size_t n;
        bool failed;
};

void edits_done(struct edits *e);
void edits_add(struct edits *e, size_t at, size_t length, const char *format, ...) PRINTF_LIKE(4, 5);
/* The new text, allocated; edits must not overlap. NULL when memory was out. */
char *edits_apply(struct edits *e, const char *text);

#define _cleanup_edits_ CLEANUP(edits_done)
