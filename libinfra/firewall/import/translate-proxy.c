/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Targets that send packets to proxies, change them in the middle, or carry security marks. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/import/translate.h"

enum { SYN = 0x02, ACK = 0x10, SYN_RST_ACK_FIN = 0x17, ECN_FLAGS = 0xc0, ECE = 0x40, CWR = 0x80, ECN_BITS = 0x03, WINDOW_SCALE_MAX = 14, OPTIONS_MAX = 256 };

static int check_table(struct translate *t, const struct module *m, const char *table)
{
        return streq(t->from->name, table) ? 0 : translate_complain(t, m->at + 1, NULL, "%s is for table %s", m->type->name, table);
}

static int check_protocol(struct translate *t, const struct module *m, bool udp)
{
        if (t->protocol == IPPROTO_TCP || (udp && t->protocol == IPPROTO_UDP))
                return 0;
        return translate_complain(t, m->at, udp ? "add -p tcp or -p udp" : "add -p tcp", "%s needs that protocol", m->type->name);
}

static int read_socket(struct translate *t, const struct module *m, struct translation *ret)
{
        const struct given *ip = given(m, "--on-ip"), *port = given(m, "--on-port");
        uint64_t number = 0;

        *ret = (struct translation){ .family = t->from->family };
        if (!port)
                return translate_complain(t, m->at, NULL, "TPROXY needs --on-port");
        if (!parse_port(t->protocol, port->value, &number))
                return value_wrong(t, port);
        if (ip && inet_pton(t->from->family, ip->value, ret->first) != 1)
                return value_wrong(t, ip);
        memcpy(ret->last, ret->first, sizeof(ret->last));
        ret->port_first = ret->port_last = (uint16_t)number;
        /* Without both there is nothing to say: the packet's own address and port. */
        return number || memcmp(ret->first, (uint8_t[16]){}, 16) ? 0 : translate_complain(t, port->at + 1, "name the port", "a proxy at port 0 is none");
}

static int set_mark(struct rule *r, uint64_t value, uint64_t mask)
{
        struct statement *s = mask || value ? rule_add_statement(r, STATEMENT_SET) : NULL;

        if (!s)
                return mask || value ? -ENOMEM : 0;
        s->field = FIELD_MARK;
        field_put_number(FIELD_MARK, ~mask & UINT32_MAX, s->mask);
        field_put_number(FIELD_MARK, value, s->value);
        return 0;
}

/* Where no socket listens the packet is dropped: for nftables the rule only ends there, so another one drops. */
static int add_tproxy(struct translate *t, const struct module *m)
{
        const struct given *mark = given(m, "--tproxy-mark");
        char chain[RULESET_NAME_MAX + 1];
        uint64_t value = 0, mask = 0;
        struct statement *s;
        struct translation to;
        struct rule *rule;
        int r = check_table(t, m, "mangle");

        r = r < 0 ? r : check_protocol(t, m, true);
        r = r < 0 ? r : read_socket(t, m, &to);
        if (r >= 0 && mark)
                r = value_masked(t, mark, UINT32_MAX, &value, &mask);
        r = r < 0 ? r : translate_helper(t, chain);
        if (r < 0)
                return r;
        rule = translate_helper_rule(t, chain);
        s = rule ? rule_add_statement(rule, STATEMENT_TPROXY) : NULL;
        if (!s)
                return -ENOMEM;
        s->to = to;
        if (set_mark(rule, value, mask) < 0)
                return -ENOMEM;
        rule->verdict.kind = VERDICT_ACCEPT;
        rule = translate_helper_rule(t, chain);
        if (!rule)
                return -ENOMEM;
        rule->verdict.kind = VERDICT_DROP;
        return translate_helper_jump(t, chain);
}

