/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of the moment, how they are told from other rules of their chains, and how they come and go. */

#include "firewall/moment.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"
#include "firewall/compile.h"
#include "firewall/kernel.h"
#include "firewall/opening.h"

/* Each stands twice, once for each family, in that order. */
static const struct moment {
        int family;
        const char *chain;
        const char *sets[2];
        enum field fields[2][2];
        size_t n_fields;
        const char *to; /* NULL: drop */
} moments[] = {
        { NFPROTO_INET, "raw_prerouting", { "banned4", "banned6" }, { { FIELD_IP_SADDR }, { FIELD_IP6_SADDR } }, 1, NULL },
        { NFPROTO_INET, "raw_prerouting", { "banned_at4", "banned_at6" }, { { FIELD_IIFNAME, FIELD_IP_SADDR }, { FIELD_IIFNAME, FIELD_IP6_SADDR } }, 2, NULL },
        { NFPROTO_INET, "input", { "fenced4", "fenced6" }, { { FIELD_IP_SADDR }, { FIELD_IP6_SADDR } }, 1, "fence_host" },
        { NFPROTO_INET, "forward", { "fenced4", "fenced6" }, { { FIELD_IP_DADDR }, { FIELD_IP6_DADDR } }, 1, "fence_in" },
        { NFPROTO_INET, "forward", { "fenced4", "fenced6" }, { { FIELD_IP_SADDR }, { FIELD_IP6_SADDR } }, 1, "fence_out" },
        { NFPROTO_BRIDGE, "containers", { "fenced4", "fenced6" }, { { FIELD_IP_DADDR }, { FIELD_IP6_DADDR } }, 1, "fence_in" },
        { NFPROTO_BRIDGE, "containers", { "fenced4", "fenced6" }, { { FIELD_IP_SADDR }, { FIELD_IP6_SADDR } }, 1, "fence_out" },
};

static bool is_of(const struct moment *m, int family, const char *chain)
{
        return m->family == family && streq(m->chain, chain);
}

int moment_rules(int family, const char *name, struct chain *ret)
{
        static const int families[] = { AF_INET, AF_INET6 };
        const struct table t = { .family = family };

        for (const struct moment *m = moments; m < moments + ELEMENTS(moments); m++) {
                for (size_t i = 0; i < ELEMENTS(families) && is_of(m, family, name); i++) {
                        struct rule *r = chain_add_rule(ret, m->to ? VERDICT_JUMP : VERDICT_DROP, m->to);

                        if (!r || rule_of_family(&t, r, families[i]) < 0 || !match_set(r, m->sets[i], m->fields[i], m->n_fields))
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

int moment_standing(int family, const struct chain *c)
{
        struct chain want = {};
        int r = moment_rules(family, c->name, &want), n = want.n_rules > c->n_rules ? 0 : (int)want.n_rules;

        for (int i = 0; r >= 0 && i < n; i++) {
                r = same_rule(&c->rules[i], &want.rules[i]);
                if (r == 0)
                        n = 0;
        }
        chain_done(&want);
        return r < 0 ? r : n;
}

bool moment_wanted(const struct table *t, const char *name)
{
        for (const struct moment *m = moments; m < moments + ELEMENTS(moments); m++) {
                for (size_t i = 0; i < ELEMENTS(m->sets) && is_of(m, t->family, name); i++) {
                        const struct set *s = table_set(t, m->sets[i]);

                        if (s && s->n_elements)
                                return true;
                }
        }
        return false;
}

bool moment_known(const struct table *t, const char *name)
{
        for (const struct moment *m = moments; m < moments + ELEMENTS(moments); m++)
                for (size_t i = 0; i < ELEMENTS(m->sets) && is_of(m, t->family, name); i++)
                        if (!table_set(t, m->sets[i]))
                                return false;
        return true;
}

int moment_forget(struct ruleset *r)
{
        for (size_t i = 0; i < RULESET_TABLES; i++) {
                for (size_t k = 0; k < r->tables[i].n_chains; k++) {
                        struct chain *c = &r->tables[i].chains[k];
                        int n = moment_standing(r->tables[i].family, c);

                        if (n < 0)
                                return n;
                        chain_drop_first(c, (size_t)n);
                }
        }
        return 0;
}

/* Wherever they stand in the chain: somebody may have put something before them. */
static void batch_take_out(struct batch *b, int family, const struct chain *have, const uint64_t *handles, const struct chain *rules)
{
        for (size_t i = 0; i < have->n_rules; i++) {
                bool found = false;

                for (size_t k = 0; k < rules->n_rules && !found; k++)
                        found = same_rule(&have->rules[i], &rules->rules[k]) > 0;
                if (found)
                        batch_delete_rule(b, family, have->name, handles[i]);
        }
}

int moment_change(struct firewall *f, struct batch *b, int family, const char *name, bool wanted, infra_error **reterr)
{
        struct chain rules = { .name = (char *)(uintptr_t)name }, have = { .name = (char *)(uintptr_t)name };
        _cleanup_free_ uint64_t *handles = NULL;
        int r = moment_rules(family, name, &rules) < 0 ? infra_error_oom(reterr) : 0, standing = 0;

        if (r >= 0)
                r = kernel_read_rules(f, family, &have, &handles, reterr);
        if (r >= 0)
                standing = moment_standing(family, &have);
        if (r >= 0 && standing < 0)
                r = infra_error_oom(reterr);
        if (r >= 0 && wanted && standing == 0)
                batch_insert_rules(b, family, &rules);
        else if (r >= 0 && !wanted)
                batch_take_out(b, family, &have, handles, &rules);
        rules.name = have.name = NULL;
        chain_done(&rules);
        chain_done(&have);
        return r;
}

void batch_moment(struct batch *b, int family, const char *name)
{
        struct chain rules = { .name = (char *)(uintptr_t)name };

        if (moment_rules(family, name, &rules) < 0)
                b->failed = true;
        batch_add_rules(b, family, &rules);
        rules.name = NULL;
        chain_done(&rules);
}
