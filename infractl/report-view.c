/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/report-view.h"

#include <stdio.h>

#include "base/clock.h"
#include "infractl/table.h"
#include "infractl/value.h"

static void print_headline(const struct terminal *t, const json_t *j)
{
        const json_t *run = json_object_get(j, "run");
        const char *state = value_text(run, "state"), *subject = value_text(run, "subject");
        char elapsed[32], forecast[32];

        printf("run %lld (%s%s%s): %s%s%s after %s (forecast %s)\n", value_number(run, "id"), value_text(run, "kind"),
               *subject ? " " : "", subject, style_on(t, style_of(state)), state, style_off(t, style_of(state)),
               str_duration(elapsed, value_number(j, "elapsed_ms")),
               str_duration(forecast, value_number(j, "forecast_ms")));
}

/* -1 = still closed, 0 = none. */
static void add_outage(struct table *table, long long ms)
{
        char text[32];

        if (ms < 0)
                table_add(table, STYLE_BAD, "still closed");
        else
                table_add(table, STYLE_PLAIN, "%s", ms ? str_duration(text, ms) : "");
}

static void print_containers(const struct terminal *t, const json_t *containers)
{
        static const struct table_column columns[] = {
                { "CONTAINER", false },
                { "RESULT", false },
                { "UNREACHABLE", true },
                { "FORECAST", true },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        const json_t *c;
        char text[32];
        size_t i;

        json_array_foreach (containers, i, c) {
                const char *result = value_text(c, "result");
                long long forecast = value_number(c, "outage_forecast_ms");

                if (!table)
                        return;
                table_add(table, STYLE_BOLD, "%s", value_text(c, "name"));
                table_add(table, style_of(result), "%s", result);
                add_outage(table, value_number(c, "outage_ms"));
                table_add(table, STYLE_DIM, "%s", forecast ? str_duration(text, forecast) : "");
        }
        table_print(table);
}

static void print_failed_steps(const struct terminal *t, const char *name, const json_t *steps)
{
        const json_t *s;
        size_t i;

        json_array_foreach (steps, i, s) {
                if (!*value_text(s, "error"))
                        continue;
                printf("\n  %s%s%s, %s:\n", style_on(t, STYLE_BAD), name, style_off(t, STYLE_BAD),
                       value_text(s, "doing"));
                print_wrapped(t, value_text(s, "error"), 6);
                if (*value_text(s, "transcript"))
                        printf("      transcript: %s\n", value_text(s, "transcript"));
        }
}

void report_print_summary(const struct terminal *t, const json_t *j)
{
        const json_t *containers = value_list(j, "containers"), *c;
        const char *error = value_text(json_object_get(j, "run"), "error");
        size_t i;

        print_headline(t, j);
        if (*error)
                print_wrapped(t, error, 2);
        if (json_array_size(containers))
                putchar('\n');
        print_containers(t, containers);
        print_failed_steps(t, "the host", value_list(j, "steps"));
        json_array_foreach (containers, i, c)
                print_failed_steps(t, value_text(c, "name"), value_list(c, "steps"));
}

static void print_services(const struct terminal *t, const json_t *containers)
{
        static const struct table_column columns[] = {
                { "CONTAINER", false }, { "SERVICE", false },    { "BEFORE", false },
                { "AFTER", false },     { "UNREACHABLE", true },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        const json_t *c, *s;
        size_t i, k;

        json_array_foreach (containers, i, c)
                json_array_foreach (value_list(c, "services"), k, s) {
                        const char *before = value_text(s, "baseline"), *after = value_text(s, "after");

                        if (!table)
                                return;
                        table_add(table, STYLE_BOLD, "%s", k ? "" : value_text(c, "name"));
                        table_add(table, STYLE_PLAIN, "%s", value_text(s, "port"));
                        table_add(table, style_of(before), "%s", before);
                        table_add(table, style_of(after), "%s", after);
                        add_outage(table, value_number(s, "outage_ms"));
                }
        if (table_rows(table))
                putchar('\n');
        table_print(table);
}

static void add_steps(struct table *table, const char *name, const json_t *steps)
{
        const json_t *s;
        char text[32];
        size_t i;

        json_array_foreach (steps, i, s) {
                table_add(table, STYLE_PLAIN, "%lld", value_number(s, "number"));
                table_add(table, STYLE_BOLD, "%s", name);
                table_add(table, STYLE_PLAIN, "%s", value_text(s, "doing"));
                table_add(table, style_of(value_text(s, "state")), "%s", value_text(s, "state"));
                table_add(table, STYLE_PLAIN, "%s",
                          value_number(s, "attempts") ? str_duration(text, value_number(s, "duration_ms")) : "");
                table_add(table, STYLE_DIM, "%s", str_duration(text, value_number(s, "forecast_ms")));
        }
}

static void print_steps(const struct terminal *t, const json_t *j)
{
        static const struct table_column columns[] = {
                { "STEP", true },   { "OF", false },  { "DOING", false },
                { "STATE", false }, { "TOOK", true }, { "FORECAST", true },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        const json_t *c;
        size_t i;

        if (!table)
                return;
        add_steps(table, "the host", value_list(j, "steps"));
        json_array_foreach (value_list(j, "containers"), i, c)
                add_steps(table, value_text(c, "name"), value_list(c, "steps"));
        putchar('\n');
        table_print(table);
}

static void print_list(const struct terminal *t, const char *what, const json_t *list)
{
        _cleanup_str_ struct str s = {};

        if (json_array_size(list) == 0)
                return;
        str_add(&s, "%s: ", what);
        value_join(&s, list, ", ");
        if (s.text)
                print_wrapped(t, s.text, 4);
}

/* What an upgrade changed that nobody was asked about. */
static void print_prepared(const struct terminal *t, const char *name, const json_t *prepared)
{
        const json_t *conffiles = value_list(prepared, "conffiles"), *f;
        size_t i;

        if (json_array_size(conffiles) + json_array_size(value_list(prepared, "removed")) + json_array_size(value_list(prepared, "failed_units")) == 0)
                return;
        printf("\n  %s:\n", name);
        print_list(t, "packages removed", value_list(prepared, "removed"));
        print_list(t, "units that failed in the rehearsal, for want of a network", value_list(prepared, "failed_units"));
        json_array_foreach (conffiles, i, f)
                printf("    %s: changed by both sides, %s\n", value_text(f, "path"),
                       streq(value_text(f, "use"), "new")      ? "the package's is used"
                       : streq(value_text(f, "use"), "merged") ? "the policy's is used"
                                                               : "the container's is kept, the package's lies beside");
}

static void print_events(const json_t *events)
{
        char when[CLOCK_TEXT_MAX];
        const json_t *e;
        size_t i;

        if (json_array_size(events))
                printf("\n  Events:\n");
        json_array_foreach (events, i, e)
                printf("    %s  %s%s%s\n", clock_format(value_number(e, "wall"), when), value_text(e, "container"),
                       *value_text(e, "container") ? ": " : "", value_text(e, "text"));
}

void report_print(const struct terminal *t, const json_t *j, bool steps)
{
        const json_t *run = json_object_get(j, "run"), *c;
        char when[CLOCK_TEXT_MAX];
        size_t i;

        report_print_summary(t, j);
        print_services(t, value_list(j, "containers"));
        json_array_foreach (value_list(j, "containers"), i, c)
                print_prepared(t, value_text(c, "name"), json_object_get(c, "prepared"));
        if (steps)
                print_steps(t, j);
        print_events(value_list(j, "events"));
        printf("\n  begun by %s at %s\n", value_text(run, "owner"),
               clock_format(value_number(run, "started_wall"), when));
}
