/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans that change what a container lives on. In-place: the original tree is never written to: the clone
 * goes live by one exchange and is upgraded behind the closed fence, the original waits beside.
 */

#include <errno.h>
#include <stdlib.h>

#include "plan/plan.h"

static const enum step_kind in_place_steps[] = {
        STEP_PREFLIGHT, STEP_BASELINE, STEP_FENCE, STEP_HALT,    STEP_SNAPSHOT, STEP_CLONE, STEP_EXCHANGE,
        STEP_BOOT,      STEP_UPGRADE,  STEP_CHECK, STEP_RESTART, STEP_GATE,     STEP_COMMIT,
};

static int add_steps(struct plan *p, const enum step_kind *kinds, size_t n, const struct container *c, unsigned wave,
                     unsigned from, unsigned to, const char *release)
{
        for (size_t i = 0; i < n; i++) {
                struct step *s = plan_add(p, kinds[i], c);

                if (!s)
                        return -ENOMEM;
                s->wave = wave;
                s->from = from;
                s->to = to;
                s->release = strdup(release);
                if (!s->release)
                        return -ENOMEM;
        }
        return 0;
}

/* What stands in the way of upgrading this container: 0 go, 1 nothing to do, negative with a sentence. */
static int upgradable(struct plan *p, const struct upgrade *u, const struct container *c,
                      const struct container_fact *fact, infra_error **reterr)
{
        const char *next;

        if (!fact->exists || !fact->live)
                return infra_error_set(reterr, -ENOENT, "%s does not exist yet; `infractl apply` makes it", c->name);
        if (!fact->managed)
                return infra_error_set(reterr, -EPERM, "%s is a foreign container: infra does not touch it", c->name);
        if (streq(fact->release, u->to)) {
                plan_note(p, "%s: runs %s already", c->name, u->to);
                return 1;
        }
        next = release_next(fact->release);
        if (!next || !streq(next, u->to))
                return infra_error_set(reterr, -EINVAL, "%s runs %s: Debian does not skip releases, the next is %s and not %s",
                                       c->name, fact->release, next ? next : "unknown", u->to);
        if (!fact->running)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running, so nothing would tell a good upgrade from a bad one; start it first",
                                       c->name);
        if (fact->fenced)
                return infra_error_set(reterr, -EBUSY, "the fence of %s is closed: another change is unfinished, see `infractl runs`", c->name);
        return 0;
}

int plan_upgrade(struct plan *p, const struct upgrade *u, const infra_estate *e, const struct facts *f,
                 infra_error **reterr)
{
        uint64_t bytes = 0;
        char need[32], have[32];

        if (u->strategy != STRATEGY_IN_PLACE)
                return infra_error_set(reterr, -EOPNOTSUPP, "%s:%u: upgrade %s: this version runs strategy 'in-place' only",
                                       u->span.file, u->span.line, u->name);
        if (!f->firewall_loaded)
                return infra_error_set(reterr, -ENOENT, "the ruleset is not loaded, so there is no fence to close; run `infractl apply` first");
        p->on_failure = u->on_failure;
        /* Said rather than silently passed over: who relies on them must look themselves. */
        if (u->approvals > 1 && plan_note(p, "%s:%u asks for %u approvals; this version leaves them to you", u->span.file, u->span.line, u->approvals) < 0)
                return -ENOMEM;
        if (u->window_length_ms && plan_note(p, "%s:%u names a window; this version does not wait for it nor end with it", u->span.file, u->span.line) < 0)
                return -ENOMEM;
        for (size_t w = 0; w < u->n_waves; w++) {
                for (size_t i = 0; i < u->waves[w].n_containers; i++) {
                        size_t index = u->waves[w].containers[i];
                        const struct container_fact *fact = &f->containers[index];
                        int r = upgradable(p, u, &e->containers[index], fact, reterr);

                        if (r == 0)
                                r = add_steps(p, in_place_steps, ELEMENTS(in_place_steps), &e->containers[index],
                                              (unsigned)w + 1, fact->live, fact->last + 1, u->to);
                        else if (r > 0)
                                continue;
                        if (r < 0)
                                return r;
                        bytes += fact->forecast_bytes;
                }
        }
        if (bytes > f->free_bytes)
                return infra_error_set(reterr, -ENOSPC, "the upgrade may take %s and %s are free in %s; delete old generations or enlarge it",
                                       str_bytes(need, bytes), str_bytes(have, f->free_bytes), e->host.storage_path);
        return 0;
}

int plan_rollback(struct plan *p, const struct container *c, const struct plan_options *options,
                  const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        static const enum step_kind before[] = { STEP_BASELINE, STEP_FENCE, STEP_HALT, STEP_SNAPSHOT };
        static const enum step_kind after[] = { STEP_EXCHANGE, STEP_BOOT, STEP_GATE, STEP_COMMIT };
        const struct container_fact *fact = &f->containers[c - e->containers];
        const char *release = "";
        struct step *s;

        if (!fact->managed)
                return infra_error_set(reterr, -EPERM, "%s is not a container of infra", c->name);
        if (!f->firewall_loaded)
                return infra_error_set(reterr, -ENOENT, "the ruleset is not loaded, so there is no fence to close; run `infractl apply` first");
        for (size_t i = 0; i < fact->n_generations; i++)
                if (fact->generations[i].number == fact->previous)
                        release = fact->generations[i].release;
        if (fact->previous == 0)
                return infra_error_set(reterr, -ENOENT, "%s has no previous generation to go back to", c->name);
        plan_note(p, "%s goes back from generation %u (%s) to %u (%s)", c->name, fact->live, fact->release, fact->previous, release);
        plan_note(p, options->restore_volumes ? "volumes go back too: what was written since the upgrade is set aside, kept as snapshots" :
                                                "volumes stay as they are now; what was written outside volumes stays in generation %u",
                  fact->live);
        if (add_steps(p, before, ELEMENTS(before), c, 1, fact->live, fact->previous, release) < 0)
                return -ENOMEM;
        if (options->restore_volumes) {
                if (!*fact->previous_run)
                        return infra_error_set(reterr, -ENOENT, "%s: generation %u was not replaced by generation %u, so no volume snapshots belong to it; leave --with-volumes out to keep the volumes as they are",
                                               c->name, fact->previous, fact->live);
                if (add_steps(p, (const enum step_kind[]){ STEP_RESTORE }, 1, c, 1, fact->live, fact->previous, release) < 0)
                        return -ENOMEM;
                s = &p->steps[p->n_steps - 1];
                s->tag = strdup(fact->previous_run);
                if (!s->tag)
                        return -ENOMEM;
        }
        return add_steps(p, after, ELEMENTS(after), c, 1, fact->live, fact->previous, release);
}
