/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Comparison of rulesets: each point of what netfilter means, by hand. */

#include "../testing.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare.h"
#include "firewall/rule.h"
#include "firewall/compile.h"

static struct chain *base(struct ruleset *r, const char *type, unsigned hook, int priority, bool drops)
{
        char name[32];

        snprintf(name, sizeof(name), "%s%u.%d", type, hook, priority);
        return table_add_chain(&r->tables[0], name, type, hook, priority, drops);
}

static void number(struct rule *r, enum field f, uint64_t n)
{
        uint8_t value[16] = {};

        field_put_number(f, n, value);
        assert_non_null(match_value(r, f, value, 16));
}

static void network(struct rule *r, enum field f, const char *text)
{
        struct address a;

        assert_int_equal(address_parse(text, &a), 0);
        assert_non_null(match_network(r, f, &a));
}

static struct rule *tcp_port(struct chain *c, enum verdict_kind kind, unsigned port)
{
        struct rule *r = chain_add_rule(c, kind, NULL);

        number(r, FIELD_L4PROTO, IPPROTO_TCP);
        number(r, FIELD_DPORT, port);
        return r;
}

static void to_address(struct rule *r, const char *first, const char *last, unsigned port)
{
        r->verdict.to.family = AF_INET;
        inet_pton(AF_INET, first, r->verdict.to.first);
        inet_pton(AF_INET, last, r->verdict.to.last);
        r->verdict.to.port_first = r->verdict.to.port_last = (uint16_t)port;
}

static void set_mark(struct rule *r, uint32_t value, uint32_t mask)
{
        struct statement *s = rule_add_statement(r, STATEMENT_SET);

        s->field = FIELD_MARK;
        memcpy(s->value, &value, 4);
        memcpy(s->mask, &mask, 4);
}

/* Compares both ways round, and twice: the answers agree and the texts are the same bytes. */
static void expect(struct ruleset *a, struct ruleset *b, enum answer answer, struct comparison *ret)
{
        struct comparison back, again;
        infra_error *e = NULL;

        assert_int_equal(ruleset_compare(a, b, 0, 0, ret, &e), 0);
        assert_int_equal(ruleset_compare(b, a, 0, 0, &back, &e), 0);
        assert_int_equal(ruleset_compare(a, b, 0, 0, &again, &e), 0);
        if (ret->answer != answer) {
                for (size_t i = 0; i < ret->reasons.n; i++)
                        print_message("unknown: %s\n", ret->reasons.items[i]);
                for (size_t i = 0; i < ret->n_differences; i++)
                        print_message("%s: %s | %s\n", ret->differences[i].packets, ret->differences[i].a_says, ret->differences[i].b_says);
        }
        assert_int_equal(ret->answer, answer);
        assert_int_equal(back.answer, answer);
        assert_int_equal(back.n_differences, ret->n_differences);
        assert_int_equal(again.n_differences, ret->n_differences);
        for (size_t i = 0; i < ret->n_differences; i++) {
                assert_string_equal(again.differences[i].packets, ret->differences[i].packets);
                assert_memory_equal(&again.differences[i].example, &ret->differences[i].example, sizeof(struct packet));
        }
        comparison_done(&back);
        comparison_done(&again);
}