static int read_synproxy(struct translate *t, const struct module *m, struct statement *ret)
{
        const struct given *mss = given(m, "--mss"), *scale = given(m, "--wscale"), *ecn = given(m, "--ecn");
        uint64_t number = 0;

        if (ecn)
                return translate_complain(t, ecn->at, "leave it out", "nftables keeps no ECN in a synproxy");
        if (mss && !parse_number(mss->value, UINT16_MAX, &ret->rate))
                return value_wrong(t, mss);
        if (scale && !parse_number(scale->value, WINDOW_SCALE_MAX, &number))
                return value_wrong(t, scale);
        ret->burst = (uint32_t)number;
        ret->flags = (mss ? NF_SYNPROXY_OPT_MSS : 0) | (scale ? NF_SYNPROXY_OPT_WSCALE : 0) | (given(m, "--timestamp") ? NF_SYNPROXY_OPT_TIMESTAMP : 0) |
                     (given(m, "--sack-perm") ? NF_SYNPROXY_OPT_SACK_PERM : 0);
        return 0;
}

/* Taken are the SYN and the ACK of a client; what else comes by goes on, as it does not by itself with nftables. */
static int add_synproxy(struct translate *t, const struct module *m)
{
        static const uint8_t flags[] = { SYN, ACK };
        char chain[RULESET_NAME_MAX + 1];
        struct statement want = {};
        int r = check_table(t, m, "filter");

        r = r < 0 ? r : check_protocol(t, m, false);
        r = r < 0 ? r : read_synproxy(t, m, &want);
        r = r < 0 ? r : translate_helper(t, chain);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(flags); i++) {
                struct rule *rule = translate_helper_rule(t, chain);
                struct match *match = rule ? rule_add_match(rule, MATCH_EQUAL, FIELD_L4PROTO) : NULL;
                struct statement *s;

                if (!match)
                        return -ENOMEM;
                match->value[0] = IPPROTO_TCP;
                match = rule_add_match(rule, MATCH_BITS, FIELD_TCP_FLAGS);
                s = match ? rule_add_statement(rule, STATEMENT_SYNPROXY) : NULL;
                if (!s)
                        return -ENOMEM;
                match->value[0] = flags[i];
                match->mask[0] = SYN_RST_ACK_FIN;
                s->rate = want.rate, s->burst = want.burst, s->flags = want.flags;
        }
        return r < 0 ? r : translate_helper_jump(t, chain);
}

static int add_strip(struct translate *t, const struct module *m)
{
        static const struct value_word names[] = { { "mss", 2 }, { "wscale", 3 }, { "sack-permitted", 4 }, { "sack", 5 }, { "timestamp", 8 }, { "md5", 19 }, {} };
        const struct given *g = given(m, "--strip-options");
        bool seen[OPTIONS_MAX] = {};
        int r = check_table(t, m, "mangle");

        r = r < 0 ? r : check_protocol(t, m, false);
        if (r >= 0 && !g)
                return translate_complain(t, m->at, NULL, "TCPOPTSTRIP needs --strip-options");
        for (const char *at = r < 0 ? "" : g->value; r >= 0; at++) {
                size_t length = strcspn(at, ",");
                struct statement *s;
                uint64_t number;
                unsigned kind;
                char name[20];

                snprintf(name, sizeof(name), "%.*s", (int)length, at);
                if (length >= sizeof(name) || (!parse_word(names, name, &kind) && (!parse_number(name, UINT8_MAX, &number) || (kind = (unsigned)number) < 2)))
                        return value_wrong(t, g);
                s = seen[kind] ? NULL : translate_statement(t, STATEMENT_STRIP);
                if (!s && !seen[kind])
                        return -ENOMEM;
                if (s)
                        s->rate = kind;
                seen[kind] = true;
                at += length;
                if (!*at)
                        break;
        }
        return r;
}

