/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plans and runs. A run works on a copy of the policy as it was at its beginning (<state>/runs/<id>/policy),
 * so that an edit meanwhile, or a recovery after one, changes nothing of it.
 */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "facade/manager.h"

enum { POLICY_FILE_MAX = 16 << 20 };

bool plan_is_first(const struct plan *p, size_t index)
{
        const char *name = p->steps[index].container;

        for (size_t i = 0; i < index; i++)
                if (name == p->steps[i].container || (name && p->steps[i].container && streq(p->steps[i].container, name)))
                        return false;
        return true;
}

int64_t plan_outage(const struct plan *p, const char *container)
{
        bool closed = false;
        int64_t ms = 0;

        for (size_t i = 0; i < p->n_steps; i++) {
                const struct step *s = &p->steps[i];

                if (!s->container || !streq(s->container, container))
                        continue;
                closed = closed || s->kind == STEP_FENCE || s->kind == STEP_RESTART;
                if (closed)
                        ms += s->forecast_ms;
        }
        return ms;
}

/* What past runs took is a better forecast than the table. */
static int refine_forecasts(infra_manager *m, struct plan *p, infra_error **reterr)
{
        for (size_t i = 0; i < p->n_steps; i++) {
                struct step *s = &p->steps[i];
                int64_t ms = 0;
                int r = journal_forecast(m->journal, step_type(s->kind)->name, s->container, &ms, reterr);

                if (r >= 0 && ms == 0)
                        r = journal_forecast(m->journal, step_type(s->kind)->name, NULL, &ms, reterr);
                if (r < 0)
                        return r;
                if (ms > 0)
                        s->forecast_ms = ms;
        }
        return plan_seal(p, reterr);
}

