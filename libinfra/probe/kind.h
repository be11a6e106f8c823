/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of the probe room: what each kind of probe implements, and what they share. */

#include "probe/probe.h"

/*
 * One attempt within @timeout_ms. Always leaves a verdict and a detail in @ret (detail NULL: memory was out),
 * so there is nothing to return.
 */
typedef void (*probe_attempt)(const struct probe *p, const struct probe_target *t, int64_t timeout_ms,
                              struct probe_result *ret);

void tcp_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret);
void smtp_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret);
void http_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret);
void exec_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret);

/* Sets verdict and detail; whatever a peer sent into the detail becomes one printable line of limited length. */
void answer_set(struct probe_result *ret, enum probe_verdict verdict, const char *format, ...) PRINTF_LIKE(3, 4);

/* Whether an errno of a connection tells about this machine and not about the service. */
bool errno_is_ours(int error);

/* A connected non-blocking socket, or -1 with the result set. @deadline is in boottime milliseconds. */
int connection_open(const struct probe_target *t, int64_t deadline, struct probe_result *ret);
/* Waits for poll events; 0, -ETIME or another negative errno. */
int connection_wait(int fd, short events, int64_t deadline);
