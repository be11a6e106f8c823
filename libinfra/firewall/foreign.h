/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Other people's firewall, looked at from outside: which base chains hook in where, and whether they can refuse or translate
 * a packet that ours accepts. Rules are not understood, only what they end in.
 */

#include "base/error.h"
#include "firewall/firewall.h"
#include "firewall/xtables.h"

struct foreign_chain {
        int family;        /* NFPROTO_* */
        char *table;
        char *name;
        char *type;        /* "filter", "nat", "route"; NULL: only jumped to */
        unsigned hook;
        int priority;
        bool drops;        /* policy */
        bool refuses;      /* a rule of it, or of a chain of its table, drops or rejects */
        bool translates;
        size_t n_rules;
};

struct foreign {
        struct foreign_chain *chains;
        size_t n_chains;
        bool ours;         /* our tables are there */
        bool dormant;      /* and switched off */
        struct xtables_table *legacy;
        size_t n_legacy;
};

void foreign_done(struct foreign *f);
/* Every table that is not ours, in the network namespace of the caller. Loads no module. */
int foreign_read(struct firewall *f, struct foreign *ret, infra_error **reterr);
/* "ip", "inet" ... */
const char *foreign_family(int family);
const char *foreign_hook(const struct foreign_chain *c);

#define _cleanup_foreign_ CLEANUP(foreign_done)