static void finish(struct ruleset *a, struct ruleset *b, enum answer answer)
{
        struct comparison c;

        expect(a, b, answer, &c);
        comparison_done(&c);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_empty(void **state)
{
        (void)state;
        finish(ruleset_new(), ruleset_new(), ANSWER_EQUAL);
}

static void test_one_port(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "filter", NF_INET_LOCAL_IN, 0, true);
        struct comparison r;
        struct rule *u;

        (void)state;
        base(b, "filter", NF_INET_LOCAL_IN, 0, true);
        u = tcp_port(c, VERDICT_ACCEPT, 25);
        network(u, FIELD_IP_SADDR, "10.0.0.0/8");
        match_interface(u, FIELD_IIFNAME, "eno1");
        expect(a, b, ANSWER_DIFFERENT, &r);
        assert_int_equal(r.n_differences, 1);
        assert_string_equal(r.differences[0].packets, "IPv4 to the host: tcp from 10.0.0.0/8 by eno1 port 25");
        assert_string_equal(r.differences[0].a_says, "accept");
        assert_string_equal(r.differences[0].b_says, "drop");
        assert_int_equal(r.differences[0].path, PATH_TO_HOST);
        assert_int_equal(field_number(FIELD_DPORT, r.differences[0].example.fields[FIELD_DPORT]), 25);
        assert_int_equal(field_number(FIELD_CT_STATE, r.differences[0].example.fields[FIELD_CT_STATE]), STATE_BIT_NEW);
        assert_int_equal(r.differences[0].example.fields[FIELD_IP_SADDR][0], 10);
        assert_string_equal((char *)r.differences[0].example.fields[FIELD_IIFNAME], "eno1");
        comparison_done(&r);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_order_and_jumps(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "filter", NF_INET_FORWARD, 0, true), *d, *e;
        struct rule *r;

        (void)state;
        tcp_port(c, VERDICT_ACCEPT, 80);
        tcp_port(c, VERDICT_ACCEPT, 443);
        d = base(b, "filter", NF_INET_FORWARD, 0, false);
        r = chain_add_rule(d, VERDICT_JUMP, "web");
        number(r, FIELD_L4PROTO, IPPROTO_TCP);
        chain_add_rule(d, VERDICT_DROP, NULL);
        e = table_add_chain(&b->tables[0], "web", NULL, 0, 0, false);
        number(chain_add_rule(e, VERDICT_ACCEPT, NULL), FIELD_DPORT, 443);
        r = chain_add_rule(e, VERDICT_RETURN, NULL);
        number(r, FIELD_DPORT, 80);
        r->matches[0].negated = true;
        chain_add_rule(e, VERDICT_ACCEPT, NULL);
        finish(a, b, ANSWER_EQUAL);
}

static void test_goto_ends_the_chain(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct ruleset *r = i ? b : a;
                struct chain *c = base(r, "filter", NF_INET_FORWARD, 0, false);

                chain_add_rule(c, i ? VERDICT_GOTO : VERDICT_JUMP, "empty");
                chain_add_rule(c, VERDICT_DROP, NULL);
                table_add_chain(&r->tables[0], "empty", NULL, 0, 0, false);
        }
        finish(a, b, ANSWER_DIFFERENT);
}

static void test_accept_goes_on_to_the_next_chain(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();

        (void)state;
        tcp_port(base(a, "filter", NF_INET_FORWARD, -10, false), VERDICT_ACCEPT, 80);
        tcp_port(base(a, "filter", NF_INET_FORWARD, 0, false), VERDICT_DROP, 80);
        tcp_port(base(b, "filter", NF_INET_FORWARD, 5, false), VERDICT_DROP, 80);
        finish(a, b, ANSWER_EQUAL);
}

