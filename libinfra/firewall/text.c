/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rulesets in nft's own language: for people, golden tests, and comparison. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/str.h"
#include "firewall/firewall.h"

struct word {
        unsigned value;
        const char *text;
};

static const struct word nfprotos[] = { { NFPROTO_IPV4, "ipv4" }, { NFPROTO_IPV6, "ipv6" }, {} };
static const struct word protocols[] = { { ETH_P_IP, "ip" }, { ETH_P_IPV6, "ip6" }, { ETH_P_ARP, "arp" }, {} };
static const struct word l4protos[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_ICMP, "icmp" }, { IPPROTO_ICMPV6, "ipv6-icmp" }, {} };
static const struct word states[] = { { 1, "invalid" }, { 2, "established" }, { 4, "related" }, { 8, "new" }, {} };
static const struct word statuses[] = { { 0x20, "dnat" }, {} };
static const struct word directions[] = { { 0, "original" }, { 1, "reply" }, {} };
static const struct word fib_types[] = { { 2, "local" }, {} };
static const struct word tcp_flags[] = { { 0x02, "syn" }, { 0x10, "ack" }, {} };

static const struct word *words_of(enum field f)
{
        switch (f) {
        case FIELD_NFPROTO: return nfprotos;
        case FIELD_PROTOCOL: return protocols;
        case FIELD_L4PROTO: return l4protos;
        case FIELD_CT_STATE: return states;
        case FIELD_CT_STATUS: return statuses;
        case FIELD_CT_DIRECTION: return directions;
        case FIELD_FIB_DADDR_TYPE: return fib_types;
        case FIELD_TCP_FLAGS: return tcp_flags;
        default: return NULL;
        }
}

/* The value as a number: one byte, two in network order, or four in the host's. */
static unsigned number_of(enum field f, const uint8_t *value)
{
        uint32_t wide;

        switch (field_type(f)->size) {
        case 1: return value[0];
        case 2: return (unsigned)value[0] << 8 | value[1];
        default: memcpy(&wide, value, sizeof(wide)); return wide;
        }
}

static void add_value(struct str *s, enum field f, const uint8_t *value)
{
        const struct word *words = words_of(f);
        char text[INET6_ADDRSTRLEN];

        if (f == FIELD_IIFNAME || f == FIELD_OIFNAME) {
                str_add(s, "\"%.16s\"", (const char *)value);
        } else if (f >= FIELD_IP_SADDR && f <= FIELD_IP6_DADDR) {
                str_add(s, "%s", inet_ntop(field_type(f)->size == 4 ? AF_INET : AF_INET6, value, text, sizeof(text)));
        } else {
                unsigned number = number_of(f, value);

                for (; words && words->text; words++)
                        if (words->value == number) {
                                str_add(s, "%s", words->text);
                                return;
                        }
                str_add(s, "%u", number);
        }
}

/* Every bit of the mask that has a name, joined. */
static void add_bits(struct str *s, enum field f, const uint8_t *mask, const char *joint)
{
        unsigned bits = number_of(f, mask);
        bool first = true;

        for (const struct word *w = words_of(f); w && w->text; w++) {
                if (!(bits & w->value))
                        continue;
                str_add(s, "%s%s", first ? "" : joint, w->text);
                bits &= ~w->value;
                first = false;
        }
        if (bits)
                str_add(s, "%s0x%x", first ? "" : joint, bits);
}

static void add_fields(struct str *s, const enum field *fields, size_t n)
{
        for (size_t i = 0; i < n; i++)
                str_add(s, "%s%s", i ? " . " : "", field_type(fields[i])->text);
}

static unsigned prefix_of(const uint8_t *mask, unsigned size)
{
        unsigned prefix = 0;

        while (prefix < size * 8 && (mask[prefix / 8] & 0x80u >> prefix % 8))
                prefix++;
        return prefix;
}

