/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The functions that ferm brings along. */

#include "firewall/import/ferm.h"

#include <glob.h>
#include <string.h>
#include <strings.h>

/* Parameters are p->items; @at is "@name". */
typedef int builtin(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret);

static int give(struct ferm *f, const struct ferm_token *at, const char *text, const struct ferm_value **ret)
{
        *ret = ferm_value_text(f, at, text);
        return *ret ? 0 : -ENOMEM;
}

static int text_of(struct ferm *f, const struct ferm_token *at, const struct ferm_value *v, const char **ret)
{
        if (v->kind != FERM_TEXT)
                return ferm_error(f, at, NULL, "%s wants text, not a list", at->text);
        *ret = v->text;
        return 0;
}

/* Lists are equal when they are the same one: ferm compares where they lie. */
static bool same(const struct ferm_value *a, const struct ferm_value *b)
{
        return a->kind == FERM_TEXT && b->kind == FERM_TEXT ? streq(a->text, b->text) : a == b;
}

static int builtin_eq(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        return give(f, at, same(p->items[0], p->items[1]) ? "1" : "0", ret);
}

static int builtin_ne(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        return give(f, at, same(p->items[0], p->items[1]) ? "0" : "1", ret);
}

static int builtin_not(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const struct ferm_value *v = p->items[0];

        /* Here an empty list is true: not the same question as that of @if. */
        return give(f, at, v->kind != FERM_TEXT || ferm_true(v) ? "0" : "1", ret);
}

static int flatten(struct ferm *f, const struct ferm_value *p, size_t from, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        int r = 0;

        for (size_t i = from; i < p->n && r >= 0; i++)
                r = ferm_items_add(f, &l, p->items[i]);
        if (r < 0)
                return r;
        *ret = ferm_value_list(f, FERM_LIST, p->at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}

static int builtin_cat(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const struct ferm_value *all = NULL;
        const char *text = NULL;
        int r = flatten(f, p, 0, &all);

        if (r >= 0)
                r = ferm_join(f, "", all, &text);
        return r < 0 ? r : give(f, at, text, ret);
}

static int builtin_join(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const struct ferm_value *all = NULL;
        const char *separator = NULL, *text = NULL;
        int r;

        if (!p->n)
                return give(f, at, "", ret);
        r = text_of(f, at, p->items[0], &separator);
        if (r >= 0)
                r = flatten(f, p, 1, &all);
        if (r >= 0)
                r = ferm_join(f, separator, all, &text);
        return r < 0 ? r : give(f, at, text, ret);
}

/* Perl's substr: negative counts from the end. */
static int builtin_substr(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const char *text = NULL, *first = NULL, *count = NULL;
        long long length, from, to;
        int r = text_of(f, at, p->items[0], &text);

        if (r >= 0)
                r = text_of(f, at, p->items[1], &first);
        if (r >= 0)
                r = text_of(f, at, p->items[2], &count);
        if (r < 0)
                return r;
        length = (long long)strlen(text);
        from = MAX(MIN(strtoll(first, NULL, 10), FERM_TEXT_MAX), -FERM_TEXT_MAX);
        to = MAX(MIN(strtoll(count, NULL, 10), FERM_TEXT_MAX), -FERM_TEXT_MAX);
        if (from < 0)
                from += length;
        to = to < 0 ? length + to : from + to;
        if (from > length || (from < 0 && to < 0))
                return ferm_error(f, at, NULL, "@substr() begins outside of the text \"%s\"", text);
        from = MAX(from, 0);
        to = MAX(MIN(to, length), from);
        return give(f, at, ferm_text(f, text + from, (size_t)(to - from)), ret);
}

static int builtin_length(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const char *text = NULL;
        char number[24];
        int r = text_of(f, at, p->items[0], &text);

        if (r < 0)
                return r;
        snprintf(number, sizeof(number), "%zu", strlen(text));
        return give(f, at, ferm_text(f, number, strlen(number)), ret);
}

static int builtin_basename(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const char *text = NULL, *directory = NULL, *name = NULL;
        int r = text_of(f, at, p->items[0], &text);

        if (r >= 0)
                r = ferm_split(f, text, &directory, &name);
        return r < 0 ? r : give(f, at, name, ret);
}

static int builtin_dirname(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        const char *text = NULL, *directory = NULL, *name = NULL;
        int r = text_of(f, at, p->items[0], &text);

        if (r >= 0)
                r = ferm_split(f, text, &directory, &name);
        return r < 0 ? r : give(f, at, directory, ret);
}

/* Perl's glob() sorts without regard to case first. */
static int compare_paths(const void *a, const void *b)
{
        const char *x = *(char *const *)a, *y = *(char *const *)b;
        int r = strcasecmp(x, y);

        return r ? r : strcmp(x, y);
}

static int glob_one(struct ferm *f, const struct ferm_token *at, const char *pattern, struct ferm_items *l)
{
        CLEANUP(globfree) glob_t found = {};
        int r = glob(pattern, GLOB_BRACE | GLOB_NOMAGIC | GLOB_TILDE, NULL, &found);

        if (r == GLOB_NOSPACE)
                return -ENOMEM;
        if (r == GLOB_NOMATCH)
                return 0;
        if (r != 0)
                return ferm_error(f, at, NULL, "cannot read the files of '%s'", pattern);
        /* The alternatives of braces follow each other in the order in which they are written. */
        if (!strchr(pattern, '{') && found.gl_pathc > 1)
                qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), compare_paths);
        for (size_t i = 0; i < found.gl_pathc && r >= 0; i++) {
                const struct ferm_value *v = ferm_value_text(f, at, ferm_text(f, found.gl_pathv[i], strlen(found.gl_pathv[i])));

                r = v ? ferm_items_add(f, l, v) : -ENOMEM;
        }
        return r;
}

