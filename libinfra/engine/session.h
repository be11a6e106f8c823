/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Whether a process proves that somebody can still get in: it came over a connection made after that moment
 * (CLOCK_BOOTTIME), or sits at a console. 0, or -EPERM with what to do instead.
 *
 * The session of the process must be younger; of what it was started by (sudo gives a command a session of its own)
 * every session with a terminal, every sshd that serves one connection (a master connection carries many sessions), and
 * terminal multiplexers, whose windows begin at any time. @proc: "/proc", or a directory like it.
 */
int session_check(const char *proc, pid_t pid, int64_t since_ms, infra_error **reterr);
