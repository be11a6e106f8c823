/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Load, read, unload, fence: whole operations on the kernel's ruleset. */

#include "firewall/firewall.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "firewall/kernel.h"

enum { RETRIES = 20 };

static const int table_families[RULESET_TABLES] = { NFPROTO_INET, NFPROTO_BRIDGE };

static int read_any(struct firewall *f, struct ruleset *r, bool *ret_found, infra_error **reterr)
{
        *ret_found = false;
        for (size_t i = 0; i < RULESET_TABLES; i++) {
                bool found = false;
                int x = kernel_read_table(f, &r->tables[i], &found, reterr);

                if (x < 0)
                        return x;
                *ret_found = *ret_found || found;
        }
        return 0;
}

int kernel_retry(struct firewall *f, int (*once)(struct firewall *f, const void *what, infra_error **reterr), const void *what,
                 infra_error **reterr)
{
        for (int i = 0; i < RETRIES; i++) {
                _cleanup_error_ infra_error *error = NULL;
                int r = once(f, what, &error);

                if (r == -ERESTART || r == -EINTR) {
                        clock_sleep_ms(i);
                        continue;
                }
                if (r < 0 && reterr)
                        *reterr = TAKE_PTR(error);
                return r;
        }
        return infra_error_set(reterr, -EBUSY, "somebody else keeps changing the ruleset");
}

struct reading {
        struct ruleset **ret;
};

static int read_once(struct firewall *f, const void *userdata, infra_error **reterr)
{
        const struct reading *what = userdata;
        struct ruleset *r = ruleset_new();
        bool found = false;
        int x = r ? read_any(f, r, &found, reterr) : infra_error_oom(reterr);

        if (x < 0 || !found)
                r = ruleset_free(r);
        if (x >= 0)
                *what->ret = r;
        return x;
}

int firewall_read(struct firewall *f, struct ruleset **ret, infra_error **reterr)
{
        struct reading what = { ret };

        return kernel_retry(f, read_once, &what, reterr);
}

static int load_once(struct firewall *f, const struct ruleset *wanted, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };
        struct ruleset *have = NULL;
        uint32_t generation = 0;
        int r = kernel_generation(f, &generation);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask for the ruleset's generation: %s", strerror(-r));
        r = firewall_read(f, &have, reterr);
        if (r < 0)
                return r;
        batch_begin(&b, generation);
        for (size_t i = 0; i < RULESET_TABLES; i++)
                batch_replace_table(&b, have ? &have->tables[i] : NULL, &wanted->tables[i]);
        batch_end(&b);
        r = kernel_commit(f, &b, reterr);
        ruleset_free(have);
        return r;
}

static int load(struct firewall *f, const void *what, infra_error **reterr)
{
        return load_once(f, what, reterr);
}

int firewall_load(struct firewall *f, const struct ruleset *wanted, infra_error **reterr)
{
        return kernel_retry(f, load, wanted, reterr);
}

int firewall_unload(struct firewall *f, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };

        batch_begin(&b, 0);
        for (size_t i = 0; i < RULESET_TABLES; i++)
                batch_delete_table(&b, table_families[i]);
        batch_end(&b);
        return kernel_commit(f, &b, reterr);
}
