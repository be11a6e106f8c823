/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "infractl/infractl.h"
#include "infractl/plan-view.h"

static const char *const kinds[] = { "upgrade", "rollback", "start", "stop", "restart" };

/* "UPGRADE", "apply" or "KIND NAME". 0 = understood. */
static int parse(const struct infractl *i, struct question *q)
{
        const char *near;

        q->ask = QUESTION_PLAN;
        q->restore_volumes = i->flags[OPTION_WITH_VOLUMES];
        if (i->n_arguments == 1) {
                q->kind = streq(i->arguments[0], "apply") ? "apply" : "upgrade";
                q->name = streq(i->arguments[0], "apply") ? "" : i->arguments[0];
                return 0;
        }
        q->name = i->arguments[1];
        for (size_t k = 0; k < ELEMENTS(kinds); k++)
                if (streq(kinds[k], i->arguments[0]))
                        q->kind = kinds[k];
        if (q->kind)
                return 0;
        near = str_nearest(i->arguments[0], kinds, ELEMENTS(kinds));
        fprintf(stderr, "infractl: there are no plans of kind '%s'", i->arguments[0]);
        fprintf(stderr, near ? "; did you mean '%s'?\n" : "\n", near);
        return EXIT_USAGE;
}

int verb_plan(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        struct question q = {};
        int r = parse(i, &q);

        if (r != 0)
                return r;
        r = infractl_ask(i, &q, &j, &e);
        if (r < 0)
                return outcome_of_plan(i, r, e);
        if (j)
                plan_print(&t, j);
        return EXIT_OK;
}
