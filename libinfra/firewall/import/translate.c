/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables and chains of iptables as chains of one table; rule by rule what stands in translate.h. */

#include "firewall/import/translate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "firewall/import/translate-basic.h"

static const struct {
        const char *table;
        const char *chain;
        const char *type;
        unsigned hook;
        int priority;
} hooks[] = {
        { "raw", "PREROUTING", "filter", NF_INET_PRE_ROUTING, -300 },
        { "raw", "OUTPUT", "filter", NF_INET_LOCAL_OUT, -300 },
        { "mangle", "PREROUTING", "filter", NF_INET_PRE_ROUTING, -150 },
        { "mangle", "INPUT", "filter", NF_INET_LOCAL_IN, -150 },
        { "mangle", "FORWARD", "filter", NF_INET_FORWARD, -150 },
        { "mangle", "OUTPUT", "route", NF_INET_LOCAL_OUT, -150 },
        { "mangle", "POSTROUTING", "filter", NF_INET_POST_ROUTING, -150 },
        { "nat", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -100 },
        { "nat", "INPUT", "nat", NF_INET_LOCAL_IN, 100 },
        { "nat", "OUTPUT", "nat", NF_INET_LOCAL_OUT, -100 },
        { "nat", "POSTROUTING", "nat", NF_INET_POST_ROUTING, 100 },
        { "filter", "INPUT", "filter", NF_INET_LOCAL_IN, 0 },
        { "filter", "FORWARD", "filter", NF_INET_FORWARD, 0 },
        { "filter", "OUTPUT", "filter", NF_INET_LOCAL_OUT, 0 },
        { "security", "INPUT", "filter", NF_INET_LOCAL_IN, 50 },
        { "security", "FORWARD", "filter", NF_INET_FORWARD, 50 },
        { "security", "OUTPUT", "filter", NF_INET_LOCAL_OUT, 50 },
};

static size_t find_hook(const struct legacy_table *t, const char *chain)
{
        size_t i = 0;

        while (i < ELEMENTS(hooks) && (!streq(hooks[i].table, t->name) || !streq(hooks[i].chain, chain)))
                i++;
        return i;
}

bool translate_builtin(const struct legacy_table *t, const char *chain)
{
        return find_hook(t, chain) < ELEMENTS(hooks);
}

const struct legacy_chain *translate_find_chain(const struct legacy_table *t, const char *name)
{
        for (size_t i = 0; i < t->n_chains; i++)
                if (streq(t->chains[i].name, name))
                        return &t->chains[i];
        return NULL;
}

/* Where the word stands in its line, if that is known: the words of a rule are the last of the line. */
static struct span word_span(const struct translate *t, size_t word)
{
        struct span span = t->rule->span;
        size_t at = 0, start = 0, n = 0, total = 0;
        bool quoted;

        for (int pass = 0; t->rule->line && pass < 2; pass++) {
                size_t wanted = total - MIN(total, t->rule->words.n) + word;

                for (at = n = 0;; n++) {
                        _cleanup_str_ struct str text = {};

                        if (legacy_word(t->rule->line, &at, &text, &start, &quoted) <= 0)
                                break;
                        if (pass == 1 && n == wanted) {
                                span.column = (unsigned)start + 1;
                                span.length = (unsigned)(at - start);
                        }
                }
                total = n;
        }
        return span;
}

int translate_complain(struct translate *t, size_t word, const char *hint, const char *format, ...)
{
        const struct span span = word_span(t, word);
        _cleanup_free_ char *message = NULL;
        struct str s = {};
        va_list ap;

        va_start(ap, format);
        str_addv(&s, format, ap);
        va_end(ap);
        message = str_take(&s);
        return message && diags_add(t->diags, &span, t->rule->line, hint, "%s", message) >= 0 ? -EBADMSG : -ENOMEM;
}

void translate_name(const char *text, char ret[static RULESET_NAME_MAX + 1])
{
        size_t length = strlen(text), n = 0;
        bool changed = length > RULESET_NAME_MAX;
        uint32_t hash = 2166136261u; /* FNV-1a */

        for (size_t i = 0; i < length; i++) {
                bool fine = isascii((unsigned char)text[i]) && (isalnum((unsigned char)text[i]) || strchr("-_.", text[i]));

                hash = (hash ^ (unsigned char)text[i]) * 16777619u;
                changed |= !fine;
                if (n < RULESET_NAME_MAX)
                        ret[n++] = (char)(fine ? text[i] : '_');
        }
        ret[n] = '\0';
        if (changed)
                snprintf(ret + MIN(n, RULESET_NAME_MAX - 9), 10, ".%08x", hash);
}

void translate_chain_name(const struct legacy_table *t, const char *chain, char ret[static RULESET_NAME_MAX + 1])
{
        struct str s = {};
        _cleanup_free_ char *text = NULL;

        str_add(&s, "%s%d-%s", t->name, t->family == AF_INET ? 4 : 6, chain);
        text = str_take(&s);
        translate_name(text ? text : "", ret);
}