static void add_match(struct str *s, const struct match *m)
{
        enum field f = m->fields[0];

        add_fields(s, m->fields, m->n_fields);
        str_add(s, " ");
        if (m->kind == MATCH_SET) {
                str_add(s, "@%s", m->set);
        } else if (m->kind == MATCH_EQUAL) {
                add_value(s, f, m->value);
        } else if (m->kind == MATCH_ANY_BIT) {
                add_bits(s, f, m->mask, ",");
        } else if (f == FIELD_TCP_FLAGS) {
                str_add(s, "& (");
                add_bits(s, f, m->mask, " | ");
                str_add(s, ") == ");
                add_bits(s, f, m->value, " | ");
        } else {
                add_value(s, f, m->value);
                str_add(s, "/%u", prefix_of(m->mask, field_type(f)->size));
        }
}

static void add_verdict(struct str *s, const struct verdict *v)
{
        static const char *const words[VERDICT_MAX] = {
                [VERDICT_ACCEPT] = "accept",     [VERDICT_DROP] = "drop",           [VERDICT_JUMP] = "jump ",
                [VERDICT_MAP] = " vmap @",       [VERDICT_DNAT] = "dnat ip to ",    [VERDICT_DNAT_PORT] = "dnat ip to ",
                [VERDICT_SNAT] = "snat ip to ",  [VERDICT_MASQUERADE] = "masquerade",
        };

        if (v->kind == VERDICT_MAP)
                add_fields(s, v->fields, v->n_fields);
        str_add(s, "%s", words[v->kind]);
        if (v->kind == VERDICT_DNAT || v->kind == VERDICT_DNAT_PORT || v->kind == VERDICT_SNAT) {
                add_fields(s, v->fields, v->n_fields);
                str_add(s, " map @");
        }
        str_add(s, "%s", v->name);
}

char *rule_text(const struct rule *r)
{
        struct str s = {};

        if (r->unknown)
                str_add(&s, "# %s", r->unknown);
        for (size_t i = 0; i < r->n_matches && !r->unknown; i++) {
                add_match(&s, &r->matches[i]);
                str_add(&s, " ");
        }
        if (!r->unknown)
                add_verdict(&s, &r->verdict);
        return str_take(&s);
}

/* A range of one field: a prefix where it is one, else from-to. */
static void add_range(struct str *s, enum field f, const uint8_t *from, const uint8_t *to)
{
        unsigned size = field_type(f)->size, prefix = 0;
        uint8_t mask[16];

        add_value(s, f, from);
        if (memcmp(from, to, size) == 0)
                return;
        for (unsigned i = 0; i < size; i++)
                mask[i] = (uint8_t) ~(from[i] ^ to[i]);
        prefix = prefix_of(mask, size);
        for (unsigned bit = prefix; bit < size * 8; bit++)
                if ((from[bit / 8] & 0x80u >> bit % 8) || !(to[bit / 8] & 0x80u >> bit % 8))
                        prefix = UINT32_MAX;
        if (size >= 4 && prefix != UINT32_MAX) {
                str_add(s, "/%u", prefix);
        } else {
                str_add(s, "-");
                add_value(s, f, to);
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

        if (set->data == DATA_VERDICT)
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
        if (set->data != DATA_VERDICT || !e->accepts)
                add_data(&s, set, e);
        return str_take(&s);
}

static void add_set(struct str *s, const struct set *set)
{
        static const char *const data[DATA_MAX] = { "", " : verdict", " : ipv4_addr", " : ipv4_addr . inet_service" };

        str_add(s, "\t%s %s {\n\t\ttype ", set->data == DATA_NONE ? "set" : "map", set->name);
        for (size_t i = 0; i < set->n_fields; i++)
                str_add(s, "%s%s", i ? " . " : "", field_type(set->fields[i])->datatype_name);
        str_add(s, "%s\n%s", data[set->data], set->interval ? "\t\tflags interval\n" : "");
        for (size_t i = 0; i < set->n_elements; i++) {
                const struct element *e = &set->elements[i];
                _cleanup_free_ char *key = element_text(set, e);

                str_add(s, "%s%s", i ? ",\n\t\t\t     " : "\t\telements = { ", key ? key : "");
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
