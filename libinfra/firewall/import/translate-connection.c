/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches of what conntrack knows. */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewall/import/translate-basic.h"

enum { STATE_INVALID = 1, STATE_UNTRACKED = 64, STATUS_SNAT = 0x10, STATUS_DNAT = 0x20, SHIFT = 16 };

static bool parse_list(const struct value_word *words, const char *text, unsigned *ret)
{
        unsigned bit;
        char name[16];

        for (*ret = 0;; text++) {
                size_t length = strcspn(text, ",");

                snprintf(name, sizeof(name), "%.*s", (int)length, text);
                if (length >= sizeof(name) || !parse_word(words, name, &bit))
                        return false;
                *ret |= bit;
                text += length;
                if (!*text)
                        return true;
        }
}

static int fill_any_bit(struct match *m, enum field f, uint64_t bits, bool negated)
{
        if (!m)
                return -ENOMEM;
        field_put_number(f, bits, m->mask);
        m->negated = negated;
        return 0;
}

static int add_any_bit(struct translate *t, enum field f, uint64_t bits, bool negated)
{
        return fill_any_bit(translate_match(t, MATCH_ANY_BIT, f, negated), f, bits, negated);
}

static int add_alternative(struct translate *t, enum field f, uint64_t bits, bool negated)
{
        struct rule *r = translate_alternative(t, false);

        return r ? fill_any_bit(rule_add_match(r, MATCH_ANY_BIT, f), f, bits, negated) : -ENOMEM;
}

/* Not translated: because there is no connection, or because it is not. */
static int add_no_status(struct translate *t, unsigned status)
{
        int r = translate_choice(t);

        r = r < 0 ? r : add_alternative(t, FIELD_CT_STATE, STATE_INVALID | STATE_UNTRACKED, false);
        return r < 0 ? r : add_alternative(t, FIELD_CT_STATUS, status, true);
}

/* iptables counts translation among the states; for nftables it is a status. A packet without connection has no status. */
static int add_states(struct translate *t, const struct given *g)
{
        static const struct value_word words[] = { { "INVALID", 1 }, { "ESTABLISHED", 2 }, { "RELATED", 4 }, { "NEW", 8 }, { "UNTRACKED", 64 },
                                                   { "SNAT", STATUS_SNAT << SHIFT }, { "DNAT", STATUS_DNAT << SHIFT }, {} };
        unsigned bits, status, states;
        int r;

        if (!parse_list(words, g->value, &bits))
                return translate_complain(t, g->at + 1, "INVALID, ESTABLISHED, RELATED, NEW, UNTRACKED, SNAT, DNAT",
                                          "'%s' are no states of connections", g->value);
        states = bits & 0xffff;
        status = bits >> SHIFT;
        if (!status)
                return add_any_bit(t, FIELD_CT_STATE, states, g->negated);
        if (!states && !g->negated)
                return add_any_bit(t, FIELD_CT_STATUS, status, false);
        if (g->negated) {
                r = states ? add_any_bit(t, FIELD_CT_STATE, states, true) : 0;
                return r < 0 ? r : add_no_status(t, status);
        }
        r = translate_choice(t);
        r = r < 0 ? r : add_alternative(t, FIELD_CT_STATE, states, false);
        return r < 0 ? r : add_alternative(t, FIELD_CT_STATUS, status, false);
}

static int add_status(struct translate *t, const struct given *g)
{
        static const struct value_word words[] = { { "EXPECTED", 1 }, { "SEEN_REPLY", 2 }, { "ASSURED", 4 }, { "CONFIRMED", 8 }, {} };
        unsigned bits;

        if (!parse_list(words, g->value, &bits))
                return translate_complain(t, g->at + 1, "EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED", "'%s' are not matched as a status here", g->value);
        return add_any_bit(t, FIELD_CT_STATUS, bits, g->negated);
}

