/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every match, statement and verdict into the real kernel and back, in a network namespace of this process. */

#include "../testing.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <errno.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <sched.h>

#include "base/macro.h"
#include "base/process.h"
#include "firewall/rule.h"
#include "sample.h"

static bool own_namespace;

static struct rule *rule(struct chain *c, enum verdict_kind kind)
{
        struct rule *r = chain_add_rule(c, kind, NULL);

        assert_non_null(r);
        return r;
}

static struct match *number(struct rule *r, enum match_kind kind, enum field f, uint64_t value, uint64_t mask)
{
        struct match *m = rule_add_match(r, kind, f);

        assert_non_null(m);
        field_put_number(f, value, m->value);
        if (kind != MATCH_EQUAL)
                field_put_number(f, mask, m->mask);
        return m;
}

static struct match *address(struct rule *r, enum match_kind kind, enum field f, const char *value, const char *mask)
{
        struct match *m = rule_add_match(r, kind, f);
        struct address a = sample_address(value);

        memcpy(m->value, a.bytes, field_type(f)->size);
        a = mask ? sample_address(mask) : a;
        if (mask)
                memcpy(m->mask, a.bytes, field_type(f)->size);
        return m;
}

static struct rule *of(struct chain *c, enum verdict_kind kind, unsigned family, unsigned protocol)
{
        struct rule *r = rule(c, kind);

        if (family)
                number(r, MATCH_EQUAL, FIELD_NFPROTO, family, 0);
        if (protocol)
                number(r, MATCH_EQUAL, FIELD_L4PROTO, protocol, 0);
        return r;
}

static void add_comparisons(struct chain *c)
{
        static const enum field hosts[] = { FIELD_MARK, FIELD_CT_MARK, FIELD_SKUID, FIELD_SKGID, FIELD_LENGTH, FIELD_CPU,
                                            FIELD_IIFGROUP, FIELD_OIFGROUP, FIELD_CGROUP, FIELD_REALM, FIELD_PRIORITY };

        for (size_t i = 0; i < ELEMENTS(hosts); i++) {
                number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, hosts[i], 1000, 0);
                number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, hosts[i], 7, 0)->negated = true;
                number(rule(c, VERDICT_DROP), MATCH_BITS, hosts[i], 0x10, 0xf0);
                number(rule(c, VERDICT_DROP), MATCH_BITS, hosts[i], 0x20, 0xf0)->negated = true;
                number(rule(c, VERDICT_DROP), MATCH_RANGE, hosts[i], 300, 70000);
                number(rule(c, VERDICT_DROP), MATCH_RANGE, hosts[i], 300, 70000)->negated = true;
        }
        for (int negated = 0; negated < 2; negated++) {
                number(of(c, VERDICT_ACCEPT, 0, IPPROTO_TCP), MATCH_RANGE, FIELD_DPORT, 1024, 65535)->negated = negated;
                number(of(c, VERDICT_ACCEPT, 0, IPPROTO_UDP), MATCH_EQUAL, FIELD_SPORT, 53, 0)->negated = negated;
                number(of(c, VERDICT_DROP, 0, IPPROTO_TCP), MATCH_BITS, FIELD_TCP_FLAGS, 0x02, 0x17)->negated = negated;
                number(of(c, VERDICT_DROP, 0, IPPROTO_TCP), MATCH_BITS, FIELD_TCP_FLAGS, 0, 0x3f);
                number(rule(c, VERDICT_ACCEPT), MATCH_ANY_BIT, FIELD_CT_STATE, 0, 6)->negated = negated;
                number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_CT_STATE, 8, 0)->negated = negated;
                number(rule(c, VERDICT_ACCEPT), MATCH_ANY_BIT, FIELD_CT_STATUS, 0, 0x20)->negated = negated;
                address(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_BITS, FIELD_IP_SADDR, "192.0.2.0", "255.255.255.0")->negated = negated;
                address(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_RANGE, FIELD_IP_DADDR, "192.0.2.9", "192.0.2.77")->negated = negated;
                address(of(c, VERDICT_DROP, NFPROTO_IPV6, 0), MATCH_RANGE, FIELD_IP6_DADDR, "2001:db8::1", "2001:db8::9:1")->negated = negated;
                memcpy(number(rule(c, VERDICT_DROP), MATCH_BITS, FIELD_IIFNAME, 0, 0)->mask, "\xff\xff\xff", 3);
                memcpy(c->rules[c->n_rules - 1].matches[0].value, "eno", 3);
                c->rules[c->n_rules - 1].matches[0].negated = negated;
        }
        address(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_BITS, FIELD_IP_SADDR, "10.0.0.5", "255.0.0.255");
        address(of(c, VERDICT_DROP, NFPROTO_IPV6, 0), MATCH_BITS, FIELD_IP6_SADDR, "2001:db8::", "ffff:ffff::");
        number(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_ANY_BIT, FIELD_IP_FRAGMENT, 0, 0x1fff);
        number(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_BITS, FIELD_IP_TOS, 0x28, 0xfc);
        number(of(c, VERDICT_DROP, NFPROTO_IPV6, 0), MATCH_BITS, FIELD_IP6_CLASS, 0x0280, 0x0fc0);
        number(of(c, VERDICT_DROP, NFPROTO_IPV4, 0), MATCH_RANGE, FIELD_IP_TTL, 0, 9);
        number(of(c, VERDICT_DROP, NFPROTO_IPV6, 0), MATCH_EQUAL, FIELD_IP6_HOPLIMIT, 255, 0);
        number(of(c, VERDICT_ACCEPT, NFPROTO_IPV4, IPPROTO_ICMP), MATCH_EQUAL, FIELD_ICMP_TYPE, 3, 0);
        number(&c->rules[c->n_rules - 1], MATCH_EQUAL, FIELD_ICMP_CODE, 4, 0);
        number(of(c, VERDICT_ACCEPT, NFPROTO_IPV6, IPPROTO_ICMPV6), MATCH_EQUAL, FIELD_ICMPV6_TYPE, 1, 0);
        number(&c->rules[c->n_rules - 1], MATCH_EQUAL, FIELD_ICMPV6_CODE, 2, 0);
        number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_PKTTYPE, 2, 0);
        number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_FIB_SADDR_TYPE, 2, 0);
        number(rule(c, VERDICT_DROP), MATCH_EQUAL, FIELD_CT_DIRECTION, 1, 0);
        memcpy(number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_ETHER_SADDR, 0, 0)->value, "\x02\x00\x5e\x10\x00\x01", 6);
        memcpy(number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_CT_HELPER, 0, 0)->value, "ftp", 3);
        number(rule(c, VERDICT_ACCEPT), MATCH_EQUAL, FIELD_SECPATH, 1, 0);
        number(of(c, VERDICT_ACCEPT, 0, IPPROTO_TCP), MATCH_EQUAL, FIELD_CT_ORIG_DPORT, 8080, 0);
        address(of(c, VERDICT_ACCEPT, NFPROTO_IPV4, 0), MATCH_EQUAL, FIELD_CT_ORIG_IP_DADDR, "198.51.100.1", NULL);
}

