/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rulesets looked at: explained, compared, drawn, imported. Nothing here changes the kernel, and nothing needs infrad.
 *
 * A source says where a ruleset comes from: "kernel" (our tables as loaded), a policy directory, or a file as
 * iptables-save or ip6tables-save prints it. Answers are JSON texts (UTF-8, one object), the caller's to free().
 */

#include <stdbool.h>

#include <infra/diag.h>
#include <infra/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * infra_firewall_doctor: what beside our ruleset decides about packets in the network namespace of the caller: chains of
 * others that may refuse or translate what ours accepts, tables of iptables-legacy, services enabled below @root (NULL: /)
 * that load rules at boot, switches of the kernel. {"findings":[{"severity":"error|warning|note","subject","by" (who
 * probably made it, or ""),"text","look" (a command),"mend"}]}. Needs the right to read nftables.
 */
int infra_firewall_doctor(const char *root, char **ret_json, infra_error **reterr);

/** A packet that is asked for. */
struct infra_packet {
        const char *in;       /* source of the ruleset */
        const char *policy;   /* whose names and zones are used when the source is the kernel; or NULL */
        const char *profiles; /* as for infra_manager_new() */
        const char *packet;   /* "192.0.2.7 > 198.51.100.231:25/tcp", "a > b icmp:8"; names of the policy for addresses */
        const char *from;     /* zone or interface it comes by; NULL: by which an answer would leave */
        const char *to;       /* interface it leaves by; NULL: as routing says */
        const char *state;    /* of its connection, default "new" */
};

/**
 * infra_firewall_explain: {"packet","comes_by","verdict":"accept|drop|reject|queue|unknown","path":"to-host|through|
 * from-host","after" (as it leaves, translated),"masqueraded":bool,"nat":[what it is translated to],"leaves_by","steps":[{"chain","rule","set","element",
 * "says","where"}],"assumed":[...],"unknown" (why, or "")}. -EINVAL with the place in the text when it is no packet.
 */
int infra_firewall_explain(const struct infra_packet *what, char **ret_json, infra_error **reterr);

/**
 * infra_firewall_equal: whether two sources treat every packet the same: {"answer":"equal|different|unknown","a","b",
 * "differences":[{"path","packets","example","comes_by","leaves_by","if" (what else must hold),"a_says","b_says",
 * "a","b" (of the example, as infra_firewall_explain() says)}],"reasons":[why it is unknown],"assumed":[what the
 * answer rests on]}. @most differences at most, smallest description first; 0 = all.
 */
int infra_firewall_equal(const char *a, const char *b, const char *profiles, unsigned most, char **ret_json, infra_error **reterr);

/**
 * infra_firewall_matrix: who may reach what. Each port of a cell was tried with a packet, so that this is what the ruleset
 * does and not what the policy means. @in: source; @policy: whose names and zones are the rows and columns, when @in is the
 * kernel. {"host","source","to":[{"name","kind":"host|container"}],"from":[{"name","kind":"any|zone|container|network",
 * "cells":[[{"port","families":["ipv4","ipv6"],"partly":bool}]]}]}: a cell for each of "to", with the ports that get through
 * and over which families of those both ends have ("partly": not all); null = the same container.
 */
int infra_firewall_matrix(const char *in, const char *policy, const char *profiles, char **ret_json, infra_error **reterr);

/** What is imported, and what is said of the policy that comes of it. Strings may be NULL where a default is named. */
struct infra_import {
        const char *kind;         /* "ferm": a configuration of ferm; "iptables": what iptables-save and ip6tables-save print */
        const char *const *files; /* NULL-terminated; of ferm the main one */
        const char *into;         /* directory that is made; an empty one may be there */
        const char *profiles;     /* as for infra_manager_new() */
        const char *host;         /* name, default "imported" */
        const char *release;      /* default "bookworm" */
        const char *bridge;       /* interface, default "br0" */
        const char *network;      /* the host's address on the bridge with its prefix, default "10.0.0.1/24" */
        bool resolve;             /* ferm: names may be looked up in the DNS */
        bool only_rules;          /* recognise no containers and services */
};

/**
 * infra_firewall_import: makes a policy directory of old rules. What has the shape of a container's address or service
 * becomes that, all else rules. The policy is compiled and compared with the rules before it is put at @into; it is there
 * only when both are the same for every packet. {"into","files":[name...],"equal":true,"recognised":bool (whether
 * containers were),"assumed":[what the comparison rests on]}. -EBADMSG with @diags: rules that cannot be read or expressed,
 * each with its line; nothing is written then.
 */
int infra_firewall_import(const struct infra_import *what, infra_diags *diags, char **ret_json, infra_error **reterr);

#ifdef __cplusplus
}
#endif
