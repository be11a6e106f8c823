/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Following a run: progress messages where somebody sends them, a new report every second where not (the run
 * belongs to another process, or infrad went away and comes back). Leaving never stops a run.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "infractl/infractl.h"
#include "infractl/progress.h"
#include "infractl/report-view.h"
#include "infractl/value.h"

enum { TICK_US = 1000 * 1000, TICK_ACCURACY_US = 50 * 1000, LOST_LIMIT_MS = 60 * 1000, SIGNALS_MAX = 2 };

struct follow {
        struct infractl *i;
        struct progress progress;
        int64_t run;
        bool ours;       /* it is carried on in this process */
        bool asked;      /* first ^C was seen */
        int64_t lost_ms; /* boottime since which infrad is gone; 0 = it is there */
        bool over;       /* nothing more is to be followed */
        int code;        /* -1 = it ended: see the report */
        sd_event_source *tick;
        sd_event_source *signals[SIGNALS_MAX];
};

static void finish(struct follow *f, int code)
{
        f->code = code;
        f->over = true;
}

/* A paused run waits for a person: there is nothing to follow. */
static bool is_over(const char *state)
{
        return *state && !streq(state, "running");
}

static void on_progress(void *userdata, int64_t run, const char *json)
{
        _cleanup_json_ json_t *j = json_loads(json, 0, NULL);
        struct follow *f = userdata;
        const char *state;

        if (!j || run != f->run)
                return;
        json_make_printable(j, f->progress.terminal.utf8);
        progress_message(&f->progress, j);
        state = value_text(j, "state");
        /* Interrupted is not paused: infrad takes the run up again; in this process nobody is left to do it. */
        if (is_over(state) && (f->ours || !json_is_true(json_object_get(j, "interrupted"))))
                finish(f, -1);
}

static int fetch_report(struct infractl *i, int64_t run, json_t **ret, infra_error **reterr)
{
        int r = infractl_fetch(i, &(struct question){ .ask = QUESTION_REPORT, .run = run }, ret, reterr);

        if (r >= 0)
                json_make_printable(*ret, terminal_look(false).utf8);
        return r;
}

static const char *state_of(const json_t *report)
{
        return value_text(json_object_get(report, "run"), "state");
}

static void poll_report(struct follow *f)
{
        _cleanup_json_ json_t *j = NULL;

        if (fetch_report(f->i, f->run, &j, NULL) < 0)
                return;
        progress_renew(&f->progress, j);
        if (is_over(state_of(j)))
                finish(f, -1);
}

