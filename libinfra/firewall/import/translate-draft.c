/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The draft of a rule: its stages, and how they become rules and helper chains. */

#include "firewall/import/translate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static void body_done(struct rule *r)
{
        free(r->matches);
        free(r->statements);
        free(r->comment);
}

void translate_draft_done(struct translate *t)
{
        for (size_t i = 0; i < t->n_stages; i++) {
                struct stage *s = &t->stages[i];

                body_done(&s->body);
                for (size_t k = 0; k < s->n_any; k++)
                        body_done(&s->any[k]);
                for (size_t k = 0; k < s->n_none; k++)
                        body_done(&s->none[k]);
                for (size_t k = 0; k < s->n_acts; k++)
                        body_done(&s->acts[k]);
                free(s->any);
                free(s->none);
                free(s->acts);
        }
        free(t->stages);
        t->stages = NULL;
        t->n_stages = 0;
}

static struct stage *last_stage(struct translate *t)
{
        return t->n_stages ? &t->stages[t->n_stages - 1] : ARRAY_ADD(t->stages, t->n_stages);
}

static struct stage *match_stage(struct translate *t)
{
        struct stage *s = last_stage(t);

        return s && (s->body.n_statements > 0 || s->n_acts > 0) ? ARRAY_ADD(t->stages, t->n_stages) : s;
}

struct match *translate_match(struct translate *t, enum match_kind kind, enum field f, bool negated)
{
        struct stage *s = match_stage(t);
        struct match *m = s ? rule_add_match(&s->body, kind, f) : NULL;

        if (m)
                m->negated = negated;
        return m;
}

struct statement *translate_statement(struct translate *t, enum statement_kind kind)
{
        struct stage *s = last_stage(t);

        return s ? rule_add_statement(&s->body, kind) : NULL;
}

struct rule *translate_act(struct translate *t)
{
        struct stage *s = last_stage(t);

        return s ? ARRAY_ADD(s->acts, s->n_acts) : NULL;
}

struct rule *translate_alternative(struct translate *t, bool none)
{
        struct stage *s = match_stage(t);

        if (!s)
                return NULL;
        return none ? ARRAY_ADD(s->none, s->n_none) : ARRAY_ADD(s->any, s->n_any);
}

int translate_change(struct translate *t, enum field f, uint64_t keep, uint64_t flip)
{
        struct statement *s = translate_statement(t, STATEMENT_SET);

        if (!s)
                return -ENOMEM;
        s->field = f;
        field_put_number(f, keep, s->mask);
        field_put_number(f, flip, s->value);
        return 0;
}

int translate_choice(struct translate *t)
{
        struct stage *s = match_stage(t);

        return s && (s->n_any == 0 || ARRAY_ADD(t->stages, t->n_stages)) ? 0 : -ENOMEM;
}

int translate_number(struct translate *t, enum field f, uint64_t value, bool negated)
{
        struct match *m = translate_match(t, MATCH_EQUAL, f, negated);

        if (m)
                field_put_number(f, value, m->value);
        return m ? 0 : -ENOMEM;
}

int translate_range(struct translate *t, enum field f, uint64_t first, uint64_t last, bool negated)
{
        struct match *m;

        if (first == last)
                return translate_number(t, f, first, negated);
        m = translate_match(t, MATCH_RANGE, f, negated);
        if (!m)
                return -ENOMEM;
        field_put_number(f, first, m->value);
        field_put_number(f, last, m->mask);
        return 0;
}

int translate_unless(struct translate *t, enum field f, uint64_t first, uint64_t last)
{
        struct rule *r = translate_alternative(t, true);
        struct match *m = r ? rule_add_match(r, first == last ? MATCH_EQUAL : MATCH_RANGE, f) : NULL;

        if (!m)
                return -ENOMEM;
        field_put_number(f, first, m->value);
        if (m->kind == MATCH_RANGE)
                field_put_number(f, last, m->mask);
        return 0;
}

int translate_bits(struct translate *t, enum field f, uint64_t value, uint64_t mask, bool negated)
{
        unsigned size = field_type(f)->size;
        struct match *m;

        if (mask == (size >= 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1))
                return translate_number(t, f, value, negated);
        m = translate_match(t, MATCH_BITS, f, negated);
        if (!m)
                return -ENOMEM;
        field_put_number(f, value, m->value);
        field_put_number(f, mask, m->mask);
        return 0;
}

