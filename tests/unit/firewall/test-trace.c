/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets through rulesets: the sample estate's, and small ones by hand for what an estate does not say. */

#include "../testing.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>

#include "firewall/analyse/packet.h"
#include "firewall/rule.h"
#include "sample.h"

/* The sample host: 10.0.0.1 and 198.51.100.1 are its own, 10.0.0.0/24 is behind br0, 172.16.2.0/24 behind eno2. */
static void look(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        static const uint8_t own[][4] = { { 10, 0, 0, 1 }, { 198, 51, 100, 1 } };

        (void)r;
        for (size_t i = 0; family == AF_INET && i < ELEMENTS(own); i++)
                *ret_local = *ret_local || memcmp(own[i], to, 4) == 0;
        if (family == AF_INET)
                strcpy(ret_interface, to[0] == 10 ? "br0" : to[0] == 172 ? "eno2" : "eno1");
        else
                strcpy(ret_interface, to[3] == 0xb8 && to[7] == 0 ? "br0" : "eno1");
}

static const struct routing routing = { .look = look };

static struct packet packet(const char *from, const char *to, uint8_t protocol, unsigned port, const char *interface)
{
        bool six = strchr(from, ':');
        struct packet p;

        packet_init(&p, six ? AF_INET6 : AF_INET);
        inet_pton(p.family, from, p.fields[six ? FIELD_IP6_SADDR : FIELD_IP_SADDR]);
        inet_pton(p.family, to, p.fields[six ? FIELD_IP6_DADDR : FIELD_IP_DADDR]);
        packet_set_number(&p, FIELD_L4PROTO, protocol);
        packet_set_number(&p, FIELD_SPORT, 40000);
        packet_set_number(&p, FIELD_DPORT, port);
        if (protocol == IPPROTO_ICMP)
                packet_set_number(&p, FIELD_ICMP_TYPE, port);
        packet_set_text(&p, FIELD_IIFNAME, interface);
        return p;
}

static void assert_way(const struct ruleset *r, const struct packet *p, enum path path, enum fate fate, enum path went, const char *after)
{
        _cleanup_trace_ struct trace t = {};
        _cleanup_free_ char *text = NULL;

        assert_int_equal(trace_packet(r, p, path, &routing, &t), 0);
        text = packet_text(&t.after);
        if (t.fate != fate || t.path != went || (after && !streq(text, after)))
                fail_msg("%s: %s %s %s", after ? after : "-", fate_name(t.fate), path_name(t.path), text);
}

static const struct {
        const char *from, *to;
        uint8_t protocol;
        unsigned port;
        const char *interface;
        enum fate fate;
        enum path path;
        const char *after;
} ways[] = {
        /* To a public address, and away from one. */
        { "203.0.113.7", "198.51.100.228", IPPROTO_TCP, 25, "eno1", FATE_ACCEPT, PATH_THROUGH, "203.0.113.7:40000 > 10.0.0.19:25/tcp" },
        { "203.0.113.7", "198.51.100.228", IPPROTO_TCP, 26, "eno1", FATE_DROP, PATH_THROUGH, NULL },
        { "10.0.0.19", "203.0.113.7", IPPROTO_TCP, 25, "br0", FATE_ACCEPT, PATH_THROUGH, "198.51.100.228:40000 > 203.0.113.7:25/tcp" },
        { "10.0.0.19", "203.0.113.7", IPPROTO_TCP, 80, "br0", FATE_DROP, PATH_THROUGH, NULL },
        /* Who lies about where it comes from. */
        { "10.0.0.26", "198.51.100.228", IPPROTO_TCP, 25, "eno1", FATE_DROP, PATH_KIND_MAX, NULL },
        { "192.0.2.1", "203.0.113.7", IPPROTO_TCP, 25, "br0", FATE_DROP, PATH_KIND_MAX, NULL },
        /* To the host: a public port, its own service, echo. */
        { "203.0.113.7", "198.51.100.1", IPPROTO_TCP, 22, "eno1", FATE_DROP, PATH_TO_HOST, NULL },
        { "203.0.113.7", "198.51.100.1", IPPROTO_ICMP, 8, "eno1", FATE_ACCEPT, PATH_TO_HOST, NULL },
        { "203.0.113.7", "198.51.100.1", IPPROTO_ICMP, 5, "eno1", FATE_DROP, PATH_TO_HOST, NULL },
        /* IPv6 is not translated. */
        { "2001:db8:7::7", "2001:db8::19", IPPROTO_TCP, 25, "eno1", FATE_ACCEPT, PATH_THROUGH, "[2001:db8:7::7]:40000 > [2001:db8::19]:25/tcp" },
        { "2001:db8:7::7", "2001:db8::19", IPPROTO_TCP, 26, "eno1", FATE_DROP, PATH_THROUGH, NULL },
};

