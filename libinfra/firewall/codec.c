/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Both directions from the same tables: a struct is a list of members, each with its key, its place and its kind.
 * The tables are in codec-shape.c.
 */

#include "firewall/codec.h"

#include <stdlib.h>

#include "base/array.h"
#include "firewall/codec-shape.h"

enum { HEX_DIGIT_BITS = 4, BYTES_MAX = RULESET_KEY_MAX };

static const void *at(const void *base, size_t offset)
{
        return (const char *)base + offset;
}

static void *in(void *base, size_t offset)
{
        return (char *)base + offset;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (bytes[i])
                        return false;
        return true;
}

static int64_t number_get(const struct member *m, const void *p)
{
        switch (m->size) {
        case 1: return *(const uint8_t *)p;
        case 2: return *(const uint16_t *)p;
        case 4: return m->is_signed ? *(const int32_t *)p : (int64_t)*(const uint32_t *)p;
        default: return *(const int64_t *)p;
        }
}

static bool number_put(const struct member *m, void *p, int64_t value)
{
        int64_t bits = (int64_t)m->size * 8, most;

        /* Of 8 bytes every pattern is a number: what is unsigned and above INT64_MAX is written as negative. */
        if (m->size == 8) {
                *(int64_t *)p = value;
                return true;
        }
        most = (1ll << (m->is_signed ? bits - 1 : bits)) - 1;
        if (value > most || value < (m->is_signed ? -most - 1 : 0))
                return false;
        switch (m->size) {
        case 1: *(uint8_t *)p = (uint8_t)value; break;
        case 2: *(uint16_t *)p = (uint16_t)value; break;
        default: *(uint32_t *)p = (uint32_t)value; break;
        }
        return true;
}

static json_t *hex_encode(const uint8_t *bytes, size_t size)
{
        static const char digits[] = "0123456789abcdef";
        char text[BYTES_MAX * 2 + 1] = "";

        while (size > 0 && bytes[size - 1] == 0)
                size--;
        for (size_t i = 0; i < size; i++) {
                text[i * 2] = digits[bytes[i] >> HEX_DIGIT_BITS];
                text[i * 2 + 1] = digits[bytes[i] & 0xf];
        }
        text[size * 2] = '\0';
        return json_string(text);
}

static int hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_decode(const char *text, uint8_t *bytes, size_t size)
{
        size_t length = text ? strlen(text) : 1;

        if (length % 2 || length / 2 > size)
                return false;
        for (size_t i = 0; i < length; i += 2) {
                int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

                if (high < 0 || low < 0)
                        return false;
                bytes[i / 2] = (uint8_t)(high << HEX_DIGIT_BITS | low);
        }
        return true;
}

static json_t *fields_encode(const enum field *fields, size_t n)
{
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, json_string(field_type(fields[i])->text));
        return list;
}

static bool field_decode(const json_t *j, enum field *ret)
{
        const char *text = json_string_value(j);

        for (int f = 0; text && f < FIELD_MAX; f++) {
                if (streq(field_type((enum field)f)->text, text)) {
                        *ret = (enum field)f;
                        return true;
                }
        }
        return false;
}

static bool fields_decode(const json_t *j, enum field *fields, size_t *ret_n)
{
        const json_t *item;
        unsigned room = 0;
        size_t i;

        if (!json_is_array(j) || json_array_size(j) > RULESET_FIELDS_MAX)
                return false;
        json_array_foreach (j, i, item) {
                if (!field_decode(item, &fields[i]))
                        return false;
                room += field_room(fields[i]);
        }
        *ret_n = json_array_size(j);
        return room <= RULESET_KEY_MAX;
}

static const char *choice_name(const struct member *m, int value)
{
        for (size_t i = 0; i < m->n_choices; i++)
                if (m->choices[i].value == value)
                        return m->choices[i].name;
        return NULL;
}

static bool choice_decode(const struct member *m, const json_t *j, int *ret)
{
        const char *text = json_string_value(j);

        for (size_t i = 0; text && i < m->n_choices; i++) {
                if (streq(m->choices[i].name, text)) {
                        *ret = m->choices[i].value;
                        return true;
                }
        }
        return false;
}

static json_t *strings_encode(const struct strlist *l)
{
        json_t *list = json_array();

        for (size_t i = 0; i < l->n; i++)
                json_array_append_new(list, json_string(l->items[i]));
        return list;
}

static json_t *struct_encode(const struct shape *s, const void *from, const void *parent);

