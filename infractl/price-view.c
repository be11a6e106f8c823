/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/price-view.h"

#include <stdio.h>

#include "base/clock.h"
#include "infractl/value.h"

void price_sum_print(const json_t *sum)
{
        long long files = value_number(sum, "files"), newest = value_number(sum, "newest_wall");
        char bytes[32], ago[32];

        printf("%lld file%s, %s", files, files == 1 ? "" : "s", str_bytes(bytes, (unsigned long long)value_number(sum, "bytes")));
        if (newest)
                printf(", the last %s ago", str_duration(ago, MAX(clock_wall_ms() - newest, 0ll)));
}

void price_print(const json_t *price)
{
        const json_t *v;
        size_t i;

        if (!json_is_object(price))
                return;
        printf("\n  Written since generation %lld went live:\n    outside volumes: ", value_number(price, "generation"));
        price_sum_print(json_object_get(price, "root"));
        printf("; stays behind in generation %lld\n", value_number(price, "generation"));
        json_array_foreach (value_list(price, "volumes"), i, v) {
                printf("    %s: ", value_text(v, "path"));
                price_sum_print(v);
                printf("; kept, or with --with-volumes set aside\n");
        }
}
