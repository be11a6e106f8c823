/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pools of byte strings, and the names that two rulesets can tell apart. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-space.h"

static uint32_t hash(const char *bytes, size_t length)
{
        uint64_t h = 0xcbf29ce484222325u;

        for (size_t i = 0; i < length; i++)
                h = (h ^ (uint8_t)bytes[i]) * 0x100000001b3u;
        return (uint32_t)(h ^ h >> 32);
}

static int rehash(struct pool *p)
{
        size_t n = p->n_slots ? p->n_slots * 2 : 64;
        uint32_t *slots = malloc(n * sizeof(*slots));

        if (!slots)
                return -ENOMEM;
        memset(slots, 0xff, n * sizeof(*slots));
        for (uint32_t i = 0; i < p->n_items; i++) {
                size_t at = hash(p->items[i], p->lengths[i]) & (n - 1);

                while (slots[at] != UINT32_MAX)
                        at = (at + 1) & (n - 1);
                slots[at] = i;
        }
        free(p->slots);
        p->slots = slots;
        p->n_slots = n;
        return 0;
}

uint32_t pool_put(struct pool *p, const void *bytes, size_t length)
{
        _cleanup_free_ char *copy = NULL;
        char **item;
        size_t at, *size;

        if (p->n_items * 2 >= p->n_slots && rehash(p) < 0)
                return UINT32_MAX;
        at = hash(bytes ? bytes : "", length) & (p->n_slots - 1);
        for (; p->slots[at] != UINT32_MAX; at = (at + 1) & (p->n_slots - 1)) {
                uint32_t i = p->slots[at];

                if (p->lengths[i] == length && (length == 0 || memcmp(p->items[i], bytes, length) == 0))
                        return i;
        }
        copy = malloc(length + 1);
        size = copy ? ARRAY_ADD(p->lengths, p->n_lengths) : NULL;
        item = size ? ARRAY_ADD(p->items, p->n_items) : NULL;
        if (!item)
                return UINT32_MAX;
        if (length)
                memcpy(copy, bytes, length);
        *size = length;
        *item = TAKE_PTR(copy);
        p->slots[at] = (uint32_t)p->n_items - 1;
        return p->slots[at];
}

void pool_done(struct pool *p)
{
        for (size_t i = 0; i < p->n_items; i++)
                free(p->items[i]);
        free(p->items);
        free(p->lengths);
        free(p->slots);
}

static int add(struct pool *names, const uint8_t *value)
{
        char name[16] = {};

        memcpy(name, value, 15);
        return pool_put(names, name, 16) == UINT32_MAX ? -ENOMEM : 0;
}

/* Names that begin like first and last: their common beginning, as a text. */
static int add_between(struct pool *names, struct pool *prefixes, const uint8_t *first, const uint8_t *last)
{
        char prefix[16] = {};

        if (add(names, first) < 0 || memcmp(first, last, 16) == 0)
                return 0;
        for (unsigned i = 0; i < 15 && first[i] == last[i] && first[i]; i++)
                prefix[i] = (char)first[i];
        /* The end of all that begins alike is no name itself. */
        if (!memchr(last, 0xff, 16) && add(names, last) < 0)
                return -ENOMEM;
        return pool_put(prefixes, prefix, 16) == UINT32_MAX ? -ENOMEM : 0;
}

static int add_match(struct pool *names, struct pool *prefixes, const struct match *m)
{
        uint8_t last[16];

        if (m->kind == MATCH_SET || !field_is_name(m->fields[0]))
                return 0;
        memcpy(last, m->kind == MATCH_EQUAL ? m->value : m->mask, 16);
        for (unsigned i = 0; i < 16 && m->kind == MATCH_BITS; i++)
                last[i] = (uint8_t)(m->value[i] | ~m->mask[i]);
        return add_between(names, prefixes, m->value, last);
}

/* The names in the key of every element: a set does not say for certain that a field of it is a name, its size does. */
static int add_set(struct pool *names, struct pool *prefixes, const struct set *s)
{
        int r = 0;

        for (size_t i = 0; i < s->n_fields; i++) {
                unsigned offset = set_field_offset(s, i);

                if (!field_is_name(s->fields[i]))
                        continue;
                for (size_t k = 0; r >= 0 && k < s->n_elements && !s->runtime; k++)
                        r = add_between(names, prefixes, s->elements[k].key + offset, s->elements[k].key_end + offset);
        }
        return r;
}

