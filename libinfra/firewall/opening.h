/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Openings: who may reach which port of whom. An opening becomes one or more elements of a verdict map; which
 * map depends on what must be looked at. The number of maps is fixed, so a packet's cost does not grow with
 * the number of openings:
 *
 *   <shape>4          own address . protocol . port                     anybody
 *   <shape>_zone4     interface . own address . protocol . port         a zone known by its interface
 *   <shape>_net4      peer . own address . protocol . port (intervals)  networks, containers, port ranges
 *   <shape>_zonenet4  interface . peer . own address . ... (intervals)  a zone known by both
 * and the same with 6. A host's own services need no own address.
 */

#include "estate/estate.h"
#include "firewall/ruleset.h"

struct shape {
        const char *name;      /* "services", "connects", "host" */
        enum field interface;  /* the peer's side */
        enum field peer[2];    /* IPv4, IPv6 */
        enum field own[2];
        bool has_own;
};

enum { OPENING_KINDS = 4 };

/*
 * services: the peer comes in; connects: the peer is where it goes; host: the host is what is reached; output: the
 * host goes to the peer.
 */
extern const struct shape shape_services, shape_connects, shape_host, shape_output;

struct opening {
        const struct origin *peer;
        const struct address *own; /* NULL with shape_host */
        const char *interface;     /* of the zone whose member the peer is; NULL: it does not matter */
        struct ports ports;
        const struct span *span;
};

/* Adds the elements of an opening for one family (AF_INET, AF_INET6). 0 or -ENOMEM. */
int opening_add(struct table *t, const struct shape *shape, const infra_estate *e, int family, const struct opening *o);
/* Adds the rules that look the openings of a shape up, for each map that exists. */
int opening_rules(struct table *t, struct chain *c, const struct shape *shape);
/* The same in the other direction, for the answers, where no connection tracking is at hand. */
int opening_answers(struct table *t, struct chain *c, const struct shape *shape);

/* "meta nfproto ipv4" or, in the bridge table, "meta protocol ip". */
int rule_of_family(const struct table *t, struct rule *r, int family);
