/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One packet through a ruleset, as the kernel would judge it: which rules it meets, where it is translated, what
 * becomes of it. Pure: the ruleset may come from a policy, from the kernel or from a file.
 */

#include <netinet/in.h>

#include "base/error.h"
#include "firewall/ruleset.h"

/* Where the packet goes: decides which hooks it passes. */
enum path {
        PATH_TO_HOST,   /* prerouting, input */
        PATH_THROUGH,   /* prerouting, forward, postrouting */
        PATH_FROM_HOST, /* output, postrouting */
        PATH_SWITCHED,  /* the bridge's forward, in table `bridge infra` */
        PATH_KIND_MAX,
};
const char *path_name(enum path p); /* "to-host", "through", "from-host", "switched" */

/* The bits of FIELD_CT_STATE: NF_CT_STATE_BIT(). */
enum { STATE_BIT_INVALID = 1, STATE_BIT_ESTABLISHED = 2, STATE_BIT_RELATED = 4, STATE_BIT_NEW = 8, STATE_BIT_UNTRACKED = 64 };

/*
 * A packet: a value for every field of the intermediate form, 16 bytes each, as matches have them (`family` decides
 * which of ip and ip6 count). What a packet does not have is zero.
 */
struct packet {
        int family;  /* AF_INET, AF_INET6 */
        int follows; /* not 0: of a connection whose first packet was like this one, so it is translated as that was */
        uint8_t fields[FIELD_MAX][16];
};

void packet_init(struct packet *p, int family);
void packet_set_number(struct packet *p, enum field f, uint64_t number);
void packet_set_text(struct packet *p, enum field f, const char *text); /* interfaces, helper */
/* "192.0.2.7 > 198.51.100.231:25/tcp"; allocated. */
char *packet_text(const struct packet *p);

/* What routing decides after translation; for a policy from its zones, for the kernel from its tables. */
struct routing {
        /* The interface to @to, "" = unknown; *ret_local: an address of the host itself. */
        void (*look)(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local);
        const void *userdata;
};

enum fate { FATE_ACCEPT, FATE_DROP, FATE_REJECT, FATE_QUEUE, FATE_UNKNOWN, FATE_MAX };
const char *fate_name(enum fate f);

/* One rule (or element of a map, or the policy of a chain) that had a say. */
struct trace_step {
        const struct table *table;
        const struct chain *chain;
        const struct rule *rule;       /* NULL: the chain's policy */
        const struct element *element; /* of the map or set that decided, or NULL */
        const struct set *set;         /* whose element that is */
        char *says;                    /* "accept", "jump services", "dnat to 10.0.0.17:25" */
};

struct trace {
        struct trace_step *steps; /* rules that matched, in order */
        size_t n_steps;
        enum fate fate;
        enum path path;
        struct packet after;      /* as it leaves: translated, marked */
        bool masqueraded;         /* to whatever address the interface has */
        char *unknown;            /* why the fate is unknown: the rule's text; or NULL */
        struct strlist assumed;   /* "limit rate 20/minute of rule a.yaml:7 has room" */
};
void trace_done(struct trace *t);

/*
 * Follows @p. @path: PATH_KIND_MAX = decided by @routing after prerouting; otherwise as said, with FIELD_OIFNAME of @p
 * whatever @routing says. Rates
 * and counters of connections are thought to have room, which is noted in `assumed`. 0 or -ENOMEM.
 */
int trace_packet(const struct ruleset *r, const struct packet *p, enum path path, const struct routing *routing, struct trace *ret);

#define _cleanup_trace_ CLEANUP(trace_done)
