/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Translated rules of iptables as a policy. What has the shape of a container's address or of a service becomes that; all
 * else stays as rules, in the same order, so that nothing is lost. Whether the policy is what the rules were is not taken
 * for granted here: whoever asks for it compiles the policy and compares.
 *
 * Recognised: destination and source translation of one public address at one interface, one to one (a container with an
 * address in zone internet or intranet), and in FORWARD accepted ports of such a container. Services stand behind all rules
 * before the first of them, and in front of all rules behind the last; an accepting rule between them may be passed,
 * another one ends it.
 */

#include "base/address.h"
#include "base/error.h"
#include "firewall/ruleset.h"

struct import_options {
        const char *host;      /* name; NULL = "imported" */
        const char *release;   /* NULL = "bookworm" */
        const char *bridge;    /* interface of the bridge; NULL = "br0" */
        const char *network;   /* its address and prefix; NULL = "10.0.0.1/24" */
        bool only_rules;       /* recognise nothing */
};

struct policy_file {
        char *name; /* "zones.yaml", "containers/c-10-0-0-17.yaml" */
        char *text;
};

struct policy_files {
        struct policy_file *items;
        size_t n;
};
void policy_files_done(struct policy_files *f);

/*
 * What is known of routing makes some matches superfluous: a packet for @network leaves by @interface, so a rule for that
 * network need not say so, and services do not. Takes such matches out of rules behind routing; how many.
 */
size_t import_assume_route(struct ruleset *r, const char *interface, const struct address *network);

/* @r: what legacy_translate() made, without unknown rules. */
int import_policy(const struct ruleset *r, const struct import_options *o, struct policy_files *ret, infra_error **reterr);
