/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches of what conntrack knows. */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "firewall/import/translate-basic.h"

enum { STATE_INVALID = 1, STATE_UNTRACKED = 64, STATUS_SNAT = 0x10, STATUS_DNAT = 0x20, SHIFT = 16 };

static const struct value_word state_words[] = { { "INVALID", STATE_INVALID }, { "ESTABLISHED", 2 }, { "RELATED", 4 }, { "NEW", 8 },
                                                 { "UNTRACKED", STATE_UNTRACKED }, { "SNAT", STATUS_SNAT << SHIFT },
                                                 { "DNAT", STATUS_DNAT << SHIFT }, {} };

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
        unsigned bits, status, states;
        int r;

        if (!parse_list(state_words, g->value, &bits))
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

static int add_port(struct translate *t, const struct given *g, enum field f)
{
        struct number_range range;
        int r = value_ports(t, g, ':', g->value, &range);

        return r < 0 ? r : translate_range(t, f, range.first, range.last, g->negated);
}

static int add_connection_protocol(struct translate *t, const struct given *g)
{
        int number = translate_protocol_number(g->value);

        return number > 0 ? translate_number(t, FIELD_CT_PROTOCOL, (uint64_t)number, g->negated) : value_wrong(t, g);
}

/* Whole seconds, rounded down. */
static int add_expiration(struct translate *t, const struct given *g)
{
        struct number_range range;
        int r = value_range(t, g, ':', UINT32_MAX / 1000 - 1, &range);

        return r < 0 ? r : translate_range(t, FIELD_CT_EXPIRATION, range.first * 1000, range.last * 1000 + 999, g->negated);
}

static int add_conntrack_option(struct translate *t, const struct given *g)
{
        static const struct {
                const char *name;
                enum field four, six;
        } addresses[] = { { "--ctorigsrc", FIELD_CT_ORIG_IP_SADDR, FIELD_CT_ORIG_IP6_SADDR },
                          { "--ctorigdst", FIELD_CT_ORIG_IP_DADDR, FIELD_CT_ORIG_IP6_DADDR },
                          { "--ctreplsrc", FIELD_CT_REPLY_IP_SADDR, FIELD_CT_REPLY_IP6_SADDR },
                          { "--ctrepldst", FIELD_CT_REPLY_IP_DADDR, FIELD_CT_REPLY_IP6_DADDR } };
        static const struct {
                const char *name;
                enum field field;
        } ports[] = { { "--ctorigsrcport", FIELD_CT_ORIG_SPORT }, { "--ctorigdstport", FIELD_CT_ORIG_DPORT },
                      { "--ctreplsrcport", FIELD_CT_REPLY_SPORT }, { "--ctrepldstport", FIELD_CT_REPLY_DPORT } };

        if (streq(g->name, "--ctstate"))
                return add_states(t, g);
        if (streq(g->name, "--ctstatus"))
                return add_status(t, g);
        if (streq(g->name, "--ctdir"))
                return add_direction(t, g);
        for (size_t i = 0; i < ELEMENTS(addresses); i++)
                if (streq(g->name, addresses[i].name))
                        return translate_address(t, g, g->value, t->from->family == AF_INET ? addresses[i].four : addresses[i].six);
        for (size_t i = 0; i < ELEMENTS(ports); i++)
                if (streq(g->name, ports[i].name))
                        return add_port(t, g, ports[i].field);
        return streq(g->name, "--ctproto") ? add_connection_protocol(t, g) : add_expiration(t, g);
}

/* Where there is no connection, xt_conntrack looks at the state alone. */
/* Once the state fits, the kernel asks a packet without a connection nothing more of that match. */
static bool asks_in_vain(const struct module *m)
{
        const struct given *g = given(m, "--ctstate");
        unsigned bits;

        if (!g || m->n_given < 2 || !parse_list(state_words, g->value, &bits))
                return false;
        return ((g->negated ? ~bits : bits) & (STATE_INVALID | STATE_UNTRACKED)) != 0;
}

