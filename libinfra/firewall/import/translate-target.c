/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Targets that judge, log and change; those that translate addresses stand in translate-nat.c. */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firewall/import/translate.h"

static int add_reject(struct translate *t, const struct module *m)
{
        static const struct value_word four[] = { { "icmp-net-unreachable", 0 }, { "net-unreach", 0 }, { "icmp-host-unreachable", 1 }, { "host-unreach", 1 },
                                                  { "icmp-proto-unreachable", 2 }, { "proto-unreach", 2 }, { "icmp-port-unreachable", 3 }, { "port-unreach", 3 },
                                                  { "icmp-net-prohibited", 9 }, { "net-prohib", 9 }, { "icmp-host-prohibited", 10 }, { "host-prohib", 10 },
                                                  { "icmp-admin-prohibited", 13 }, { "admin-prohib", 13 }, {} };
        static const struct value_word six[] = { { "icmp6-no-route", 0 }, { "no-route", 0 }, { "icmp6-adm-prohibited", 1 }, { "adm-prohibited", 1 },
                                                 { "icmp6-addr-unreachable", 3 }, { "addr-unreach", 3 }, { "icmp6-port-unreachable", 4 }, { "port-unreach", 4 },
                                                 { "icmp6-policy-fail", 5 }, { "policy-fail", 5 }, { "icmp6-reject-route", 6 }, { "reject-route", 6 }, {} };
        const struct given *with = given(m, "--reject-with");
        struct verdict *v = &t->verdict;

        if (!streq(t->from->name, "filter"))
                return translate_complain(t, m->at + 1, "reject in table filter", "table %s does not reject", t->from->name);
        v->kind = VERDICT_REJECT;
        v->to.family = t->from->family;
        v->reject_type = NFT_REJECT_ICMP_UNREACH;
        v->reject_code = t->from->family == AF_INET ? 3 : 4;
        if (!with)
                return 0;
        if (!streq(with->value, "tcp-reset") && !streq(with->value, "tcp-rst"))
                return parse_word(t->from->family == AF_INET ? four : six, with->value, &v->reject_code) ? 0 : value_wrong(t, with);
        if (t->protocol != IPPROTO_TCP)
                return translate_complain(t, with->at + 1, "add -p tcp", "only TCP can be reset");
        v->reject_type = NFT_REJECT_TCP_RST;
        v->reject_code = 0;
        v->to.family = 0;
        return 0;
}

static int read_prefix(struct translate *t, const struct given *g, size_t most, struct statement *s)
{
        if (!g)
                return 0;
        if (strlen(g->value) > most)
                return translate_complain(t, g->at + 1, NULL, "a prefix has at most %zu characters", most);
        if (strpbrk(g->value, "\"\\"))
                return translate_complain(t, g->at + 1, "leave them out", "nft knows no quotes or backslashes in a prefix");
        snprintf(s->prefix, sizeof(s->prefix), "%s", g->value);
        return 0;
}

static int add_log(struct translate *t, const struct module *m)
{
        static const struct value_word levels[] = { { "emerg", 0 }, { "panic", 0 }, { "alert", 1 }, { "crit", 2 }, { "err", 3 }, { "error", 3 },
                                                    { "warn", 4 }, { "warning", 4 }, { "notice", 5 }, { "info", 6 }, { "debug", 7 }, {} };
        static const struct value_word flags[] = { { "--log-tcp-sequence", 1 }, { "--log-tcp-options", 2 }, { "--log-ip-options", 4 },
                                                   { "--log-uid", 8 }, { "--log-macdecode", 0x20 }, {} };
        const struct given *level = given(m, "--log-level");
        struct statement *s = translate_statement(t, STATEMENT_LOG);
        uint64_t number;
        unsigned flag;

        if (!s)
                return -ENOMEM;
        if (level && !parse_word(levels, level->value, &s->level)) {
                if (!parse_number(level->value, 7, &number))
                        return value_wrong(t, level);
                s->level = (unsigned)number;
        }
        for (size_t i = 0; i < m->n_given; i++)
                if (parse_word(flags, m->given[i].name, &flag))
                        s->flags |= flag;
        return read_prefix(t, given(m, "--log-prefix"), 29, s);
}

static int add_nflog(struct translate *t, const struct module *m)
{
        const struct given *group = given(m, "--nflog-group"), *size = given(m, "--nflog-size"), *threshold = given(m, "--nflog-threshold");
        const struct given *range = given(m, "--nflog-range");
        struct statement *s = translate_statement(t, STATEMENT_LOG);
        uint64_t number = 0;

        if (!s)
                return -ENOMEM;
        if (range)
                return translate_complain(t, range->at, "--nflog-size", "--nflog-range has no effect in the kernel");
        s->has_group = true;
        if (group && !parse_number(group->value, UINT16_MAX, &number))
                return value_wrong(t, group);
        s->group = (uint16_t)number;
        if (size && !parse_number(size->value, UINT32_MAX, &number))
                return value_wrong(t, size);
        s->snap = size ? (uint32_t)number : 0;
        if (threshold && !parse_number(threshold->value, UINT16_MAX, &number))
                return value_wrong(t, threshold);
        s->threshold = threshold ? (uint16_t)number : 0;
        return read_prefix(t, given(m, "--nflog-prefix"), 63, s);
}