/* What a rule must say before such a field is looked at. */
static struct rule *rule_for(struct chain *c, enum field f)
{
        enum field_source source = field_type(f)->source;
        const char *text = field_type(f)->text;
        unsigned protocol = source == SOURCE_TCP_OPTION_EXISTS ? IPPROTO_TCP
                            : source == SOURCE_SCTP_CHUNK_EXISTS ? IPPROTO_SCTP
                            : f == FIELD_AH_SPI                  ? IPPROTO_AH
                            : f == FIELD_ESP_SPI                 ? IPPROTO_ESP
                            : f == FIELD_COMP_CPI                ? IPPROTO_COMP
                            : f == FIELD_DCCP_TYPE               ? IPPROTO_DCCP
                            : f == FIELD_MH_TYPE                 ? IPPROTO_MH
                            : strstr(text, "proto-")             ? IPPROTO_TCP
                                                                 : 0;
        bool six = source == SOURCE_IP6_HEADER || source == SOURCE_IP6_HEADER_EXISTS || strstr(text, "ip6");

        return of(c, VERDICT_ACCEPT, six ? NFPROTO_IPV6 : strstr(text, " ip ") ? NFPROTO_IPV4 : 0, protocol);
}

/* Each of those that need no place of their own: a value, the others, and where there is an order a range. */
static void add_further_fields(struct chain *c)
{
        for (int i = FIELD_FIB_SADDR_OIF + 1; i < FIELD_MAX; i++) {
                enum field f = (enum field)i;
                bool exists = streq(field_type(f)->datatype_name, "boolean") || (field_type(f)->source == SOURCE_SOCKET && f != FIELD_SOCKET_MARK);

                /* nft lists these, but does not read them. */
                if (f == FIELD_SECMARK || f == FIELD_CT_SECMARK || f == FIELD_FRAG_OFFSET || f == FIELD_CT_LABEL)
                        continue;
                for (int negated = 0; negated < 2; negated++) {
                        struct match *m;

                        if (f == FIELD_DCCP_TYPE) {
                                number(rule_for(c, f), MATCH_BITS, f, 0x12, 0x1e)->negated = negated;
                                continue;
                        }
                        m = number(rule_for(c, f), MATCH_EQUAL, f, exists ? !negated : f == FIELD_TIME ? 1800000000 * SECOND_NS : 5, 0);
                        m->negated = negated && !exists;
                        if (exists || field_type(f)->source == SOURCE_FIB || f == FIELD_DAY)
                                continue;
                        if (f == FIELD_TIME)
                                number(rule_for(c, f), MATCH_RANGE, f, 1800000000 * SECOND_NS, 1800000900 * SECOND_NS - 1)->negated = negated;
                        else
                                number(rule_for(c, f), MATCH_RANGE, f, 3, 200)->negated = negated;
                }
        }
        number(of(c, VERDICT_DROP, 0, IPPROTO_TCP), MATCH_RANGE, FIELD_TCP_MSS, 1, 535);
        number(rule_for(c, FIELD_FRAG_OFFSET), MATCH_BITS, FIELD_FRAG_OFFSET, 0x28, 0xfff8);
        number(rule_for(c, FIELD_FRAG_OFFSET), MATCH_BITS, FIELD_FRAG_OFFSET, 0x1, 0x1);
        number(rule_for(c, FIELD_FRAG_OFFSET), MATCH_BITS, FIELD_FRAG_OFFSET, 0x2, 0x6)->negated = true;
        number(rule(c, VERDICT_DROP), MATCH_RANGE, FIELD_CT_BYTES, UINT64_C(1) << 40, UINT64_MAX);
}

