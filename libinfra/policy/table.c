/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/str.h"

void complain(struct reader *r, const struct span *at, const char *hint, const char *format, ...)
{
        _cleanup_free_ char *line = NULL;
        _cleanup_str_ struct str s = {};
        va_list ap;

        va_start(ap, format);
        str_addv(&s, format, ap);
        va_end(ap);
        for (size_t i = 0; i < r->n_sources && at->file; i++)
                if (streq(r->sources[i].name, at->file))
                        line = source_line(&r->sources[i], at->line);
        if (s.failed || diags_add(r->diags, at, line, hint, "%s", s.text) < 0)
                r->oom = true;
}

static const struct key *find(const struct table *t, const char *name)
{
        for (size_t i = 0; i < t->n_keys; i++)
                if (streq(t->keys[i].name, name))
                        return &t->keys[i];
        return NULL;
}

static void unknown_key(struct reader *r, const struct table *t, const struct node *key)
{
        _cleanup_free_ const char **names = calloc(t->n_keys + 1, sizeof(*names));
        _cleanup_str_ struct str hint = {};
        const char *nearest;

        if (!names) {
                r->oom = true;
                return;
        }
        for (size_t i = 0; i < t->n_keys; i++)
                names[i] = t->keys[i].name;
        nearest = str_nearest(key->text, names, t->n_keys);
        if (nearest) {
                str_add(&hint, "did you mean '%s'?", nearest);
        } else {
                str_add(&hint, "a %s may have:", t->what);
                for (size_t i = 0; i < t->n_keys; i++)
                        str_add(&hint, " %s", names[i]);
        }
        complain(r, &key->span, hint.text, "a %s has no key '%s'", t->what, key->text);
}

static bool is_repeated(const struct node *n, size_t i)
{
        for (size_t k = 0; k < i; k += 2)
                if (n->items[k]->kind == NODE_SCALAR && streq(n->items[k]->text, n->items[i]->text))
                        return true;
        return false;
}

static bool is_present(const struct node *n, const char *name)
{
        for (size_t i = 0; i + 1 < n->n_items; i += 2)
                if (n->items[i]->kind == NODE_SCALAR && streq(n->items[i]->text, name))
                        return true;
        return false;
}

static void read_pair(struct reader *r, const struct key *k, const struct node *key, const struct node *value, void *target)
{
        /* Nothing has no place of its own. */
        if (value->kind == NODE_SCALAR && !*value->text && !value->quoted) {
                complain(r, &key->span, k->doc, "'%s' has no value", k->name);
                return;
        }
        if (k->where)
                *(struct span *)(void *)((char *)target + k->where - 1) = value->span;
        value_read(r, k, value, target);
}

void table_read(struct reader *r, const struct table *t, const struct node *n, void *target)
{
        if (t->span)
                *(struct span *)(void *)((char *)target + t->span - 1) = n->span;
        if (t->init)
                t->init(target);
        if (n->kind != NODE_MAPPING) {
                complain(r, &n->span, NULL, "a %s is a mapping of keys and values, not %s", t->what, node_kind_name(n));
                return;
        }
        for (size_t i = 0; i + 1 < n->n_items; i += 2) {
                const struct node *key = n->items[i];
                const struct key *k;

                if (key->kind != NODE_SCALAR) {
                        complain(r, &key->span, NULL, "a key is a word, not %s", node_kind_name(key));
                        continue;
                }
                k = find(t, key->text);
                if (!k)
                        unknown_key(r, t, key);
                else if (is_repeated(n, i))
                        complain(r, &key->span, "keep one of them", "'%s' stands here twice", key->text);
                else
                        read_pair(r, k, key, n->items[i + 1], target);
        }
        for (size_t i = 0; i < t->n_keys; i++)
                if ((t->keys[i].flags & KEY_REQUIRED) && !is_present(n, t->keys[i].name))
                        complain(r, &n->span, t->keys[i].doc, "this %s lacks '%s'", t->what, t->keys[i].name);
}
