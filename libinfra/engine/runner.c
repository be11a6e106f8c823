/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "engine/choice.h"
#include "engine/recovery.h"
#include "engine/worker.h"

enum { ATTEMPTS_MAX = 5, LIMIT_ACCURACY_US = 100 * 1000 };

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
        char *first_error;
        int64_t started_ms; /* boottime */
        bool ended;

        /* the worker under way */
        size_t index;
        bool undo;
        pid_t pid;
        int64_t worker_started_ms;
        int pidfd;
        bool late;
        sd_event_source *exit_source;
        sd_event_source *limit_source;
        sd_event_source *next_source;
};

static void worker_forget(struct runner *r)
{
        r->exit_source = sd_event_source_disable_unref(r->exit_source);
        r->limit_source = sd_event_source_disable_unref(r->limit_source);
        closep(&r->pidfd);
        r->pidfd = -1;
        r->pid = 0;
        r->late = false;
}

struct runner *runner_free(struct runner *r)
{
        if (!r)
                return NULL;
        worker_forget(r);
        sd_event_source_disable_unref(r->next_source);
        sd_event_unref(r->event);
        plan_free(r->plan);
        infra_estate_free(r->estate);
        free(r->states);
        free(r->attempts);
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

static struct worker_place place_of(const struct runner *r)
{
        return (struct worker_place){ .state_dir = r->state_dir, .run = r->run, .step = &r->plan->steps[r->index], .undo = r->undo };
}

static void next_later(struct runner *r);

/* The run cannot go on and nothing more is known: the journal or the event loop failed. A new runner takes it up. */
static void give_up(struct runner *r, const infra_error *error)
{
        _cleanup_free_ char *text = path_join("%s; the run is interrupted and will be taken up again", infra_error_message(error));

        worker_forget(r);
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

/* Outages: closed from the intent on (the fence may be closed at any instant after), open when that is verified. */
static int note_fence(struct runner *r, const struct step *s, bool begun, const char *data, infra_error **reterr)
{
        bool closing = s->kind == STEP_FENCE && !r->undo;
        bool opening = s->kind == STEP_COMMIT || (s->kind == STEP_FENCE && r->undo);
        _cleanup_json_ json_t *j = data ? json_loads(data, 0, NULL) : NULL;

        if (closing && begun)
                return journal_fence(r->journal, r->run, s->container, true, clock_wall_ms(), clock_boottime_ms(), reterr);
        if (opening && !begun && json_object_get(j, "wall"))
                return journal_fence(r->journal, r->run, s->container, false, json_integer_value(json_object_get(j, "wall")),
                                     json_integer_value(json_object_get(j, "boot")), reterr);
        return 0;
}

/* Attempts count both ways, so the way back has as many of its own. */
static bool is_worn_out(const struct runner *r)
{
        return r->attempts[r->index] >= (r->undo ? 2u : 1u) * ATTEMPTS_MAX;
}

static int step_failed(struct runner *r, const char *error, int64_t ms, infra_error **reterr)
{
        const struct step *s = &r->plan->steps[r->index];
        /* A commit may have opened the fence: only a person can say what was accepted since. */
        bool stuck = r->undo || s->kind == STEP_COMMIT;
        _cleanup_free_ char *text = path_join("%s%s: %s", r->undo ? "undo of " : "", step_type(s->kind)->name, error);
        int x;

        if (!text)
                return infra_error_oom(reterr);
        if (!r->first_error)
                r->first_error = strdup(error);
        x = journal_event(r->journal, r->run, s->container, text, reterr);
        if (x >= 0)
                x = step_state(r, r->index, stuck ? STEP_STATE_UNDO_FAILED : STEP_STATE_FAILED, error, NULL, ms, reterr);
        if (x < 0 || !stuck || !s->container)
                return x;
        return recovery_leave_reachable(r->journal, r->run, r->estate, s->container, reterr);
}

/* The worker has ended: what it answered goes into the journal. */
static int worker_ended(struct runner *r, infra_error **reterr)
{
        struct worker_place place = place_of(r);
        _cleanup_worker_result_ struct worker_result result = {};
        bool late = r->late;
        int x;

        /* One that outlived its parent is not our child. */
        if (r->pid > 0 && waitpid(r->pid, NULL, WNOHANG) < 0 && errno != ECHILD)
                return infra_error_set(reterr, -errno, "cannot reap the worker: %m");
        worker_forget(r);
        x = worker_result(&place, &result, NULL);
        if (x < 0 && late)
                return step_failed(r, "no end within its time limit; killed", 0, reterr);
        if (x < 0 && is_worn_out(r))
                return step_failed(r, "its worker died again and again without an answer", 0, reterr);
        if (x < 0)
                return journal_event(r->journal, r->run, place.step->container, "a worker died without an answer; the step is begun again", reterr);
        if (result.code < 0)
                return step_failed(r, result.error, result.duration_ms, reterr);
        x = note_fence(r, place.step, false, result.data, reterr);
        if (x < 0)
                return x;
        return step_state(r, r->index, r->undo ? STEP_STATE_UNDONE : STEP_STATE_DONE, NULL, result.data, result.duration_ms, reterr);
}

static int on_worker_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        _cleanup_error_ infra_error *error = NULL;
        struct runner *r = userdata;

        (void)source;
        (void)fd;
        (void)revents;
        if (worker_ended(r, &error) < 0)
                give_up(r, error);
        else
                next_later(r);
        return 0;
}

static int on_worker_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct runner *r = userdata;

