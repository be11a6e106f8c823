/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Words of ferm: quoted text within one line, punctuation, "@name", and runs of letters, digits and "-+_/.:".
 * ferm passes over any other character in silence; here it is a mistake that is shown, except for a backslash at the
 * end of a line and the mark at the beginning that some editors leave.
 */

#include "firewall/import/ferm.h"

#include <ctype.h>
#include <string.h>

#include "base/array.h"

struct lexer {
        struct ferm *f;
        struct ferm_source *source;
        struct ferm_token *tokens;
        size_t n;
        unsigned line;
        const char *start; /* of the line */
        const char *end;
};

static void lexer_done(struct lexer *l)
{
        free(l->tokens);
}

static bool is_word(char c)
{
        return c && c > 0 && (isalnum((unsigned char)c) || strchr("-+_/.:", c));
}

static struct ferm_token token_at(const struct lexer *l, const char *p, size_t n)
{
        return (struct ferm_token){ .text = "", .source = l->source, .line = l->line,
                                    .column = (unsigned)(p - l->start) + 1, .length = (unsigned)n };
}

static int stray(struct lexer *l, const char *p)
{
        struct ferm_token at = token_at(l, p, 1);
        unsigned char c = (unsigned char)*p;

        if (isspace(c) || (c == '\\' && strspn(p + 1, " \t\r") == (size_t)(l->end - p - 1)))
                return 0;
        if (c > ' ' && c < 127)
                return ferm_go_on(ferm_error(l->f, &at, "ferm passes over it in silence: take it out or put the text in quotes",
                                             "character '%c' means nothing here", c));
        return ferm_go_on(ferm_error(l->f, &at, "ferm passes over it in silence: take it out or put the text in quotes",
                                     "byte 0x%02x means nothing here", c));
}

static int add_token(struct lexer *l, const char *p, size_t n, const char *text)
{
        struct ferm_token *t = text ? ARRAY_ADD(l->tokens, l->n) : NULL;

        if (!t)
                return -ENOMEM;
        *t = token_at(l, p, n);
        t->text = text;
        return 0;
}

/* The text up to ";" is taken as what was meant, so that nothing else is said about this line. */
static int unfinished(struct lexer *l, const char **p)
{
        struct ferm_token at = token_at(l, *p, 1);
        const char *end = memchr(*p, ';', (size_t)(l->end - *p));
        size_t n = (size_t)((end ? end : l->end) - *p);
        char *text = ferm_alloc(l->f, n + 2);
        int r = ferm_go_on(ferm_error(l->f, &at, "text in quotes ends on its own line", "quote without an end"));

        if (r < 0 || !text)
                return r < 0 ? r : -ENOMEM;
        memcpy(text, *p, n);
        text[n] = **p;
        r = add_token(l, *p, n, text);
        *p += n;
        return r;
}

/* Length of the token at p, 0: none. */
static size_t token_length(const struct lexer *l, const char *p)
{
        const char *q = p;

        if (*p && strchr("\"'`", *p)) {
                q = memchr(p + 1, *p, (size_t)(l->end - p - 1));
                return q ? (size_t)(q - p) + 1 : 0;
        }
        if (*p && strchr("!,=&$%(){};#", *p))
                return 1;
        if (*p == '@') {
                for (q++; q < l->end && *q > 0 && (isalnum((unsigned char)*q) || *q == '_'); q++)
                        ;
                return q - p > 1 ? (size_t)(q - p) : 0;
        }
        while (q < l->end && is_word(*q))
                q++;
        return (size_t)(q - p);
}

static int lex_line(struct lexer *l)
{
        const char *p = l->start;

        while (p < l->end) {
                size_t n = token_length(l, p);
                int r;

                if (n == 1 && *p == '#')
                        return 0;
                if (n)
                        r = add_token(l, p, n, ferm_text(l->f, p, n));
                else if (*p && strchr("\"'`", *p))
                        r = unfinished(l, &p);
                else
                        r = stray(l, p++);
                if (r < 0)
                        return r;
                p += n;
        }
        return 0;
}

int ferm_tokenize(struct ferm *f, struct ferm_source *source)
{
        CLEANUP(lexer_done) struct lexer l = { .f = f, .source = source, .start = source->text };
        const char *end = source->text + source->size;
        struct ferm_token *kept;
        int r = 0;

        if (startswith(source->text, "\xef\xbb\xbf"))
                l.start += 3;
        while (r >= 0 && l.start < end) {
                l.end = memchr(l.start, '\n', (size_t)(end - l.start));
                if (!l.end)
                        l.end = end;
                l.line++;
                r = lex_line(&l);
                l.start = l.end + 1;
        }
        if (r < 0)
                return r;
        kept = ferm_alloc(f, l.n * sizeof(*kept) + 1);
        if (!kept)
                return -ENOMEM;
        if (l.n)
                memcpy(kept, l.tokens, l.n * sizeof(*kept));
        source->tokens = kept;
        source->n_tokens = l.n;
        return 0;
}

