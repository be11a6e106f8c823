/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/recovery.h"

#include <errno.h>

#include "base/clock.h"
#include "container/container.h"
#include "firewall/firewall.h"

enum { LIMIT_MS = 60000 };

struct fences {
        const infra_estate *estate;
        const struct plan *plan;
        const enum step_state *states;
        const char *open; /* container whose fence is to be opened, or NULL */
};

/* Between the fence's intent and the commit's (or the fence's undo) the container must be closed. */
static bool must_be_closed(const struct fences *f, const char *container)
{
        bool closed = false;

        for (size_t i = 0; i < f->plan->n_steps; i++) {
                const struct step *s = &f->plan->steps[i];

                if (!s->container || !streq(s->container, container))
                        continue;
                if (s->kind == STEP_FENCE)
                        closed = f->states[i] == STEP_STATE_DONE || f->states[i] == STEP_STATE_INTENT;
                if (s->kind == STEP_COMMIT && f->states[i] != STEP_STATE_PENDING && f->states[i] != STEP_STATE_LEFT_OUT)
                        closed = false;
        }
        return closed;
}

static int load(struct firewall *f, const infra_estate *e, infra_error **reterr)
{
        struct ruleset *wanted = NULL;
        int r = firewall_compile(e, &wanted, reterr);

        if (r >= 0)
                r = firewall_load(f, wanted, reterr);
        ruleset_free(wanted);
        return r;
}

/* Without the ruleset, or with a part of it gone, there is no fence to close: it is loaded anew first. */
static int close_fence(struct firewall *f, const infra_estate *e, const struct container *c, infra_error **reterr)
{
        _cleanup_error_ infra_error *missing = NULL;
        int r = firewall_fence(f, c, true, &missing);

        if (r >= 0)
                return r;
        if (r != -ENOENT)
                return infra_error_set(reterr, r, "%s", infra_error_message(missing));
        r = load(f, e, reterr);
        return r < 0 ? r : firewall_fence(f, c, true, reterr);
}

static int close_fences(void *userdata, json_t **ret, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        const struct fences *fences = userdata;
        const infra_estate *e = fences->estate;
        bool any = false;
        int r = 0;

        (void)ret;
        for (size_t i = 0; i < e->n_containers; i++)
                any = any || must_be_closed(fences, e->containers[i].name);
        if (!any)
                return 0;
        r = bridge_make(&e->host, reterr);
        if (r >= 0)
                r = firewall_open(&f, reterr);
        for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                if (must_be_closed(fences, e->containers[i].name))
                        r = close_fence(f, e, &e->containers[i], reterr);
        return r;
}

static int open_fence(void *userdata, json_t **ret, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        const struct fences *fences = userdata;
        const struct container *c = estate_container(fences->estate, fences->open);
        int r = firewall_open(&f, reterr);

        (void)ret;
        return r < 0 || !c ? r : firewall_fence(f, c, false, reterr);
}

int recovery_fences(const infra_estate *e, const struct plan *plan, const enum step_state *states, infra_error **reterr)
{
        struct fences fences = { .estate = e, .plan = plan, .states = states };
        _cleanup_json_ json_t *none = NULL;

        return isolate(close_fences, &fences, LIMIT_MS, &none, reterr);
}

struct candidates {
        const infra_estate *estate;
        const struct plan *plan;
        const enum step_state *states;
        const bool *alive;
        const char *state_dir;
};

static int drop_candidates(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct candidates *c = userdata;
        int r = 0;

        (void)ret;
        for (size_t i = 0; r >= 0 && i < c->plan->n_steps; i++) {
                const struct step *s = &c->plan->steps[i];
                struct work w = { .estate = c->estate, .plan = c->plan, .step = s, .transcript = -1, .state_dir = c->state_dir };

                if (s->kind != STEP_PREPARE || c->states[i] != STEP_STATE_INTENT || c->alive[i])
                        continue;
                w.container = estate_container(c->estate, s->container);
                r = w.container ? shadow_discard_act(&w, reterr) : 0;
        }
        return r;
}

int recovery_candidates(const infra_estate *e, const struct plan *plan, const enum step_state *states, const bool *alive,
                        const char *state_dir, infra_error **reterr)
{
        struct candidates c = { .estate = e, .plan = plan, .states = states, .alive = alive, .state_dir = state_dir };
        _cleanup_json_ json_t *none = NULL;
        bool any = false;

        for (size_t i = 0; i < plan->n_steps; i++)
                any = any || (plan->steps[i].kind == STEP_PREPARE && states[i] == STEP_STATE_INTENT && !alive[i]);
        return any ? isolate(drop_candidates, &c, LIMIT_MS, &none, reterr) : 0;
}

int recovery_leave_reachable(struct journal *j, int64_t run, const infra_estate *e, const char *container,
                             infra_error **reterr)
{
        struct fences fences = { .estate = e, .open = container };
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_json_ json_t *none = NULL;

        if (isolate(open_fence, &fences, LIMIT_MS, &none, &error) < 0)
                return journal_event(j, run, container, infra_error_message(error), reterr);
        return journal_fence(j, run, container, false, clock_wall_ms(), clock_boottime_ms(), reterr);
}
