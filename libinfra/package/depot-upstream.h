/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a depot gets what it has not: one answer of an HTTP server, pulled by its reader. Connections are used
 * again by later requests. A transfer belongs to one thread at a time; the set of them may be used by all.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct upstream;  /* one transfer */
struct upstreams; /* the proxy, and transfers that have ended and keep their connection */

struct upstream_ask {
        const char *url;
        bool head;
        bool fresh;              /* caches on the way must ask again */
        const char *modified;    /* If-Modified-Since, or NULL */
        const char *none_match;  /* If-None-Match, or NULL */
};

/* @stop: a descriptor that becomes readable when all transfers are to end with -ECANCELED; stays the caller's. */
struct upstreams *upstreams_new(const char *proxy, int stop);
struct upstreams *upstreams_free(struct upstreams *all);

/* Asks, and waits until the status and the fields are known. -EIO with the reason, -ECANCELED. */
int upstream_open(struct upstreams *all, const struct upstream_ask *ask, struct upstream **ret, infra_error **reterr);
long upstream_status(const struct upstream *u);
/* What the server said, or -1. */
int64_t upstream_length(const struct upstream *u);
/* Without a length: whether the end of the body can be told from a connection that broke. */
bool upstream_chunked(struct upstream *u);
/* A field of the answer or NULL; until the next call. */
const char *upstream_field(struct upstream *u, const char *name);
/* Bytes of the body, 0 at its end, which is exactly where the server said. */
ssize_t upstream_read(struct upstream *u, void *buffer, size_t size, infra_error **reterr);
/* Bytes of the body that have come, and whether these are all. */
uint64_t upstream_received(const struct upstream *u);
bool upstream_complete(const struct upstream *u);
struct upstream *upstream_free(struct upstream *u);

DEFINE_CLEANUP(struct upstream *, upstream_free);
#define _cleanup_upstream_ CLEANUP(upstream_freep)