/* Only before the routing decision. */
static void add_path_checks(struct chain *c)
{
        number(rule(c, VERDICT_DROP), MATCH_EQUAL, FIELD_FIB_SADDR_OIF, 0, 0);
        rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_NOTRACK);
        rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_TRACE);
}

static struct statement *statement(struct chain *c, enum statement_kind kind)
{
        return rule_add_statement(of(c, VERDICT_DROP, NFPROTO_IPV4, IPPROTO_TCP), kind);
}

static void add_logs(struct chain *c)
{
        struct statement *s = statement(c, STATEMENT_LOG);

        strcpy(s->prefix, "infra drop: ");
        s = statement(c, STATEMENT_LOG);
        s->level = 6;
        s->flags = 0x08 | 0x04 | 0x03;
        s = statement(c, STATEMENT_LOG);
        s->has_group = true;
        s->group = 7;
        s->snap = 80;
        s->threshold = 3;
}

/* Networks that are counted by, not addresses. */
static void add_networks(struct chain *c)
{
        struct statement *s = statement(c, STATEMENT_CONNECTIONS);

        s->rate = 10;
        strcpy(s->name, "flows");
        s->fields[0] = FIELD_IP_SADDR, s->n_fields = 1;
        memset(s->mask, 0xff, 3);
        s = statement(c, STATEMENT_METER);
        s->rate = 20, s->per_s = 60, s->burst = 5;
        strcpy(s->name, "pairs");
        s->fields[0] = FIELD_IP_SADDR, s->fields[1] = FIELD_IP_DADDR, s->fields[2] = FIELD_DPORT, s->n_fields = 3;
        memset(s->mask, 0xff, 3);
        memset(s->value, 0xff, 2);
}

static void add_proxies(struct chain *before, struct chain *in)
{
        static const char *const addresses[] = { "127.0.0.1", "::1", NULL, "10.0.0.1" };
        struct statement *s;

        for (size_t i = 0; i < ELEMENTS(addresses); i++) {
                struct address a = addresses[i] ? sample_address(addresses[i]) : (struct address){ .family = AF_INET6 };

                s = rule_add_statement(of(before, VERDICT_ACCEPT, a.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6, IPPROTO_TCP), STATEMENT_TPROXY);
                s->to.family = a.family;
                s->to.port_first = s->to.port_last = i < 3 ? 8080 : 0;
                memcpy(s->to.first, a.bytes, 16);
                memcpy(s->to.last, a.bytes, 16);
        }
        s = rule_add_statement(of(in, VERDICT_CONTINUE, 0, IPPROTO_TCP), STATEMENT_SYNPROXY);
        s->rate = 1460, s->burst = 7, s->flags = 0x0f;
        rule_add_statement(of(in, VERDICT_CONTINUE, 0, IPPROTO_TCP), STATEMENT_SYNPROXY);
}

