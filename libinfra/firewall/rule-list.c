/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stands behind a field: an operator, a value, a list in braces, a named set, or the name of a container or zone. */

#include "firewall/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static bool is_flags(enum field f)
{
        return f == FIELD_TCP_FLAGS || f == FIELD_CT_STATE || f == FIELD_CT_STATUS;
}

static int address_family(enum field f)
{
        const char *type = field_type(f)->datatype_name;

        return streq(type, "ipv4_addr") ? AF_INET : streq(type, "ipv6_addr") ? AF_INET6 : 0;
}

static struct set *make_set(struct scan *s, const enum field *fields, size_t n)
{
        char name[RULESET_NAME_MAX + 1];
        struct set *set;

        do
                snprintf(name, sizeof(name), "%.20s_%u", s->reader->prefix, ++s->reader->n_made);
        while (table_set(s->reader->table, name));
        set = table_add_set(s->reader->table, name, DATA_NONE, false, fields, n);
        s->oom = s->oom || !set;
        return set;
}

/* The part of an element's key that is field @i. */
static void put_value(const struct set *set, size_t i, struct element *e, const struct value *v)
{
        unsigned offset = set_field_offset(set, i), size = field_type(set->fields[i])->size;

        memcpy(e->key + offset, v->first, size);
        memcpy(e->key_end + offset, v->last, size);
}

static bool is_range(const struct value *v)
{
        return memcmp(v->first, v->last, sizeof(v->first)) != 0;
}

