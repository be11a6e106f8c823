/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches of headers and of what the kernel knows about a packet. */

#include <errno.h>
#include <grp.h>
#include <linux/netfilter/nf_tables.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "firewall/import/translate.h"

enum { IPSEC_STATES = 6 }; /* XFRM_MAX_DEPTH */

static int needs_option(struct translate *t, const struct module *m)
{
        return translate_complain(t, m->at, NULL, "match %s needs an option", m->type->name);
}

static int add_masked(struct translate *t, const struct given *g, enum field f)
{
        uint64_t value, mask;
        int r = value_masked(t, g, UINT32_MAX, &value, &mask);

        if (r < 0)
                return r;
        if (value & ~mask)
                return translate_complain(t, g->at + 1, NULL, "'%s' asks for bits that its mask takes away", g->value);
        return mask ? translate_bits(t, f, value, mask, g->negated) : 0;
}

static int add_mark(struct translate *t, const struct module *m)
{
        enum field f = streq(m->type->name, "mark") ? FIELD_MARK : streq(m->type->name, "connmark") ? FIELD_CT_MARK : FIELD_REALM;

        return m->n_given ? add_masked(t, &m->given[0], f) : needs_option(t, m);
}

static int add_devgroup(struct translate *t, const struct module *m)
{
        int r = m->n_given ? 0 : needs_option(t, m);

        for (size_t i = 0; r >= 0 && i < m->n_given; i++)
                r = add_masked(t, &m->given[i], streq(m->given[i].name, "--src-group") ? FIELD_IIFGROUP : FIELD_OIFGROUP);
        return r;
}

static int add_plain(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        uint64_t number;
        int r;

        if (!g)
                return needs_option(t, m);
        if (streq(g->name, "--path"))
                return translate_complain(t, g->at, "match the user or the address", "control groups are matched by number only");
        r = value_number(t, g, UINT32_MAX, &number);
        return r < 0 ? r : translate_number(t, streq(m->type->name, "cpu") ? FIELD_CPU : FIELD_CGROUP, number, g->negated);
}

static int add_length(struct translate *t, const struct module *m)
{
        struct number_range range;
        int r = m->n_given ? value_range(t, &m->given[0], ':', UINT16_MAX, &range) : needs_option(t, m);

        return r < 0 ? r : translate_range(t, FIELD_LENGTH, range.first, range.last, m->given[0].negated);
}

static int add_pkttype(struct translate *t, const struct module *m)
{
        static const struct value_word words[] = { { "unicast", 0 }, { "host", 0 }, { "broadcast", 1 }, { "bcast", 1 },
                                                   { "multicast", 2 }, { "mcast", 2 }, {} };
        unsigned type;

        if (!m->n_given)
                return needs_option(t, m);
        return parse_word(words, m->given[0].value, &type) ? translate_number(t, FIELD_PKTTYPE, type, m->given[0].negated) :
                                                             value_wrong(t, &m->given[0]);
}

/* Bits of the TOS byte, which IPv6 has behind its version. */
static int add_class(struct translate *t, uint64_t value, uint64_t mask, bool negated)
{
        return t->from->family == AF_INET ? translate_bits(t, FIELD_IP_TOS, value, mask, negated) :
                                            translate_bits(t, FIELD_IP6_CLASS, value << 4, mask << 4, negated);
}

static int add_tos(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        uint64_t value, mask;
        unsigned class;

        if (!g)
                return needs_option(t, m);
        if (streq(g->name, "--tos")) {
                if (!parse_tos(g->value, &value, &mask) || (value & ~mask))
                        return value_wrong(t, g);
                return mask ? add_class(t, value, mask, g->negated) : 0;
        }
        if (streq(g->name, "--dscp")) {
                int r = value_number(t, g, 63, &value);

                return r < 0 ? r : add_class(t, value << 2, 0xfc, g->negated);
        }
        return parse_dscp(g->value, &class) ? add_class(t, (uint64_t)class << 2, 0xfc, g->negated) : value_wrong(t, g);
}

static int add_ttl(struct translate *t, const struct module *m)
{
        enum field f = t->from->family == AF_INET ? FIELD_IP_TTL : FIELD_IP6_HOPLIMIT;
        int r = m->n_given ? 0 : needs_option(t, m);

        for (size_t i = 0; r >= 0 && i < m->n_given; i++) {
                const struct given *g = &m->given[i];
                uint64_t value;

                r = value_number(t, g, 255, &value);
                if (r < 0)
                        return r;
                if ((endswith(g->name, "lt") && value == 0) || (endswith(g->name, "gt") && value == 255))
                        return translate_complain(t, g->at + 1, "leave the rule out", "no packet can match this");
                if (endswith(g->name, "lt"))
                        r = translate_range(t, f, 0, value - 1, false);
                else if (endswith(g->name, "gt"))
                        r = translate_range(t, f, value + 1, 255, false);
                else
                        r = translate_number(t, f, value, g->negated);
        }
        return r;
}

