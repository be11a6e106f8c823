/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of tables, chains and rules that readers of old configurations fill. */

#include "firewall/import/legacy.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void legacy_done(struct legacy *l)
{
        for (size_t i = 0; i < l->n_tables; i++) {
                struct legacy_table *t = &l->tables[i];

                for (size_t j = 0; j < t->n_chains; j++) {
                        struct legacy_chain *c = &t->chains[j];

                        for (size_t k = 0; k < c->n_rules; k++) {
                                strlist_done(&c->rules[k].words);
                                free(c->rules[k].line);
                        }
                        free(c->rules);
                        free(c->name);
                        free(c->policy);
                }
                free(t->chains);
                free(t->name);
        }
        free(l->tables);
        strlist_done(&l->files);
        *l = (struct legacy){};
}

struct legacy_table *legacy_table(struct legacy *l, int family, const char *name)
{
        struct legacy_table *t;
        char *copy;

        for (size_t i = 0; i < l->n_tables; i++)
                if (l->tables[i].family == family && streq(l->tables[i].name, name))
                        return &l->tables[i];
        copy = strdup(name);
        t = copy ? ARRAY_ADD(l->tables, l->n_tables) : NULL;
        if (!t) {
                free(copy);
                return NULL;
        }
        t->family = family;
        t->name = copy;
        return t;
}

struct legacy_chain *legacy_chain(struct legacy_table *t, const char *name)
{
        struct legacy_chain *c;
        char *copy;

        for (size_t i = 0; i < t->n_chains; i++)
                if (streq(t->chains[i].name, name))
                        return &t->chains[i];
        copy = strdup(name);
        c = copy ? ARRAY_ADD(t->chains, t->n_chains) : NULL;
        if (!c) {
                free(copy);
                return NULL;
        }
        c->name = copy;
        return c;
}

struct legacy_rule *legacy_rule(struct legacy_chain *c, const struct span *span)
{
        struct legacy_rule *r = ARRAY_ADD(c->rules, c->n_rules);

        if (r)
                r->span = *span;
        return r;
}

const char *legacy_file(struct legacy *l, const char *name)
{
        for (size_t i = 0; i < l->files.n; i++)
                if (streq(l->files.items[i], name))
                        return l->files.items[i];
        return strlist_add(&l->files, name) < 0 ? NULL : l->files.items[l->files.n - 1];
}
