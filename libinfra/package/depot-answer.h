/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a depot says to an address it may ask. Runs in the thread of the client's connection and may wait there. */

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "package/depot-upstream.h"
#include "package/depot.h"

struct depot {
        int directory;
        int stop; /* an eventfd that becomes readable at the end */
        struct strlist origins;
        struct upstreams *upstreams;
        struct MHD_Daemon *daemon;
        pthread_mutex_t mutex;
        pthread_cond_t fetch_ended;
        unsigned n_fetches; /* threads that write kept files */
        _Atomic uint64_t served, fetched, refused, failed, fetched_bytes;
};

struct depot_request {
        char *url;
        bool known;  /* the headers were seen */
        bool head;
        bool keepable;
        bool chunks; /* the client speaks HTTP/1.1 */
};

/* An answer of one sentence. */
enum MHD_Result depot_say(struct MHD_Connection *c, unsigned status, const char *text);
enum MHD_Result depot_answer(struct depot *d, struct MHD_Connection *c, const struct depot_request *q);