static bool parse_owner(const char *text, bool group, struct number_range *ret)
{
        const struct passwd *user = group ? NULL : getpwnam(text);
        const struct group *of = group ? getgrnam(text) : NULL;
        char first[16];
        size_t length = strcspn(text, "-");

        if (user || of) {
                ret->first = ret->last = user ? user->pw_uid : of->gr_gid;
                return true;
        }
        if (length >= sizeof(first))
                return false;
        snprintf(first, sizeof(first), "%.*s", (int)length, text);
        if (!parse_number(first, UINT32_MAX - 1, &ret->first))
                return false;
        ret->last = ret->first;
        return (!text[length] || parse_number(text + length + 1, UINT32_MAX - 1, &ret->last)) && ret->first <= ret->last;
}

static int add_owner(struct translate *t, const struct module *m)
{
        int r = m->n_given ? 0 : needs_option(t, m);

        for (size_t i = 0; r >= 0 && i < m->n_given; i++) {
                const struct given *g = &m->given[i];
                bool group = streq(g->name, "--gid-owner");
                enum field f = group ? FIELD_SKGID : FIELD_SKUID;
                struct number_range range;

                if (!group && !streq(g->name, "--uid-owner"))
                        return translate_complain(t, g->at, "match a user or group", "%s has no counterpart here", g->name);
                if (!parse_owner(g->value, group, &range))
                        return translate_complain(t, g->at + 1, "a number, a range a-b, or a name this host knows", "there is no %s '%s'",
                                                  group ? "group" : "user", g->value);
                /* Whose packets nobody sent, the kernel's own, are also not of this user. */
                r = g->negated ? translate_unless(t, f, range.first, range.last) : translate_range(t, f, range.first, range.last, false);
        }
        return r;
}

static int add_iprange(struct translate *t, const struct module *m)
{
        bool four = t->from->family == AF_INET;

        for (size_t i = 0; i < m->n_given; i++) {
                const struct given *g = &m->given[i];
                bool source = streq(g->name, "--src-range");
                enum field f = source ? (four ? FIELD_IP_SADDR : FIELD_IP6_SADDR) : (four ? FIELD_IP_DADDR : FIELD_IP6_DADDR);
                uint8_t first[16], last[16];
                struct match *x;

                if (!parse_address_range(t->from->family, g->value, first, last))
                        return value_wrong(t, g);
                x = translate_match(t, memcmp(first, last, 16) ? MATCH_RANGE : MATCH_EQUAL, f, g->negated);
                if (!x)
                        return -ENOMEM;
                memcpy(x->value, first, 16);
                if (x->kind == MATCH_RANGE)
                        memcpy(x->mask, last, 16);
        }
        return m->n_given ? 0 : needs_option(t, m);
}

