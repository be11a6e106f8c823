/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/infractl.h"

int verb_upgrade(struct infractl *i)
{
        return change_run(i, "upgrade", i->arguments[0], false, true);
}
