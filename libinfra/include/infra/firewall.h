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

#ifdef __cplusplus
}
#endif
