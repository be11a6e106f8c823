/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values: one function a type, found by a table. Each writes its field or complains. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"
#include "policy/composite.h"

typedef void (*value_reader)(struct reader *r, const struct key *k, const struct node *n, void *target);

static void *field(const struct key *k, void *target)
{
        return (char *)target + k->offset;
}

/* A single value, not empty, not too long; NULL after a complaint. */
static const char *scalar(struct reader *r, const struct key *k, const struct node *n)
{
        if (n->kind != NODE_SCALAR)
                complain(r, &n->span, k->doc, "'%s' takes a single value, not %s", k->name, node_kind_name(n));
        else if (!*n->text)
                complain(r, &n->span, k->doc, "'%s' has no value", k->name);
        else if (strlen(n->text) > POLICY_TEXT_MAX)
                complain(r, &n->span, NULL, "the value of '%s' is longer than %d characters (POLICY_TEXT_MAX)", k->name, POLICY_TEXT_MAX);
        else
                return n->text;
        return NULL;
}

static void keep(struct reader *r, char **where, const char *text)
{
        free(*where);
        *where = strdup(text);
        if (!*where)
                r->oom = true;
}

static bool is_name(const char *text)
{
        size_t n = strlen(text);

        if (n == 0 || n > POLICY_NAME_MAX || text[0] == '-' || text[n - 1] == '-')
                return false;
        return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void read_text(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text)
                keep(r, field(k, target), text);
}

static bool check_name(struct reader *r, const struct node *n)
{
        if (is_name(n->text))
                return true;
        complain(r, &n->span, "lower-case letters, digits and inner hyphens, at most 63", "'%s' is not a name", n->text);
        return false;
}

static void read_name(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text && check_name(r, n))
                keep(r, field(k, target), text);
}

/* The items of a list, or the one value that stands for a list of one. */
static size_t items(struct reader *r, const struct key *k, const struct node *n, const struct node *const **ret, const struct node **one)
{
        if (n->kind == NODE_MAPPING) {
                complain(r, &n->span, k->doc, "'%s' takes a list, not a mapping", k->name);
                return 0;
        }
        if (n->kind == NODE_SCALAR) {
                *one = n;
                *ret = one;
                return 1;
        }
        if (n->n_items > POLICY_LIST_MAX) {
                complain(r, &n->span, NULL, "'%s' has more than %d items (POLICY_LIST_MAX)", k->name, POLICY_LIST_MAX);
                return 0;
        }
        *ret = (const struct node *const *)n->items;
        return n->n_items;
}

#define EACH_ITEM(i, n_items, list, one)              \
        const struct node *one = NULL;                \
        const struct node *const *list = NULL;        \
        size_t n_items = items(r, k, n, &list, &one); \
        for (size_t i = 0; i < n_items; i++)

static void read_names(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct draft_names *names = field(k, target);

        EACH_ITEM(i, count, list, one)
        {
                struct draft_name *name;

                if (!scalar(r, k, list[i]) || !check_name(r, list[i]))
                        continue;
                name = ARRAY_ADD(names->items, names->n);
                if (!name) {
                        r->oom = true;
                        return;
                }
                name->span = list[i]->span;
                keep(r, &name->text, list[i]->text);
        }
}

static void read_texts(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        EACH_ITEM(i, count, list, one)
                if (scalar(r, k, list[i]) && strlist_add(field(k, target), list[i]->text) < 0)
                        r->oom = true;
}

static void read_boolean(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        /* YAML 1.2: only these two words; "yes" and "on" are texts. */
        if (text && !n->quoted && (streq(text, "true") || streq(text, "false")))
                *(bool *)field(k, target) = streq(text, "true");
        else if (text)
                complain(r, &n->span, NULL, "'%s' is true or false, not '%s'", k->name, text);
}

static void read_number(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);
        unsigned long value;

        if (!text)
                return;
        value = strspn(text, "0123456789") == strlen(text) && strlen(text) < 11 ? strtoul(text, NULL, 10) : (unsigned long)k->max + 1;
        if (value < k->min || value > k->max)
                complain(r, &n->span, NULL, "'%s' is a number from %u to %u, not '%s'", k->name, k->min, k->max, text);
        else
                *(unsigned *)field(k, target) = (unsigned)value;
}

static void read_duration(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text && (duration_parse(text, field(k, target)) < 0 || *(int64_t *)field(k, target) == 0))
                complain(r, &n->span, "write 500ms, 90s, 5m, 2h30m or 14d", "'%s' is not a duration", text);
}