static int add_direction(struct translate *t, const struct given *g)
{
        static const struct value_word words[] = { { "ORIGINAL", 0 }, { "REPLY", 1 }, {} };
        unsigned direction;

        return parse_word(words, g->value, &direction) ? translate_number(t, FIELD_CT_DIRECTION, direction, false) : value_wrong(t, g);
}

static int add_original_port(struct translate *t, const struct given *g, enum field f)
{
        struct number_range range;
        int r = value_ports(t, g, ':', g->value, &range);

        return r < 0 ? r : translate_range(t, f, range.first, range.last, g->negated);
}

static int add_conntrack_option(struct translate *t, const struct given *g)
{
        bool four = t->from->family == AF_INET;

        if (streq(g->name, "--ctstate"))
                return add_states(t, g);
        if (streq(g->name, "--ctstatus"))
                return add_status(t, g);
        if (streq(g->name, "--ctdir"))
                return add_direction(t, g);
        if (streq(g->name, "--ctorigsrc"))
                return translate_address(t, g, g->value, four ? FIELD_CT_ORIG_IP_SADDR : FIELD_CT_ORIG_IP6_SADDR);
        if (streq(g->name, "--ctorigdst"))
                return translate_address(t, g, g->value, four ? FIELD_CT_ORIG_IP_DADDR : FIELD_CT_ORIG_IP6_DADDR);
        if (streq(g->name, "--ctorigsrcport"))
                return add_original_port(t, g, FIELD_CT_ORIG_SPORT);
        if (streq(g->name, "--ctorigdstport"))
                return add_original_port(t, g, FIELD_CT_ORIG_DPORT);
        return translate_complain(t, g->at, "say it with -p, or what the connection began with", "%s has no counterpart here", g->name);
}

static int add_conntrack(struct translate *t, const struct module *m)
{
        int r = 0;

        if (m->n_given == 0)
                return translate_complain(t, m->at, NULL, "match %s needs an option", m->type->name);
        for (size_t i = 0; r >= 0 && i < m->n_given; i++)
                r = add_conntrack_option(t, &m->given[i]);
        return r;
}

static const struct option_type conntrack_options[] = {
        { "--ctstate", 1, true, NULL },      { "--ctstatus", 1, true, NULL },      { "--ctdir", 1, false, NULL },
        { "--ctorigsrc", 1, true, NULL },    { "--ctorigdst", 1, true, NULL },     { "--ctorigsrcport", 1, true, NULL },
        { "--ctorigdstport", 1, true, NULL }, { "--ctproto", 1, true, NULL },      { "--ctreplsrc", 1, true, NULL },
        { "--ctrepldst", 1, true, NULL },    { "--ctreplsrcport", 1, true, NULL }, { "--ctrepldstport", 1, true, NULL },
        { "--ctexpire", 1, true, NULL },     {},
};
static const struct option_type state_options[] = { { "--ctstate", 1, true, "--state" }, {} };
const struct module_type translate_match_conntrack = { "conntrack", conntrack_options, add_conntrack, 0 };
const struct module_type translate_match_state = { "state", state_options, add_conntrack, 0 };

/* Without a connection that brought it, "not this helper" is true. */
static int add_helper(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        struct match *match;
        struct rule *none;

        if (!g || !*g->value || strlen(g->value) > 15)
                return translate_complain(t, g ? g->at + 1 : m->at, NULL, "match helper needs the name of one");
        if (g->negated) {
                none = translate_alternative(t, true);
                match = none ? rule_add_match(none, MATCH_EQUAL, FIELD_CT_HELPER) : NULL;
        } else {
                match = translate_match(t, MATCH_EQUAL, FIELD_CT_HELPER, false);
        }
        if (match)
                memcpy(match->value, g->value, strlen(g->value));
        return match ? 0 : -ENOMEM;
}

static const struct option_type helper_options[] = { { "--helper", 1, true, NULL }, {} };
const struct module_type translate_match_helper = { "helper", helper_options, add_helper, 0 };
