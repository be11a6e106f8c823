/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans that change what a container lives on.
 *
 * Shadow: the candidate is cloned, upgraded and rehearsed aside while the original serves; all containers of the
 * upgrade are prepared before the first fence closes, then one after the other is cut over. In-place: the clone
 * goes live by one exchange and is upgraded behind the closed fence. Either way the original tree is never
 * written to after the clone went live: it waits beside.
 */

#include <errno.h>
#include <stdlib.h>

#include "plan/plan.h"

static const enum step_kind in_place_steps[] = {
        STEP_PREFLIGHT, STEP_BASELINE, STEP_FENCE, STEP_HALT,    STEP_SNAPSHOT, STEP_CLONE, STEP_EXCHANGE,
        STEP_BOOT,      STEP_UPGRADE,  STEP_CHECK, STEP_RESTART, STEP_GATE,     STEP_COMMIT,
};
static const enum step_kind aside_steps[] = { STEP_PREFLIGHT, STEP_BASELINE, STEP_SHADOW, STEP_PREPARE, STEP_REHEARSE };
static const enum step_kind cut_over_steps[] = {
        STEP_FENCE, STEP_HALT, STEP_CARRY, STEP_SNAPSHOT, STEP_EXCHANGE, STEP_BOOT, STEP_GATE, STEP_COMMIT,
};
static const enum step_kind commit_steps[] = { STEP_COMMIT };

struct steps {
        const enum step_kind *kinds;
        size_t n;
};
#define STEPS(list) (&(const struct steps){ list, ELEMENTS(list) })
/* The list, but for the commit it ends with when commits are to stand elsewhere. */
#define without_commit(list, elsewhere) (&(const struct steps){ list, ELEMENTS(list) - ((elsewhere) ? 1 : 0) })

static int add_steps(struct plan *p, const struct steps *steps, const struct container *c, unsigned wave, unsigned from,
                     unsigned to, const char *release)
{
        for (size_t i = 0; i < steps->n; i++) {
                struct step *s = plan_add(p, steps->kinds[i], c);

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

/* What stands in the way of changing this container's release: 0 go, 1 nothing to do, negative with a sentence. */
static int upgradable(struct plan *p, const char *to, enum strategy strategy, const struct container *c,
                      const struct container_fact *fact, infra_error **reterr)
{
        const char *next;

        if (!fact->exists || !fact->live)
                return infra_error_set(reterr, -ENOENT, "%s does not exist yet; `infractl apply` makes it", c->name);
        if (!fact->managed)
                return infra_error_set(reterr, -EPERM, "%s is a foreign container: infra does not touch it", c->name);
        if (streq(fact->release, to)) {
                plan_note(p, "%s: runs %s already", c->name, to);
                return 1;
        }
        next = release_next(fact->release);
        if (release_index(fact->release) < 0 || release_index(fact->release) > release_index(to))
                return infra_error_set(reterr, -EINVAL, "%s runs %s: there is no way from there to %s", c->name, fact->release, to);
        if (strategy == STRATEGY_IN_PLACE && !streq(next, to))
                return infra_error_set(reterr, -EINVAL,
                                       "%s runs %s: Debian does not skip releases, the next is %s and not %s; strategy shadow takes several in one candidate",
                                       c->name, fact->release, next, to);
        if (!fact->running)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running, so nothing would tell a good upgrade from a bad one; start it first",
                                       c->name);
        if (fact->fenced)
                return infra_error_set(reterr, -EBUSY, "the fence of %s is closed: another change is unfinished, see `infractl runs`", c->name);
        return 0;
}

static int require_space(uint64_t bytes, const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        char need[32], have[32];

        if (bytes <= f->free_bytes)
                return 0;
        return infra_error_set(reterr, -ENOSPC, "the upgrade may take %s and %s are free in %s; delete old generations or enlarge it",
                               str_bytes(need, bytes), str_bytes(have, f->free_bytes), e->host.storage_path);
}

static int require_ruleset(const struct facts *f, infra_error **reterr)
{
        if (f->firewall_loaded)
                return 0;
        return infra_error_set(reterr, -ENOENT, "the ruleset is not loaded, so there is no fence to close; run `infractl apply` first");
}

/* What one going through the waves adds. */
struct adding {
        const struct upgrade *upgrade;
        const infra_estate *estate;
        const struct facts *facts;
        struct plan *notes; /* where notes go: once, however often the waves are gone through */
        uint64_t bytes;     /* that it may take in all */
};

static int add_wave(struct plan *p, const struct steps *steps, struct adding *a, size_t wave, infra_error **reterr)
{
        const struct wave *w = &a->upgrade->waves[wave];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < w->n_containers; i++) {
                const struct container *c = &a->estate->containers[w->containers[i]];
                const struct container_fact *fact = &a->facts->containers[w->containers[i]];

                r = upgradable(a->notes, a->upgrade->to, a->upgrade->strategy, c, fact, reterr);
                if (r > 0)
                        continue;
                if (r == 0)
                        r = add_steps(p, steps, c, (unsigned)wave + 1, fact->live, fact->last + 1, a->upgrade->to);
                a->bytes += fact->forecast_bytes;
        }
        return MIN(r, 0);
}