static void test_sample(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);

        (void)state;
        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                struct packet p = packet(ways[i].from, ways[i].to, ways[i].protocol, ways[i].port, ways[i].interface);

                assert_way(r, &p, PATH_KIND_MAX, ways[i].fate, ways[i].path, ways[i].after);
        }
        ruleset_free(r);
        infra_estate_free(e);
}

static void test_states(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);
        struct packet p = packet("203.0.113.7", "10.0.0.19", IPPROTO_TCP, 26, "eno1");

        (void)state;
        assert_way(r, &p, PATH_THROUGH, FATE_DROP, PATH_THROUGH, NULL);
        packet_set_number(&p, FIELD_CT_STATE, STATE_BIT_ESTABLISHED);
        assert_way(r, &p, PATH_THROUGH, FATE_ACCEPT, PATH_THROUGH, "203.0.113.7:40000 > 10.0.0.19:26/tcp");
        packet_set_number(&p, FIELD_CT_STATE, STATE_BIT_INVALID);
        assert_way(r, &p, PATH_THROUGH, FATE_DROP, PATH_THROUGH, NULL);
        /* An address that a connection has already is not translated again. */
        p = packet("203.0.113.7", "198.51.100.228", IPPROTO_TCP, 25, "eno1");
        packet_set_number(&p, FIELD_CT_STATE, STATE_BIT_ESTABLISHED);
        assert_way(r, &p, PATH_KIND_MAX, FATE_ACCEPT, PATH_THROUGH, "203.0.113.7:40000 > 198.51.100.228:25/tcp");
        ruleset_free(r);
        infra_estate_free(e);
}

/* What the host sends to a public address of a container goes to the bridge, whatever way it was about to take. */
static void test_translated_from_the_host(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);
        struct packet p = packet("10.0.0.1", "198.51.100.228", IPPROTO_TCP, 25, "");
        _cleanup_trace_ struct trace t = {};

        (void)state;
        assert_int_equal(trace_packet(r, &p, PATH_FROM_HOST, &routing, &t), 0);
        assert_int_equal(t.fate, FATE_ACCEPT);
        assert_int_equal(t.path, PATH_FROM_HOST);
        assert_string_equal((const char *)t.after.fields[FIELD_OIFNAME], "br0");
        assert_true(t.masqueraded); /* as every answer that must come back by the host */
        assert_string_equal(t.steps[t.n_steps - 1].rule->comment, "host.yaml:1");
        ruleset_free(r);
}

/* A ruleset of one chain of each kind, filled by rules in nft's words. */
struct bench {
        struct ruleset *r;
        struct rule_reader reader;
};

static struct chain *place(struct bench *b, const char *name, const char *type, unsigned hook, int priority, bool drops)
{
        if (!b->r) {
                b->r = ruleset_new();
                b->reader = (struct rule_reader){ .table = &b->r->tables[0], .prefix = "s" };
        }
        return table_add_chain(&b->r->tables[0], name, type, hook, priority, drops);
}

static void say(struct bench *b, const char *chain, const char *text)
{
        struct rule_mistake mistake = {};

        if (rule_parse(&b->reader, table_chain(&b->r->tables[0], chain), text, &mistake) < 0)
                fail_msg("%s: %s", text, mistake.message);
}