static int add_mac(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        uint8_t a[6];
        struct match *x;
        int n = 0;

        if (!g)
                return needs_option(t, m);
        if (sscanf(g->value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", a, a + 1, a + 2, a + 3, a + 4, a + 5, &n) != 6 || g->value[n])
                return value_wrong(t, g);
        x = translate_match(t, MATCH_EQUAL, FIELD_ETHER_SADDR, g->negated);
        if (x)
                memcpy(x->value, a, sizeof(a));
        return x ? 0 : -ENOMEM;
}

static int add_types(struct translate *t, const struct given *g, enum field f)
{
        static const struct value_word words[] = { { "UNSPEC", 0 }, { "UNICAST", 1 }, { "LOCAL", 2 }, { "BROADCAST", 3 }, { "ANYCAST", 4 },
                                                   { "MULTICAST", 5 }, { "BLACKHOLE", 6 }, { "UNREACHABLE", 7 }, { "PROHIBIT", 8 }, {} };
        struct number_range ranges[16];
        size_t n = 0;

        for (const char *at = g->value;; at++) {
                size_t length = strcspn(at, ",");
                unsigned type;
                char name[16];

                snprintf(name, sizeof(name), "%.*s", (int)length, at);
                if (length >= sizeof(name) || n >= ELEMENTS(ranges) || !parse_word(words, name, &type))
                        return value_wrong(t, g);
                ranges[n++] = (struct number_range){ type, type };
                at += length;
                if (!*at)
                        break;
        }
        return translate_ranges(t, f, ranges, n, g->negated);
}

static int add_addrtype(struct translate *t, const struct module *m)
{
        static const enum field fields[2][3] = { { FIELD_FIB_DADDR_TYPE, FIELD_FIB_DADDR_IIF_TYPE, FIELD_FIB_DADDR_OIF_TYPE },
                                                 { FIELD_FIB_SADDR_TYPE, FIELD_FIB_SADDR_IIF_TYPE, FIELD_FIB_SADDR_OIF_TYPE } };
        const struct given *in = given(m, "--limit-iface-in"), *out = given(m, "--limit-iface-out");
        int r = m->n_given > (in != NULL) + (size_t)(out != NULL) ? 0 : needs_option(t, m);

        if (in && out)
                return translate_complain(t, out->at, NULL, "%s and %s exclude each other", in->name, out->name);
        for (size_t i = 0; r >= 0 && i < m->n_given; i++)
                if (&m->given[i] != in && &m->given[i] != out)
                        r = add_types(t, &m->given[i], fields[streq(m->given[i].name, "--src-type")][in ? 1 : out ? 2 : 0]);
        return r;
}

static int add_rpfilter(struct translate *t, const struct module *m)
{
        static const enum field fields[2][2] = { { FIELD_FIB_SADDR_OIF, FIELD_FIB_SADDR_ANY_OIF },
                                                 { FIELD_FIB_SADDR_MARK_OIF, FIELD_FIB_SADDR_MARK_ANY_OIF } };
        const struct given *local = given(m, "--accept-local");

        if (local)
                return translate_complain(t, local->at, "accept what comes from the host's own addresses before", "%s has no counterpart here", local->name);
        return translate_number(t, fields[given(m, "--validmark") != NULL][given(m, "--loose") != NULL], 0, !given(m, "--invert"));
}

static int add_state(struct translate *t, const struct given *g, enum field f, struct rule *to)
{
        uint64_t number;
        int r = g ? value_number(t, g, UINT32_MAX, &number) : 0;
        struct match *m = g && r >= 0 ? rule_add_match(to, MATCH_EQUAL, f) : NULL;

        if (!g || r < 0)
                return r;
        if (!m)
                return -ENOMEM;
        m->negated = g->negated;
        field_put_number(f, number, m->value);
        return 0;
}

/* One of the states that a packet went through is that; with --strict there is no other. */
static int add_states(struct translate *t, const struct module *m, bool out)
{
        const struct given *strict = given(m, "--strict");
        int r = strict ? translate_unless(t, FIELD_IPSEC(out, 0, 1), 0, UINT32_MAX) : 0;

        if (r >= 0)
                r = translate_choice(t);
        for (unsigned n = 0; r >= 0 && n < (strict ? 1 : IPSEC_STATES); n++) {
                struct rule *one = translate_alternative(t, false);
                struct match *any = one && !given(m, "--reqid") && !given(m, "--spi") ? rule_add_match(one, MATCH_RANGE, FIELD_IPSEC(out, 0, n)) : NULL;

                if (!one)
                        return -ENOMEM;
                if (any)
                        field_put_number(any->fields[0], UINT32_MAX, any->mask);
                r = add_state(t, given(m, "--reqid"), FIELD_IPSEC(out, 0, n), one);
                r = r < 0 ? r : add_state(t, given(m, "--spi"), FIELD_IPSEC(out, 1, n), one);
        }
        return r;
}

static int add_policy(struct translate *t, const struct module *m)
{
        static const char *const unknown[] = { "--proto", "--mode", "--tunnel-src", "--tunnel-dst", "--next" };
        const struct given *dir = given(m, "--dir"), *pol = given(m, "--pol");

        for (size_t i = 0; i < ELEMENTS(unknown); i++)
                if (given(m, unknown[i]))
                        return translate_complain(t, given(m, unknown[i])->at, "whether IPsec brought or takes the packet, --reqid and --spi can be asked for",
                                                  "%s has no counterpart here", unknown[i]);
        if (!dir || !pol)
                return translate_complain(t, m->at, NULL, "match policy needs --dir and --pol");
        if (!streq(dir->value, "in") && !streq(dir->value, "out"))
                return value_wrong(t, dir);
        if (!streq(pol->value, "ipsec") && !streq(pol->value, "none"))
                return value_wrong(t, pol);
        if (m->n_given > 2 && streq(pol->value, "none"))
                return translate_complain(t, pol->at, NULL, "what IPsec does not touch has no states to ask for");
        if (m->n_given > 2)
                return add_states(t, m, streq(dir->value, "out"));
        return translate_number(t, streq(dir->value, "in") ? FIELD_SECPATH : FIELD_ROUTE_IPSEC, streq(pol->value, "ipsec"), false);
}

/* A socket that is bound to no address does not count, unless told; one that is closing is never of that kind. */
static int add_socket(struct translate *t, const struct module *m)
{
        bool transparent = given(m, "--transparent");
        struct statement *s;
        struct rule *restore;
        int r = translate_range(t, FIELD_SOCKET_TRANSPARENT, transparent, 1, false);

        if (r >= 0 && !given(m, "--nowildcard"))
                r = translate_unless(t, FIELD_SOCKET_WILDCARD, 1, 1);
        if (r < 0 || !given(m, "--restore-skmark"))
                return r;
        /* A closing connection has no mark: that rule ends there, not the others. */
        restore = translate_act(t);
        s = restore ? rule_add_statement(restore, STATEMENT_COPY) : NULL;
        if (!s)
                return -ENOMEM;
        s->field = FIELD_MARK;
        s->fields[s->n_fields++] = FIELD_SOCKET_MARK;
        memset(s->mask, 0xff, field_type(FIELD_MARK)->size);
        return 0;
}

static int add_comment(struct translate *t, const struct module *m)
{
        (void)t, (void)m; /* for people; the comment of the rule names its line */
        return 0;
}

#define MATCH(id, text, family, function, ...)                                    \
        static const struct option_type id##_options[] = { __VA_ARGS__, {} };     \
        const struct module_type translate_match_##id = { text, id##_options, function, family }

MATCH(mark, "mark", 0, add_mark, { "--mark", 1, true, NULL });
MATCH(connmark, "connmark", 0, add_mark, { "--mark", 1, true, NULL });
MATCH(realm, "realm", AF_INET, add_mark, { "--realm", 1, true, NULL });
MATCH(devgroup, "devgroup", 0, add_devgroup, { "--src-group", 1, true, NULL }, { "--dst-group", 1, true, NULL });
MATCH(cpu, "cpu", 0, add_plain, { "--cpu", 1, true, NULL });
MATCH(cgroup, "cgroup", 0, add_plain, { "--cgroup", 1, true, NULL }, { "--path", 1, true, NULL });
MATCH(length, "length", 0, add_length, { "--length", 1, true, NULL });
MATCH(pkttype, "pkttype", 0, add_pkttype, { "--pkt-type", 1, true, NULL });
MATCH(tos, "tos", 0, add_tos, { "--tos", 1, true, NULL });
MATCH(dscp, "dscp", 0, add_tos, { "--dscp", 1, true, NULL }, { "--dscp-class", 1, true, NULL });
MATCH(ttl, "ttl", AF_INET, add_ttl, { "--ttl-eq", 1, true, "--ttl" }, { "--ttl-lt", 1, false, NULL }, { "--ttl-gt", 1, false, NULL });
MATCH(hl, "hl", AF_INET6, add_ttl, { "--hl-eq", 1, true, "--hl" }, { "--hl-lt", 1, false, NULL }, { "--hl-gt", 1, false, NULL });
MATCH(owner, "owner", 0, add_owner, { "--uid-owner", 1, true, NULL }, { "--gid-owner", 1, true, NULL }, { "--socket-exists", 0, true, NULL },
      { "--suppl-groups", 0, false, NULL });
MATCH(iprange, "iprange", 0, add_iprange, { "--src-range", 1, true, NULL }, { "--dst-range", 1, true, NULL });
MATCH(mac, "mac", 0, add_mac, { "--mac-source", 1, true, NULL });
MATCH(addrtype, "addrtype", 0, add_addrtype, { "--src-type", 1, true, NULL }, { "--dst-type", 1, true, NULL },
      { "--limit-iface-in", 0, false, NULL }, { "--limit-iface-out", 0, false, NULL });
MATCH(rpfilter, "rpfilter", 0, add_rpfilter, { "--invert", 0, false, NULL }, { "--loose", 0, false, NULL }, { "--validmark", 0, false, NULL },
      { "--accept-local", 0, false, NULL });
MATCH(policy, "policy", 0, add_policy, { "--dir", 1, false, NULL }, { "--pol", 1, false, NULL }, { "--strict", 0, false, NULL },
      { "--reqid", 1, true, NULL }, { "--spi", 1, true, NULL }, { "--proto", 1, true, NULL }, { "--mode", 1, true, NULL },
      { "--tunnel-src", 1, true, NULL }, { "--tunnel-dst", 1, true, NULL }, { "--next", 0, false, NULL });
MATCH(socket, "socket", 0, add_socket, { "--transparent", 0, false, NULL }, { "--nowildcard", 0, false, NULL },
      { "--restore-skmark", 0, false, NULL });
MATCH(comment, "comment", 0, add_comment, { "--comment", 1, false, NULL });
