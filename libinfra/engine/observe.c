/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The facts, asked from every driver. Nothing is changed. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "container/container.h"
#include "engine/engine.h"
#include "firewall/firewall.h"
#include "package/package.h"

enum { CONFIG_MAX = 1 << 20 };

/* What the live one was made from; for one that has gone back itself, the newest that it replaced. 0 = none. */
static unsigned previous_of(const struct generations *all)
{
        const struct generation *live = generations_live(all), *parent = live ? generations_find(all, live->parent) : NULL;
        unsigned newest = 0;

        if (parent && parent->state == GENERATION_PREVIOUS)
                return parent->number;
        for (size_t i = 0; i < all->n; i++)
                if (all->items[i].state == GENERATION_PREVIOUS)
                        newest = MAX(newest, all->items[i].number);
        return newest;
}

static int observe_generations(struct storage *s, struct container_fact *fact, const struct generations *all)
{
        const struct generation *live = generations_live(all);

        for (size_t i = 0; i < all->n; i++) {
                const struct generation *g = &all->items[i];
                struct generation_fact *f = ARRAY_ADD(fact->generations, fact->n_generations);

                if (!f)
                        return -ENOMEM;
                f->number = g->number;
                f->parent = g->parent;
                f->created_ms = g->created_ms;
                f->release = strdup(g->release);
                f->state = strdup(generation_state_name(g->state));
                f->run = strdup(g->run);
                if (!f->release || !f->state || !f->run)
                        return -ENOMEM;
                fact->last = MAX(fact->last, g->number);
        }
        (void)s;
        fact->previous = previous_of(all);
        if (!live)
                return 0;
        fact->live = live->number;
        /* The run that replaced the previous one took the snapshots of that moment; no other did. */
        free(fact->previous_run);
        fact->previous_run = strdup(live->parent && live->parent == fact->previous ? live->run : "");
        return fact->previous_run ? 0 : -ENOMEM;
}

/* The release the live root says it is; its identity only if the root does not say. */
static int observe_release(struct container_fact *fact, const struct generation *live)
{
        _cleanup_free_ char *root = path_join("%s/rootfs", live->path);
        char *release = NULL;

        if (!root)
                return -ENOMEM;
        if (package_release(root, &release, NULL) < 0)
                release = strdup(live->release);
        if (!release)
                return -ENOMEM;
        free(fact->release);
        fact->release = release;
        return 0;
}

/* Whether the configuration on disk is the one the policy asks for. */
static int observe_configuration(struct storage *s, const infra_estate *e, const struct container *c,
                                 struct container_fact *fact, const struct generation *live, infra_error **reterr)
{
        _cleanup_free_ char *root = path_join("%s/rootfs", live->path), *wanted = NULL, *have = NULL;
        _cleanup_free_ char *file = path_join("%s/%s/config", e->host.lxc_path, c->name);
        _cleanup_strlist_ struct strlist paths = {};
        _cleanup_free_ char **volumes = NULL;
        int r;

        fact->volumes = true;
        for (size_t i = 0; i < c->n_volumes; i++) {
                _cleanup_free_ char *path = storage_volume_path(s, c->name, c->volumes[i].path);

                bool made = storage_volume_is_made(s, c->name, c->volumes[i].path);

                if (!path || strlist_add(&paths, made ? path : "") < 0 || (!made && strlist_add(&fact->unmade, c->volumes[i].path) < 0))
                        return -ENOMEM;
                /* What serves still has it in its root. */
                fact->volumes = fact->volumes && ((!made && fact->running) || path_exists(AT_FDCWD, path));
        }
        volumes = strlist_argv(&paths);
        if (!root || !file || !volumes)
                return -ENOMEM;
        r = container_config_text(e, c, root, (const char *const *)volumes, &wanted, reterr);
        if (r < 0)
                return r;
        fact->configured = file_read(AT_FDCWD, file, CONFIG_MAX, &have, NULL) >= 0 && streq(have, wanted);
        return 0;
}

static int observe_container(struct storage *s, const infra_estate *e, const struct container *c,
                             struct container_fact *fact, infra_error **reterr)
{
        _cleanup_generations_ struct generations all = {};
        struct container_status status;
        int r;

        fact->name = strdup(c->name);
        fact->release = strdup("");
        fact->previous_run = strdup("");
        if (!fact->name || !fact->release || !fact->previous_run)
                return -ENOMEM;
        r = container_observe(e->host.lxc_path, c->name, &status, reterr);
        if (r < 0)
                return r;
        fact->exists = status.state != CONTAINER_ABSENT;
        fact->managed = status.managed;
        fact->running = status.state == CONTAINER_RUNNING || status.state == CONTAINER_FROZEN || status.state == CONTAINER_STARTING;
        fact->state = strdup(container_state_name(status.state));
        if (!fact->state)
                return -ENOMEM;
        fact->volumes = c->n_volumes == 0;
        r = s ? storage_generations(s, c->name, &all, reterr) : 0;
        if (r >= 0)
                r = observe_generations(s, fact, &all);
        if (r < 0 || !generations_live(&all))
                return r;
        r = observe_release(fact, generations_live(&all));
        if (r >= 0)
                r = observe_configuration(s, e, c, fact, generations_live(&all), reterr);
        if (r >= 0)
                r = storage_forecast(s, c->name, &fact->forecast_bytes, reterr);
        return r;
}

static int observe_firewall(const infra_estate *e, struct facts *facts, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        struct ruleset *wanted = NULL, *have = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_compile(e, &wanted, reterr);
        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        if (r >= 0)
                r = ruleset_diff(have, wanted, &facts->firewall_diff, reterr);
        facts->firewall_loaded = have != NULL;
        for (size_t i = 0; r >= 0 && have && i < e->n_containers; i++)
                r = firewall_fence_closed(f, &e->containers[i], &facts->containers[i].fenced, reterr);
        ruleset_free(wanted);
        ruleset_free(have);
        return r;
}

static int observe_foreign(const infra_estate *e, struct facts *facts, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist names = {};
        int r = container_names(e->host.lxc_path, &names, reterr);

        for (size_t i = 0; r >= 0 && i < names.n; i++) {
                const struct container *c = estate_container(e, names.items[i]);

                if (!c || !facts->containers[c - e->containers].managed)
                        r = strlist_add(&facts->foreign, names.items[i]);
        }
        return r;
}

static int observe_all(const infra_estate *e, struct facts *facts, infra_error **reterr)
{
        _cleanup_storage_ struct storage *s = NULL;
        int r;

        facts->containers = calloc(e->n_containers + 1, sizeof(*facts->containers));
        if (!facts->containers)
                return -ENOMEM;
        facts->n_containers = e->n_containers;
        r = storage_open(e->host.storage, e->host.storage_path, &s, reterr);
        if (r >= 0)
                r = storage_space(s, &facts->free_bytes, &facts->total_bytes, reterr);
        for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                r = observe_container(s, e, &e->containers[i], &facts->containers[i], reterr);
        if (r >= 0)
                r = observe_firewall(e, facts, reterr);
        if (r >= 0)
                r = observe_foreign(e, facts, reterr);
        facts->bridge = bridge_is_made(&e->host);
        return r;
}

int engine_observe(const infra_estate *e, struct facts *ret, infra_error **reterr)
{
        _cleanup_facts_ struct facts facts = {};
        int r = observe_all(e, &facts, reterr);

        if (r == -ENOMEM)
                return infra_error_oom(reterr);
        if (r < 0)
                return r;
        *ret = facts;
        facts = (struct facts){};
        return 0;
}
