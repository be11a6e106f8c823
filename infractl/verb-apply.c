/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/infractl.h"

int verb_apply(struct infractl *i)
{
        return change_run(i, "apply", "", false, true);
}
