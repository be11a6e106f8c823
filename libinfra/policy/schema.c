/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JSON Schema (draft 2020-12) of a file kind, for editors: from the same rows that the reader uses. It knows
 * keys, types and choices; what only a look at the other files can tell stays with `infractl check`.
 */

#include "base/json.h"
#include "policy/draft.h"

static json_t *table_schema(const struct table *t);

static json_t *pattern(const char *regex)
{
        return json_pack("{s:s,s:s}", "type", "string", "pattern", regex);
}

static json_t *typed(const char *type)
{
        return json_pack("{s:s}", "type", type);
}

/* One value or a list of them. */
static json_t *one_or_list(json_t *item)
{
        json_t *list = json_pack("{s:s,s:O}", "type", "array", "items", item);

        return json_pack("{s:[o,o]}", "anyOf", item, list);
}

static json_t *choices(const char *const *names)
{
        json_t *list = json_array();

        for (size_t i = 0; names[i]; i++)
                json_array_append_new(list, json_string(names[i]));
        return json_pack("{s:o}", "enum", list);
}

static json_t *probe_kinds(void)
{
        json_t *list = json_array();

        for (int k = 0; k < PROBE_KIND_MAX; k++)
                if (k != PROBE_EXEC)
                        json_array_append_new(list, json_string(probe_kind_name((enum probe_kind)k)));
        return json_pack("{s:o}", "enum", list);
}

static const char name_regex[] = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
static const char host4_regex[] = "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$";
static const char net4_regex[] = "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}$";
static const char host6_regex[] = "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$";
static const char net6_regex[] = "^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]{1,3}$";
static const char address_regex[] = "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$";
static const char ports_regex[] = "^[0-9]{1,5}(-[0-9]{1,5})?/(tcp|udp)$";
static const char duration_regex[] = "^([0-9]+(ms|s|m|min|h|d))+$";
static const char time_regex[] = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z$";

static json_t *named_schema(const struct key *k)
{
        return json_pack("{s:s,s:{s:s},s:o}", "type", "object", "propertyNames", "pattern", name_regex, "additionalProperties",
                         table_schema(k->table));
}

static json_t *rule_lists_schema(void)
{
        return json_pack("{s:s,s:{s:s,s:{s:s}}}", "type", "object", "additionalProperties", "type", "array", "items", "type", "string");
}

static json_t *waves_schema(void)
{
        return json_pack("{s:[{s:s},{s:s,s:{s:s,s:o}}]}", "anyOf", "const", "auto", "type", "array", "items", "type", "array", "items",
                         pattern(name_regex));
}

/* A switch and not a table of functions: most rows are one constant. */
static json_t *value_schema(const struct key *k)
{
        switch (k->type) {
        case VALUE_NAME: return pattern(name_regex);
        case VALUE_NAMES: return one_or_list(pattern(name_regex));
        case VALUE_TEXTS: return one_or_list(typed("string"));
        case VALUE_BOOLEAN: return typed("boolean");
        case VALUE_NUMBER: return json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum", (json_int_t)k->min, "maximum", (json_int_t)k->max);
        case VALUE_DURATION: return pattern(duration_regex);
        case VALUE_TIME: return pattern(time_regex);
        case VALUE_CHOICE: return choices(k->choices);
        case VALUE_RELEASE: return choices(release_names);
        case VALUE_PATH: return pattern("^/.*[^/]$");
        case VALUE_URL: return pattern("^https?://");
        case VALUE_HOST4: return pattern(host4_regex);
        case VALUE_HOST6: return pattern(host6_regex);
        case VALUE_NET4: return pattern(net4_regex);
        case VALUE_NET6: return pattern(net6_regex);
        case VALUE_ADDRESSES: return one_or_list(pattern(address_regex));
        case VALUE_PORTS: return pattern(ports_regex);
        case VALUE_ORIGINS: return one_or_list(typed("string"));
        case VALUE_VOLUMES: return one_or_list(pattern("^/.*[^/]$"));
        case VALUE_PROBE: return json_pack("{s:[o,o]}", "anyOf", probe_kinds(), table_schema(&probe_table));
        case VALUE_PROBE_PATH: return pattern("^/");
        case VALUE_PROBE_COMMAND: return json_pack("{s:s,s:o,s:i}", "type", "array", "items", typed("string"), "minItems", 1);
        case VALUE_PROBE_PLAIN: return json_pack("{s:s,s:i}", "type", "object", "maxProperties", 0);
        case VALUE_RATE: return pattern("^[0-9]+/(s|sec|second|m|min|minute|h|hour|d|day)( per source)?( burst [0-9]+)?$");
        case VALUE_RULE_LISTS: return rule_lists_schema();
        case VALUE_WAVES: return waves_schema();
        case VALUE_MAPPING: return table_schema(k->table);
        case VALUE_MAPPINGS: return json_pack("{s:s,s:o}", "type", "array", "items", table_schema(k->table));
        case VALUE_NAMED: return named_schema(k);
        default: return typed("string");
        }
}

static json_t *table_schema(const struct table *t)
{
        json_t *properties = json_object(), *required = json_array();

        for (size_t i = 0; i < t->n_keys; i++) {
                json_t *value = value_schema(&t->keys[i]);

                json_object_set_new(value, "description", json_string(t->keys[i].doc));
                json_object_set_new(properties, t->keys[i].name, value);
                if (t->keys[i].flags & KEY_REQUIRED)
                        json_array_append_new(required, json_string(t->keys[i].name));
        }
        return json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required", required,
                         "additionalProperties", 0);
}

char *schema_text(const struct table *t)
{
        _cleanup_json_ json_t *j = table_schema(t);
        _cleanup_free_ char *text = NULL;
        struct str s = {};

        json_object_set_new(j, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
        json_object_set_new(j, "title", json_sprintf("infra: %s", t->what));
        text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
        if (!text)
                return NULL;
        str_add(&s, "%s\n", text);
        return str_take(&s);
}
