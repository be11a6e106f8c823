/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Aligned columns for people. Rows are given cell by cell; a column that is empty in every row is left out. */

#include "base/macro.h"
#include "infractl/terminal.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_column {
        const char *title;
        bool right; /* numbers */
};

struct table;

/* @columns outlives the table. Indented by @indent spaces. */
struct table *table_new(const struct terminal *t, const struct table_column *columns, size_t n, unsigned indent);
struct table *table_free(struct table *t);
/* The next cell, row by row; the text is copied. */
void table_add(struct table *t, enum style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t table_rows(const struct table *t);
/* How many columns of the screen it takes. */
size_t table_width(const struct table *t);
/* Prints titles (unless all are "") and rows. Nothing when there is no row. */
void table_print(const struct table *t);

DEFINE_CLEANUP(struct table *, table_free);
#define _cleanup_table_ CLEANUP(table_freep)
