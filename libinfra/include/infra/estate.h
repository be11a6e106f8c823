/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The estate: what one policy directory describes: a host, its zones, its containers, its upgrades.
 * Loading only reads; it never acts.
 */

#include <stddef.h>

#include <infra/diag.h>
#include <infra/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infra_estate infra_estate;

/**
 * infra_estate_load: reads and checks a policy directory.
 * @directory: policy directory (host.yaml, zones.yaml, containers/, upgrades/, optional profiles/)
 * @profiles: directory with shipped profiles, or NULL for the installed ones; profiles/ in the policy
 *            directory comes first
 * @diags: receives every mistake found; the caller's
 * @ret: the estate, to be freed with infra_estate_free(); only written on success
 *
 * Returns 0; -EBADMSG when there are diagnostics (all of them, nothing is loaded); another negative
 * errno with @reterr set when the world failed (out of memory; an unreadable file is a diagnostic).
 */
int infra_estate_load(const char *directory, const char *profiles, infra_diags *diags, infra_estate **ret,
                      infra_error **reterr);

/** infra_estate_free: takes NULL, returns NULL. */
infra_estate *infra_estate_free(infra_estate *e);

/** infra_estate_digest: SHA-256 of the content of the policy files, hexadecimal; owned by the estate. */
const char *infra_estate_digest(const infra_estate *e);

/**
 * infra_estate_summary: what it contains, without looking at the host: {"host","digest","zones":[name...],
 * "containers":[{"name","profile","release","services"}],"upgrades":[name...],"services"}; the counts are of
 * services, the last one with the host's own. @ret_json is the caller's to free().
 */
int infra_estate_summary(const infra_estate *e, char **ret_json, infra_error **reterr);

#ifdef __cplusplus
}
#endif