        (void)source;
        (void)usec;
        r->late = true;
        kill(-r->pid, SIGKILL);
        kill(r->pid, SIGKILL);
        return 0;
}

static int worker_watch(struct runner *r, pid_t pid, infra_error **reterr)
{
        int64_t limit_ms = operation(r->plan->steps[r->index].kind)->limit_ms;
        int x;

        r->pid = pid;
        r->worker_started_ms = clock_boottime_ms();
        r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (r->pidfd < 0)
                return infra_error_set(reterr, -errno, "cannot watch worker %d: %m", (int)pid);
        x = sd_event_add_io(r->event, &r->exit_source, r->pidfd, EPOLLIN, on_worker_exit, r);
        if (x >= 0)
                x = sd_event_add_time_relative(r->event, &r->limit_source, CLOCK_BOOTTIME, (uint64_t)limit_ms * 1000,
                                               LIMIT_ACCURACY_US, on_worker_limit, r);
        return x < 0 ? infra_error_set(reterr, x, "cannot watch worker %d: %s", (int)pid, strerror(-x)) : 0;
}

/* Result of the container's baseline, for the steps that compare with it. */
static json_t *baseline_of(struct runner *r, const struct step *s)
{
        _cleanup_step_records_ struct step_records records = {};

        if (!s->container || journal_steps(r->journal, r->run, &records, NULL) < 0)
                return NULL;
        for (size_t i = 0; i < records.n; i++)
                if (streq(records.items[i].kind, step_type(STEP_BASELINE)->name) && streq(records.items[i].container, s->container))
                        return json_loads(records.items[i].data, 0, NULL);
        return NULL;
}

static int worker_begin(struct runner *r, infra_error **reterr)
{
        const struct step *s = &r->plan->steps[r->index];
        _cleanup_json_ json_t *baseline = baseline_of(r, s);
        struct worker_place place = place_of(r);
        struct work w = {
                .estate = r->estate, .plan = r->plan, .step = s, .run = r->run, .baseline = baseline, .transcript = -1,
                .container = s->container ? estate_container(r->estate, s->container) : NULL,
        };
        pid_t pid = 0;
        int x;

        if (s->container && !w.container)
                return step_failed(r, "the container is no longer in the policy", 0, reterr);
        x = step_state(r, r->index, r->undo ? STEP_STATE_UNDO_INTENT : STEP_STATE_INTENT, NULL, NULL, 0, reterr);
        if (x >= 0)
                x = note_fence(r, s, true, NULL, reterr);
        if (x >= 0)
                x = worker_start(&place, &w, &pid, reterr);
        if (x < 0)
                return x;
        x = worker_watch(r, pid, reterr);
        if (x >= 0)
                x = journal_step_worker(r->journal, r->run, s->number, pid, process_identity(pid), reterr);
        if (x < 0)
                kill(-pid, SIGKILL);
        return x;
}