/* Before connections are looked up, and what security has marked. */
static void add_zones(struct chain *c)
{
        static const enum field zones[] = { FIELD_CT_ZONE, FIELD_CT_ORIG_ZONE, FIELD_CT_REPLY_ZONE };
        struct statement *s;

        field_put_bit(77, rule_add_match(rule(c, VERDICT_CONTINUE), MATCH_ANY_BIT, FIELD_CT_LABEL)->mask);
        s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_SET);
        s->field = FIELD_CT_LABEL;
        field_put_bit(5, s->value);
        statement_keep_labels(s);
        for (size_t i = 0; i < ELEMENTS(zones); i++) {
                s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_SET);
                s->field = zones[i];
                field_put_number(zones[i], 5, s->value);
        }
        s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_COPY);
        s->field = FIELD_MARK, s->fields[0] = FIELD_SOCKET_MARK, s->n_fields = 1;
        memset(s->mask, 0xff, 4);
        for (int i = 0; i < 2; i++) {
                s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_COPY);
                s->field = i ? FIELD_SECMARK : FIELD_CT_SECMARK;
                s->fields[0] = i ? FIELD_CT_SECMARK : FIELD_SECMARK, s->n_fields = 1;
                memset(s->mask, 0xff, 4);
        }
}

static void add_statements(struct chain *c)
{
        struct statement *s;

        statement(c, STATEMENT_COUNTER);
        for (int over = 0; over < 2; over++) {
                s = statement(c, STATEMENT_LIMIT);
                s->rate = 20, s->per_s = 60, s->burst = 5, s->over = over;
                s = statement(c, STATEMENT_LIMIT);
                s->rate = 2000, s->per_s = 1, s->burst = 9000, s->bytes = true, s->over = over;
                s = statement(c, STATEMENT_CONNECTIONS);
                s->rate = 10, s->over = over;
                s = statement(c, STATEMENT_QUOTA);
                s->rate = 1000000, s->over = over;
                s = statement(c, STATEMENT_NUMGEN);
                s->random = over, s->burst = 65536, s->rate = over ? 3000 : 0;
                s = statement(c, STATEMENT_METER);
                s->rate = 20, s->per_s = 60, s->burst = 5, s->over = over;
                strcpy(s->name, "rates");
                s->fields[0] = FIELD_IP_SADDR, s->fields[1] = FIELD_DPORT, s->n_fields = 2;
                s = statement(c, STATEMENT_CONNECTIONS);
                s->rate = 10, s->over = over;
                strcpy(s->name, "flows");
                s->fields[0] = FIELD_IP_SADDR, s->n_fields = 1;
        }
        add_networks(c);
        s = statement(c, STATEMENT_NUMGEN);
        s->burst = 5, s->rate = 3, s->over = true;
        s = statement(c, STATEMENT_STRIP);
        s->rate = 4;
        strcpy(statement(c, STATEMENT_HELPER)->name, "ftp-tcp-4");
        strcpy(statement(c, STATEMENT_HELPER)->name, "ftp-tcp-6");
        strcpy(statement(c, STATEMENT_HELPER)->name, "ftp-tcp-4");
        s = statement(c, STATEMENT_LOG);
        s->level = 8; /* audit */
        add_logs(c);
}

static void add_changes(struct chain *c)
{
        static const struct {
                enum field field;
                uint64_t value, mask;
        } rows[] = {
                { FIELD_MARK, 0x11, 0 },       { FIELD_MARK, 0x10, 0xffffff0f }, { FIELD_CT_MARK, 5, 0 },
                { FIELD_PRIORITY, 0x10001, 0 }, { FIELD_IP_TOS, 0x28, 0x03 },    { FIELD_IP_TTL, 64, 0 },
                { FIELD_IP6_HOPLIMIT, 64, 0 }, { FIELD_IP6_CLASS, 0x0280, 0xf03f }, { FIELD_TCP_MSS, 1400, 0 },
                { FIELD_TCP_MSS, 0, 0 },       { FIELD_TCP_FLAGS, 0, 0x3f },     { FIELD_TCP_FLAGS, 0x40, 0x3f },
        };
        struct statement *s;

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct rule *r = of(c, VERDICT_CONTINUE, rows[i].field == FIELD_IP6_HOPLIMIT || rows[i].field == FIELD_IP6_CLASS ? NFPROTO_IPV6 : NFPROTO_IPV4,
                                    IPPROTO_TCP);

                s = rule_add_statement(r, STATEMENT_SET);
                s->field = rows[i].field;
                field_put_number(s->field, rows[i].value, s->value);
                field_put_number(s->field, rows[i].mask, s->mask);
        }
        s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_COPY);
        s->field = FIELD_CT_MARK, s->fields[0] = FIELD_MARK, s->n_fields = 1;
        memset(s->mask, 0xff, 4);
        s = rule_add_statement(rule(c, VERDICT_CONTINUE), STATEMENT_COPY);
        s->field = FIELD_MARK, s->fields[0] = FIELD_CT_MARK, s->n_fields = 1;
        field_put_number(FIELD_MARK, 0xff, s->mask);
}

