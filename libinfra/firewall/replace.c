/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A table's new content in the place of the old, in one batch. Base chains that hook in at the same place with
 * the same policy stay, and only what they hold is exchanged: the kernel switches the rules of chains and the
 * elements of sets at one moment. A base chain that is deleted stays hooked, without rules and with its policy
 * "drop", until the kernel has taken the whole batch in: packets would be lost at each load.
 */

#include <linux/netfilter/nf_tables.h>

#include "base/str.h"
#include "firewall/batch.h"

static bool stays(const struct chain *c, const struct table *other)
{
        const struct chain *o = table_chain(other, c->name);

        return o && o->type && c->type && chain_same_hook(c, o);
}

static void batch_delete(struct batch *b, int family, uint16_t type, const struct message_origin *origin)
{
        struct nlmsghdr *m = batch_open(b, type, (uint16_t)family, 0, origin);

        if (!m)
                return;
        /* The attributes of a rule's, set's and chain's table and of the names have the same numbers, but for chains. */
        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
        mnl_attr_put_strz(m, type == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME : NFTA_RULE_CHAIN, origin->name);
        batch_close(b, m);
}

_Static_assert((int)NFTA_RULE_TABLE == (int)NFTA_SET_TABLE && (int)NFTA_RULE_TABLE == (int)NFTA_CHAIN_TABLE, "the table's name");
_Static_assert((int)NFTA_RULE_CHAIN == (int)NFTA_SET_NAME, "the object's name");

/* What refers goes before what is referred to: rules, then maps, then chains. */
static void batch_clear(struct batch *b, const struct table *have, const struct table *want)
{
        for (size_t i = 0; i < have->n_chains; i++)
                batch_delete(b, have->family, NFT_MSG_DELRULE,
                             &(struct message_origin){ .what = "the end of the rules of chain", .name = have->chains[i].name });
        for (size_t i = 0; i < have->n_sets; i++)
                batch_delete(b, have->family, NFT_MSG_DELSET, &(struct message_origin){ .what = "the end of set", .name = have->sets[i].name });
        for (size_t i = 0; i < have->n_chains; i++)
                if (!stays(&have->chains[i], want))
                        batch_delete(b, have->family, NFT_MSG_DELCHAIN,
                                     &(struct message_origin){ .what = "the end of chain", .name = have->chains[i].name });
}

void batch_replace_table(struct batch *b, const struct table *have, const struct table *want)
{
        if (have->n_chains) {
                batch_clear(b, have, want);
        } else {
                /* There may be a table without chains, of which nothing was read. */
                batch_delete_table(b, want->family);
        }
        batch_add_table(b, want);
        for (size_t i = 0; i < want->n_chains; i++)
                if (!stays(&want->chains[i], have))
                        batch_add_chain(b, want->family, &want->chains[i]);
        batch_add_content(b, want);
}
