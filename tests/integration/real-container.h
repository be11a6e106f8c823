/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the parts of real-container share: the isolated host, its estate and a container to play with. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/process.h"
#include "container/container.h"

#define WORK     "/mnt/work"
#define LXC_PATH WORK "/lxc"
#define NAME     "plain"
#define ROOTFS   WORK "/roots/plain"

enum { START_MS = 60000, STOP_MS = 30000, COMMAND_MS = 30000, PLACE_MAX = 512 };

/* Group setup: a filesystem in a loop file on WORK, the root unpacked, the estate. Teardown: containers stopped. */
int host_setup(void **state);
int host_teardown(void **state);

/* The estate of the test; one unprivileged container NAME with volume /srv/data. */
const infra_estate *the_estate(void);
struct container *the_container(void);
/* Host paths of its volumes. */
extern const char *const the_volumes[2];
/* Writes its configuration (privileged or not) and stops it before when it runs. */
void configure(bool privileged);
/* As configure(), started and booted. */
void boot(bool privileged);

/* Fails the test with the message when r < 0. */
void good(int r, infra_error **error);
/* Fails unless r is @code and the message contains @words; frees the error. */
void bad(int r, infra_error **error, int code, const char *words);
/* A shell command inside; its exit code. ret_output may be NULL. */
int inside(const char *script, char **ret_output);
/* A shell command on the isolated host; its exit code. */
int outside(const char *script);
struct container_status status_now(void);

/* In real-container-power.c. */
void power_monitor_dies_and_the_guest_with_it(void **state);
void power_stop_is_orderly_within_the_grace(void **state);
void power_stop_kills_after_the_grace_whatever_signals_come(void **state);
void power_stop_right_after_start(void **state);
void power_container_outlives_its_starter(void **state);
void power_two_starts_make_one_container(void **state);
void power_failed_start_says_why(void **state);
void power_filesystem_without_idmap_is_named(void **state);
void power_ipv6_answers_at_once(void **state);
/* In real-container-terminal.c. */
void terminal_login(void **state);
void terminal_shell(void **state);
void terminal_console(void **state);
void terminal_pipes(void **state);
void release_root(void **state);
