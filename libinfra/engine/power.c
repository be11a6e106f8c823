/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations that start and stop containers. */

#include <errno.h>
#include <string.h>

#include "container/container.h"
#include "engine/engine.h"

static const char *lxc_path(const struct work *w)
{
        return w->estate->host.lxc_path;
}

int power_boot_act(struct work *w, infra_error **reterr)
{
        /* The configuration may have been removed by hand since: it follows from the policy, so write it again. */
        int r = container_write(w, false, reterr);

        return r < 0 ? r : container_start(lxc_path(w), w->container->name, reterr);
}

int power_start_act(struct work *w, infra_error **reterr)
{
        int r = power_boot_act(w, reterr);

        if (r < 0)
                return r;
        return container_wait_booted(lxc_path(w), w->container->name, w->container->start_limit_ms, reterr);
}

static int observe(struct work *w, struct container_status *ret, infra_error **reterr)
{
        return container_observe(lxc_path(w), w->container->name, ret, reterr);
}

int power_running_verify(struct work *w, infra_error **reterr)
{
        struct container_status status;
        int r = observe(w, &status, reterr);

        if (r < 0)
                return r;
        if (status.state != CONTAINER_RUNNING)
                return infra_error_set(reterr, -EIO, "%s is %s and not running", w->container->name,
                                       container_state_name(status.state));
        return 0;
}

int power_stop_act(struct work *w, infra_error **reterr)
{
        bool killed = false;
        int r = container_stop(lxc_path(w), w->container->name, w->container->stop_grace_ms, &killed, reterr);

        if (r < 0)
                return r;
        if (killed) {
                work_say(w, "%s did not stop within its grace of %lld ms and was killed", w->container->name,
                         (long long)w->container->stop_grace_ms);
                json_object_set_new(w->result, "killed", json_true());
        }
        return 0;
}

int power_stopped_verify(struct work *w, infra_error **reterr)
{
        struct container_status status;
        int r = observe(w, &status, reterr);

        if (r < 0)
                return r;
        if (status.state != CONTAINER_STOPPED && status.state != CONTAINER_ABSENT)
                return infra_error_set(reterr, -EBUSY, "%s is %s and not stopped", w->container->name,
                                       container_state_name(status.state));
        return 0;
}

int power_restart_act(struct work *w, infra_error **reterr)
{
        int r = power_stop_act(w, reterr);

        return r < 0 ? r : power_start_act(w, reterr);
}

/* The way back ends only when the old one is proven to serve. */
int power_halt_undo(struct work *w, infra_error **reterr)
{
        return gate_gate_act(w, reterr);
}
