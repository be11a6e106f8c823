/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * infractl firewall equal. Reads both rulesets in this process: whoever may read the policies may compare them, with infrad
 * or without. Exit code 0: equal; 1: different; 10: it cannot be told.
 */

#include <infra/firewall.h>

#include <stdio.h>
#include <stdlib.h>

#include "infractl/firewall.h"
#include "infractl/trace-view.h"
#include "infractl/value.h"

enum { DIFFERENCES_SHOWN = 20 };

static void print_list(const json_t *list, const char *title)
{
        const json_t *item;
        size_t i;

        if (json_array_size(list))
                printf("\n%s\n", title);
        json_array_foreach (list, i, item)
                printf("  %s\n", json_string_value(item));
}

static void print_difference(const struct terminal *t, const json_t *d)
{
        const char *comes = value_text(d, "comes_by"), *leaves = value_text(d, "leaves_by");

        printf("\n%s%s%s (%s)\n", style_on(t, STYLE_BOLD), value_text(d, "packets"), style_off(t, STYLE_BOLD), value_text(d, "path"));
        if (*value_text(d, "if"))
                printf("  if: %s\n", value_text(d, "if"));
        printf("  for example %s%s%s%s%s\n", value_text(d, "example"), *comes ? " by " : "", comes, *leaves ? " to " : "", leaves);
        printf("  old: %s\n", value_text(d, "a_says"));
        trace_print(t, json_object_get(d, "a"), "    ");
        printf("  new: %s\n", value_text(d, "b_says"));
        trace_print(t, json_object_get(d, "b"), "    ");
}

static void print_answer(const struct terminal *t, const json_t *j)
{
        const json_t *d, *differences = value_list(j, "differences");
        const char *answer = value_text(j, "answer");
        size_t i, n = json_array_size(differences);

        if (streq(answer, "equal"))
                printf("%sequal%s: every packet fares the same in both.\n", style_on(t, STYLE_GOOD), style_off(t, STYLE_GOOD));
        else if (streq(answer, "different"))
                printf("%sdifferent%s: %zu class%s of packets fare%s differently.\n", style_on(t, STYLE_BAD), style_off(t, STYLE_BAD), n,
                       n == 1 ? "" : "es", n == 1 ? "s" : "");
        else
                printf("%sunknown%s: it cannot be told whether they are equal.\n", style_on(t, STYLE_CARE), style_off(t, STYLE_CARE));
        print_list(value_list(j, "reasons"), "Not understood:");
        json_array_foreach (differences, i, d)
                print_difference(t, d);
        print_list(value_list(j, "assumed"), "This rests on:");
}

int firewall_equal_word(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int r = infra_firewall_equal(i->arguments[1], i->arguments[2], i->values[OPTION_PROFILES],
                                           i->flags[OPTION_JSON] ? 0 : DIFFERENCES_SHOWN, &text, &e);

        if (r < 0)
                return firewall_no_answer(r, e);
        j = json_loads(text, 0, NULL);
        if (i->flags[OPTION_JSON])
                print_json(j);
        else
                print_answer(&t, j);
        return streq(value_text(j, "answer"), "equal") ? EXIT_OK : streq(value_text(j, "answer"), "different") ? EXIT_FAILED : EXIT_UNDECIDED;
}