static void add_verdicts(struct chain *c)
{
        static const unsigned families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
        struct verdict *v;

        rule(c, VERDICT_RETURN);
        strcpy(rule(c, VERDICT_JUMP)->verdict.name, "other");
        strcpy(rule(c, VERDICT_GOTO)->verdict.name, "other");
        for (size_t i = 0; i < 2; i++) {
                for (unsigned code = 0; code < 4; code++) {
                        v = &of(c, VERDICT_REJECT, families[i], 0)->verdict;
                        v->to.family = i ? AF_INET6 : AF_INET;
                        v->reject_code = code == 2 && i ? 4 : code;
                }
        }
        v = &of(c, VERDICT_REJECT, 0, IPPROTO_TCP)->verdict;
        v->reject_type = NFT_REJECT_TCP_RST;
        v = &rule(c, VERDICT_REJECT)->verdict;
        v->reject_type = NFT_REJECT_ICMPX_UNREACH, v->reject_code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;
}

static struct translation *translation(struct chain *c, enum verdict_kind kind, const char *first, const char *last)
{
        struct address a = first ? sample_address(first) : (struct address){};
        struct translation *to = &of(c, kind, a.family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4, IPPROTO_TCP)->verdict.to;

        to->family = a.family;
        memcpy(to->first, a.bytes, 16);
        a = last ? sample_address(last) : a;
        memcpy(to->last, a.bytes, 16);
        return to;
}

static void ports(struct translation *to, uint16_t first, uint16_t last, unsigned flags)
{
        to->port_first = first;
        to->port_last = last;
        to->flags = flags;
}

