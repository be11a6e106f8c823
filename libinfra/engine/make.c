/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations that make a container: release root, first generation, volumes, configuration. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "container/container.h"
#include "engine/engine.h"

static int cached_root(struct work *w, char **ret, infra_error **reterr)
{
        const struct host *h = &w->estate->host;
        _cleanup_free_ char *cache = path_join("%s/cache", h->storage_path);
        int r = work_storage(w, reterr);

        if (r < 0)
                return r;
        if (!cache)
                return infra_error_oom(reterr);
        return root_cache(w->estate, cache, w->container->release, &w->container->packages, w->transcript, ret, reterr);
}

int make_root_act(struct work *w, infra_error **reterr)
{
        _cleanup_free_ char *path = NULL;

        return cached_root(w, &path, reterr);
}

struct filling {
        struct work *work;
        const char *source;
        bool prepared; /* an adopted root keeps its own name, resolvers and machine id */
};

static int fill(void *userdata, const char *rootfs, infra_error **reterr)
{
        const struct filling *f = userdata;
        int r = storage_tree_copy(f->work->storage, f->source, rootfs, reterr);

        return r < 0 || f->prepared ? r : container_prepare_root(f->work->estate, f->work->container, rootfs, reterr);
}

/* A generation with the content of @source that becomes live: there is none yet. */
static int make_first(struct work *w, const char *source, bool prepared, infra_error **reterr)
{
        const struct step *s = w->step;
        struct filling filling = { .work = w, .source = source, .prepared = prepared };
        _cleanup_generations_ struct generations all = {};
        char tag[32];
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        if (generations_live(&all) && generations_live(&all)->number == s->to)
                return 0;
        if (generations_live(&all))
                return infra_error_set(reterr, -EEXIST, "%s has a live generation already", s->container);
        run_tag(w->run, tag);
        r = storage_generation_make(w->storage, s->container, s->to, s->release, tag, fill, &filling, reterr);
        if (r < 0)
                return r;
        r = storage_generation_exchange(w->storage, s->container, s->to, GENERATION_PREVIOUS, reterr);
        if (r >= 0)
                drift_begin(w, s->to, false);
        return r;
}

int make_create_act(struct work *w, infra_error **reterr)
{
        _cleanup_free_ char *root = NULL;
        int r = cached_root(w, &root, reterr);

        return r < 0 ? r : make_first(w, root, false, reterr);
}

int make_adopt_act(struct work *w, infra_error **reterr)
{
        const struct host *h = &w->estate->host;
        _cleanup_free_ char *source = NULL;
        struct container_status status;
        int r = container_observe(h->lxc_path, w->step->container, &status, reterr);

        if (r < 0)
                return r;
        if (status.managed)
                return 0;
        r = container_adopt_source(h->lxc_path, w->step->container, &source, reterr);
        if (r >= 0)
                r = make_first(w, source, true, reterr);
        if (r < 0)
                return r;
        /* From the volumes on, everything is as for a container of our own; the foreign root stays where it is. */
        r = make_volumes_act(w, reterr);
        return r < 0 ? r : container_write(w, true, reterr);
}

int make_live_verify(struct work *w, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        const struct generation *live;
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        live = generations_live(&all);
        if (!live || live->number != w->step->to)
                return infra_error_set(reterr, -EIO, "%s: generation %u is not live", w->step->container, w->step->to);
        return 0;
}

static int live_path(struct work *w, char **ret, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        int r = work_generations(w, &all, reterr);

        if (r < 0)
                return r;
        if (!generations_live(&all))
                return infra_error_set(reterr, -ENOENT, "%s has no live generation", w->container->name);
        *ret = path_join("%s/rootfs", generations_live(&all)->path);
        return *ret ? 0 : infra_error_oom(reterr);
}

static bool is_running(const struct work *w)
{
        struct container_status status;

        return container_observe(w->estate->host.lxc_path, w->container->name, &status, NULL) >= 0 && status.state != CONTAINER_STOPPED &&
               status.state != CONTAINER_ABSENT;
}

int make_volumes_act(struct work *w, infra_error **reterr)
{
        _cleanup_free_ char *root = NULL;
        int r = live_path(w, &root, reterr);

        for (size_t i = 0; r >= 0 && i < w->container->n_volumes; i++) {
                const char *volume = w->container->volumes[i].path;
                _cleanup_free_ char *seed = NULL;

                /* While it serves, a copy would be old before it is mounted: that is what an extraction is for. */
                if (is_running(w) && !work_has_volume(w, i))
                        continue;
                /* A link in the guest's root leads no further than that root. */
                r = root_resolve(root, volume, &seed);
                if (r < 0 && r != -ENOENT)
                        return infra_error_set(reterr, r, "cannot look into %s of %s: %s", volume, w->container->name, strerror(-r));
                r = storage_volume_make(w->storage, w->container->name, volume, seed, reterr);
        }
        return r;
}

int container_write(struct work *w, bool adopt, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist paths = {};
        _cleanup_free_ char **volumes = NULL;
        _cleanup_free_ char *root = NULL;
        int r = live_path(w, &root, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < w->container->n_volumes; i++) {
                _cleanup_free_ char *path = storage_volume_path(w->storage, w->container->name, w->container->volumes[i].path);

                if (!path || strlist_add(&paths, work_has_volume(w, i) ? path : "") < 0)
                        return infra_error_oom(reterr);
        }
        volumes = strlist_argv(&paths);
        if (!volumes)
                return infra_error_oom(reterr);
        return container_configure(w->estate, w->container, root, (const char *const *)volumes, adopt, reterr);
}

int make_configure_act(struct work *w, infra_error **reterr)
{
        return container_write(w, false, reterr);
}
