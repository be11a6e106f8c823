/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The report of a run: what was planned beside what the journal says happened. */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/choice.h"
#include "facade/manager.h"

/* Everything the report reads, gathered once. */
struct material {
        const infra_manager *manager;
        struct run_record run;
        struct plan *plan;
        struct step_records steps;
        struct outage_records outages;
        struct event_records events;
        enum step_state *states;
};

static void material_done(struct material *m)
{
        run_record_done(&m->run);
        plan_free(m->plan);
        step_records_done(&m->steps);
        outage_records_done(&m->outages);
        event_records_done(&m->events);
        free(m->states);
}

static int gather(infra_manager *m, int64_t run, struct material *ret, infra_error **reterr)
{
        int r = journal_run(m->journal, run, &ret->run, reterr);

        if (r >= 0)
                r = plan_from_json(ret->run.plan, &ret->plan, reterr);
        if (r >= 0)
                r = journal_steps(m->journal, run, &ret->steps, reterr);
        if (r >= 0)
                r = journal_outages(m->journal, run, &ret->outages, reterr);
        if (r >= 0)
                r = journal_events(m->journal, run, &ret->events, reterr);
        if (r < 0)
                return r;
        if (ret->steps.n != ret->plan->n_steps)
                return infra_error_set(reterr, -EUCLEAN, "the journal and the plan of run %lld differ", (long long)run);
        ret->manager = m;
        ret->states = calloc(ret->steps.n + 1, sizeof(*ret->states));
        if (!ret->states)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < ret->steps.n; i++)
                ret->states[i] = ret->steps.items[i].state;
        return 0;
}

static json_t *step_json(const struct material *m, size_t i)
{
        const struct step_record *s = &m->steps.items[i];
        _cleanup_free_ char *log = path_join("%s/runs/%lld/%03u-%s.log", m->manager->state, (long long)m->run.id, s->number, s->kind);

        return json_pack("{s:i,s:s,s:s,s:s,s:i,s:I,s:I,s:s,s:s}", "number", (int)s->number, "kind", s->kind, "doing",
                         step_type(m->plan->steps[i].kind)->doing, "state", step_state_name(s->state), "attempts",
                         (int)s->attempts, "duration_ms", (json_int_t)s->duration_ms, "forecast_ms",
                         (json_int_t)m->plan->steps[i].forecast_ms, "error", s->error, "transcript",
                         log && path_exists(AT_FDCWD, log) ? log : "");
}

static bool is_of(const struct step *s, const char *container)
{
        return container ? s->container && streq(s->container, container) : !s->container;
}

static json_t *steps_json(const struct material *m, const char *container)
{
        json_t *list = json_array();

        for (size_t i = 0; i < m->steps.n; i++)
                if (is_of(&m->plan->steps[i], container))
                        json_array_append_new(list, step_json(m, i));
        return list;
}

/* Milliseconds the fence was closed; -1 while it still is. */
static int64_t outage_of(const struct material *m, const char *container)
{
        for (size_t i = 0; i < m->outages.n; i++) {
                const struct outage_record *o = &m->outages.items[i];

                if (!streq(o->container, container))
                        continue;
                if (o->opened_wall_ms == 0)
                        return -1;
                /* Boottime, unless the host was rebooted in between: then only wall time goes through. */
                return o->opened_boot_ms >= o->closed_boot_ms ? o->opened_boot_ms - o->closed_boot_ms :
                                                                o->opened_wall_ms - o->closed_wall_ms;
        }
        return 0;
}

/* Result of the last step of that kind that recorded services. */
static json_t *verdicts(const struct material *m, const char *container, const enum step_kind *kinds, size_t n_kinds)
{
        json_t *found = NULL;

        for (size_t i = 0; i < m->steps.n; i++) {
                for (size_t k = 0; k < n_kinds; k++) {
                        json_t *data;

                        if (m->plan->steps[i].kind != kinds[k] || !is_of(&m->plan->steps[i], container))
                                continue;
                        data = json_loads(m->steps.items[i].data, 0, NULL);
                        if (json_object_get(data, "services")) {
                                json_decref(found);
                                found = json_incref(json_object_get(data, "services"));
                        }
                        json_decref(data);
                }
        }
        return found;
}

