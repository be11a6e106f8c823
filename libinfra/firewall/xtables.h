/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables of iptables-legacy, which nftables does not know of and which judge every packet, too. */

#include <stdbool.h>
#include <stddef.h>

struct xtables_table {
        int family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
        char name[32];
        bool drops;      /* policy of one of its chains */
        bool refuses;    /* a rule drops or rejects */
        bool translates;
};

/* Those that are loaded, to be freed; one that cannot be read counts as one that refuses. Loads no module. 0 or -ENOMEM. */
int xtables_read(struct xtables_table **ret, size_t *ret_n);
