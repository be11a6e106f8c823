/* SPDX-License-Identifier: GPL-2.0-or-later */

/* infractl firewall ban, unban, bans. */

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "infractl/firewall.h"
#include "infractl/table.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

static void print_bans(const struct terminal *t, const json_t *j)
{
        static const struct table_column columns[] = { { "ADDRESS", false }, { "ZONE", false }, { "LEFT", true } };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 0);
        size_t i;
        const json_t *b;

        json_array_foreach (value_list(j, "bans"), i, b) {
                int64_t left = value_number(b, "left_ms");
                const char *zone = value_text(b, "zone"), *interface = value_text(b, "interface");
                char text[32];

                table_add(table, STYLE_PLAIN, "%s", value_text(b, "address"));
                table_add(table, STYLE_PLAIN, "%s", *zone ? zone : *interface ? interface : "everywhere");
                table_add(table, STYLE_PLAIN, "%s", left ? str_duration(text, left) : "no end");
        }
        if (!table_rows(table))
                printf("Nobody is banned.\n");
        table_print(table);
}

static int answer(struct infractl *i, const struct question *q)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_ask(i, q, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (j)
                print_bans(&t, j);
        return EXIT_OK;
}

static const char *zone_of(const struct infractl *i)
{
        return i->values[OPTION_ZONE] ? i->values[OPTION_ZONE] : "";
}

int firewall_ban_word(struct infractl *i)
{
        struct question q = { .ask = QUESTION_BAN, .name = i->arguments[1], .zone = zone_of(i) };
        const char *for_how_long = i->values[OPTION_FOR];

        if (for_how_long && duration_parse(for_how_long, &q.for_ms) < 0) {
                fprintf(stderr, "infractl: '%s' is not a duration; write 90s, 10m, 2h30m or 7d\n", for_how_long);
                return EXIT_USAGE;
        }
        return answer(i, &q);
}

int firewall_unban_word(struct infractl *i)
{
        return answer(i, &(struct question){ .ask = QUESTION_UNBAN, .name = i->arguments[1], .zone = zone_of(i) });
}

int firewall_bans_word(struct infractl *i)
{
        return answer(i, &(struct question){ .ask = QUESTION_BANS });
}
