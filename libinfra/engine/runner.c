/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "engine/choice.h"
#include "engine/job.h"
#include "engine/note.h"
#include "engine/recovery.h"
#include "engine/window.h"
#include "engine/worker.h"

enum { ATTEMPTS_MAX = 5, WINDOW_ACCURACY_US = 100 * 1000 };

struct runner {
        struct journal *journal; /* borrowed */
        char *state_dir;
        int64_t run;
        struct plan *plan;
        infra_estate *estate;
        sd_event *event;
        runner_changed changed;
        void *userdata;

        enum step_state *states;
        unsigned *attempts;
        bool *busy;
        struct job **jobs; /* of the busy steps */
        enum run_control control;
        bool held;
        char *first_error;
        int64_t started_ms; /* boottime */
        bool ended;
        sd_event_source *next_source;
        sd_event_source *window_source;
};

struct runner *runner_free(struct runner *r)
{
        if (!r)
                return NULL;
        for (size_t i = 0; r->jobs && i < r->plan->n_steps; i++)
                job_free(r->jobs[i]);
        sd_event_source_disable_unref(r->next_source);
        sd_event_source_disable_unref(r->window_source);
        sd_event_unref(r->event);
        plan_free(r->plan);
        infra_estate_free(r->estate);
        free(r->states);
        free(r->attempts);
        free(r->busy);
        free(r->jobs);
        free(r->first_error);
        free(r->state_dir);
        free(r);
        return NULL;
}

bool runner_ended(const struct runner *r)
{
        return r->ended;
}

int64_t runner_run(const struct runner *r)
{
        return r->run;
}

static void report(struct runner *r, enum run_state state, const struct step *s, enum step_state step_state, const char *text)
{
        struct runner_progress p = {
                .run = r->run, .state = state, .step = s, .step_state = step_state, .of = r->plan->n_steps,
                .elapsed_ms = clock_boottime_ms() - r->started_ms, .text = text,
        };

        r->changed(r->userdata, &p);
}

static struct worker_place place_of(const struct runner *r, size_t i, bool undo)
{
        return (struct worker_place){ .state_dir = r->state_dir, .run = r->run, .step = &r->plan->steps[i], .undo = undo };
}

static void next_later(struct runner *r);

/* The run cannot go on and nothing more is known: the journal or the event loop failed. A new runner takes it up. */
static void give_up(struct runner *r, const infra_error *error)
{
        _cleanup_free_ char *text = path_join("%s; the run is interrupted and will be taken up again", infra_error_message(error));

        for (size_t i = 0; i < r->plan->n_steps; i++)
                r->jobs[i] = job_free(r->jobs[i]);
        r->ended = true;
        report(r, RUN_PAUSED, NULL, STEP_STATE_PENDING, text ? text : infra_error_message(error));
}

/* Durable first, then known: memory follows the journal. */
static int step_state(struct runner *r, size_t i, enum step_state state, const char *error, const char *data, int64_t ms,
                      infra_error **reterr)
{
        const struct step *s = &r->plan->steps[i];
        int x = journal_step_state(r->journal, r->run, s->number, state, error, data, ms, reterr);

        if (x < 0)
                return x;
        r->states[i] = state;
        if (state == STEP_STATE_INTENT || state == STEP_STATE_UNDO_INTENT)
                r->attempts[i]++;
        report(r, RUN_RUNNING, s, state, error && *error ? error : step_type(s->kind)->doing);
        return 0;
}

/* Attempts count both ways, so the way back has as many of its own. */
static bool is_worn_out(const struct runner *r, size_t i, bool undo)
{
        return r->attempts[i] >= (undo ? 2u : 1u) * ATTEMPTS_MAX;
}

static int step_failed(struct runner *r, size_t i, bool undo, const char *error, int64_t ms, infra_error **reterr)
{
        const struct step *s = &r->plan->steps[i];
        /* A commit may have opened the fence: only a person can say what was accepted since. */
        bool stuck = undo || s->kind == STEP_COMMIT;
        _cleanup_free_ char *text = path_join("%s%s: %s", undo ? "undo of " : "", step_type(s->kind)->name, error);
        int x;

        if (!text)
                return infra_error_oom(reterr);
        if (!r->first_error)
                r->first_error = strdup(error);
        x = journal_event(r->journal, r->run, s->container, text, reterr);
        if (x >= 0 && r->plan->on_failure == ON_FAILURE_PAUSE && r->control == CONTROL_GO)
                x = runner_control(r, CONTROL_PAUSE, "on-failure", reterr);
        if (x >= 0)
                x = step_state(r, i, stuck ? STEP_STATE_UNDO_FAILED : STEP_STATE_FAILED, error, NULL, ms, reterr);
        if (x < 0 || !stuck || !s->container)
                return x;
        return recovery_leave_reachable(r->journal, r->run, r->estate, s->container, reterr);
}

