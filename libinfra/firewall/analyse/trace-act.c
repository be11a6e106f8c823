/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statements and translations, done to one packet. */

#include "firewall/analyse/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

enum { STATUS_SRC_NAT = 0x10, STATUS_DST_NAT = 0x20 }; /* IPS_SRC_NAT, IPS_DST_NAT */

void way_assume(struct way *w, const struct rule *r, const char *what)
{
        _cleanup_free_ char *text = r->comment ? path_join("%s (%s)", what, r->comment) : strdup(what);

        if (!text || (!strlist_contains(&w->trace->assumed, text) && strlist_add(&w->trace->assumed, text) < 0))
                w->oom = true;
}

static void change(struct way *w, const struct statement *s)
{
        const uint8_t *from = w->p.fields[s->kind == STATEMENT_COPY ? s->fields[0] : s->field];

        for (unsigned i = 0; i < field_type(s->field)->size; i++)
                w->p.fields[s->field][i] = (uint8_t)((from[i] & s->mask[i]) ^ s->value[i]);
}

/* A rate and the like has room: below it the rule goes on, above it is not met. */
static bool has_room(struct way *w, const struct rule *r, const struct statement *s)
{
        _cleanup_free_ char *text = rule_statement_text(s), *what = text ? path_join("%s: there is room", text) : NULL;

        if (what)
                way_assume(w, r, what);
        return !s->over;
}

bool way_act(struct way *w, const struct rule *r)
{
        for (size_t i = 0; i < r->n_statements; i++) {
                const struct statement *s = &r->statements[i];

                switch (s->kind) {
                case STATEMENT_LIMIT:
                case STATEMENT_METER:
                case STATEMENT_CONNECTIONS:
                case STATEMENT_QUOTA:
                        if (!has_room(w, r, s))
                                return false;
                        break;
                case STATEMENT_NUMGEN:
                        way_assume(w, r, "the number that is drawn does not meet");
                        return false;
                case STATEMENT_SET:
                case STATEMENT_COPY:
                        if (s->kind == STATEMENT_COPY && !way_sees(w, s->fields[0]))
                                return false;
                        if (s->field != FIELD_TCP_MSS && way_sees(w, s->field))
                                change(w, s);
                        break;
                case STATEMENT_NOTRACK:
                        packet_set_number(&w->p, FIELD_CT_STATE, STATE_BIT_UNTRACKED);
                        break;
                default:
                        break;
                }
        }
        return true;
}

static void set_bits(struct way *w, uint64_t bits)
{
        packet_set_number(&w->p, FIELD_CT_STATUS, field_number(FIELD_CT_STATUS, w->p.fields[FIELD_CT_STATUS]) | bits);
}

/* Bits of the network are exchanged, those of the host stay. */
static void map_network(uint8_t *address, const struct translation *to, unsigned size)
{
        for (unsigned i = 0; i < size; i++) {
                uint8_t mask = (uint8_t) ~(to->first[i] ^ to->last[i]);

                address[i] = (uint8_t)((to->first[i] & mask) | (address[i] & ~mask));
        }
}

static void set_target(struct way *w, const struct translation *to, enum field address, enum field port)
{
        unsigned size = to->family == AF_INET6 ? 16 : 4;
        uint64_t now = field_number(port, w->p.fields[port]);

        if (to->family && to->netmap)
                map_network(w->p.fields[address], to, size);
        else if (to->family)
                memcpy(w->p.fields[address], to->first, size);
        if (to->port_first && (now < to->port_first || now > to->port_last))
                packet_set_number(&w->p, port, to->port_first);
}

void way_translate(struct way *w, const struct verdict *v, const struct element *e)
{
        bool source = v->kind == VERDICT_SNAT || v->kind == VERDICT_MASQUERADE, six = w->p.family == AF_INET6;
        enum field address = source ? six ? FIELD_IP6_SADDR : FIELD_IP_SADDR : six ? FIELD_IP6_DADDR : FIELD_IP_DADDR;
        enum field port = source ? FIELD_SPORT : FIELD_DPORT;

        w->bound = true;
        if (e) {
                memcpy(w->p.fields[address], e->data, 4);
                if (v->kind == VERDICT_DNAT_PORT)
                        memcpy(w->p.fields[port], e->data + 4, 2);
        } else {
                set_target(w, &v->to, address, port);
        }
        w->trace->masqueraded = w->trace->masqueraded || v->kind == VERDICT_MASQUERADE;
        w->local = w->local || v->kind == VERDICT_REDIRECT;
        set_bits(w, source ? STATUS_SRC_NAT : STATUS_DST_NAT);
}
