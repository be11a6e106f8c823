/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a person reads before an apply. */

#include "../testing.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "base/array.h"
#include "firewall/moment.h"
#include "sample.h"

static void test_same(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *a = sample_ruleset(e), *b = sample_ruleset(e);
        _cleanup_free_ char *same = sample_diff(a, b), *none = sample_diff(NULL, NULL);

        (void)state;
        assert_string_equal(same, "");
        assert_string_equal(none, "");
        ruleset_free(a);
        ruleset_free(b);
}

static void test_nothing_loaded(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);
        _cleanup_free_ char *load = sample_diff(NULL, r), *unload = sample_diff(r, NULL);

        (void)state;
        assert_non_null(strstr(load, "+ "));
        assert_null(strstr(load, "\n- "));
        assert_non_null(strstr(unload, "- "));
        assert_null(strstr(unload, "\n+ "));
        ruleset_free(r);
}

static void test_new_service(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *have = sample_ruleset(e), *want;
        _cleanup_free_ char *forth = NULL, *back = NULL;

        (void)state;
        sample_from(sample_service(e, MAIL, "993/tcp", 40), ORIGIN_ANY, 0);
        want = sample_ruleset(e);
        forth = sample_diff(have, want);
        back = sample_diff(want, have);
        assert_true(startswith(forth, "+ "));
        assert_non_null(strstr(forth, "10.0.0.19 . tcp . 993"));
        assert_non_null(strstr(forth, "containers/mail.yaml:40"));
        assert_null(strstr(forth, "- "));
        assert_true(startswith(back, "- "));
        ruleset_free(have);
        ruleset_free(want);
}

/* A changed translation is two lines: the old and the new. */
static void test_changed_address(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *have = sample_ruleset(e), *want;
        _cleanup_free_ char *text = NULL;

        (void)state;
        e->containers[MAIL].internet = sample_address("198.51.100.229");
        want = sample_ruleset(e);
        text = sample_diff(have, want);
        assert_non_null(strstr(text, "- map nat_in: 198.51.100.228"));
        assert_non_null(strstr(text, "+ map nat_in: 198.51.100.229"));
        assert_non_null(strstr(text, "- map nat_out_internet: 10.0.0.19"));
        assert_non_null(strstr(text, "+ map nat_out_internet: 10.0.0.19"));
        ruleset_free(have);
        ruleset_free(want);
}

static void test_fence_is_no_difference(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *have = sample_ruleset(e), *want = sample_ruleset(e);
        struct set *s = table_set(&have->tables[0], "fenced4");
        struct element *x = ARRAY_ADD(s->elements, s->n_elements);
        _cleanup_free_ char *text = NULL;

        (void)state;
        memcpy(x->key, e->containers[MAIL].internal.bytes, 4);
        memcpy(x->key_end, x->key, 4);
        for (size_t i = 0; i < have->tables[0].n_chains; i++) {
                struct chain *c = &have->tables[0].chains[i], jumps = {};

                assert_int_equal(moment_rules(NFPROTO_INET, c->name, &jumps), 0);
                for (size_t k = 0; k < c->n_rules; k++)
                        *ARRAY_ADD(jumps.rules, jumps.n_rules) = c->rules[k];
                free(c->rules);
                c->rules = jumps.rules;
                c->n_rules = jumps.n_rules;
        }
        text = sample_diff(have, want);
        assert_string_equal(text, "");
        free(text);
        /* Nor is it one seen the other way round, as drift is. */
        text = sample_diff(want, have);
        assert_string_equal(text, "");
        free(text);
        assert_int_equal(moment_forget(have), 0);
        /* Somebody is in the set, and nothing leads to the fence. */
        text = sample_diff(have, want);
        assert_non_null(strstr(text, "+ chain forward: meta nfproto ipv4 ip saddr @fenced4 jump fence_out"));
        assert_non_null(strstr(text, "+ chain input: meta nfproto ipv4 ip saddr @fenced4 jump fence_host"));
        free(text);
        text = sample_diff(want, have);
        assert_non_null(strstr(text, "- chain forward: meta nfproto ipv4 ip saddr @fenced4 jump fence_out"));
        ruleset_free(have);
        ruleset_free(want);
}

static void test_policy_of_chain(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *have = sample_ruleset(e), *want = sample_ruleset(e);
        _cleanup_free_ char *text = NULL;

        (void)state;
        table_chain(&have->tables[0], "forward")->drops = false;
        text = sample_diff(have, want);
        assert_string_not_equal(text, "");
        ruleset_free(have);
        ruleset_free(want);
}

/* Order matters in a chain: services behind `invalid` are not services before it. */
static void test_order_of_rules(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *have = sample_ruleset(e), *want = sample_ruleset(e);
        struct chain *c = table_chain(&have->tables[0], "forward");
        struct rule first = c->rules[0];
        _cleanup_free_ char *text = NULL;

        (void)state;
        c->rules[0] = c->rules[1];
        c->rules[1] = first;
        text = sample_diff(have, want);
        assert_non_null(strstr(text, "- chain forward: ct state invalid drop"));
        ruleset_free(have);
        ruleset_free(want);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same),
                cmocka_unit_test(test_nothing_loaded),
                cmocka_unit_test(test_new_service),
                cmocka_unit_test(test_changed_address),
                cmocka_unit_test(test_fence_is_no_difference),
                cmocka_unit_test(test_policy_of_chain),
                cmocka_unit_test(test_order_of_rules),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
