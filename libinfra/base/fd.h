/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files by directory descriptor, everything CLOEXEC, one way to replace a file durably. */

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* A whole file as a NUL-terminated text; -EFBIG when longer than @max. ret_size may be NULL. */
int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);
int fd_write_all(int fd, const void *data, size_t size);
/* write to a temporary name, fsync, rename, fsync the directory: afterwards the file is old or new. */
int file_replace(int dirfd, const char *path, const void *data, size_t size, mode_t mode);
/* mkdir -p; existing directories are kept as they are. */
int dir_make(int dirfd, const char *path, mode_t mode);
int dir_sync(int dirfd, const char *path);
bool path_exists(int dirfd, const char *path);
/*
 * A path beneath the root of a guest, relative to it or absolute; @flags as for open (CLOEXEC is added). Links,
 * also absolute ones and "..", end inside the root. A descriptor or a negative errno.
 */
int root_openat(int root, const char *path, int flags);
/* Where such a path really is, seen from the host; allocated. The guest may move it afterwards. */
int root_resolve(const char *root, const char *path, char **ret);
/* Removes a tree, staying on one filesystem and not following links; 0 when there is none. */
int tree_remove(int dirfd, const char *path);
/* asprintf that returns the text, NULL when memory is out. */
char *path_join(const char *format, ...) PRINTF_LIKE(1, 2);
