/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>

#include "infractl/infractl.h"
#include "infractl/report-view.h"

int verb_report(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        struct question q = { .ask = QUESTION_REPORT };
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = run_parse(i, i->arguments[0], &q.run, &e);

        if (r == -EINVAL)
                return outcome(r, e), EXIT_USAGE;
        if (r >= 0)
                r = infractl_ask(i, &q, &j, &e);
        if (r < 0)
                return outcome(r, e);
        if (j)
                report_print(&t, j, i->flags[OPTION_STEPS]);
        return EXIT_OK;
}