static const char *verdict(const json_t *services, const char *port)
{
        const char *v = json_string_value(json_object_get(json_object_get(services, port), "verdict"));

        return v ? v : "";
}

static json_t *services_json(const struct material *m, const char *container)
{
        static const enum step_kind before[] = { STEP_BASELINE };
        static const enum step_kind after[] = { STEP_SERVE, STEP_GATE, STEP_HALT };
        _cleanup_json_ json_t *baseline = verdicts(m, container, before, ELEMENTS(before));
        _cleanup_json_ json_t *now = verdicts(m, container, after, ELEMENTS(after));
        json_t *list = json_array(), *value;
        const char *port;

        json_object_foreach(baseline ? baseline : now, port, value)
                json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "port", port, "baseline", verdict(baseline, port),
                                                      "after", verdict(now, port), "outage_ms",
                                                      (json_int_t)outage_of(m, container)));
        return list;
}

static const char *error_of(const struct material *m, const char *container)
{
        const char *error = "";

        for (size_t i = 0; i < m->steps.n; i++)
                if (is_of(&m->plan->steps[i], container) && *m->steps.items[i].error)
                        error = m->steps.items[i].error;
        return error;
}

/* What a person should know of a prepared candidate: packages that went, files both sides changed. */
static json_t *prepared_json(const struct material *m, const char *container)
{
        json_t *found = json_object();

        for (size_t i = 0; i < m->steps.n; i++) {
                static const char *const keys[] = { "hops", "removed", "conffiles", "failed_units", "ready_ms", "carried", "conflicts" };
                _cleanup_json_ json_t *data = is_of(&m->plan->steps[i], container) ? json_loads(m->steps.items[i].data, 0, NULL) : NULL;

                if (m->plan->steps[i].kind == STEP_BASELINE)
                        continue;
                for (size_t k = 0; k < ELEMENTS(keys); k++)
                        if (json_object_get(data, keys[k]))
                                json_object_set(found, keys[k], json_object_get(data, keys[k]));
        }
        return found;
}

static json_t *container_json(const struct material *m, const char *name)
{
        return json_pack("{s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:o}", "name", name, "result",
                         standing_name(standing_of(m->plan, m->states, name)), "error", error_of(m, name), "outage_ms",
                         (json_int_t)outage_of(m, name), "outage_forecast_ms", (json_int_t)plan_outage(m->plan, name),
                         "services", services_json(m, name), "prepared", prepared_json(m, name), "steps", steps_json(m, name));
}

static json_t *containers_json(const struct material *m)
{
        json_t *list = json_array();

        for (size_t i = 0; i < m->plan->n_steps; i++) {
                const char *name = m->plan->steps[i].container;

                if (name && plan_is_first(m->plan, i))
                        json_array_append_new(list, container_json(m, name));
        }
        return list;
}

static json_t *events_json(const struct material *m)
{
        json_t *list = json_array();

        for (size_t i = 0; i < m->events.n; i++)
                json_array_append_new(list, json_pack("{s:I,s:s,s:s}", "wall", (json_int_t)m->events.items[i].wall_ms, "container",
                                                      m->events.items[i].container, "text", m->events.items[i].text));
        return list;
}

INFRA_PUBLIC int infra_manager_report(infra_manager *manager, int64_t run, char **ret_json, infra_error **reterr)
{
        CLEANUP(material_done) struct material m = {};
        int64_t forecast = 0, end;
        int r = gather(manager, run, &m, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < m.plan->n_steps; i++)
                forecast += m.plan->steps[i].forecast_ms;
        end = m.run.ended_ms ? m.run.ended_ms : clock_wall_ms();
        return manager_answer(json_pack("{s:o,s:I,s:I,s:o,s:o,s:o}", "run", describe_run(&m.run), "forecast_ms",
                                        (json_int_t)forecast, "elapsed_ms", (json_int_t)(end - m.run.started_ms), "containers",
                                        containers_json(&m), "steps", steps_json(&m, NULL), "events", events_json(&m)),
                              ret_json, reterr);
}
