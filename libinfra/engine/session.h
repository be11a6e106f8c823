/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Whether a process proves that somebody can still get in: it came over an ssh connection made after that moment
 * (CLOCK_BOOTTIME), or sits at a console. 0, or -EPERM with what to do instead.
 *
 * One of the processes above it must be an sshd that serves one connection, and all of those must be younger: a master
 * connection carries many sessions, and sudo gives a command a session of its own. What was daemonised, what cron or systemd
 * began, and windows of terminal multiplexers have none above them. A connection whose other end is on this host went
 * through no firewall. @proc: "/proc", or a directory like it.
 */
int session_check(const char *proc, pid_t pid, int64_t since_ms, infra_error **reterr);
