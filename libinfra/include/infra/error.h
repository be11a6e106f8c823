/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors of the world: one code (a negative errno) and a chain of sentences, outermost first:
 * "cannot exchange generations of email: rename: No space left on device".
 * Mistakes in policy files are not errors of this kind but diagnostics, see infra/diag.h.
 */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infra_error infra_error;

/**
 * infra_error_code: the negative errno of the error, 0 for NULL.
 */
int infra_error_code(const infra_error *e);

/**
 * infra_error_message: the whole chain as one sentence; owned by the error, "no error" for NULL.
 */
const char *infra_error_message(const infra_error *e);

/**
 * infra_error_free: destroys the error; takes NULL. Returns NULL.
 */
infra_error *infra_error_free(infra_error *e);

#ifdef __cplusplus
}
#endif
