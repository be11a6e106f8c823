/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/guest.h"

#include <errno.h>

enum { QUERY_LIMIT_MS = 120000 };

const char *const guest_environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        /* Ours may have been handed on: a directory that only the host has breaks maintainer scripts. */
        "TMPDIR=/tmp",
        "LANGUAGE=",
        "LC_ALL=C.UTF-8",
        "TERM=dumb",
        "PAGER=cat",
        "DEBIAN_FRONTEND=noninteractive",
        "DEBIAN_PRIORITY=critical",
        "DEBCONF_NONINTERACTIVE_SEEN=true",
        "UCF_FORCE_CONFFOLD=1",
        "APT_LISTCHANGES_FRONTEND=none",
        "APT_LISTBUGS_FRONTEND=none",
        "NEEDRESTART_MODE=l",
        "NEEDRESTART_SUSPEND=1",
        NULL,
};

int guest_capture(const struct guest *g, const char *const argv[], char **ret_output, int *ret_status,
                  infra_error **reterr)
{
        _cleanup_free_ char *output = NULL;
        int status = -1;
        int r = g->run(g->userdata, argv, guest_environment, -1, &output, QUERY_LIMIT_MS, &status, reterr);

        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot run %s in the guest", argv[0]);
        if (!output)
                output = strdup("");
        if (!output)
                return infra_error_oom(reterr);
        *ret_output = TAKE_PTR(output);
        *ret_status = status;
        return 0;
}

int guest_query(const struct guest *g, const char *const argv[], char **ret_output, infra_error **reterr)
{
        _cleanup_free_ char *output = NULL;
        int status;
        int r = guest_capture(g, argv, &output, &status, reterr);

        if (r < 0)
                return r;
        if (status != 0)
                return infra_error_set(reterr, -EREMOTEIO, "%s in the guest ended with %d: %.*s", argv[0], status,
                                       (int)strcspn(output, "\n"), output);
        *ret_output = TAKE_PTR(output);
        return 0;
}
