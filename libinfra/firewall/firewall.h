/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The firewall: estate -> ruleset (own intermediate form, firewall/ruleset.h) -> one atomic nftables batch
 * in our own table `inet infra`. Other tables are never touched. NAT lives in the same inet table.
 *
 * A fence is one element of a set of container addresses (v4 and v6): closed = only probes from the host
 * get in; only package mirror/proxy and resolvers are reachable from inside. A load carries closed fences
 * over inside the same batch.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "estate/estate.h"
#include "firewall/ruleset.h"

struct firewall; /* an open netlink socket in the network namespace of the caller */

int firewall_open(struct firewall **ret, infra_error **reterr);
struct firewall *firewall_free(struct firewall *f);

/* The ruleset an estate wants; pure and deterministic. */
int firewall_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr);
/* The mistakes in its rules, located; -EBADMSG when there are any. */
int firewall_check(const infra_estate *e, infra_diags *diags, infra_error **reterr);

/*
 * Replaces our table by @wanted in one batch with the generation id, carrying fences over; no packet is
 * judged by anything but the old or the new rules. On a kernel error nothing has changed and the message
 * names the policy line of the refused object.
 */
int firewall_load(struct firewall *f, const struct ruleset *wanted, infra_error **reterr);
/* Our table as the kernel has it; *ret = NULL when there is none. */
int firewall_read(struct firewall *f, struct ruleset **ret, infra_error **reterr);
/* Deletes our table; 0 when there is none. */
int firewall_unload(struct firewall *f, infra_error **reterr);

/* Human lines "+ rule", "- rule" between two rulesets (either may be NULL); "" when they mean the same. Fence elements are not a difference. */
int ruleset_diff(const struct ruleset *have, const struct ruleset *want, char **ret, infra_error **reterr);
/* The ruleset in nft's own language (what `nft -f` reads), for people and golden tests. */
int ruleset_text(const struct ruleset *r, char **ret, infra_error **reterr);

/* Closes or opens the fence of a container. Idempotent. -ENOENT when our table is not loaded. */
int firewall_fence(struct firewall *f, const struct container *c, bool closed, infra_error **reterr);
int firewall_fence_closed(struct firewall *f, const struct container *c, bool *ret_closed, infra_error **reterr);

/* What this machine's routing would do with a packet to that address. 0 or -EHOSTUNREACH; needs no rights. */
int firewall_route(int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local);

/* Somebody whose packets are dropped before anything else is asked. */
struct ban {
        struct address address; /* or network */
        char interface[16];     /* "" = every one */
        int64_t left_ms;        /* 0 = until it is lifted or the host reboots */
};
/*
 * Bans an address or network at @interface (NULL: everywhere) for that time (milliseconds; 0 = until it is lifted). Narrower
 * bans become part of it. -EALREADY when a wider one is there, -EEXIST when one partly is, -ENOENT without our ruleset.
 */
int firewall_ban(struct firewall *f, const char *interface, const struct address *a, int64_t for_ms, infra_error **reterr);
/* Lifts that ban and all within it; -ENOENT when there are none. */
int firewall_unban(struct firewall *f, const char *interface, const struct address *a, infra_error **reterr);
/* All that hold; the array is the caller's. */
int firewall_bans(struct firewall *f, struct ban **ret, size_t *ret_n, infra_error **reterr);

DEFINE_CLEANUP(struct firewall *, firewall_free);
#define _cleanup_firewall_ CLEANUP(firewall_freep)