static int add_conntrack(struct translate *t, const struct module *m)
{
        int r = 0;

        if (asks_in_vain(m))
                return translate_complain(t, given(m, "--ctstate")->at, "ask for the state with a match of its own, in another rule", "a packet without a connection fits whatever else is asked: iptables forgets the other options");
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

static int add_connbytes(struct translate *t, const struct module *m)
{
        static const struct value_word modes[] = { { "bytes", FIELD_CT_BYTES }, { "packets", FIELD_CT_PACKETS }, { "avgpkt", FIELD_CT_AVGPKT }, {} };
        static const struct value_word directions[] = { { "both", 0 }, { "original", 1 }, { "reply", 2 }, {} };
        const struct given *g = given(m, "--connbytes"), *mode = given(m, "--connbytes-mode"), *direction = given(m, "--connbytes-dir");
        struct number_range range = {};
        unsigned field, of;
        int r;

        if (!g || !mode || !direction)
                return translate_complain(t, m->at, NULL, "connbytes needs --connbytes, --connbytes-mode and --connbytes-dir");
        if (!parse_word(modes, mode->value, &field))
                return value_wrong(t, mode);
        if (!parse_word(directions, direction->value, &of))
                return value_wrong(t, direction);
        r = value_range(t, g, ':', UINT64_MAX, &range);
        if (r < 0)
                return r;
        /* One number is the least. */
        return translate_range(t, (enum field)(field + of), range.first, strchr(g->value, ':') ? range.last : UINT64_MAX, g->negated);
}

static const struct option_type connbytes_options[] = { { "--connbytes", 1, true, NULL }, { "--connbytes-mode", 1, false, NULL },
                                                        { "--connbytes-dir", 1, false, NULL }, {} };
const struct module_type translate_match_connbytes = { "connbytes", connbytes_options, add_connbytes, 0 };

/* A number, or a name that this host's list has for it. */
static bool parse_label(const char *text, unsigned *ret)
{
        FILE *f;
        char name[64], line[256];
        uint64_t number;
        bool found = false;

        if (parse_number(text, 127, &number)) {
                *ret = (unsigned)number;
                return true;
        }
        f = fopen("/etc/xtables/connlabel.conf", "re");
        while (f && !found && fgets(line, sizeof(line), f))
                found = sscanf(line, "%3u %63s", ret, name) == 2 && streq(name, text) && *ret <= 127;
        if (f)
                fclose(f);
        return found;
}

static int add_connlabel(struct translate *t, const struct module *m)
{
        const struct given *g = given(m, "--label"), *set = given(m, "--set");
        struct statement *s;
        struct match *match;
        struct rule *none;
        unsigned bit;
        int r;

        if (!g)
                return translate_complain(t, m->at, NULL, "connlabel needs --label");
        if (!parse_label(g->value, &bit))
                return translate_complain(t, g->at + 1, "0 to 127, or a name of /etc/xtables/connlabel.conf", "there is no label '%s'", g->value);
        if (set && g->negated)
                return translate_complain(t, set->at, "leave the rule out", "what sets a label and is met when it could not is not said here");
        if (set) {
                /* Without a connection the rule is over. */
                r = translate_range(t, FIELD_CT_DIRECTION, 0, 1, false);
                s = r < 0 ? NULL : translate_statement(t, STATEMENT_SET);
                if (s) {
                        s->field = FIELD_CT_LABEL;
                        field_put_bit(bit, s->value);
                        statement_keep_labels(s);
                }
                return s ? 0 : -ENOMEM;
        }
        none = g->negated ? translate_alternative(t, true) : NULL;
        match = !g->negated ? translate_match(t, MATCH_ANY_BIT, FIELD_CT_LABEL, false) : none ? rule_add_match(none, MATCH_ANY_BIT, FIELD_CT_LABEL) : NULL;
        if (match)
                field_put_bit(bit, match->mask);
        return match ? 0 : -ENOMEM;
}

static const struct option_type connlabel_options[] = { { "--label", 1, true, NULL }, { "--set", 0, false, NULL }, {} };
const struct module_type translate_match_connlabel = { "connlabel", connlabel_options, add_connlabel, 0 };
