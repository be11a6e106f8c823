/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What becomes of packets, in words. */

#include "firewall/analyse/compare-says.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/str.h"

struct outcome_field {
        const char *open; /* some bit is of a number that nobody knows: whose */
        bool partly;   /* some bits stay, or depend on what they were */
        bool changed;
        uint8_t wire[16];
        uint8_t most[16]; /* of a largest segment: what it is at most */
};

/* What a bit becomes when all are set. */
static bool of_ones(const struct space *s, fn to)
{
        while (!diagram_is_leaf(&s->d, to))
                to = s->d.nodes[to].high;
        return to == FN_TRUE;
}

static void look_at(struct space *s, uint32_t change, uint32_t base, unsigned width, struct outcome_field *ret)
{
        unsigned seen = 0;
        size_t n;
        const struct move *m = change_moves(s, change, &n);

        *ret = (struct outcome_field){};
        for (size_t i = 0; i < n; i++) {
                unsigned bit = m[i].level - base;

                if (width == 0 || m[i].level < base || bit >= width)
                        continue;
                ret->changed = true;
                seen++;
                if (!diagram_is_leaf(&s->d, m[i].to) && space_atom_at(s, s->d.nodes[m[i].to].level))
                        ret->open = space_atom_at(s, s->d.nodes[m[i].to].level);
                else if (!diagram_is_leaf(&s->d, m[i].to))
                        ret->partly = true;
                else if (m[i].to == FN_TRUE && bit < 128)
                        ret->wire[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
                if (bit < 128 && of_ones(s, m[i].to))
                        ret->most[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        }
        ret->partly = ret->partly || seen < width;
}

static void look(struct space *s, uint32_t change, enum field f, struct outcome_field *ret)
{
        look_at(s, change, s->base[f], space_room(s, f), ret);
}

static bool is_address(enum field f)
{
        return f == FIELD_IP_SADDR || f == FIELD_IP_DADDR || f == FIELD_IP6_SADDR || f == FIELD_IP6_DADDR;
}

static void add_value(struct space *s, struct str *to, enum field f, const struct outcome_field *o)
{
        char text[INET6_ADDRSTRLEN];
        uint64_t number = 0;

        for (unsigned i = 0; i < field_type(f)->size && i < 8; i++)
                number = number << 8 | o->wire[i];
        if (is_address(f))
                str_add(to, "%s%s", inet_ntop(field_type(f)->size == 4 ? AF_INET : AF_INET6, o->wire, text, sizeof(text)), o->partly ? " (network only)" : "");
        else if (field_is_name(f))
                str_add(to, "%s", space_name(s, number >> (field_type(f)->size < 8 ? 0 : 64 - s->names->bits)));
        else
                str_add(to, "0x%" PRIx64 "%s", number, o->partly ? " (some bits)" : "");
}

static void add_end_point(struct space *s, uint32_t change, enum field v4, enum field v6, enum field port, const char *word, struct str *to)
{
        enum field address = s->family == AF_INET ? v4 : v6;
        struct outcome_field a, p;

        look(s, change, address, &a);
        look(s, change, port, &p);
        if (!a.changed && !p.changed)
                return;
        if (a.open || p.open) {
                str_add(to, ", %s", strstr(a.open ? a.open : p.open, " of ") + 4);
                if (p.changed && !p.open)
                        str_add(to, " port %u", (unsigned)p.wire[0] << 8 | p.wire[1]);
                return;
        }
        str_add(to, ", %s ", word);
        if (a.changed)
                add_value(s, to, address, &a);
        if (p.changed)
                str_add(to, "%s%u", a.changed && s->family == AF_INET ? ":" : a.changed ? " port " : "port ", (unsigned)p.wire[0] << 8 | p.wire[1]);
}

/* What the packet was routed with, unless that is what it leaves with. */
static void add_routing(struct space *s, uint32_t change, enum field f, struct str *to)
{
        uint32_t level = space_routed(s, f);
        bool final = true, first = true;
        struct outcome_field o;

        look_at(s, change, level, s->bits[f], &o);
        for (unsigned i = 0; o.changed && i < s->bits[f]; i++) {
                fn routed = change_bit(s, change, level + i);

                final = final && routed == change_bit(s, change, s->base[f] + i);
                first = first && routed == diagram_bit(&s->d, s->base[f] + i);
        }
        if (!o.changed || final)
                return;
        str_add(to, ", routed with %s ", field_type(f)->text);
        if (first)
                str_add(to, "as it came");
        else
                add_value(s, to, f, &o);
}

/* What the change has at levels of no field. */
static void add_aside(struct space *s, uint32_t change, struct str *to)
{
        static const enum field routed[] = { FIELD_MARK, FIELD_IP_TOS, FIELD_IP6_CLASS };
        struct outcome_field o;

        for (size_t i = 0; i < ELEMENTS(routed); i++)
                if (s->bits[routed[i]])
                        add_routing(s, change, routed[i], to);
        look_at(s, change, space_segment(s), 1, &o);
        if (o.changed)
                str_add(to, ", tcp option maxseg size at most what the way allows");
}

static void add_change(struct space *s, uint32_t change, struct str *to)
{
        size_t n;
        const enum field *order = space_order(&n);

        add_end_point(s, change, FIELD_IP_DADDR, FIELD_IP6_DADDR, FIELD_DPORT, "to", to);
        add_end_point(s, change, FIELD_IP_SADDR, FIELD_IP6_SADDR, FIELD_SPORT, "from", to);
        for (size_t i = 0; i < n; i++) {
                enum field f = order[i];
                struct outcome_field o;

                if (is_address(f) || f == FIELD_SPORT || f == FIELD_DPORT || f == FIELD_CT_STATUS || f == FIELD_FIB_DADDR_TYPE)
                        continue;
                look(s, change, f, &o);
                if (!o.changed)
                        continue;
                if (f == FIELD_CT_STATE) {
                        str_add(to, ", untracked");
                        continue;
                }
                if (f == FIELD_TCP_MSS) {
                        str_add(to, ", tcp option maxseg size at most %u", (unsigned)o.most[0] << 8 | o.most[1]);
                        continue;
                }
                str_add(to, ", %s ", field_type(f)->text);
                add_value(s, to, f, &o);
        }
        add_aside(s, change, to);
}

static void add_rejection(const char *argument, struct str *to)
{
        static const char *const icmpx[] = { "no route", "port unreachable", "host unreachable", "administratively prohibited" };
        unsigned type = 0, code = 0;

        sscanf(argument, "type %u code %u", &type, &code);
        if (type == NFT_REJECT_TCP_RST)
                str_add(to, "reject with tcp reset");
        else if (type == NFT_REJECT_ICMPX_UNREACH && code < ELEMENTS(icmpx))
                str_add(to, "reject with %s", icmpx[code]);
        else
                str_add(to, "reject with icmp code %u", code);
}

char *end_says(struct space *s, fn leaf)
{
        struct end e = end_of(s, leaf);
        struct str to = {};

        if (e.kind == END_REJECT)
                add_rejection(s->texts.items[e.argument], &to);
        else if (e.kind == END_QUEUE)
                str_add(&to, "queue %s", s->texts.items[e.argument]);
        else if (e.kind == END_UNKNOWN)
                str_add(&to, "unknown: %s", s->texts.items[e.argument]);
        else
                str_add(&to, "%s", e.kind == END_ACCEPT ? "accept" : "drop");
        if (e.kind == END_ACCEPT || e.kind == END_QUEUE)
                add_change(s, e.change, &to);
        return str_take(&to);
}
