/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations on the packages of the running container. */

#include "engine/guest.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "container/container.h"

static int run(void *userdata, const char *const argv[], const char *const environment[], int output, char **ret_output,
               int64_t timeout_ms, int *ret_status, infra_error **reterr)
{
        const struct work *w = userdata;
        struct container_command command = {
                .argv = argv, .environment = environment, .input = -1, .output = output, .ret_output = ret_output, .timeout_ms = timeout_ms,
        };

        return container_run(w->estate->host.lxc_path, w->container->name, &command, ret_status, reterr);
}

struct guest guest_of(struct work *w)
{
        snprintf(w->rootfs, sizeof(w->rootfs), "%s/containers/%s/live/rootfs", w->estate->host.storage_path, w->container->name);
        return (struct guest){ .run = run, .userdata = w, .rootfs = w->rootfs };
}

struct package_sources sources_of(const struct host *h, const char *release)
{
        return (struct package_sources){
                .release = release, .mirror = h->mirror, .security_mirror = h->security_mirror, .proxy = h->proxy,
                .rules = h->third_party, .n_rules = h->n_third_party,
        };
}

int change_upgrade_act(struct work *w, infra_error **reterr)
{
        enum { LIMIT_MS = 2 * 60 * 60 * 1000 };
        const struct host *h = &w->estate->host;
        struct package_sources sources = sources_of(h, w->step->release);
        struct guest guest = guest_of(w);
        /* After a crash the container may be down: the step stands on its own. */
        int r = power_start_act(w, reterr);

        if (r >= 0)
                r = package_switch(&guest, &sources, reterr);
        if (r >= 0)
                r = package_upgrade(&guest, h->proxy, w->transcript, LIMIT_MS, reterr);
        if (r >= 0)
                r = work_storage(w, reterr);
        if (r < 0)
                return r;
        return storage_generation_mark(w->storage, w->container->name, w->step->to, w->step->release, GENERATION_STATE_MAX, reterr);
}

int change_check_act(struct work *w, infra_error **reterr)
{
        _cleanup_package_state_ struct package_state state = {};
        _cleanup_strlist_ struct strlist keep = {};
        struct guest guest = guest_of(w);
        const json_t *name;
        size_t i;
        int r = power_start_act(w, reterr);

        if (r < 0)
                return r;
        json_array_foreach(json_object_get(w->baseline, "keep"), i, name)
                if (json_is_string(name) && strlist_add(&keep, json_string_value(name)) < 0)
                        return infra_error_oom(reterr);
        r = package_observe(&guest, &keep, &state, reterr);
        return r < 0 ? r : package_check(&state, w->step->release, reterr);
}
