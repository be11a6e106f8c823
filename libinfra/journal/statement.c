/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "journal/statement.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int journal_failed(struct journal *j, infra_error **reterr)
{
        int code = sqlite3_errcode(j->db), r = -EIO;

        if (code == SQLITE_FULL)
                r = -ENOSPC;
        else if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
                r = -EBUSY;
        else if (code == SQLITE_NOMEM)
                r = -ENOMEM;
        else if (code == SQLITE_READONLY)
                r = -EROFS;
        return infra_error_set(reterr, r, "journal in %s: %s", j->state_dir, sqlite3_errmsg(j->db));
}

static int prepare(struct journal *j, sqlite3_stmt **ret, infra_error **reterr, const char *sql, const char *types,
                   va_list ap)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;

        if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL) != SQLITE_OK)
                return journal_failed(j, reterr);
        for (int i = 0; types[i]; i++) {
                int rc;

                if (types[i] == 'i') {
                        rc = sqlite3_bind_int64(s, i + 1, va_arg(ap, int64_t));
                } else {
                        const char *text = va_arg(ap, const char *);

                        rc = sqlite3_bind_text(s, i + 1, text ? text : "", -1, SQLITE_TRANSIENT);
                }
                if (rc != SQLITE_OK)
                        return journal_failed(j, reterr);
        }
        *ret = TAKE_PTR(s);
        return 0;
}

int statement_prepare(struct journal *j, sqlite3_stmt **ret, infra_error **reterr, const char *sql, const char *types, ...)
{
        va_list ap;
        int r;

        va_start(ap, types);
        r = prepare(j, ret, reterr, sql, types, ap);
        va_end(ap);
        return r;
}

int statement_row(struct journal *j, sqlite3_stmt *s, infra_error **reterr)
{
        int rc = sqlite3_step(s);

        if (rc == SQLITE_ROW)
                return 1;
        return rc == SQLITE_DONE ? 0 : journal_failed(j, reterr);
}

int statement_run(struct journal *j, infra_error **reterr, const char *sql, const char *types, ...)
{
        _cleanup_statement_ sqlite3_stmt *s = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = prepare(j, &s, reterr, sql, types, ap);
        va_end(ap);
        if (r < 0)
                return r;
        r = statement_row(j, s, reterr);
        return r < 0 ? r : 0;
}

char *statement_text(sqlite3_stmt *s, int column)
{
        const unsigned char *text = sqlite3_column_text(s, column);

        return strdup(text ? (const char *)text : "");
}
