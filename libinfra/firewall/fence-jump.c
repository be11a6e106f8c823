/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules that lead to the fences, and how they are told from other rules of their chains. */

#include "firewall/fence.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"
#include "firewall/compile.h"
#include "firewall/opening.h"

static const char *const sets[] = { "fenced4", "fenced6" };
static const int families[] = { AF_INET, AF_INET6 };
static const enum field saddr[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
static const enum field daddr[] = { FIELD_IP_DADDR, FIELD_IP6_DADDR };

/* What goes to a fenced container, and what comes from one. */
static const struct {
        int family;
        const char *chain;
        const enum field *address;
        const char *to;
} jumps[] = {
        { NFPROTO_INET, "input", saddr, "fence_host" },       { NFPROTO_INET, "forward", daddr, "fence_in" },
        { NFPROTO_INET, "forward", saddr, "fence_out" },      { NFPROTO_BRIDGE, "containers", daddr, "fence_in" },
        { NFPROTO_BRIDGE, "containers", saddr, "fence_out" },
};

int fence_jumps(int family, const char *name, struct chain *ret)
{
        const struct table t = { .family = family };

        for (size_t i = 0; i < ELEMENTS(jumps); i++) {
                if (jumps[i].family != family || !streq(jumps[i].chain, name))
                        continue;
                for (size_t k = 0; k < ELEMENTS(sets); k++) {
                        struct rule *r = chain_add_rule(ret, VERDICT_JUMP, jumps[i].to);

                        if (!r || rule_of_family(&t, r, families[k]) < 0 || !match_set(r, sets[k], &jumps[i].address[k], 1))
                                return -ENOMEM;
                }
        }
        return 0;
}

static int same_rule(const struct rule *a, const struct rule *b)
{
        _cleanup_free_ char *one = rule_text(a), *other = rule_text(b);

        return one && other ? streq(one, other) : -ENOMEM;
}

int fence_jumps_standing(int family, const struct chain *c)
{
        struct chain want = {};
        int r = fence_jumps(family, c->name, &want), n = (int)want.n_rules;

        if (r >= 0 && want.n_rules > c->n_rules)
                n = 0;
        for (int i = 0; r >= 0 && i < n; i++) {
                r = same_rule(&c->rules[i], &want.rules[i]);
                if (r == 0)
                        n = 0;
        }
        chain_done(&want);
        return r < 0 ? r : n;
}

bool fence_is_closed(const struct table *t)
{
        for (size_t i = 0; i < ELEMENTS(sets); i++) {
                const struct set *s = table_set(t, sets[i]);

                if (s && s->n_elements)
                        return true;
        }
        return false;
}

int fence_forget(struct ruleset *r)
{
        for (size_t i = 0; i < RULESET_TABLES; i++) {
                for (size_t k = 0; k < r->tables[i].n_chains; k++) {
                        struct chain *c = &r->tables[i].chains[k];
                        int n = fence_jumps_standing(r->tables[i].family, c);

                        if (n < 0)
                                return n;
                        chain_drop_first(c, (size_t)n);
                }
        }
        return 0;
}
