/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of parameters: words, quoted text with variables in it, lists, negations. */

#include "firewall/import/ferm.h"

#include <ctype.h>
#include <string.h>

#include "base/array.h"

size_t ferm_count(const struct ferm_value *v)
{
        return v->kind == FERM_LIST ? v->n : 1;
}

const struct ferm_value *ferm_item(const struct ferm_value *v, size_t i)
{
        return v->kind == FERM_LIST ? v->items[i] : v;
}

const struct ferm_value *ferm_value_text(struct ferm *f, const struct ferm_token *at, const char *text)
{
        struct ferm_value *v = text ? ferm_alloc(f, sizeof(*v)) : NULL;

        if (v)
                *v = (struct ferm_value){ .kind = FERM_TEXT, .text = text, .at = at };
        return v;
}

const struct ferm_value *ferm_value_list(struct ferm *f, enum ferm_kind kind, const struct ferm_token *at,
                                         const struct ferm_value *const *items, size_t n)
{
        struct ferm_value *v = ferm_alloc(f, sizeof(*v));
        const struct ferm_value **kept = ferm_alloc(f, n * sizeof(*kept) + 1);

        if (!v || !kept)
                return NULL;
        if (n)
                memcpy(kept, items, n * sizeof(*kept));
        *v = (struct ferm_value){ .kind = kind, .items = kept, .n = n, .at = at };
        return v;
}

int ferm_items_add(struct ferm *f, struct ferm_items *l, const struct ferm_value *v)
{
        const struct ferm_value **slot;

        for (size_t i = 0; i < ferm_count(v); i++) {
                if (l->n >= FERM_LIST_MAX)
                        return ferm_stop(f, NULL, "the list is longer than %d", FERM_LIST_MAX);
                slot = ARRAY_ADD(l->items, l->n);
                if (!slot)
                        return -ENOMEM;
                *slot = ferm_item(v, i);
        }
        return 0;
}

void ferm_items_done(struct ferm_items *l)
{
        free(l->items);
}

/* Truth as Perl has it. */
bool ferm_true(const struct ferm_value *v)
{
        if (v->kind == FERM_TEXT)
                return *v->text && !streq(v->text, "0");
        return v->kind != FERM_LIST || v->n > 0;
}

int ferm_join(struct ferm *f, const char *separator, const struct ferm_value *v, const char **ret)
{
        _cleanup_str_ struct str s = {};

        for (size_t i = 0; i < ferm_count(v); i++) {
                const struct ferm_value *item = ferm_item(v, i);

                if (item->kind != FERM_TEXT)
                        return ferm_error(f, NULL, NULL, "text expected, not a list, a negation or @resolve()");
                str_add(&s, "%s%s", i ? separator : "", item->text);
                if (s.length > FERM_TEXT_MAX)
                        return ferm_stop(f, NULL, "the text is longer than %d bytes", FERM_TEXT_MAX);
        }
        if (s.failed)
                return -ENOMEM;
        *ret = ferm_text(f, s.text ? s.text : "", s.length);
        return *ret ? 0 : -ENOMEM;
}

int ferm_negate(struct ferm *f, const struct ferm_value *v, bool allow_list, const struct ferm_value **ret)
{
        if (v->kind == FERM_NOT)
                return ferm_error(f, NULL, NULL, "double negation is not allowed");
        if (v->kind == FERM_LIST && !allow_list)
                return ferm_error(f, NULL, "\"! (a b)\" would match everything that is not a or not b: write a block with RETURN instead",
                                  "a list cannot be negated");
        *ret = ferm_value_list(f, FERM_NOT, v->at, &v, 1);
        return *ret ? 0 : -ENOMEM;
}

