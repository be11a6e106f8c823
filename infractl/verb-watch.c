/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <stdio.h>

#include "infractl/infractl.h"
#include "infractl/value.h"

/* The run under way is the newest one, or there is none. */
static int find_run(struct infractl *i, int64_t *ret_run, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        int r = infractl_fetch(i, &(struct question){ .ask = QUESTION_RUNS, .limit = 1 }, &j, reterr);
        const char *state;

        if (r < 0)
                return r;
        state = value_text(json_array_get(value_list(j, "runs"), 0), "state");
        if (!streq(state, "running") && !streq(state, "paused"))
                return infra_error_set(reterr, -EALREADY,
                                       "no run is under way; infractl report last shows the last one");
        *ret_run = value_number(json_array_get(value_list(j, "runs"), 0), "id");
        return 0;
}

int verb_watch(struct infractl *i)
{
        infra_error *e = NULL;
        int64_t run = 0;
        int r = i->n_arguments ? run_parse(i, i->arguments[0], &run, &e) : find_run(i, &run, &e);

        if (r == -EINVAL)
                return outcome(r, e), EXIT_USAGE;
        return r < 0 ? outcome_of_plan(i, r, e) : change_follow(i, run);
}