static void add_translations(struct chain *c, bool out)
{
        enum verdict_kind kind = out ? VERDICT_SNAT : VERDICT_DNAT;

        translation(c, kind, "10.0.0.17", NULL);
        translation(c, kind, "10.0.0.17", "10.0.0.20");
        translation(c, kind, "2001:db8::17", NULL);
        ports(translation(c, kind, "10.0.0.17", NULL), 25, 25, 0);
        ports(translation(c, kind, "2001:db8::17", NULL), 25, 30, NF_NAT_RANGE_PROTO_RANDOM);
        ports(translation(c, kind, "10.0.0.17", "10.0.0.20"), 1024, 65535, NF_NAT_RANGE_PERSISTENT);
        translation(c, kind, "10.9.0.0", "10.9.0.255")->netmap = true;
        if (out) {
                translation(c, VERDICT_MASQUERADE, NULL, NULL);
                ports(translation(c, VERDICT_MASQUERADE, NULL, NULL), 1024, 65535, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
        } else {
                translation(c, VERDICT_REDIRECT, NULL, NULL);
                ports(translation(c, VERDICT_REDIRECT, NULL, NULL), 3128, 3128, 0);
        }
}

static struct element *element(struct set *s)
{
        struct element *e = ARRAY_ADD(s->elements, s->n_elements);

        assert_non_null(e);
        return e;
}

static void add_sets(struct table *t, struct chain *c)
{
        static const enum field address_field = FIELD_IP_SADDR, port_field = FIELD_DPORT, both[] = { FIELD_IP_SADDR, FIELD_DPORT };
        static const enum field pairs[] = { FIELD_IP_SADDR, FIELD_IP_DADDR, FIELD_DPORT };
        struct set *s = table_add_set(t, "rates", DATA_NONE, false, both, 2);
        struct match *m;

        s->dynamic = s->timeout = true, s->timeout_ms = 120000, s->size = 65535;
        s = table_add_set(t, "pairs", DATA_NONE, false, pairs, 3);
        s->dynamic = s->timeout = true, s->timeout_ms = 120000, s->size = 65535;
        s = table_add_set(t, "flows", DATA_NONE, false, &address_field, 1);
        s->dynamic = true, s->size = 65535;
        s = table_add_set(t, "ports", DATA_NONE, true, &port_field, 1);
        for (unsigned i = 0; i < 3; i++) {
                struct element *e = element(s);

                field_put_number(FIELD_DPORT, 100 * i, e->key);
                field_put_number(FIELD_DPORT, i == 2 ? 65535 : 100 * i + 50 * i + 49, e->key_end);
        }
        s = table_add_set(t, "verdicts", DATA_VERDICT, false, &port_field, 1);
        s->counter = true;
        for (unsigned i = 0; i < 3; i++) {
                struct element *e = element(s);

                field_put_number(FIELD_DPORT, 10 + i, e->key);
                memcpy(e->key_end, e->key, 2);
                e->accepts = i == 0;
                e->jump = i == 2 ? strdup("other") : NULL;
        }
        m = rule_add_match(of(c, VERDICT_DROP, 0, IPPROTO_TCP), MATCH_SET, FIELD_DPORT);
        strcpy(m->set, "ports");
        m = rule_add_match(of(c, VERDICT_DROP, 0, IPPROTO_TCP), MATCH_SET, FIELD_DPORT);
        strcpy(m->set, "ports");
        m->negated = true;
        strcpy(of(c, VERDICT_MAP, 0, IPPROTO_TCP)->verdict.name, "verdicts");
        c->rules[c->n_rules - 1].verdict.fields[0] = FIELD_DPORT;
        c->rules[c->n_rules - 1].verdict.n_fields = 1;
}

static struct ruleset *everything(void)
{
        struct ruleset *r = ruleset_new();
        struct table *t = &r->tables[0];

        assert_non_null(table_add_chain(t, "other", NULL, 0, 0, false));
        add_comparisons(table_add_chain(t, "comparisons", NULL, 0, 0, false));
        add_path_checks(table_add_chain(t, "before", "filter", NF_INET_PRE_ROUTING, -300, false));
        add_further_fields(table_add_chain(t, "further", NULL, 0, 0, false));
        add_zones(table_chain(t, "before"));
        add_statements(table_add_chain(t, "statements", NULL, 0, 0, false));
        assert_non_null(table_add_chain(t, "proxied", "filter", NF_INET_PRE_ROUTING, -150, false));
        add_proxies(table_chain(t, "proxied"), table_add_chain(t, "answered", "filter", NF_INET_LOCAL_IN, 10, false));
        add_changes(table_add_chain(t, "changes", "route", NF_INET_LOCAL_OUT, -150, false));
        add_verdicts(table_add_chain(t, "verdicts", "filter", NF_INET_LOCAL_IN, 0, true));
        add_translations(table_add_chain(t, "destination", "nat", NF_INET_PRE_ROUTING, -100, false), false);
        add_translations(table_add_chain(t, "source", "nat", NF_INET_POST_ROUTING, 100, false), true);
        add_sets(t, table_add_chain(t, "sets", NULL, 0, 0, false));
        for (size_t i = 0; i < t->n_sets; i++)
                assert_int_equal(set_sort(&t->sets[i]), 0);
        return r;
}

/* "None of these bits" and "these bits are zero" are the same; the kernel gives the second back. */
static void settle(struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++) {
                struct match *m = &r->matches[i];

                if (m->kind == MATCH_ANY_BIT && m->negated) {
                        m->kind = MATCH_BITS;
                        m->negated = false;
                }
        }
}

static void assert_same(const struct ruleset *have, const struct ruleset *want)
{
        _cleanup_free_ char *text = sample_diff(have, want);

        assert_string_equal(text, "");
        for (size_t i = 0; i < want->tables[0].n_chains; i++) {
                const struct chain *a = &want->tables[0].chains[i], *b = table_chain(&have->tables[0], a->name);

                assert_non_null(b);
                for (size_t k = 0; k < a->n_rules; k++) {
                        assert_null(b->rules[k].unknown);
                        settle(&a->rules[k]);
                        assert_int_equal(a->rules[k].n_matches, b->rules[k].n_matches);
                        if (a->rules[k].n_matches)
                                assert_memory_equal(a->rules[k].matches, b->rules[k].matches, a->rules[k].n_matches * sizeof(struct match));
                        assert_int_equal(a->rules[k].n_statements, b->rules[k].n_statements);
                        if (a->rules[k].n_statements)
                                assert_memory_equal(a->rules[k].statements, b->rules[k].statements, a->rules[k].n_statements * sizeof(struct statement));
                        assert_memory_equal(&a->rules[k].verdict, &b->rules[k].verdict, sizeof(struct verdict));
                }
        }
}

static void test_there_and_back(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        struct ruleset *want = everything(), *have = NULL;
        struct firewall *f = NULL;

        (void)state;
        if (!own_namespace)
                skip();
        assert_int_equal(firewall_open(&f, NULL), 0);
        /* Twice: into nothing, and in the place of itself. */
        for (int i = 0; i < 2; i++) {
                if (firewall_load(f, want, &error) < 0)
                        fail_msg("%s", infra_error_message(error));
                assert_int_equal(firewall_read(f, &have, NULL), 0);
                assert_same(have, want);
                have = ruleset_free(have);
        }
        ruleset_free(want);
        firewall_free(f);
}

