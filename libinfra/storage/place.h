/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and durable moves below the storage's path. */

#include "base/str.h"
#include "storage/backend.h"

enum {
        TAG_LENGTH_MAX = 128,
        STORAGE_MODE = 0711, /* the mapped root of an unprivileged guest must be able to pass through */
        SNAPSHOTS_MODE = 0700,
};

#define BUILD_PREFIX ".new-"
#define DELETE_PREFIX ".del-"

/*
 * A volume's path as one file name, injective: "/" becomes "-", everything outside [A-Za-z0-9:_.] and a
 * leading "." become "%XX" ("/a-b/c" -> "a%2db-c", "/a/b-c" -> "a-b%2dc"). Allocated; NULL when memory is out.
 */
char *volume_escape(const char *volume);

/* -EINVAL unless the text can be one file name of ours (containers, tags). */
int place_name_check(const char *what, const char *name, infra_error **reterr);
/* Names in a directory, sorted, without "." and ".."; none when it does not exist. */
int place_entries(const char *directory, struct strlist *ret, infra_error **reterr);
/* renameat2 with @flags, then fsync of both directories. */
int place_move(const char *from, const char *to, unsigned flags, infra_error **reterr);
/* fsync of the directory that holds @path. */
int place_sync_parent(const char *path, infra_error **reterr);
/* mkdir -p that is on disk on return. */
int place_make(const char *path, mode_t mode, infra_error **reterr);

/*
 * flock (LOCK_EX, LOCK_SH) on a directory; the lock goes with the descriptor, so also with the process. -EBUSY when
 * it is held for longer than a moment. No directory: 0 and *ret_fd stays.
 */
int place_lock(const char *directory, int operation, int *ret_fd, infra_error **reterr);

/* Deletes a tree that is out of use; -EBUSY, nothing deleted, when something is mounted inside. 0 when gone. */
int tree_discard(const struct storage *s, const char *path, infra_error **reterr);
/* The same for one in use: renamed to ".del-NAME" first, so that a half-deleted tree has no name. */
int tree_retire(const struct storage *s, const char *path, infra_error **reterr);
/* Deletes what crashed calls left in a directory: ".new-*" and ".del-*". */
int place_tidy(const struct storage *s, const char *directory, infra_error **reterr);
