/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Steps of one container stand together in a plan: a block. The view has one row a block, and below it the
 * sequence of steps once for all blocks that have the same.
 */

#include "infractl/plan-view.h"
#include "infractl/price-view.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "infractl/table.h"
#include "infractl/value.h"

/* Of a first load there are hundreds, and the question must stay on the same screen as the notes. */
enum { DIFF_LINES_MAX = 12 };

struct block {
        const char *container; /* "" = the host */
        char *doing;           /* "closing the fence, stopping in order" */
        const char *release;
        unsigned wave, from, to;
        int64_t forecast_ms;
        bool shown;
};

struct blocks {
        struct block *items;
        size_t n;
};

static void blocks_done(struct blocks *b)
{
        for (size_t i = 0; i < b->n; i++)
                free(b->items[i].doing);
        free(b->items);
}

/* Fills in one block from steps[*at] on; *at ends behind it. */
static void gather_block(const json_t *steps, size_t *at, struct block *b)
{
        const char *name = value_text(json_array_get(steps, *at), "container");
        struct str doing = {};

        b->container = name;
        b->release = "";
        for (; *at < json_array_size(steps); ++*at) {
                const json_t *s = json_array_get(steps, *at);

                if (!streq(value_text(s, "container"), name))
                        break;
                str_add(&doing, "%s%s", doing.length ? ", " : "", value_text(s, "doing"));
                b->forecast_ms += value_number(s, "forecast_ms");
                b->wave = (unsigned)value_number(s, "wave");
                if (value_number(s, "to") != value_number(s, "from") || !b->to) {
                        b->from = (unsigned)value_number(s, "from");
                        b->to = (unsigned)value_number(s, "to");
                }
                if (*value_text(s, "release"))
                        b->release = value_text(s, "release");
        }
        b->doing = str_take(&doing);
}

static void gather(const json_t *steps, struct blocks *ret)
{
        for (size_t at = 0; at < json_array_size(steps);) {
                struct block *b = ARRAY_ADD(ret->items, ret->n);

                if (!b)
                        return;
                gather_block(steps, &at, b);
        }
}

static int64_t outage_of(const json_t *j, const char *container)
{
        const json_t *o;
        size_t i;

        json_array_foreach (value_list(j, "outages"), i, o)
                if (streq(value_text(o, "container"), container))
                        return value_number(o, "forecast_ms");
        return 0;
}

static void add_row(struct table *table, const json_t *j, const struct block *b)
{
        int64_t outage = outage_of(j, b->container);
        char text[32];

        if (b->wave)
                table_add(table, STYLE_PLAIN, "%u", b->wave);
        else
                table_add(table, STYLE_PLAIN, "%s", "");
        table_add(table, STYLE_BOLD, "%s", *b->container ? b->container : "the host");
        table_add(table, STYLE_PLAIN, "%s", b->release);
        if (b->from != b->to && b->from)
                table_add(table, STYLE_PLAIN, "%u -> %u", b->from, b->to);
        else if (b->from != b->to)
                table_add(table, STYLE_PLAIN, "new");
        else
                table_add(table, STYLE_PLAIN, "%s", "");
        table_add(table, STYLE_PLAIN, "%s", str_duration(text, b->forecast_ms));
        table_add(table, outage ? STYLE_CARE : STYLE_PLAIN, "%s", outage ? str_duration(text, outage) : "");
}

static void print_table(const struct terminal *t, const json_t *j, const struct blocks *b)
{
        static const struct table_column columns[] = {
                { "WAVE", true },        { "CONTAINER", false },  { "RELEASE", false },
                { "GENERATION", false }, { "TAKES ABOUT", true }, { "UNREACHABLE ABOUT", true },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);

        for (size_t i = 0; i < b->n && table; i++)
                add_row(table, j, &b->items[i]);
        table_print(table);
}

static void print_sequences(const struct terminal *t, struct blocks *b)
{
        for (size_t i = 0; i < b->n; i++) {
                _cleanup_str_ struct str names = {};

                if (b->items[i].shown || !b->items[i].doing)
                        continue;
                for (size_t k = i; k < b->n; k++) {
                        struct block *other = &b->items[k];

                        if (!other->doing || !streq(other->doing, b->items[i].doing))
                                continue;
                        other->shown = true;
                        str_add(&names, "%s%s", names.length ? ", " : "",
                                *other->container ? other->container : "the host");
                }
                printf("\n  %s:\n", names.text ? names.text : "");
                print_wrapped(t, b->items[i].doing, 6);
        }
}

static void print_firewall(const struct terminal *t, const char *diff)
{
        size_t left_out;

        if (!*diff)
                return;
        printf("\n  Firewall:\n");
        left_out = diff_print(t, diff, 4, DIFF_LINES_MAX);
        if (left_out)
                printf("    and %zu lines more: infractl firewall diff\n", left_out);
}

static void print_notes(const struct terminal *t, const json_t *notes)
{
        const json_t *note;
        size_t i;

        if (json_array_size(notes))
                printf("\n%sNote:%s\n", style_on(t, STYLE_CARE), style_off(t, STYLE_CARE));
        json_array_foreach (notes, i, note)
                print_wrapped(t, json_string_value(note) ? json_string_value(note) : "", 2);
}

/* What happens when something fails, in words. */
static void print_failure(const json_t *plan)
{
        static const struct {
                const char *name, *text;
        } rows[] = {
                { "rollback-container", "A container that fails goes back to how it was; the others go on." },
                { "rollback-wave",
                  "When one of a wave fails, the whole wave goes back to how it was; what has not begun is left as it is." },
                { "pause", "A container that fails goes back to how it was; then the run pauses for you to decide." },
        };

        if (!streq(value_text(plan, "kind"), "upgrade") && !streq(value_text(plan, "kind"), "rollback"))
                return;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (streq(value_text(plan, "on-failure"), rows[i].name))
                        printf("\n%s\n", rows[i].text);
}

void plan_print(const struct terminal *t, const json_t *j)
{
        const json_t *plan = json_object_get(j, "plan");
        const char *diff = value_text(j, "firewall_diff");
        CLEANUP(blocks_done) struct blocks blocks = {};
        char text[32];

        gather(value_list(plan, "steps"), &blocks);
        printf("%sPlan: %s%s%s%s, %zu steps, about %s\n\n", style_on(t, STYLE_BOLD), value_text(plan, "kind"),
               *value_text(plan, "subject") ? " " : "", value_text(plan, "subject"), style_off(t, STYLE_BOLD),
               json_array_size(value_list(plan, "steps")), str_duration(text, value_number(j, "forecast_ms")));
        print_table(t, j, &blocks);
        print_sequences(t, &blocks);
        print_firewall(t, diff);
        price_print(json_object_get(j, "price"));
        print_failure(plan);
        print_notes(t, value_list(plan, "notes"));
}
