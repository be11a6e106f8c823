/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The turn-back clock: a fence is closed only within the upgrade's window, and only when there is time left for the
 * whole cut-over and for the whole way back. Pure; @now is wall time.
 */

#include "plan/plan.h"

/* Milliseconds until the fence of step @index may be closed (0: now), or -ETIME with the sentence. */
int64_t window_wait(const struct plan *p, size_t index, int64_t now, infra_error **reterr);
