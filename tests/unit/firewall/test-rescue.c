/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ruleset of the last resort: closed but for ssh, whatever the policy says. */

#include "../testing.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "firewall/rescue.h"
#include "sample.h"

static struct ruleset *rescue(const infra_estate *e)
{
        struct ruleset *r = NULL;

        assert_int_equal(rescue_compile(e, &r, NULL), 0);
        return r;
}

static void allow(infra_estate *e, enum origin_kind kind, size_t index)
{
        struct origin *o = ARRAY_ADD(e->filter.rescue, e->filter.n_rescue);

        o->kind = kind;
        o->index = index;
}

/* How many rules of the chain accept ssh, and whether it drops all else. */
static size_t count_ssh(const struct ruleset *r, const char *chain)
{
        const struct chain *c = table_chain(&r->tables[0], chain);
        size_t n = 0;

        assert_non_null(c);
        assert_true(c->drops);
        for (size_t i = 0; i < c->n_rules; i++) {
                _cleanup_free_ char *text = rule_text(&c->rules[i]);

                assert_int_equal(c->rules[i].verdict.kind, VERDICT_ACCEPT);
                n += strstr(text, "th dport 22") != NULL;
        }
        return n;
}

static void assert_has(const struct ruleset *r, const char *line)
{
        _cleanup_free_ char *text = sample_text(r);

        if (!strstr(text, line))
                fail_msg("%s is not in\n%s", line, text);
}

static void test_without_an_estate_ssh_from_everywhere(void **state)
{
        struct ruleset *r = rescue(NULL);

        (void)state;
        assert_int_equal(count_ssh(r, "input"), 1);
        assert_int_equal(count_ssh(r, "forward"), 0);
        assert_has(r, "iifname \"lo\" accept");
        assert_has(r, "\t\tmeta l4proto tcp th dport 22 accept");
        ruleset_free(r);
}

static void test_estate_that_names_no_zone(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r = rescue(e), *builtin = rescue(NULL);
        _cleanup_free_ char *diff = sample_diff(r, builtin);

        (void)state;
        assert_string_equal(diff, "");
        ruleset_free(r);
        ruleset_free(builtin);
        infra_estate_free(e);
}

static void test_zones(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r;

        (void)state;
        for (size_t i = 0; i < e->n_zones; i++)
                allow(e, ORIGIN_ZONE, i);
        r = rescue(e);
        assert_int_equal(count_ssh(r, "input"), 3);
        assert_has(r, "iifname \"eno1\" meta l4proto tcp th dport 22 accept");
        assert_has(r, "iifname \"eno2\" meta nfproto ipv4 ip saddr 172.16.2.0/24 meta l4proto tcp th dport 22 accept");
        assert_has(r, "meta nfproto ipv4 ip saddr 203.0.113.12 meta l4proto tcp th dport 22 accept");
        ruleset_free(r);
        infra_estate_free(e);
}

/* A zone of members: a container, and itself, which must come to an end. */
static void test_members(void **state)
{
        infra_estate *e = sample_estate();
        struct zone *z = sample_zone(e, "admins", NULL, NULL, 9);
        struct origin *o = ARRAY_ADD(z->members, z->n_members);
        struct ruleset *r;

        (void)state;
        o->kind = ORIGIN_CONTAINER;
        o->index = MAIL;
        allow(e, ORIGIN_ZONE, e->n_zones - 1);
        r = rescue(e);
        assert_int_equal(count_ssh(r, "input"), 2);
        assert_has(r, "ip saddr 10.0.0.19 ");
        assert_has(r, "ip6 saddr 2001:db8::19 ");
        ruleset_free(r);
        o->kind = ORIGIN_ZONE;
        o->index = e->n_zones - 1;
        r = rescue(e);
        assert_int_equal(count_ssh(r, "input"), 1);
        assert_has(r, "\t\tmeta l4proto tcp th dport 22 accept");
        ruleset_free(r);
        infra_estate_free(e);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_an_estate_ssh_from_everywhere),
                cmocka_unit_test(test_estate_that_names_no_zone),
                cmocka_unit_test(test_zones),
                cmocka_unit_test(test_members),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
