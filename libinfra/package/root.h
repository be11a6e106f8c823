/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files of a guest, opened from the host. The guest's root may be hostile: every path is resolved by
 * openat2(RESOLVE_IN_ROOT), so links, also absolute ones and "..", end inside the root; only regular files
 * are read; what is written gets the owner it had (unprivileged containers have shifted ids).
 */

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

/* The root directory itself. A descriptor or a negative errno. */
int root_open(const char *rootfs, infra_error **reterr);
/* A regular file beneath the root; -ENOENT without an error message when there is none. */
int root_read(int root, const char *path, size_t max, char **ret);
/*
 * Replaces NAME in an opened directory durably (new file, fsync, rename, fsync of the directory). Mode and
 * owner come from @like when that exists in the directory, else 0644 and the directory's owner.
 */
int root_replace(int dirfd, const char *name, const char *like, const char *text);
