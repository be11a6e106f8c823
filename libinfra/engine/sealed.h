/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A sealed process: network, mounts and process ids of its own, with the estate's bridge in it and no way out.
 * Containers started there see the same gateway as always, and nobody behind it; everything in it ends with the
 * process, also when that is killed. This is where candidates are upgraded and rehearsed.
 */

#include "container/container.h"
#include "engine/engine.h"

struct seal {
        struct work *work;
        infra_estate estate;     /* the work's, with the lxc path of the ghosts; borrows everything */
        struct work ghost;       /* the work's, on that estate */
        int outside;             /* network namespace of the host */
        int inside;
};

typedef int (*sealed_function)(struct seal *s, json_t **ret, infra_error **reterr);

/* Runs @function sealed. -ETIME after @limit_ms; otherwise what it returns, or -EIO when it died. */
int sealed_run(struct work *w, sealed_function function, int64_t limit_ms, json_t **ret, infra_error **reterr);

/*
 * Calls @function with the host's network for this thread and the threads it starts (that of a depot), then comes
 * back.
 */
int sealed_outside(struct seal *s, int (*function)(void *userdata, infra_error **reterr), void *userdata, infra_error **reterr);

/* Configures the ghost on that root, with throw-away copies of the container's volumes. */
int shadow_configure(struct seal *s, enum ghost kind, const char *rootfs, infra_error **reterr);

/* Ends a ghost and takes its configuration away; nothing to do: 0. */
int ghost_end(struct seal *s, infra_error **reterr);
