/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rulesets in nft's own language: for people, golden tests, and comparison. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "firewall/firewall.h"
#include "firewall/ct-helper.h"
#include "firewall/text.h"

/* Every interface. */
static bool is_any_name(enum field f, const uint8_t *from, const uint8_t *to)
{
        static const uint8_t none[16];
        uint8_t all[16];

        memset(all, 0xff, sizeof(all));
        return (f == FIELD_IIFNAME || f == FIELD_OIFNAME) && memcmp(from, none, 16) == 0 && memcmp(to, all, 16) == 0;
}

/* A range of one field: a prefix where it is one, else from-to. */
static void add_range(struct str *s, enum field f, const uint8_t *from, const uint8_t *to)
{
        unsigned size = field_type(f)->size, prefix = 0;
        uint8_t mask[16];

        if (is_any_name(f, from, to)) {
                text_name(s, from, 0);
                return;
        }
        text_value(s, f, from);
        if (memcmp(from, to, size) == 0)
                return;
        for (unsigned i = 0; i < size; i++)
                mask[i] = (uint8_t) ~(from[i] ^ to[i]);
        prefix = text_prefix(mask, size);
        for (unsigned bit = prefix; bit < size * 8; bit++)
                if ((from[bit / 8] & 0x80u >> bit % 8) || !(to[bit / 8] & 0x80u >> bit % 8))
                        prefix = UINT32_MAX;
        if (size >= 4 && prefix != UINT32_MAX) {
                str_add(s, "/%u", prefix);
        } else {
                str_add(s, "-");
                text_value(s, f, to);
        }
}

char *element_text(const struct set *set, const struct element *e)
{
        struct str s = {};

        for (size_t i = 0; i < set->n_fields; i++) {
                unsigned offset = set_field_offset(set, i);

                str_add(&s, "%s", i ? " . " : "");
                add_range(&s, set->fields[i], e->key + offset, e->key_end + offset);
        }
        return str_take(&s);
}

static void add_data(struct str *s, const struct set *set, const struct element *e)
{
        char text[INET_ADDRSTRLEN];

        if (set->data == DATA_VERDICT && e->jump)
                str_add(s, " : jump %s", e->jump);
        else if (set->data == DATA_VERDICT)
                str_add(s, " : %s", e->accepts ? "accept" : "drop");
        else if (set->data != DATA_NONE)
                str_add(s, " : %s", inet_ntop(AF_INET, e->data, text, sizeof(text)));
        if (set->data == DATA_ADDRESS_PORT)
                str_add(s, " . %u", (unsigned)e->data[4] << 8 | e->data[5]);
}

char *element_line(const struct set *set, const struct element *e)
{
        _cleanup_free_ char *key = element_text(set, e);
        struct str s = {};

        str_add(&s, "%s", key ? key : "");
        /* Every verdict of ours is accept: saying so on each line would hide what differs. */
        if (set->data != DATA_VERDICT || !e->accepts || e->jump)
                add_data(&s, set, e);
        return str_take(&s);
}

static void add_set_options(struct str *s, const struct set *set)
{
        const char *const flags[] = { set->interval ? "interval" : NULL, set->timeout ? "timeout" : NULL, set->dynamic ? "dynamic" : NULL };
        bool first = true;

        if (set->size)
                str_add(s, "\t\tsize %u\n", set->size);
        for (size_t i = 0; i < ELEMENTS(flags); i++) {
                if (!flags[i])
                        continue;
                str_add(s, "%s%s", first ? "\t\tflags " : ",", flags[i]);
                first = false;
        }
        str_add(s, first ? "" : "\n");
        if (set->timeout_ms)
                str_add(s, "\t\ttimeout %llds\n", (long long)set->timeout_ms / 1000);
        if (set->counter)
                str_add(s, "\t\tcounter\n");
}

static void add_set(struct str *s, const struct set *set)
{
        static const char *const data[DATA_MAX] = { "", " : verdict", " : ipv4_addr", " : ipv4_addr . inet_service" };

        str_add(s, "\t%s %s {\n\t\ttype ", set->data == DATA_NONE ? "set" : "map", set->name);
        for (size_t i = 0; i < set->n_fields; i++)
                str_add(s, "%s%s", i ? " . " : "", field_type(set->fields[i])->datatype_name);
        str_add(s, "%s\n", data[set->data]);
        add_set_options(s, set);
        for (size_t i = 0; i < set->n_elements; i++) {
                const struct element *e = &set->elements[i];
                _cleanup_free_ char *key = element_text(set, e);

                str_add(s, "%s%s", i ? ",\n\t\t\t     " : "\t\telements = { ", key ? key : "");
                if (set->counter)
                        str_add(s, " counter packets %llu bytes %llu", (unsigned long long)e->packets, (unsigned long long)e->bytes);
                if (e->expires_ms)
                        str_add(s, " timeout %llds", (long long)(e->expires_ms + 999) / 1000);
                if (e->comment)
                        str_add(s, " comment \"%s\"", e->comment);
                add_data(s, set, e);
        }
        str_add(s, "%s\t}\n\n", set->n_elements ? " }\n" : "");
}

static const char *hook_name(int family, unsigned hook)
{
        static const char *const names[] = { "prerouting", "input", "forward", "output", "postrouting" };

        (void)family; /* the numbers of NF_INET_* and NF_BR_* are the same */
        return hook < ELEMENTS(names) ? names[hook] : "?";
}

static void add_chain(struct str *s, const struct table *t, const struct chain *c)
{
        str_add(s, "\tchain %s {\n", c->name);
        if (c->type)
                str_add(s, "\t\ttype %s hook %s priority %d; policy %s;\n", c->type, hook_name(t->family, c->hook), c->priority,
                        c->drops ? "drop" : "accept");
        for (size_t i = 0; i < c->n_rules; i++) {
                _cleanup_free_ char *text = rule_text(&c->rules[i]);

                str_add(s, "\t\t%s", text ? text : "");
                if (c->rules[i].comment)
                        str_add(s, " comment \"%s\"", c->rules[i].comment);
                str_add(s, "\n");
        }
        str_add(s, "\t}\n");
}

int ruleset_text(const struct ruleset *r, char **ret, infra_error **reterr)
{
        struct str s = {};

        for (size_t i = 0; i < RULESET_TABLES; i++) {
                const struct table *t = &r->tables[i];

                if (t->n_chains == 0)
                        continue;
                str_add(&s, "table %s " RULESET_TABLE " {\n", t->family == NFPROTO_INET ? "inet" : "bridge");
                for (size_t k = 0; k < t->unknown.n; k++)
                        str_add(&s, "\t# %s\n", t->unknown.items[k]);
                text_helpers(&s, t);
                for (size_t k = 0; k < t->n_sets; k++)
                        add_set(&s, &t->sets[k]);
                /* What is jumped to comes first, or nft would not know it yet. */
                for (size_t k = 0; k < t->n_chains; k++)
                        if (!t->chains[k].type)
                                add_chain(&s, t, &t->chains[k]);
                for (size_t k = 0; k < t->n_chains; k++)
                        if (t->chains[k].type)
                                add_chain(&s, t, &t->chains[k]);
                str_add(&s, "}\n");
        }
        *ret = str_take(&s);
        return *ret ? 0 : infra_error_oom(reterr);
}