/* \w+ of the original. */
bool ferm_is_name(const struct ferm_token *t)
{
        if (!t || t->value || !*t->text)
                return false;
        for (const char *p = t->text; *p; p++)
                if (!(*p > 0 && (isalnum((unsigned char)*p) || *p == '_')))
                        return false;
        return true;
}

const struct ferm_token *ferm_peek(struct ferm *f)
{
        struct ferm_stream *s;

        while ((s = f->script->stream) && s->at == s->n)
                f->script->stream = s->next;
        return s ? &s->tokens[s->at] : NULL;
}

const struct ferm_token *ferm_next(struct ferm *f)
{
        const struct ferm_token *t = ferm_peek(f);

        if (t) {
                f->script->stream->at++;
                f->steps++;
                f->last = t;
        }
        return t;
}

int ferm_need(struct ferm *f, const struct ferm_token **ret)
{
        const struct ferm_token *t = ferm_next(f);

        if (!t)
                return ferm_error(f, NULL, NULL, "unexpected end of file");
        if (ferm_is(t, ";") || ferm_is(t, "{") || ferm_is(t, "}"))
                return ferm_error(f, t, "a value is expected", "'%s' is not allowed here", t->text);
        *ret = t;
        return 0;
}

int ferm_expect(struct ferm *f, const char *text, const char *message)
{
        const struct ferm_token *t = ferm_next(f);

        if (ferm_is(t, text))
                return 0;
        if (message)
                return ferm_error(f, t, NULL, "%s", message);
        if (!t)
                return ferm_error(f, NULL, NULL, "'%s' expected before the end of the file", text);
        return ferm_error(f, t, NULL, "'%s' expected", text);
}

int ferm_push(struct ferm *f, const struct ferm_token *tokens, size_t n)
{
        struct ferm_stream *s = ferm_alloc(f, sizeof(*s));

        if (!s)
                return -ENOMEM;
        ferm_peek(f);
        *s = (struct ferm_stream){ .tokens = tokens, .n = n, .next = f->script->stream };
        f->script->stream = s;
        return 0;
}

struct collection {
        struct ferm_token *tokens;
        size_t n;
        char open[FERM_DEPTH_MAX];
        size_t level;
};

static void collection_done(struct collection *c)
{
        free(c->tokens);
}

static int collection_add(struct collection *c, const struct ferm_token *t)
{
        struct ferm_token *slot = ARRAY_ADD(c->tokens, c->n);

        if (!slot)
                return -ENOMEM;
        *slot = *t;
        return 0;
}

/* Keeps account of what is open; 1: the block that was opened first is closed. */
static int collection_level(struct ferm *f, struct collection *c, const struct ferm_token *t)
{
        if (ferm_is(t, "{") || ferm_is(t, "(")) {
                if (c->level == FERM_DEPTH_MAX)
                        return ferm_stop(f, t, "blocks are nested more than %d deep", FERM_DEPTH_MAX);
                c->open[c->level++] = *t->text;
        } else if (ferm_is(t, "}") || ferm_is(t, ")")) {
                if (!c->level || c->open[c->level - 1] != (*t->text == '}' ? '{' : '('))
                        return ferm_error(f, t, NULL, "'%s' closes nothing", t->text);
                c->level--;
                return ferm_is(t, "}") && !c->level;
        }
        return 0;
}

static int collection_fill(struct ferm *f, struct collection *c, unsigned flags)
{
        for (;;) {
                const struct ferm_token *t = ferm_next(f);
                int r, done = 0;

                if (f->steps > FERM_STEPS_MAX)
                        return ferm_stop(f, NULL, "the configuration is too long with all its repetitions");
                if (!t)
                        return ferm_error(f, NULL, "the rule must end with \";\" or a block", "unexpected end of file");
                if (ferm_is(t, ";") && !c->level) {
                        r = flags & FERM_WITH_SEMICOLON ? collection_add(c, t) : 0;
                        if (r < 0 || !(flags & FERM_WITH_ELSE) || !ferm_is(ferm_peek(f), "@else"))
                                return r;
                        continue;
                }
                done = collection_level(f, c, t);
                if (done < 0)
                        return done;
                r = collection_add(c, t);
                if (r < 0 || done)
                        return r;
        }
}

int ferm_collect(struct ferm *f, unsigned flags, const struct ferm_token **ret, size_t *ret_n)
{
        CLEANUP(collection_done) struct collection c = {};
        struct ferm_token *kept;
        int r = collection_fill(f, &c, flags);

        if (r < 0 || !ret)
                return r;
        kept = ferm_alloc(f, c.n * sizeof(*kept) + 1);
        if (!kept)
                return -ENOMEM;
        if (c.n)
                memcpy(kept, c.tokens, c.n * sizeof(*kept));
        *ret = kept;
        *ret_n = c.n;
        return 0;
}
