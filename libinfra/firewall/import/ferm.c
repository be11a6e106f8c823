/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading a configuration of ferm from its first file to struct legacy; memory and mistakes. Tables and chains come in
 * the order in which ferm prints them. When there are mistakes, the rules that could be read are in struct legacy
 * nevertheless, for those who want to show them beside the mistakes.
 */

#include "firewall/import/ferm.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "base/fd.h"

struct ferm_block {
        struct ferm_block *next;
        size_t used, size;
        max_align_t bytes[];
};

enum { BLOCK_SIZE = 64 * 1024 };

void *ferm_alloc(struct ferm *f, size_t size)
{
        struct ferm_block *b = f->blocks;
        char *p;

        size = (size + sizeof(max_align_t)) / sizeof(max_align_t) * sizeof(max_align_t);
        if (!b || b->size - b->used < size) {
                size_t room = MAX(size, BLOCK_SIZE);

                f->exhausted |= room > FERM_MEMORY_MAX - f->memory;
                if (f->exhausted)
                        return NULL;
                b = calloc(1, sizeof(*b) + room);
                if (!b)
                        return NULL;
                f->memory += room;
                *b = (struct ferm_block){ .next = f->blocks, .size = room };
                f->blocks = b;
        }
        p = (char *)b->bytes + b->used;
        b->used += size;
        return p;
}

const char *ferm_text(struct ferm *f, const char *text, size_t n)
{
        char *copy = ferm_alloc(f, n + 1);

        return copy ? memcpy(copy, text, n) : NULL;
}

const struct ferm_link *ferm_link(struct ferm *f, const void *item, const struct ferm_link *next)
{
        struct ferm_link *l = ferm_alloc(f, sizeof(*l));

        if (l)
                *l = (struct ferm_link){ .item = item, .next = next };
        return l;
}

static void ferm_done(struct ferm *f)
{
        for (struct ferm_source *s = f->sources; s; s = s->next)
                free(s->text);
        while (f->blocks) {
                struct ferm_block *b = f->blocks;

                f->blocks = b->next;
                free(b);
        }
}

/* The text of a line, without its end. */
static char *line_text(const struct ferm_source *source, unsigned line)
{
        const char *p = source->text, *end = source->text + source->size, *newline;

        for (; line > 1 && p < end; line--) {
                newline = memchr(p, '\n', (size_t)(end - p));
                p = newline ? newline + 1 : end;
        }
        newline = memchr(p, '\n', (size_t)(end - p));
        return strndup(p, (size_t)((newline ? newline : end) - p));
}

/* A block that is replayed for both domains has its mistakes only once. */
static bool is_known(const infra_diags *d, const struct span *span, const char *message)
{
        for (size_t i = 0; i < d->n; i++)
                if (d->items[i].line == span->line && d->items[i].column == span->column && streq(d->items[i].file, span->file) &&
                    streq(d->items[i].message, message))
                        return true;
        return false;
}

static int add_diag(struct ferm *f, const struct ferm_token *at, const char *hint, const char *format, va_list ap)
{
        const struct ferm_source *source = at ? at->source : f->script ? f->script->source : f->sources;
        struct span span = { .file = source->name, .line = at ? at->line : 1, .column = at ? at->column : 1, .length = at ? at->length : 1 };
        _cleanup_str_ struct str message = {};
        _cleanup_free_ char *text = line_text(source, span.line);

        str_addv(&message, format, ap);
        if (message.failed || !text)
                return -ENOMEM;
        f->errors++;
        if (is_known(f->diags, &span, message.text))
                return 0;
        return diags_add(f->diags, &span, text, hint, "%s", message.text);
}

int ferm_stop(struct ferm *f, const struct ferm_token *at, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = add_diag(f, at ? at : f->last, "the reading ends here", format, ap);
        va_end(ap);
        return r < 0 ? r : -ECANCELED;
}

int ferm_error(struct ferm *f, const struct ferm_token *at, const char *hint, const char *format, ...)
{
        va_list ap;
        int r;

        va_start(ap, format);
        r = add_diag(f, at ? at : f->last, hint, format, ap);
        va_end(ap);
        if (r < 0)
                return r;
        if (f->diags->n - f->diags_before >= FERM_DIAGS_MAX)
                return ferm_stop(f, at, "there are %d mistakes so far", FERM_DIAGS_MAX);
        return -EBADMSG;
}