static int add_ruleset(struct pool *names, struct pool *prefixes, const struct ruleset *r)
{
        int x = 0;

        for (const struct table *t = r->tables; t < r->tables + RULESET_TABLES; t++) {
                for (size_t i = 0; x >= 0 && i < t->n_sets; i++)
                        x = add_set(names, prefixes, &t->sets[i]);
                for (const struct chain *c = t->chains; c < t->chains + t->n_chains; c++)
                        for (const struct rule *u = c->rules; u < c->rules + c->n_rules; u++) {
                                for (size_t m = 0; x >= 0 && m < u->n_matches; m++)
                                        x = add_match(names, prefixes, &u->matches[m]);
                                for (size_t k = 0; x >= 0 && k < u->n_statements; k++)
                                        if (u->statements[k].kind == STATEMENT_SET && field_is_name(u->statements[k].field))
                                                x = add(names, u->statements[k].value);
                        }
        }
        return x;
}

/* Whether a name begins with something longer than the first @length characters of it that is spoken of. */
static bool is_covered(const struct pool *prefixes, const char *name, size_t length)
{
        for (size_t i = 0; i < prefixes->n_items; i++)
                if (strlen(prefixes->items[i]) > length && startswith(name, prefixes->items[i]))
                        return true;
        return false;
}

static bool is_taken(const struct pool *names, const char *name)
{
        for (size_t i = 0; i < names->n_items; i++)
                if (streq(names->items[i], name))
                        return true;
        return false;
}

/* What a name of an interface may be made of (no slash, no colon), what people use first. */
static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.!\"#$%&'()*+,;<=>?@[\\]^`{|}~";

/* @name longer by as many letters as it takes; every name tried in vain is one of those spoken of, so they are few. */
static bool make_fresh(const struct pool *names, const struct pool *prefixes, char name[static 16], size_t prefix, size_t length)
{
        if (length >= 15)
                return false; /* all there can be are spoken of */
        for (int deeper = 0; deeper < 2; deeper++)
                for (const char *c = letters; *c; c++) {
                        memset(name + length, 0, 16 - length);
                        name[length] = *c;
                        if (is_covered(prefixes, name, prefix))
                                continue;
                        if (deeper ? make_fresh(names, prefixes, name, prefix, length + 1) : !is_taken(names, name))
                                return true;
                }
        return false;
}

/* A name that begins with @prefix and nothing longer that is spoken of. */
static int add_fresh(struct pool *names, const struct pool *prefixes, const char *prefix)
{
        char name[16] = {};

        snprintf(name, sizeof(name), "%s", *prefix ? prefix : "other0");
        if (*prefix || is_covered(prefixes, name, 0) || is_taken(names, name)) {
                memset(name, 0, sizeof(name));
                snprintf(name, sizeof(name), "%s", prefix);
                if (!make_fresh(names, prefixes, name, strlen(prefix), strlen(prefix)))
                        return 0;
        }
        return pool_put(names, name, 16) == UINT32_MAX ? -ENOMEM : 0;
}

int names_collect(struct names *n, const struct ruleset *a, const struct ruleset *b)
{
        struct pool names = {}, prefixes = {};
        static const uint8_t none[16];
        int r = add(&names, none);

        r = r < 0 ? r : add_ruleset(&names, &prefixes, a);
        r = r < 0 ? r : add_ruleset(&names, &prefixes, b);
        for (size_t i = 0; r >= 0 && i < prefixes.n_items; i++)
                r = add_fresh(&names, &prefixes, prefixes.items[i]);
        r = r < 0 ? r : add_fresh(&names, &prefixes, "");
        n->items = r < 0 ? NULL : calloc(names.n_items, sizeof(*n->items));
        for (size_t i = 0; n->items && i < names.n_items; i++)
                memcpy(n->items[i], names.items[i], 16);
        n->n = names.n_items;
        while ((size_t)1 << n->bits < n->n)
                n->bits++;
        pool_done(&names);
        pool_done(&prefixes);
        return n->items ? 0 : -ENOMEM;
}
