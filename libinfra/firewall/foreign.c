/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/foreign.h"

#include <errno.h>
#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/kernel.h"

struct reading {
        struct foreign *to;
        bool oom;
};

void foreign_done(struct foreign *f)
{
        for (size_t i = 0; i < f->n_chains; i++) {
                free(f->chains[i].table);
                free(f->chains[i].name);
                free(f->chains[i].type);
        }
        free(f->chains);
        free(f->legacy);
}

const char *foreign_family(int family)
{
        switch (family) {
        case NFPROTO_INET: return "inet";
        case NFPROTO_IPV4: return "ip";
        case NFPROTO_IPV6: return "ip6";
        case NFPROTO_ARP: return "arp";
        case NFPROTO_BRIDGE: return "bridge";
        case NFPROTO_NETDEV: return "netdev";
        default: return "?";
        }
}

const char *foreign_hook(const struct foreign_chain *c)
{
        static const char *const hooks[] = { "prerouting", "input", "forward", "output", "postrouting", "ingress" };

        if (c->family == NFPROTO_NETDEV)
                return "ingress";
        return c->hook < ELEMENTS(hooks) ? hooks[c->hook] : "?";
}

/* Both of our families. */
static bool is_ours(const char *table, int family)
{
        return streq(table, RULESET_TABLE) && (family == NFPROTO_INET || family == NFPROTO_BRIDGE);
}

static int on_table(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_table *n = nftnl_table_alloc();
        struct reading *d = userdata;

        if (n && nftnl_table_nlmsg_parse(m, n) == 0 && nftnl_table_get_u32(n, NFTNL_TABLE_FAMILY) == NFPROTO_INET &&
            is_ours(nftnl_table_get_str(n, NFTNL_TABLE_NAME), NFPROTO_INET)) {
                d->to->ours = true;
                d->to->dormant = nftnl_table_get_u32(n, NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT;
        }
        if (n)
                nftnl_table_free(n);
        return MNL_CB_OK;
}

static void add_chain(struct reading *d, struct nftnl_chain *n)
{
        struct foreign_chain *c = ARRAY_ADD(d->to->chains, d->to->n_chains);

        if (!c) {
                d->oom = true;
                return;
        }
        c->family = (int)nftnl_chain_get_u32(n, NFTNL_CHAIN_FAMILY);
        c->table = strdup(nftnl_chain_get_str(n, NFTNL_CHAIN_TABLE));
        c->name = strdup(nftnl_chain_get_str(n, NFTNL_CHAIN_NAME));
        d->oom = d->oom || !c->table || !c->name;
        if (!nftnl_chain_is_set(n, NFTNL_CHAIN_HOOKNUM))
                return;
        c->type = strdup(nftnl_chain_get_str(n, NFTNL_CHAIN_TYPE));
        c->hook = nftnl_chain_get_u32(n, NFTNL_CHAIN_HOOKNUM);
        c->priority = nftnl_chain_get_s32(n, NFTNL_CHAIN_PRIO);
        c->drops = nftnl_chain_is_set(n, NFTNL_CHAIN_POLICY) && nftnl_chain_get_u32(n, NFTNL_CHAIN_POLICY) == NF_DROP;
        d->oom = d->oom || !c->type;
}

static int on_chain(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_chain *n = nftnl_chain_alloc();

        if (n && nftnl_chain_nlmsg_parse(m, n) == 0 &&
            !is_ours(nftnl_chain_get_str(n, NFTNL_CHAIN_TABLE), (int)nftnl_chain_get_u32(n, NFTNL_CHAIN_FAMILY)))
                add_chain(userdata, n);
        if (n)
                nftnl_chain_free(n);
        return MNL_CB_OK;
}

static struct foreign_chain *chain_of(struct foreign *f, int family, const char *table, const char *name)
{
        for (size_t i = 0; i < f->n_chains; i++)
                if (f->chains[i].family == family && streq(f->chains[i].table, table) && streq(f->chains[i].name, name))
                        return &f->chains[i];
        return NULL;
}

static int on_expression(struct nftnl_expr *e, void *userdata)
{
        const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
        struct foreign_chain *c = userdata;

        if (streq(name, "immediate") && nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT) &&
            (int)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT) == NF_DROP)
                c->refuses = true;
        /* What a map decides is not looked up: it may be a drop. */
        if (streq(name, "lookup") && nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG) &&
            nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG) == NFT_REG_VERDICT)
                c->refuses = true;
        /* iptables-nft has its own targets; what they do is in their names. */
        if (streq(name, "target")) {
                const char *target = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

                c->refuses = c->refuses || streq(target, "REJECT") || streq(target, "DROP");
                c->translates = c->translates || strstr(target, "NAT") || streq(target, "MASQUERADE") || streq(target, "REDIRECT");
        }
        c->refuses = c->refuses || streq(name, "reject");
        c->translates = c->translates || streq(name, "nat") || streq(name, "masq") || streq(name, "redir");
        return 0;
}

static int on_rule(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_rule *n = nftnl_rule_alloc();
        struct reading *d = userdata;

        if (n && nftnl_rule_nlmsg_parse(m, n) == 0) {
                struct foreign_chain *c = chain_of(d->to, (int)nftnl_rule_get_u32(n, NFTNL_RULE_FAMILY),
                                                   nftnl_rule_get_str(n, NFTNL_RULE_TABLE), nftnl_rule_get_str(n, NFTNL_RULE_CHAIN));

                if (c) {
                        c->n_rules++;
                        nftnl_expr_foreach(n, on_expression, c);
                }
        }
        if (n)
                nftnl_rule_free(n);
        return MNL_CB_OK;
}

/* Which chains jump where is not followed: what a chain of a table does, each base chain of it may do. */
static void spread(struct foreign *f)
{
        for (size_t i = 0; i < f->n_chains; i++) {
                struct foreign_chain *base = &f->chains[i];

                for (size_t k = 0; base->type && base->n_rules && k < f->n_chains; k++) {
                        const struct foreign_chain *c = &f->chains[k];

                        if (c->type || c->family != base->family || !streq(c->table, base->table))
                                continue;
                        base->refuses = base->refuses || (c->refuses && !streq(base->type, "nat"));
                        base->translates = base->translates || (c->translates && streq(base->type, "nat"));
                }
        }
}

int foreign_read(struct firewall *f, struct foreign *ret, infra_error **reterr)
{
        static const struct {
                uint16_t type;
                mnl_cb_t each;
        } questions[] = { { NFT_MSG_GETTABLE, on_table }, { NFT_MSG_GETCHAIN, on_chain }, { NFT_MSG_GETRULE, on_rule } };
        struct reading d = { .to = ret };
        int r = 0;

        *ret = (struct foreign){};
        for (size_t i = 0; r >= 0 && i < ELEMENTS(questions); i++)
                r = kernel_ask(f, questions[i].type, NFPROTO_UNSPEC, NLM_F_DUMP, NULL, NULL, questions[i].each, &d);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read the rulesets: %s", strerror(-r));
        if (d.oom || xtables_read(&ret->legacy, &ret->n_legacy) < 0)
                return infra_error_oom(reterr);
        spread(ret);
        return 0;
}
