/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* How a packet's way through a ruleset is shown. */

#include "base/json.h"
#include "infractl/terminal.h"

/* What infra_firewall_explain() says, each line behind @indent. */
void trace_print(const struct terminal *t, const json_t *j, const char *indent);
