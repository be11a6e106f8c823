/* SPDX-License-Identifier: GPL-2.0-or-later */

/* pause, resume, abort: what a person says to the run under way. */

#include <errno.h>
#include <stdio.h>

#include "infractl/infractl.h"

static const struct {
        const char *verb;
        const char *what;
        const char *said;
        bool follow;
} rows[] = {
        { "pause", "pause", "begins nothing more; what is under way comes to its end", false },
        { "resume", "go", "goes on", true },
        { "abort", "abort", "turns back what is not committed", true },
};

int verb_control(struct infractl *i)
{
        infra_error *e = NULL;
        int64_t run = 0;
        size_t row = 0;
        int r;

        while (!streq(rows[row].verb, i->verb->name))
                row++;
        r = client_control(i->client, rows[row].what, &run, &e);
        if (r == -EALREADY)
                return outcome(-EBUSY, e);
        if (r < 0)
                return outcome(r, e);
        /* A run that lives in this process ends with it. */
        if ((rows[row].follow && !i->flags[OPTION_DETACH]) || client_is_local(i->client))
                return change_follow(i, run);
        if (i->flags[OPTION_JSON])
                printf("{\n  \"run\": %lld\n}\n", (long long)run);
        else
                printf("Run %lld %s; `infractl watch %lld` shows it.\n", (long long)run, rows[row].said, (long long)run);
        return EXIT_OK;
}
