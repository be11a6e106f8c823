/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two clocks: boottime for every duration and deadline, wall time only for people and records. */

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 32 };

/* CLOCK_BOOTTIME in milliseconds: goes on while suspended, never jumps. */
int64_t clock_boottime_ms(void);
/* CLOCK_REALTIME in milliseconds since the epoch. */
int64_t clock_wall_ms(void);
void clock_sleep_ms(int64_t ms);
/* "2026-12-05T08:00:00Z" from wall milliseconds. Returns the buffer. */
const char *clock_format(int64_t wall_ms, char buffer[static CLOCK_TEXT_MAX]);
/* "2026-12-05T08:00Z" or with seconds, UTC only. 0 or -EINVAL. */
int clock_parse(const char *text, int64_t *ret_wall_ms);
/* "4h", "90s", "14d", "500ms", "2h30m": milliseconds. 0 or -EINVAL. */
int duration_parse(const char *text, int64_t *ret_ms);
/* The kernel's boot id (36 characters). 0 or a negative errno. */
int clock_boot_id(char ret[static 37]);
