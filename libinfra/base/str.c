/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

enum { NAME_MAX_COMPARED = 63 };

bool endswith(const char *s, const char *suffix)
{
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix);
}

void str_done(struct str *s)
{
        free(s->text);
        *s = (struct str){};
}

static bool str_room(struct str *s, size_t more)
{
        size_t want = s->length + more + 1;
        char *text;

        if (s->failed)
                return false;
        if (want <= s->room)
                return true;
        want = MAX(want, s->room * 2);
        text = realloc(s->text, want);
        if (!text) {
                s->failed = true;
                return false;
        }
        s->text = text;
        s->room = want;
        return true;
}

void str_add_bytes(struct str *s, const void *bytes, size_t n)
{
        if (!str_room(s, n))
                return;
        if (n)
                memcpy(s->text + s->length, bytes, n);
        s->length += n;
        s->text[s->length] = '\0';
}

void str_addv(struct str *s, const char *format, va_list ap)
{
        char *text = NULL;
        int n = vasprintf(&text, format, ap);

        if (n < 0) {
                s->failed = true;
                return;
        }
        str_add_bytes(s, text, (size_t)n);
        free(text);
}

void str_add(struct str *s, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        str_addv(s, format, ap);
        va_end(ap);
}

char *str_take(struct str *s)
{
        char *text;

        str_add_bytes(s, "", 0);
        text = s->failed ? NULL : TAKE_PTR(s->text);
        str_done(s);
        return text;
}

void strlist_done(struct strlist *l)
{
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        free(l->items);
        *l = (struct strlist){};
}

int strlist_add(struct strlist *l, const char *s)
{
        char *copy = strdup(s);
        char **slot = copy ? ARRAY_ADD(l->items, l->n) : NULL;

        if (!slot) {
                free(copy);
                return -ENOMEM;
        }
        *slot = copy;
        return 0;
}

int strlist_copy(struct strlist *to, const struct strlist *from)
{
        for (size_t i = 0; i < from->n; i++)
                if (strlist_add(to, from->items[i]) < 0)
                        return -ENOMEM;
        return 0;
}

bool strlist_contains(const struct strlist *l, const char *s)
{
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i], s))
                        return true;
        return false;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *l)
{
        if (l->n > 1)
                qsort(l->items, l->n, sizeof(*l->items), compare);
}

int strlist_lines(struct strlist *l, const char *text)
{
        while (*text) {
                size_t n = strcspn(text, "\n");

                if (n > 0) {
                        _cleanup_free_ char *line = strndup(text, n);

                        if (!line || strlist_add(l, line) < 0)
                                return -ENOMEM;
                }
                text += n + (text[n] == '\n');
        }
        return 0;
}

char **strlist_argv(const struct strlist *l)
{
        char **argv = calloc(l->n + 1, sizeof(*argv));

        if (argv && l->n)
                memcpy(argv, l->items, l->n * sizeof(*argv));
        return argv;
}

/* Optimal string alignment distance over three rolling rows. */
unsigned str_distance(const char *a, const char *b)
{
        size_t n = strlen(a), m = strlen(b);
        unsigned rows[3][NAME_MAX_COMPARED + 1];

        if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
                return (unsigned)MAX(n, m);
        for (size_t j = 0; j <= m; j++)
                rows[0][j] = (unsigned)j;
        for (size_t i = 1; i <= n; i++) {
                unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= m; j++) {
                        bool same = a[i - 1] == b[j - 1];

                        row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = MIN(row[j], two[j - 2] + 1);
                }
        }
        return rows[n % 3][m];
}

const char *str_nearest(const char *s, const char *const *candidates, size_t n)
{
        const char *best = NULL;
        unsigned limit = strlen(s) <= 4 ? 2 : 3, best_distance = limit;

        for (size_t i = 0; i < n; i++) {
                unsigned d = str_distance(s, candidates[i]);

                if (d < best_distance && d < strlen(candidates[i])) {
                        best = candidates[i];
                        best_distance = d;
                }
        }
        return best;
}

const char *str_bytes(char buffer[static 32], unsigned long long bytes)
{
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
        double value = (double)bytes;
        size_t unit = 0;

        while (value >= 999.5 && unit + 1 < ELEMENTS(units)) {
                value /= 1000;
                unit++;
        }
        snprintf(buffer, 32, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
        return buffer;
}

const char *str_duration(char buffer[static 32], long long ms)
{
        long long s = ms / 1000;

        if (ms < 10000)
                snprintf(buffer, 32, "%lld.%lld s", s, ms % 1000 / 100);
        else if (s < 60)
                snprintf(buffer, 32, "%lld s", s);
        else if (s < 3600)
                snprintf(buffer, 32, "%lld min %02lld s", s / 60, s % 60);
        else
                snprintf(buffer, 32, "%lld h %02lld min", s / 3600, s / 60 % 60);
        return buffer;
}
