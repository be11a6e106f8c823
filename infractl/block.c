/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/block.h"

#include <stdio.h>

#include "base/clock.h"
#include "infractl/value.h"

/* Fits 80 columns: what is being done, how far into its forecast, and for how long already. */
enum { NAME_WIDTH = 12, DOING_WIDTH = 34, BAR_WIDTH = 8, LINES_KEPT = 3 };

/* How a container stands, from the states of its steps. */
struct standing {
        size_t all, done, undone, left_out, failed, stuck;
        const json_t *current; /* the step that is being done or undone */
        const char *word;
};

static const char *word_of(const struct standing *s)
{
        if (s->stuck)
                return "stuck";
        if (s->failed || s->undone)
                return s->failed || s->current || s->done ? "turning-back" : "rolled-back";
        if (s->current)
                return "running";
        if (s->done == s->all)
                return "done";
        if (s->left_out)
                return "left-out";
        return s->done ? "waits" : "pending";
}

static struct standing standing_of(const json_t *steps)
{
        struct standing s = {};
        const json_t *step;
        size_t i;

        json_array_foreach (steps, i, step) {
                const char *state = value_text(step, "state");

                s.all++;
                s.done += streq(state, "done");
                s.failed += streq(state, "failed");
                s.undone += streq(state, "undone") || streq(state, "undo-intent");
                s.left_out += streq(state, "left-out");
                s.stuck += streq(state, "undo-failed");
                if (streq(state, "intent") || streq(state, "undo-intent"))
                        s.current = step;
        }
        s.word = word_of(&s);
        return s;
}

static void add_bar(struct str *line, int64_t spent, int64_t forecast)
{
        int64_t full = forecast > 0 ? MIN(BAR_WIDTH, spent * BAR_WIDTH / forecast) : 0;

        str_add(line, "[");
        for (int64_t i = 0; i < BAR_WIDTH; i++)
                str_add(line, i < full ? "#" : ".");
        str_add(line, "]");
}

static void add_current(struct str *line, const struct standing *s)
{
        bool undo = streq(value_text(s->current, "state"), "undo-intent");
        int64_t begun = value_number(s->current, "begun_ms"), forecast = value_number(s->current, "forecast_ms");
        int64_t spent = begun ? clock_boottime_ms() - begun : 0;
        _cleanup_str_ struct str doing = {};
        char text[32];

        str_add(&doing, "%s%s", undo ? "undoing: " : "", value_text(s->current, "doing"));
        str_add(line, "%-*s ", DOING_WIDTH, doing.text ? doing.text : "");
        add_bar(line, spent, forecast);
        str_add(line, " %s", str_duration(text, spent));
}

/* Cut at the width: a wrapped line would spoil the counting. */
static void print_line(const struct terminal *t, enum style style, const char *text)
{
        int width = (int)t->width - 1;

        printf("%s%.*s%s\033[K\n", style_on(t, style), width, text, style_off(t, style));
}

static void print_container(const struct terminal *t, const char *name, const struct standing *s)
{
        _cleanup_str_ struct str line = {};

        str_add(&line, "  %-*s %3zu/%-3zu ", NAME_WIDTH, name, s->done, s->all);
        if (s->current)
                add_current(&line, s);
        else
                str_add(&line, "%s", s->word);
        print_line(t, style_of(s->word), line.text ? line.text : "");
}

static void print_head(const struct terminal *t, const json_t *report, int64_t elapsed_ms)
{
        const json_t *run = json_object_get(report, "run");
        _cleanup_str_ struct str line = {};
        char elapsed[32], forecast[32];

        str_add(&line, "run %lld  %s%s%s  %s of about %s", value_number(run, "id"), value_text(run, "kind"),
                *value_text(run, "subject") ? " " : "", value_text(run, "subject"), str_duration(elapsed, elapsed_ms),
                str_duration(forecast, value_number(report, "forecast_ms")));
        print_line(t, STYLE_BOLD, line.text ? line.text : "");
}

unsigned block_print(const struct terminal *t, const json_t *report, int64_t elapsed_ms)
{
        const json_t *containers = value_list(report, "containers"), *host = value_list(report, "steps"), *c;
        unsigned room = t->height > LINES_KEPT + 1 ? t->height - LINES_KEPT : 1, lines = 1;
        bool few = json_array_size(containers) + (json_array_size(host) > 0) <= room;
        size_t i, pending = 0, done = 0;
        struct standing s = standing_of(host);

        print_head(t, report, elapsed_ms);
        if (s.all && (few || s.current || s.stuck) && lines < room) {
                print_container(t, "the host", &s);
                lines++;
        }
        json_array_foreach (containers, i, c) {
                s = standing_of(value_list(c, "steps"));
                pending += streq(s.word, "pending");
                done += streq(s.word, "done");
                if ((!few && !s.current && (streq(s.word, "pending") || streq(s.word, "done"))) || lines >= room)
                        continue;
                print_container(t, value_text(c, "name"), &s);
                lines++;
        }
        if (!few) {
                printf("  %zu done, %zu pending\033[K\n", done, pending);
                lines++;
        }
        return lines;
}
