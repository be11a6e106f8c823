/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "base/clock.h"
#include "infractl/infractl.h"
#include "infractl/price-view.h"
#include "infractl/table.h"
#include "infractl/value.h"

enum { LINES_MAX = 40 };

static int newer_first(const void *a, const void *b)
{
        long long x = value_number(*(json_t *const *)a, "changed_wall"), y = value_number(*(json_t *const *)b, "changed_wall");

        return (x < y) - (x > y);
}

static void print_items(const struct terminal *t, const json_t *items)
{
        static const struct table_column columns[] = { { "WHAT", false }, { "PATH", false }, { "SIZE", true }, { "CHANGED", false }, { "UPGRADE", false } };
        _cleanup_table_ struct table *table = table_new(t, columns, ELEMENTS(columns), 2);
        size_t n = json_array_size(items);
        _cleanup_free_ json_t **sorted = calloc(n + 1, sizeof(json_t *));
        char bytes[32], when[CLOCK_TEXT_MAX];

        for (size_t i = 0; sorted && i < n; i++)
                sorted[i] = json_array_get(items, i);
        if (sorted && n > 1)
                qsort(sorted, n, sizeof(json_t *), newer_first);
        for (size_t i = 0; sorted && i < n && i < LINES_MAX; i++) {
                const char *as = value_text(sorted[i], "as");

                table_add(table, STYLE_PLAIN, "%s", value_text(sorted[i], "kind"));
                table_add(table, STYLE_PLAIN, "%s", value_text(sorted[i], "path"));
                table_add(table, STYLE_PLAIN, "%s", str_bytes(bytes, (unsigned long long)value_number(sorted[i], "bytes")));
                table_add(table, STYLE_DIM, "%s", clock_format(value_number(sorted[i], "changed_wall"), when));
                table_add(table, streq(as, "conflict") ? STYLE_CARE : STYLE_PLAIN, "%s", *as ? as : "carry, if it does not change it");
        }
        table_print(table);
        if (n > LINES_MAX)
                printf("  and %zu more: infractl drift --json\n", n - LINES_MAX);
}

static void print_proposals(const char *name, const json_t *list)
{
        const json_t *p;
        size_t i;

        if (json_array_size(list))
                printf("\nThese look like data and should be volumes:\n");
        json_array_foreach (list, i, p) {
                printf("  %s: ", value_text(p, "path"));
                price_sum_print(p);
                printf("\n    add it to volumes: of %s, then: infractl volume extract %s %s\n", name, name, value_text(p, "path"));
        }
}

int verb_drift(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        const json_t *v;
        size_t k;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_DRIFT, .name = i->arguments[0] }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        printf("%s, generation %lld (%s), outside volumes: ", value_text(j, "container"), value_number(j, "generation"), value_text(j, "release"));
        price_sum_print(json_object_get(j, "root"));
        printf("\n");
        print_items(&t, value_list(json_object_get(j, "root"), "items"));
        json_array_foreach (value_list(j, "volumes"), k, v) {
                printf("%svolume %s: ", k ? "" : "\n", value_text(v, "path"));
                price_sum_print(v);
                printf("\n");
        }
        print_proposals(value_text(j, "container"), value_list(j, "proposals"));
        return EXIT_OK;
}