static void test_jumps(void **state)
{
        struct packet p = packet("203.0.113.7", "10.0.0.19", IPPROTO_TCP, 25, "eno1");
        _cleanup_trace_ struct trace t = {};
        struct bench b = {};

        (void)state;
        place(&b, "late", "filter", NF_INET_FORWARD, 10, false);
        place(&b, "early", "filter", NF_INET_FORWARD, 0, false);
        place(&b, "one", NULL, 0, 0, false);
        place(&b, "two", NULL, 0, 0, false);
        say(&b, "early", "jump one");
        say(&b, "early", "tcp dport 25 accept");
        say(&b, "early", "drop");
        say(&b, "one", "tcp dport 80 drop");
        say(&b, "one", "goto two");
        say(&b, "one", "drop");
        say(&b, "two", "ip saddr 192.0.2.0/24 drop");
        say(&b, "two", "return");
        say(&b, "late", "meta mark 7 reject");
        assert_int_equal(trace_packet(b.r, &p, PATH_THROUGH, NULL, &t), 0);
        assert_int_equal(t.fate, FATE_ACCEPT);
        /* jump, goto, return, accept */
        assert_int_equal(t.n_steps, 4);
        assert_string_equal(t.steps[0].says, "jump one");
        assert_string_equal(t.steps[1].says, "goto two");
        assert_string_equal(t.steps[2].says, "return");
        assert_string_equal(t.steps[3].says, "accept");
        /* Accepted by one base chain is on to the next. */
        packet_set_number(&p, FIELD_MARK, 7);
        assert_way(b.r, &p, PATH_THROUGH, FATE_REJECT, PATH_THROUGH, NULL);
        ruleset_free(b.r);
}

static void test_marks_and_limits(void **state)
{
        struct packet p = packet("203.0.113.7", "10.0.0.19", IPPROTO_TCP, 25, "eno1");
        _cleanup_trace_ struct trace t = {};
        struct bench b = {};

        (void)state;
        place(&b, "mangle", "filter", NF_INET_PRE_ROUTING, -150, false);
        place(&b, "forward", "filter", NF_INET_FORWARD, 0, true);
        say(&b, "mangle", "tcp dport 25 meta mark set 0x5");
        say(&b, "mangle", "meta mark set meta mark & 0xfe ^ 0x10");
        say(&b, "forward", "limit rate over 5/second drop");
        say(&b, "forward", "meta mark != 0x14 drop");
        say(&b, "forward", "limit rate 5/second accept");
        assert_int_equal(trace_packet(b.r, &p, PATH_THROUGH, NULL, &t), 0);
        assert_int_equal(t.fate, FATE_ACCEPT);
        assert_int_equal(field_number(FIELD_MARK, t.after.fields[FIELD_MARK]), 0x14);
        assert_int_equal(t.assumed.n, 2);
        ruleset_free(b.r);
}

static void test_translations(void **state)
{
        struct packet p = packet("203.0.113.7", "198.51.100.9", IPPROTO_TCP, 8025, "eno1");
        struct bench b = {};

        (void)state;
        place(&b, "in", "nat", NF_INET_PRE_ROUTING, -100, false);
        place(&b, "again", "nat", NF_INET_PRE_ROUTING, -90, false);
        place(&b, "forward", "filter", NF_INET_FORWARD, 0, true);
        place(&b, "out", "nat", NF_INET_POST_ROUTING, 100, false);
        say(&b, "in", "tcp dport 8025 dnat to 10.0.0.19:25");
        say(&b, "again", "dnat to 10.0.0.20");
        say(&b, "forward", "ip daddr 10.0.0.19 tcp dport 25 ct status dnat ct original ip daddr 198.51.100.9 accept");
        say(&b, "out", "snat to 10.0.0.1");
        assert_way(b.r, &p, PATH_KIND_MAX, FATE_ACCEPT, PATH_THROUGH, "10.0.0.1:40000 > 10.0.0.19:25/tcp");
        /* To a network, host by host. */
        say(&b, "in", "ip daddr 192.0.2.0/24 dnat ip prefix to 10.0.0.0/24");
        say(&b, "forward", "ip daddr 10.0.0.77 accept");
        p = packet("203.0.113.7", "192.0.2.77", IPPROTO_UDP, 53, "eno1");
        assert_way(b.r, &p, PATH_KIND_MAX, FATE_ACCEPT, PATH_THROUGH, "10.0.0.1:40000 > 10.0.0.77:53/udp");
        /* To the host itself. */
        say(&b, "in", "udp dport 5353 redirect to :53");
        p = packet("203.0.113.7", "203.0.113.99", IPPROTO_UDP, 5353, "eno1");
        assert_way(b.r, &p, PATH_KIND_MAX, FATE_ACCEPT, PATH_TO_HOST, "203.0.113.7:40000 > 203.0.113.99:53/udp");
        ruleset_free(b.r);
}

