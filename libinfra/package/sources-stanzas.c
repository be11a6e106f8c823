/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * deb822 stanzas: fields "Name: words", continued on lines that begin with a blank; comment lines may stand
 * anywhere, also inside a field; an empty line ends the stanza. Only words are replaced, so embedded keys
 * (Signed-By), comments and layout stay. A stanza is disabled by "Enabled: no".
 */

#include <errno.h>
#include <strings.h>

#include "base/array.h"
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

static int words_scan(const char *text, size_t at, size_t end, struct words *w)
{
        while (at < end) {
                struct token *t;
                size_t start;

                if (strchr(" \t\r", text[at])) {
                        at++;
                        continue;
                }
                for (start = at; at < end && !strchr(" \t\r", text[at]);)
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

/*
 * A word goes away with the blanks before it when it ends its line (whole line, if it is alone there), else
 * with those behind it: a line of blanks would end the stanza, and a comment line must not be continued.
 * Words are removed from first to last, so only the latest edit can reach into these blanks.
 */
static void word_remove(const char *text, const struct token *t, struct edits *e)
{
        const struct edit *latest = e->n > 0 ? &e->items[e->n - 1] : NULL;
        size_t start = t->at, end = t->at + t->length, first = latest ? latest->at + latest->length : 0;
        size_t blanks = strspn(text + end, " \t\r");

        if (text[end + blanks] != '\n' && text[end + blanks] != '\0') {
                edits_add(e, start, t->length + blanks, "%s", "");
                return;
        }
        first = first <= start ? first : 0;
        while (start > first && strchr(" \t\r", text[start - 1]))
                start--;
        if (start > first && text[start - 1] == '\n')
                start--;
        edits_add(e, start, end - start, "%s", "");
}

/* Puts values[i] in the place of word i; NULL and repetitions go away. */
static bool words_replace(const char *text, const struct words *w, char *const *values, struct edits *e)
{
        bool changed = false;

        for (size_t i = 0; i < w->n; i++) {
                bool drop = !values[i];

                for (size_t j = 0; j < i && !drop; j++)
                        drop = values[j] && streq(values[j], values[i]);
                if (!drop && token_is(text, &w->items[i], values[i]))
                        continue;
                if (drop)
                        word_remove(text, &w->items[i], e);
                else
                        edits_add(e, w->items[i].at, w->items[i].length, "%s", values[i]);
                changed = true;
        }
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

static void mirror_set(const char *text, const struct words *w, const char *mirror, struct edits *e)
{
        for (size_t i = 0; mirror && i < w->n; i++)
                if (i > 0)
                        word_remove(text, &w->items[i], e);
                else if (!token_is(text, &w->items[i], mirror))
                        edits_add(e, w->items[i].at, w->items[i].length, "%s", mirror);
}

static int suites_rewrite(const char *text, const struct stanza *s, enum archive archive, char **values,
                          const struct package_sources *to, struct edits *e, bool *debian)
{
        _cleanup_strlist_ struct strlist gone = {};
        const struct words *w = &s->fields[FIELD_SUITES], *components = &s->fields[FIELD_COMPONENTS];
        const char *mirror = archive_mirror(archive, to);
        int known = suites_map(text, w, archive, to->release, &gone, values);

        if (known < 0)
                return known;
        if (known == 0 || (mirror && !*mirror)) {
                stanza_disable(s, to->release, known ? "the policy names no mirror for it" : "which has no such suite", e);
                return 0;
        }
        for (size_t i = 0; i < gone.n; i++)
                edits_add(e, s->at, 0, SOURCES_NOTE "suite %s removed, %s has none\n", gone.items[i], to->release);
        mirror_set(text, &s->fields[FIELD_URIS], mirror, e);
        if (words_replace(text, w, values, e))
                components_extend(text, components->items, components->n, to->release, e);
        for (size_t i = 0; i < w->n; i++)
                if (values[i] && streq(values[i], to->release) &&
                    tokens_find(text, s->fields[FIELD_TYPES].items, s->fields[FIELD_TYPES].n, "deb") >= 0)
                        *debian = true;
        return 0;
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
                values.n = 0;
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
