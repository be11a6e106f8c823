/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the options of a rule to the words of iptables. Each option with a list makes as many rules as the list has
 * values; the first such option changes slowest.
 */

#include "firewall/import/ferm.h"

#include <string.h>

#include "base/array.h"

struct ferm_domain *ferm_domain(struct ferm *f, const char *name)
{
        return streq(name, "ip6") ? &f->ip6 : &f->ip;
}

static struct ferm_table *find_table(struct ferm *f, const char *domain, const char *name)
{
        struct ferm_domain *d = ferm_domain(f, domain);
        struct ferm_table *t;

        for (t = d->tables; t; t = t->next)
                if (streq(t->name, name))
                        return t;
        t = ferm_alloc(f, sizeof(*t));
        if (!t)
                return NULL;
        *t = (struct ferm_table){ .name = name, .next = d->tables };
        return d->tables = t;
}

static struct ferm_chain *find_chain(struct ferm_table *t, const char *name)
{
        for (struct ferm_chain *c = t->chains; c; c = c->next)
                if (streq(c->name, name))
                        return c;
        return NULL;
}

struct ferm_chain *ferm_chain(struct ferm *f, const char *domain, const char *table, const char *name,
                              const struct ferm_token *at)
{
        struct ferm_table *t = find_table(f, domain, table);
        struct ferm_chain *c = t ? find_chain(t, name) : NULL;

        if (c || !t)
                return c;
        c = ferm_alloc(f, sizeof(*c));
        if (!c)
                return NULL;
        *c = (struct ferm_chain){ .name = name, .at = at, .next = t->chains };
        return t->chains = c;
}

bool ferm_chain_exists(struct ferm *f, const struct ferm_rule *rule, const char *name)
{
        struct ferm_table *t = rule->domain && rule->table ? find_table(f, rule->domain, rule->table) : NULL;

        return t && find_chain(t, name);
}

bool ferm_is_core_target(const char *name)
{
        static const char *const targets[] = { "ACCEPT", "DROP", "RETURN", "QUEUE" };

        for (size_t i = 0; i < ELEMENTS(targets); i++)
                if (streq(name, targets[i]))
                        return true;
        return false;
}

int ferm_action(struct ferm *f, struct ferm_level *v, const char *option, const char *target)
{
        const struct ferm_value *value = target ? ferm_value_text(f, v->token, target) : NULL;

        if (v->rule.has_action)
                return ferm_error(f, v->token, "write two rules, or a block of both", "a rule has only one action");
        v->rule.has_action = true;
        v->rule.target = v->token;
        if (!target)
                return 0;
        return value ? ferm_rule_option(f, &v->rule, option, value) : -ENOMEM;
}

/* One value of one option, as words. */
struct words {
        const char **items;
        size_t n;
};

static void words_done(struct words *w)
{
        free(w->items);
}

static int add(struct words *w, const char *word)
{
        const char **slot = word ? ARRAY_ADD(w->items, w->n) : NULL;

        if (!slot)
                return -ENOMEM;
        *slot = word;
        return 0;
}

/* Names that differ between iptables and ip6tables; only plain values are changed, like in ferm. */
static const char *of_ip6(const char *option, const char *value)
{
        static const struct {
                const char *option, *ip, *ip6;
        } names[] = {
                { "protocol", "icmp", "icmpv6" },
                { "reject-with", "icmp-net-unreachable", "icmp6-no-route" },
                { "reject-with", "icmp-host-unreachable", "icmp6-addr-unreachable" },
                { "reject-with", "icmp-port-unreachable", "icmp6-port-unreachable" },
                { "reject-with", "icmp-net-prohibited", "icmp6-adm-prohibited" },
                { "reject-with", "icmp-host-prohibited", "icmp6-adm-prohibited" },
                { "reject-with", "icmp-admin-prohibited", "icmp6-adm-prohibited" },
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(option, names[i].option) && streq(value, names[i].ip))
                        return names[i].ip6;
        return value;
}

static int add_values(struct ferm *f, const char *name, const struct ferm_value *v, struct words *w)
{
        int r = 0;

        /* Without any value the option is left out, like in ferm. */
        for (size_t i = 0; i < v->n && r >= 0; i++) {
                if (v->items[i]->kind != FERM_TEXT)
                        return ferm_error(f, v->at, NULL, "'%s' wants plain text", name + 2);
                if (i == 0 || v->kind == FERM_EACH)
                        r = add(w, name);
                if (r >= 0)
                        r = add(w, v->items[i]->text);
        }
        return r;
}

