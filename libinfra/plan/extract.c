/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan that makes a directory of a running container a volume, with the shortest stop. */

#include <errno.h>

#include "plan/plan.h"

static const enum step_kind steps[] = {
        STEP_BASELINE, STEP_COPY, STEP_FENCE, STEP_HALT, STEP_EXTRACT, STEP_BOOT, STEP_GATE, STEP_COMMIT,
};

static bool is_volume(const struct container *c, const char *path)
{
        for (size_t i = 0; i < c->n_volumes; i++)
                if (streq(c->volumes[i].path, path))
                        return true;
        return false;
}

/* 0: it can be done. */
static int extractable(const struct container *c, const struct container_fact *fact, const char *path, const struct facts *f,
                       infra_error **reterr)
{
        if (!is_volume(c, path))
                return infra_error_set(reterr, -EINVAL, "%s:%u: the policy does not call %s a volume of %s; add it to volumes: there first",
                                       c->span.file, c->span.line, path, c->name);
        if (!fact->managed || !fact->live)
                return infra_error_set(reterr, -EPERM, "%s is not a container of infra", c->name);
        if (!strlist_contains(&fact->unmade, path))
                return infra_error_set(reterr, -EALREADY, "%s of %s is a volume", path, c->name);
        if (!fact->running)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running: `infractl apply` makes the volume", c->name);
        if (fact->fenced)
                return infra_error_set(reterr, -EBUSY, "the fence of %s is closed: another change is unfinished, see `infractl runs`", c->name);
        if (!f->firewall_loaded)
                return infra_error_set(reterr, -ENOENT, "the ruleset is not loaded, so there is no fence to close; run `infractl apply` first");
        return 0;
}

int plan_extract(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        const char *path = strchr(p->subject, '/');
        _cleanup_free_ char *name = path ? strndup(p->subject, (size_t)(path - p->subject)) : NULL;
        const struct container *c = name ? estate_container(e, name) : NULL;
        const struct container_fact *fact;
        int r;

        if (!path)
                return infra_error_set(reterr, -EINVAL, "'%s' names no container and path, like lists/var/lib/sympa", p->subject);
        if (!c)
                return name ? estate_no_container(e, name, reterr) : -ENOMEM;
        fact = &f->containers[c - e->containers];
        r = extractable(c, fact, path, f, reterr);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(steps); i++) {
                struct step *s = plan_add(p, steps[i], c);

                if (!s)
                        return -ENOMEM;
                s->from = s->to = fact->live;
                s->tag = strdup(path);
                if (!s->tag)
                        return -ENOMEM;
        }
        return r;
}
