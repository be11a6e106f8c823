/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct infra_error {
        int code;
        char *message;
};

INFRA_PUBLIC int infra_error_code(const infra_error *e)
{
        return e ? e->code : 0;
}

INFRA_PUBLIC const char *infra_error_message(const infra_error *e)
{
        if (!e)
                return "no error";
        return e->message ? e->message : "out of memory";
}

INFRA_PUBLIC infra_error *infra_error_free(infra_error *e)
{
        if (!e)
                return NULL;
        free(e->message);
        free(e);
        return NULL;
}

static void error_replace(infra_error **reterr, int code, char *message)
{
        infra_error *e = calloc(1, sizeof(*e));

        if (!e) {
                free(message);
                return;
        }
        e->code = code;
        e->message = message;
        infra_error_free(*reterr);
        *reterr = e;
}

int infra_error_set(infra_error **reterr, int code, const char *format, ...)
{
        char *message = NULL;
        va_list ap;

        if (!reterr)
                return code;
        va_start(ap, format);
        if (vasprintf(&message, format, ap) < 0)
                message = NULL;
        va_end(ap);
        error_replace(reterr, code, message);
        return code;
}

int infra_error_prefix(infra_error **reterr, int code, const char *format, ...)
{
        _cleanup_free_ char *prefix = NULL;
        char *message = NULL;
        va_list ap;

        if (!reterr)
                return code;
        va_start(ap, format);
        if (vasprintf(&prefix, format, ap) < 0)
                prefix = NULL;
        va_end(ap);
        if (asprintf(&message, "%s: %s", prefix ? prefix : "", *reterr ? infra_error_message(*reterr) : strerror(-code)) < 0)
                message = NULL;
        error_replace(reterr, code, message);
        return code;
}

int infra_error_oom(infra_error **reterr)
{
        return infra_error_set(reterr, -ENOMEM, "out of memory");
}
