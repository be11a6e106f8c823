/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans that bring the host to what the policy says: apply, start, stop, restart. */

#include <errno.h>
#include <stdlib.h>

#include "plan/plan.h"

static int add(struct plan *p, enum step_kind kind, const struct container *c)
{
        return plan_add(p, kind, c) ? 0 : -ENOMEM;
}

static bool any_unprivileged(const infra_estate *e)
{
        for (size_t i = 0; i < e->n_containers; i++)
                if (!e->containers[i].privileged)
                        return true;
        return false;
}

static int add_host(struct plan *p, const infra_estate *e, const struct facts *f)
{
        bool making = false;
        int r = 0;

        for (size_t i = 0; i < e->n_containers; i++)
                making = making || !f->containers[i].exists;
        if (!f->bridge)
                r = add(p, STEP_BRIDGE, NULL);
        if (r >= 0 && making && any_unprivileged(e))
                r = add(p, STEP_IDMAP, NULL);
        /* Before any container runs: what starts, starts behind the rules. */
        if (r >= 0 && (!f->firewall_loaded || *f->firewall_diff))
                r = add(p, STEP_FIREWALL, NULL);
        return r;
}

/* The generation a container gets when it has none yet. */
static int add_making(struct plan *p, const struct container *c, const struct container_fact *fact)
{
        struct step *s;

        if (fact->exists && !fact->managed) {
                if (fact->running)
                        return plan_note(p, "%s: a foreign container of that name runs; stop it to have it adopted", c->name);
                plan_note(p, "%s: the existing LXC container is adopted; its configuration is kept as config.before-infra", c->name);
                s = plan_add(p, STEP_ADOPT, c);
        } else {
                if (add(p, STEP_ROOT, c) < 0)
                        return -ENOMEM;
                s = plan_add(p, STEP_CREATE, c);
        }
        if (!s)
                return -ENOMEM;
        s->to = fact->last + 1;
        s->release = strdup(c->release);
        return s->release ? 0 : -ENOMEM;
}

static int add_container(struct plan *p, const struct container *c, const struct container_fact *fact)
{
        bool foreign = fact->exists && !fact->managed;
        int r = 0;

        if (fact->live == 0 || foreign) {
                r = add_making(p, c, fact);
                if (r < 0 || (foreign && fact->running))
                        return r;
        } else if (!streq(fact->release, c->release)) {
                r = plan_note(p, "%s: runs %s while the policy says %s; apply does not change releases, an upgrade does",
                              c->name, fact->release, c->release);
        }
        for (size_t i = 0; r >= 0 && fact->running && i < fact->unmade.n; i++)
                r = plan_note(p, "%s: %s is not a volume yet; `infractl volume extract %s %s` makes it one with a short stop", c->name,
                              fact->unmade.items[i], c->name, fact->unmade.items[i]);
        if (r >= 0 && !fact->volumes)
                r = add(p, STEP_VOLUMES, c);
        if (r >= 0 && !fact->configured)
                r = add(p, STEP_CONFIGURE, c);
        if (r < 0)
                return r;
        if (fact->running && !fact->configured)
                r = plan_note(p, "%s: the new configuration takes effect at its next restart", c->name);
        if (r < 0 || fact->running || !c->autostart)
                return r;
        r = add(p, STEP_START, c);
        return r < 0 ? r : add(p, STEP_SERVE, c);
}

int plan_apply(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        _cleanup_free_ size_t *order = calloc(e->n_containers + 1, sizeof(*order));
        int r;

        if (!order)
                return -ENOMEM;
        r = add_host(p, e, f);
        if (r < 0)
                return r;
        estate_start_order(e, order);
        for (size_t i = 0; i < e->n_containers; i++) {
                r = add_container(p, &e->containers[order[i]], &f->containers[order[i]]);
                if (r < 0)
                        return r;
        }
        (void)reterr;
        return 0;
}

/* Whether anybody has ever said yes to this policy: until then its bridge and ruleset are not the host's. */
static bool was_applied(const struct facts *f)
{
        for (size_t i = 0; i < f->n_containers; i++)
                if (f->containers[i].managed)
                        return true;
        return false;
}

int plan_start_all(struct plan *p, const infra_estate *e, const struct facts *f)
{
        _cleanup_free_ size_t *order = calloc(e->n_containers + 1, sizeof(*order));
        int r = 0;

        if (!order)
                return -ENOMEM;
        if (!was_applied(f))
                return 0;
        if (!f->bridge)
                r = add(p, STEP_BRIDGE, NULL);
        if (r >= 0 && !f->firewall_loaded)
                r = add(p, STEP_FIREWALL, NULL);
        estate_start_order(e, order);
        for (size_t i = 0; r >= 0 && i < e->n_containers; i++) {
                const struct container *c = &e->containers[order[i]];
                const struct container_fact *fact = &f->containers[order[i]];

                if (!fact->managed || fact->running || !c->autostart)
                        continue;
                r = add(p, STEP_START, c);
                if (r >= 0)
                        r = add(p, STEP_SERVE, c);
        }
        return r;
}

/* Whether @c stands, directly or not, on @on. */
static bool stands_on(const infra_estate *e, const struct container *c, const struct container *on)
{
        for (size_t i = 0; i < c->n_after; i++) {
                const struct container *below = &e->containers[c->after[i]];

                if (below == on || stands_on(e, below, on))
                        return true;
        }
        return false;
}

int plan_power(struct plan *p, const struct container *c, const infra_estate *e, const struct facts *f,
               infra_error **reterr)
{
        const struct container_fact *fact = &f->containers[c - e->containers];

        if (!fact->managed)
                return infra_error_set(reterr, fact->exists ? -EPERM : -ENOENT,
                                       fact->exists ? "%s is a foreign container: infra does not touch it" :
                                                      "%s does not exist yet; `infractl apply` makes it",
                                       c->name);
        if (p->kind == PLAN_STOP && !fact->running)
                return 0;
        if (p->kind == PLAN_START && fact->running)
                return 0;
        for (size_t i = 0; p->kind != PLAN_START && i < e->n_containers; i++)
                if (f->containers[i].running && stands_on(e, &e->containers[i], c))
                        plan_note(p, "%s needs %s and keeps running", e->containers[i].name, c->name);
        if (p->kind == PLAN_STOP)
                return add(p, STEP_STOP, c);
        if (add(p, p->kind == PLAN_START || !fact->running ? STEP_START : STEP_RESTART, c) < 0)
                return -ENOMEM;
        return add(p, STEP_SERVE, c);
}
