/* SPDX-License-Identifier: GPL-2.0-or-later */

/* From errors and run states to exit codes. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "infractl/infractl.h"

static const struct {
        int code;
        enum exit_code exit;
} codes[] = {
        { -EALREADY, EXIT_OK },      { -EBADMSG, EXIT_POLICY },      { -EBUSY, EXIT_BUSY },
        { -ENOENT, EXIT_NOT_FOUND }, { -EHOSTDOWN, EXIT_NO_ANSWER }, { -EACCES, EXIT_REFUSED },
        { -EPERM, EXIT_REFUSED },
};

static const struct {
        const char *state;
        enum exit_code exit;
} states[] = {
        { "done", EXIT_OK },      { "partial", EXIT_TURNED_BACK }, { "failed", EXIT_TURNED_BACK },
        { "paused", EXIT_STUCK }, { "stuck", EXIT_STUCK },
};

enum exit_code outcome_code(int r)
{
        for (size_t i = 0; i < ELEMENTS(codes); i++)
                if (codes[i].code == r)
                        return codes[i].exit;
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}

enum exit_code outcome_of_run(const char *state)
{
        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (streq(states[i].state, state))
                        return states[i].exit;
        return EXIT_FAILED;
}

int outcome(int r, infra_error *e)
{
        if (r == -EALREADY)
                printf("Nothing to do%s%s.\n", e ? ": " : "", e ? infra_error_message(e) : "");
        else if (r < 0)
                fprintf(stderr, "infractl: %s\n", e ? infra_error_message(e) : strerror(-r));
        infra_error_free(e);
        return (int)outcome_code(r);
}

int outcome_of_plan(const struct infractl *i, int r, infra_error *e)
{
        _cleanup_json_ json_t *j = NULL;

        if (r != -EALREADY || !i->flags[OPTION_JSON])
                return outcome(r, e);
        j = json_pack("{s:b,s:s}", "nothing_to_do", true, "text", e ? infra_error_message(e) : "");
        infra_error_free(e);
        print_json(j);
        return EXIT_OK;
}
