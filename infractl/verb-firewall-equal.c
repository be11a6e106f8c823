/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reads both rulesets in this process: whoever may read the policies may compare them, with infrad or without. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <infra/firewall.h>

#include "infractl/infractl.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

enum { DIFFERENCES_SHOWN = 20 };

static void print_list(const json_t *list, const char *title)
{
        const json_t *item;
        size_t i;

        if (json_array_size(list))
                printf("\n%s\n", title);
        json_array_foreach(list, i, item)
                printf("  %s\n", json_string_value(item));
}

static void print_difference(const json_t *d)
{
        const json_t *e = json_object_get(d, "example");
        const char *condition = value_text(d, "if");

        printf("\n%s\n  old: %s\n  new: %s\n", value_text(d, "packets"), value_text(d, "a"), value_text(d, "b"));
        if (condition && *condition)
                printf("  if: %s\n", condition);
        printf("  for example: protocol %lld, %s port %lld > %s port %lld, in \"%s\", out \"%s\", %s\n", (long long)value_number(e, "protocol"),
               value_text(e, "source"), (long long)value_number(e, "source_port"), value_text(e, "destination"),
               (long long)value_number(e, "destination_port"), value_text(e, "in"), value_text(e, "out"), value_text(e, "state"));
}

static void print_view(const json_t *j)
{
        const json_t *d, *differences = value_list(j, "differences");
        const char *answer = value_text(j, "answer");
        size_t i;

        if (streq(answer, "equal"))
                printf("Equal: every packet fares the same in both.\n");
        else if (streq(answer, "different"))
                printf("Different: %zu class%s of packets fare%s differently.\n", json_array_size(differences),
                       json_array_size(differences) == 1 ? "" : "es", json_array_size(differences) == 1 ? "s" : "");
        else
                printf("It cannot be told whether they are equal.\n");
        print_list(value_list(j, "reasons"), "Not understood:");
        json_array_foreach(differences, i, d)
                print_difference(d);
        print_list(value_list(j, "assumed"), "This rests on:");
}

int verb_firewall_equal(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int code, r = infra_firewall_equal(i->arguments[1], i->arguments[2], i->flags[OPTION_JSON] ? 0 : DIFFERENCES_SHOWN, &text, &e);

        if (r < 0) {
                code = outcome(r, e);
                return code == EXIT_FAILED ? EXIT_UNDECIDED : code; /* 1 would say that they differ */
        }
        j = json_loads(text, 0, NULL);
        if (!j)
                return EXIT_UNDECIDED;
        code = streq(value_text(j, "answer"), "equal") ? EXIT_OK : streq(value_text(j, "answer"), "different") ? EXIT_FAILED : EXIT_UNDECIDED;
        if (i->flags[OPTION_JSON]) {
                print_json(j);
        } else {
                json_make_printable(j, terminal_look(false).utf8);
                print_view(j);
        }
        return code;
}
