/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of bases and write-sets. */

#include "storage/side.h"

/* Where a base is or will be: a snapshot of a generation's tree, or a manifest. Allocated. */
char *base_path(const struct storage *s, const char *container, const char *tag);
/*
 * Makes a base that is a manifest agree with @clone, a tree copied after it while the original served: what was written in
 * between is in the clone, is not the clone's own doing, and counts as written by the original.
 */
int base_agree(struct storage *s, const char *container, const char *tag, const char *clone, infra_error **reterr);
/* Where a generation's tree is; allocated. */
int generation_tree(struct storage *s, const char *container, unsigned number, char **ret, infra_error **reterr);

/* Makes the paths of the set in directory @to what they are in @from. */
int carry_between(const char *from, const char *to, const struct write_set *set, infra_error **reterr);

/* @same_inodes: an entry that was not touched has its inode and time of change still. Directories' times never count. */
bool entry_equal(const struct entry *a, const struct entry *b, bool same_inodes);
/* @touched: only these paths and what came or went in them; NULL: everything. @skip may be NULL. */
int write_set_find(const struct side *was, const struct side *now, const struct strlist *touched, const struct strlist *skip,
                   bool same_inodes, struct write_set *ret, infra_error **reterr);