/* The same steps for each container, wave by wave; with @commits a wave's last steps stand behind all its others. */
static int add_waves(struct plan *p, const struct steps *steps, bool commits, const struct upgrade *u, const infra_estate *e,
                     const struct facts *f, uint64_t *ret_bytes, infra_error **reterr)
{
        struct plan nowhere = {};
        struct adding a = { .upgrade = u, .estate = e, .facts = f, .notes = p->n_steps ? &nowhere : p };
        int r = 0;

        for (size_t w = 0; r >= 0 && w < u->n_waves; w++) {
                r = add_wave(p, steps, &a, w, reterr);
                a.notes = commits ? &nowhere : a.notes;
                if (r >= 0 && commits)
                        r = add_wave(p, STEPS(commit_steps), &a, w, reterr);
        }
        strlist_done(&nowhere.notes);
        *ret_bytes = a.bytes;
        return r;
}

int plan_upgrade(struct plan *p, const struct upgrade *u, const infra_estate *e, const struct facts *f,
                 infra_error **reterr)
{
        /* A wave that goes back as one commits as one, behind the gates of all. */
        bool together = u->on_failure == ON_FAILURE_ROLLBACK_WAVE;
        uint64_t bytes = 0, unused;
        int r = require_ruleset(f, reterr);

        if (r < 0)
                return r;
        p->on_failure = u->on_failure;
        p->silence_ms = u->silence_ms;
        p->keep_ms = u->keep_ms;
        p->window_start_ms = u->window_start_ms;
        p->window_end_ms = u->window_length_ms ? u->window_start_ms + u->window_length_ms : 0;
        /* Said rather than silently passed over: who relies on them must look themselves. */
        if (u->approvals > 1 && plan_note(p, "%s:%u asks for %u approvals; this version leaves them to you", u->span.file, u->span.line, u->approvals) < 0)
                return -ENOMEM;
        if (u->strategy == STRATEGY_IN_PLACE) {
                r = add_waves(p, without_commit(in_place_steps, together), together, u, e, f, &bytes, reterr);
                return r < 0 ? r : require_space(bytes, e, f, reterr);
        }
        p->jobs = u->jobs;
        r = add_waves(p, STEPS(aside_steps), false, u, e, f, &bytes, reterr);
        if (r >= 0 && p->n_steps > 0)
                r = add_waves(p, without_commit(cut_over_steps, together), together, u, e, f, &unused, reterr);
        return r < 0 ? r : require_space(bytes, e, f, reterr);
}

/* The release a rehearsal of one container is about: that of the one upgrade that names it, else the next. */
static const char *rehearsed_release(const infra_estate *e, const struct container *c, const struct container_fact *fact)
{
        const char *to = NULL;

        for (size_t u = 0; u < e->n_upgrades; u++)
                for (size_t w = 0; w < e->upgrades[u].n_waves; w++)
                        for (size_t i = 0; i < e->upgrades[u].waves[w].n_containers; i++)
                                if (&e->containers[e->upgrades[u].waves[w].containers[i]] == c)
                                        to = to && !streq(to, e->upgrades[u].to) ? "" : e->upgrades[u].to;
        return to && *to && !streq(to, fact->release) ? to : release_next(fact->release);
}

