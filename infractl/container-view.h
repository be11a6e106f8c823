/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Containers as people read them. */

#include "infractl/terminal.h"

/* The table of a CONTAINER list and the names of foreign ones below it. */
void containers_print(const struct terminal *t, const json_t *containers, const json_t *foreign);
