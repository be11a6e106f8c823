/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Variables and functions. A block sees the names of the blocks around it and keeps its own to itself; a function is a
 * text whose tokens take the place of the call, so it sees the names of the place from which it is called.
 */

#include "firewall/import/ferm.h"

#include <ctype.h>
#include <string.h>

#include "base/array.h"

int ferm_scope_push(struct ferm *f, bool share)
{
        struct ferm_scope *s = ferm_alloc(f, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->names = share && f->scope ? f->scope->names : ferm_alloc(f, sizeof(*s->names));
        if (!s->names)
                return -ENOMEM;
        if (f->scope)
                s->automatic = f->scope->automatic;
        s->parent = f->scope;
        f->scope = s;
        return 0;
}

void ferm_scope_pop(struct ferm *f)
{
        f->scope = f->scope->parent;
}

static struct ferm_name *find(struct ferm_names *names, const char *name, bool is_function)
{
        for (struct ferm_name *n = names->first; n; n = n->next)
                if (n->is_function == is_function && streq(n->name, name))
                        return n;
        return NULL;
}

static struct ferm_name *lookup(struct ferm *f, const char *name, bool is_function)
{
        for (struct ferm_scope *s = f->scope; s; s = s->parent) {
                struct ferm_name *n = find(s->names, name, is_function);

                if (n)
                        return n;
        }
        return NULL;
}

/* The true line. ferm counts wrongly behind a call of a function that is written on several lines. */
static int line_of(struct ferm *f, const struct ferm_token *at, const struct ferm_value **ret)
{
        char number[16];

        snprintf(number, sizeof(number), "%u", at->line);
        *ret = ferm_value_text(f, at, ferm_text(f, number, strlen(number)));
        return *ret ? 0 : -ENOMEM;
}

int ferm_variable(struct ferm *f, const struct ferm_token *at, const char *name, const struct ferm_value **ret)
{
        const struct ferm_automatic *a = &f->scope->automatic;
        const struct {
                const char *name, *value;
        } automatics[] = {
                { "FILENAME", a->filename }, { "FILEBNAME", a->filebname }, { "DIRNAME", a->dirname },
                { "DOMAIN", a->domain },     { "TABLE", a->table },         { "CHAIN", a->chain },
        };
        const struct ferm_name *n;

        *ret = NULL;
        if (streq(name, "LINE"))
                return line_of(f, at, ret);
        n = lookup(f, name, false);
        if (n) {
                *ret = n->value;
                return n->value ? 0 : -EBADMSG;
        }
        for (size_t i = 0; i < ELEMENTS(automatics); i++)
                if (streq(automatics[i].name, name) && automatics[i].value) {
                        *ret = ferm_value_text(f, at, automatics[i].value);
                        return *ret ? 0 : -ENOMEM;
                }
        return 0;
}

struct ferm_name *ferm_function(struct ferm *f, const char *name)
{
        return lookup(f, name, true);
}

static int define(struct ferm *f, const char *name, const struct ferm_value *value, const struct ferm_function *function,
                  bool is_function)
{
        struct ferm_name *n = find(f->scope->names, name, is_function);

        if (!n) {
                n = ferm_alloc(f, sizeof(*n));
                if (!n)
                        return -ENOMEM;
                n->name = name;
                n->is_function = is_function;
                n->next = f->scope->names->first;
                f->scope->names->first = n;
        }
        n->value = value;
        n->function = function;
        return 0;
}

static int define_variable(struct ferm *f)
{
        const struct ferm_token *name = NULL;
        const struct ferm_value *v = NULL;
        int r = ferm_need(f, &name);

        if (r < 0)
                return r;
        if (!ferm_is_name(name))
                return ferm_error(f, name, "letters, digits and \"_\"", "this is no name of a variable");
        r = ferm_expect(f, "=", NULL);
        if (r >= 0)
                r = ferm_values(f, FERM_ALLOW_NOT, &v);
        if (r >= 0)
                r = ferm_expect(f, ";", "';' expected: a variable has one value, several stand in \"(\" and \")\"");
        if (r == -EBADMSG && define(f, name->text, NULL, NULL, false) < 0)
                return -ENOMEM;
        return r < 0 ? r : define(f, name->text, v, NULL, false);
}

static int read_parameters(struct ferm *f, struct ferm_function *function)
{
        const struct ferm_token *t = NULL;
        int r = ferm_expect(f, "(", "the parameters or \"()\" expected after the name of the function");

        while (r >= 0 && (r = ferm_need(f, &t)) >= 0 && !ferm_is(t, ")")) {
                if (function->n_parameters) {
                        if (!ferm_is(t, ","))
                                return ferm_error(f, t, NULL, "',' or ')' expected");
                        r = ferm_need(f, &t);
                        if (r < 0)
                                return r;
                }
                if (!ferm_is(t, "$"))
                        return ferm_error(f, t, NULL, "'$' and the name of a parameter expected");
                r = ferm_need(f, &t);
                if (r < 0)
                        return r;
                if (!ferm_is_name(t))
                        return ferm_error(f, t, "letters, digits and \"_\"", "this is no name of a parameter");
                function->parameters = ferm_link(f, t->text, function->parameters);
                if (!function->parameters)
                        return -ENOMEM;
                function->n_parameters++;
        }
        return r;
}

static int read_function(struct ferm *f, struct ferm_function *function)
{
        int r = read_parameters(f, function);

        if (r >= 0)
                r = ferm_expect(f, "=", NULL);
        if (r >= 0)
                r = ferm_collect(f, 0, &function->tokens, &function->n_tokens);
        for (size_t i = 0; r >= 0 && i < function->n_tokens; i++)
                function->block |= ferm_is(&function->tokens[i], "{");
        return r;
}

static int define_function(struct ferm *f)
{
        struct ferm_function *function = ferm_alloc(f, sizeof(*function));
        const struct ferm_token *name = NULL;
        int r = function ? ferm_need(f, &name) : -ENOMEM;

        if (r < 0)
                return r;
        if (!ferm_is_name(name))
                return ferm_error(f, name, "letters, digits and \"_\"", "this is no name of a function");
        r = read_function(f, function);
        if (r == -EBADMSG && define(f, name->text, NULL, NULL, true) < 0)
                return -ENOMEM;
        return r < 0 ? r : define(f, name->text, NULL, function, true);
}

int ferm_define(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_token *type = NULL;
        int r;

        if (v->rule.non_empty)
                return ferm_error(f, v->token, "is there a ';' missing before it?", "a definition cannot stand within a rule");
        r = ferm_need(f, &type);
        if (r < 0)
                return r;
        if (ferm_is(type, "$"))
                return define_variable(f);
        if (ferm_is(type, "&"))
                return define_function(f);
        return ferm_error(f, type, NULL, "\"$\" and a variable or \"&\" and a function expected");
}

/* A call as it happens: the body with the arguments in it. */
struct call {
        const struct ferm_token *at;
        const struct ferm_function *function;
        const struct ferm_value *arguments;
        struct ferm_token *tokens;
        size_t n;
};

static void call_done(struct call *c)
{
        free(c->tokens);
}

static const struct ferm_value *argument(const struct call *c, const char *name, size_t n)
{
        size_t i = c->function->n_parameters;

        for (const struct ferm_link *p = c->function->parameters; p; p = p->next, i--)
                if (strlen(p->item) == n && strncmp(p->item, name, n) == 0)
                        return c->arguments->items[i - 1];
        return NULL;
}

static int call_add(struct ferm *f, struct call *c, const struct ferm_token *like, const char *text, const struct ferm_value *value)
{
        struct ferm_token *t = c->n < FERM_TEXT_MAX * 16 ? ARRAY_ADD(c->tokens, c->n) : NULL;

        if (!t)
                return c->n < FERM_TEXT_MAX * 16 ? -ENOMEM : ferm_stop(f, c->at, "the call becomes too long");
        *t = *like;
        t->text = text;
        t->value = value;
        return 0;
}

/* A parameter in the body becomes a list of its values. */
static int call_add_argument(struct ferm *f, struct call *c, const struct ferm_token *like, const struct ferm_value *v)
{
        int r;

        if (v->kind == FERM_NOT)
                return ferm_error(f, c->at, "negate in the function: \"saddr ! $a\"", "a negated value cannot be the parameter of a function");
        r = call_add(f, c, like, "(", NULL);
        for (size_t i = 0; i < ferm_count(v) && r >= 0; i++) {
                const struct ferm_value *item = ferm_item(v, i);

                r = item->kind == FERM_TEXT ? call_add(f, c, like, item->text, NULL) : call_add(f, c, like, "", item);
        }
        return r < 0 ? r : call_add(f, c, like, ")", NULL);
}

static int call_add_quoted(struct ferm *f, struct call *c, const struct ferm_token *t)
{
        _cleanup_str_ struct str s = {};
        const char *text;

        for (const char *p = t->text; *p;) {
                const struct ferm_value *v = NULL;
                size_t n = 0;

                while (*p == '$' && p[1 + n] > 0 && (isalnum((unsigned char)p[1 + n]) || p[1 + n] == '_'))
                        n++;
                if (n)
                        v = argument(c, p + 1, n);
                if (v && v->kind != FERM_TEXT)
                        return ferm_error(f, c->at, NULL, "parameter '$%.*s' must be text, since the function puts it in quotes", (int)n, p + 1);
                if (v)
                        str_add(&s, "%s", v->text);
                else
                        str_add_bytes(&s, p, n + 1);
                p += n + 1;
                if (s.length > FERM_TEXT_MAX)
                        return ferm_stop(f, c->at, "the text is longer than %d bytes", FERM_TEXT_MAX);
        }
        text = s.failed ? NULL : ferm_text(f, s.text ? s.text : "", s.length);
        return text ? call_add(f, c, t, text, NULL) : -ENOMEM;
}

static int call_fill(struct ferm *f, struct call *c)
{
        const struct ferm_function *function = c->function;
        int r = 0;

        for (size_t i = 0; i < function->n_tokens && r >= 0; i++) {
                const struct ferm_token *t = &function->tokens[i], *next = i + 1 < function->n_tokens ? t + 1 : NULL;
                const struct ferm_value *v = NULL;
                size_t n = t->value ? 0 : strlen(t->text);

                if (ferm_is(t, "$") && next && !next->value)
                        v = argument(c, next->text, strlen(next->text));
                if (v) {
                        r = call_add_argument(f, c, next, v);
                        i++;
                } else if (n > 1 && t->text[0] == '"' && t->text[n - 1] == '"')
                        r = call_add_quoted(f, c, t);
                else
                        r = call_add(f, c, t, t->text, t->value);
        }
        return r;
}

static int call_push(struct ferm *f, struct call *c)
{
        struct ferm_token *kept;
        int r = call_fill(f, c);

        if (r < 0)
                return r;
        kept = ferm_alloc(f, c->n * sizeof(*kept) + 1);
        if (!kept)
                return -ENOMEM;
        if (c->n)
                memcpy(kept, c->tokens, c->n * sizeof(*kept));
        return ferm_push(f, kept, c->n);
}

int ferm_call(struct ferm *f, struct ferm_level *v)
{
        CLEANUP(call_done) struct call c = { .at = v->token };
        const struct ferm_token *name = NULL;
        const struct ferm_name *known;
        int r = ferm_need(f, &name);

        if (r < 0)
                return r;
        if (!ferm_is_name(name))
                return ferm_error(f, name, NULL, "name of a function expected after '&'");
        known = ferm_function(f, name->text);
        if (!known && !f->incomplete)
                return ferm_error(f, name, "it must be defined before it is used", "there is no function '&%s'", name->text);
        if (!known || !known->function)
                return -EBADMSG;
        if (++f->calls > FERM_CALLS_MAX)
                return ferm_stop(f, name, "more than %d calls of functions: does '&%s' call itself?", FERM_CALLS_MAX, name->text);
        c.at = name;
        c.function = known->function;
        r = ferm_parameters(f, FERM_ALLOW_NOT, &c.arguments);
        if (r < 0)
                return r;
        if (c.arguments->n != c.function->n_parameters)
                return ferm_error(f, name, NULL, "'&%s' takes %zu parameters, %zu are given", name->text,
                                  c.function->n_parameters, c.arguments->n);
        if (c.function->block)
                r = ferm_expect(f, ";", "';' expected: the function contains a block, which ends the rule");
        return r < 0 ? r : call_push(f, &c);
}
