/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A plan as a person reads it before saying yes. */

#include "infractl/terminal.h"

/* @j: the answer of infra_manager_plan(). What surprises comes last, next to the question. */
void plan_print(const struct terminal *t, const json_t *j);
