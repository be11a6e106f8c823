/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of policy.h: what was recognised, and how it is written. */

#include "base/address.h"
#include "firewall/import/policy.h"

enum { SHAPE_ZONES = 2 }; /* internet, intranet */

struct shape_container {
        struct address internal;
        struct address public[SHAPE_ZONES];
};

struct shape_service {
        size_t container;
        struct ports port;
        struct address from;   /* family 0: anybody */
        char interface[16];    /* "": any */
        struct span span;
};

struct shape_chain;

/* Everything recognised of a ruleset. Rules that became something else are marked by their place in `taken`. */
struct shapes {
        const struct table *table;
        char interfaces[SHAPE_ZONES][16];
        struct shape_container *containers;
        size_t n_containers;
        struct shape_service *services;
        size_t n_services;
        bool **taken;          /* by chain and rule */
        size_t *cuts;          /* by chain: the first rule that stands behind what was taken; 0: nothing was */
        size_t forward_begin;  /* of the row of accepting rules in FORWARD, IPv4, that services may be in */
        size_t forward_end;
};

void shapes_done(struct shapes *s);
int shapes_find(const struct ruleset *r, struct shapes *ret);
