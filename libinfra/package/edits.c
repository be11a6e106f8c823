/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/edits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/str.h"

void edits_done(struct edits *e)
{
        for (size_t i = 0; i < e->n; i++)
                free(e->items[i].text);
        free(e->items);
        *e = (struct edits){};
}

void edits_add(struct edits *e, size_t at, size_t length, const char *format, ...)
{
        struct edit *edit = ARRAY_ADD(e->items, e->n);
        va_list ap;

        if (!edit) {
                e->failed = true;
                return;
        }
        edit->at = at;
        edit->length = length;
        edit->order = e->n;
        va_start(ap, format);
        if (vasprintf(&edit->text, format, ap) < 0) {
                edit->text = NULL;
                e->failed = true;
        }
        va_end(ap);
}

static int compare(const void *a, const void *b)
{
        const struct edit *x = a, *y = b;

        /* An insertion stands before a replacement at the same place. */
        if (x->at != y->at)
                return x->at < y->at ? -1 : 1;
        if (!x->length != !y->length)
                return x->length ? 1 : -1;
        return x->order < y->order ? -1 : 1;
}

char *edits_apply(struct edits *e, const char *text)
{
        _cleanup_str_ struct str s = {};
        size_t copied = 0;

        if (e->failed)
                return NULL;
        if (e->n > 1)
                qsort(e->items, e->n, sizeof(*e->items), compare);
        for (size_t i = 0; i < e->n; i++) {
                const struct edit *edit = &e->items[i];

                str_add_bytes(&s, text + copied, edit->at - copied);
                str_add_bytes(&s, edit->text, strlen(edit->text));
                copied = edit->at + edit->length;
        }
        str_add_bytes(&s, text + copied, strlen(text + copied));
        return str_take(&s);
}
