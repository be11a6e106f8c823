/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reading answers: a missing or differently typed member is "", 0 or false, so that views never crash. */

#include "base/json.h"
#include "base/str.h"

static inline const char *value_text(const json_t *j, const char *key)
{
        const char *s = json_string_value(json_object_get(j, key));

        return s ? s : "";
}

static inline long long value_number(const json_t *j, const char *key)
{
        return json_integer_value(json_object_get(j, key));
}

static inline bool value_truth(const json_t *j, const char *key)
{
        return json_is_true(json_object_get(j, key));
}

static inline json_t *value_list(const json_t *j, const char *key)
{
        return json_object_get(j, key);
}

/* Strings of a list, joined: "a, b". */
static inline void value_join(struct str *s, const json_t *list, const char *separator)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item)
                str_add(s, "%s%s", i ? separator : "", json_string_value(item) ? json_string_value(item) : "");
}
