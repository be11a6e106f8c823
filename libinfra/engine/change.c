/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations of a release change: fence, snapshots, clone, exchange, commit. */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "container/container.h"
#include "engine/engine.h"
#include "engine/guest.h"
#include "firewall/firewall.h"

static int live_generation(struct work *w, unsigned *ret, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        *ret = generations_live(&all) ? generations_live(&all)->number : 0;
        return 0;
}

/* Whatever needs the root at rest says so itself: a container started by hand meanwhile is no accident to build on. */
static int require_stopped(struct work *w, infra_error **reterr)
{
        int r = power_stopped_verify(w, reterr);

        return r < 0 ? infra_error_prefix(reterr, r, "somebody else started it meanwhile") : 0;
}

static int preflight_container(struct work *w, infra_error **reterr)
{
        struct container_status status;
        unsigned live = 0;
        int r = container_observe(w->estate->host.lxc_path, w->container->name, &status, reterr);

        if (r >= 0)
                r = live_generation(w, &live, reterr);
        if (r < 0)
                return r;
        if (!status.managed || status.state != CONTAINER_RUNNING)
                return infra_error_set(reterr, -ESTALE, "%s is %s%s; it was running when the plan was made",
                                       w->container->name, container_state_name(status.state),
                                       status.managed ? "" : " and not ours");
        if (live != w->step->from)
                return infra_error_set(reterr, -ESTALE, "%s lives on generation %u; the plan was made for %u",
                                       w->container->name, live, w->step->from);
        return 0;
}

int change_preflight_act(struct work *w, infra_error **reterr)
{
        enum { MIRROR_TIMEOUT_MS = 20000 };
        const struct host *h = &w->estate->host;
        struct package_sources sources = sources_of(h, w->step->release);
        int r = preflight_container(w, reterr);

        if (r >= 0)
                r = work_require_space(w, reterr);
        if (r >= 0)
                r = package_mirror_check(&sources, MIRROR_TIMEOUT_MS, reterr);
        return r;
}

static int fence(struct work *w, bool closed, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_fence(f, w->container, closed, reterr);
        if (r < 0)
                return r;
        json_object_set_new(w->result, "wall", json_integer(clock_wall_ms()));
        json_object_set_new(w->result, "boot", json_integer(clock_boottime_ms()));
        return 0;
}

static int fence_verify(struct work *w, bool wanted, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        bool closed = false;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_fence_closed(f, w->container, &closed, reterr);
        if (r < 0)
                return r;
        if (closed != wanted)
                return infra_error_set(reterr, -EIO, "the fence of %s is not %s", w->container->name, wanted ? "closed" : "open");
        return 0;
}

int change_fence_act(struct work *w, infra_error **reterr)
{
        return fence(w, true, reterr);
}

int change_fence_verify(struct work *w, infra_error **reterr)
{
        return fence_verify(w, true, reterr);
}

int change_fence_undo(struct work *w, infra_error **reterr)
{
        int r = fence(w, false, reterr);

        return r < 0 ? r : fence_verify(w, false, reterr);
}

int change_commit_act(struct work *w, infra_error **reterr)
{
        char tag[32];
        int r = fence(w, false, reterr);

        if (r < 0)
                return r;
        /* From here on a way back has a price, and it can be told. */
        drift_begin(w, w->step->to, w->plan->kind == PLAN_ROLLBACK);
        snprintf(tag, sizeof(tag), "clone-%u", w->step->to);
        if (w->storage)
                storage_base_delete(w->storage, w->container->name, tag, NULL);
        return 0;
}

int change_commit_verify(struct work *w, infra_error **reterr)
{
        return fence_verify(w, false, reterr);
}

int change_snapshot_act(struct work *w, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist volumes = {};
        char tag[32];
        int r = require_stopped(w, reterr);

        run_tag(w->run, tag);
        if (r >= 0)
                r = work_storage(w, reterr);
        if (r >= 0)
                r = work_volumes(w, &volumes, reterr);
        for (size_t i = 0; r >= 0 && i < volumes.n; i++)
                r = storage_volume_snapshot(w->storage, w->container->name, volumes.items[i], tag, reterr);
        return r;
}

static int restore(struct work *w, const char *tag, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist volumes = {};
        int r = require_stopped(w, reterr);

        if (r >= 0)
                r = work_storage(w, reterr);
        if (r >= 0)
                r = work_volumes(w, &volumes, reterr);
        for (size_t i = 0; r >= 0 && i < volumes.n; i++)
                r = storage_volume_restore(w->storage, w->container->name, volumes.items[i], tag, reterr);
        return r;
}

int change_snapshot_undo(struct work *w, infra_error **reterr)
{
        char tag[32];

        run_tag(w->run, tag);
        return restore(w, tag, reterr);
}

int change_restore_act(struct work *w, infra_error **reterr)
{
        return restore(w, w->step->tag, reterr);
}

static int copy_progress(void *userdata, uint64_t done, uint64_t total)
{
        const struct work *w = userdata;
        char a[32], b[32];

        work_say(w, "copied %s of %s", str_bytes(a, done), str_bytes(b, total));
        return 0;
}

int change_clone_act(struct work *w, infra_error **reterr)
{
        const struct step *s = w->step;
        char tag[32];
        int r = require_stopped(w, reterr);

        if (r >= 0)
                r = work_require_space(w, reterr);
        if (r < 0)
                return r;
        run_tag(w->run, tag);
        storage_set_progress(w->storage, copy_progress, w);
        /* The clone's release is the old one until the packages are upgraded; its identity follows then. */
        return storage_generation_clone(w->storage, s->container, s->from, s->to, NULL, tag, reterr);
}

int change_exchange_observe(struct work *w, infra_error **reterr)
{
        unsigned live = 0;
        int r = live_generation(w, &live, reterr);

        return r < 0 ? r : live == w->step->to;
}

int change_exchange_act(struct work *w, infra_error **reterr)
{
        unsigned live = 0;
        int r = require_stopped(w, reterr);

        if (r >= 0)
                r = live_generation(w, &live, reterr);
        if (r < 0)
                return r;
        if (live != w->step->from)
                return infra_error_set(reterr, -ESTALE, "%s lives on generation %u, neither %u nor %u; nothing was exchanged",
                                       w->container->name, live, w->step->from, w->step->to);
        return storage_generation_exchange(w->storage, w->container->name, w->step->to, GENERATION_PREVIOUS, reterr);
}

int change_exchange_verify(struct work *w, infra_error **reterr)
{
        int r = change_exchange_observe(w, reterr);

        if (r < 0)
                return r;
        return r > 0 ? 0 : infra_error_set(reterr, -EIO, "generation %u of %s did not become live", w->step->to, w->container->name);
}

int change_exchange_undo(struct work *w, infra_error **reterr)
{
        enum generation_state state = w->plan->kind == PLAN_UPGRADE ? GENERATION_BAD : GENERATION_PREVIOUS;
        unsigned live = 0;
        int r = live_generation(w, &live, reterr);

        if (r < 0)
                return r;
        if (live == w->step->from)
                return 0;
        r = require_stopped(w, reterr);
        if (r < 0)
                return r;
        return storage_generation_exchange(w->storage, w->container->name, w->step->from, state, reterr);
}
