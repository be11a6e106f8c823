/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * deb822 stanzas: fields "Name: words", continued on lines that begin with a blank; comment lines may stand
 * anywhere, also inside a field; an empty line ends the stanza. Only words are replaced, so embedded keys
 * (Signed-By), comments and layout stay. A stanza is disabled by "Enabled: no".
 */

#include <errno.h>
#include <strings.h>

#include "base/array.h"
#include "estate/estate.h"
#include "package/archive.h"
#include "package/sources.h"

enum field {
        FIELD_TYPES,
        FIELD_URIS,
        FIELD_SUITES,
        FIELD_COMPONENTS,
        FIELD_ENABLED,
        FIELD_MAX,
};

static const char *const field_names[FIELD_MAX] = {
        [FIELD_TYPES] = "Types",
        [FIELD_URIS] = "URIs",
        [FIELD_SUITES] = "Suites",
        [FIELD_COMPONENTS] = "Components",
        [FIELD_ENABLED] = "Enabled",
};

struct words {
        struct token *items;
        size_t n;
};

struct stanza {
        size_t at; /* of the first field */
        bool started;
        struct words fields[FIELD_MAX];
};

static void stanza_done(struct stanza *s)
{
        for (int i = 0; i < FIELD_MAX; i++)
                free(s->fields[i].items);
        *s = (struct stanza){};
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

static int words_scan(const char *text, size_t at, size_t end, struct words *w)
{
        while (at < end) {
                struct token *t;
                size_t start;

                if (is_blank(text[at])) {
                        at++;
                        continue;
                }
                for (start = at; at < end && !is_blank(text[at]);)
                        at++;
                t = ARRAY_ADD(w->items, w->n);
                if (!t)
                        return -ENOMEM;
                *t = (struct token){ .at = start, .length = at - start };
        }
        return 0;
}

static enum field field_find(const char *line, size_t length)
{
        for (int i = 0; i < FIELD_MAX; i++)
                if (strlen(field_names[i]) == length && strncasecmp(line, field_names[i], length) == 0)
                        return (enum field)i;
        return FIELD_MAX;
}

/* Takes one line into the stanza; @field is the one that goes on. */
static int line_take(const char *text, size_t at, size_t end, struct stanza *s, enum field *field)
{
        size_t value = at;

        if (text[at] != ' ' && text[at] != '\t') {
                const char *colon = memchr(text + at, ':', end - at);

                if (!s->started)
                        s->at = at;
                s->started = true;
                *field = colon ? field_find(text + at, (size_t)(colon - (text + at))) : FIELD_MAX;
                value = colon ? (size_t)(colon - text) + 1 : end;
        }
        return *field == FIELD_MAX ? 0 : words_scan(text, value, end, &s->fields[*field]);
}

/* apt's words for no. */
static bool is_disabled(const char *text, const struct stanza *s)
{
        static const char *const no[] = { "no", "false", "without", "off", "disable", "0" };
        const struct words *w = &s->fields[FIELD_ENABLED];

        for (size_t i = 0; w->n > 0 && i < ELEMENTS(no); i++)
                if (w->items[0].length == strlen(no[i]) &&
                    strncasecmp(text + w->items[0].at, no[i], w->items[0].length) == 0)
                        return true;
        return false;
}

static void stanza_disable(const struct stanza *s, const char *release, const char *why, struct edits *e)
{
        const struct words *w = &s->fields[FIELD_ENABLED];

        if (w->n > 0)
                edits_add(e, w->items[0].at, w->items[0].length, "no");
        edits_add(e, s->at, 0, SOURCES_NOTE "disabled for %s, %s\n%s", release, why, w->n > 0 ? "" : "Enabled: no\n");
}

/* Word @i of the words @first..@last of its line goes away: up to the next word, or back to the one before. */
static void word_remove(const char *text, const struct words *w, size_t first, size_t i, size_t last, const bool *drop,
                        struct edits *e)
{
        size_t start = w->items[i].at, end = start + w->items[i].length;

        if (i < last)
                end = w->items[i + 1].at;
        else if (i == first || !drop[i - 1])
                while (is_blank(text[start - 1]))
                        start--;
        edits_add(e, start, end - start, "%s", "");
}

/*
 * Takes the marked words away. A continuation line that loses all its words goes away as a whole: a line of
 * blanks would end the stanza.
 */
static void words_remove(const char *text, const struct words *w, const bool *drop, struct edits *e)
{
        for (size_t first = 0, last; first < w->n; first = last + 1) {
                size_t start = w->items[first].at, end = start + strcspn(text + start, "\n");
                bool all = drop[first];

                while (start > 0 && text[start - 1] != '\n')
                        start--;
                for (last = first; last + 1 < w->n && w->items[last + 1].at < end; last++)
                        all = all && drop[last + 1];
                if (all && is_blank(text[start])) {
                        edits_add(e, start, end - start + (text[end] == '\n'), "%s", "");
                        continue;
                }
                for (size_t i = first; i <= last; i++)
                        if (drop[i])
                                word_remove(text, w, first, i, last, drop, e);
        }
}

/* Puts values[i] in the place of word i; NULL and repetitions go away. Whether anything changed, or -ENOMEM. */
static int words_replace(const char *text, const struct words *w, char *const *values, struct edits *e)
{
        _cleanup_free_ bool *drop = calloc(w->n + 1, sizeof(*drop));
        int changed = 0;

        if (!drop)
                return -ENOMEM;
        for (size_t i = 0; i < w->n; i++) {
                drop[i] = !values[i];
                for (size_t j = 0; j < i && !drop[i]; j++)
                        drop[i] = values[j] && streq(values[j], values[i]);
                if (!drop[i] && token_is(text, &w->items[i], values[i]))
                        continue;
                if (!drop[i])
                        edits_add(e, w->items[i].at, w->items[i].length, "%s", values[i]);
                changed = 1;
        }
        words_remove(text, w, drop, e);
        return changed;
}

/* The one archive that all addresses belong to, else foreign. */
static enum archive stanza_archive(const char *text, const struct stanza *s, const struct package_sources *to)
{
        const struct words *w = &s->fields[FIELD_URIS];
        enum archive all = ARCHIVE_FOREIGN;

        for (size_t i = 0; i < w->n; i++) {
                _cleanup_free_ char *uri = token_text(text, &w->items[i]);
                enum archive a = uri ? archive_of(uri, to) : ARCHIVE_FOREIGN;

                if (a == ARCHIVE_FOREIGN || (i > 0 && a != all))
                        return ARCHIVE_FOREIGN;
                all = a;
        }
        return all;
}

/* New suites beside the old words; NULL where there is none. Returns how many there are, or -ENOMEM. */
static int suites_map(const char *text, const struct words *w, enum archive archive, const char *release,
                      struct strlist *gone, char **values)
{
        int known = 0;

        for (size_t i = 0; i < w->n; i++) {
                _cleanup_free_ char *suite = token_text(text, &w->items[i]);
                int r = suite ? suite_map(suite, archive, release, &values[i]) : -ENOMEM;

                if (r == -ENOENT)
                        r = strlist_add(gone, suite);
                else if (r == 0)
                        known++;
                if (r < 0)
                        return r;
        }
        return known;
}

/* One word in the place of all: a mirror of the addresses. */
static int mirror_set(const char *text, const struct words *w, const char *mirror, struct edits *e)
{
        _cleanup_free_ char **values = calloc(w->n, sizeof(*values)), *copy = strdup(mirror);

        if (!values || !copy)
                return -ENOMEM;
        values[0] = copy;
        return words_replace(text, w, values, e);
}

static int suites_rewrite(const char *text, const struct stanza *s, enum archive archive, char **values,
                          const struct package_sources *to, struct edits *e, bool *debian)
{
        _cleanup_strlist_ struct strlist gone = {};
        const struct words *w = &s->fields[FIELD_SUITES], *components = &s->fields[FIELD_COMPONENTS];
        const char *mirror = archive_mirror(archive, to);
        int known = suites_map(text, w, archive, to->release, &gone, values), changed;

        if (known < 0)
                return known;
        if (known == 0 || (mirror && !*mirror)) {
                stanza_disable(s, to->release, known ? "the policy names no mirror for it" : "which has no such suite", e);
                return 0;
        }
        for (size_t i = 0; i < gone.n; i++)
                edits_add(e, s->at, 0, SOURCES_NOTE "suite %s removed, %s has none\n", gone.items[i], to->release);
        changed = mirror ? mirror_set(text, &s->fields[FIELD_URIS], mirror, e) : 0;
        if (changed >= 0)
                changed = words_replace(text, w, values, e);
        if (changed < 0)
                return changed;
        if (changed)
                components_extend(text, components->items, components->n, to->release, e);
        for (size_t i = 0; i < w->n; i++)
                if (values[i] && streq(values[i], to->release) &&
                    tokens_find(text, s->fields[FIELD_TYPES].items, s->fields[FIELD_TYPES].n, "deb") >= 0)
                        *debian = true;
        return 0;
}

/* The rule for all its addresses; NULL when there is none, or not one for all. */
static const struct source_rule *stanza_rule(const char *text, const struct stanza *s, const struct package_sources *to)
{
        const struct words *w = &s->fields[FIELD_URIS];
        const struct source_rule *rule = NULL;

        for (size_t i = 0; i < w->n; i++) {
                _cleanup_free_ char *uri = token_text(text, &w->items[i]);
                const struct source_rule *own = uri ? archive_rule(uri, to) : NULL;

                if (!own || (rule && own != rule))
                        return NULL;
                rule = own;
        }
        return rule;
}

static int rule_apply(const char *text, const struct stanza *s, const struct source_rule *rule, const struct package_sources *to,
                      struct edits *e)
{
        int r = rule->to ? mirror_set(text, &s->fields[FIELD_URIS], rule->to, e) : 0;

        if (r >= 0 && rule->suite)
                r = mirror_set(text, &s->fields[FIELD_SUITES], rule_suite(rule, to), e);
        return MIN(r, 0);
}

static int stanza_rewrite(const char *text, const struct stanza *s, const struct package_sources *to, struct edits *e,
                          bool *debian)
{
        _cleanup_strlist_ struct strlist values = { .n = s->fields[FIELD_SUITES].n };
        enum archive archive;

        if (!s->started || is_disabled(text, s)) {
                values.n = 0;
                return 0;
        }
        archive = stanza_archive(text, s, to);
        if (archive == ARCHIVE_FOREIGN || values.n == 0) {
                const struct source_rule *rule = values.n ? stanza_rule(text, s, to) : NULL;

                values.n = 0;
                if (rule)
                        return rule_apply(text, s, rule, to, e);
                stanza_disable(s, to->release, "not Debian's own", e);
                return 0;
        }
        values.items = calloc(values.n, sizeof(*values.items));
        if (!values.items) {
                values.n = 0;
                return -ENOMEM;
        }
        return suites_rewrite(text, s, archive, values.items, to, e, debian);
}

int sources_rewrite_stanzas(const char *text, const struct package_sources *to, char **ret_text, bool *ret_debian)
{
        _cleanup_edits_ struct edits e = {};
        CLEANUP(stanza_done) struct stanza s = {};
        enum field field = FIELD_MAX;
        bool debian = false;
        int r = 0;

        for (size_t at = 0; r >= 0;) {
                size_t end = at + strcspn(text + at, "\n");

                if (at + strspn(text + at, " \t\r") >= end) {
                        /* An empty line, or the end of the text, ends the stanza. */
                        r = stanza_rewrite(text, &s, to, &e, &debian);
                        stanza_done(&s);
                        field = FIELD_MAX;
                } else if (text[at] != '#') {
                        r = line_take(text, at, end, &s, &field);
                }
                if (text[at] == '\0')
                        break;
                at = end + (text[end] == '\n');
        }
        if (r < 0)
                return r;
        *ret_text = edits_apply(&e, text);
        *ret_debian = debian;
        return *ret_text ? 0 : -ENOMEM;
}
