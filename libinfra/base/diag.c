/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/array.h"

INFRA_PUBLIC infra_diags *infra_diags_new(void)
{
        return calloc(1, sizeof(infra_diags));
}

INFRA_PUBLIC infra_diags *infra_diags_free(infra_diags *d)
{
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n; i++) {
                free(d->items[i].file);
                free(d->items[i].text);
                free(d->items[i].message);
                free(d->items[i].hint);
        }
        free(d->items);
        free(d);
        return NULL;
}

INFRA_PUBLIC size_t infra_diags_count(const infra_diags *d)
{
        return d->n;
}

INFRA_PUBLIC int infra_diags_at(const infra_diags *d, size_t i, const char **ret_file, unsigned *ret_line,
                                unsigned *ret_column, const char **ret_message, const char **ret_hint)
{
        const struct diag *item;

        if (i >= d->n)
                return -ENOENT;
        item = &d->items[i];
        if (ret_file)
                *ret_file = item->file;
        if (ret_line)
                *ret_line = item->line;
        if (ret_column)
                *ret_column = item->column;
        if (ret_message)
                *ret_message = item->message;
        if (ret_hint)
                *ret_hint = item->hint;
        return 0;
}

static void print_source(const struct diag *item, FILE *f)
{
        unsigned carets = item->length ? item->length : 1;

        fprintf(f, "%5u | %s\n      | ", item->line, item->text);
        /* The caret line repeats the tabs of the source, so that it lines up whatever a tab is. */
        for (unsigned i = 0; i + 1 < item->column; i++)
                fputc(i < strlen(item->text) && item->text[i] == '\t' ? '\t' : ' ', f);
        for (unsigned i = 0; i < carets; i++)
                fputc(i == 0 ? '^' : '~', f);
        fputc('\n', f);
}

INFRA_PUBLIC void infra_diags_print(const infra_diags *d, FILE *f)
{
        for (size_t i = 0; i < d->n; i++) {
                const struct diag *item = &d->items[i];

                if (item->line)
                        fprintf(f, "%s:%u:%u: error: %s\n", item->file, item->line, item->column, item->message);
                else
                        fprintf(f, "%s: error: %s\n", *item->file ? item->file : "policy", item->message);
                if (item->text && item->line)
                        print_source(item, f);
                if (item->hint)
                        fprintf(f, "      = %s\n", item->hint);
        }
}

static char *copy_or_null(const char *s)
{
        return s ? strdup(s) : NULL;
}

int diags_add(infra_diags *d, const struct span *span, const char *text, const char *hint, const char *format, ...)
{
        struct diag *item = ARRAY_ADD(d->items, d->n);
        va_list ap;
        int n;

        if (!item)
                return -ENOMEM;
        item->file = strdup(span->file ? span->file : "");
        item->line = span->line;
        item->column = span->column;
        item->length = span->length;
        item->text = copy_or_null(text);
        item->hint = copy_or_null(hint);
        va_start(ap, format);
        n = vasprintf(&item->message, format, ap);
        va_end(ap);
        if (n >= 0 && item->file)
                return 0;
        if (n < 0)
                item->message = NULL;
        free(item->file);
        free(item->text);
        free(item->hint);
        free(item->message);
        d->n--;
        return -ENOMEM;
}

static int compare(const struct diag *a, const struct diag *b)
{
        int r = strcmp(a->file, b->file);

        if (r != 0)
                return r;
        if (a->line != b->line)
                return a->line < b->line ? -1 : 1;
        return a->column < b->column ? -1 : a->column > b->column;
}

/* Insertion sort: stable, and there are few. */
void diags_sort(infra_diags *d)
{
        for (size_t i = 1; i < d->n; i++) {
                struct diag item = d->items[i];
                size_t j = i;

                for (; j > 0 && compare(&d->items[j - 1], &item) > 0; j--)
                        d->items[j] = d->items[j - 1];
                d->items[j] = item;
        }
}
