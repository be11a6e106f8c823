/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/infractl.h"

/* The price of going back stands in the notes of the plan, right above the question. */
int verb_rollback(struct infractl *i)
{
        return change_run(i, "rollback", i->arguments[0], i->flags[OPTION_WITH_VOLUMES], true);
}
