/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a filesystem must be able to do for us. Generations, volumes, snapshots and their crash safety are
 * written once above this table; a backend only knows single trees by absolute path. No function here has to
 * be atomic: callers give names beginning with ".new-" or ".del-" and rename.
 */

#include "base/str.h"
#include "storage/storage.h"

struct backend {
        /* Whether the filesystem at s->path will do. */
        int (*check)(const struct storage *s, infra_error **reterr);
        /* An empty tree; @path does not exist. */
        int (*tree_make)(const struct storage *s, const char *path, infra_error **reterr);
        /* A writable clone of @from at @to, which does not exist. */
        int (*tree_clone)(const struct storage *s, const char *from, const char *to, infra_error **reterr);
        /* Makes the tree read-only where the filesystem can; it stays renamable within its directory. */
        int (*tree_seal)(const struct storage *s, const char *path, infra_error **reterr);
        int (*tree_delete)(const struct storage *s, const char *path, infra_error **reterr);
        /* Everything written below @path is on disk on return. */
        int (*sync)(const char *path, infra_error **reterr);
        int (*space)(const char *path, uint64_t *ret_free, uint64_t *ret_total, infra_error **reterr);
        /*
         * Paths below @below ("/rootfs", or "" for the whole tree) of @tree whose inodes were touched since its clone
         * @base was made, as the guest sees them; directories among them, whose names are then compared. -EOPNOTSUPP
         * when these two trees do not tell; -EXDEV when one is a clone of the other, inodes and all, but has to be walked.
         * NULL: this filesystem never does.
         */
        int (*touched)(const char *base, const char *tree, const char *below, struct strlist *ret, infra_error **reterr);
        /* Whether a clone shares the blocks of its source. */
        bool (*shares)(const struct storage *s);
};

extern const struct backend backend_btrfs;
extern const struct backend backend_dir;

struct storage {
        const struct backend *backend;
        char *path;
        storage_progress progress;
        void *userdata;
};
