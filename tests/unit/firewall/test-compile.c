/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Estate -> ruleset: the golden texts, and what each kind of opening becomes. No kernel needed. */

#include "../testing.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <linux/netfilter.h>

#include "sample.h"

enum { GOLDEN_MAX = 1 << 20 };

/* INFRA_GOLDEN=write makes the files anew; the change is then read in review. */
static void assert_golden(const struct ruleset *r, const char *name)
{
        _cleanup_free_ char *text = sample_text(r), *want = NULL;
        _cleanup_free_ char *directory = sample_path("tests/golden/ruleset"),
                            *file = path_join("%s/%s.nft", directory, name);

        if (getenv("INFRA_GOLDEN"))
                assert_int_equal(file_replace(AT_FDCWD, file, text, strlen(text), 0644), 0);
        assert_int_equal(file_read(AT_FDCWD, file, GOLDEN_MAX, &want, NULL), 0);
        assert_string_equal(text, want);
}

static void test_golden_sample(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);

        (void)state;
        assert_golden(r, "sample");
        ruleset_free(r);
}

static void test_golden_demo(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_example("demo");
        struct ruleset *r = sample_ruleset(e);

        (void)state;
        assert_golden(r, "demo");
        ruleset_free(r);
}

/* Every key of the firewall. */
static void test_golden_complete(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_example("complete");
        struct ruleset *r = sample_ruleset(e);

        (void)state;
        assert_golden(r, "complete");
        ruleset_free(r);
}

static void test_same_bytes(void **state)
{
        _cleanup_estate_ infra_estate *a = sample_estate(), *b = sample_estate();
        struct ruleset *x = sample_ruleset(a), *y = sample_ruleset(b);
        _cleanup_free_ char *first = sample_text(x), *second = sample_text(y);

        (void)state;
        assert_string_equal(first, second);
        ruleset_free(x);
        ruleset_free(y);
}

static size_t count_comment(const struct ruleset *r, const char *comment)
{
        size_t n = 0;

        for (size_t t = 0; t < RULESET_TABLES; t++)
                for (size_t i = 0; i < r->tables[t].n_sets; i++)
                        for (size_t k = 0; k < r->tables[t].sets[i].n_elements; k++) {
                                const char *c = r->tables[t].sets[i].elements[k].comment;

                                n += c && streq(c, comment);
                        }
        return n;
}

static void test_local_opens_nothing(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);

        (void)state;
        assert_int_equal(count_comment(r, "containers/mail.yaml:13"), 0);
        assert_int_not_equal(count_comment(r, "containers/mail.yaml:10"), 0);
        ruleset_free(r);
}

/* Every base filter chain of ours denies what no policy line opens. */
static void test_default_deny(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r = sample_ruleset(e);
        const struct chain *c;
        size_t n = 0;

        (void)state;
        for (size_t t = 0; t < RULESET_TABLES; t++)
                for (size_t i = 0; i < r->tables[t].n_chains; i++) {
                        c = &r->tables[t].chains[i];
                        if (!c->type || !streq(c->type, "filter") || t > 0 || c->hook == NF_INET_PRE_ROUTING)
                                continue;
                        assert_true(c->drops);
                        n++;
                }
        assert_int_equal(n, 2); /* input, forward */
        /* On a bridge only what is of our networks is judged, and then all of it. */
        c = table_chain(&r->tables[1], "containers");
        assert_int_equal(c->rules[c->n_rules - 1].verdict.kind, VERDICT_DROP);
        assert_int_equal(c->rules[c->n_rules - 1].n_matches, 0);
        c = table_chain(&r->tables[1], "forward");
        assert_false(c->drops);
        for (size_t i = 0; i < c->n_rules; i++)
                assert_int_equal(c->rules[i].verdict.kind, VERDICT_JUMP);
        ruleset_free(r);
}

static void test_two_lines_one_opening(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r;

        (void)state;
        sample_from(sample_service(e, MAIL, "25/tcp", 30), ORIGIN_ANY, 0);
        r = sample_ruleset(e);
        assert_int_equal(count_comment(r, "containers/mail.yaml:30"), 0);
        assert_int_not_equal(count_comment(r, "containers/mail.yaml:10 containers/mail.yaml:30"), 0);
        ruleset_free(r);
}

/* A network and an address in it: the kernel takes no overlapping intervals, and the wider says both. */
static void test_wider_contains_narrower(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r;

        (void)state;
        sample_from(sample_service(e, WEB, "8000/tcp", 31), ORIGIN_NETWORK, 0)->network = sample_address("192.0.2.7");
        r = sample_ruleset(e);
        assert_int_equal(count_comment(r, "containers/web.yaml:31"), 0);
        assert_int_not_equal(count_comment(r, "containers/web.yaml:12 containers/web.yaml:31"), 0);
        ruleset_free(r);
}

/* The number of rules is that of the kinds of opening, not of openings. */
static void test_rules_do_not_grow(void **state)
{
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *few = sample_ruleset(e), *many;

        (void)state;
        for (unsigned i = 0; i < 500; i++) {
                char port[16];

                snprintf(port, sizeof(port), "%u/tcp", 10000 + i);
                sample_from(sample_service(e, MAIL, port, 100 + i), ORIGIN_ANY, 0);
        }
        many = sample_ruleset(e);
        for (size_t t = 0; t < RULESET_TABLES; t++)
                for (size_t i = 0; i < few->tables[t].n_chains; i++)
                        assert_int_equal(few->tables[t].chains[i].n_rules, many->tables[t].chains[i].n_rules);
        assert_int_equal(table_set(&many->tables[0], "services4")->n_elements,
                         table_set(&few->tables[0], "services4")->n_elements + 500);
        ruleset_free(few);
        ruleset_free(many);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden_sample),
                cmocka_unit_test(test_golden_demo),
                cmocka_unit_test(test_golden_complete),
                cmocka_unit_test(test_same_bytes),
                cmocka_unit_test(test_local_opens_nothing),
                cmocka_unit_test(test_default_deny),
                cmocka_unit_test(test_two_lines_one_opening),
                cmocka_unit_test(test_wider_contains_narrower),
                cmocka_unit_test(test_rules_do_not_grow),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
