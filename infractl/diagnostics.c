/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *diagnostic_json(const infra_diags *diags, size_t i)
{
        const char *file, *message, *hint;
        unsigned line, column;

        infra_diags_at(diags, i, &file, &line, &column, &message, &hint);
        return json_pack("{s:s,s:i,s:i,s:s,s:s?}", "file", file, "line", (int)line, "column", (int)column, "message",
                         message, "hint", hint);
}

json_t *diagnostics_json(const infra_diags *diags)
{
        _cleanup_free_ char *text = NULL;
        json_t *list = json_array();
        size_t size = 0;
        FILE *f;

        for (size_t i = 0; i < infra_diags_count(diags); i++)
                json_array_append_new(list, diagnostic_json(diags, i));
        f = open_memstream(&text, &size);
        if (f) {
                infra_diags_print(diags, f);
                fclose(f);
        }
        return json_pack("{s:o,s:s}", "diagnostics", list, "text", text ? text : "");
}