static int builtin_glob(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        int r = 0;

        for (size_t i = 0; i < ferm_count(p->items[0]) && r >= 0; i++) {
                _cleanup_str_ struct str path = {};
                const char *text = NULL, *rest, *end;

                r = text_of(f, at, ferm_item(p->items[0], i), &text);
                if (r < 0)
                        return r;
                str_add(&path, "%s%s", *text == '/' ? "" : ferm_directory(f), text);
                if (path.failed)
                        return -ENOMEM;
                /* Spaces separate patterns. */
                for (rest = path.text; *rest && r >= 0; rest = end + strspn(end, " \t")) {
                        const char *pattern;

                        end = rest + strcspn(rest, " \t");
                        pattern = ferm_text(f, rest, (size_t)(end - rest));
                        r = !pattern ? -ENOMEM : *pattern ? glob_one(f, at, pattern, &l) : 0;
                }
        }
        if (r < 0)
                return r;
        *ret = l.n == 1 ? l.items[0] : ferm_value_list(f, FERM_LIST, at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}

static int later(struct ferm *f, enum ferm_kind kind, const struct ferm_token *at, const struct ferm_value *p,
                 const struct ferm_value **ret)
{
        *ret = ferm_value_list(f, kind, at, p->items, p->n);
        return *ret ? 0 : -ENOMEM;
}

static int builtin_resolve(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        return later(f, FERM_RESOLVE, at, p, ret);
}

static int builtin_ipfilter(struct ferm *f, const struct ferm_token *at, const struct ferm_value *p, const struct ferm_value **ret)
{
        return later(f, FERM_IPFILTER, at, p, ret);
}

static const struct {
        const char *name;
        size_t least, most;
        const char *usage;
        builtin *call;
} builtins[] = {
        { "@eq", 2, 2, "@eq(a, b)", builtin_eq },
        { "@ne", 2, 2, "@ne(a, b)", builtin_ne },
        { "@not", 1, 1, "@not(a)", builtin_not },
        { "@cat", 0, FERM_LIST_MAX, "@cat(a, b, ...)", builtin_cat },
        { "@join", 0, FERM_LIST_MAX, "@join(separator, a, ...)", builtin_join },
        { "@substr", 3, 3, "@substr(text, first, count)", builtin_substr },
        { "@length", 1, 1, "@length(text)", builtin_length },
        { "@basename", 1, 1, "@basename(path)", builtin_basename },
        { "@dirname", 1, 1, "@dirname(path)", builtin_dirname },
        { "@glob", 1, 1, "@glob(pattern)", builtin_glob },
        { "@resolve", 1, 2, "@resolve((name ...), [type])", builtin_resolve },
        { "@ipfilter", 1, 1, "@ipfilter((address ...))", builtin_ipfilter },
};

/* @defined($name) or @defined(&name): the name is not evaluated. */
static int defined(struct ferm *f, const struct ferm_token *at, const struct ferm_value **ret)
{
        const struct ferm_value *v = NULL;
        const struct ferm_token *type = NULL, *name = NULL;
        bool is;
        int r = ferm_expect(f, "(", "the name of a function is followed by \"(\" and \")\"");

        if (r >= 0)
                r = ferm_need(f, &type);
        if (r < 0)
                return r;
        if (!ferm_is(type, "$") && !ferm_is(type, "&"))
                return ferm_error(f, type, NULL, "'$' or '&' and a name expected");
        r = ferm_need(f, &name);
        if (r < 0)
                return r;
        if (!ferm_is_name(name))
                return ferm_error(f, name, NULL, "name expected");
        r = ferm_expect(f, ")", NULL);
        if (r < 0)
                return r;
        if (ferm_is(type, "$")) {
                r = ferm_variable(f, name, name->text, &v);
                if (r < 0)
                        return r;
                is = v;
        } else
                is = ferm_function(f, name->text);
        return give(f, at, is ? "1" : "", ret);
}

int ferm_builtin(struct ferm *f, const struct ferm_token *at, const struct ferm_value **ret)
{
        const struct ferm_value *p = NULL;
        const char *names[ELEMENTS(builtins)], *near;
        int r;

        if (ferm_is(at, "@defined"))
                return defined(f, at, ret);
        if (f->depth >= FERM_DEPTH_MAX)
                return ferm_stop(f, at, "calls are nested more than %d deep", FERM_DEPTH_MAX);
        for (size_t i = 0; i < ELEMENTS(builtins); i++) {
                names[i] = builtins[i].name;
                if (!ferm_is(at, builtins[i].name))
                        continue;
                f->depth++;
                r = ferm_parameters(f, 0, &p);
                f->depth--;
                if (r < 0)
                        return r;
                if (p->n < builtins[i].least || p->n > builtins[i].most)
                        return ferm_error(f, at, builtins[i].usage, "%s does not take %zu parameters", at->text, p->n);
                return builtins[i].call(f, at, p, ret);
        }
        near = str_nearest(at->text, names, ELEMENTS(names));
        return ferm_error(f, at, near, near ? "ferm has no function %s; did you mean this?" : "ferm has no function %s", at->text);
}
