/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a kept file comes into the directory of a depot, once for all who want it. */

#include "package/depot-answer.h"
#include "package/depot-cache.h"

enum depot_find {
        DEPOT_WHOLE,   /* is kept */
        DEPOT_GROWING, /* somebody is fetching it */
        DEPOT_FAILED,  /* somebody tried while we waited: status and reason are in the head */
        DEPOT_OURS,    /* a claimed part, to be fetched by the caller */
};

/* Which of them, waiting while another asks upstream; the head (not of ours) and the descriptor. Or -errno. */
int depot_find(const struct depot *d, const char *url, struct cache_head *ret, int *ret_fd);

/*
 * Fills a claimed part from @u in a thread of its own; takes both on success, and gives the head and a descriptor
 * to follow it. On failure (-EFBIG also without a length, -ENOSPC, ...) nothing of @u is read: it can be passed on.
 */
int depot_fetch_start(struct depot *d, const char *url, int part, struct upstream *u, struct cache_head *ret,
                      int *ret_follow);

/* Waits a little; true: the depot is being stopped. */
bool depot_pause(const struct depot *d, int ms);
