/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

/*
 * Removes a directory tree. Never follows a link nor enters a mount, bind mounts of the same filesystem
 * included (-EBUSY); clears immutable and append-only flags; takes any depth; goes through nested btrfs
 * subvolumes. 0 when there is none.
 */
int tree_erase(const char *path, infra_error **reterr);