/* A map of @n ports against as many rules. */
static void test_map_and_rules(void **state)
{
        static const enum field fields[] = { FIELD_IP_DADDR, FIELD_L4PROTO, FIELD_DPORT };
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "filter", NF_INET_FORWARD, 0, true), *d = base(b, "filter", NF_INET_FORWARD, 0, true);
        struct set *s = table_add_set(&a->tables[0], "services", DATA_VERDICT, false, fields, 3);
        struct rule *r = chain_add_rule(c, VERDICT_MAP, "services");
        struct comparison x;

        (void)state;
        memcpy(r->verdict.fields, fields, sizeof(fields));
        r->verdict.n_fields = 3;
        for (unsigned i = 0; i < 300; i++) {
                struct element *e = ARRAY_ADD(s->elements, s->n_elements);
                uint8_t key[16] = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i, IPPROTO_TCP, 0, 0, 0, 0, (uint8_t)(80 + i % 3) };
                char text[32];

                memcpy(e->key, key, sizeof(key));
                memcpy(e->key_end, key, sizeof(key));
                e->accepts = true;
                snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
                network(tcp_port(d, VERDICT_ACCEPT, 80 + i % 3), FIELD_IP_DADDR, text);
        }
        expect(a, b, ANSWER_EQUAL, &x);
        comparison_done(&x);
        s->elements[17].accepts = false;
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_int_equal(x.n_differences, 1);
        assert_string_equal(x.differences[0].packets, "IPv4 through: tcp to 10.0.0.17 port 82");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_translation(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct comparison x;
        struct rule *r[2];

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct ruleset *s = i ? b : a;
                struct chain *c = base(s, "nat", NF_INET_PRE_ROUTING, -100, false);

                r[i] = tcp_port(c, VERDICT_DNAT, 25);
                network(r[i], FIELD_IP_DADDR, "198.51.100.231");
                to_address(r[i], "10.0.0.17", "10.0.0.17", 2525);
                network(tcp_port(base(s, "filter", NF_INET_FORWARD, 0, true), VERDICT_ACCEPT, 2525), FIELD_IP_DADDR, "10.0.0.0/24");
        }
        expect(a, b, ANSWER_EQUAL, &x);
        comparison_done(&x);
        r[1]->verdict.to.first[3] = r[1]->verdict.to.last[3] = 18;
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_int_equal(x.n_differences, 1);
        assert_string_equal(x.differences[0].packets, "IPv4 to the host, through: tcp to 198.51.100.231 port 25, new or related");
        assert_string_equal(x.differences[0].a_says, "accept, to 10.0.0.17:2525");
        assert_string_equal(x.differences[0].b_says, "accept, to 10.0.0.18:2525");
        comparison_done(&x);
        /* Of a range it is not known which address it is. */
        r[0]->verdict.to.last[3] = 20;
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_string_equal(x.differences[0].a_says, "accept, dnat to 10.0.0.17-10.0.0.20 ports 2525-2525 port 2525");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_translation_to_the_same(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "nat", NF_INET_PRE_ROUTING, -100, false);
        struct rule *r = chain_add_rule(c, VERDICT_DNAT, NULL);

        (void)state;
        network(r, FIELD_IP_DADDR, "10.0.0.17");
        to_address(r, "10.0.0.17", "10.0.0.17", 0);
        finish(a, b, ANSWER_EQUAL);
}

static void test_marks_are_seen_later(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "filter", NF_INET_PRE_ROUTING, -150, false);
        struct rule *r = tcp_port(c, VERDICT_CONTINUE, 80);

        (void)state;
        set_mark(r, 7, 0);
        number(chain_add_rule(base(a, "filter", NF_INET_FORWARD, 0, false), VERDICT_DROP, NULL), FIELD_MARK, 7);
        r = tcp_port(base(b, "filter", NF_INET_PRE_ROUTING, -150, false), VERDICT_CONTINUE, 80);
        set_mark(r, 7, 0);
        c = base(b, "filter", NF_INET_FORWARD, 0, false);
        tcp_port(c, VERDICT_DROP, 80);
        number(chain_add_rule(c, VERDICT_DROP, NULL), FIELD_MARK, 7);
        finish(a, b, ANSWER_EQUAL);
}

