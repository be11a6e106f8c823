/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SQLite's idioms end here: a prepared statement with bound values, stepped to its end or row by row. */

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"

struct journal {
        sqlite3 *db;
        char *state_dir;
        int lock; /* fd of writer.lock while we are the writer, else -1 */
};

/*
 * Prepares @sql and binds the arguments by @types: 'i' int64_t, 's' const char * (NULL becomes ""). The
 * caller finalises.
 */
int statement_prepare(struct journal *j, sqlite3_stmt **ret, infra_error **reterr, const char *sql, const char *types, ...);
/* 1 = a row, 0 = end, negative errno. */
int statement_row(struct journal *j, sqlite3_stmt *s, infra_error **reterr);
/* Prepares, binds, runs to the end, finalises. */
int statement_run(struct journal *j, infra_error **reterr, const char *sql, const char *types, ...);
/* A text column, allocated; NULL when memory is out. */
char *statement_text(sqlite3_stmt *s, int column);
int journal_failed(struct journal *j, infra_error **reterr);

static inline void statement_donep(sqlite3_stmt **s)
{
        sqlite3_finalize(*s);
}
#define _cleanup_statement_ __attribute__((cleanup(statement_donep)))
