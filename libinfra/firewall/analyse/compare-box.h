/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of packets told to people: as boxes, of which each field's values are independent of the others'. */

#include "firewall/analyse/compare-space.h"

struct box {
        fn parts[FIELD_MAX]; /* of fields with bits of their own: their values */
        fn packets;          /* all of them together */
        fn all;              /* the packets that it is told against: what is the same there is not said */
};

/* A large box within @packets, which are not none. */
void box_take(struct space *s, fn packets, fn all, struct box *ret);
/* "tcp from 10.0.0.0/8 by eno1 to 192.0.2.7 port 25, new" */
void box_describe(struct space *s, const struct box *b, struct str *to);
/* One of @packets, as usual as can be; and the limits it takes for granted, or "". */
void packets_example(struct space *s, fn packets, struct packet *ret, struct str *ret_limits);

/* compare-ranges.c: values of a field's function as text; @all: the values there are; @icmp: type and code are in the place of the port. */
void ranges_text(struct space *s, enum field f, bool icmp, fn values, fn all, struct str *to);
/* How much of all values it is, 0 .. 1. */
double diagram_share(const struct diagram *d, fn f);
