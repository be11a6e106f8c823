/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps by name. Forecasts: medians of runs on a two-core machine with small roots. */

#include <errno.h>

#include "plan/plan.h"

static const char *const plan_kinds[PLAN_KIND_MAX] = {
        [PLAN_APPLY] = "apply",       [PLAN_UPGRADE] = "upgrade", [PLAN_ROLLBACK] = "rollback",
        [PLAN_START] = "start",       [PLAN_STOP] = "stop",       [PLAN_RESTART] = "restart",
        [PLAN_REHEARSE] = "rehearse",   [PLAN_EXTRACT] = "extract",
};

enum { ALONE = false, BESIDE = true };

static const struct step_type types[STEP_KIND_MAX] = {
        [STEP_BRIDGE] = { "bridge", "making the bridge", 50, false, 0, ALONE },
        [STEP_IDMAP] = { "idmap", "allowing subordinate ids", 10, false, 0, ALONE },
        [STEP_FIREWALL] = { "firewall", "loading the ruleset", 50, false, 0, ALONE },
        [STEP_ROOT] = { "root", "building the release root", 40000, false, 0, ALONE },
        [STEP_CREATE] = { "create", "making the first generation", 3000, false, 0, ALONE },
        [STEP_ADOPT] = { "adopt", "adopting the existing root", 10000, false, 0, ALONE },
        [STEP_VOLUMES] = { "volumes", "making volumes", 200, false, 0, ALONE },
        [STEP_CONFIGURE] = { "configure", "writing the configuration", 50, false, 0, ALONE },
        [STEP_START] = { "start", "starting", 2000, false, 0, ALONE },
        [STEP_STOP] = { "stop", "stopping", 2000, false, 0, ALONE },
        [STEP_RESTART] = { "restart", "restarting", 4000, false, 0, ALONE },
        [STEP_SERVE] = { "serve", "waiting until it serves", 4000, false, 0, ALONE },
        [STEP_PREFLIGHT] = { "preflight", "checking release, mirror and space", 1000, false, 0, BESIDE },
        [STEP_BASELINE] = { "baseline", "probing before the change", 2000, false, 0, BESIDE },
        [STEP_FENCE] = { "fence", "closing the fence", 20, true, 20, ALONE },
        [STEP_HALT] = { "halt", "stopping in order", 2000, true, 4000, ALONE },
        [STEP_SNAPSHOT] = { "snapshot", "taking snapshots of the volumes", 200, true, 300, ALONE },
        [STEP_CLONE] = { "clone", "cloning the live generation", 500, false, 0, ALONE },
        [STEP_EXCHANGE] = { "exchange", "exchanging generations", 100, true, 100, ALONE },
        [STEP_BOOT] = { "boot", "starting behind the fence", 2000, true, 2000, ALONE },
        [STEP_UPGRADE] = { "upgrade", "upgrading packages", 90000, false, 0, ALONE },
        [STEP_CHECK] = { "check", "checking the end state", 1000, false, 0, ALONE },
        [STEP_GATE] = { "gate", "probing against the baseline", 4000, false, 0, ALONE },
        [STEP_COMMIT] = { "commit", "opening the fence", 20, false, 0, ALONE },
        [STEP_RESTORE] = { "restore", "restoring volumes", 300, false, 0, ALONE },
        [STEP_SHADOW] = { "shadow", "cloning while it serves", 500, true, 500, BESIDE },
        [STEP_PREPARE] = { "prepare", "upgrading the candidate aside", 90000, false, 0, BESIDE },
        [STEP_REHEARSE] = { "rehearse", "rehearsing in a sealed network", 8000, false, 0, BESIDE },
        [STEP_CARRY] = { "carry", "carrying what was written meanwhile", 200, false, 0, ALONE },
        [STEP_COPY] = { "copy", "copying while it serves", 2000, true, 500, BESIDE },
        [STEP_EXTRACT] = { "extract", "making it a volume", 1000, true, 500, ALONE },
        [STEP_DISCARD] = { "discard", "throwing the candidate away", 500, false, 0, BESIDE },
};

const char *plan_kind_name(enum plan_kind k)
{
        return plan_kinds[k];
}

int plan_kind_parse(const char *s)
{
        for (int i = 0; i < PLAN_KIND_MAX; i++)
                if (streq(plan_kinds[i], s))
                        return i;
        return -EINVAL;
}

const struct step_type *step_type(enum step_kind k)
{
        return &types[k];
}

int step_kind_parse(const char *s)
{
        for (int i = 0; i < STEP_KIND_MAX; i++)
                if (streq(types[i].name, s))
                        return i;
        return -EINVAL;
}