/* What the other family sends is none of this chain's business. */
static int add_guard(struct chain *c, int family)
{
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        struct match *m = r ? rule_add_match(r, MATCH_EQUAL, FIELD_NFPROTO) : NULL;

        if (!m)
                return -ENOMEM;
        m->value[0] = family == AF_INET ? NFPROTO_IPV6 : NFPROTO_IPV4;
        return 0;
}

static int add_chain(struct table *to, const struct legacy_table *t, const struct legacy_chain *from)
{
        size_t hook = find_hook(t, from->name);
        char name[RULESET_NAME_MAX + 1];
        struct chain *c;

        translate_chain_name(t, from->name, name);
        if (table_chain(to, name))
                return -EEXIST; /* two long names with one hash */
        if (hook == ELEMENTS(hooks))
                return table_add_chain(to, name, NULL, 0, 0, false) ? 0 : -ENOMEM;
        c = table_add_chain(to, name, hooks[hook].type, hooks[hook].hook, hooks[hook].priority, from->policy && streq(from->policy, "DROP"));
        return c ? add_guard(c, t->family) : -ENOMEM;
}

int translate_base_chain(struct table *to, int family, const char *table, const char *chain)
{
        const struct legacy_table t = { .family = family, .name = (char *)(uintptr_t)table };
        const struct legacy_chain c = { .name = (char *)(uintptr_t)chain };

        return add_chain(to, &t, &c);
}

static void rule_done(struct translate *t)
{
        translate_draft_done(t);
        free(t->modules);
        t->modules = NULL;
        t->n_modules = t->n_basics = 0;
        t->protocol = -1;
        t->skipped = false;
        t->verdict = (struct verdict){ .kind = VERDICT_CONTINUE };
}

/* For one pair of the addresses that the rule names. */
static int translate_once(struct translate *t, const char *chain)
{
        int r;

        rule_done(t);
        t->n_sources = t->n_destinations = 1;
        r = translate_words(t);
        if (r >= 0 && t->skipped)
                return 0;
        if (r >= 0)
                r = translate_basics(t);
        for (size_t i = 0; r >= 0 && i < t->n_modules; i++)
                r = t->modules[i].type->add(t, &t->modules[i]);
        return r < 0 ? r : translate_emit(t, chain);
}

static int add_unknown(struct translate *t, const char *chain)
{
        struct rule *r = chain_add_rule(table_chain(t->to, chain), VERDICT_CONTINUE, NULL);
        struct str s = {};

        if (!r || ruleset_comment(&r->comment, &r->span, &t->rule->span) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < t->rule->words.n; i++)
                str_add(&s, "%s%s", i ? " " : "", t->rule->words.items[i]);
        r->unknown = str_take(&s);
        return r->unknown ? 0 : -ENOMEM;
}

static int translate_rule(struct translate *t, bool tolerant)
{
        char chain[RULESET_NAME_MAX + 1];
        int r = 0;

        translate_chain_name(t->from, t->chain->name, chain);
        t->n_sources = t->n_destinations = 1;
        for (t->source = 0; r >= 0 && t->source < t->n_sources; t->source++)
                for (t->destination = 0; r >= 0 && t->destination < t->n_destinations; t->destination++)
                        r = translate_once(t, chain);
        rule_done(t);
        if (r == -EBADMSG)
                r = tolerant ? add_unknown(t, chain) : 0;
        return r;
}

static int translate_table(struct translate *t, bool tolerant)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < t->from->n_chains; i++) {
                t->chain = &t->from->chains[i];
                for (size_t k = 0; r >= 0 && k < t->chain->n_rules; k++) {
                        t->rule = &t->chain->rules[k];
                        r = translate_rule(t, tolerant);
                }
        }
        return r;
}

int legacy_translate(const struct legacy *l, bool tolerant, struct ruleset **ret, infra_diags *diags, infra_error **reterr)
{
        struct ruleset *ruleset = ruleset_new();
        struct translate t = { .legacy = l, .to = ruleset ? &ruleset->tables[0] : NULL, .diags = diags };
        size_t before = diags->n;
        int r = ruleset ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < l->n_tables; i++)
                for (size_t k = 0; r >= 0 && k < l->tables[i].n_chains; k++)
                        r = add_chain(t.to, &l->tables[i], &l->tables[i].chains[k]);
        for (size_t i = 0; r >= 0 && i < l->n_tables; i++) {
                t.from = &l->tables[i];
                r = translate_table(&t, tolerant);
        }
        if (r >= 0)
                r = translate_place_helpers(t.to);
        if (r >= 0 && (diags->n == before || tolerant)) {
                *ret = ruleset;
                return 0;
        }
        ruleset_free(ruleset);
        if (r == -ENOMEM)
                return infra_error_oom(reterr);
        return r < 0 ? infra_error_set(reterr, r, "two chains have names too much alike") :
                       infra_error_set(reterr, -EBADMSG, "some rules have no counterpart in nftables");
}
