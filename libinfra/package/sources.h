/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * apt's source files as texts: old text in, text for the wanted release out. Knows no files.
 * sources.list(5): one-line entries (*.list) and deb822 stanzas (*.sources).
 *
 * For every active entry of either form: Debian's own gets the suite of the release, the policy's mirror
 * and, from bookworm on, non-free-firmware beside non-free; what is not Debian's, or has no counterpart in
 * the release, is disabled with a note that says so. Comments, options, order and everything else stay.
 * The result of a result is itself.
 */

#include <stdbool.h>

#include "package/edits.h"
#include "package/package.h"

/* Everything a note of ours begins with; documented for people who look for it. */
#define SOURCES_NOTE "# infra: "

/* A word of a source file. */
struct token {
        size_t at;
        size_t length;
};

/* New text, allocated; ret_debian: whether it has an active entry of the release itself. 0 or -ENOMEM. */
int sources_rewrite_lines(const char *text, const struct package_sources *to, char **ret_text, bool *ret_debian);
int sources_rewrite_stanzas(const char *text, const struct package_sources *to, char **ret_text, bool *ret_debian);

/* What to write when a root has no Debian entry of its own. */
int sources_default(const struct package_sources *to, char **ret_text);

char *token_text(const char *text, const struct token *t);
bool token_is(const char *text, const struct token *t, const char *word);
/* The index of @word among tokens, or -ENOENT. */
int tokens_find(const char *text, const struct token *tokens, size_t n, const char *word);
/* Adds non-free-firmware behind non-free where the release needs it. */
void components_extend(const char *text, const struct token *tokens, size_t n, const char *release, struct edits *e);