int manager_compute(infra_manager *m, const char *kind, const char *subject, bool restore_volumes,
                    const infra_estate *e, const struct facts *f, struct plan **ret, infra_error **reterr)
{
        struct plan_options options = { .restore_volumes = restore_volumes };
        _cleanup_plan_ struct plan *p = NULL;
        int k = plan_kind_parse(kind), r;

        if (k < 0)
                return infra_error_set(reterr, k, "there are no plans of kind '%s'", kind);
        r = plan_compute((enum plan_kind)k, subject, &options, e, f, &p, reterr);
        if (r >= 0)
                r = refine_forecasts(m, p, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static json_t *plan_json(const struct plan *p, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;
        json_t *j, *step;
        size_t i;

        if (plan_to_json(p, &text, reterr) < 0)
                return NULL;
        j = json_loads(text, 0, NULL);
        json_array_foreach(json_object_get(j, "steps"), i, step)
                json_object_set_new(step, "doing", json_string(step_type(p->steps[i].kind)->doing));
        return j;
}

/* Containers in the order in which the plan first names them. */
static json_t *outages_json(const struct plan *p)
{
        json_t *list = json_array();

        for (size_t i = 0; i < p->n_steps; i++) {
                const char *name = p->steps[i].container;

                if (!name || !plan_is_first(p, i))
                        continue;
                json_array_append_new(list, json_pack("{s:s,s:I}", "container", name, "forecast_ms",
                                                      (json_int_t)plan_outage(p, name)));
        }
        return list;
}

INFRA_PUBLIC int infra_manager_plan(infra_manager *m, const char *kind, const char *subject, bool restore_volumes,
                                    char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_plan_ struct plan *p = NULL;
        _cleanup_facts_ struct facts f = {};
        int64_t forecast = 0;
        json_t *plan, *price = NULL;
        int r = manager_estate(m, &e, reterr);

        if (r >= 0)
                r = manager_facts(e, &f, reterr);
        if (r >= 0)
                r = manager_compute(m, kind, subject, restore_volumes, e, &f, &p, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < p->n_steps; i++)
                forecast += p->steps[i].forecast_ms;
        plan = plan_json(p, reterr);
        if (!plan)
                return infra_error_oom(reterr);
        /* Beside the plan and not in it: each line of a log would make another plan of it. */
        if (p->kind == PLAN_ROLLBACK && manager_drift(e, &f, p->subject, &price, NULL) >= 0)
                json_object_del(json_object_get(price, "root"), "items");
        return manager_answer(json_pack("{s:o,s:I,s:o,s:s,s:o}", "plan", plan, "forecast_ms", (json_int_t)forecast, "outages",
                                        outages_json(p), "firewall_diff", p->kind == PLAN_APPLY ? f.firewall_diff : "", "price",
                                        price ? price : json_null()),
                              ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_lock(infra_manager *m, const char *who, infra_error **reterr)
{
        return journal_lock(m->journal, who, reterr);
}

INFRA_PUBLIC int64_t infra_manager_busy(const infra_manager *m)
{
        return m->runner && !runner_ended(m->runner) ? runner_run(m->runner) : 0;
}

static void on_changed(void *userdata, const struct runner_progress *p)
{
        _cleanup_free_ char *json = NULL;
        infra_manager *m = userdata;
        const struct step *s = p->step;

        if (!m->changed)
                return;
        if (manager_answer(json_pack("{s:I,s:s,s:s?,s:s?,s:i,s:i,s:s?,s:I,s:I,s:s,s:b}", "run", (json_int_t)p->run, "state",
                                     run_state_name(p->state), "container", s ? s->container : NULL, "step",
                                     s ? step_type(s->kind)->name : NULL, "number", s ? (int)s->number : 0, "of", (int)p->of, "step_state",
                                     s ? step_state_name(p->step_state) : NULL, "elapsed_ms", (json_int_t)p->elapsed_ms,
                                     "forecast_ms", (json_int_t)(s ? s->forecast_ms : 0), "text", p->text ? p->text : "", "interrupted", p->state == RUN_PAUSED && runner_ended(m->runner)),
                           &json, NULL) >= 0)
                m->changed(m->userdata, p->run, json);
}

static char *run_policy(const infra_manager *m, int64_t run)
{
        return path_join("%s/runs/%lld/policy", m->state, (long long)run);
}

static int copy_file(const char *from, const char *to, const char *file, infra_error **reterr)
{
        _cleanup_free_ char *source = path_join("%s/%s", from, file), *target = path_join("%s/%s", to, file), *text = NULL;
        size_t size = 0;
        char *slash;
        int r;

        if (!source || !target)
                return infra_error_oom(reterr);
        /* Shipped profiles are not beneath the policy directory: a recovery finds them where they are installed. */
        if (!path_exists(AT_FDCWD, source))
                return 0;
        slash = strrchr(target, '/');
        *slash = '\0';
        r = dir_make(AT_FDCWD, target, 0750);
        *slash = '/';
        if (r >= 0)
                r = file_read(AT_FDCWD, source, POLICY_FILE_MAX, &text, &size);
        if (r >= 0)
                r = file_replace(AT_FDCWD, target, text, size, 0640);
        return r < 0 ? infra_error_set(reterr, r, "cannot copy %s for the run: %s", source, strerror(-r)) : 0;
}

static int keep_policy(const infra_manager *m, int64_t run, const infra_estate *e, infra_error **reterr)
{
        _cleanup_free_ char *to = run_policy(m, run);

        if (!to)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < e->files.n; i++) {
                int r = copy_file(m->policy, to, e->files.items[i], reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int record(infra_manager *m, const struct plan *p, uint32_t uid, int64_t *ret_run, infra_error **reterr)
{
        _cleanup_free_ struct step_seed *seeds = calloc(p->n_steps + 1, sizeof(*seeds));
        _cleanup_free_ char *json = NULL;
        const struct passwd *user = getpwuid(uid);
        int r;

        if (!seeds)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < p->n_steps; i++)
                seeds[i] = (struct step_seed){ p->steps[i].number, p->steps[i].container, step_type(p->steps[i].kind)->name };
        r = plan_to_json(p, &json, reterr);
        if (r < 0)
                return r;
        return journal_begin(m->journal, plan_kind_name(p->kind), p->subject, json, p->digest, uid,
                             user ? user->pw_name : "", seeds, p->n_steps, ret_run, reterr);
}

static int launch(infra_manager *m, struct sd_event *event, int64_t run, struct plan *p, infra_estate *e, bool recovered,
                  infra_error **reterr)
{
        int r;

        m->runner = runner_free(m->runner);
        r = runner_new(m->journal, m->state, run, p, e, event, on_changed, m, &m->runner, reterr);
        if (r >= 0)
                r = runner_start(m->runner, recovered, reterr);
        if (r < 0)
                m->runner = runner_free(m->runner);
        return r;
}

/* One run at a time, also across a crash: an unfinished one comes first. */
static int require_idle(infra_manager *m, infra_error **reterr)
{
        _cleanup_run_record_ struct run_record open = {};
        int r = journal_open_run(m->journal, &open, reterr);

        if (r < 0 || open.id == 0)
                return r;
        return infra_error_set(reterr, -EBUSY, "run %lld (%s%s%s, begun by %s) is under way; `infractl watch %lld` shows it",
                               (long long)open.id, open.kind, *open.subject ? " " : "", open.subject, open.owner,
                               (long long)open.id);
}

INFRA_PUBLIC int infra_manager_begin(infra_manager *m, struct sd_event *event, const char *kind, const char *subject,
                                     bool restore_volumes, const char *digest, const char *control, uint32_t uid,
                                     int64_t *ret_run, infra_error **reterr)
{
        int said = control && *control ? run_control_parse(control) : CONTROL_GO;
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_plan_ struct plan *p = NULL;
        _cleanup_facts_ struct facts f = {};
        int64_t run = 0;
        int r = said < 0 ? infra_error_set(reterr, said, "a run cannot begin with '%s'", control) : require_idle(m, reterr);

        if (r >= 0)
                r = manager_estate(m, &e, reterr);
        if (r >= 0)
                r = manager_facts(e, &f, reterr);
        if (r >= 0)
                r = manager_compute(m, kind, subject, restore_volumes, e, &f, &p, reterr);
        if (r < 0)
                return r;
        if (digest && *digest && !streq(digest, p->digest))
                return infra_error_set(reterr, -ESTALE, "the plan changed since it was shown; look at it again");
        r = record(m, p, uid, &run, reterr);
        if (r < 0)
                return r;
        r = keep_policy(m, run, e, reterr);
        if (r >= 0 && said != CONTROL_GO)
                r = journal_run_control(m->journal, run, (enum run_control)said, reterr);
        if (r >= 0)
                r = launch(m, event, run, TAKE_PTR(p), TAKE_PTR(e), false, reterr);
        if (r < 0) {
                journal_run_state(m->journal, run, RUN_FAILED, "the run could not be begun", NULL);
                return r;
        }
        *ret_run = run;
        return 0;
}

INFRA_PUBLIC int infra_manager_control(infra_manager *m, const char *what, uint32_t uid, int64_t *ret_run,
                                       infra_error **reterr)
{
        const struct passwd *user = getpwuid(uid);
        char number[16];
        int control = run_control_parse(what);

        if (control < 0)
                return infra_error_set(reterr, control, "'%s' is none of go, pause, pause-before-cut-over, abort", what);
        if (infra_manager_busy(m) == 0)
                return infra_error_set(reterr, -ENOENT, "no run is under way");
        snprintf(number, sizeof(number), "%u", uid);
        *ret_run = infra_manager_busy(m);
        return runner_control(m->runner, (enum run_control)control, user ? user->pw_name : number, reterr);
}

/* The policy a run began with; a crash right after the journal entry may have left none: nothing was done then. */
static int recover_estate(infra_manager *m, int64_t run, infra_estate **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_free_ char *policy = run_policy(m, run);

        if (!diags || !policy)
                return infra_error_oom(reterr);
        return infra_estate_load(policy, m->profiles, diags, ret, reterr);
}

static bool nothing_begun(infra_manager *m, int64_t run)
{
        _cleanup_step_records_ struct step_records steps = {};

        if (journal_steps(m->journal, run, &steps, NULL) < 0)
                return false;
        for (size_t i = 0; i < steps.n; i++)
                if (steps.items[i].state != STEP_STATE_PENDING)
                        return false;
        return true;
}

INFRA_PUBLIC int infra_manager_recover(infra_manager *m, struct sd_event *event, int64_t *ret_run, infra_error **reterr)
{
        _cleanup_run_record_ struct run_record open = {};
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_plan_ struct plan *p = NULL;
        int r = journal_open_run(m->journal, &open, reterr);

        *ret_run = 0;
        if (r < 0 || open.id == 0)
                return r;
        r = recover_estate(m, open.id, &e, reterr);
        if (r < 0 && nothing_begun(m, open.id))
                return journal_run_state(m->journal, open.id, RUN_FAILED, "interrupted before anything was done", reterr);
        if (r >= 0)
                r = plan_from_json(open.plan, &p, reterr);
        if (r >= 0)
                r = launch(m, event, open.id, TAKE_PTR(p), TAKE_PTR(e), true, reterr);
        /* Only what succeeded: an attempt in vain is made again and again. */
        if (r >= 0)
                r = journal_event(m->journal, open.id, NULL, "taken up again after an interruption", reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot take up run %lld", (long long)open.id);
        *ret_run = open.id;
        return 0;
}
