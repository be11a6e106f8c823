/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Commands in the guest: the environment they all get, and the short ones whose output is read. */

#include "package/package.h"

/* Nothing asks, pages, colours or translates; "NAME=value", NULL-terminated. */
extern const char *const guest_environment[];

/* Runs a short command and captures stdout and stderr. 0 with the status, or a negative errno. */
int guest_capture(const struct guest *g, const char *const argv[], char **ret_output, int *ret_status,
                  infra_error **reterr);
/* The same for a command that must end with 0. */
int guest_query(const struct guest *g, const char *const argv[], char **ret_output, infra_error **reterr);