static int add_ecn(struct translate *t, const struct module *m)
{
        const struct given *ect = given(m, "--ecn-ip-ect"), *cwr = given(m, "--ecn-tcp-cwr"), *ece = given(m, "--ecn-tcp-ece");
        uint64_t value = 0, clear = given(m, "--ecn-tcp-remove") ? ECN_FLAGS : 0, flip = 0;
        int r = check_table(t, m, "mangle");

        if (r >= 0 && m->n_given == 0)
                r = translate_complain(t, m->at, NULL, "ECN needs an option");
        if (r >= 0 && ect)
                r = value_number(t, ect, ECN_BITS, &value);
        if (r >= 0 && ect)
                r = translate_change(t, FIELD_IP_TOS, 0xff & ~ECN_BITS, value);
        for (int i = 0; r >= 0 && i < 2; i++) {
                const struct given *g = i ? ece : cwr;
                uint64_t bit = i ? ECE : CWR;

                if (!g)
                        continue;
                r = value_number(t, g, 1, &value);
                clear |= bit;
                flip |= value ? bit : 0;
        }
        if (r < 0 || !clear)
                return r;
        r = check_protocol(t, m, false);
        return r < 0 ? r : translate_change(t, FIELD_TCP_FLAGS, 0xff & ~clear, flip);
}

/* What a packet has goes to a connection that has none yet, and the other way round. */
static int add_connsecmark(struct translate *t, const struct module *m)
{
        bool save = given(m, "--save"), restore = given(m, "--restore");
        enum field from = save ? FIELD_SECMARK : FIELD_CT_SECMARK, to = save ? FIELD_CT_SECMARK : FIELD_SECMARK;
        struct statement *s;
        int r;

        if (save == restore)
                return translate_complain(t, m->at, NULL, "CONNSECMARK needs --save or --restore");
        r = translate_number(t, from, 0, true);
        r = r < 0 ? r : translate_number(t, to, 0, false);
        s = r < 0 ? NULL : translate_statement(t, STATEMENT_COPY);
        if (!s)
                return -ENOMEM;
        s->field = to;
        s->fields[s->n_fields++] = from;
        memset(s->mask, 0xff, field_type(to)->size);
        return 0;
}

static int add_audit(struct translate *t, const struct module *m)
{
        static const struct value_word types[] = { { "accept", 0 }, { "drop", 1 }, { "reject", 2 }, {} };
        const struct given *g = given(m, "--type");
        struct statement *s;
        unsigned type;

        if (!g || !parse_word(types, g->value, &type))
                return g ? value_wrong(t, g) : translate_complain(t, m->at, NULL, "AUDIT needs --type");
        /* The kernel does not write the type. */
        s = translate_statement(t, STATEMENT_LOG);
        if (s)
                s->level = NFT_LOGLEVEL_AUDIT;
        return s ? 0 : -ENOMEM;
}

#define TARGET(id, family, function, ...)                                     \
        static const struct option_type id##_options[] = { __VA_ARGS__, {} }; \
        const struct module_type translate_target_##id = { #id, id##_options, function, family }

TARGET(TPROXY, 0, add_tproxy, { "--on-port", 1, false, NULL }, { "--on-ip", 1, false, NULL }, { "--tproxy-mark", 1, false, NULL });
TARGET(SYNPROXY, 0, add_synproxy, { "--mss", 1, false, NULL }, { "--wscale", 1, false, NULL }, { "--sack-perm", 0, false, NULL },
       { "--timestamp", 0, false, "--timestamps" }, { "--ecn", 0, false, NULL });
TARGET(TCPOPTSTRIP, 0, add_strip, { "--strip-options", 1, false, NULL });
TARGET(ECN, AF_INET, add_ecn, { "--ecn-tcp-remove", 0, false, NULL }, { "--ecn-tcp-cwr", 1, false, NULL }, { "--ecn-tcp-ece", 1, false, NULL },
       { "--ecn-ip-ect", 1, false, NULL });
TARGET(CONNSECMARK, 0, add_connsecmark, { "--save", 0, false, NULL }, { "--restore", 0, false, NULL });
TARGET(AUDIT, 0, add_audit, { "--type", 1, false, NULL });
