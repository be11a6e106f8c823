/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "storage/backend.h"

/* See struct backend, touched. */
int btrfs_touched(const char *base, const char *tree, const char *below, struct strlist *ret, infra_error **reterr);
