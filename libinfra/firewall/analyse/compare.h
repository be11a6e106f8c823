/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two rulesets compared exactly, over all packets: every value of addresses, protocol, ports, interfaces, ICMP type and
 * code, TCP flags, state, marks and whatever else a rule of either looks at. Not sampled: with decision diagrams.
 *
 * What cannot be decided by looking at a packet (rates, quotas, random numbers) is compared by its text: the same text
 * means the same on both sides, another text may differ. What is not understood makes the answer "unknown".
 */

#include "firewall/analyse/packet.h"

enum answer { ANSWER_EQUAL, ANSWER_DIFFERENT, ANSWER_UNKNOWN };

/* A class of packets that fare differently. */
struct difference {
        enum path path;
        char *packets;        /* "tcp from any by eno1 to 198.51.100.231 port 25, new": smallest description first */
        struct packet example;
        struct trace a;       /* the example in both */
        struct trace b;
        char *a_says;         /* "accept, to 10.0.0.17:25" */
        char *b_says;
        char *if_atoms;       /* "limit rate 20/minute holds": or NULL */
};

struct comparison {
        enum answer answer;
        struct difference *differences;
        size_t n_differences;
        struct strlist reasons;  /* ANSWER_UNKNOWN: what was not understood, and where */
        struct strlist assumed;  /* what the answer rests on: "limit rate 20/minute", "log ...", counted */
};
void comparison_done(struct comparison *c);

/* @most: at most so many differences are told (0 = all); memory beyond @memory bytes (0 = no limit) makes it unknown. */
int ruleset_compare(const struct ruleset *a, const struct ruleset *b, size_t most, size_t memory, struct comparison *ret, infra_error **reterr);

#define _cleanup_comparison_ CLEANUP(comparison_done)