static int run_end(struct runner *r, enum run_state state, infra_error **reterr)
{
        int x = journal_run_state(r->journal, r->run, state, r->first_error, reterr);

        if (x < 0)
                return x;
        r->ended = true;
        report(r, state, NULL, STEP_STATE_PENDING, r->first_error ? r->first_error : "");
        return 0;
}

static int next(struct runner *r, infra_error **reterr)
{
        for (;;) {
                struct choice c = choose(r->plan, r->states, r->estate);
                int x;

                r->index = c.index;
                r->undo = c.kind == CHOICE_UNDO;
                switch (c.kind) {
                case CHOICE_DO:
                case CHOICE_UNDO:
                        if (!is_worn_out(r)) {
                                x = worker_begin(r, reterr);
                                /* Still no worker: the step failed before it began, so choose again. */
                                if (x < 0 || r->pid > 0)
                                        return x;
                        } else {
                                x = step_failed(r, "interrupted again and again", 0, reterr);
                        }
                        break;
                case CHOICE_NO_UNDO:
                        x = step_state(r, c.index, STEP_STATE_UNDONE, NULL, NULL, 0, reterr);
                        break;
                case CHOICE_LEAVE:
                        x = step_state(r, c.index, STEP_STATE_LEFT_OUT, NULL, NULL, 0, reterr);
                        break;
                default:
                        return run_end(r, c.state, reterr);
                }
                if (x < 0)
                        return x;
        }
}

static int on_next(sd_event_source *source, void *userdata)
{
        _cleanup_error_ infra_error *error = NULL;
        struct runner *r = userdata;

        (void)source;
        r->next_source = sd_event_source_disable_unref(r->next_source);
        if (next(r, &error) < 0)
                give_up(r, error);
        return 0;
}

/* From the event loop and never from inside a callback of ours: the listener may free nothing under our feet. */
static void next_later(struct runner *r)
{
        _cleanup_error_ infra_error *error = NULL;

        if (sd_event_add_defer(r->event, &r->next_source, on_next, r) >= 0)
                return;
        infra_error_set(&error, -ENOMEM, "cannot go on: out of memory");
        give_up(r, error);
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
        r->pidfd = -1;
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
        if (!r->state_dir || !r->states || !r->attempts)
                return infra_error_oom(reterr);
        *ret = TAKE_PTR(r);
        return 0;
}

/* A worker that outlived its parent is waited for like one of our own. */
static int reattach(struct runner *r, size_t i, const struct step_record *record, infra_error **reterr)
{
        if (record->worker <= 0 || !process_alive(record->worker, record->worker_start))
                return 0;
        r->index = i;
        r->undo = record->state == STEP_STATE_UNDO_INTENT;
        return worker_watch(r, record->worker, reterr);
}

/* A worker that ended between the crash of its parent and now has left its answer. */
static int collect_answer(struct runner *r, size_t i, infra_error **reterr)
{
        _cleanup_worker_result_ struct worker_result result = {};
        struct worker_place place;

        r->index = i;
        r->undo = r->states[i] == STEP_STATE_UNDO_INTENT;
        place = place_of(r);
        if (worker_result(&place, &result, NULL) < 0)
                return 0;
        return worker_ended(r, reterr);
}

static int load_states(struct runner *r, struct step_records *records, infra_error **reterr)
{
        int x = journal_steps(r->journal, r->run, records, reterr);

        if (x < 0)
                return x;
        if (records->n != r->plan->n_steps)
                return infra_error_set(reterr, -EUCLEAN, "run %lld: the journal has %zu steps and its plan %zu", (long long)r->run,
                                       records->n, r->plan->n_steps);
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
        for (size_t i = 0; x >= 0 && recovered && i < records.n && r->pid == 0; i++) {
                if (r->states[i] != STEP_STATE_INTENT && r->states[i] != STEP_STATE_UNDO_INTENT)
                        continue;
                x = reattach(r, i, &records.items[i], reterr);
                if (x >= 0 && r->pid == 0)
                        x = collect_answer(r, i, reterr);
        }
        if (x < 0)
                return x;
        if (r->pid == 0)
                next_later(r);
        return 0;
}