static void test_last_mark_is_an_outcome(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct comparison x;

        (void)state;
        set_mark(tcp_port(base(a, "filter", NF_INET_FORWARD, 0, false), VERDICT_ACCEPT, 80), 7, 0);
        set_mark(tcp_port(base(b, "filter", NF_INET_FORWARD, 0, false), VERDICT_ACCEPT, 80), 8, 0);
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_string_equal(x.differences[0].a_says, "accept, meta mark 0x7");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static struct ruleset *said(const char *const *rules)
{
        struct ruleset *r = ruleset_new();
        struct chain *c = table_add_chain(&r->tables[0], "forward", "filter", NF_INET_FORWARD, 0, true);
        struct rule_reader reader = { .table = &r->tables[0], .prefix = "s" };

        for (size_t i = 0; rules[i]; i++) {
                struct rule_mistake mistake = {};

                if (rule_parse(&reader, c, rules[i], &mistake) < 0)
                        fail_msg("%s: %s", rules[i], mistake.message);
        }
        return r;
}

static enum answer answer_of(const char *const *a, const char *const *b)
{
        struct ruleset *x = said(a), *y = said(b);
        _cleanup_comparison_ struct comparison c = {};

        assert_int_equal(ruleset_compare(x, y, 0, 0, &c, NULL), 0);
        ruleset_free(x);
        ruleset_free(y);
        return c.answer;
}

/* What has no connection has no mark of one: the kernel neither meets nor sets it. */
#define TRACKED "ct state { invalid, untracked } drop"

static void test_copied_marks(void **state)
{
        static const char *const copied[] = { TRACKED, "meta mark set 0x15", "ct mark set meta mark & 0xf ^ 0x20", "ct mark 0x25 accept", NULL };
        static const char *const constant[] = { TRACKED, "meta mark set 0x15", "ct mark set 0x25", "accept", NULL };
        static const char *const other[] = { TRACKED, "meta mark set 0x15", "ct mark set 0x15", "accept", NULL };
        static const char *const free_copy[] = { TRACKED, "ct mark set meta mark", "ct mark 0x7 accept", NULL };
        static const char *const free_match[] = { TRACKED, "meta mark 0x7 ct mark set 0x7", "meta mark != 0x7 ct mark set meta mark",
                                                  "meta mark 0x7 accept", NULL };

        (void)state;
        assert_int_equal(answer_of(copied, constant), ANSWER_EQUAL);
        assert_int_equal(answer_of(copied, other), ANSWER_DIFFERENT);
        assert_int_equal(answer_of(free_copy, free_match), ANSWER_EQUAL);
}

static void test_what_is_not_there(void **state)
{
        static const char *const marked[] = { "ct mark set 0x5", "ct mark 0x5 accept", NULL };
        static const char *const tracked[] = { "ct mark set 0x5", "ct state { new, established, related } accept", NULL };
        static const char *const all[] = { "ct mark set 0x5", "accept", NULL };
        static const char *const restored[] = { "ct mark 0x5 accept", "meta mark set ct mark accept", NULL };
        static const char *const both[] = { "ct mark 0x5 accept", "ct mark != 0x5 meta mark set ct mark accept", NULL };
        static const char *const owned[] = { "meta skuid 7 accept", "meta skuid != 7 accept", NULL };

        (void)state;
        assert_int_equal(answer_of(marked, tracked), ANSWER_EQUAL);
        assert_int_equal(answer_of(marked, all), ANSWER_DIFFERENT);
        assert_int_equal(answer_of(restored, both), ANSWER_EQUAL);
        assert_int_equal(answer_of(owned, &all[1]), ANSWER_DIFFERENT);
}

static void test_rejections(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct rule *r = tcp_port(base(a, "filter", NF_INET_FORWARD, 0, false), VERDICT_REJECT, 80);

        (void)state;
        tcp_port(base(b, "filter", NF_INET_FORWARD, 0, false), VERDICT_REJECT, 80);
        r->verdict.reject_type = NFT_REJECT_TCP_RST;
        finish(a, b, ANSWER_DIFFERENT);
}

/* Two limits of one text are two; the n-th of both sides are one. */
static void test_limits(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct comparison x;

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct chain *c = base(i ? b : a, "filter", NF_INET_FORWARD, 0, true);

                for (int k = 0; k < 2 - i; k++) {
                        struct statement *s = rule_add_statement(tcp_port(c, VERDICT_ACCEPT, 80), STATEMENT_LIMIT);

                        s->rate = 20;
                        s->per_s = 60;
                }
        }
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_non_null(strstr(x.differences[0].if_atoms, "(number 2) holds"));
        comparison_done(&x);
        a->tables[0].chains[0].n_rules = 1;
        expect(a, b, ANSWER_EQUAL, &x);
        assert_true(x.assumed.n > 0);
        comparison_done(&x);
        a->tables[0].chains[0].n_rules = 2;
        ruleset_free(a);
        ruleset_free(b);
}