static bool add_network(struct scan *s, struct set *set, const struct address *a)
{
        struct element *e = ARRAY_ADD(set->elements, set->n_elements);
        struct value v = {};
        unsigned size = address_bits(a) / 8;

        if (!e) {
                s->oom = true;
                return false;
        }
        memcpy(v.first, a->bytes, size);
        memcpy(v.last, a->bytes, size);
        for (unsigned bit = a->prefix; bit < size * 8; bit++) {
                v.first[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
                v.last[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        }
        put_value(set, 0, e, &v);
        set->interval = set->interval || is_range(&v);
        return true;
}

static bool add_zone(struct scan *s, struct set *set, const struct zone *z, int family);

static bool add_origin(struct scan *s, struct set *set, const struct origin *o, int family)
{
        const infra_estate *e = s->reader->estate;
        struct address host;

        if (o->kind == ORIGIN_ZONE)
                return add_zone(s, set, &e->zones[o->index], family);
        if (o->kind == ORIGIN_NETWORK)
                return o->network.family != family || add_network(s, set, &o->network);
        host = address_host(family == AF_INET ? &e->containers[o->index].internal : &e->containers[o->index].ipv6);
        return !address_is_set(&host) || add_network(s, set, &host);
}

static bool add_zone(struct scan *s, struct set *set, const struct zone *z, int family)
{
        for (size_t i = 0; i < z->n_networks; i++)
                if (z->networks[i].family == family && !add_network(s, set, &z->networks[i]))
                        return false;
        for (size_t i = 0; i < z->n_members; i++)
                if (!add_origin(s, set, &z->members[i], family))
                        return false;
        return true;
}

/* The next word as a container or zone of the estate; false without a complaint when it is none. */
static bool find_origin(const struct scan *s, struct origin *ret)
{
        const infra_estate *e = s->reader->estate;
        char name[64];

        if (!e || s->at >= s->n || s->words[s->at].length >= sizeof(name))
                return false;
        snprintf(name, sizeof(name), "%.*s", (int)s->words[s->at].length, s->words[s->at].text);
        if (estate_zone(e, name))
                *ret = (struct origin){ .kind = ORIGIN_ZONE, .index = (size_t)(estate_zone(e, name) - e->zones) };
        else if (estate_container(e, name))
                *ret = (struct origin){ .kind = ORIGIN_CONTAINER, .index = (size_t)(estate_container(e, name) - e->containers) };
        else
                return false;
        return true;
}

/* One element of a list: values joined by "." when there are several fields. */
static bool scan_element(struct scan *s, struct set *set)
{
        struct element *e;
        struct origin o;

        if (set->n_fields == 1 && address_family(set->fields[0]) && find_origin(s, &o)) {
                s->at++;
                return add_origin(s, set, &o, address_family(set->fields[0]));
        }
        e = ARRAY_ADD(set->elements, set->n_elements);
        if (!e) {
                s->oom = true;
                return false;
        }
        if (set->n_elements > RULE_VALUES_MAX)
                return scan_fail(s, false, "use a named set", "more than %d values (RULE_VALUES_MAX)", RULE_VALUES_MAX);
        for (size_t i = 0; i < set->n_fields; i++) {
                struct value v;

                if (i > 0 && !scan_take(s, "."))
                        return scan_fail(s, true, "for example 192.0.2.1 . 25", "%zu values are joined by ' . '", set->n_fields);
                if (!scan_value(s, set->fields[i], &v))
                        return false;
                put_value(set, i, e, &v);
                set->interval = set->interval || is_range(&v);
        }
        return true;
}

static bool finish_set(struct scan *s, struct set *set, bool negated)
{
        struct match *m;

        if (set_sort(set) < 0 || set_disjoin(set) < 0) {
                s->oom = true;
                return false;
        }
        m = scan_add_match(s, MATCH_SET, set->fields[0]);
        if (!m)
                return false;
        m->negated = negated;
        memcpy(m->fields, set->fields, sizeof(m->fields));
        m->n_fields = set->n_fields;
        snprintf(m->set, sizeof(m->set), "%s", set->name);
        return true;
}

static bool scan_list(struct scan *s, const enum field *fields, size_t n, bool negated)
{
        struct set *set = make_set(s, fields, n);

        if (!set)
                return false;
        do {
                /* A comma behind the last one is as good as none. */
                if (scan_is(s, "}"))
                        break;
                if (!scan_element(s, set))
                        return false;
        } while (scan_take(s, ","));
        if (!scan_take(s, "}"))
                return scan_fail(s, true, NULL, "a list ends with '}'");
        return finish_set(s, set, negated);
}

/* "@name", or for addresses "@name4" and "@name6" behind it. */
static bool scan_named(struct scan *s, const enum field *fields, size_t n, bool negated)
{
        static const char *const endings[] = { "", "4", "6" };
        const struct word *w = scan_word(s, "a set");
        char name[RULESET_NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                const struct set *set;
                struct match *m;
                bool same = true;

                snprintf(name, sizeof(name), "%.*s%s", (int)(w->length - 1), w->text + 1, endings[i]);
                set = table_set(s->reader->table, name);
                for (size_t k = 0; set && k < n; k++)
                        same = same && set->n_fields == n && field_type(set->fields[k])->datatype == field_type(fields[k])->datatype;
                if (!set || !same || set->data != DATA_NONE)
                        continue;
                m = scan_add_match(s, MATCH_SET, fields[0]);
                if (!m)
                        return false;
                m->negated = negated;
                memcpy(m->fields, fields, n * sizeof(*fields));
                m->n_fields = n;
                snprintf(m->set, sizeof(m->set), "%s", name);
                return true;
        }
        return scan_fail(s, false, "name it under `sets:`", "there is no set '%.*s' for this", (int)w->length, w->text);
}

/* "syn|ack", "syn,ack" or one number, into @ret. */
static bool scan_bits(struct scan *s, enum field f, uint8_t ret[static 16])
{
        bool wrapped = scan_take(s, "(");
        uint64_t bits = 0;

        do {
                struct value v;

                if (!scan_value(s, f, &v))
                        return false;
                bits |= field_number(f, v.first);
        } while (scan_take(s, "|") || scan_take(s, ","));
        if (wrapped && !scan_take(s, ")"))
                return scan_fail(s, true, NULL, "')' is missing");
        field_put_number(f, bits, ret);
        return true;
}

/* An address as a mask: 255.255.0.255. */
static bool scan_mask(struct scan *s, enum field f, uint8_t ret[static 16])
{
        struct value v;

        if (field_type(f)->size <= 8 && !address_family(f))
                return scan_bits(s, f, ret);
        if (scan_take(s, "(")) {
                if (!scan_value(s, f, &v))
                        return false;
                if (!scan_take(s, ")"))
                        return scan_fail(s, true, NULL, "')' is missing");
        } else if (!scan_value(s, f, &v)) {
                return false;
        }
        memcpy(ret, v.first, 16);
        return true;
}

/* Behind "&". */
static bool scan_masked(struct scan *s, enum field f)
{
        static const uint8_t zero[16];
        uint8_t mask[16] = {}, value[16] = {};
        struct match *m;
        bool negated, any;

        if (!scan_mask(s, f, mask))
                return false;
        negated = scan_take(s, "!=");
        if (!negated && !scan_take(s, "=="))
                return scan_fail(s, true, "for example tcp flags & (syn | ack) == syn", "a mask is compared with == or !=");
        if (!scan_mask(s, f, value))
                return false;
        any = negated && memcmp(value, zero, sizeof(zero)) == 0;
        m = scan_add_match(s, any ? MATCH_ANY_BIT : MATCH_BITS, f);
        if (!m)
                return false;
        m->negated = negated && !any;
        memcpy(m->mask, mask, 16);
        memcpy(m->value, value, 16);
        return true;
}

static bool scan_order(struct scan *s, enum field f)
{
        static const struct {
                const char *mark;
                bool less, equal;
        } orders[] = { { "<=", true, true }, { ">=", false, true }, { "<", true, false }, { ">", false, false } };
        uint64_t most = field_type(f)->size >= 8 ? UINT64_MAX : (1ull << field_type(f)->size * 8) - 1;

        for (size_t i = 0; i < ELEMENTS(orders); i++) {
                struct match *m;
                struct value v;
                uint64_t number;

                if (!scan_take(s, orders[i].mark))
                        continue;
                if (field_type(f)->size > 8 || !scan_value(s, f, &v))
                        return s->mistake->message[0] ? false : scan_fail(s, false, NULL, "%s has no order", field_type(f)->text);
                number = field_number(f, v.first);
                if (!orders[i].equal && number == (orders[i].less ? 0 : most))
                        return scan_fail(s, false, NULL, "nothing is %s that", orders[i].less ? "less than" : "more than");
                m = scan_add_match(s, MATCH_RANGE, f);
                if (!m)
                        return false;
                field_put_number(f, orders[i].less ? 0 : number + !orders[i].equal, m->value);
                field_put_number(f, orders[i].less ? number - !orders[i].equal : most, m->mask);
                return true;
        }
        return scan_fail(s, true, NULL, "an operator is missing");
}

/* One value: equal, a range, a prefix; of flags several: any of them. */
static bool scan_single(struct scan *s, enum field f, bool negated, bool exact)
{
        struct match *m;
        struct origin o;
        struct value v;

        if (address_family(f) && find_origin(s, &o)) {
                struct set *set = make_set(s, &f, 1);

                s->at++;
                return set && add_origin(s, set, &o, address_family(f)) && finish_set(s, set, negated);
        }
        /* As nft has it: with "!=" one flag is compared as a whole, several are bits. */
        if (is_flags(f) && (!exact || (s->at + 1 < s->n && *s->words[s->at + 1].text == ','))) {
                uint8_t mask[16] = {};

                if (!scan_bits(s, f, mask))
                        return false;
                m = scan_add_match(s, MATCH_ANY_BIT, f);
                if (m)
                        memcpy(m->mask, mask, 16);
        } else {
                if (!scan_value(s, f, &v))
                        return false;
                if (f == FIELD_CT_LABEL) {
                        /* A number is a bit, which is there or not; a range of them is none. */
                        if (exact || is_range(&v))
                                return scan_fail(s, false, "ct label 5", "one label can be asked for, and only whether it is there");
                        m = scan_add_match(s, MATCH_ANY_BIT, f);
                        if (m)
                                memcpy(m->mask, v.first, 16);
                        return m;
                }
                m = scan_add_match(s, v.masked ? MATCH_BITS : is_range(&v) ? MATCH_RANGE : MATCH_EQUAL, f);
                if (m) {
                        memcpy(m->value, v.first, 16);
                        memcpy(m->mask, v.masked ? v.mask : is_range(&v) ? v.last : m->mask, 16);
                }
        }
        if (m)
                m->negated = negated;
        return m;
}

/* "frag more-fragments 1"; @ret_taken: whether it is of that kind. */
static bool scan_part(struct scan *s, bool *ret_taken)
{
        const struct field_part *p;
        const struct word *w;
        struct match *m;
        uint64_t value;
        bool negated, any;

        *ret_taken = false;
        for (size_t i = 0; (p = field_part(i)) && !*ret_taken; i++)
                if (scan_take_words(s, p->text)) {
                        *ret_taken = true;
                        break;
                }
        if (!*ret_taken)
                return true;
        negated = scan_take(s, "!=");
        if (!negated)
                scan_take(s, "==");
        w = scan_word(s, "a value");
        if (!w)
                return false;
        if (!part_parse(p, w->text, w->length, &value))
                return scan_fail(s, false, "one value", "'%.*s' is not a value of %s", (int)w->length, w->text, p->text);
        any = negated && value == 0;
        m = scan_needs(s, p->field) ? scan_add_match(s, any ? MATCH_ANY_BIT : MATCH_BITS, p->field) : NULL;
        if (m) {
                m->negated = negated && !any;
                field_put_number(p->field, value << p->shift, m->value);
                field_put_number(p->field, p->mask, m->mask);
        }
        return m;
}

bool scan_match(struct scan *s)
{
        enum field fields[RULESET_FIELDS_MAX];
        bool negated, exact;
        size_t n = 0;
        bool part;

        if (!scan_part(s, &part))
                return false;
        if (part)
                return true;
        do {
                if (n == RULESET_FIELDS_MAX)
                        return scan_fail(s, true, NULL, "more than %d fields together", RULESET_FIELDS_MAX);
                if (!scan_field(s, &fields[n++]))
                        return false;
        } while (scan_take(s, "."));
        if (scan_take(s, "&"))
                return n == 1 ? scan_masked(s, fields[0]) : scan_fail(s, true, NULL, "fields together have no mask");
        if (scan_take(s, "vmap") || scan_is(s, "map"))
                return scan_fail(s, false, "use services, or several rules", "maps are not for rules");
        if (n == 1 && (scan_is(s, "<") || scan_is(s, ">") || scan_is(s, "<=") || scan_is(s, ">=")))
                return scan_order(s, fields[0]);
        negated = scan_take(s, "!=");
        exact = negated || scan_take(s, "==");
        if (scan_take(s, "{"))
                return scan_list(s, fields, n, negated);
        if (s->at < s->n && s->words[s->at].text[0] == '@')
                return scan_named(s, fields, n, negated);
        if (n == 1)
                return scan_single(s, fields[0], negated, exact);
        return scan_fail(s, true, "ip saddr . tcp dport { 192.0.2.1 . 25 }", "fields together are looked up in a list or set");
}