/* What the worker of a step answered goes into the journal. */
static int take_answer(struct runner *r, size_t i, bool undo, const char *killed, infra_error **reterr)
{
        struct worker_place place = place_of(r, i, undo);
        _cleanup_worker_result_ struct worker_result result = {};
        int x = worker_result(&place, &result, NULL);

        if (x < 0 && killed)
                return step_failed(r, i, undo, killed, 0, reterr);
        if (x < 0 && is_worn_out(r, i, undo))
                return step_failed(r, i, undo, "its worker died again and again without an answer", 0, reterr);
        if (x < 0)
                return journal_event(r->journal, r->run, place.step->container, "a worker died without an answer; the step is begun again", reterr);
        if (result.code < 0)
                return step_failed(r, i, undo, result.error, result.duration_ms, reterr);
        x = note_fence(r->journal, r->run, place.step, undo, result.data, reterr);
        if (x >= 0)
                x = note_kept(r->journal, r->run, r->plan, place.step, undo, reterr);
        if (x < 0)
                return x;
        return step_state(r, i, undo ? STEP_STATE_UNDONE : STEP_STATE_DONE, NULL, result.data, result.duration_ms, reterr);
}

static void on_job_ended(struct job *j, void *userdata)
{
        _cleanup_free_ char *killed = job_verdict(j);
        _cleanup_error_ infra_error *error = NULL;
        struct runner *r = userdata;
        size_t i = j->terms.index;
        bool undo = j->terms.undo;
        int x = 0;

        /* One that outlived its parent is not our child. */
        if (waitpid(j->terms.pid, NULL, WNOHANG) < 0 && errno != ECHILD)
                x = infra_error_set(&error, -errno, "cannot reap the worker: %m");
        r->jobs[i] = job_free(j);
        r->busy[i] = false;
        if (x >= 0)
                x = take_answer(r, i, undo, killed, &error);
        if (x < 0)
                give_up(r, error);
        else
                next_later(r);
}

static int watch(struct runner *r, size_t i, bool undo, pid_t pid, infra_error **reterr)
{
        const struct operation *o = operation(r->plan->steps[i].kind);
        struct worker_place place = place_of(r, i, undo);
        _cleanup_free_ char *transcript = worker_transcript(&place);
        struct job_terms terms = {
                .index = i, .undo = undo, .pid = pid, .limit_ms = o->limit_ms, .silence_ms = o->talks && !undo ? r->plan->silence_ms : 0,
                .transcript = transcript, .disk = r->estate->host.storage_path, .ended = on_job_ended, .userdata = r,
        };
        int x = transcript ? job_watch(r->event, &terms, &r->jobs[i], reterr) : infra_error_oom(reterr);

        r->busy[i] = x >= 0;
        return x;
}

static int worker_begin(struct runner *r, size_t i, bool undo, infra_error **reterr)
{
        const struct step *s = &r->plan->steps[i];
        _cleanup_step_records_ struct step_records records = {};
        _cleanup_json_ json_t *baseline = NULL;
        struct worker_place place = place_of(r, i, undo);
        struct work w = {
                .estate = r->estate, .plan = r->plan, .step = s, .run = r->run, .transcript = -1,
                .container = s->container ? estate_container(r->estate, s->container) : NULL,
                .attempt = r->attempts[i] + 1, .state_dir = r->state_dir,
        };
        pid_t pid = 0;
        int x;

        if (s->container && !w.container)
                return step_failed(r, i, undo, "the container is no longer in the policy", 0, reterr);
        if (journal_steps(r->journal, r->run, &records, NULL) >= 0)
                w.baseline = baseline = worker_data_of(&records, s->container, STEP_BASELINE);
        x = step_state(r, i, undo ? STEP_STATE_UNDO_INTENT : STEP_STATE_INTENT, NULL, NULL, 0, reterr);
        if (x >= 0)
                x = note_fence(r->journal, r->run, s, undo, NULL, reterr);
        if (x >= 0)
                x = worker_start(&place, &w, &pid, reterr);
        if (x < 0)
                return x;
        x = watch(r, i, undo, pid, reterr);
        if (x >= 0)
                x = journal_step_worker(r->journal, r->run, s->number, pid, process_identity(pid), reterr);
        if (x < 0)
                kill(-pid, SIGKILL);
        return x;
}

static int run_state(struct runner *r, enum run_state state, const char *text, infra_error **reterr)
{
        int x = journal_run_state(r->journal, r->run, state, run_state_is_final(state) ? text : NULL, reterr);

        if (x < 0)
                return x;
        r->ended = run_state_is_final(state);
        report(r, state, NULL, STEP_STATE_PENDING, text ? text : "");
        return 0;
}

