/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Located diagnostics, the inside of infra/diag.h. A diagnostic copies all it shows: it outlives the source. */

#include <infra/diag.h>

#include "base/macro.h"

/* A place in a policy file; file is owned by the estate (or source) that hands the span out. line 0 = none. */
struct span {
        const char *file;
        unsigned line;
        unsigned column;
        unsigned length; /* columns the caret underlines; 0 counts as 1 */
};

struct diag {
        char *file;
        unsigned line;
        unsigned column;
        unsigned length;
        char *text; /* the source line, or NULL */
        char *message;
        char *hint; /* how to mend it, or NULL */
};

struct infra_diags {
        struct diag *items;
        size_t n;
};

/*
 * Adds a diagnostic; @text is the source line (may be NULL), @hint may be NULL. Returns 0 or -ENOMEM.
 */
int diags_add(infra_diags *d, const struct span *span, const char *text, const char *hint, const char *format, ...)
        PRINTF_LIKE(5, 6);

/* Sorts by file, line, column; the order of equal places stays. */
void diags_sort(infra_diags *d);

DEFINE_CLEANUP(infra_diags *, infra_diags_free);
#define _cleanup_diags_ CLEANUP(infra_diags_freep)
