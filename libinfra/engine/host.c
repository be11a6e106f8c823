/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations on the host itself: bridge, subordinate ids, ruleset. */

#include <errno.h>

#include "container/container.h"
#include "engine/engine.h"
#include "engine/firewall-change.h"
#include "firewall/firewall.h"

int host_bridge_observe(struct work *w, infra_error **reterr)
{
        (void)reterr;
        return bridge_is_made(&w->estate->host);
}

int host_bridge_act(struct work *w, infra_error **reterr)
{
        return bridge_make(&w->estate->host, reterr);
}

int host_idmap_act(struct work *w, infra_error **reterr)
{
        return idmap_allow(&w->estate->host, reterr);
}

int host_firewall_act(struct work *w, infra_error **reterr)
{
        struct firewall_change change = { .estate = w->estate, .policy = w->estate->digest, .origin = "run" };
        struct ruleset *wanted = NULL;
        unsigned number = 0;
        int r = firewall_compile(w->estate, &wanted, reterr);

        change.wanted = wanted;
        if (r >= 0)
                r = firewall_change_load(w->state_dir, &change, &number, reterr);
        ruleset_free(wanted);
        return r;
}

static int difference(struct firewall *f, const infra_estate *e, char **ret, infra_error **reterr)
{
        struct ruleset *wanted = NULL, *have = NULL;
        int r = firewall_compile(e, &wanted, reterr);

        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        if (r >= 0)
                r = ruleset_diff(have, wanted, ret, reterr);
        ruleset_free(wanted);
        ruleset_free(have);
        return r;
}

int host_firewall_verify(struct work *w, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        _cleanup_free_ char *diff = NULL;
        int r = firewall_open(&f, reterr);

        if (r < 0)
                return r;
        r = difference(f, w->estate, &diff, reterr);
        if (r < 0)
                return r;
        if (*diff)
                return infra_error_set(reterr, -EIO, "the kernel's ruleset differs from the policy after the load:\n%s", diff);
        return 0;
}
