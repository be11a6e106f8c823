/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who talks to whom, in a person's words, and the packet that stands for it: names become addresses, the source becomes
 * the interface it comes in by, and source and destination the path.
 */

#include "facade/source.h"

enum end_kind { END_ADDRESS, END_ANY, END_HOST, END_CONTAINER, END_ZONE };

struct end {
        enum end_kind kind;
        struct address address;           /* END_ADDRESS */
        const struct container *container;
        const struct zone *zone;
        uint16_t port;                    /* 0 = none said */
        size_t column;                    /* of the text, from 1 */
};

struct flow {
        int family;              /* AF_INET, AF_INET6; 0 = whichever both ends have */
        struct end from, to;
        int protocol;            /* 0 = none said */
        bool has_icmp;
        uint8_t icmp_type, icmp_code;
        const char *in;          /* interface it comes in by, or NULL: as routing says */
        const char *out;         /* the same for where it leaves; NULL: as routing says */
        unsigned state;          /* STATE_BIT_* */
};

/* "192.0.2.7 > email:25/tcp". -EINVAL with the column of the mistake. @e may be NULL: then there are no names. */
int flow_parse(const char *text, const infra_estate *e, struct flow *ret, infra_error **reterr);
/* The packet and its path. -EINVAL: an end has no address of the family the other one needs. */
int flow_packet(const struct flow *f, const struct source *s, struct packet *ret, enum path *ret_path, infra_error **reterr);
