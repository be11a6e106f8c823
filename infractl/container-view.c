/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/container-view.h"

#include <stdio.h>

#include "infractl/table.h"
#include "infractl/value.h"

static const struct table_column columns[] = {
        { "NAME", false },    { "STATE", false },   { "RELEASE", false }, { "GEN", true },
        { "ADDRESS", false }, { "PROFILE", false }, { "REMARKS", false },
};

/* What differs from the ordinary, most urgent first. */
static void add_remarks(struct str *s, const json_t *c)
{
        const char *release = value_text(c, "release"), *wanted = value_text(c, "policy_release");

        if (streq(value_text(c, "fence"), "closed"))
                str_add(s, "fence closed, ");
        if (!value_truth(c, "managed") && !streq(value_text(c, "state"), "absent"))
                str_add(s, "not ours yet, ");
        if (*release && *wanted && !streq(release, wanted))
                str_add(s, "policy says %s, ", wanted);
        if (value_truth(c, "managed") && !value_truth(c, "configured"))
                str_add(s, "configuration differs, ");
        if (value_truth(c, "essential"))
                str_add(s, "essential, ");
        if (s->length >= 2)
                s->text[s->length -= 2] = '\0';
}

static void add_row(struct table *table, const json_t *c)
{
        bool fenced = streq(value_text(c, "fence"), "closed"), running = value_truth(c, "running");
        _cleanup_str_ struct str remarks = {};
        const char *release = value_text(c, "release");
        long long generation = value_number(c, "generation");

        add_remarks(&remarks, c);
        table_add(table, STYLE_BOLD, "%s", value_text(c, "name"));
        table_add(table, !running ? STYLE_BAD : fenced ? STYLE_CARE : STYLE_GOOD, "%s", value_text(c, "state"));
        table_add(table, STYLE_PLAIN, "%s", *release ? release : "-");
        if (generation)
                table_add(table, STYLE_PLAIN, "%lld", generation);
        else
                table_add(table, STYLE_PLAIN, "-");
        table_add(table, STYLE_PLAIN, "%s", value_text(c, "address"));
        table_add(table, STYLE_PLAIN, "%s", value_text(c, "profile"));
        table_add(table, fenced ? STYLE_CARE : STYLE_DIM, "%s", remarks.text ? remarks.text : "");
}

void containers_print(const struct terminal *t, const json_t *containers, const json_t *foreign)
{
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 0);
        _cleanup_str_ struct str names = {};
        const json_t *c;
        size_t i;

        if (!table)
                return;
        json_array_foreach (containers, i, c)
                add_row(table, c);
        table_print(table);
        value_join(&names, foreign, ", ");
        if (names.length)
                printf("%sforeign, never touched: %s%s\n", style_on(t, STYLE_DIM), names.text, style_off(t, STYLE_DIM));
}
