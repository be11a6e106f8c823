/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of operations, and how one is performed. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/engine.h"

enum {
        QUICK_MS = 120 * 1000,
        SLOW_MS = 30 * 60 * 1000,
        UPGRADE_MS = 3 * 60 * 60 * 1000,
};

static const struct operation operations[STEP_KIND_MAX] = {
        [STEP_BRIDGE] = { host_bridge_observe, host_bridge_act, host_bridge_observe, NULL, QUICK_MS },
        [STEP_IDMAP] = { NULL, host_idmap_act, NULL, NULL, QUICK_MS },
        [STEP_FIREWALL] = { NULL, host_firewall_act, host_firewall_verify, NULL, QUICK_MS },
        [STEP_ROOT] = { NULL, make_root_act, NULL, NULL, SLOW_MS },
        [STEP_CREATE] = { NULL, make_create_act, make_live_verify, NULL, SLOW_MS },
        [STEP_ADOPT] = { NULL, make_adopt_act, make_live_verify, NULL, SLOW_MS },
        [STEP_VOLUMES] = { NULL, make_volumes_act, NULL, NULL, SLOW_MS },
        [STEP_CONFIGURE] = { NULL, make_configure_act, NULL, NULL, QUICK_MS },
        [STEP_START] = { NULL, power_start_act, power_running_verify, NULL, SLOW_MS },
        [STEP_STOP] = { NULL, power_stop_act, power_stopped_verify, NULL, SLOW_MS },
        [STEP_RESTART] = { NULL, power_restart_act, power_running_verify, NULL, SLOW_MS },
        [STEP_SERVE] = { NULL, gate_serve_act, NULL, NULL, SLOW_MS },
        [STEP_PREFLIGHT] = { NULL, change_preflight_act, NULL, NULL, QUICK_MS },
        [STEP_BASELINE] = { NULL, gate_baseline_act, NULL, NULL, SLOW_MS },
        [STEP_FENCE] = { NULL, change_fence_act, change_fence_verify, change_fence_undo, QUICK_MS },
        [STEP_HALT] = { NULL, power_stop_act, power_stopped_verify, power_halt_undo, SLOW_MS },
        [STEP_SNAPSHOT] = { NULL, change_snapshot_act, NULL, change_snapshot_undo, SLOW_MS },
        [STEP_CLONE] = { NULL, change_clone_act, NULL, NULL, SLOW_MS },
        [STEP_EXCHANGE] = { change_exchange_observe, change_exchange_act, change_exchange_verify, change_exchange_undo, QUICK_MS },
        [STEP_BOOT] = { NULL, power_boot_act, power_running_verify, power_stop_act, SLOW_MS },
        [STEP_UPGRADE] = { NULL, change_upgrade_act, NULL, NULL, UPGRADE_MS, true },
        [STEP_CHECK] = { NULL, change_check_act, NULL, NULL, SLOW_MS },
        [STEP_GATE] = { NULL, gate_gate_act, NULL, NULL, SLOW_MS },
        [STEP_COMMIT] = { NULL, change_commit_act, change_commit_verify, NULL, QUICK_MS },
        [STEP_SHADOW] = { NULL, shadow_clone_act, NULL, shadow_clone_undo, SLOW_MS },
        [STEP_PREPARE] = { NULL, shadow_prepare_act, NULL, NULL, UPGRADE_MS, true },
        [STEP_REHEARSE] = { NULL, rehearse_act, NULL, NULL, SLOW_MS },
        [STEP_CARRY] = { NULL, carry_act, NULL, NULL, SLOW_MS },
        [STEP_COPY] = { NULL, extract_copy_act, NULL, extract_copy_undo, SLOW_MS },
        [STEP_EXTRACT] = { NULL, extract_act, NULL, extract_undo, SLOW_MS },
        [STEP_DISCARD] = { NULL, shadow_discard_act, NULL, NULL, SLOW_MS },
        [STEP_RESTORE] = { NULL, change_restore_act, NULL, NULL, SLOW_MS },
};

const struct operation *operation(enum step_kind k)
{
        return &operations[k];
}

int operation_perform(struct work *w, bool undo, infra_error **reterr)
{
        const struct operation *o = operation(w->step->kind);
        int r = 0;

        if (undo)
                return o->undo ? o->undo(w, reterr) : 0;
        if (o->observe)
                r = o->observe(w, reterr);
        if (r == 0)
                r = o->act(w, reterr);
        if (r < 0)
                return r;
        if (!o->verify)
                return 0;
        r = o->verify(w, reterr);
        if (r < 0)
                return r;
        if (o->verify == o->observe && r == 0)
                return infra_error_set(reterr, -EIO, "%s had no effect", step_type(w->step->kind)->doing);
        return 0;
}

int work_storage(struct work *w, infra_error **reterr)
{
        if (w->storage)
                return 0;
        return storage_open(w->estate->host.storage, w->estate->host.storage_path, &w->storage, reterr);
}

int work_generations(struct work *w, struct generations *ret, infra_error **reterr)
{
        int r = work_storage(w, reterr);

        return r < 0 ? r : storage_generations(w->storage, w->container->name, ret, reterr);
}

int work_require_space(struct work *w, infra_error **reterr)
{
        uint64_t bytes = 0;
        int r = work_storage(w, reterr);

        if (r >= 0)
                r = storage_forecast(w->storage, w->container->name, &bytes, reterr);
        return r < 0 ? r : storage_require(w->storage, bytes, reterr);
}

bool work_has_volume(const struct work *w, size_t i)
{
        return storage_volume_is_made(w->storage, w->container->name, w->container->volumes[i].path);
}

int work_volumes(const struct work *w, struct strlist *ret, infra_error **reterr)
{
        for (size_t i = 0; i < w->container->n_volumes; i++)
                if (work_has_volume(w, i) && strlist_add(ret, w->container->volumes[i].path) < 0)
                        return infra_error_oom(reterr);
        return 0;
}

void work_say(const struct work *w, const char *format, ...)
{
        _cleanup_str_ struct str s = {};
        char now[CLOCK_TEXT_MAX];
        va_list ap;

        if (w->transcript < 0)
                return;
        str_add(&s, "[%s] ", clock_format(clock_wall_ms(), now));
        va_start(ap, format);
        str_addv(&s, format, ap);
        va_end(ap);
        str_add(&s, "\n");
        if (!s.failed)
                fd_write_all(w->transcript, s.text, s.length);
}

void run_tag(int64_t run, char ret[static 32])
{
        snprintf(ret, 32, "run-%lld", (long long)run);
}