static int rehearse_container(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        const struct container *c = estate_container(e, p->subject);
        const struct container_fact *fact;
        const char *to;
        int r;

        if (!c)
                return estate_no_container(e, p->subject, reterr);
        fact = &f->containers[c - e->containers];
        to = rehearsed_release(e, c, fact);
        if (!to)
                return infra_error_set(reterr, -EINVAL, "%s runs %s: no release after that is known", c->name, fact->release);
        r = upgradable(p, to, STRATEGY_SHADOW, c, fact, reterr);
        if (r == 0)
                r = add_steps(p, STEPS(aside_steps), c, 1, fact->live, fact->last + 1, to);
        if (r == 0)
                r = add_steps(p, STEPS((const enum step_kind[]){ STEP_DISCARD }), c, 1, fact->live, fact->last + 1, to);
        return r < 0 ? r : require_space(fact->forecast_bytes, e, f, reterr);
}

int plan_rehearse(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr)
{
        const struct upgrade *named = estate_upgrade(e, p->subject);
        struct upgrade u;
        uint64_t bytes = 0;
        int r;

        plan_note(p, "nothing that serves is touched: the candidates are thrown away at the end");
        if (!named)
                return rehearse_container(p, e, f, reterr);
        /* An in-place upgrade is rehearsed like any other. */
        u = *named;
        u.strategy = STRATEGY_SHADOW;
        p->jobs = u.jobs;
        p->silence_ms = u.silence_ms;
        r = add_waves(p, STEPS(aside_steps), false, &u, e, f, &bytes, reterr);
        if (r >= 0)
                r = require_space(bytes, e, f, reterr);
        return r < 0 || p->n_steps == 0 ? r : add_waves(p, STEPS((const enum step_kind[]){ STEP_DISCARD }), false, &u, e, f, &bytes, reterr);
}

/* As long as the upgrades say that name the container; what none of them names, for ever. */
static int64_t keep_of(const infra_estate *e, const struct container *c)
{
        int64_t ms = 0;

        for (size_t u = 0; u < e->n_upgrades; u++)
                for (size_t w = 0; w < e->upgrades[u].n_waves; w++)
                        for (size_t i = 0; i < e->upgrades[u].waves[w].n_containers; i++)
                                if (&e->containers[e->upgrades[u].waves[w].containers[i]] == c)
                                        ms = MAX(ms, e->upgrades[u].keep_ms);
        return ms;
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
        if (require_ruleset(f, reterr) < 0)
                return -ENOENT;
        p->keep_ms = keep_of(e, c);
        for (size_t i = 0; i < fact->n_generations; i++)
                if (fact->generations[i].number == fact->previous)
                        release = fact->generations[i].release;
        if (fact->previous == 0)
                return infra_error_set(reterr, -ENOENT, "%s has no previous generation to go back to", c->name);
        plan_note(p, "%s goes back from generation %u (%s) to %u (%s)", c->name, fact->live, fact->release, fact->previous, release);
        plan_note(p, options->restore_volumes ? "volumes go back too: what was written since the upgrade is set aside, kept as snapshots" :
                                                "volumes stay as they are now; what was written outside volumes stays in generation %u",
                  fact->live);
        if (add_steps(p, STEPS(before), c, 1, fact->live, fact->previous, release) < 0)
                return -ENOMEM;
        if (options->restore_volumes) {
                if (!*fact->previous_run)
                        return infra_error_set(reterr, -ENOENT, "%s: generation %u was not replaced by generation %u, so no volume snapshots belong to it; leave --with-volumes out to keep the volumes as they are",
                                               c->name, fact->previous, fact->live);
                if (add_steps(p, STEPS((const enum step_kind[]){ STEP_RESTORE }), c, 1, fact->live, fact->previous, release) < 0)
                        return -ENOMEM;
                s = &p->steps[p->n_steps - 1];
                s->tag = strdup(fact->previous_run);
                if (!s->tag)
                        return -ENOMEM;
        }
        return add_steps(p, STEPS(after), c, 1, fact->live, fact->previous, release);
}
