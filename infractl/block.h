/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The block of lines that shows a run under way: one line a container. */

#include <stdint.h>

#include "infractl/terminal.h"

/* Prints at most a screen; no line is wider than the terminal. Returns the number of lines. */
unsigned block_print(const struct terminal *t, const json_t *report, int64_t elapsed_ms);
