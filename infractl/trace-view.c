/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/trace-view.h"

#include <stdio.h>

#include "infractl/value.h"

static void print_step(const struct terminal *t, const json_t *s, const char *indent)
{
        const char *where = value_text(s, "where"), *element = value_text(s, "element");

        printf("%s%s: %s", indent, value_text(s, "chain"), value_text(s, "rule"));
        if (*element)
                printf("\n%s  %s: %s", indent, value_text(s, "set"), element);
        if (!streq(value_text(s, "says"), value_text(s, "rule")))
                printf("  -> %s", value_text(s, "says"));
        if (*where)
                printf("  %s%s%s", style_on(t, STYLE_DIM), where, style_off(t, STYLE_DIM));
        printf("\n");
}

void trace_print(const struct terminal *t, const json_t *j, const char *indent)
{
        const json_t *item;
        size_t i;

        json_array_foreach (value_list(j, "steps"), i, item)
                print_step(t, item, indent);
        if (*value_text(j, "unknown"))
                printf("%snot understood: %s\n", indent, value_text(j, "unknown"));
        json_array_foreach (value_list(j, "assumed"), i, item)
                printf("%s%sassumed: %s%s\n", indent, style_on(t, STYLE_DIM), json_string_value(item), style_off(t, STYLE_DIM));
}
