/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/infractl.h"

/* start, stop, restart: the verb is the kind of the plan, and nothing is asked. */
int verb_power(struct infractl *i)
{
        return change_run(i, i->verb->name, i->arguments[0], false, false);
}
