/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One-line entries: "deb [options] address suite component...", see sources.list(5). */

#include <errno.h>

#include "estate/estate.h"
#include "package/archive.h"
#include "package/sources.h"

enum { COMPONENTS_MAX = 32 };

struct line {
        size_t at;
        size_t end; /* of the part that counts: before a comment or the newline */
        struct token type, uri, suite;
        struct token components[COMPONENTS_MAX];
        size_t n_components;
};

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
        while (at < end && strchr(" \t\r", text[at]))
                at++;
        return at;
}

/* The next word, empty at the end; returns where it ended. */
static size_t next_word(const char *text, size_t at, size_t end, struct token *ret)
{
        at = skip_blanks(text, at, end);
        ret->at = at;
        while (at < end && !strchr(" \t\r", text[at]))
                at++;
        ret->length = at - ret->at;
        return at;
}

/* False when the line is no entry that apt could read. */
static bool line_parse(const char *text, struct line *l)
{
        struct token word;
        size_t at = next_word(text, l->at, l->end, &l->type);

        if (!token_is(text, &l->type, "deb") && !token_is(text, &l->type, "deb-src"))
                return false;
        at = skip_blanks(text, at, l->end);
        if (at < l->end && text[at] == '[') {
                while (at < l->end && text[at] != ']')
                        at++;
                if (at == l->end)
                        return false;
                at++;
        }
        at = next_word(text, at, l->end, &l->uri);
        at = next_word(text, at, l->end, &l->suite);
        for (;;) {
                at = next_word(text, at, l->end, &word);
                if (word.length == 0)
                        return l->suite.length > 0;
                if (l->n_components == COMPONENTS_MAX)
                        return false;
                l->components[l->n_components++] = word;
        }
}

static void line_disable(const struct line *l, const char *release, const char *why, struct edits *e)
{
        edits_add(e, l->at, 0, SOURCES_NOTE "disabled for %s, %s:\n# ", release, why);
}

/* Replaces a word unless it is that already. */
static bool word_set(const char *text, const struct token *t, const char *word, struct edits *e)
{
        if (token_is(text, t, word))
                return false;
        edits_add(e, t->at, t->length, "%s", word);
        return true;
}

/* A parsed entry of Debian's own. */
static int debian_rewrite(const char *text, const struct line *l, enum archive archive, const char *suite,
                          const struct package_sources *to, struct edits *e, bool *debian)
{
        _cleanup_free_ char *mapped = NULL;
        const char *mirror = archive_mirror(archive, to);
        int r = suite_map(suite, archive, to->release, &mapped);

        if (r == -ENOENT) {
                line_disable(l, to->release, "which has no such suite", e);
                return 0;
        }
        if (r < 0)
                return r;
        if (mirror && !*mirror) {
                line_disable(l, to->release, "the policy names no mirror for it", e);
                return 0;
        }
        if (mirror)
                word_set(text, &l->uri, mirror, e);
        if (word_set(text, &l->suite, mapped, e))
                components_extend(text, l->components, l->n_components, to->release, e);
        if (streq(mapped, to->release) && token_is(text, &l->type, "deb"))
                *debian = true;
        return 0;
}

static int line_rewrite(const char *text, struct line *l, const struct package_sources *to, struct edits *e,
                        bool *debian)
{
        _cleanup_free_ char *uri = NULL, *suite = NULL;
        const struct source_rule *rule;
        enum archive archive;

        if (!line_parse(text, l)) {
                line_disable(l, to->release, "not understood", e);
                return 0;
        }
        uri = token_text(text, &l->uri);
        suite = token_text(text, &l->suite);
        if (!uri || !suite)
                return -ENOMEM;
        archive = archive_of(uri, to);
        if (archive != ARCHIVE_FOREIGN)
                return debian_rewrite(text, l, archive, suite, to, e, debian);
        rule = archive_rule(uri, to);
        if (!rule) {
                line_disable(l, to->release, "not Debian's own", e);
                return 0;
        }
        if (rule->to)
                word_set(text, &l->uri, rule->to, e);
        if (rule->suite)
                word_set(text, &l->suite, rule_suite(rule, to), e);
        return 0;
}

int sources_rewrite_lines(const char *text, const struct package_sources *to, char **ret_text, bool *ret_debian)
{
        _cleanup_edits_ struct edits e = {};
        bool debian = false;

        for (size_t at = 0; text[at];) {
                size_t end = at + strcspn(text + at, "\n");
                struct line l = { .at = at, .end = at + strcspn(text + at, "#\n") };

                if (skip_blanks(text, l.at, l.end) < l.end) {
                        int r = line_rewrite(text, &l, to, &e, &debian);

                        if (r < 0)
                                return r;
                }
                at = end + (text[end] == '\n');
        }
        *ret_text = edits_apply(&e, text);
        *ret_debian = debian;
        return *ret_text ? 0 : -ENOMEM;
}
