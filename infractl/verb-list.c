/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "infractl/container-view.h"
#include "infractl/infractl.h"
#include "infractl/value.h"

int verb_list(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_LIST }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        if (json_array_size(value_list(j, "containers")) == 0)
                printf("The policy has no containers.\n");
        containers_print(&t, value_list(j, "containers"), value_list(j, "foreign"));
        return EXIT_OK;
}
