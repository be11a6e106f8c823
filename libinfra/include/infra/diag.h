/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Located diagnostics: what a person got wrong in a policy file, with the place. A load collects all of
 * them; when there is one, nothing is loaded.
 */

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infra_diags infra_diags;

/** infra_diags_new: an empty list, to be freed with infra_diags_free(); NULL when memory is out. */
infra_diags *infra_diags_new(void);

/** infra_diags_free: takes NULL, returns NULL. */
infra_diags *infra_diags_free(infra_diags *d);

/** infra_diags_count: number of diagnostics, in file and line order after a load. */
size_t infra_diags_count(const infra_diags *d);

/**
 * infra_diags_at: the i-th diagnostic. The strings belong to @d. @ret_file may be handed out as "" when
 * the whole directory is meant; @ret_line and @ret_column count from 1, 0 = unknown; @ret_hint may be
 * NULL. Any ret_ parameter may be NULL. Returns 0 or -ENOENT.
 */
int infra_diags_at(const infra_diags *d, size_t i, const char **ret_file, unsigned *ret_line,
                   unsigned *ret_column, const char **ret_message, const char **ret_hint);

/**
 * infra_diags_print: every diagnostic as "file:line:col: error: message", the source line, a caret line
 * and the hint; the form compilers use, so that editors can jump.
 */
void infra_diags_print(const infra_diags *d, FILE *f);

#ifdef __cplusplus
}
#endif
