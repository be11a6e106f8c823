/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file `identity` in the top directory of a generation's tree: lines "key=value" in this order:
 * format (1), container, number, parent, release, state, run, created (wall milliseconds). It is only ever
 * replaced as a whole. Whatever does not read exactly like this is -EUCLEAN: which tree this is is not guessed.
 */

#include "storage/storage.h"

/* Fills everything but ret->path; a missing file is -EUCLEAN too. */
int identity_read(const char *tree, const char *container, struct generation *ret, infra_error **reterr);
int identity_write(const char *tree, const char *container, const struct generation *g, infra_error **reterr);
