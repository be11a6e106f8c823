/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The netlink socket: one question or one batch at a time. */

#include "firewall/batch.h"
#include "firewall/firewall.h"

struct firewall {
        struct mnl_socket *socket;
        uint32_t sequence;
};

/* A dump or get request of one message; @each for every object. 0 or a negative errno. */
int kernel_ask(struct firewall *f, uint16_t type, uint16_t family, uint16_t flags,
               void (*fill)(struct nlmsghdr *m, const void *userdata), const void *fill_data, mnl_cb_t each, void *each_data);
/* The id of the current ruleset generation. */
int kernel_generation(struct firewall *f, uint32_t *ret);
/* Sends a batch and waits for the verdict. -ERESTART: somebody else changed the ruleset meanwhile. */
int kernel_commit(struct firewall *f, struct batch *b, infra_error **reterr);
/*
 * Calls @once until nobody else changed the ruleset between its look and its batch: as long as it returns -ERESTART or
 * -EINTR; after some tries -EBUSY. (firewall.c)
 */
int kernel_retry(struct firewall *f, int (*once)(struct firewall *f, const void *what, infra_error **reterr), const void *what,
                 infra_error **reterr);

/* decode.c: one table of ours as the kernel has it; *ret_found false when there is none. */
int kernel_read_table(struct firewall *f, struct table *ret, bool *ret_found, infra_error **reterr);
/* The rules of a chain, and by which handle each is deleted: as many as there are rules, to be freed. */
int kernel_read_rules(struct firewall *f, int family, struct chain *c, uint64_t **ret_handles, infra_error **reterr);
/* Elements of a set that exists, into s->elements. */
int kernel_read_elements(struct firewall *f, int family, struct set *s, infra_error **reterr);
