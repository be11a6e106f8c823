/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/ruleset.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"

struct ruleset *ruleset_new(void)
{
        struct ruleset *r = calloc(1, sizeof(*r));

        if (r) {
                r->tables[0].family = NFPROTO_INET;
                r->tables[1].family = NFPROTO_BRIDGE;
        }
        return r;
}

void element_done(struct element *e)
{
        free(e->comment);
        free(e->jump);
}

void set_done_elements(struct set *s)
{
        for (size_t i = 0; i < s->n_elements; i++)
                element_done(&s->elements[i]);
        free(s->elements);
}

static void rule_done(struct rule *r)
{
        free(r->matches);
        free(r->statements);
        free(r->comment);
        free(r->unknown);
}

void chain_done(struct chain *c)
{
        for (size_t i = 0; i < c->n_rules; i++)
                rule_done(&c->rules[i]);
        free(c->rules);
        free(c->name);
}

void chain_drop_first(struct chain *c, size_t n)
{
        for (size_t i = 0; i < n; i++)
                rule_done(&c->rules[i]);
        c->n_rules -= n;
        if (n)
                memmove(c->rules, c->rules + n, c->n_rules * sizeof(*c->rules));
}

static void table_done(struct table *t)
{
        for (size_t i = 0; i < t->n_sets; i++) {
                set_done_elements(&t->sets[i]);
                free(t->sets[i].name);
        }
        for (size_t i = 0; i < t->n_chains; i++)
                chain_done(&t->chains[i]);
        free(t->sets);
        free(t->chains);
        strlist_done(&t->unknown);
}

struct ruleset *ruleset_free(struct ruleset *r)
{
        if (!r)
                return NULL;
        for (size_t i = 0; i < RULESET_TABLES; i++)
                table_done(&r->tables[i]);
        free(r);
        return NULL;
}

struct set *table_add_set(struct table *t, const char *name, enum set_data data, bool interval, const enum field *fields, size_t n)
{
        struct set *s = ARRAY_ADD(t->sets, t->n_sets);

        if (!s)
                return NULL;
        s->name = strdup(name);
        s->data = data;
        s->interval = interval;
        s->n_fields = n;
        memcpy(s->fields, fields, n * sizeof(*fields));
        return s->name ? s : NULL;
}

struct chain *table_add_chain(struct table *t, const char *name, const char *type, unsigned hook, int priority, bool drops)
{
        struct chain *c = ARRAY_ADD(t->chains, t->n_chains);

        if (!c)
                return NULL;
        c->name = strdup(name);
        c->type = type;
        c->hook = hook;
        c->priority = priority;
        c->drops = drops;
        return c->name ? c : NULL;
}

struct rule *chain_add_rule(struct chain *c, enum verdict_kind kind, const char *name)
{
        struct rule *r = ARRAY_ADD(c->rules, c->n_rules);

        if (r) {
                r->verdict.kind = kind;
                snprintf(r->verdict.name, sizeof(r->verdict.name), "%s", name ? name : "");
        }
        return r;
}

struct match *rule_add_match(struct rule *r, enum match_kind kind, enum field f)
{
        struct match *m = ARRAY_ADD(r->matches, r->n_matches);

        if (m) {
                m->kind = kind;
                m->fields[0] = f;
                m->n_fields = 1;
        }
        return m;
}

struct statement *rule_add_statement(struct rule *r, enum statement_kind kind)
{
        struct statement *s = ARRAY_ADD(r->statements, r->n_statements);

        if (s) {
                s->kind = kind;
                s->level = 4; /* LOG_WARNING, the kernel's default */
        }
        return s;
}

void statement_keep_labels(struct statement *s)
{
        for (unsigned i = 0; s->field == FIELD_CT_LABEL && i < sizeof(s->mask); i++)
                s->mask[i] = (uint8_t)~s->value[i];
}

const uint8_t *statement_field_mask(const struct statement *s, enum field f)
{
        const uint8_t *mask = f == FIELD_IP_SADDR || f == FIELD_IP6_SADDR   ? s->mask
                              : f == FIELD_IP_DADDR || f == FIELD_IP6_DADDR ? s->value
                                                                            : NULL;

        /* The first bits are those of a network. */
        return mask && mask[0] && (s->kind == STATEMENT_METER || s->kind == STATEMENT_CONNECTIONS) ? mask : NULL;
}

