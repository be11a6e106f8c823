/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rulesets looked at: explained, compared, drawn, imported. Nothing here changes anything, and nothing needs infrad.
 *
 * A source says where a ruleset comes from: "kernel" (our tables as loaded), a policy directory, or a file as
 * iptables-save or ip6tables-save prints it. Answers are JSON texts (UTF-8, one object), the caller's to free().
 */

#include <infra/diag.h>
#include <infra/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * infra_firewall_equal: compares two rulesets over all packets.
 * @a, @b: sources: "kernel" or a policy directory
 * @most: at most so many differences; 0 = all
 * @ret_json: {"answer":"equal"|"different"|"unknown","differences":[{"path":"to-host"|"through"|"from-host"|"switched",
 *            "packets","example":{"in","out","source","destination","protocol","source_port","destination_port","tcp_flags",
 *            "mark","state"},"a","b","if"}],"reasons":[text...],"assumed":[text...]}. "packets" says in words which packets
 *            fare differently, "a" and "b" what becomes of them, "if" (or null) which limits that takes for granted.
 *            "reasons" say what makes the answer unknown, "assumed" what it rests on. "path" is the first of the ways that
 *            "packets" names.
 *
 * Returns 0 whatever the answer is; -EBADMSG when a policy has errors, -ENOENT when there is nothing at a source, or
 * another negative errno with @reterr set.
 */
int infra_firewall_equal(const char *a, const char *b, unsigned most, char **ret_json, infra_error **reterr);

#ifdef __cplusplus
}
#endif
