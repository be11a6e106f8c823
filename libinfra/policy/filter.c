/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of the firewall: rates, translations, lists of rules. Rules themselves are read by the firewall. */

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "policy/composite.h"

static const struct {
        const char *name;
        unsigned per_s;
} units[] = {
        { "s", 1 },       { "sec", 1 },    { "second", 1 },    { "m", 60 },       { "min", 60 },    { "minute", 60 },
        { "h", 3600 },    { "hour", 3600 }, { "d", 86400 },    { "day", 86400 },
};

enum { RATE_MAX = 1000000, BURST_DEFAULT = 5 };

/* "20/min", then perhaps "per source", then perhaps "burst 10". */
static bool parse_rate(const char *text, struct rate *ret)
{
        struct rate rate = { .burst = BURST_DEFAULT };
        char unit[16] = "", rest[64] = "", word[16] = "";
        int n = 0;

        if (sscanf(text, "%7u/%15[a-z]%n", &rate.count, unit, &n) != 2 || rate.count == 0 || rate.count > RATE_MAX)
                return false;
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (streq(units[i].name, unit))
                        rate.per_s = units[i].per_s;
        snprintf(rest, sizeof(rest), "%s", text + n);
        if (startswith(rest, " per source"))
                memmove(rest, rest + strlen(" per source"), strlen(rest + strlen(" per source")) + 1);
        n = 0;
        if (*rest && (sscanf(rest, " %15[a-z] %7u%n", word, &rate.burst, &n) != 2 || !streq(word, "burst") || rest[n] || rate.burst == 0))
                return false;
        *ret = rate;
        return rate.per_s > 0;
}

void read_rate(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct rate *rate = (void *)((char *)target + k->offset);

        if (n->kind != NODE_SCALAR || !parse_rate(n->text, rate))
                complain(r, &n->span, "write 20/min, 5/s burst 20 or 20/min per source", "'%s' is not a rate", n->kind == NODE_SCALAR ? n->text : k->name);
}

void read_translate(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct zone *z = target;

        (void)k;
        if (n->kind == NODE_SCALAR && streq(n->text, "masquerade"))
                z->translate = TRANSLATE_MASQUERADE;
        else if (n->kind == NODE_SCALAR && streq(n->text, "none"))
                z->translate = TRANSLATE_NONE;
        else if (n->kind == NODE_SCALAR && address_parse(n->text, &z->translate_to) >= 0 && z->translate_to.family == AF_INET &&
                 z->translate_to.prefix == 32)
                z->translate = TRANSLATE_ADDRESS;
        else
                complain(r, &n->span, "masquerade, none or an IPv4 address", "this is not a translation");
}

static void read_lines(struct reader *r, const struct node *n, struct rule_list *l)
{
        if (n->kind != NODE_SEQUENCE) {
                complain(r, &n->span, "write one '- rule' a line", "rules are a list, not %s", node_kind_name(n));
                return;
        }
        if (n->n_items > POLICY_RULES_MAX) {
                complain(r, &n->span, NULL, "more than %d rules (POLICY_RULES_MAX)", POLICY_RULES_MAX);
                return;
        }
        for (size_t i = 0; i < n->n_items; i++) {
                const struct node *item = n->items[i];
                struct rule_line *line;

                if (item->kind != NODE_SCALAR || !*item->text || strlen(item->text) > POLICY_RULE_MAX) {
                        complain(r, &item->span, "quote a rule that holds ': ', '#' or '{'", "a rule is a text of at most %d characters", POLICY_RULE_MAX);
                        continue;
                }
                line = ARRAY_ADD(l->lines, l->n_lines);
                if (line)
                        *line = (struct rule_line){ strdup(item->text), item->span };
                if (!line || !line->text)
                        r->oom = true;
                else
                        line->span.column += item->quoted;
        }
}

/* Letters, digits, "-", "_" and ".": what nft and iptables both name chains with. */
static bool is_chain_name(const char *text)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
        size_t n = strlen(text);

        return n > 0 && n <= POLICY_CHAIN_NAME_MAX && strspn(text, allowed) == n && !strchr("-.0123456789", *text);
}

void read_rule_lists(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct rule_list **lists = (void *)((char *)target + k->offset);
        size_t *n_lists = (void *)((char *)target + k->count);

        if (n->kind != NODE_MAPPING) {
                complain(r, &n->span, k->doc, "'%s' takes a mapping of names, not %s", k->name, node_kind_name(n));
                return;
        }
        for (size_t i = 0; i + 1 < n->n_items; i += 2) {
                const struct node *name = n->items[i];
                struct rule_list *l;

                if (name->kind != NODE_SCALAR || !is_chain_name(name->text)) {
                        complain(r, &name->span, "letters, digits, '-', '_' and '.', at most 31, beginning with a letter", "this is not the name of a chain");
                        continue;
                }
                l = ARRAY_ADD(*lists, *n_lists);
                if (l)
                        *l = (struct rule_list){ .name = strdup(name->text), .span = name->span };
                if (!l || !l->name) {
                        r->oom = true;
                        return;
                }
                read_lines(r, n->items[i + 1], l);
        }
}