static void test_not_understood(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct rule *r = chain_add_rule(base(a, "filter", NF_INET_FORWARD, 0, true), VERDICT_ACCEPT, NULL);
        struct comparison x;

        (void)state;
        base(b, "filter", NF_INET_FORWARD, 0, true);
        r->unknown = strdup("-m u32");
        r->comment = strdup("rules.v4:12");
        expect(a, b, ANSWER_UNKNOWN, &x);
        assert_string_equal(x.reasons.items[0], "rules.v4:12: -m u32");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_run_time_sets_are_empty(void **state)
{
        static const enum field field = FIELD_IP_SADDR;
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct set *s = table_add_set(&a->tables[0], "fenced4", DATA_NONE, false, &field, 1);
        struct comparison x;

        (void)state;
        s->runtime = true;
        assert_non_null(ARRAY_ADD(s->elements, s->n_elements));
        match_set(chain_add_rule(base(a, "filter", NF_INET_FORWARD, 0, false), VERDICT_DROP, NULL), "fenced4", &field, 1);
        expect(a, b, ANSWER_EQUAL, &x);
        assert_true(strlist_contains(&x.assumed, "set fenced4 is filled at run time: taken as empty"));
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_interface_wildcards(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c = base(a, "filter", NF_INET_LOCAL_IN, 0, true), *d = base(b, "filter", NF_INET_LOCAL_IN, 0, true);
        struct match *m = match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_IIFNAME, "eth");
        struct comparison x;

        (void)state;
        m->kind = MATCH_BITS;
        memset(m->mask, 0xff, 3);
        match_interface(chain_add_rule(d, VERDICT_ACCEPT, NULL), FIELD_IIFNAME, "eth0");
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_int_equal(strncmp((char *)x.differences[0].example.fields[FIELD_IIFNAME], "eth", 3), 0);
        assert_string_not_equal((char *)x.differences[0].example.fields[FIELD_IIFNAME], "eth0");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_no_way_out_before_routing(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();

        (void)state;
        match_interface(chain_add_rule(base(a, "filter", NF_INET_PRE_ROUTING, 0, false), VERDICT_DROP, NULL), FIELD_OIFNAME, "eth0");
        finish(a, b, ANSWER_EQUAL);
}

static void test_untracked(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct chain *c;

        (void)state;
        for (int i = 0; i < 2; i++) {
                rule_add_statement(tcp_port(base(i ? b : a, "filter", NF_INET_PRE_ROUTING, -300, false), VERDICT_CONTINUE, 80), STATEMENT_NOTRACK);
                c = base(i ? b : a, "filter", NF_INET_FORWARD, 0, false);
                if (i)
                        match_state(tcp_port(c, VERDICT_DROP, 80), STATE_BIT_NEW | STATE_BIT_ESTABLISHED);
        }
        finish(a, b, ANSWER_EQUAL);
}

static void test_dnat_status(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        uint32_t dnat = 0x20;

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct ruleset *s = i ? b : a;
                struct rule *r = tcp_port(base(s, "nat", NF_INET_PRE_ROUTING, -100, false), VERDICT_DNAT, 25);
                struct chain *c = base(s, "filter", NF_INET_FORWARD, 0, false);

                to_address(r, "10.0.0.17", "10.0.0.17", 0);
                r = chain_add_rule(c, VERDICT_DROP, NULL);
                match_state(r, STATE_BIT_NEW);
                number(r, FIELD_NFPROTO, NFPROTO_IPV4);
                if (i) {
                        memcpy(rule_add_match(r, MATCH_ANY_BIT, FIELD_CT_STATUS)->mask, &dnat, 4);
                        r = chain_add_rule(c, VERDICT_DROP, NULL);
                        match_state(r, STATE_BIT_NEW);
                        number(r, FIELD_NFPROTO, NFPROTO_IPV4);
                        r = tcp_port(c, VERDICT_DROP, 25);
                        match_state(r, STATE_BIT_NEW);
                        number(r, FIELD_NFPROTO, NFPROTO_IPV4);
                }
        }
        finish(a, b, ANSWER_EQUAL);
}

static void test_original_destination(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct rule *r = chain_add_rule(base(i ? b : a, "filter", NF_INET_LOCAL_IN, 0, false), VERDICT_DROP, NULL);

                match_state(r, STATE_BIT_NEW);
                network(r, i ? FIELD_CT_ORIG_IP_DADDR : FIELD_IP_DADDR, "10.0.0.0/9");
        }
        finish(a, b, ANSWER_EQUAL);
}

