/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>
#include <string.h>

#include "infractl/infractl.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

static int print_text(const char *text)
{
        fputs(text, stdout);
        if (*text && !endswith(text, "\n"))
                putchar('\n');
        return EXIT_OK;
}

int verb_firewall(struct infractl *i)
{
        static const char *const words[] = { "show", "diff", "apply", "confirm", "revert", "restore", "generations", "status", "boot" };
        const char *word = i->arguments[0], *near = str_nearest(word, words, ELEMENTS(words)), *what;
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = firewall_change(i);

        if (r >= 0)
                return r;
        if (!streq(word, "show") && !streq(word, "diff")) {
                fprintf(stderr, "infractl: unknown argument '%s'", word);
                fprintf(stderr, near ? "; did you mean '%s'?\n" : "\n", near);
                fprintf(stderr, "Usage: infractl firewall show|diff|apply|confirm|revert|restore N|generations|status|boot\n");
                return EXIT_USAGE;
        }
        what = streq(word, "diff") ? "diff" : i->flags[OPTION_POLICY_SIDE] ? "policy" : "kernel";
        r = infractl_ask(i, &(struct question){ .ask = QUESTION_FIREWALL, .name = what }, &j, &e);
        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        if (streq(what, "diff")) {
                if (!*value_text(j, "diff"))
                        printf("The ruleset in the kernel is what the policy says.\n");
                diff_print(&t, value_text(j, "diff"), 0, 0);
                return EXIT_OK;
        }
        if (!*value_text(j, "text"))
                printf("No ruleset of ours is loaded; infractl apply loads it.\n");
        return print_text(value_text(j, "text"));
}