static void test_nft_reads_it(void **state)
{
        struct ruleset *want = everything();
        _cleanup_free_ char *text = NULL;
        char path[] = "/tmp/infra-rules-XXXXXX";
        char command[64];
        int fd;

        (void)state;
        if (!own_namespace || access("/usr/sbin/nft", X_OK) < 0)
                skip();
        fd = mkstemp(path);
        assert_int_equal(ruleset_text(want, &text, NULL), 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        snprintf(command, sizeof(command), "/usr/sbin/nft -c -f %s", path);
        assert_int_equal(system(command), 0);
        unlink(path);
        ruleset_free(want);
}

/* What rule_text() writes is read as the same rule. */
static void test_text_is_read(void **state)
{
        struct ruleset *want = everything(), *have = everything();
        struct chain *c = table_add_chain(&have->tables[0], "read", NULL, 0, 0, false);
        struct rule_reader reader = { .table = &have->tables[0], .prefix = "read" };

        (void)state;
        for (size_t i = 0; i < want->tables[0].n_chains; i++) {
                for (size_t k = 0; k < want->tables[0].chains[i].n_rules; k++) {
                        const struct rule *r = &want->tables[0].chains[i].rules[k];
                        _cleanup_free_ char *text = rule_text(r), *again = NULL;
                        struct rule_mistake mistake = {};

                        if (r->verdict.kind == VERDICT_MAP)
                                continue;
                        if (rule_parse(&reader, c, text, &mistake) < 0)
                                fail_msg("%s: %zu: %s", text, mistake.at, mistake.message);
                        again = rule_text(&c->rules[c->n_rules - 1]);
                        assert_string_equal(again, text);
                }
        }
        ruleset_free(want);
        ruleset_free(have);
}

static const struct {
        const char *said, *meant;
} sayings[] = {
        { "tcp dport 25 accept", "meta l4proto tcp th dport 25 accept" },
        { "tcp dport ssh ct state new accept", "meta l4proto tcp th dport 22 ct state new accept" },
        { "udp dport 60000-61000 accept", "meta l4proto udp th dport 60000-61000 accept" },
        { "ip saddr 192.0.2.9/24 drop", "meta nfproto ipv4 ip saddr 192.0.2.0/24 drop" },
        { "ip saddr != 192.0.2.0/24 drop", "meta nfproto ipv4 ip saddr != 192.0.2.0/24 drop" },
        { "tcp dport { 22, 80 } accept", "meta l4proto tcp th dport @said_1 accept" },
        { "tcp dport != { 22, 1000-2000, } drop", "meta l4proto tcp th dport != @said_2 drop" },
        { "ip saddr . tcp dport { 192.0.2.1 . 25, 192.0.2.2 . 26 } accept", "meta nfproto ipv4 meta l4proto tcp ip saddr . th dport @said_3 accept" },
        { "ip saddr mail accept", "meta nfproto ipv4 ip saddr @said_4 accept" },
        { "ip6 daddr { mail, 2001:db8::1 } accept", "meta nfproto ipv6 ip6 daddr @said_5 accept" },
        { "icmp type echo-request limit rate 5/second accept", "meta nfproto ipv4 meta l4proto icmp icmp type 8 limit rate 5/second burst 5 packets accept" },
        { "ct state != established,related drop", "ct state & (established | related) == 0x0 drop" },
        { "ct state != new drop", "ct state != new drop" },
        { "ip ttl < 10 drop", "meta nfproto ipv4 ip ttl 0-9 drop" },
        { "meta length > 1000 drop", "meta length 1001-4294967295 drop" },
        { "iifname eno* oifname != \"br0\" log prefix \"a b\" level info drop", "iifname \"eno*\" oifname != \"br0\" log prefix \"a b\" level info drop" },
        { "tcp dport 22 update @ssh { ip saddr limit rate over 6/minute burst 3 packets } drop",
          "meta l4proto tcp th dport 22 meta nfproto ipv4 update @ssh { ip saddr limit rate over 6/minute burst 3 packets } drop" },
        { "update @slow { ip saddr timeout 1m30s limit rate over 6/minute burst 3 packets } drop",
          "meta nfproto ipv4 update @slow { ip saddr timeout 90s limit rate over 6/minute burst 3 packets } drop" },
        { "meta mark set 0x1", "meta mark set 0x1" },
        { "dnat to 10.0.0.17:25", "meta nfproto ipv4 dnat ip to 10.0.0.17:25" },
        { "snat ip6 to [2001:db8::1]:1024-2048 random", "meta nfproto ipv6 snat ip6 to [2001:db8::1]:1024-2048 random" },
        { "reject", "reject with icmpx type port-unreachable" },
        { "counter", "counter" },
};

static void test_what_people_say(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r = ruleset_new();
        struct chain *c = table_add_chain(&r->tables[0], "said", NULL, 0, 0, false);
        struct rule_reader reader = { .table = &r->tables[0], .estate = e, .prefix = "said" };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(sayings); i++) {
                struct rule_mistake mistake = {};
                _cleanup_free_ char *text = NULL;

                if (rule_parse(&reader, c, sayings[i].said, &mistake) < 0)
                        fail_msg("%s: %zu: %s", sayings[i].said, mistake.at, mistake.message);
                text = rule_text(&c->rules[c->n_rules - 1]);
                assert_string_equal(text, sayings[i].meant);
        }
        assert_true(table_set(&r->tables[0], "said_2")->interval);
        assert_int_equal(table_set(&r->tables[0], "said_5")->n_elements, 2);
        ruleset_free(r);
        infra_estate_free(e);
}