/* Source and destination are two aspects of one outcome: each is told. */
static void test_source_translation(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct comparison x;
        struct rule *r[2];

        (void)state;
        for (int i = 0; i < 2; i++) {
                struct chain *c = base(i ? b : a, "nat", NF_INET_POST_ROUTING, 100, false);

                r[i] = chain_add_rule(c, VERDICT_SNAT, NULL);
                match_interface(r[i], FIELD_OIFNAME, "eno1");
                to_address(r[i], "198.51.100.1", "198.51.100.1", 0);
        }
        expect(a, b, ANSWER_EQUAL, &x);
        comparison_done(&x);
        r[1]->verdict.to.first[3] = r[1]->verdict.to.last[3] = 2;
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_int_equal(x.n_differences, 1);
        assert_string_equal(x.differences[0].packets, "IPv4 through, from the host: anything out by eno1, new or related");
        assert_string_equal(x.differences[0].a_says, "accept, from 198.51.100.1");
        comparison_done(&x);
        r[1]->verdict.kind = VERDICT_MASQUERADE;
        memset(&r[1]->verdict.to, 0, sizeof(r[1]->verdict.to));
        expect(a, b, ANSWER_DIFFERENT, &x);
        assert_true(x.n_differences >= 1);
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

static void test_memory_limit(void **state)
{
        struct ruleset *a = ruleset_new(), *b = ruleset_new();
        struct comparison x;
        infra_error *e = NULL;

        (void)state;
        for (unsigned i = 0; i < 500; i++)
                network(tcp_port(i ? &a->tables[0].chains[0] : base(a, "filter", NF_INET_FORWARD, 0, true), VERDICT_ACCEPT, i * 7919 & 0xffff),
                        FIELD_IP_SADDR, i & 1 ? "10.0.0.1" : "192.0.2.0/24");
        assert_int_equal(ruleset_compare(a, b, 0, 50000, &x, &e), 0);
        assert_int_equal(x.answer, ANSWER_UNKNOWN);
        assert_string_equal(x.reasons.items[0], "the comparison needs more memory than it may take");
        comparison_done(&x);
        ruleset_free(a);
        ruleset_free(b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty), cmocka_unit_test(test_one_port), cmocka_unit_test(test_order_and_jumps),
                cmocka_unit_test(test_goto_ends_the_chain), cmocka_unit_test(test_accept_goes_on_to_the_next_chain),
                cmocka_unit_test(test_map_and_rules), cmocka_unit_test(test_translation), cmocka_unit_test(test_translation_to_the_same),
                cmocka_unit_test(test_marks_are_seen_later), cmocka_unit_test(test_last_mark_is_an_outcome), cmocka_unit_test(test_copied_marks),
                cmocka_unit_test(test_what_is_not_there), cmocka_unit_test(test_rejections),
                cmocka_unit_test(test_limits), cmocka_unit_test(test_not_understood), cmocka_unit_test(test_run_time_sets_are_empty),
                cmocka_unit_test(test_interface_wildcards), cmocka_unit_test(test_no_way_out_before_routing), cmocka_unit_test(test_untracked),
                cmocka_unit_test(test_dnat_status), cmocka_unit_test(test_original_destination), cmocka_unit_test(test_memory_limit),
                cmocka_unit_test(test_source_translation),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
