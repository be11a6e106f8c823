/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a ruleset comes from: a policy directory, the kernel, or files of iptables; with what routing is known there. */

#include "estate/estate.h"
#include "firewall/analyse/packet.h"
#include "firewall/import/legacy.h"

struct source {
        struct ruleset *ruleset;
        infra_estate *estate;  /* of a policy; for the kernel and files that of @policy, if there is one; else NULL */
        struct legacy legacy;  /* whose files spans point into */
        struct routing routing;
        bool routed;           /* whether routing knows anything */
};

void source_done(struct source *s);
/*
 * @from: "kernel", a directory, or files joined by "+". @policy (or NULL): whose zones and names are used with the kernel
 * and, for routes as well, with files.
 * -EBADMSG when it cannot be read, with the first mistake in the error. Where rules of iptables are not understood, the
 * ruleset says so (`unknown`).
 */
int source_load(const char *from, const char *policy, const char *profiles, struct source *ret, infra_error **reterr);

#define _cleanup_source_ CLEANUP(source_done)
