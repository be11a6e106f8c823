/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "infractl/block.h"
#include "infractl/value.h"

/* Worth a line when it begins, not only when it is done. */
enum { LONG_STEP_MS = 5000 };

/* A step only goes on: a message that was overtaken by a newer report changes nothing. */
static const struct {
        const char *state;
        int rank;
} ranks[] = {
        { "pending", 0 },  { "intent", 1 },      { "done", 2 },   { "failed", 2 },
        { "left-out", 2 }, { "undo-intent", 3 }, { "undone", 4 }, { "undo-failed", 4 },
};

static int rank_of(const char *state)
{
        for (size_t i = 0; i < ELEMENTS(ranks); i++)
                if (streq(ranks[i].state, state))
                        return ranks[i].rank;
        return 0;
}

static json_t *find_in(const json_t *steps, long long number)
{
        json_t *s;
        size_t i;

        json_array_foreach (steps, i, s)
                if (value_number(s, "number") == number)
                        return s;
        return NULL;
}

/* The step of that number, and the name of its container ("" = the host). */
static json_t *find_step(const struct progress *p, long long number, const char **ret_container)
{
        json_t *s = find_in(value_list(p->report, "steps"), number);
        const json_t *c;
        size_t i;

        *ret_container = "";
        json_array_foreach (value_list(p->report, "containers"), i, c) {
                if (s)
                        break;
                s = find_in(value_list(c, "steps"), number);
                *ret_container = value_text(c, "name");
        }
        return s;
}

static int64_t elapsed(const struct progress *p)
{
        return clock_boottime_ms() - p->begun_ms;
}

/* One line a change, for logs and serial consoles. */
static void print_change(struct progress *p, const char *container, const json_t *step, const char *error)
{
        const char *state = value_text(step, "state"), *name = *container ? container : "the host",
                   *doing = value_text(step, "doing");
        long long forecast = value_number(step, "forecast_ms"), begun = value_number(step, "begun_ms");
        char text[32], took[32];

        if (streq(state, "intent") && forecast >= LONG_STEP_MS)
                progress_say(p, "%s: %s (about %s)", name, doing, str_duration(text, forecast));
        else if (streq(state, "done"))
                progress_say(p, "%s: %s: done%s%s", name, doing, begun ? " in " : "",
                             begun ? str_duration(took, clock_boottime_ms() - begun) : "");
        else if (streq(state, "failed"))
                progress_say(p, "%s: %s FAILED: %s", name, doing, error);
        else if (streq(state, "undo-intent"))
                progress_say(p, "%s: undoing: %s", name, doing);
        else if (streq(state, "undo-failed"))
                progress_say(p, "%s: undoing FAILED: %s: %s", name, doing, error);
        else if (streq(state, "left-out"))
                progress_say(p, "%s: left out: %s", name, doing);
}

static void change_step(struct progress *p, long long number, const char *state, const char *error)
{
        const char *container;
        json_t *step = find_step(p, number, &container);

        if (!step || rank_of(state) < rank_of(value_text(step, "state")) || streq(state, value_text(step, "state")))
                return;
        json_object_set_new(step, "state", json_string(state));
        if (streq(state, "intent") || streq(state, "undo-intent"))
                json_object_set_new(step, "begun_ms", json_integer(clock_boottime_ms()));
        /* On a redrawn screen the block shows the rest; failures stay. */
        if (!p->terminal.redraw || streq(state, "failed") || streq(state, "undo-failed"))
                print_change(p, container, step, error);
}

void progress_init(struct progress *p, const struct terminal *t, bool silent, json_t *report)
{
        *p = (struct progress){ .terminal = *t, .silent = silent, .report = report };
        p->begun_ms = clock_boottime_ms() - value_number(report, "elapsed_ms");
}

void progress_done(struct progress *p)
{
        json_decref(p->report);
}

void progress_message(struct progress *p, const json_t *message)
{
        if (streq(value_text(message, "step_state"), "pending") && value_number(message, "number") > 0)
                progress_say(p, "%s: %s", value_text(message, "container"), value_text(message, "text"));
        else if (value_number(message, "number") > 0)
                change_step(p, value_number(message, "number"), value_text(message, "step_state"),
                            value_text(message, "text"));
        else if (*value_text(message, "text") && streq(value_text(message, "state"), "paused"))
                progress_say(p, "%s", value_text(message, "text"));
        progress_draw(p);
}

static void renew_steps(struct progress *p, const json_t *steps)
{
        const json_t *s;
        size_t i;

        json_array_foreach (steps, i, s)
                change_step(p, value_number(s, "number"), value_text(s, "state"), value_text(s, "error"));
}

void progress_renew(struct progress *p, const json_t *report)
{
        const json_t *c;
        size_t i;

        renew_steps(p, value_list(report, "steps"));
        json_array_foreach (value_list(report, "containers"), i, c)
                renew_steps(p, value_list(c, "steps"));
        progress_draw(p);
}

void progress_clear(struct progress *p)
{
        if (p->drawn)
                printf("\r\033[%uA\033[J", p->drawn);
        p->drawn = 0;
        fflush(stdout);
}

void progress_say(struct progress *p, const char *format, ...)
{
        char when[32];
        va_list ap;

        if (p->silent)
                return;
        progress_clear(p);
        printf("[%s] ", str_duration(when, elapsed(p)));
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
        fflush(stdout);
}

void progress_draw(struct progress *p)
{
        struct terminal now;

        if (p->silent || !p->terminal.redraw)
                return;
        /* The window may have another size by now. */
        now = terminal_look(p->terminal.color);
        p->terminal.width = now.width;
        p->terminal.height = now.height;
        progress_clear(p);
        p->drawn = block_print(&p->terminal, p->report, elapsed(p));
        fflush(stdout);
}
