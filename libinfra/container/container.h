/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Containers through liblxc. One container is named by (lxc path, name). A container is ours when the
 * first line of <lxcpath>/NAME/config is CONTAINER_MARK; every function that changes something refuses
 * any other with -EPERM ("foreign container"), except container_adopt_source().
 * liblxc's idioms (bool, error_num, -1) become negative errnos with a sentence here and nowhere else.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "estate/estate.h"

#define CONTAINER_MARK "# infra: managed container, written from the policy; changes here are overwritten"

enum container_state {
        CONTAINER_ABSENT, /* no configuration */
        CONTAINER_STOPPED,
        CONTAINER_STARTING,
        CONTAINER_RUNNING,
        CONTAINER_STOPPING,
        CONTAINER_FROZEN,
        CONTAINER_STATE_MAX,
};
const char *container_state_name(enum container_state s);

struct container_status {
        enum container_state state;
        bool managed;     /* our mark */
        pid_t init;       /* 0 when not running */
        char rootfs[256]; /* lxc.rootfs.path without the backend prefix; "" = unknown */
};

/* What is there now; an absent container is a state, not an error. */
int container_observe(const char *lxc_path, const char *name, struct container_status *ret, infra_error **reterr);
/* Names of all containers below @lxc_path, sorted; foreign ones too. */
int container_names(const char *lxc_path, struct strlist *ret, infra_error **reterr);

/* The configuration as text, from the policy: golden in tests. @volumes[i] is the host path of c->volumes[i], "" for one that is not made yet. */
int container_config_text(const infra_estate *e, const struct container *c, const char *rootfs,
                          const char *const *volumes, char **ret, infra_error **reterr);
/*
 * Writes <lxcpath>/NAME/config durably (only when it differs). Refuses a foreign container unless @adopt,
 * then its old configuration is kept as config.before-infra.
 */
int container_configure(const infra_estate *e, const struct container *c, const char *rootfs,
                        const char *const *volumes, bool adopt, infra_error **reterr);
/*
 * A ghost: a second container of the same name and addresses on another root, in a network namespace and an lxc
 * path of its own, while the original serves. GHOST_IDLE has no init, so no service starts, and what it writes is
 * not synced; GHOST_BOOTING boots like the original. It is configured, started, entered and stopped like any other.
 */
enum ghost {
        GHOST_IDLE,
        GHOST_BOOTING,
        GHOST_MAX,
};
int container_configure_ghost(const infra_estate *e, const struct container *c, enum ghost kind, const char *rootfs,
                              const char *const *volumes, infra_error **reterr);
/* Host name, addresses, resolver inside a root before its first start: /etc/hostname, hosts, resolv.conf,
 * systemd-networkd and ifupdown kept from changing the addresses liblxc set, apt proxy (99infra-proxy). */
int container_prepare_root(const infra_estate *e, const struct container *c, const char *rootfs, infra_error **reterr);

/* Starts and returns when the guest's init runs; readiness is the probes' matter. Running already: 0. */
int container_start(const char *lxc_path, const char *name, infra_error **reterr);
/*
 * Orderly stop (the guest's own shutdown); after @grace_ms it is killed, and *ret_killed (may be NULL)
 * says so. Stopped already: 0.
 */
int container_stop(const char *lxc_path, const char *name, int64_t grace_ms, bool *ret_killed, infra_error **reterr);
int container_freeze(const char *lxc_path, const char *name, infra_error **reterr);
int container_unfreeze(const char *lxc_path, const char *name, infra_error **reterr);
/* Removes the configuration directory of a stopped, managed container; the generations stay. */
int container_forget(const char *lxc_path, const char *name, infra_error **reterr);

struct container_command {
        const char *const *argv;
        const char *const *environment; /* added, NULL-terminated, or NULL */
        int input;                      /* -1 = /dev/null */
        int output;                     /* stdout and stderr; -1 = /dev/null */
        char **ret_output;              /* captured instead, at most 1 MB is kept; or NULL */
        int64_t timeout_ms;             /* 0 = none; on expiry killed, -ETIME */
};
/*
 * Runs a command in a running container as its root; ret_status: exit code or 128 + signal, 127 = no such program.
 * -ENOTCONN: it does not run, -EBUSY: it is frozen, -ECONNRESET: the container ended meanwhile.
 */
int container_run(const char *lxc_path, const char *name, const struct container_command *command, int *ret_status,
                  infra_error **reterr);
/* Waits until init takes commands (systemd: is-system-running is no longer "starting"/"initializing"). */
int container_wait_booted(const char *lxc_path, const char *name, int64_t limit_ms, infra_error **reterr);
/* Interactive: on the caller's terminal. The shell hands on the exit code; @argv NULL = login shell. */
int container_shell(const char *lxc_path, const char *name, const char *const *argv, int *ret_status,
                    infra_error **reterr);
int container_console(const char *lxc_path, const char *name, infra_error **reterr);

/* Root of a foreign, stopped container to be adopted, allocated. */
int container_adopt_source(const char *lxc_path, const char *name, char **ret_rootfs, infra_error **reterr);

/*
 * A root of @release with @packages in <cache>/, made by mmdebstrap once and reused: ret_path is a
 * directory, allocated. Output of mmdebstrap goes to @output. Idempotent and safe against a crash.
 */
int root_cache(const infra_estate *e, const char *cache, const char *release, const struct strlist *packages,
               int output, char **ret_path, infra_error **reterr);

/* Makes bridge, addresses, link up, forwarding of v4 and v6 as host.yaml says (rtnetlink); what is so stays. */
int bridge_make(const struct host *h, infra_error **reterr);
bool bridge_is_made(const struct host *h);
/* The subordinate ids of root in /etc/subuid and /etc/subgid, which newuidmap asks for; added if missing. */
int idmap_allow(const struct host *h, infra_error **reterr);
/* The same for one file of subuid(5)'s format. */
int idmap_allow_in(const char *path, unsigned first, unsigned count, infra_error **reterr);
