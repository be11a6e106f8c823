/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs started and waited for, and the identity of a process across restarts of ours. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct process_options {
        int output;                    /* stdout and stderr of the program; -1 = /dev/null */
        char **ret_output;             /* when set: output is captured here instead (at most 1 MB is kept) */
        int64_t timeout_ms;            /* 0 = none; on expiry the process group is killed: -ETIME */
        const char *const *environment; /* "NAME=value" added to ours, NULL-terminated, or NULL */
};

/* Runs argv[0] through PATH, stdin from /dev/null. ret_status: exit code, or 128 + signal. */
int process_run(const char *const argv[], const struct process_options *options, int *ret_status,
                infra_error **reterr);

/*
 * Waits for child @pid to end, reading what it writes to pipe @fd (-1 = none) into @output meanwhile. On
 * expiry of @timeout_ms (0 = none) its process group is killed: -ETIME. ret_status as above.
 */
struct str;
int process_wait(pid_t pid, int fd, struct str *output, int64_t timeout_ms, int *ret_status);

/*
 * Made of a process' start time in clock ticks since boot (field 22 of /proc/PID/stat) and of the boot id:
 * together with the pid it names one process for good, also after a reboot. 0 when there is none.
 */
uint64_t process_identity(pid_t pid);
/* Whether exactly that process is alive (zombies are not). */
bool process_alive(pid_t pid, uint64_t identity);