static int hold(struct runner *r, infra_error **reterr)
{
        if (r->held)
                return 0;
        r->held = true;
        return run_state(r, RUN_PAUSED, "paused; `infractl resume` goes on, `infractl abort` turns back what is not committed", reterr);
}

static int on_window(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct runner *r = userdata;

        (void)source;
        (void)usec;
        r->window_source = sd_event_source_disable_unref(r->window_source);
        next_later(r);
        return 0;
}

/* 1: the fence may be closed, 0: not yet (a timer is set), negative: too late, with the sentence. */
static int in_window(struct runner *r, size_t i, infra_error **reterr)
{
        int64_t wait = window_wait(r->plan, i, clock_wall_ms(), reterr);
        int x;

        if (wait <= 0 || r->plan->steps[i].kind != STEP_FENCE)
                return wait < 0 ? (int)wait : 1;
        if (r->window_source)
                return 0;
        report(r, RUN_RUNNING, &r->plan->steps[i], STEP_STATE_PENDING, "waiting for the window");
        x = journal_event(r->journal, r->run, r->plan->steps[i].container, "waiting for the window", reterr);
        if (x < 0)
                return x;
        x = sd_event_add_time(r->event, &r->window_source, CLOCK_REALTIME, (uint64_t)r->plan->window_start_ms * 1000,
                              WINDOW_ACCURACY_US, on_window, r);
        return x < 0 ? infra_error_set(reterr, x, "cannot wait for the window: %s", strerror(-x)) : 0;
}

/* 1: begun or failed, choose again; 0: not yet. */
static int begin(struct runner *r, size_t i, bool undo, infra_error **reterr)
{
        enum step_kind kind = r->plan->steps[i].kind;
        _cleanup_error_ infra_error *late = NULL;
        int x = 1;

        if (is_worn_out(r, i, undo))
                return step_failed(r, i, undo, "interrupted again and again", 0, reterr) < 0 ? -EIO : 1;
        /* A preparation that would be in vain is not begun either. */
        if (!undo && r->states[i] == STEP_STATE_PENDING && (kind == STEP_FENCE || kind == STEP_PREFLIGHT))
                x = in_window(r, i, &late);
        if (x == -ETIME)
                x = step_failed(r, i, undo, infra_error_message(late), 0, reterr);
        else if (x > 0)
                x = worker_begin(r, i, undo, reterr);
        else if (x == 0)
                return 0;
        else
                return infra_error_set(reterr, x, "%s", infra_error_message(late));
        return x < 0 ? x : 1;
}

static int next(struct runner *r, infra_error **reterr)
{
        struct scene scene = { .plan = r->plan, .states = r->states, .busy = r->busy, .estate = r->estate };

        for (int x = 1; x > 0;) {
                struct choice c;

                scene.control = r->control;
                c = choose(&scene);
                switch (c.kind) {
                case CHOICE_DO:
                case CHOICE_UNDO:
                        x = begin(r, c.index, c.kind == CHOICE_UNDO, reterr);
                        break;
                case CHOICE_NO_UNDO:
                        x = step_state(r, c.index, STEP_STATE_UNDONE, NULL, NULL, 0, reterr);
                        break;
                case CHOICE_LEAVE:
                        x = step_state(r, c.index, STEP_STATE_LEFT_OUT, NULL, NULL, 0, reterr);
                        break;
                case CHOICE_WAIT:
                        return 0;
                case CHOICE_HOLD:
                        return hold(r, reterr);
                default:
                        return run_state(r, c.state, r->first_error, reterr);
                }
                if (x < 0)
                        return x;
                if (c.kind == CHOICE_NO_UNDO || c.kind == CHOICE_LEAVE)
                        x = 1;
        }
        return 0;
}

static int on_next(sd_event_source *source, void *userdata)
{
        _cleanup_error_ infra_error *error = NULL;
        struct runner *r = userdata;

        (void)source;
        r->next_source = sd_event_source_disable_unref(r->next_source);
        if (!r->ended && next(r, &error) < 0)
                give_up(r, error);
        return 0;
}

/* From the event loop and never from inside a callback of ours: the listener may free nothing under our feet. */
static void next_later(struct runner *r)
{
        _cleanup_error_ infra_error *error = NULL;

        if (r->next_source || sd_event_add_defer(r->event, &r->next_source, on_next, r) >= 0)
                return;
        infra_error_set(&error, -ENOMEM, "cannot go on: out of memory");
        give_up(r, error);
}

