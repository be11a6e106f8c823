/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A depot: an HTTP/1.1 forward proxy for apt ("Acquire::http::Proxy"), which a guest without a network of its
 * own has as its only way out. It asks the origins it was given and nothing else.
 *
 * What never changes beneath an archive (paths with /pool/ or /by-hash/) is kept in a directory and fetched
 * once, also when guests of several depots and processes ask for it at the same moment: they all follow the one
 * fetch while it grows, and it goes on when the guest that caused it has gone. A failed fetch is the same answer
 * for all who wait for it. The directory only grows: any file of it may be removed by anybody at any time. What
 * cannot be kept (a full disk, no length) is served all the same. Everything else (InRelease, Packages) is fetched
 * anew each time, with the client's If-Modified-Since and If-None-Match.
 *
 * A client never takes a part for the whole: the length is said beforehand or the answer is chunked, and when
 * upstream breaks off, so does the connection. Range is ignored, as HTTP allows: the answer is the whole file.
 *
 * Answers other than files are a sentence of plain text:
 *   403  not beneath an origin, or an address that could be read in two ways
 *   405  neither GET nor HEAD
 *   414  a longer address than is known in any archive
 *   502  upstream cannot be reached, broke off before it began, or said something that makes no sense
 *   503  the depot is being stopped
 * and 304 and every status from 400 as upstream gave it (but 407, which is about our proxy: 502).
 */

#include <stdint.h>

#include "base/error.h"

struct depot;

struct depot_options {
        const char *directory;      /* of the kept files; made with mode 0700 if missing; depots may share it */
        const char *proxy;          /* upstream proxy ("http://10.0.0.201:3128"), or NULL; none of our environment */
        const char *const *origins; /* what may be asked for ("http://deb.debian.org/debian"), NULL-terminated */
};

/*
 * Serves on @listener, a listening TCP socket of whichever network namespace: it stays the caller's (a duplicate
 * is used), becomes non-blocking, and is still listening after depot_free. The threads that fetch are made in here
 * or by those made in here, so they stay in the network namespace that the calling thread is in now; they take no
 * signals. @o is copied. Temporary files that killed processes left in the directory are removed.
 * -EINVAL: an origin that is no plain http:// or https:// prefix.
 */
int depot_start(int listener, const struct depot_options *o, struct depot **ret, infra_error **reterr);

struct depot_counts {
        uint64_t served;        /* requests that upstream or the directory has an answer to: a file, 304, 4xx of upstream */
        uint64_t fetched;       /* files that came from upstream, whole */
        uint64_t refused;       /* requests that are none of ours: 403, 405, 414 */
        uint64_t failed;        /* requests with another answer (5xx), and fetches that broke off after they began */
        uint64_t fetched_bytes; /* from upstream, also of what broke off later */
};
/* An answer counts when it begins, a fetch when it has ended. */
void depot_counts(struct depot *d, struct depot_counts *ret);

/* Breaks off what is under way and waits for the threads. NULL is fine; returns NULL. */
struct depot *depot_free(struct depot *d);

DEFINE_CLEANUP(struct depot *, depot_free);
#define _cleanup_depot_ CLEANUP(depot_freep)