static int compare_ranges(const void *a, const void *b)
{
        const struct number_range *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

void translate_merge(struct number_range *ranges, size_t *n)
{
        size_t last = 0;

        qsort(ranges, *n, sizeof(*ranges), compare_ranges);
        for (size_t i = 1; i < *n; i++) {
                if (ranges[i].first > ranges[last].last + 1)
                        ranges[++last] = ranges[i];
                else
                        ranges[last].last = MAX(ranges[last].last, ranges[i].last);
        }
        *n = *n ? last + 1 : 0;
}

struct set *translate_set(struct translate *t, const char *what, bool interval, const enum field *fields, size_t n)
{
        char name[RULESET_NAME_MAX + 1];

        snprintf(name, sizeof(name), "%s_%u", what, ++t->sets);
        return table_add_set(t->to, name, DATA_NONE, interval, fields, n);
}

struct element *translate_element(struct set *s)
{
        return ARRAY_ADD(s->elements, s->n_elements);
}

int translate_set_match(struct translate *t, const struct set *s, bool negated)
{
        struct match *m = translate_match(t, MATCH_SET, s->fields[0], negated);

        if (!m)
                return -ENOMEM;
        m->n_fields = s->n_fields;
        memcpy(m->fields, s->fields, sizeof(m->fields));
        snprintf(m->set, sizeof(m->set), "%s", s->name);
        return 0;
}

int translate_ranges(struct translate *t, enum field f, struct number_range *ranges, size_t n, bool negated)
{
        bool interval = false;
        struct set *s;

        if (f == FIELD_SPORT || f == FIELD_DPORT)
                translate_merge(ranges, &n);
        if (n == 1)
                return translate_range(t, f, ranges[0].first, ranges[0].last, negated);
        for (size_t i = 0; i < n; i++)
                interval |= ranges[i].first != ranges[i].last;
        s = translate_set(t, f == FIELD_SPORT || f == FIELD_DPORT ? "port_set" : "type_set", interval, &f, 1);
        for (size_t i = 0; s && i < n; i++) {
                struct element *e = translate_element(s);

                if (!e)
                        return -ENOMEM;
                field_put_number(f, ranges[i].first, e->key);
                field_put_number(f, ranges[i].last, e->key_end);
        }
        return s && set_sort(s) >= 0 ? translate_set_match(t, s, negated) : -ENOMEM;
}

/* The body's matches and @more's as a rule of that chain, which may move by what follows. */
static struct rule *put(struct translate *t, const char *chain, const struct rule *body, const struct rule *more, bool statements)
{
        struct rule *r = chain_add_rule(table_chain(t->to, chain), VERDICT_CONTINUE, NULL);
        const struct rule *const parts[] = { body, more };

        if (!r || ruleset_comment(&r->comment, &r->span, &t->rule->span) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(parts); i++) {
                for (size_t k = 0; parts[i] && k < parts[i]->n_matches; k++) {
                        struct match *m = ARRAY_ADD(r->matches, r->n_matches);

                        if (!m)
                                return NULL;
                        *m = parts[i]->matches[k];
                }
                for (size_t k = 0; parts[i] && (i > 0 || statements) && k < parts[i]->n_statements; k++) {
                        struct statement *s = ARRAY_ADD(r->statements, r->n_statements);

                        if (!s)
                                return NULL;
                        *s = parts[i]->statements[k];
                }
        }
        return r;
}

static int new_chain(struct translate *t, char ret[static RULESET_NAME_MAX + 1])
{
        snprintf(ret, RULESET_NAME_MAX + 1, "part_%u", ++t->chains);
        return table_add_chain(t->to, ret, NULL, 0, 0, false) ? 0 : -ENOMEM;
}

int translate_helper(struct translate *t, char ret[static RULESET_NAME_MAX + 1])
{
        return new_chain(t, ret);
}

struct rule *translate_helper_rule(struct translate *t, const char *chain)
{
        return put(t, chain, &(struct rule){}, NULL, false);
}

int translate_helper_jump(struct translate *t, const char *chain)
{
        t->verdict.kind = VERDICT_JUMP;
        snprintf(t->verdict.name, sizeof(t->verdict.name), "%s", chain);
        return last_stage(t) ? 0 : -ENOMEM;
}

static int go(struct rule *r, enum verdict_kind kind, const char *chain)
{
        if (!r)
                return -ENOMEM;
        r->verdict.kind = kind;
        snprintf(r->verdict.name, sizeof(r->verdict.name), "%s", chain);
        return 0;
}

/* All that may come in between is asked; only then what the rule does, once. */
static int put_choice(struct translate *t, const struct stage *s, const char *chain, char inner[static RULESET_NAME_MAX + 1])
{
        char choice[RULESET_NAME_MAX + 1];
        int r = new_chain(t, choice);

        if (r >= 0)
                r = new_chain(t, inner);
        if (r >= 0)
                r = go(put(t, chain, &s->body, NULL, false), VERDICT_JUMP, choice);
        for (size_t i = 0; r >= 0 && i < s->n_none; i++)
                r = go(put(t, choice, &s->none[i], NULL, true), VERDICT_RETURN, "");
        for (size_t i = 0; r >= 0 && i < s->n_acts; i++)
                r = put(t, choice, &s->acts[i], NULL, true) ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < s->n_any; i++)
                r = go(put(t, choice, &s->any[i], NULL, true), VERDICT_GOTO, inner);
        if (r >= 0 && s->n_any == 0)
                r = go(put(t, choice, &(struct rule){}, NULL, false), VERDICT_GOTO, inner);
        return r;
}

