/* SPDX-License-Identifier: GPL-2.0-or-later */

/* shell and console use the caller's terminal, so they work in this process whatever infrad does. */

#include <errno.h>
#include <unistd.h>

#include "infractl/infractl.h"

static int manager(struct infractl *i, infra_manager **ret)
{
        infra_error *e = NULL;
        int r = geteuid() == 0 ? client_manager(i->client, ret, &e)
                               : infra_error_set(&e, -EPERM, "'%s' needs root: it enters the container's namespaces",
                                                 i->verb->name);

        return r < 0 ? outcome(r, e) : -1;
}

int verb_shell(struct infractl *i)
{
        const char *const *command = i->n_arguments > 1 ? &i->arguments[1] : NULL;
        infra_manager *m = NULL;
        infra_error *e = NULL;
        int code = manager(i, &m), status = 0, r;

        if (code >= 0)
                return code;
        r = infra_manager_shell(m, i->arguments[0], command, &status, &e);
        return r < 0 ? outcome(r, e) : status;
}

int verb_console(struct infractl *i)
{
        infra_manager *m = NULL;
        infra_error *e = NULL;
        int code = manager(i, &m), r;

        if (code >= 0)
                return code;
        r = infra_manager_console(m, i->arguments[0], &e);
        return r < 0 ? outcome(r, e) : EXIT_OK;
}