/* @name: with its dashes. */
static int add_value(struct ferm *f, const char *name, const struct ferm_value *v, struct words *w)
{
        int r = 0;

        if (v && v->kind == FERM_NOT) {
                r = add(w, "!");
                v = v->n ? v->items[0] : NULL;
        }
        if (r < 0)
                return r;
        if (!v)
                return add(w, name);
        switch (v->kind) {
        case FERM_TEXT:
                r = add(w, name);
                return r < 0 ? r : add(w, v->text);
        case FERM_WORDS:
        case FERM_EACH:
                return add_values(f, name, v, w);
        case FERM_RESOLVE:
        case FERM_IPFILTER:
                return ferm_error(f, v->at, "they are for saddr, daddr, and \"to\" of DNAT and SNAT",
                                  "@resolve() and @ipfilter() cannot be the value of '%s'", name + 2);
        case FERM_LIST:
        case FERM_NOT:
                break;
        }
        return ferm_error(f, v->at, NULL, "'%s' wants plain text", name + 2);
}

static int format(struct ferm *f, const char *domain, const struct ferm_option *o, const struct ferm_value *v, struct words *w)
{
        bool ip6 = streq(domain, "ip6");
        const char *option = ip6 && streq(o->name, "icmp-type") ? "icmpv6-type" : o->name;
        size_t n = strlen(option);
        char *name = ferm_alloc(f, n + 3);
        int r;

        if (!name)
                return -ENOMEM;
        memcpy(name, "--", 2);
        memcpy(name + 2, option, n);
        if (!ip6 || !v || v->kind != FERM_TEXT)
                return add_value(f, name, v, w);
        r = add(w, name);
        return r < 0 ? r : add(w, of_ip6(option, v->text));
}

/* All values of an option, and which of them is in the rule that is made now. */
struct column {
        struct words *choices;
        size_t n;
        size_t at;
};

struct columns {
        struct column *items;
        size_t n;
};

static void columns_done(struct columns *c)
{
        for (size_t i = 0; i < c->n; i++) {
                for (size_t j = 0; j < c->items[i].n; j++)
                        words_done(&c->items[i].choices[j]);
                free(c->items[i].choices);
        }
        free(c->items);
}

static int fill(struct ferm *f, const struct ferm_rule *rule, const struct ferm_option *o, struct column *c)
{
        const struct ferm_value *v = o->value;
        size_t n = v ? ferm_count(v) : 1;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                struct words *w = ARRAY_ADD(c->choices, c->n);

                r = w ? format(f, rule->domain, o, v ? ferm_item(v, i) : NULL, w) : -ENOMEM;
        }
        return r;
}

static int make_one(struct ferm *f, struct ferm_chain *chain, const struct ferm_rule *rule, const struct columns *c)
{
        struct ferm_made *made = ferm_alloc(f, sizeof(*made));
        size_t n = 0;

        if (++f->rules > FERM_RULES_MAX)
                return ferm_stop(f, rule->target, "more than %d rules", FERM_RULES_MAX);
        for (size_t i = 0; i < c->n; i++)
                n += c->items[i].choices[c->items[i].at].n;
        if (!made || !(made->words = ferm_alloc(f, n * sizeof(*made->words) + 1)))
                return -ENOMEM;
        made->target = rule->target;
        for (size_t i = 0; i < c->n; i++) {
                const struct words *w = &c->items[i].choices[c->items[i].at];

                for (size_t j = 0; j < w->n; j++)
                        made->words[made->n_words++] = w->items[j];
        }
        if (chain->last)
                chain->last->next = made;
        else
                chain->first = made;
        chain->last = made;
        return 0;
}

/* The next combination; false after the last one. */
static bool turn(struct columns *c)
{
        for (size_t i = c->n; i > 0; i--) {
                if (++c->items[i - 1].at < c->items[i - 1].n)
                        return true;
                c->items[i - 1].at = 0;
        }
        return false;
}

static int make_all(struct ferm *f, struct ferm_chain *chain, const struct ferm_rule *rule)
{
        CLEANUP(columns_done) struct columns c = { .items = calloc(rule->n_options + 1, sizeof(struct column)) };
        const struct ferm_option *o = rule->options;
        bool none = false;
        int r = 0;

        if (!c.items)
                return -ENOMEM;
        c.n = rule->n_options;
        for (size_t i = c.n; i > 0 && r >= 0; i--, o = o->before) {
                r = fill(f, rule, o, &c.items[i - 1]);
                none |= !c.items[i - 1].n;
        }
        if (r < 0 || none)
                return r;
        do
                r = make_one(f, chain, rule, &c);
        while (r >= 0 && turn(&c));
        return r;
}

int ferm_make_rules(struct ferm *f, const struct ferm_rule *rule)
{
        struct ferm_chain *chain = ferm_chain(f, rule->domain, rule->table, rule->chain, f->last);

        if (!chain)
                return -ENOMEM;
        ferm_domain(f, rule->domain)->enabled = true;
        return rule->has_rule ? ferm_go_on(make_all(f, chain, rule)) : 0;
}
