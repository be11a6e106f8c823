/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * firewall.yaml: named sets, chains and rules, read into the table under compilation. Where rules can stand is a table:
 * filter places are parts of chains that are made elsewhere, the others have base chains of their own.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "firewall/compile.h"
#include "firewall/rule.h"

static const struct {
        const char *chain; /* NULL: a part of another's chain */
        const char *type;
        unsigned hook;
        int priority;
} places[RULE_PLACE_MAX] = {
        [RULE_RAW_PREROUTING] = { NULL, NULL, 0, 0 },
        [RULE_MANGLE_PREROUTING] = { "mangle_prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE },
        [RULE_NAT_PREROUTING] = { NULL, NULL, 0, 0 },
        [RULE_NAT_PREROUTING_LAST] = { NULL, NULL, 0, 0 },
        [RULE_MANGLE_INPUT] = { "mangle_input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_MANGLE },
        [RULE_INPUT] = { NULL, NULL, 0, 0 },
        [RULE_INPUT_LAST] = { NULL, NULL, 0, 0 },
        [RULE_SECURITY_INPUT] = { "security_input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_SECURITY },
        [RULE_NAT_INPUT] = { "nat_input", "nat", NF_INET_LOCAL_IN, NF_IP_PRI_NAT_SRC },
        [RULE_MANGLE_FORWARD] = { "mangle_forward", "filter", NF_INET_FORWARD, NF_IP_PRI_MANGLE },
        [RULE_FORWARD] = { NULL, NULL, 0, 0 },
        [RULE_FORWARD_LAST] = { NULL, NULL, 0, 0 },
        [RULE_SECURITY_FORWARD] = { "security_forward", "filter", NF_INET_FORWARD, NF_IP_PRI_SECURITY },
        [RULE_RAW_OUTPUT] = { "raw_output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW },
        [RULE_MANGLE_OUTPUT] = { "mangle_output", "route", NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE },
        [RULE_NAT_OUTPUT] = { NULL, NULL, 0, 0 },
        [RULE_OUTPUT] = { NULL, NULL, 0, 0 },
        [RULE_OUTPUT_LAST] = { NULL, NULL, 0, 0 },
        [RULE_SECURITY_OUTPUT] = { "security_output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_SECURITY },
        [RULE_MANGLE_POSTROUTING] = { "mangle_postrouting", "filter", NF_INET_POST_ROUTING, NF_IP_PRI_MANGLE },
        [RULE_NAT_POSTROUTING] = { NULL, NULL, 0, 0 },
        [RULE_NAT_POSTROUTING_LAST] = { NULL, NULL, 0, 0 },
};

static int add_element(struct set *s, const uint8_t *first, const uint8_t *last, const struct span *span)
{
        unsigned size = field_type(s->fields[0])->size;
        struct element *e = ARRAY_ADD(s->elements, s->n_elements);

        if (!e)
                return -ENOMEM;
        memcpy(e->key, first, size);
        memcpy(e->key_end, last, size);
        s->interval = s->interval || memcmp(first, last, size) != 0;
        return ruleset_comment(&e->comment, &e->span, span);
}

static int add_addresses(struct table *t, const struct named_set *n, int family)
{
        enum field f = family == AF_INET ? FIELD_IP_SADDR : FIELD_IP6_SADDR;
        char name[RULESET_NAME_MAX + 1];
        struct set *s;
        int r = 0;

        snprintf(name, sizeof(name), "%.29s%c", n->name, family == AF_INET ? '4' : '6');
        s = table_add_set(t, name, DATA_NONE, false, &f, 1);
        for (size_t i = 0; s && r >= 0 && i < n->n_addresses; i++) {
                struct address first = address_network(&n->addresses[i]), last = first;

                for (unsigned bit = first.prefix; bit < address_bits(&first); bit++)
                        last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
                if (first.family == family)
                        r = add_element(s, first.bytes, last.bytes, &n->span);
        }
        return s ? r : -ENOMEM;
}

static int add_ports(struct table *t, const struct named_set *n)
{
        static const enum field port = FIELD_DPORT;
        struct set *s = table_add_set(t, n->name, DATA_NONE, false, &port, 1);
        int r = 0;

        for (size_t i = 0; s && r >= 0 && i < n->ports.n; i++) {
                unsigned first = 0, last = 0;
                uint8_t from[2] = {}, to[2] = {};

                if (sscanf(n->ports.items[i], "%5u-%5u", &first, &last) == 1)
                        last = first;
                field_put_number(FIELD_DPORT, first, from);
                field_put_number(FIELD_DPORT, last, to);
                r = add_element(s, from, to, &n->span);
        }
        return s ? r : -ENOMEM;
}

int rules_add_sets(struct table *t, const infra_estate *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < e->filter.n_sets; i++) {
                const struct named_set *n = &e->filter.sets[i];

                if (n->n_addresses)
                        r = add_addresses(t, n, AF_INET) < 0 || add_addresses(t, n, AF_INET6) < 0 ? -ENOMEM : 0;
                if (r >= 0 && n->ports.n)
                        r = add_ports(t, n);
        }
        return r;
}

/* The line of the policy file, for a caret to point at. */
static char *line_at(const infra_estate *e, const struct span *span)
{
        enum { FILE_MAX = 4 << 20 };
        _cleanup_free_ char *path = path_join("%s/%s", e->directory ? e->directory : "", span->file), *text = NULL;
        const char *p;

        if (!path || file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0)
                return NULL;
        p = text;
        for (unsigned i = 1; p && i < span->line; i++) {
                p = strchr(p, '\n');
                p = p ? p + 1 : NULL;
        }
        return p ? strndup(p, strcspn(p, "\n")) : NULL;
}

static int complain(const infra_estate *e, infra_diags *diags, const struct span *at, const char *hint, const char *message)
{
        _cleanup_free_ char *line = at->file ? line_at(e, at) : NULL;

        return diags_add(diags, at, line, hint, "%s", message);
}

static int add_line(struct rule_reader *reader, struct chain *c, const struct rule_line *line, infra_diags *diags)
{
        struct rule_mistake mistake = {};
        int r = rule_parse(reader, c, line->text, &mistake);
        struct span at = line->span;

        if (r == -EINVAL) {
                at.column += (unsigned)mistake.at;
                at.length = (unsigned)mistake.length;
                return complain(reader->estate, diags, &at, mistake.hint, mistake.message);
        }
        return r < 0 ? r : ruleset_comment(&c->rules[c->n_rules - 1].comment, &c->rules[c->n_rules - 1].span, &line->span);
}

static int add_lines(struct table *t, struct chain *c, const infra_estate *e, const struct rule_list *l, infra_diags *diags)
{
        struct rule_reader reader = { .table = t, .estate = e, .prefix = c->name };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->n_lines; i++)
                r = add_line(&reader, c, &l->lines[i], diags);
        return r;
}

/* All chains first: they jump to each other in any order. */
int rules_add_chains(struct table *t, const infra_estate *e, infra_diags *diags)
{
        int r = 0;

        for (size_t i = 0; i < e->filter.n_chains; i++) {
                const struct rule_list *l = &e->filter.chains[i];

                if (table_chain(t, l->name) || startswith(l->name, "fence_"))
                        return complain(e, diags, &l->span, "give it another name", "a chain of this name is there already");
                if (!table_add_chain(t, l->name, NULL, 0, 0, false))
                        return -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < e->filter.n_chains; i++)
                r = add_lines(t, table_chain(t, e->filter.chains[i].name), e, &e->filter.chains[i], diags);
        return r;
}

int rules_add(struct table *t, struct chain *c, const infra_estate *e, enum rule_place p, infra_diags *diags)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < e->filter.n_rules; i++)
                if (rule_place_parse(e->filter.rules[i].name) == (int)p)
                        r = add_lines(t, c, e, &e->filter.rules[i], diags);
        return r;
}

bool rules_has(const infra_estate *e, enum rule_place p)
{
        for (size_t i = 0; i < e->filter.n_rules; i++)
                if (rule_place_parse(e->filter.rules[i].name) == (int)p)
                        return true;
        return false;
}

int rules_add_places(struct table *t, const infra_estate *e, infra_diags *diags)
{
        int r = 0;

        for (int p = 0; r >= 0 && p < RULE_PLACE_MAX; p++) {
                struct chain *c;

                if (!places[p].chain || !rules_has(e, (enum rule_place)p))
                        continue;
                c = table_add_chain(t, places[p].chain, places[p].type, places[p].hook, places[p].priority, false);
                r = c ? rules_add(t, c, e, (enum rule_place)p, diags) : -ENOMEM;
        }
        return r;
}