static json_t *list_encode(const struct member *m, const void *base)
{
        const char *items = *(const char *const *)at(base, m->offset);
        size_t n = *(const size_t *)at(base, m->count);
        json_t *list = json_array();

        for (size_t i = 0; list && i < n; i++) {
                if (json_array_append_new(list, struct_encode(m->of, items + i * m->of->size, base)) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list;
}

/* *ret NULL: as it is when nothing is said. */
static int member_encode(const struct member *m, const void *base, json_t **ret)
{
        const void *p = at(base, m->offset);
        const char *text;

        *ret = NULL;
        switch (m->kind) {
        case MEMBER_TRUTH: return *(const bool *)p ? (*ret = json_true(), 1) : 0;
        case MEMBER_NUMBER: return number_get(m, p) ? (*ret = json_integer(number_get(m, p)), 1) : 0;
        case MEMBER_NAME: return *(const char *)p ? (*ret = json_string(p), 1) : 0;
        case MEMBER_TEXT:
        case MEMBER_WORD: text = *(const char *const *)p; return text ? (*ret = json_string(text), 1) : 0;
        case MEMBER_BYTES: return !is_zero(p, m->size) ? (*ret = hex_encode(p, m->size), 1) : 0;
        case MEMBER_END: return memcmp(p, at(base, m->count), m->size) != 0 ? (*ret = hex_encode(p, m->size), 1) : 0;
        case MEMBER_FIELD: return *(const enum field *)p ? (*ret = json_string(field_type(*(const enum field *)p)->text), 1) : 0;
        case MEMBER_FIELDS: return *(const size_t *)at(base, m->count) ? (*ret = fields_encode(p, *(const size_t *)at(base, m->count)), 1) : 0;
        case MEMBER_CHOICE:
                if (!m->required && *(const int *)p == 0)
                        return 0;
                text = choice_name(m, *(const int *)p);
                return text ? (*ret = json_string(text), 1) : 1;
        case MEMBER_STRUCT:
                *ret = struct_encode(m->of, p, base);
                return *ret && json_object_size(*ret) == 0 ? (json_decref(*ret), *ret = NULL, 0) : 1;
        case MEMBER_STRINGS: return ((const struct strlist *)p)->n ? (*ret = strings_encode(p), 1) : 0;
        case MEMBER_LIST: return *(const size_t *)at(base, m->count) ? (*ret = list_encode(m, base), 1) : 0;
        default: return 1;
        }
}

static json_t *struct_encode(const struct shape *s, const void *from, const void *parent)
{
        _cleanup_free_ char *text = s->line ? s->line(parent, from) : NULL;
        json_t *j = json_object();

        for (size_t i = 0; j && i < s->n; i++) {
                json_t *value;

                if (member_encode(&s->members[i], from, &value) > 0 && json_object_set_new(j, s->members[i].key, value) < 0) {
                        json_decref(j);
                        return NULL;
                }
        }
        if (j && text)
                json_object_set_new(j, "nft", json_string(text));
        return j;
}

json_t *ruleset_encode(const struct ruleset *r)
{
        json_t *list = json_array();

        for (size_t i = 0; i < RULESET_TABLES; i++) {
                if (json_array_append_new(list, struct_encode(&shape_table, &r->tables[i], NULL)) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return json_pack("{s:o}", "tables", list);
}

static int struct_decode(const struct shape *s, const json_t *j, void *to, infra_error **reterr);

static int list_decode(const struct member *m, const json_t *j, void *base, infra_error **reterr)
{
        size_t *n = in(base, m->count), i, room = json_array_size(j);
        const json_t *item;
        char *items;

        if (!json_is_array(j))
                return infra_error_set(reterr, -EBADMSG, "'%s' is no list", m->key);
        /* Later additions grow at powers of two (base/array.h). */
        for (i = 1; i < room; i *= 2)
                ;
        items = calloc(i, m->of->size);
        if (!items)
                return infra_error_oom(reterr);
        *(char **)in(base, m->offset) = items;
        json_array_foreach (j, i, item) {
                int r;

                *n = i + 1;
                r = struct_decode(m->of, item, items + i * m->of->size, reterr);
                if (r < 0)
                        return infra_error_prefix(reterr, r, "%s[%zu]", m->key, i);
        }
        return 0;
}

static int text_decode(const json_t *j, char **ret)
{
        const char *text = json_string_value(j);

        if (!text)
                return -EBADMSG;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int strings_decode(const json_t *j, struct strlist *ret)
{
        const json_t *item;
        size_t i;

        if (!json_is_array(j))
                return -EBADMSG;
        json_array_foreach (j, i, item)
                if (!json_is_string(item) || strlist_add(ret, json_string_value(item)) < 0)
                        return json_is_string(item) ? -ENOMEM : -EBADMSG;
        return 0;
}

static bool name_decode(const struct member *m, const json_t *j, char *to)
{
        const char *text = json_string_value(j);

        if (!text || strlen(text) >= m->size)
                return false;
        strcpy(to, text);
        return true;
}

static int member_decode(const struct member *m, const json_t *j, void *base, infra_error **reterr)
{
        void *p = in(base, m->offset);

        switch (m->kind) {
        case MEMBER_TRUTH: *(bool *)p = json_is_true(j); return json_is_boolean(j) ? 0 : -EBADMSG;
        case MEMBER_NUMBER: return json_is_integer(j) && number_put(m, p, json_integer_value(j)) ? 0 : -EBADMSG;
        case MEMBER_NAME: return name_decode(m, j, p) ? 0 : -EBADMSG;
        case MEMBER_TEXT: return text_decode(j, p);
        case MEMBER_WORD:
                for (size_t i = 0; i < m->n_choices; i++)
                        if (json_is_string(j) && streq(m->choices[i].name, json_string_value(j)))
                                *(const char **)p = m->choices[i].name;
                return *(const char **)p ? 0 : -EBADMSG;
        case MEMBER_BYTES:
        case MEMBER_END: return hex_decode(json_string_value(j), p, m->size) ? 0 : -EBADMSG;
        case MEMBER_FIELD: return field_decode(j, p) ? 0 : -EBADMSG;
        case MEMBER_FIELDS: return fields_decode(j, p, in(base, m->count)) ? 0 : -EBADMSG;
        case MEMBER_CHOICE: return choice_decode(m, j, p) ? 0 : -EBADMSG;
        case MEMBER_STRUCT: return struct_decode(m->of, j, p, reterr);
        case MEMBER_STRINGS: return strings_decode(j, p);
        case MEMBER_LIST: return list_decode(m, j, base, reterr);
        default: return -EBADMSG;
        }
}

static const struct member *member_find(const struct shape *s, const char *key)
{
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->members[i].key, key))
                        return &s->members[i];
        return NULL;
}

/* In the order of the table, not of the file: some members stand on others. */
static int struct_decode(const struct shape *s, const json_t *j, void *to, infra_error **reterr)
{
        const char *key;
        json_t *value;

        if (!json_is_object(j))
                return infra_error_set(reterr, -EBADMSG, "this is no object");
        json_object_foreach ((json_t *)(uintptr_t)j, key, value)
                if (!member_find(s, key) && !(s->line && streq(key, "nft")))
                        return infra_error_set(reterr, -EBADMSG, "unknown key '%s'", key);
        for (size_t i = 0; i < s->n; i++) {
                const struct member *m = &s->members[i];
                _cleanup_error_ infra_error *error = NULL;
                int r = 0;

                value = json_object_get(j, m->key);
                if (value)
                        r = member_decode(m, value, to, &error);
                else if (m->kind == MEMBER_END)
                        memcpy(in(to, m->offset), at(to, m->count), m->size);
                else if (m->required)
                        return infra_error_set(reterr, -EBADMSG, "'%s' is missing", m->key);
                if (r == -EBADMSG && !error)
                        return infra_error_set(reterr, r, "'%s' has a value that is not known here", m->key);
                if (r < 0)
                        return infra_error_set(reterr, r, "%s", error ? infra_error_message(error) : "out of memory");
        }
        return 0;
}

int ruleset_decode(const json_t *j, struct ruleset **ret, infra_error **reterr)
{
        const json_t *list = json_object_get(j, "tables");
        struct ruleset *x;
        int r = 0;

        if (json_object_size(j) != 1 || json_array_size(list) != RULESET_TABLES)
                return infra_error_set(reterr, -EBADMSG, "this is no ruleset: it needs 'tables', %d of them, and nothing else", RULESET_TABLES);
        x = ruleset_new();
        if (!x)
                return infra_error_oom(reterr);
        for (size_t i = 0; r >= 0 && i < RULESET_TABLES; i++) {
                int family = x->tables[i].family;

                r = struct_decode(&shape_table, json_array_get(list, i), &x->tables[i], reterr);
                if (r >= 0 && x->tables[i].family != family)
                        r = infra_error_set(reterr, -EBADMSG, "the tables stand in another order");
        }
        if (r < 0)
                x = ruleset_free(x);
        else
                *ret = x;
        return r;
}