static bool is_choice(const struct stage *s)
{
        return s->n_any || s->n_none || s->n_acts;
}

static int put_stage(struct translate *t, const char *chain, size_t i)
{
        const struct stage *s = &t->stages[i];
        char name[RULESET_NAME_MAX + 1], inner[RULESET_NAME_MAX + 1];
        const struct rule statements = { .statements = s->body.statements, .n_statements = s->body.n_statements };
        struct rule *rule;
        int r = 0;

        snprintf(name, sizeof(name), "%s", chain);
        if (is_choice(s)) {
                r = put_choice(t, s, chain, inner);
                if (r < 0)
                        return r;
                snprintf(name, sizeof(name), "%s", inner);
        }
        rule = put(t, name, is_choice(s) ? &statements : &s->body, NULL, true);
        if (!rule)
                return -ENOMEM;
        if (i + 1 == t->n_stages) {
                rule->verdict = t->verdict;
                return 0;
        }
        /* Before the next chain is made the rule is left: it moves. */
        r = new_chain(t, inner);
        if (r >= 0)
                r = go(&table_chain(t->to, name)->rules[table_chain(t->to, name)->n_rules - 1], VERDICT_JUMP, inner);
        return r < 0 ? r : put_stage(t, inner, i + 1);
}

/* Each alternative with the verdict: right where the first that fits is the last that is asked. */
static int put_each(struct translate *t, const char *chain, const struct stage *s)
{
        for (size_t i = 0; i < s->n_any; i++) {
                struct rule *r = put(t, chain, &s->body, &s->any[i], true);

                if (!r)
                        return -ENOMEM;
                r->verdict = t->verdict;
        }
        return 0;
}

/* From within a helper chain, a return would only lead back to the rule. */
static int leave_helpers(struct translate *t)
{
        const struct chain *c;
        char name[RULESET_NAME_MAX + 1];

        if (t->verdict.kind != VERDICT_RETURN && t->verdict.kind != VERDICT_GOTO)
                return 0;
        translate_chain_name(t->from, t->chain->name, name);
        c = table_chain(t->to, name);
        if (t->verdict.kind == VERDICT_GOTO || !c || !c->type)
                return translate_complain(t, 0, "say it with several rules", "a rule that asks so much cannot end with %s",
                                          t->verdict.kind == VERDICT_GOTO ? "-g" : "RETURN");
        t->verdict.kind = c->drops ? VERDICT_DROP : VERDICT_ACCEPT;
        return 0;
}

int translate_emit(struct translate *t, const char *chain)
{
        const struct stage *s = last_stage(t);
        enum verdict_kind kind = t->verdict.kind;
        int r;

        if (!s)
                return -ENOMEM;
        s = &t->stages[0];
        if (t->n_stages == 1 && s->n_none == 0 && s->n_acts == 0 && s->n_any > 0 && s->body.n_statements == 0 && kind != VERDICT_JUMP && kind != VERDICT_CONTINUE)
                return put_each(t, chain, s);
        r = t->n_stages > 1 || is_choice(s) ? leave_helpers(t) : 0;
        return r < 0 ? r : put_stage(t, chain, 0);
}