int runner_control(struct runner *r, enum run_control control, const char *who, infra_error **reterr)
{
        _cleanup_free_ char *text = path_join("%s, said by %s", run_control_name(control), who);
        int x;

        if (!text)
                return infra_error_oom(reterr);
        if (r->control == CONTROL_ABORT && control != CONTROL_ABORT)
                return infra_error_set(reterr, -EALREADY, "run %lld is being aborted", (long long)r->run);
        x = journal_run_control(r->journal, r->run, control, reterr);
        if (x >= 0)
                x = journal_event(r->journal, r->run, NULL, text, reterr);
        if (x < 0)
                return x;
        r->control = control;
        if (control != CONTROL_PAUSE && r->held) {
                r->held = false;
                x = run_state(r, RUN_RUNNING, text, reterr);
        }
        /* What touches nothing that serves need not come to its end. */
        for (size_t i = 0; control == CONTROL_ABORT && i < r->plan->n_steps; i++) {
                if (!r->jobs[i] || !step_type(r->plan->steps[i].kind)->beside || r->jobs[i]->terms.undo)
                        continue;
                r->jobs[i]->aborted = true;
                job_kill(r->jobs[i]);
        }
        if (x >= 0)
                next_later(r);
        return x;
}

int runner_new(struct journal *journal, const char *state_dir, int64_t run, struct plan *plan, infra_estate *estate,
               sd_event *event, runner_changed changed, void *userdata, struct runner **ret, infra_error **reterr)
{
        _cleanup_runner_ struct runner *r = calloc(1, sizeof(*r));

        if (!r) {
                plan_free(plan);
                infra_estate_free(estate);
                return infra_error_oom(reterr);
        }
        r->journal = journal;
        r->plan = plan;
        r->estate = estate;
        r->run = run;
        r->event = sd_event_ref(event);
        r->changed = changed;
        r->userdata = userdata;
        r->started_ms = clock_boottime_ms();
        r->state_dir = strdup(state_dir);
        r->states = calloc(plan->n_steps + 1, sizeof(*r->states));
        r->attempts = calloc(plan->n_steps + 1, sizeof(*r->attempts));
        r->busy = calloc(plan->n_steps + 1, sizeof(*r->busy));
        r->jobs = calloc(plan->n_steps + 1, sizeof(struct job *));
        if (!r->state_dir || !r->states || !r->attempts || !r->busy || !r->jobs)
                return infra_error_oom(reterr);
        *ret = TAKE_PTR(r);
        return 0;
}

/*
 * A worker that outlived its parent is waited for like one of our own; one that ended between the crash of its
 * parent and now has left its answer.
 */
static int take_up(struct runner *r, const struct step_records *records, infra_error **reterr)
{
        int x = 0;

        for (size_t i = 0; x >= 0 && i < records->n; i++) {
                const struct step_record *s = &records->items[i];

                if ((s->state == STEP_STATE_INTENT || s->state == STEP_STATE_UNDO_INTENT) && s->worker > 0 &&
                    process_alive(s->worker, s->worker_start))
                        x = watch(r, i, s->state == STEP_STATE_UNDO_INTENT, s->worker, reterr);
        }
        for (size_t i = 0; x >= 0 && i < records->n; i++) {
                _cleanup_worker_result_ struct worker_result result = {};
                bool undo = records->items[i].state == STEP_STATE_UNDO_INTENT;
                struct worker_place place = place_of(r, i, undo);

                if (!r->busy[i] && (undo || records->items[i].state == STEP_STATE_INTENT) && worker_result(&place, &result, NULL) >= 0)
                        x = take_answer(r, i, undo, NULL, reterr);
        }
        return x < 0 ? x : recovery_candidates(r->estate, r->plan, r->states, r->busy, r->state_dir, reterr);
}

static int load_states(struct runner *r, struct step_records *records, infra_error **reterr)
{
        _cleanup_run_record_ struct run_record run = {};
        int x = journal_steps(r->journal, r->run, records, reterr);

        if (x >= 0)
                x = journal_run(r->journal, r->run, &run, reterr);
        if (x < 0)
                return x;
        if (records->n != r->plan->n_steps)
                return infra_error_set(reterr, -EUCLEAN, "run %lld: the journal has %zu steps and its plan %zu", (long long)r->run,
                                       records->n, r->plan->n_steps);
        r->control = run.control;
        r->held = run.state == RUN_PAUSED;
        for (size_t i = 0; i < records->n; i++) {
                r->states[i] = records->items[i].state;
                r->attempts[i] = records->items[i].attempts;
                if (!r->first_error && *records->items[i].error)
                        r->first_error = strdup(records->items[i].error);
        }
        return 0;
}

int runner_start(struct runner *r, bool recovered, infra_error **reterr)
{
        _cleanup_step_records_ struct step_records records = {};
        int x = load_states(r, &records, reterr);

        if (x >= 0 && recovered)
                x = recovery_fences(r->estate, r->plan, r->states, reterr);
        if (x >= 0 && recovered)
                x = take_up(r, &records, reterr);
        if (x < 0)
                return x;
        next_later(r);
        return 0;
}