/* What --set-mark and its kin do: which bits stay, which then turn. */
static int set_mark(struct translate *t, const struct given *g, enum field f)
{
        uint64_t value, mask;
        int r = value_masked(t, g, UINT32_MAX, &value, &mask);

        if (r < 0)
                return r;
        if (streq(g->name, "--set-xmark"))
                return translate_change(t, f, ~mask & UINT32_MAX, value);
        if (streq(g->name, "--set-mark"))
                return translate_change(t, f, ~(mask | value) & UINT32_MAX, value);
        if (strchr(g->value, '/'))
                return value_wrong(t, g);
        if (streq(g->name, "--and-mark"))
                return translate_change(t, f, value, 0);
        return streq(g->name, "--or-mark") ? translate_change(t, f, ~value & UINT32_MAX, value) : translate_change(t, f, UINT32_MAX, value);
}

static int add_mark(struct translate *t, const struct module *m)
{
        return m->n_given == 1 ? set_mark(t, &m->given[0], FIELD_MARK) : translate_complain(t, m->at, NULL, "MARK needs one value to set");
}

static struct statement *flip(struct rule *r, enum field f, uint64_t keep, uint64_t bits)
{
        struct statement *s = r ? rule_add_statement(r, STATEMENT_SET) : NULL;

        if (s) {
                s->field = f;
                field_put_number(f, keep, s->mask);
                field_put_number(f, bits, s->value);
        }
        return s;
}

/* Bits of one mark into another, which keeps the rest: bit by bit, since nftables takes a value from one place only. */
static int copy_bits(struct translate *t, enum field from, uint64_t taken, enum field to, uint64_t cleared)
{
        char chain[RULESET_NAME_MAX + 1];
        /* Without a connection nothing is done; only the direction of one can be asked for without asking anything. */
        int r = from == FIELD_CT_MARK ? translate_range(t, FIELD_CT_DIRECTION, 0, 1, false) : 0;

        r = r < 0 ? r : translate_helper(t, chain);
        if (r >= 0 && !flip(translate_helper_rule(t, chain), to, ~cleared & UINT32_MAX, 0))
                r = -ENOMEM;
        for (uint64_t bit = 1; r >= 0 && bit <= UINT32_MAX; bit <<= 1) {
                struct rule *rule = taken & bit ? translate_helper_rule(t, chain) : NULL;
                struct match *m = rule ? rule_add_match(rule, MATCH_ANY_BIT, from) : NULL;

                if (!(taken & bit))
                        continue;
                if (!m || !flip(rule, to, UINT32_MAX, bit))
                        return -ENOMEM;
                field_put_number(from, bit, m->mask);
        }
        return r < 0 ? r : translate_helper_jump(t, chain);
}

/* One mark is copied to the other. */
static int copy_mark(struct translate *t, const struct module *m, bool save)
{
        const struct given *nfmask = given(m, "--nfmask"), *ctmask = given(m, "--ctmask"), *mask = given(m, "--mask");
        uint64_t from = UINT32_MAX, to = UINT32_MAX;
        struct statement *s;

        if (mask && (!parse_number(mask->value, UINT32_MAX, &from)))
                return value_wrong(t, mask);
        if (mask)
                to = from;
        if (nfmask && !parse_number(nfmask->value, UINT32_MAX, save ? &from : &to))
                return value_wrong(t, nfmask);
        if (ctmask && !parse_number(ctmask->value, UINT32_MAX, save ? &to : &from))
                return value_wrong(t, ctmask);
        if (to != UINT32_MAX)
                return copy_bits(t, save ? FIELD_MARK : FIELD_CT_MARK, from, save ? FIELD_CT_MARK : FIELD_MARK, to);
        s = translate_statement(t, STATEMENT_COPY);
        if (!s)
                return -ENOMEM;
        s->field = save ? FIELD_CT_MARK : FIELD_MARK;
        s->fields[s->n_fields++] = save ? FIELD_MARK : FIELD_CT_MARK;
        field_put_number(s->field, from, s->mask);
        return 0;
}

static int add_connmark(struct translate *t, const struct module *m)
{
        const struct given *save = given(m, "--save-mark"), *restore = given(m, "--restore-mark");

        if (save || restore)
                return copy_mark(t, m, save);
        return m->n_given == 1 ? set_mark(t, &m->given[0], FIELD_CT_MARK) : translate_complain(t, m->at, NULL, "CONNMARK needs one thing to do");
}

