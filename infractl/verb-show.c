/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "base/clock.h"
#include "infractl/infractl.h"
#include "infractl/table.h"
#include "infractl/value.h"

static void line(const char *key, const char *value)
{
        if (*value)
                printf("%-12s %s\n", key, value);
}

static void list_line(const char *key, const json_t *list)
{
        _cleanup_str_ struct str s = {};

        value_join(&s, list, ", ");
        line(key, s.text ? s.text : "");
}

static void print_head(const struct terminal *t, const json_t *j)
{
        const json_t *a = json_object_get(j, "addresses");
        enum style style = value_truth(j, "running") ? STYLE_GOOD : STYLE_BAD;
        char grace[32];

        printf("%s%s%s: %s%s%s, %s%s\n", style_on(t, STYLE_BOLD), value_text(j, "name"), style_off(t, STYLE_BOLD),
               style_on(t, style), value_text(j, "state"), style_off(t, style),
               *value_text(j, "release") ? value_text(j, "release") : "no root yet",
               streq(value_text(j, "fence"), "closed") ? ", fence CLOSED" : "");
        line("profile", value_text(j, "profile"));
        line("policy", value_text(j, "where"));
        if (!streq(value_text(j, "policy_release"), value_text(j, "release")))
                line("wanted", value_text(j, "policy_release"));
        line("internal", value_text(a, "internal"));
        line("intranet", value_text(a, "intranet"));
        line("internet", value_text(a, "internet"));
        line("ipv6", value_text(a, "ipv6"));
        list_line("after", value_list(j, "after"));
        list_line("admins", value_list(j, "admins"));
        line("stop grace", str_duration(grace, value_number(j, "stop_grace_ms")));
}

static void print_services(const struct terminal *t, const json_t *list)
{
        static const struct table_column columns[] = {
                { "SERVICE", false }, { "FROM", false },   { "PUBLIC PORT", true },
                { "PROBE", false },   { "POLICY", false },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        const json_t *s;
        size_t i;

        json_array_foreach (list, i, s) {
                _cleanup_str_ struct str from = {};

                value_join(&from, value_list(s, "from"), ", ");
                table_add(table, STYLE_PLAIN, "%s", value_text(s, "port"));
                table_add(table, STYLE_PLAIN, "%s", from.text ? from.text : "");
                if (value_number(s, "public_port"))
                        table_add(table, STYLE_PLAIN, "%lld", value_number(s, "public_port"));
                else
                        table_add(table, STYLE_PLAIN, "%s", "");
                table_add(table, STYLE_PLAIN, "%s", value_text(s, "probe"));
                table_add(table, STYLE_DIM, "%s", value_text(s, "where"));
        }
        if (table_rows(table))
                putchar('\n');
        table_print(table);
}

static void print_connects(const struct terminal *t, const json_t *list)
{
        static const struct table_column columns[] = { { "CONNECTS TO", false },
                                                       { "PORT", false },
                                                       { "POLICY", false } };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        const json_t *c;
        size_t i;

        json_array_foreach (list, i, c) {
                table_add(table, STYLE_PLAIN, "%s", value_text(c, "to"));
                table_add(table, STYLE_PLAIN, "%s", value_text(c, "port"));
                table_add(table, STYLE_DIM, "%s", value_text(c, "where"));
        }
        if (table_rows(table))
                putchar('\n');
        table_print(table);
}

static void print_volumes(const json_t *list)
{
        const json_t *v;
        size_t i;

        if (json_array_size(list))
                printf("\n  Volumes (kept through upgrades and rollbacks):\n");
        json_array_foreach (list, i, v)
                printf("    %s\n", value_text(v, "path"));
}

static void print_generations(const struct terminal *t, const json_t *list)
{
        static const struct table_column columns[] = {
                { "GENERATION", true }, { "STATE", false },   { "RELEASE", false },
                { "FROM", true },       { "MADE BY", false }, { "MADE", false },
                { "KEPT UNTIL", false },
        };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        char when[CLOCK_TEXT_MAX];
        const json_t *g;
        size_t i;

        json_array_foreach (list, i, g) {
                table_add(table, STYLE_PLAIN, "%lld", value_number(g, "number"));
                table_add(table, style_of(value_text(g, "state")), "%s", value_text(g, "state"));
                table_add(table, STYLE_PLAIN, "%s", value_text(g, "release"));
                if (value_number(g, "parent"))
                        table_add(table, STYLE_PLAIN, "%lld", value_number(g, "parent"));
                else
                        table_add(table, STYLE_PLAIN, "-");
                table_add(table, STYLE_PLAIN, "%s", value_text(g, "run"));
                table_add(table, STYLE_DIM, "%s", clock_format(value_number(g, "created_wall"), when));
                table_add(table, STYLE_DIM, "%s", value_number(g, "until_wall") ? clock_format(value_number(g, "until_wall"), when) : "");
        }
        if (table_rows(table))
                putchar('\n');
        table_print(table);
}

int verb_show(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_SHOW, .name = i->arguments[0] }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        print_head(&t, j);
        print_services(&t, value_list(j, "services"));
        print_connects(&t, value_list(j, "connects"));
        print_volumes(value_list(j, "volumes"));
        print_generations(&t, value_list(j, "generations"));
        return EXIT_OK;
}