static const struct {
        const char *said;
        size_t at;
        const char *message;
} mistakes[] = {
        { "", 0, "this rule says nothing" },
        { "tcp dprot 25 accept", 0, "'tcp' begins no match, statement or verdict" },
        { "tcp dport 70000 accept", 10, "'70000' is not a value of th dport" },
        { "tcp dport 25-22 accept", 10, "'25-22' goes backwards" },
        { "ip saddr nowhere accept", 9, "'nowhere' is not a value of ip saddr" },
        { "ip saddr 192.0.2.0/33 accept", 9, "'192.0.2.0/33' is not a network" },
        { "accept drop", 7, "nothing can follow a verdict" },
        { "tcp dport { 22, 80 accept", 19, "a list ends with '}'" },
        { "tcp dport @ports accept", 10, "there is no set '@ports' for this" },
        { "limit rate 20 accept", 14, "'accept' is not a rate" },
        { "log prefix \"never ends", 11, "this quote has no end" },
        { "jump", 4, "the name of a chain is missing" },
        { "dnat 10.0.0.1", 5, "'to' is missing" },
        { "ip saddr 192.0.2.1 dnat to 2001:db8::1", 27, "the rule is for the other family" },
        { "meta mark set ip saddr", 17, "ip saddr cannot become meta mark" },
        { "tcp flags & syn accept", 16, "a mask is compared with == or !=" },
};

static void test_mistakes(void **state)
{
        struct ruleset *r = ruleset_new();
        struct chain *c = table_add_chain(&r->tables[0], "said", NULL, 0, 0, false);
        struct rule_reader reader = { .table = &r->tables[0], .prefix = "said" };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(mistakes); i++) {
                struct rule_mistake mistake = {};

                assert_int_equal(rule_parse(&reader, c, mistakes[i].said, &mistake), -EINVAL);
                assert_string_equal(mistake.message, mistakes[i].message);
                if (mistake.at != mistakes[i].at)
                        fail_msg("%s: at %zu", mistakes[i].said, mistake.at);
                assert_int_equal(c->n_rules, 0);
        }
        ruleset_free(r);
}

/* Not every kernel has nft_queue. */
static void test_queue(void **state)
{
        struct ruleset *r = ruleset_new();
        struct chain *c = table_add_chain(&r->tables[0], "queues", NULL, 0, 0, false);
        _cleanup_free_ char *one = NULL, *many = NULL;
        struct verdict *v = &rule(c, VERDICT_QUEUE)->verdict;

        (void)state;
        v->queue_first = 3, v->queue_last = 3, v->queue_flags = NFT_QUEUE_FLAG_BYPASS;
        v = &rule(c, VERDICT_QUEUE)->verdict;
        v->queue_last = 7, v->queue_flags = NFT_QUEUE_FLAG_CPU_FANOUT;
        one = rule_text(&c->rules[0]);
        many = rule_text(&c->rules[1]);
        assert_string_equal(one, "queue flags bypass to 3");
        assert_string_equal(many, "queue flags fanout to 0-7");
        ruleset_free(r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_nft_reads_it),
                cmocka_unit_test(test_text_is_read),
                cmocka_unit_test(test_what_people_say),
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_queue),
        };

        own_namespace = unshare(CLONE_NEWNET) == 0;
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