static void read_time(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text && clock_parse(text, field(k, target)) < 0)
                complain(r, &n->span, "write it in UTC: 2026-12-05T08:00Z", "'%s' is not a time", text);
}

static void read_choice(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n), *nearest;
        _cleanup_str_ struct str hint = {};
        size_t count = 0;

        if (!text)
                return;
        for (; k->choices[count]; count++) {
                if (streq(k->choices[count], text)) {
                        *(int *)field(k, target) = (int)count;
                        return;
                }
        }
        nearest = str_nearest(text, k->choices, count);
        if (nearest)
                str_add(&hint, "did you mean '%s'?", nearest);
        else
                for (size_t i = 0; i < count; i++)
                        str_add(&hint, "%s%s", i ? ", " : "one of: ", k->choices[i]);
        complain(r, &n->span, hint.text, "'%s' cannot be '%s'", k->name, text);
}

static void read_release(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n), *nearest;
        _cleanup_free_ char *hint = NULL;
        size_t count = 0;

        if (!text)
                return;
        while (release_names[count])
                count++;
        nearest = str_nearest(text, release_names, count);
        if (release_index(text) >= 0)
                keep(r, field(k, target), text);
        else if (asprintf(&hint, nearest ? "did you mean '%s'?" : "a code name like bookworm or trixie", nearest) >= 0)
                complain(r, &n->span, hint, "'%s' is not a Debian release", text);
}

/* Absolute, no empty, "." or ".." component, no slash at the end. */
static bool is_path(const char *text)
{
        if (*text != '/' || text[1] == '\0')
                return false;
        for (const char *p = text; *p;) {
                size_t n = strcspn(p + 1, "/");

                if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
                        return false;
                p += n + 1;
        }
        return true;
}

static bool check_path(struct reader *r, const struct node *n)
{
        if (is_path(n->text))
                return true;
        complain(r, &n->span, "absolute, without '.', '..', '//' or a slash at the end", "'%s' is not a path", n->text);
        return false;
}

static void read_path(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text && check_path(r, n))
                keep(r, field(k, target), text);
}

static void read_url(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (!text)
                return;
        if (!startswith(text, "http://") && !startswith(text, "https://"))
                complain(r, &n->span, "write http://host:port or http://host/path", "'%s' is not an address of the web", text);
        else
                keep(r, field(k, target), text);
}

/* An address of one family, with or without a prefix. */
static void read_address(struct reader *r, const struct key *k, const struct node *n, void *target, int family, bool prefix)
{
        const char *text = scalar(r, k, n);
        struct address a;

        if (!text)
                return;
        if (address_parse(text, &a) < 0 || a.family != family || !!strchr(text, '/') != prefix)
                complain(r, &n->span, k->doc, "'%s' is not an IPv%d address%s", text, family == AF_INET ? 4 : 6,
                         prefix ? " with a prefix length" : "");
        else
                *(struct address *)field(k, target) = a;
}

static void read_host4(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        read_address(r, k, n, target, AF_INET, false);
}

static void read_host6(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        read_address(r, k, n, target, AF_INET6, false);
}

static void read_net4(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        read_address(r, k, n, target, AF_INET, true);
}

static void read_net6(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        read_address(r, k, n, target, AF_INET6, true);
}

static void read_addresses(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct address **addresses = field(k, target);
        size_t *n_addresses = (void *)((char *)target + k->count);

        EACH_ITEM(i, count, list, one)
        {
                struct address *slot, net, a;

                if (!scalar(r, k, list[i]))
                        continue;
                if (address_parse(list[i]->text, &a) < 0) {
                        complain(r, &list[i]->span, k->doc, "'%s' is neither an address nor a network", list[i]->text);
                        continue;
                }
                net = address_network(&a);
                if (!address_equal(&net, &a)) {
                        complain(r, &list[i]->span, "clear the bits behind the prefix", "'%s' is an address within a network, not a network", list[i]->text);
                        continue;
                }
                slot = ARRAY_ADD(*addresses, *n_addresses);
                if (slot)
                        *slot = a;
                else
                        r->oom = true;
        }
}

static void read_ports(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        const char *text = scalar(r, k, n);

        if (text && ports_parse(text, field(k, target)) < 0)
                complain(r, &n->span, "write 25/tcp, 53/udp or 60000-61000/udp", "'%s' is not a port", text);
}

static bool fill_origin(struct reader *r, const struct key *k, const struct node *n, struct origin *o)
{
        if (!scalar(r, k, n))
                return false;
        o->span = n->span;
        keep(r, &o->name, n->text);
        return true;
}

static void read_origin(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        fill_origin(r, k, n, field(k, target));
}