static int set_span(struct legacy *l, const struct ferm_token *at, struct span *ret)
{
        *ret = (struct span){};
        if (!at)
                return 0;
        *ret = (struct span){ .file = legacy_file(l, at->source->name), .line = at->line, .column = at->column, .length = at->length };
        return ret->file ? 0 : -ENOMEM;
}

static bool is_builtin(const char *chain)
{
        static const char *const names[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(chain, names[i]))
                        return true;
        return false;
}

static int give_rules(struct legacy *l, struct legacy_chain *to, const struct ferm_chain *c)
{
        for (const struct ferm_made *m = c->first; m; m = m->next) {
                struct legacy_rule *rule;
                struct span span;

                if (set_span(l, m->target, &span) < 0)
                        return -ENOMEM;
                rule = legacy_rule(to, &span);
                if (!rule)
                        return -ENOMEM;
                for (size_t i = 0; i < m->n_words; i++)
                        if (strlist_add(&rule->words, m->words[i]) < 0)
                                return -ENOMEM;
        }
        return 0;
}

static int give_chain(struct legacy *l, struct legacy_table *t, const struct ferm_chain *c)
{
        struct legacy_chain *to = legacy_chain(t, c->name);
        const char *policy = c->policy ? c->policy : is_builtin(c->name) ? "ACCEPT" : NULL;

        if (!to || set_span(l, c->at, &to->span) < 0)
                return -ENOMEM;
        if (policy && !to->policy && !(to->policy = strdup(policy)))
                return -ENOMEM;
        return give_rules(l, to, c);
}

/* Takes the first by name out of a singly linked list whose elements begin with the same two members. */
#define TAKE_FIRST(list)                                                               \
        __extension__({                                                                \
                __typeof__(list) *_first = &(list), _taken;                            \
                for (__typeof__(list) *_p = &(list); *_p; _p = &(*_p)->next)           \
                        if (strcmp((*_p)->name, (*_first)->name) < 0)                  \
                                _first = _p;                                           \
                _taken = *_first;                                                      \
                *_first = _taken->next;                                                \
                _taken;                                                                \
        })

/* ferm prints tables and chains sorted by name. */
static int give_domain(struct legacy *l, int family, struct ferm_domain *d)
{
        int r = 0;

        while (d->enabled && d->tables && r >= 0) {
                struct ferm_table *from = TAKE_FIRST(d->tables);
                struct legacy_table *t = legacy_table(l, family, from->name);

                r = t ? 0 : -ENOMEM;
                while (from->chains && r >= 0)
                        r = give_chain(l, t, TAKE_FIRST(from->chains));
        }
        return r;
}

static int read_all(struct ferm *f, struct legacy *l, const char *path, infra_error **reterr)
{
        struct ferm_script script = {};
        struct ferm_source *source = NULL;
        int r = ferm_scope_push(f, false);

        if (r >= 0)
                r = ferm_source_open(f, path, &source);
        if (r < 0 && r != -ECANCELED && r != -ENOMEM)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        if (r >= 0) {
                f->script = &script;
                script.source = source;
                f->scope->automatic.filename = source->name;
                r = ferm_split(f, source->name, &f->scope->automatic.dirname, &f->scope->automatic.filebname);
        }
        if (r >= 0)
                r = ferm_push(f, source->tokens, source->n_tokens);
        if (r >= 0)
                r = ferm_enter(f, 0, NULL);
        if (r >= 0)
                r = give_domain(l, AF_INET, &f->ip);
        if (r >= 0)
                r = give_domain(l, AF_INET6, &f->ip6);
        if (r == -ENOMEM && f->exhausted && f->last)
                r = ferm_stop(f, NULL, "the configuration takes more than %zu MB of memory", FERM_MEMORY_MAX / 1024 / 1024);
        f->script = NULL;
        return r == -ENOMEM ? infra_error_oom(reterr) : r;
}

int legacy_read_ferm(struct legacy *l, const char *path, bool resolve, infra_diags *diags, infra_error **reterr)
{
        CLEANUP(ferm_done) struct ferm f = { .diags = diags, .diags_before = diags->n, .resolve = resolve };
        int r = read_all(&f, l, path, reterr);

        if (!f.errors)
                return r;
        diags_sort(diags);
        if (r < 0 && r != -ECANCELED)
                return r;
        return infra_error_set(reterr, -EBADMSG, "%s cannot be read completely", path);
}
