/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches, sets and maps, asked of one packet. */

#include "firewall/analyse/trace.h"

#include <linux/netfilter.h>
#include <string.h>

#include "base/str.h"

static bool has_connection(const struct way *w)
{
        return field_number(FIELD_CT_STATE, w->p.fields[FIELD_CT_STATE]) & (STATE_BIT_NEW | STATE_BIT_ESTABLISHED | STATE_BIT_RELATED);
}

/* Fields of the other family are not there, nor those of a connection that there is not: whatever asks for them is not met. */
bool way_sees(const struct way *w, enum field f)
{
        switch (f) {
        case FIELD_CT_STATUS:
        case FIELD_CT_DIRECTION:
        case FIELD_CT_MARK:
        case FIELD_CT_ORIG_SPORT:
        case FIELD_CT_ORIG_DPORT: return has_connection(w);
        case FIELD_CT_HELPER: return has_connection(w) && *w->p.fields[f];
        case FIELD_IP_SADDR:
        case FIELD_IP_DADDR:
        case FIELD_IP_TOS:
        case FIELD_IP_FRAGMENT:
        case FIELD_IP_TTL: return w->p.family == AF_INET;
        case FIELD_CT_ORIG_IP_SADDR:
        case FIELD_CT_ORIG_IP_DADDR: return w->p.family == AF_INET && has_connection(w);
        case FIELD_IP6_SADDR:
        case FIELD_IP6_DADDR:
        case FIELD_IP6_CLASS:
        case FIELD_IP6_HOPLIMIT: return w->p.family == AF_INET6;
        case FIELD_CT_ORIG_IP6_SADDR:
        case FIELD_CT_ORIG_IP6_DADDR: return w->p.family == AF_INET6 && has_connection(w);
        default: return true;
        }
}

static int compare(enum field f, const uint8_t *a, const uint8_t *b)
{
        unsigned size = field_type(f)->size;

        if (field_type(f)->host_order) {
                uint64_t x = field_number(f, a), y = field_number(f, b);

                return x < y ? -1 : x > y;
        }
        return memcmp(a, b, size);
}

static bool has_bits(const struct match *m, const uint8_t *value)
{
        for (unsigned i = 0; i < field_type(m->fields[0])->size; i++)
                if ((value[i] & m->mask[i]) != m->value[i])
                        return false;
        return true;
}

static bool has_any(const struct match *m, const uint8_t *value)
{
        for (unsigned i = 0; i < field_type(m->fields[0])->size; i++)
                if (value[i] & m->mask[i])
                        return true;
        return false;
}

static bool in_element(const struct way *w, const struct set *s, const enum field *fields, const struct element *e)
{
        unsigned offset = 0;

        for (size_t i = 0; i < s->n_fields; i++) {
                const uint8_t *value = w->p.fields[fields[i]];

                if (compare(fields[i], value, e->key + offset) < 0 || compare(fields[i], value, e->key_end + offset) > 0)
                        return false;
                offset += field_room(s->fields[i]);
        }
        return true;
}

const struct element *way_look_up(const struct way *w, const char *name, const enum field *fields, size_t n, const struct set **ret_set)
{
        const struct set *s = table_set(w->table, name);

        for (size_t i = 0; i < n; i++)
                if (!way_sees(w, fields[i]))
                        return NULL;
        for (size_t i = 0; s && s->n_fields == n && i < s->n_elements; i++)
                if (in_element(w, s, fields, &s->elements[i])) {
                        *ret_set = s;
                        return &s->elements[i];
                }
        return NULL;
}

static bool meets(const struct way *w, const struct match *m, const struct element **ret_element, const struct set **ret_set)
{
        const uint8_t *value = w->p.fields[m->fields[0]];
        bool met = false;

        for (size_t i = 0; i < m->n_fields; i++)
                if (!way_sees(w, m->fields[i]))
                        return false;
        switch (m->kind) {
        case MATCH_EQUAL:
                met = compare(m->fields[0], value, m->value) == 0;
                break;
        case MATCH_BITS:
                met = has_bits(m, value);
                break;
        case MATCH_ANY_BIT:
                met = has_any(m, value);
                break;
        case MATCH_RANGE:
                met = compare(m->fields[0], value, m->value) >= 0 && compare(m->fields[0], value, m->mask) <= 0;
                break;
        default: {
                const struct element *e = way_look_up(w, m->set, m->fields, m->n_fields, ret_set);

                met = e;
                if (e && !m->negated)
                        *ret_element = e;
        }
        }
        return met != m->negated;
}

bool way_meets(const struct way *w, const struct rule *r, const struct element **ret_element, const struct set **ret_set)
{
        for (size_t i = 0; i < r->n_matches; i++)
                if (!meets(w, &r->matches[i], ret_element, ret_set))
                        return false;
        return true;
}