static void read_origins(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct origin **origins = field(k, target);
        size_t *n_origins = (void *)((char *)target + k->count);

        EACH_ITEM(i, count, list, one)
        {
                struct origin *o = ARRAY_ADD(*origins, *n_origins);

                if (!o)
                        r->oom = true;
                else if (!fill_origin(r, k, list[i], o))
                        (*n_origins)--;
        }
}

static void read_volumes(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        struct volume **volumes = field(k, target);
        size_t *n_volumes = (void *)((char *)target + k->count);

        EACH_ITEM(i, count, list, one)
        {
                struct volume *v;

                if (!scalar(r, k, list[i]) || !check_path(r, list[i]))
                        continue;
                v = ARRAY_ADD(*volumes, *n_volumes);
                if (!v) {
                        r->oom = true;
                        return;
                }
                v->span = list[i]->span;
                keep(r, &v->path, list[i]->text);
        }
}

static void read_mapping(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        table_read(r, k->table, n, field(k, target));
}

/* One more zeroed struct at the end of a pointer-and-count value. */
static void *append(struct reader *r, const struct key *k, void *target)
{
        void **block = field(k, target), *grown;
        size_t *count = (void *)((char *)target + k->count);

        grown = array_room(*block, *count, k->table->size);
        if (!grown) {
                r->oom = true;
                return NULL;
        }
        *block = grown;
        return (char *)grown + (*count)++ * k->table->size;
}

static void read_mappings(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        if (n->kind != NODE_SEQUENCE) {
                complain(r, &n->span, "write one '- { ... }' for each", "'%s' takes a list, not %s", k->name, node_kind_name(n));
                return;
        }
        if (n->n_items > POLICY_SERVICES_MAX) {
                complain(r, &n->span, NULL, "'%s' has more than %d items (POLICY_SERVICES_MAX)", k->name, POLICY_SERVICES_MAX);
                return;
        }
        for (size_t i = 0; i < n->n_items; i++) {
                void *element = append(r, k, target);

                if (element)
                        table_read(r, k->table, n->items[i], element);
        }
}

static void read_named(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        if (n->kind != NODE_MAPPING) {
                complain(r, &n->span, k->doc, "'%s' takes a mapping of names, not %s", k->name, node_kind_name(n));
                return;
        }
        for (size_t i = 0; i + 1 < n->n_items; i += 2) {
                const struct node *name = n->items[i];
                void *element;

                if (!scalar(r, k, name) || !check_name(r, name))
                        continue;
                element = append(r, k, target);
                if (!element)
                        return;
                table_read(r, k->table, n->items[i + 1], element);
                keep(r, (char **)(void *)((char *)element + k->table->name - 1), name->text);
                if (k->table->span)
                        *(struct span *)(void *)((char *)element + k->table->span - 1) = name->span;
        }
}

static const value_reader readers[VALUE_TYPE_MAX] = {
        [VALUE_TEXT] = read_text,           [VALUE_NAME] = read_name,         [VALUE_NAMES] = read_names,
        [VALUE_TEXTS] = read_texts,         [VALUE_BOOLEAN] = read_boolean,   [VALUE_NUMBER] = read_number,
        [VALUE_DURATION] = read_duration,   [VALUE_TIME] = read_time,         [VALUE_CHOICE] = read_choice,
        [VALUE_RELEASE] = read_release,     [VALUE_PATH] = read_path,         [VALUE_URL] = read_url,
        [VALUE_HOST4] = read_host4,         [VALUE_HOST6] = read_host6,       [VALUE_NET4] = read_net4,
        [VALUE_NET6] = read_net6,           [VALUE_ADDRESSES] = read_addresses, [VALUE_PORTS] = read_ports,
        [VALUE_ORIGIN] = read_origin,       [VALUE_ORIGINS] = read_origins,   [VALUE_VOLUMES] = read_volumes,
        [VALUE_PROBE] = read_probe,         [VALUE_PROBE_PATH] = read_probe_path,
        [VALUE_PROBE_COMMAND] = read_probe_command, [VALUE_PROBE_PLAIN] = read_probe_plain,
        [VALUE_RATE] = read_rate,           [VALUE_TRANSLATE] = read_translate, [VALUE_RULE_LISTS] = read_rule_lists,
        [VALUE_WAVES] = read_waves,         [VALUE_MAPPING] = read_mapping,   [VALUE_MAPPINGS] = read_mappings,
        [VALUE_NAMED] = read_named,
};

void value_read(struct reader *r, const struct key *k, const struct node *n, void *target)
{
        readers[k->type](r, k, n, target);
}
