/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an answer leaves out, said beside it; and what cannot be left out, which makes the answer unknown. */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>

#include "firewall/analyse/compare-course.h"

static int add(struct strlist *to, const char *format, ...) PRINTF_LIKE(2, 3);
static int add(struct strlist *to, const char *format, ...)
{
        _cleanup_str_ struct str s = {};
        va_list ap;

        va_start(ap, format);
        str_addv(&s, format, ap);
        va_end(ap);
        if (s.failed)
                return -ENOMEM;
        return strlist_contains(to, s.text) ? 0 : strlist_add(to, s.text);
}

static int collect_statements(const struct ruleset *r, enum statement_kind kind, struct strlist *to)
{
        for (const struct table *t = r->tables; t < r->tables + RULESET_TABLES; t++)
                for (const struct chain *c = t->chains; c < t->chains + t->n_chains; c++)
                        for (const struct rule *u = c->rules; u < c->rules + c->n_rules; u++)
                                for (size_t i = 0; i < u->n_statements; i++) {
                                        _cleanup_free_ char *line = NULL;

                                        if (u->statements[i].kind != kind)
                                                continue;
                                        line = statement_line(&u->statements[i]);
                                        if (!line || strlist_add(to, line) < 0)
                                                return -ENOMEM;
                                }
        strlist_sort(to);
        return 0;
}

static int compare_texts(const struct ruleset *a, const struct ruleset *b, enum statement_kind kind, const char *word, struct strlist *to)
{
        _cleanup_strlist_ struct strlist x = {}, y = {};
        size_t i = 0;

        if (collect_statements(a, kind, &x) < 0 || collect_statements(b, kind, &y) < 0)
                return -ENOMEM;
        while (i < x.n && i < y.n && streq(x.items[i], y.items[i]))
                i++;
        if (x.n == 0 && y.n == 0)
                return 0;
        if (i == x.n && i == y.n)
                return add(to, "%zu %s statements: compared by text: equal", x.n, word);
        return add(to, "%s statements: compared by text: differ, %zu and %zu: \"%s\", \"%s\"", word, x.n, y.n, i < x.n ? x.items[i] : "none",
                   i < y.n ? y.items[i] : "none");
}

/* Hooks that no way of a comparison passes. */
static int look_at_chain(const struct table *t, const struct chain *c, struct comparison *to)
{
        if (!c->type || c->hook == NF_INET_FORWARD)
                return 0;
        if (t->family == NFPROTO_BRIDGE && c->hook != NF_INET_PRE_ROUTING && c->hook != NF_INET_POST_ROUTING)
                return add(&to->reasons, "chain %s of table bridge: what the host itself sends or gets at a bridge is not compared", c->name);
        return c->hook > NF_INET_POST_ROUTING ? add(&to->reasons, "chain %s hooks in where nothing is compared", c->name) : 0;
}

/* A dropped packet of a connection that lives on leaves it the mark. */
static bool marks_connections(const struct ruleset *r)
{
        for (const struct table *t = r->tables; t < r->tables + RULESET_TABLES; t++)
                for (const struct chain *c = t->chains; c < t->chains + t->n_chains; c++)
                        for (const struct rule *u = c->rules; u < c->rules + c->n_rules; u++)
                                for (size_t i = 0; i < u->n_statements; i++)
                                        if ((u->statements[i].kind == STATEMENT_SET || u->statements[i].kind == STATEMENT_COPY) &&
                                            u->statements[i].field == FIELD_CT_MARK)
                                                return true;
        return false;
}

int compare_assumptions(const struct ruleset *a, const struct ruleset *b, struct comparison *to)
{
        const struct ruleset *const both[] = { a, b };
        int r = 0;

        for (size_t k = 0; k < ELEMENTS(both); k++)
                for (const struct table *t = both[k]->tables; t < both[k]->tables + RULESET_TABLES; t++) {
                        for (size_t i = 0; r >= 0 && i < t->unknown.n; i++)
                                r = add(&to->reasons, "table %s: %s", t->family == NFPROTO_BRIDGE ? "bridge" : "inet", t->unknown.items[i]);
                        for (size_t i = 0; r >= 0 && i < t->n_chains; i++)
                                r = look_at_chain(t, &t->chains[i], to);
                }
        if (r >= 0 && !a->tables[1].n_chains != !b->tables[1].n_chains)
                r = add(&to->assumed, "only the %s of both has a table bridge: what bridges switch was not compared", a->tables[1].n_chains ? "first" : "second");
        if (r >= 0 && (marks_connections(a) || marks_connections(b)))
                r = add(&to->assumed, "marks of connections: not compared where the packet that would set them is dropped");
        r = r < 0 ? r : compare_texts(a, b, STATEMENT_LOG, "log", &to->assumed);
        return r < 0 ? r : compare_texts(a, b, STATEMENT_TRACE, "trace", &to->assumed);
}