static void test_before_tracking(void **state)
{
        struct packet p = packet("203.0.113.7", "10.0.0.19", IPPROTO_TCP, 25, "eno1");
        struct bench b = {};

        (void)state;
        place(&b, "raw", "filter", NF_INET_PRE_ROUTING, -300, false);
        place(&b, "forward", "filter", NF_INET_FORWARD, 0, true);
        say(&b, "raw", "ct state new drop");
        say(&b, "raw", "tcp dport 26 notrack");
        say(&b, "forward", "tcp dport 25 ct state new accept");
        say(&b, "forward", "tcp dport 26 ct state untracked accept");
        assert_way(b.r, &p, PATH_THROUGH, FATE_ACCEPT, PATH_THROUGH, NULL);
        packet_set_number(&p, FIELD_DPORT, 26);
        assert_way(b.r, &p, PATH_THROUGH, FATE_ACCEPT, PATH_THROUGH, NULL);
        ruleset_free(b.r);
}

static void test_sets(void **state)
{
        struct bench b = {};
        static const struct {
                const char *from;
                unsigned port;
                enum fate fate;
        } rows[] = {
                { "192.0.2.1", 25, FATE_ACCEPT }, { "192.0.2.2", 25, FATE_DROP },   { "192.0.2.2", 110, FATE_ACCEPT },
                { "192.0.2.1", 110, FATE_DROP },  { "198.51.100.1", 30, FATE_ACCEPT }, { "198.51.100.1", 31, FATE_DROP },
        };

        (void)state;
        place(&b, "forward", "filter", NF_INET_FORWARD, 0, true);
        say(&b, "forward", "ip saddr . tcp dport { 192.0.2.1 . 25, 192.0.2.2 . 100-120, 198.51.100.0/24 . 30 } accept");
        say(&b, "forward", "tcp dport != { 25, 30, 31, 110 } accept");
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                struct packet p = packet(rows[i].from, "10.0.0.19", IPPROTO_TCP, rows[i].port, "eno1");

                assert_way(b.r, &p, PATH_THROUGH, rows[i].fate, PATH_THROUGH, NULL);
        }
        ruleset_free(b.r);
}

static void test_not_understood(void **state)
{
        struct packet p = packet("203.0.113.7", "10.0.0.19", IPPROTO_TCP, 25, "eno1");
        struct bench b = {};

        (void)state;
        place(&b, "forward", "filter", NF_INET_FORWARD, 0, false);
        say(&b, "forward", "tcp dport 80 drop");
        table_chain(&b.r->tables[0], "forward")->rules[0].unknown = strdup("-m string");
        assert_way(b.r, &p, PATH_THROUGH, FATE_UNKNOWN, PATH_THROUGH, NULL);
        /* What is decided before is known. */
        say(&b, "forward", "accept");
        {
                struct chain *c = table_chain(&b.r->tables[0], "forward");
                struct rule first = c->rules[0];

                c->rules[0] = c->rules[1];
                c->rules[1] = first;
        }
        assert_way(b.r, &p, PATH_THROUGH, FATE_ACCEPT, PATH_THROUGH, NULL);
        ruleset_free(b.r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sample),       cmocka_unit_test(test_states), cmocka_unit_test(test_jumps),
                cmocka_unit_test(test_marks_and_limits), cmocka_unit_test(test_translations), cmocka_unit_test(test_sets),
                cmocka_unit_test(test_not_understood), cmocka_unit_test(test_before_tracking), cmocka_unit_test(test_translated_from_the_host),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
