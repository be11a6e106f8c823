/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "base/clock.h"
#include "infractl/infractl.h"
#include "infractl/table.h"
#include "infractl/value.h"

static const struct table_column columns[] = {
        { "RUN", true },  { "WHAT", false }, { "STATE", false }, { "BEGUN", false },
        { "TOOK", true }, { "BY", false },   { "ERROR", false },
};

static void add_run(struct table *table, const json_t *r)
{
        long long started = value_number(r, "started_wall"), ended = value_number(r, "ended_wall");
        char when[CLOCK_TEXT_MAX], took[32];

        table_add(table, STYLE_PLAIN, "%lld", value_number(r, "id"));
        table_add(table, STYLE_PLAIN, "%s%s%s", value_text(r, "kind"), *value_text(r, "subject") ? " " : "",
                  value_text(r, "subject"));
        table_add(table, style_of(value_text(r, "state")), "%s", value_text(r, "state"));
        table_add(table, STYLE_PLAIN, "%s", clock_format(started, when));
        table_add(table, STYLE_PLAIN, "%s", ended ? str_duration(took, ended - started) : "-");
        table_add(table, STYLE_PLAIN, "%s", value_text(r, "owner"));
        table_add(table, STYLE_PLAIN, "%s", value_text(r, "error"));
}

int verb_runs(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_table_ struct table *table = table_new(&t, columns, ELEMENTS(columns), 0);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        const json_t *run;
        size_t k;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_RUNS, .limit = i->limit }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        json_array_foreach (value_list(j, "runs"), k, run)
                add_run(table, run);
        if (!table_rows(table))
                printf("There is no run yet.\n");
        table_print(table);
        return EXIT_OK;
}