/* infrad may be restarted or upgraded while it runs; its workers go on meanwhile. */
static void find_again(struct follow *f)
{
        int64_t now = clock_boottime_ms();

        if (!f->lost_ms) {
                f->lost_ms = now;
                progress_say(&f->progress,
                             "infrad went away; the run goes on without it as far as its step; waiting for it");
        }
        if (client_reopen(f->i->client, NULL) >= 0) {
                f->lost_ms = 0;
                progress_say(&f->progress, "infrad is back");
                poll_report(f);
        } else if (now - f->lost_ms > LOST_LIMIT_MS) {
                progress_clear(&f->progress);
                fprintf(stderr,
                        "infractl: infrad did not come back; run %lld is in the journal and nothing is lost: start infrad, or\n"
                        "infractl --local watch %lld takes it up\n",
                        (long long)f->run, (long long)f->run);
                finish(f, EXIT_NO_ANSWER);
        }
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct follow *f = userdata;

        (void)usec;
        if (f->lost_ms || (!client_is_local(f->i->client) && !client_alive(f->i->client)))
                find_again(f);
        else if (client_is_local(f->i->client) && !f->ours)
                poll_report(f);
        progress_draw(&f->progress);
        sd_event_source_set_time_relative(source, TICK_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void leave(struct follow *f)
{
        progress_clear(&f->progress);
        if (!f->i->flags[OPTION_JSON])
                printf("Run %lld goes on; `infractl watch %lld` shows it, `infractl report %lld` what it did.\n",
                       (long long)f->run, (long long)f->run, (long long)f->run);
        finish(f, EXIT_OK);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct follow *f = userdata;

        (void)source;
        if (!f->ours) {
                leave(f);
        } else if (f->asked || info->ssi_signo == SIGTERM) {
                progress_clear(&f->progress);
                fprintf(stderr,
                        "infractl: run %lld is interrupted, nothing is lost: `infractl --local watch %lld` or infrad takes it up\n",
                        (long long)f->run, (long long)f->run);
                finish(f, EXIT_FAILED);
        } else {
                f->asked = true;
                progress_say(&f->progress,
                             "run %lld lives in this process; ^C again interrupts it (it can be taken up later)",
                             (long long)f->run);
                progress_draw(&f->progress);
        }
        return 0;
}

static int attach(struct follow *f)
{
        static const int signals[SIGNALS_MAX] = { SIGINT, SIGTERM };
        sd_event *event = f->i->client->event;
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        for (size_t k = 0; k < SIGNALS_MAX; k++)
                sigaddset(&mask, signals[k]);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        /* A lost terminal is no reason to stop, nor is a reader of our lines who left. */
        signal(SIGPIPE, SIG_IGN);
        if (f->ours)
                signal(SIGHUP, SIG_IGN);
        r = sd_event_add_time_relative(event, &f->tick, CLOCK_BOOTTIME, TICK_US, TICK_ACCURACY_US, on_tick, f);
        for (size_t k = 0; k < SIGNALS_MAX && r >= 0; k++)
                r = sd_event_add_signal(event, &f->signals[k], signals[k], on_signal, f);
        return r;
}

static void detach(struct follow *f)
{
        client_set_progress(f->i->client, NULL, NULL);
        for (size_t k = 0; k < SIGNALS_MAX; k++)
                sd_event_source_disable_unref(f->signals[k]);
        sd_event_source_disable_unref(f->tick);
        progress_clear(&f->progress);
        progress_done(&f->progress);
}

static int summarise(struct infractl *i, const struct terminal *t, const json_t *report)
{
        const char *state = state_of(report);

        if (i->flags[OPTION_JSON])
                print_json(report);
        else
                report_print_summary(t, report);
        if (streq(state, "paused"))
                fprintf(stderr, "infractl: the run is paused: `infractl resume` goes on, `infractl abort` turns back what is not committed\n");
        if (streq(state, "stuck"))
                fprintf(stderr, "infractl: a person is needed: the containers marked stuck were left as they are\n");
        return (int)outcome_of_run(state);
}

/* The run is not over yet: @report is taken over. */
static int follow(struct infractl *i, const struct terminal *t, int64_t run, json_t *report, infra_error **reterr)
{
        struct follow f = { .i = i, .run = run, .code = -1 };
        int r;

        progress_init(&f.progress, t, i->flags[OPTION_JSON], report);
        client_set_progress(i->client, on_progress, &f);
        r = client_take_up(i->client, run, reterr);
        f.ours = r > 0;
        if (r >= 0)
                r = attach(&f);
        if (r >= 0) {
                if (client_is_local(i->client) && !i->flags[OPTION_LOCAL])
                        progress_say(&f.progress,
                                     "without infrad perhaps nobody carries this run on: start infrad, or "
                                     "`infractl --local watch %lld` takes it up",
                                     (long long)run);
                progress_draw(&f.progress);
        }
        /* Not sd_event_exit(): that would close the bus, and the report is still to be asked for. */
        while (r >= 0 && !f.over)
                r = sd_event_run(i->client->event, UINT64_MAX);
        detach(&f);
        return r < 0 ? (reterr && *reterr ? r : infra_error_set(reterr, r, "cannot follow run %lld", (long long)run))
                     : f.code;
}

int change_follow(struct infractl *i, int64_t run)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        json_t *report = NULL;
        infra_error *e = NULL;
        int r = fetch_report(i, run, &report, &e), code;

        if (r < 0)
                return outcome(r, e);
        if (!is_over(state_of(report))) {
                r = follow(i, &t, run, report, &e);
                report = NULL;
                if (r >= 0)
                        return r;
                if (e)
                        return outcome(r, e);
                r = fetch_report(i, run, &report, &e);
                if (r < 0)
                        return outcome(r, e);
        }
        code = summarise(i, &t, report);
        json_decref(report);
        return code;
}
