/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Setting and chaining infra_error in one expression:
 *
 *     return infra_error_set(reterr, -errno, "cannot open %s: %m", path);
 *     r = thing_open(..., reterr);
 *     if (r < 0)
 *             return infra_error_prefix(reterr, r, "cannot start %s", name);
 */

#include <infra/error.h>

#include "base/macro.h"

/* Replaces *reterr (may be NULL) by a new error; returns code, which must be negative. errno is kept for %m. */
int infra_error_set(infra_error **reterr, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "format: " before the message of *reterr (set with strerror of code when still empty). Returns code. */
int infra_error_prefix(infra_error **reterr, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* -ENOMEM with a message. */
int infra_error_oom(infra_error **reterr);

DEFINE_CLEANUP(infra_error *, infra_error_free);
#define _cleanup_error_ CLEANUP(infra_error_freep)