static int add_tcpmss(struct translate *t, const struct module *m)
{
        const struct given *mss = given(m, "--set-mss");
        uint64_t value = 0;

        if (m->n_given != 1)
                return translate_complain(t, m->at, NULL, "TCPMSS needs --set-mss or --clamp-mss-to-pmtu");
        if (mss && (!parse_number(mss->value, UINT16_MAX, &value) || value == 0))
                return value_wrong(t, mss);
        if (t->protocol != IPPROTO_TCP)
                return translate_complain(t, m->at, "add -p tcp --syn", "TCPMSS needs -p tcp");
        return translate_change(t, FIELD_TCP_MSS, 0, value);
}

static int add_classify(struct translate *t, const struct module *m)
{
        const struct given *g = given(m, "--set-class");
        unsigned major, minor;
        int n = 0;

        if (!g || sscanf(g->value, "%4x:%4x%n", &major, &minor, &n) != 2 || g->value[n])
                return g ? value_wrong(t, g) : translate_complain(t, m->at, NULL, "CLASSIFY needs --set-class");
        return translate_change(t, FIELD_PRIORITY, 0, (uint64_t)major << 16 | minor);
}

static int change_class(struct translate *t, uint64_t keep, uint64_t flip)
{
        return t->from->family == AF_INET ? translate_change(t, FIELD_IP_TOS, keep & 0xff, flip) : translate_change(t, FIELD_IP6_CLASS, 0xf00f | (keep & 0xff) << 4, flip << 4);
}

static int add_tos(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given == 1 ? &m->given[0] : NULL;
        uint64_t value, mask;
        unsigned class;

        if (!g)
                return translate_complain(t, m->at, NULL, "%s needs one value to set", m->type->name);
        if (streq(g->name, "--set-dscp-class"))
                return parse_dscp(g->value, &class) ? change_class(t, 0x03, (uint64_t)class << 2) : value_wrong(t, g);
        if (streq(g->name, "--set-dscp"))
                return parse_number(g->value, 63, &value) ? change_class(t, 0x03, value << 2) : value_wrong(t, g);
        if (streq(g->name, "--set-tos"))
                return parse_tos(g->value, &value, &mask) ? change_class(t, ~mask, value) : value_wrong(t, g);
        if (!parse_number(g->value, 0xff, &value))
                return value_wrong(t, g);
        if (streq(g->name, "--and-tos"))
                return change_class(t, value, 0);
        return streq(g->name, "--or-tos") ? change_class(t, ~value, value) : change_class(t, 0xff, value);
}

static int add_ttl(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given == 1 ? &m->given[0] : NULL;
        uint64_t value;

        if (!g || !endswith(g->name, "-set"))
                return translate_complain(t, g ? g->at : m->at, "set it to a value", "only %s --%s-set has a counterpart here", m->type->name,
                                          streq(m->type->name, "TTL") ? "ttl" : "hl");
        return parse_number(g->value, 255, &value) ? translate_change(t, t->from->family == AF_INET ? FIELD_IP_TTL : FIELD_IP6_HOPLIMIT, 0, value) : value_wrong(t, g);
}

static int add_bare(struct translate *t, const struct module *m)
{
        return translate_statement(t, streq(m->type->name, "TRACE") ? STATEMENT_TRACE : STATEMENT_NOTRACK) ? 0 : -ENOMEM;
}

/* Zones are of connections that begin with the packet; events could only be chosen when that has been done. */
static int add_ct(struct translate *t, const struct module *m)
{
        static const struct {
                const char *name;
                enum field field;
        } zones[] = { { "--zone", FIELD_CT_ZONE }, { "--zone-orig", FIELD_CT_ORIG_ZONE }, { "--zone-reply", FIELD_CT_REPLY_ZONE } };
        const struct given *g = m->n_given == 1 ? &m->given[0] : NULL;
        uint64_t zone;
        int r;

        if (!streq(t->from->name, "raw"))
                return translate_complain(t, m->at + 1, NULL, "CT is for table raw");
        if (g && streq(g->name, "--notrack"))
                return add_bare(t, m);
        if (g && streq(g->name, "--helper"))
                return translate_ct_helper(t, g);
        for (size_t i = 0; g && i < ELEMENTS(zones); i++)
                if (streq(g->name, zones[i].name)) {
                        if (streq(g->value, "mark"))
                                return translate_complain(t, g->at + 1, "a rule for each mark", "nftables makes no zone of a mark of any size");
                        r = value_number(t, g, UINT16_MAX, &zone);
                        return r < 0 ? r : translate_change(t, zones[i].field, 0, zone);
                }
        for (size_t i = 0; i < m->n_given; i++)
                if (!startswith(m->given[i].name, "--zone") && !streq(m->given[i].name, "--notrack"))
                        return translate_complain(t, m->given[i].at, "--notrack, --zone or --helper alone", "nftables knows a connection for %s only behind table raw",
                                                  m->given[i].name);
        return translate_complain(t, m->at, "--notrack, --zone or --helper", "CT needs one thing to do");
}

