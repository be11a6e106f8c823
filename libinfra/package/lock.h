/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether somebody else works on the guest's packages: the record locks of dpkg and apt, read from the host
 * (the guest's processes lock the same inodes; no tool in the guest is needed). Never takes a lock.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* The lock file that is held by a process, or NULL; ret_pid as seen from here, 0 when it cannot be seen. */
const char *lock_holder(int root, pid_t *ret_pid);
/* Waits until nobody holds one; says on @transcript whom it waits for. -EBUSY when the deadline passes. */
int lock_wait(int root, int transcript, int64_t deadline, infra_error **reterr);
