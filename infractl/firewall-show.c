/* SPDX-License-Identifier: GPL-2.0-or-later */

/* infractl firewall show, diff. */

#include <stdio.h>

#include "infractl/firewall.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

int firewall_show_word(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        const char *text;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_FIREWALL, .name = i->flags[OPTION_POLICY_SIDE] ? "policy" : "kernel" }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        text = value_text(j, "text");
        if (!*text)
                printf("No ruleset of ours is loaded; infractl apply loads it.\n");
        fputs(text, stdout);
        if (*text && !endswith(text, "\n"))
                putchar('\n');
        return EXIT_OK;
}

int firewall_diff_word(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_FIREWALL, .name = "diff" }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        if (!*value_text(j, "diff"))
                printf("The ruleset in the kernel is what the policy says.\n");
        diff_print(&t, value_text(j, "diff"), 0, 0);
        return EXIT_OK;
}