struct set *table_set(const struct table *t, const char *name)
{
        for (size_t i = 0; i < t->n_sets; i++)
                if (streq(t->sets[i].name, name))
                        return &t->sets[i];
        return NULL;
}

struct chain *table_chain(const struct table *t, const char *name)
{
        for (size_t i = 0; i < t->n_chains; i++)
                if (streq(t->chains[i].name, name))
                        return &t->chains[i];
        return NULL;
}

bool chain_same_hook(const struct chain *a, const struct chain *b)
{
        if (!a->type || !b->type)
                return a->type == b->type;
        return streq(a->type, b->type) && a->hook == b->hook && a->priority == b->priority && a->drops == b->drops;
}

bool chain_is_idle(const struct chain *c)
{
        return c->type && streq(c->type, "nat") && !c->drops && c->n_rules == 0;
}

unsigned set_field_offset(const struct set *s, size_t i)
{
        unsigned offset = 0;

        for (size_t k = 0; k < i; k++)
                offset += field_room(s->fields[k]);
        return offset;
}

unsigned set_key_size(const struct set *s)
{
        return set_field_offset(s, s->n_fields);
}

int element_compare(const struct element *a, const struct element *b)
{
        int r = memcmp(a->key, b->key, sizeof(a->key));

        return r ? r : memcmp(a->key_end, b->key_end, sizeof(a->key_end));
}

bool element_same_data(const struct element *a, const struct element *b)
{
        return a->accepts == b->accepts && streq(a->jump ? a->jump : "", b->jump ? b->jump : "") &&
               memcmp(a->data, b->data, sizeof(a->data)) == 0;
}

bool set_same_shape(const struct set *a, const struct set *b)
{
        if (a->unknown || b->unknown || a->n_fields != b->n_fields || a->interval != b->interval || a->data != b->data ||
            a->timeout != b->timeout || a->dynamic != b->dynamic || a->counter != b->counter)
                return false;
        for (size_t i = 0; i < a->n_fields; i++)
                if (field_type(a->fields[i])->datatype != field_type(b->fields[i])->datatype)
                        return false;
        return true;
}

static int compare(const void *a, const void *b)
{
        return element_compare(a, b);
}

/* Whether @line is one of the policy lines in the comment; "a.yaml:1" is none of those in "a.yaml:12". */
static bool names(const char *comment, const char *line)
{
        size_t length = strlen(line);

        for (const char *at = strstr(comment, line); at; at = strstr(at + 1, line))
                if ((at == comment || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
                        return true;
        return false;
}

/* Two policy lines that say the same are one element with both in its comment, as far as that goes. */
int element_merge(struct element *to, const struct element *from)
{
        char *both = NULL;

        if (!to->comment || !from->comment || names(to->comment, from->comment) ||
            strlen(to->comment) + strlen(from->comment) + 1 > RULESET_COMMENT_MAX)
                return 0;
        if (asprintf(&both, "%s %s", to->comment, from->comment) < 0)
                return -ENOMEM;
        free(to->comment);
        to->comment = both;
        return 0;
}

int set_sort(struct set *s)
{
        size_t n = 0;

        if (s->n_elements < 2)
                return 0;
        qsort(s->elements, s->n_elements, sizeof(*s->elements), compare);
        for (size_t i = 1; i < s->n_elements; i++) {
                if (compare(&s->elements[n], &s->elements[i]) != 0) {
                        s->elements[++n] = s->elements[i];
                        continue;
                }
                if (element_merge(&s->elements[n], &s->elements[i]) < 0)
                        return -ENOMEM;
                element_done(&s->elements[i]);
        }
        s->n_elements = n + 1;
        return 0;
}

int ruleset_comment(char **comment, struct span *to, const struct span *from)
{
        char text[RULESET_COMMENT_MAX + 1];

        if (!from || !from->file)
                return 0;
        *to = *from;
        snprintf(text, sizeof(text), "%s:%u", from->file, from->line);
        *comment = strdup(text);
        return *comment ? 0 : -ENOMEM;
}
