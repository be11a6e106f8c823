/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What a run did. @j: the answer of infra_manager_report(). */

#include "infractl/terminal.h"

/* Result and outage of every container, errors, where their transcripts are: what a run ends with. */
void report_print_summary(const struct terminal *t, const json_t *j);
/* The same with services, events, and every step when @steps. */
void report_print(const struct terminal *t, const json_t *j, bool steps);