static int read_list(struct ferm *f, const struct ferm_token *at, unsigned flags, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        int r;

        if (f->depth >= FERM_DEPTH_MAX)
                return ferm_stop(f, at, "lists are nested more than %d deep", FERM_DEPTH_MAX);
        for (;;) {
                const struct ferm_value *v = NULL;

                f->depth++;
                r = ferm_values(f, FERM_IN_LIST, &v);
                f->depth--;
                if (r < 0)
                        return r;
                if (v->kind == FERM_TEXT && streq(v->text, ")"))
                        break;
                if (v->kind == FERM_TEXT && streq(v->text, ","))
                        return ferm_error(f, NULL, "write \"(a b)\"", "values of a list are separated by spaces, not by commas");
                if (v->kind == FERM_NOT)
                        return ferm_error(f, NULL, NULL, "a negated value cannot be in a list");
                r = ferm_items_add(f, &l, v);
                if (r < 0)
                        return r;
        }
        if (!l.n && (flags & FERM_NON_EMPTY))
                return ferm_error(f, at, NULL, "an empty list is not allowed here");
        *ret = l.n == 1 ? l.items[0] : ferm_value_list(f, FERM_LIST, at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}

/* A name that is not there counts as empty, like in ferm. */
static int interpolate_one(struct ferm *f, const struct ferm_token *at, const char *name, struct str *s)
{
        const struct ferm_value *v = NULL;
        int r = ferm_variable(f, at, name, &v);

        if (r < 0 || !v)
                return r;
        if (v->kind != FERM_TEXT)
                return ferm_error(f, at, "use @join(\" \", $name) to make text of a list",
                                  "variable '$%s' must be text here, but it is a list or negated", name);
        str_add(s, "%s", v->text);
        return 0;
}

static int interpolate(struct ferm *f, const struct ferm_token *at, const char *text, size_t n, const struct ferm_value **ret)
{
        _cleanup_str_ struct str s = {};
        int r;

        for (size_t i = 0; i < n;) {
                size_t length = 0;

                while (text[i] == '$' && i + 1 + length < n && text[i + 1 + length] > 0 &&
                       (isalnum((unsigned char)text[i + 1 + length]) || text[i + 1 + length] == '_'))
                        length++;
                if (length) {
                        const char *name = ferm_text(f, text + i + 1, length);

                        r = name ? interpolate_one(f, at, name, &s) : -ENOMEM;
                        if (r < 0)
                                return r;
                } else
                        str_add_bytes(&s, text + i, 1);
                i += length + 1;
                if (s.length > FERM_TEXT_MAX)
                        return ferm_stop(f, at, "the text is longer than %d bytes", FERM_TEXT_MAX);
        }
        if (s.failed)
                return -ENOMEM;
        *ret = ferm_value_text(f, at, ferm_text(f, s.text ? s.text : "", s.length));
        return *ret ? 0 : -ENOMEM;
}

static int read_quoted(struct ferm *f, const struct ferm_token *t, size_t n, const struct ferm_value **ret)
{
        if (*t->text == '`')
                return ferm_error(f, t, "put in its place what the command prints",
                                  "ferm would run the command %s here; it is not run", t->text);
        if (*t->text == '"')
                return interpolate(f, t, t->text + 1, n - 2, ret);
        *ret = ferm_value_text(f, t, ferm_text(f, t->text + 1, n - 2));
        return *ret ? 0 : -ENOMEM;
}

static const char *missing_hint(const char *name)
{
        if (streq(name, "DOMAIN") || streq(name, "TABLE") || streq(name, "CHAIN"))
                return "it has a value only behind the domain, table or chain that is written out";
        return "it must be defined before it is used, in this block or one around it";
}

static int read_variable(struct ferm *f, const struct ferm_value **ret)
{
        const struct ferm_token *t = NULL;
        int r = ferm_need(f, &t);

        if (r < 0)
                return r;
        if (!ferm_is_name(t))
                return ferm_error(f, t, "to put text together use double quotes: \"$a-$b\"", "variable name expected after '$'");
        r = ferm_variable(f, t, t->text, ret);
        if (r < 0 || *ret)
                return r;
        if (f->incomplete)
                return -EBADMSG;
        return ferm_error(f, t, missing_hint(t->text), "there is no variable '$%s'", t->text);
}

static int read_negation(struct ferm *f, const struct ferm_token *t, unsigned flags, const struct ferm_value **ret)
{
        const struct ferm_value *v = NULL;
        int r;

        if (!(flags & FERM_ALLOW_NOT))
                return ferm_error(f, t, NULL, "negation is not allowed here");
        if (f->depth >= FERM_DEPTH_MAX)
                return ferm_stop(f, t, "values are nested more than %d deep", FERM_DEPTH_MAX);
        r = ferm_values(f, 0, &v);
        return r < 0 ? r : ferm_negate(f, v, flags & FERM_ALLOW_NOT_LIST, ret);
}

static int read_punctuation(struct ferm *f, const struct ferm_token *t, unsigned flags, const struct ferm_value **ret)
{
        if (ferm_is(t, "!"))
                return read_negation(f, t, flags, ret);
        if (ferm_is(t, "$"))
                return read_variable(f, ret);
        if (ferm_is(t, "="))
                return ferm_error(f, t, NULL, "'=' is not allowed here");
        if (ferm_is(t, "&"))
                return ferm_error(f, t, "call it where a keyword stands", "a function cannot be called as the parameter of a keyword");
        if (ferm_is(t, ",") && !(flags & FERM_IN_LIST))
                return ferm_error(f, t, NULL, "',' is not allowed here");
        if (ferm_is(t, ")") && !(flags & FERM_IN_LIST))
                return ferm_error(f, t, "a value is expected", "')' is not allowed here");
        *ret = ferm_value_text(f, t, t->text);
        return *ret ? 0 : -ENOMEM;
}

int ferm_values(struct ferm *f, unsigned flags, const struct ferm_value **ret)
{
        const struct ferm_token *t = NULL;
        size_t n;
        int r = ferm_need(f, &t);

        if (r < 0)
                return r;
        if (t->value) {
                *ret = t->value;
                return 0;
        }
        if (ferm_is(t, "("))
                return read_list(f, t, flags, ret);
        n = strlen(t->text);
        if (n >= 2 && strchr("\"'`", *t->text) && t->text[n - 1] == *t->text)
                return read_quoted(f, t, n, ret);
        if (*t->text == '@')
                return ferm_builtin(f, t, ret);
        return read_punctuation(f, t, flags, ret);
}

int ferm_scalar(struct ferm *f, const char **ret)
{
        const struct ferm_value *v = NULL;
        const struct ferm_token *at = ferm_peek(f);
        int r = ferm_values(f, 0, &v);

        if (r < 0)
                return r;
        if (v->kind == FERM_LIST)
                return ferm_error(f, at, NULL, "a list is not allowed here");
        if (v->kind != FERM_TEXT)
                return ferm_error(f, at, NULL, "plain text is expected here");
        *ret = v->text;
        return 0;
}

int ferm_parameters(struct ferm *f, unsigned flags, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        const struct ferm_token *at = f->last, *t = NULL;
        int r = ferm_expect(f, "(", "the name of a function is followed by \"(\" and \")\"");

        if (r >= 0 && ferm_is(ferm_peek(f), ")"))
                r = ferm_need(f, &t);
        while (r >= 0 && !ferm_is(t, ")")) {
                const struct ferm_value *v = NULL;
                const struct ferm_value **slot;

                r = ferm_values(f, flags, &v);
                if (r < 0)
                        return r;
                slot = l.n < FERM_LIST_MAX ? ARRAY_ADD(l.items, l.n) : NULL;
                if (!slot)
                        return -ENOMEM;
                *slot = v;
                r = ferm_need(f, &t);
                if (r >= 0 && !ferm_is(t, ")") && !ferm_is(t, ","))
                        return ferm_error(f, t, "values of one parameter that are a list stand in \"(\" and \")\"", "',' or ')' expected");
        }
        if (r < 0)
                return r;
        *ret = ferm_value_list(f, FERM_LIST, at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}
