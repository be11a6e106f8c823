/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words of a rule, and the rule as a whole: matches and statements, then perhaps a verdict. */

#include "firewall/rule.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const marks[] = { "==", "!=", "<=", ">=", "<", ">", "{", "}", "(", ")", ",", "&", "|", "^" };

static size_t mark_at(const char *text)
{
        for (size_t i = 0; i < ELEMENTS(marks); i++)
                if (startswith(text, marks[i]))
                        return strlen(marks[i]);
        return 0;
}

static size_t word_length(const char *text)
{
        size_t n = 0;

        while (text[n] && !strchr(" \t\n\"", text[n]) && !mark_at(text + n))
                n++;
        return n;
}

static bool split(struct scan *s)
{
        const char *p = s->text;

        while (*(p += strspn(p, " \t\n"))) {
                struct word *w = &s->words[s->n];

                if (s->n == RULE_WORDS_MAX)
                        return scan_fail(s, true, "use a named set", "more than %d words (RULE_WORDS_MAX)", RULE_WORDS_MAX);
                w->quoted = *p == '"';
                w->text = p + w->quoted;
                w->length = w->quoted ? strcspn(w->text, "\"") : mark_at(p) ? mark_at(p) : word_length(p);
                s->n++;
                if (w->quoted && !w->text[w->length]) {
                        s->at = s->n - 1;
                        return scan_fail(s, true, NULL, "this quote has no end");
                }
                p = w->text + w->length + w->quoted;
        }
        return true;
}

bool scan_fail(struct scan *s, bool here, const char *hint, const char *format, ...)
{
        size_t i = here || s->at == 0 ? s->at : s->at - 1;
        const struct word *w = i < s->n ? &s->words[i] : NULL;
        va_list arguments;

        s->mistake->at = w ? (size_t)(w->text - s->text) - w->quoted : strlen(s->text);
        s->mistake->length = w ? w->length + 2u * w->quoted : 1;
        s->mistake->hint = hint;
        va_start(arguments, format);
        vsnprintf(s->mistake->message, sizeof(s->mistake->message), format, arguments);
        va_end(arguments);
        return false;
}

static bool word_is(const struct word *w, const char *text)
{
        return !w->quoted && strlen(text) == w->length && strncmp(w->text, text, w->length) == 0;
}

bool scan_is(const struct scan *s, const char *text)
{
        return s->at < s->n && word_is(&s->words[s->at], text);
}

bool scan_take(struct scan *s, const char *text)
{
        if (!scan_is(s, text))
                return false;
        s->at++;
        return true;
}

bool scan_take_words(struct scan *s, const char *words)
{
        size_t begin = s->at;

        for (const char *p = words; *p;) {
                size_t n = strcspn(p, " ");
                char word[32];

                snprintf(word, sizeof(word), "%.*s", (int)n, p);
                if (!scan_take(s, word)) {
                        s->at = begin;
                        return false;
                }
                p += n + (p[n] == ' ');
        }
        return true;
}

const struct word *scan_word(struct scan *s, const char *expected)
{
        if (s->at < s->n)
                return &s->words[s->at++];
        scan_fail(s, true, NULL, "%s is missing", expected);
        return NULL;
}

bool scan_text(struct scan *s, const char *expected, char *ret, size_t size)
{
        const struct word *w = scan_word(s, expected);

        if (!w)
                return false;
        if (w->length >= size)
                return scan_fail(s, false, NULL, "%s is longer than %zu characters", expected, size - 1);
        snprintf(ret, size, "%.*s", (int)w->length, w->text);
        return true;
}

bool word_number(const struct word *w, uint64_t *ret)
{
        char text[32], *end;

        if (w->length == 0 || w->length >= sizeof(text) || w->text[0] < '0' || w->text[0] > '9')
                return false;
        snprintf(text, sizeof(text), "%.*s", (int)w->length, w->text);
        errno = 0;
        *ret = strtoull(text, &end, startswith(text, "0x") ? 16 : 10);
        return !errno && !*end;
}

bool scan_number(struct scan *s, const char *expected, uint64_t max, uint64_t *ret)
{
        const struct word *w = scan_word(s, expected);

        if (!w)
                return false;
        if (!word_number(w, ret) || *ret > max)
                return scan_fail(s, false, NULL, "'%.*s' is not %s", (int)w->length, w->text, expected);
        return true;
}

struct match *scan_add_match(struct scan *s, enum match_kind kind, enum field f)
{
        struct match *m = rule_add_match(s->rule, kind, f);

        s->oom = s->oom || !m;
        return m;
}

/* Statements first: "meta mark set" begins like a match. */
static bool scan_rule(struct scan *s)
{
        bool taken = false;

        if (s->n == 0)
                return scan_fail(s, true, NULL, "this rule says nothing");
        while (s->at < s->n) {
                if (!scan_verdict(s, &taken))
                        return false;
                if (taken)
                        return s->at == s->n || scan_fail(s, true, "one rule, one verdict", "nothing can follow a verdict");
                if (!scan_statement(s, &taken) || (!taken && !scan_match(s)))
                        return false;
        }
        return true;
}

int rule_parse(struct rule_reader *r, struct chain *c, const char *text, struct rule_mistake *ret_mistake)
{
        _cleanup_free_ struct scan *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *s = (struct scan){ .reader = r, .text = text, .mistake = ret_mistake, .rule = chain_add_rule(c, VERDICT_CONTINUE, NULL) };
        if (!s->rule)
                return -ENOMEM;
        if (split(s) && scan_rule(s) && !s->oom)
                return 0;
        free(s->rule->matches);
        free(s->rule->statements);
        c->n_rules--;
        return s->oom ? -ENOMEM : -EINVAL;
}
