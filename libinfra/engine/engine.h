/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine runs plans. Three parts: operations (what each step kind does: observe, act, verify, undo),
 * workers (one process a step, so that a crash in liblxc or apt never takes the caller), and the runner (the
 * state machine that journals INTENT and DONE around them).
 */

#include "base/json.h"
#include "estate/estate.h"
#include "facts/facts.h"
#include "plan/plan.h"
#include "storage/storage.h"

/* What a step works on. Lives in the worker process; everything is borrowed but result and storage. */
struct work {
        const infra_estate *estate;
        const struct plan *plan;
        const struct step *step;
        const struct container *container; /* NULL: the host */
        int64_t run;
        const json_t *baseline;            /* result of the container's STEP_BASELINE, or NULL */
        unsigned attempt;                  /* from 1; more: an earlier worker did not come to its end */
        const char *state_dir;
        struct storage *storage;           /* opened on first use: work_storage() */
        int transcript;                    /* what long programs print; -1 = nowhere */
        json_t *result;                    /* object that goes into the journal */
        char rootfs[512];                  /* of the live generation, once guest_of() was asked */
};

/* The storage of the estate, opened once. */
int work_storage(struct work *w, infra_error **reterr);
/* The generations of the step's container, whichever backend keeps them. */
int work_generations(struct work *w, struct generations *ret, infra_error **reterr);
/* The storage, opened, with room for what the container may take; -ENOSPC otherwise. */
int work_require_space(struct work *w, infra_error **reterr);
/* Whether volume @i of the container is made; one that only the policy knows is still a part of the root. */
bool work_has_volume(const struct work *w, size_t i);
/* Paths of those that are made. */
int work_volumes(const struct work *w, struct strlist *ret, infra_error **reterr);
/* One line into the transcript. */
void work_say(const struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* "run-7": names the volume snapshots of a run. */
void run_tag(int64_t run, char ret[static 32]);

/*
 * One row a step kind. observe: 1 = already as wanted, 0 = not yet. Missing functions mean: never already
 * so / nothing to verify / nothing to undo. All are idempotent.
 */
struct operation {
        int (*observe)(struct work *w, infra_error **reterr);
        int (*act)(struct work *w, infra_error **reterr);
        int (*verify)(struct work *w, infra_error **reterr);
        int (*undo)(struct work *w, infra_error **reterr);
        int64_t limit_ms; /* after which the worker is killed */
        bool talks;       /* what it runs prints all the time, unless it waits for somebody */
};
const struct operation *operation(enum step_kind k);

/* observe, act unless already so, verify; or undo. */
int operation_perform(struct work *w, bool undo, infra_error **reterr);

/* The operations by what they touch; the table in operation.c names them. */
int host_bridge_observe(struct work *w, infra_error **reterr);
int host_bridge_act(struct work *w, infra_error **reterr);
int host_idmap_act(struct work *w, infra_error **reterr);
int host_firewall_act(struct work *w, infra_error **reterr);
int host_firewall_verify(struct work *w, infra_error **reterr);

int make_root_act(struct work *w, infra_error **reterr);
int make_create_act(struct work *w, infra_error **reterr);
int make_adopt_act(struct work *w, infra_error **reterr);
int make_live_verify(struct work *w, infra_error **reterr);
int make_volumes_act(struct work *w, infra_error **reterr);
int make_configure_act(struct work *w, infra_error **reterr);

int power_start_act(struct work *w, infra_error **reterr);
/* Starts and does not wait for the guest to have booted: the gate asks for what counts. */
int power_boot_act(struct work *w, infra_error **reterr);
int power_running_verify(struct work *w, infra_error **reterr);
int power_stop_act(struct work *w, infra_error **reterr);
int power_stopped_verify(struct work *w, infra_error **reterr);
int power_restart_act(struct work *w, infra_error **reterr);
int power_halt_undo(struct work *w, infra_error **reterr);

int gate_baseline_act(struct work *w, infra_error **reterr);
int gate_serve_act(struct work *w, infra_error **reterr);
int gate_gate_act(struct work *w, infra_error **reterr);

int change_preflight_act(struct work *w, infra_error **reterr);
int change_fence_act(struct work *w, infra_error **reterr);
int change_fence_verify(struct work *w, infra_error **reterr);
int change_fence_undo(struct work *w, infra_error **reterr);
int change_snapshot_act(struct work *w, infra_error **reterr);
int change_snapshot_undo(struct work *w, infra_error **reterr);
int change_clone_act(struct work *w, infra_error **reterr);
int change_exchange_observe(struct work *w, infra_error **reterr);
int change_exchange_act(struct work *w, infra_error **reterr);
int change_exchange_verify(struct work *w, infra_error **reterr);
int change_exchange_undo(struct work *w, infra_error **reterr);
int change_restore_act(struct work *w, infra_error **reterr);
int change_upgrade_act(struct work *w, infra_error **reterr);
int change_check_act(struct work *w, infra_error **reterr);
int change_commit_act(struct work *w, infra_error **reterr);
int change_commit_verify(struct work *w, infra_error **reterr);

/* Units that failed, as "failed_units" of the result. */
int gate_failed_units(struct work *w, infra_error **reterr);

int shadow_clone_act(struct work *w, infra_error **reterr);
int shadow_clone_undo(struct work *w, infra_error **reterr);
int shadow_prepare_act(struct work *w, infra_error **reterr);
int shadow_discard_act(struct work *w, infra_error **reterr);
int rehearse_act(struct work *w, infra_error **reterr);
int carry_act(struct work *w, infra_error **reterr);
int extract_copy_act(struct work *w, infra_error **reterr);
int extract_copy_undo(struct work *w, infra_error **reterr);
int extract_act(struct work *w, infra_error **reterr);
int extract_undo(struct work *w, infra_error **reterr);
/*
 * What was written since the live generation went live: {"container","generation","release","root":{"path","files",
 * "bytes","newest_wall","items":[{"path","kind","bytes","changed_wall","as"}]},"volumes":[{"path","files","bytes",
 * "newest_wall"}],"proposals":[the same]}. -ENODATA when nobody remembers that moment.
 */
int engine_drift(const infra_estate *e, const struct container *c, const struct container_fact *fact, json_t **ret,
                 infra_error **reterr);
/* Remembers how a generation begins its life; @anew: also when an earlier life of it is remembered. */
void drift_begin(struct work *w, unsigned number, bool anew);
/* What the policy or a default says about a path: an enum carry, or -ENOENT when neither does. */
int carry_rule(const struct container *c, const char *path);

/* Configuration from the policy with the paths of this container's root and volumes. */
int container_write(struct work *w, bool adopt, infra_error **reterr);

/* The facts of the host now. */
int engine_observe(const infra_estate *e, struct facts *ret, infra_error **reterr);

/*
 * Runs @function in a forked process and hands back the JSON it made or the error it set: a crash or hang in
 * a library stays there. -ETIME after @limit_ms, -EIO when it died.
 */
int isolate(int (*function)(void *userdata, json_t **ret, infra_error **reterr), void *userdata, int64_t limit_ms,
            json_t **ret, infra_error **reterr);
