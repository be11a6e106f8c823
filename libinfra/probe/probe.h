/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Probes: a check of a service as a client would use it. struct probe (what to ask) is estate/estate.h's.
 *
 * tcp    a connection comes about
 * smtp   banner 220, EHLO answered by 250, QUIT
 * http   GET of the path with Host: host_header or the container's name; status 2xx or 3xx, and `expect` in
 *        the first MB of the body. Redirections are not followed.
 * https  the same over TLS. The certificate is NOT verified: this asks whether the site serves; checking
 *        chain and expiry is a probe of its own.
 * exec   a command in the container ends with 0, and `expect` is in its output
 * none   always passes ("not probed")
 *
 * A refused or reset connection, silence and a wrong answer are "fail". What this machine lacks (memory,
 * descriptors, a route to the host) or cannot run (no such program) is "unknown".
 *
 * Threads: no state of its own. libcurl initialises itself on first use, which is safe in threads with the
 * libcurl of Debian 12 and later; a program that wants to be sure calls curl_global_init() once at its start.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "estate/estate.h"

enum probe_verdict {
        PROBE_UNKNOWN, /* could not be asked (no such program, no route from here) */
        PROBE_PASS,
        PROBE_FAIL,
        PROBE_VERDICT_MAX,
};
const char *probe_verdict_name(enum probe_verdict v);
int probe_verdict_parse(const char *s);

struct probe_result {
        enum probe_verdict verdict;
        int64_t duration_ms;
        char *detail; /* one line: what was answered or why it failed */
};
void probe_result_done(struct probe_result *r);

struct probe_target {
        const char *name;       /* of the container, for Host and messages */
        struct address address; /* family 0 with exec */
        uint16_t port;
        /* exec: how to run a command in the container, see struct guest in package/package.h */
        int (*run)(void *userdata, const char *const argv[], int64_t timeout_ms, char **ret_output, int *ret_status,
                   infra_error **reterr);
        void *userdata;
};

/*
 * One attempt within p->timeout_ms (0 = 5 s). A service that fails is a result, not an error: errors are
 * -EINVAL (the probe lacks an address, a port, a command or a way to run it) and -ENOMEM. @ret is written
 * only on success; its detail is one printable line.
 */
int probe_ask(const struct probe *p, const struct probe_target *t, struct probe_result *ret, infra_error **reterr);

/*
 * Asks until @passes passes in a row (pass), or the time limit is over (the last result, fail or unknown).
 * @progress, if set, is called after each attempt and may end the wait with a negative errno.
 * A series of passes cut off by the limit is a fail; within_ms 0 means one attempt. The duration in @ret is
 * the last attempt's.
 */
int probe_wait(const struct probe *p, const struct probe_target *t, struct probe_result *ret,
               int (*progress)(void *userdata, const struct probe_result *last, unsigned passes), void *userdata,
               infra_error **reterr);

/* The gate's rule: only worse than the baseline fails. pass>unknown>fail; a service that failed before may fail. */
bool probe_is_worse(enum probe_verdict now, enum probe_verdict baseline);

#define _cleanup_probe_result_ CLEANUP(probe_result_done)
