/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A manifest: every entry of a tree as it was, a line each, for filesystems that cannot keep the tree itself for
 * nothing. Lines are sorted by path, compared as bytes with "/" before everything else, so that what is in a
 * directory follows it:
 *   mode uid gid device size modified changed inode attributes path [target]
 * Numbers are hexadecimal; in path and target everything outside of printable ASCII, and "\" and " ", is \xx.
 */

#include "storage/side.h"

int manifest_read(const char *file, struct manifest **ret, infra_error **reterr);
struct manifest *manifest_free(struct manifest *m);
int manifest_entry(const struct manifest *m, const char *path, struct entry *ret);
int manifest_names(const struct manifest *m, const char *path, struct strlist *ret);

/* What is at a name in an open directory, for side.c and the writer. */
int entry_read(int dirfd, const char *name, struct entry *ret);
