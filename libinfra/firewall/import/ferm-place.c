/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a rule goes: domain, table, chain, and the chains that a rule brings along itself. */

#include "firewall/import/ferm.h"

#include <string.h>

/* Returns 1 when the domain is one of ours, 0 when the rest of the rule is to be passed over. */
static int set_domain(struct ferm *f, struct ferm_rule *rule, const struct ferm_value *v)
{
        const char *name = v->kind == FERM_TEXT ? v->text : "";

        if (streq(name, "arp") || streq(name, "eb"))
                return ferm_go_on(ferm_error(f, v->at, "keep it with arptables or ebtables, or rewrite it by hand",
                                             "domain '%s' is outside of what can be imported: only ip and ip6 are", name));
        if (!streq(name, "ip") && !streq(name, "ip6"))
                return ferm_go_on(ferm_error(f, v->at, "ip, ip6 or (ip ip6)", "there is no domain '%s'", name));
        rule->domain = f->scope->automatic.domain = name;
        rule->modules = NULL;
        return ferm_rule_load(f, rule, ferm_match_module("")) < 0 ? -ENOMEM : 1;
}

static int default_domain(struct ferm *f, struct ferm_rule *rule)
{
        static const struct ferm_value ip = { .kind = FERM_TEXT, .text = "ip" };

        return rule->domain ? 0 : ferm_go_on(set_domain(f, rule, &ip));
}

static int set_table(struct ferm *f, struct ferm_rule *rule, const struct ferm_value *v)
{
        if (v->kind != FERM_TEXT)
                return ferm_go_on(ferm_error(f, v->at, NULL, "the name of a table expected"));
        rule->table = f->scope->automatic.table = v->text;
        return 1;
}

static int set_chain(struct ferm *f, struct ferm_rule *rule, const struct ferm_value *v)
{
        rule->chain = f->scope->automatic.chain = v->text;
        return 1;
}

typedef int setter(struct ferm *f, struct ferm_rule *rule, const struct ferm_value *v);

/* The rest of the rule, once for each value. */
static int replay(struct ferm *f, struct ferm_level *v, const struct ferm_value *values, setter *set, bool both)
{
        const struct ferm_token *tokens = NULL;
        struct ferm_script *script = f->script;
        struct ferm_stream *stream;
        unsigned base_level = script->base_level;
        size_t n = 0;
        int r = ferm_collect(f, FERM_WITH_SEMICOLON | FERM_WITH_ELSE, &tokens, &n);

        stream = script->stream;
        for (size_t i = 0; i < values->n && r >= 0; i++) {
                struct ferm_rule inner = v->rule;

                inner.non_empty = false;
                r = set(f, &inner, values->items[i]);
                if (r <= 0)
                        continue;
                inner.domain_both |= both;
                script->base_level = 0;
                script->stream = NULL;
                r = ferm_push(f, tokens, n);
                if (r >= 0)
                        r = ferm_enter(f, 0, &inner);
        }
        script->base_level = base_level;
        script->stream = stream;
        ferm_level_reset(v);
        return r;
}

static int read_names(struct ferm *f, const char *what, const struct ferm_value **ret)
{
        const struct ferm_token *at = ferm_peek(f);
        int r = ferm_values(f, 0, ret);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ferm_count(*ret); i++)
                if (ferm_item(*ret, i)->kind != FERM_TEXT)
                        return ferm_error(f, at, NULL, "the name of a %s expected", what);
        return 0;
}

int ferm_place_domain(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_value *names = NULL;
        int r;

        if (v->rule.domain)
                return ferm_error(f, v->token, NULL, "the domain is already '%s' here", v->rule.domain);
        r = read_names(f, "domain", &names);
        if (r < 0)
                return r;
        if (names->kind == FERM_LIST)
                return replay(f, v, names, set_domain, true);
        r = set_domain(f, &v->rule, names);
        if (r != 0)
                return r;
        r = ferm_collect(f, 0, NULL, NULL);
        ferm_level_reset(v);
        return r;
}

int ferm_place_table(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_value *names = NULL;
        int r = read_names(f, "table", &names);

        if (r >= 0)
                r = default_domain(f, &v->rule);
        if (r < 0)
                return r;
        if (names->kind == FERM_LIST)
                return replay(f, v, names, set_table, false);
        return set_table(f, &v->rule, names);
}

int ferm_chain_name(struct ferm *f, const struct ferm_token *at, const char *name)
{
        if (strlen(name) <= FERM_CHAIN_NAME_MAX)
                return 0;
        return ferm_error(f, at, NULL, "the name of chain '%s' is longer than %d characters", name, FERM_CHAIN_NAME_MAX);
}

