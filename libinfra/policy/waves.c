/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waves of an upgrade: by name, or computed so that each container comes after those it stands on. */

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "policy/draft.h"

static struct wave *add_wave(struct draft *d, struct upgrade *u, const struct span *span)
{
        struct wave *w = ARRAY_ADD(u->waves, u->n_waves);

        if (w)
                w->span = *span;
        else
                d->reader.oom = true;
        return w;
}

static void add_container(struct draft *d, struct wave *w, size_t index)
{
        size_t *slot = ARRAY_ADD(w->containers, w->n_containers);

        if (slot)
                *slot = index;
        else
                d->reader.oom = true;
}

/* How many others, one on top of the other, must be done before: the number of its wave. */
static size_t depth(const struct draft *d, size_t i, size_t limit)
{
        const struct container *c = &d->containers[i].container;
        size_t deepest = 0;

        for (size_t k = 0; limit > 0 && k < c->n_after; k++)
                deepest = MAX(deepest, depth(d, c->after[k], limit - 1) + 1);
        return deepest;
}

/* In place one release at a time; in a candidate aside as many as it takes. */
static bool is_candidate(const struct container *c, const struct upgrade *u)
{
        const char *next = c->release ? release_next(c->release) : NULL;

        if (u->strategy == STRATEGY_SHADOW)
                return next && release_index(c->release) < release_index(u->to);
        return next && streq(next, u->to);
}

/* One wave of those at @level that are essential, or of those that are not. */
static void automatic_wave(struct draft *d, struct draft_upgrade *u, size_t level, bool essential)
{
        struct wave *w = NULL;

        for (size_t i = 0; i < d->n_containers; i++) {
                const struct container *c = &d->containers[i].container;

                if (!is_candidate(c, &u->upgrade) || c->essential != essential || depth(d, i, d->n_containers) != level)
                        continue;
                w = w ? w : add_wave(d, &u->upgrade, &u->waves.span);
                if (w)
                        add_container(d, w, i);
        }
}

/* What others stand on comes first; beside each other, those that are missed least meet a surprise before the essential. */
static void automatic(struct draft *d, struct draft_upgrade *u)
{
        for (size_t level = 0; level < d->n_containers; level++) {
                automatic_wave(d, u, level, false);
                automatic_wave(d, u, level, true);
        }
}

static bool is_moved(const struct upgrade *u, size_t index)
{
        for (size_t i = 0; i < u->n_waves; i++)
                for (size_t k = 0; k < u->waves[i].n_containers; k++)
                        if (u->waves[i].containers[k] == index)
                                return true;
        return false;
}

static void check_release(struct draft *d, const struct upgrade *u, const struct container *c, const struct span *span)
{
        _cleanup_free_ char *hint = NULL;
        const char *next = c->release ? release_next(c->release) : NULL;

        if (!c->release || streq(c->release, u->to) || is_candidate(c, u))
                return;
        if (asprintf(&hint, "Debian does not skip releases: the next after %s is %s", c->release, next ? next : "none known") >= 0)
                complain(&d->reader, span, hint, "'%s' is on %s and cannot go to %s", c->name, c->release, u->to);
}

static void add_named(struct draft *d, struct draft_upgrade *u, struct wave *w, const struct draft_name *name)
{
        const struct draft_container *c = draft_container(d, name->text);
        size_t index;

        if (!c) {
                draft_dangling(d, name->text, &name->span, true);
                return;
        }
        index = (size_t)(c - d->containers);
        if (is_moved(&u->upgrade, index))
                complain(&d->reader, &name->span, "keep one of them", "'%s' stands in the waves twice", name->text);
        else
                add_container(d, w, index);
        if (u->upgrade.to)
                check_release(d, &u->upgrade, &c->container, &name->span);
}

static void resolve(struct draft *d, struct draft_upgrade *u)
{
        if (u->waves.automatic) {
                if (u->upgrade.to)
                        automatic(d, u);
                return;
        }
        for (size_t i = 0; i < u->waves.n; i++) {
                if (!add_wave(d, &u->upgrade, &u->waves.items[i].span))
                        return;
                for (size_t k = 0; k < u->waves.items[i].names.n; k++)
                        if (u->waves.items[i].names.items[k].text)
                                add_named(d, u, &u->upgrade.waves[i], &u->waves.items[i].names.items[k]);
        }
}

void draft_waves_resolve(struct draft *d)
{
        for (size_t i = 0; i < d->n_upgrades; i++)
                resolve(d, &d->upgrades[i]);
}
