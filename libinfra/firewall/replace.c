/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A table's new content in the place of the old, in one batch, without a packet noticing.
 *
 * Chains of the same name stay, base chains when they hook in at the same place with the same policy: a deleted one
 * stays hooked, without
 * rules and with its policy "drop", until the kernel has taken the whole batch in. Sets of the same shape stay
 * with the elements that do not change: a packet that is on its way through the old rules when the generation
 * changes would find a deleted set empty. Rules are all exchanged, which the kernel does at one moment. Sets
 * that are filled at run time (fences) are left as they are, and the rules of the moment stand first in their chains
 * again.
 */

#include <stdlib.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/batch.h"
#include "firewall/ct-helper.h"
#include "firewall/moment.h"

enum { SET_IDS = 1000000 }; /* of one table; ids are of the whole batch */

static bool chain_stays(const struct chain *c, const struct table *other)
{
        const struct chain *o = table_chain(other, c->name);

        return o && chain_same_hook(c, o);
}

/* A chain of translations that is not wanted any more: it is emptied, and stays for the sake of open connections. */
static bool translates(const struct chain *c, const struct table *want)
{
        return c->type && streq(c->type, "nat") && !c->drops && !table_chain(want, c->name);
}

static const struct set *set_staying(const struct set *s, const struct table *other)
{
        const struct set *o = table_set(other, s->name);

        return o && set_same_shape(s, o) ? o : NULL;
}

static void batch_delete(struct batch *b, int family, uint16_t type, const char *what, const char *name)
{
        struct message_origin origin = { .what = what, .name = name };
        struct nlmsghdr *m = batch_open(b, type, (uint16_t)family, 0, &origin);

        if (!m)
                return;
        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
        mnl_attr_put_strz(m, type == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME : NFTA_RULE_CHAIN, name);
        batch_close(b, m);
}

_Static_assert((int)NFTA_RULE_TABLE == (int)NFTA_SET_TABLE && (int)NFTA_RULE_TABLE == (int)NFTA_CHAIN_TABLE,
               "the table's name");
_Static_assert((int)NFTA_RULE_CHAIN == (int)NFTA_SET_NAME, "the object's name");

/* "__set0", "__chain1": anonymous, of a rule somebody put in by hand, and gone with it. */
static bool is_anonymous(const char *name)
{
        return startswith(name, "__");
}

static bool same_comment(const struct element *a, const struct element *b)
{
        return streq(a->comment ? a->comment : "", b->comment ? b->comment : "");
}

/* Elements of @s that @other does not have just so. Both are sorted. The list is the batch's. */
static void batch_missing(struct batch *b, int family, const struct set *s, const struct set *other, bool add)
{
        struct element **list = ARRAY_ADD(b->lists, b->n_lists);
        struct set part = *s;
        size_t k = 0;

        if (list)
                *list = calloc(s->n_elements + 1, sizeof(**list));
        if (!list || !*list) {
                b->failed = true;
                return;
        }
        part.elements = *list;
        part.n_elements = 0;
        for (size_t i = 0; i < s->n_elements; i++) {
                const struct element *x = &s->elements[i], *o;

                while (k < other->n_elements && element_compare(&other->elements[k], x) < 0)
                        k++;
                o = k < other->n_elements && element_compare(&other->elements[k], x) == 0 ? &other->elements[k] : NULL;
                if (!o || !element_same_data(x, o) || !same_comment(x, o))
                        part.elements[part.n_elements++] = *x;
        }
        batch_elements(b, family, &part, add);
}

/* What refers goes before what is referred to: rules, then elements and maps, then chains. */
static void batch_clear(struct batch *b, const struct table *have, const struct table *want)
{
        for (size_t i = 0; i < have->n_chains; i++)
                if (!is_anonymous(have->chains[i].name))
                        batch_delete(b, have->family, NFT_MSG_DELRULE, "the end of the rules of chain",
                                     have->chains[i].name);
        batch_delete_helpers(b, have, want);
        for (size_t i = 0; i < have->n_sets; i++) {
                const struct set *s = &have->sets[i], *stays = set_staying(s, want);

                if (stays && !stays->runtime)
                        batch_missing(b, have->family, s, stays, false);
                else if (!stays && !is_anonymous(s->name))
                        batch_delete(b, have->family, NFT_MSG_DELSET, "the end of set", s->name);
        }
        for (size_t i = 0; i < have->n_chains; i++)
                if (!is_anonymous(have->chains[i].name) && !chain_stays(&have->chains[i], want) && !translates(&have->chains[i], want))
                        batch_delete(b, have->family, NFT_MSG_DELCHAIN, "the end of chain", have->chains[i].name);
}

/* @whole: the table goes with all its sets, and only what was filled in at run time is carried over. */
static void batch_replace_set(struct batch *b, const struct table *have, const struct table *want, const struct set *s,
                              uint32_t id, bool whole)
{
        const struct set *old = set_staying(s, have);

        if (!old || whole) {
                batch_add_set(b, want->family, s, id);
                /* What rules put in goes with the rules. */
                if (!s->dynamic)
                        batch_elements(b, want->family, s->runtime && old ? old : s, true);
        } else if (!s->runtime) {
                batch_missing(b, want->family, s, old, true);
        }
}

void batch_replace_table(struct batch *b, const struct table *old, const struct table *want)
{
        static const struct table nothing;
        const struct table *have = old ? old : &nothing;
        uint32_t first_id = want->family == NFPROTO_BRIDGE ? SET_IDS + 1 : 1;

        /* What somebody else made of the table, such as switching it off, only goes with the table itself. */
        bool whole = have->n_chains == 0 || have->unknown.n > 0;

        /* A table that is not there is not deleted to be sure: the kernel would wait a grace period for it. */
        if (!whole)
                batch_clear(b, have, want);
        else if (old)
                batch_delete_table(b, want->family);
        batch_add_table(b, want);
        batch_add_helpers(b, want);
        for (size_t i = 0; i < want->n_chains; i++)
                if (whole || !chain_stays(&want->chains[i], have))
                        batch_add_chain(b, want->family, &want->chains[i]);
        for (size_t i = 0; i < want->n_sets; i++)
                batch_replace_set(b, have, want, &want->sets[i], first_id + (uint32_t)i, whole);
        for (size_t i = 0; i < want->n_chains; i++) {
                if (moment_wanted(have, want->chains[i].name) && moment_known(want, want->chains[i].name))
                        batch_moment(b, want->family, want->chains[i].name);
                batch_add_rules(b, want->family, &want->chains[i]);
        }
}