static int check_chain(struct ferm *f, const struct ferm_rule *rule, const struct ferm_value *v)
{
        static const char *const builtin[] = { "input", "forward", "output", "prerouting", "postrouting" };

        for (size_t i = 0; i < ELEMENTS(builtin); i++)
                if (streq(v->text, builtin[i]))
                        return ferm_error(f, v->at, "write INPUT, FORWARD, OUTPUT, PREROUTING, POSTROUTING",
                                          "names of built-in chains are in upper case");
        if (ferm_chain_name(f, v->at, v->text) < 0)
                return -EBADMSG;
        return ferm_chain(f, rule->domain, rule->table, v->text, v->at) ? 0 : -ENOMEM;
}

int ferm_place_chain(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_value *names = NULL;
        int r = read_names(f, "chain", &names);

        if (r >= 0)
                r = default_domain(f, &v->rule);
        if (r < 0)
                return r;
        if (!v->rule.table)
                v->rule.table = "filter";
        for (size_t i = 0; i < ferm_count(names) && r >= 0; i++)
                r = check_chain(f, &v->rule, ferm_item(names, i));
        if (r < 0)
                return r;
        if (names->kind == FERM_LIST)
                return replay(f, v, names, set_chain, false);
        return set_chain(f, &v->rule, names);
}

int ferm_policy(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_token *at = ferm_peek(f);
        struct ferm_chain *chain;
        const char *policy = NULL;
        int r;

        if (v->rule.has_rule)
                return ferm_error(f, v->token, NULL, "a policy has no matches before it");
        r = ferm_scalar(f, &policy);
        if (r < 0)
                return r;
        if (!ferm_is_core_target(policy))
                return ferm_error(f, at, "ACCEPT or DROP; for anything else a last rule does it", "'%s' cannot be a policy", policy);
        r = ferm_expect(f, ";", NULL);
        if (r < 0)
                return r;
        chain = ferm_chain(f, v->rule.domain, v->rule.table, v->rule.chain, v->token);
        if (!chain)
                return -ENOMEM;
        chain->policy = policy;
        ferm_domain(f, v->rule.domain)->enabled = true;
        ferm_level_reset(v);
        return 0;
}

int ferm_preserve(struct ferm *f, struct ferm_level *v)
{
        int r;

        if (!v->rule.chain)
                return ferm_error(f, v->token, NULL, "@preserve needs a chain before it");
        if (v->rule.has_rule)
                return ferm_error(f, v->token, NULL, "@preserve has no matches before it");
        r = ferm_expect(f, ";", NULL);
        if (r < 0)
                return r;
        r = ferm_error(f, v->token, "take the rules of this chain from what iptables-save prints",
                       "@preserve keeps the rules that chain '%s' has in the kernel; they are not in this file", v->rule.chain);
        ferm_level_reset(v);
        return ferm_go_on(r);
}

/* The name of a subchain: quoted (taken as it is, without variables), any other text, or none. */
static int subchain_name(struct ferm *f, const char **ret)
{
        const struct ferm_token *t = ferm_peek(f);
        size_t n = t && !t->value ? strlen(t->text) : 0;
        int written;
        char name[32];

        if (n >= 2 && strchr("\"'", *t->text) && t->text[n - 1] == *t->text) {
                ferm_next(f);
                *ret = ferm_text(f, t->text + 1, n - 2);
                return *ret ? 0 : -ENOMEM;
        }
        if (!ferm_is(t, "{"))
                return ferm_scalar(f, ret);
        written = snprintf(name, sizeof(name), "ferm_auto_%u", ++f->subchains);
        *ret = ferm_text(f, name, (size_t)written);
        return *ret ? 0 : -ENOMEM;
}

static int enter_subchain(struct ferm *f, struct ferm_level *v, const char *name)
{
        struct ferm_rule inner = {
                .domain = v->rule.domain,
                .domain_both = v->rule.domain_both,
                .table = v->rule.table,
                .chain = name,
                .modules = v->rule.modules,
                .auto_protocol = v->rule.protocol ? v->rule.protocol : v->rule.auto_protocol,
        };
        int r = ferm_scope_push(f, false);

        if (r < 0)
                return r;
        f->scope->automatic.chain = name;
        r = ferm_enter(f, v->level + 1, &inner);
        ferm_scope_pop(f);
        return r;
}

int ferm_subchain(struct ferm *f, struct ferm_level *v)
{
        const char *name = NULL;
        int r;

        if (!v->rule.has_rule)
                return ferm_error(f, v->token, "without a match, a chain of its own is of no use", "there is no rule before '%s'", v->word);
        r = subchain_name(f, &name);
        if (r >= 0)
                r = ferm_chain_name(f, NULL, name);
        if (r < 0)
                return r;
        if (!ferm_chain(f, v->rule.domain, v->rule.table, name, v->token))
                return -ENOMEM;
        r = ferm_action(f, v, startswith(v->word, "@go") ? "goto" : "jump", name);
        if (r >= 0)
                r = ferm_expect(f, "{", "'{' or the name of a chain expected");
        if (r >= 0)
                r = enter_subchain(f, v, name);
        if (r >= 0)
                r = ferm_make_rules(f, &v->rule);
        if (r < 0)
                return r;
        ferm_level_reset(v);
        v->rule.has_rule = false;
        return 0;
}
