/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/array.h"

struct cell {
        char *text;
        enum style style;
};

struct table {
        struct terminal terminal;
        const struct table_column *columns;
        size_t n_columns;
        unsigned indent;
        struct cell *cells; /* row after row */
        size_t n_cells;
};

struct table *table_new(const struct terminal *terminal, const struct table_column *columns, size_t n, unsigned indent)
{
        struct table *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        t->terminal = *terminal;
        t->columns = columns;
        t->n_columns = n;
        t->indent = indent;
        return t;
}

struct table *table_free(struct table *t)
{
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
        return NULL;
}

void table_add(struct table *t, enum style style, const char *format, ...)
{
        struct cell *c = t ? ARRAY_ADD(t->cells, t->n_cells) : NULL;
        va_list ap;

        if (!c)
                return;
        c->style = style;
        va_start(ap, format);
        if (vasprintf(&c->text, format, ap) < 0)
                c->text = NULL;
        va_end(ap);
}

size_t table_rows(const struct table *t)
{
        return t ? t->n_cells / t->n_columns : 0;
}

/* Columns on the screen; bytes when the text is not valid in this locale. */
static size_t display_width(const char *s)
{
        wchar_t wide[512];
        size_t n = mbstowcs(wide, s, 511);
        int w;

        if (n == (size_t)-1)
                return strlen(s);
        wide[n < 511 ? n : 511] = L'\0';
        w = wcswidth(wide, n);
        return w < 0 ? strlen(s) : (size_t)w;
}

static const char *cell_text(const struct table *t, size_t row, size_t column)
{
        const char *s = t->cells[row * t->n_columns + column].text;

        return s ? s : "";
}

/* 0 = every cell is empty. */
static size_t column_width(const struct table *t, size_t column)
{
        size_t width = 0;

        for (size_t row = 0; row < table_rows(t); row++)
                width = MAX(width, display_width(cell_text(t, row, column)));
        return width ? MAX(width, strlen(t->columns[column].title)) : 0;
}

static void print_row(const struct table *t, const size_t *widths, size_t row, bool title)
{
        size_t last = 0, owed = t->indent;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i])
                        last = i;
        for (size_t i = 0; i <= last; i++) {
                const char *text = title ? t->columns[i].title : cell_text(t, row, i);
                enum style style = title ? STYLE_DIM : t->cells[row * t->n_columns + i].style;
                size_t pad = widths[i] > display_width(text) ? widths[i] - display_width(text) : 0;

                if (!widths[i])
                        continue;
                if (t->columns[i].right)
                        owed += pad;
                /* Blanks are printed before text only: no line ends in one. */
                if (*text) {
                        printf("%*s%s%s%s", (int)owed, "", style_on(&t->terminal, style), text,
                               style_off(&t->terminal, style));
                        owed = 0;
                }
                owed += (t->columns[i].right ? 0 : pad) + 2;
        }
        putchar('\n');
}

size_t table_width(const struct table *t)
{
        size_t width = t->indent;

        for (size_t i = 0; i < t->n_columns; i++) {
                size_t column = column_width(t, i);

                width += column ? column + (i ? 2 : 0) : 0;
        }
        return width;
}

void table_print(const struct table *t)
{
        size_t widths[TABLE_COLUMNS_MAX] = {}, rows = table_rows(t);
        bool titles = false;

        if (!rows || t->n_columns > TABLE_COLUMNS_MAX)
                return;
        for (size_t i = 0; i < t->n_columns; i++) {
                widths[i] = column_width(t, i);
                titles = titles || *t->columns[i].title;
        }
        if (titles)
                print_row(t, widths, 0, true);
        for (size_t row = 0; row < rows; row++)
                print_row(t, widths, row, false);
}
