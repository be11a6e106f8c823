/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/json.h"

/* What a rollback leaves behind, from the "price" of a plan; nothing for other plans. */
void price_print(const json_t *price);
/* "12 files, 34 kB, the last 2 min ago" for a sum as infra_manager_drift() gives it. */
void price_sum_print(const json_t *sum);