static int add_queue(struct translate *t, const struct module *m)
{
        const struct given *number = given(m, "--queue-num"), *balance = given(m, "--queue-balance"), *g = number ? number : balance;
        struct number_range range = {};
        int r = 0;

        if (number && balance)
                return translate_complain(t, balance->at, NULL, "--queue-num and --queue-balance exclude each other");
        if (g)
                r = value_range(t, g, balance ? ':' : ',', UINT16_MAX, &range);
        t->verdict.kind = VERDICT_QUEUE;
        t->verdict.queue_first = (uint16_t)range.first;
        t->verdict.queue_last = (uint16_t)range.last;
        t->verdict.queue_flags = (given(m, "--queue-bypass") ? NFT_QUEUE_FLAG_BYPASS : 0) | (given(m, "--queue-cpu-fanout") ? NFT_QUEUE_FLAG_CPU_FANOUT : 0);
        return r;
}

#define TARGET(id, family, function, ...)                                      \
        static const struct option_type id##_options[] = { __VA_ARGS__ __VA_OPT__(,) {} }; \
        const struct module_type translate_target_##id = { #id, id##_options, function, family }

TARGET(REJECT, 0, add_reject, { "--reject-with", 1, false, NULL });
TARGET(LOG, 0, add_log, { "--log-level", 1, false, NULL }, { "--log-prefix", 1, false, NULL }, { "--log-tcp-sequence", 0, false, NULL },
       { "--log-tcp-options", 0, false, NULL }, { "--log-ip-options", 0, false, NULL }, { "--log-uid", 0, false, NULL },
       { "--log-macdecode", 0, false, NULL });
TARGET(NFLOG, 0, add_nflog, { "--nflog-group", 1, false, NULL }, { "--nflog-prefix", 1, false, NULL }, { "--nflog-size", 1, false, NULL },
       { "--nflog-range", 1, false, NULL }, { "--nflog-threshold", 1, false, NULL });
TARGET(MARK, 0, add_mark, { "--set-mark", 1, false, NULL }, { "--set-xmark", 1, false, NULL }, { "--and-mark", 1, false, NULL },
       { "--or-mark", 1, false, NULL }, { "--xor-mark", 1, false, NULL });
TARGET(CONNMARK, 0, add_connmark, { "--set-mark", 1, false, NULL }, { "--set-xmark", 1, false, NULL }, { "--and-mark", 1, false, NULL },
       { "--or-mark", 1, false, NULL }, { "--xor-mark", 1, false, NULL }, { "--save-mark", 0, false, NULL }, { "--restore-mark", 0, false, NULL },
       { "--nfmask", 1, false, NULL }, { "--ctmask", 1, false, NULL }, { "--mask", 1, false, NULL });
TARGET(TCPMSS, 0, add_tcpmss, { "--set-mss", 1, false, NULL }, { "--clamp-mss-to-pmtu", 0, false, NULL });
TARGET(CLASSIFY, 0, add_classify, { "--set-class", 1, false, NULL });
TARGET(TOS, 0, add_tos, { "--set-tos", 1, false, NULL }, { "--and-tos", 1, false, NULL }, { "--or-tos", 1, false, NULL }, { "--xor-tos", 1, false, NULL });
TARGET(DSCP, 0, add_tos, { "--set-dscp", 1, false, NULL }, { "--set-dscp-class", 1, false, NULL });
TARGET(TTL, AF_INET, add_ttl, { "--ttl-set", 1, false, NULL }, { "--ttl-inc", 1, false, NULL }, { "--ttl-dec", 1, false, NULL });
TARGET(HL, AF_INET6, add_ttl, { "--hl-set", 1, false, NULL }, { "--hl-inc", 1, false, NULL }, { "--hl-dec", 1, false, NULL });
TARGET(NOTRACK, 0, add_bare);
TARGET(TRACE, 0, add_bare);
TARGET(CT, 0, add_ct, { "--notrack", 0, false, NULL }, { "--helper", 1, false, NULL }, { "--zone", 1, false, NULL }, { "--zone-orig", 1, false, NULL },
       { "--zone-reply", 1, false, NULL }, { "--timeout", 1, false, NULL }, { "--ctevents", 1, false, NULL }, { "--expevents", 1, false, NULL });
TARGET(NFQUEUE, 0, add_queue, { "--queue-num", 1, false, NULL }, { "--queue-balance", 1, false, NULL }, { "--queue-bypass", 0, false, NULL },
       { "--queue-cpu-fanout", 0, false, NULL });
