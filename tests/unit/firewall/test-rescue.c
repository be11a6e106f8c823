/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rescue ruleset: who gets in, and that a kernel takes it. */

#include "../testing.h"

#include <sched.h>

#include "firewall/rescue.h"
#include "sample.h"

static char *text_of(const struct ruleset *r)
{
        char *text = NULL;

        assert_int_equal(ruleset_text(r, &text, NULL), 0);
        return text;
}

static char *rescue_text(const infra_estate *e)
{
        struct ruleset *r = NULL;
        char *text;

        assert_int_equal(rescue_compile(e, &r, NULL), 0);
        text = text_of(r);
        ruleset_free(r);
        return text;
}

static void assert_says(const char *text, const char *part, bool says)
{
        if ((strstr(text, part) != NULL) != says)
                fail_msg("\"%s\" is %s in:\n%s", part, says ? "not" : "", text);
}

static const char everywhere[] = "meta l4proto tcp th dport 22 accept";

static void test_what_always_passes(void **state)
{
        static const char *const parts[] = {
                "type filter hook input priority 0; policy drop;", "type filter hook forward priority 0; policy drop;",
                "iifname \"lo\" accept",
                "meta nfproto ipv4 meta l4proto udp th sport 67 th dport 68 accept", "meta nfproto ipv6 meta l4proto udp th dport 546 accept",
        };
        struct ruleset *r = NULL;
        const struct set *s;
        _cleanup_free_ char *text = NULL;
        bool neighbours = false;

        (void)state;
        assert_int_equal(rescue_compile(NULL, &r, NULL), 0);
        text = text_of(r);
        for (size_t i = 0; i < ELEMENTS(parts); i++)
                assert_says(text, parts[i], true);
        s = table_set(&r->tables[0], "icmpv6_types");
        assert_non_null(s);
        for (size_t i = 0; i < s->n_elements; i++)
                neighbours = neighbours || s->elements[i].key[0] == 135;
        assert_true(neighbours);
        assert_int_equal(r->tables[1].n_chains, 0);
        ruleset_free(r);
}

static void set_rescue(infra_estate *e, size_t zone)
{
        struct origin *o = ARRAY_ADD(e->filter.rescue, e->filter.n_rescue);

        o->kind = ORIGIN_ZONE;
        o->index = zone;
        o->name = strdup(e->zones[zone].name);
}

static void test_zones_that_are_named(void **state)
{
        infra_estate *e = sample_estate();
        _cleanup_free_ char *text = NULL;

        (void)state;
        set_rescue(e, ZONE_INTRANET);
        set_rescue(e, ZONE_MONITOR);
        text = rescue_text(e);
        assert_says(text, e->zones[ZONE_INTRANET].interface, true);
        assert_says(text, "203.0.113.12", true);
        assert_says(text, e->zones[ZONE_INTERNET].interface, false);
        assert_says(text, everywhere, false);
        infra_estate_free(e);
}

static struct service *add_ssh(infra_estate *e, const char *port)
{
        struct service *s = ARRAY_ADD(e->host.services, e->host.n_services);

        assert_int_equal(ports_parse(port, &s->port), 0);
        return s;
}

static void drop_services(infra_estate *e)
{
        for (size_t i = 0; i < e->host.n_services; i++)
                service_done(&e->host.services[i]);
        free(e->host.services);
        e->host.services = NULL;
        e->host.n_services = 0;
}

static void test_zones_that_reach_ssh(void **state)
{
        infra_estate *e = sample_estate();
        _cleanup_free_ char *nobody = NULL, *some = NULL, *all = NULL;

        (void)state;
        drop_services(e);
        nobody = rescue_text(e);
        assert_says(nobody, everywhere, true);
        sample_from(add_ssh(e, "20-30/tcp"), ORIGIN_ZONE, ZONE_MONITOR);
        sample_from(add_ssh(e, "80/tcp"), ORIGIN_ZONE, ZONE_INTERNET);
        some = rescue_text(e);
        assert_says(some, "203.0.113.12", true);
        assert_says(some, e->zones[ZONE_INTERNET].interface, false);
        assert_says(some, everywhere, false);
        sample_from(add_ssh(e, "22/tcp"), ORIGIN_ANY, 0);
        all = rescue_text(e);
        assert_says(all, everywhere, true);
        infra_estate_free(e);
}

/* A zone whose only member has no address lets nobody in, and nobody must be locked out. */
static void test_zone_of_nobody(void **state)
{
        infra_estate *e = sample_estate();
        struct zone *z = ARRAY_ADD(e->zones, e->n_zones);
        struct container *c = ARRAY_ADD(e->containers, e->n_containers);
        _cleanup_free_ char *text = NULL;
        struct origin *member = ARRAY_ADD(z->members, z->n_members);

        (void)state;
        z->name = strdup("nobody");
        c->name = strdup("zzz");
        member->kind = ORIGIN_CONTAINER;
        member->index = e->n_containers - 1;
        set_rescue(e, e->n_zones - 1);
        text = rescue_text(e);
        assert_says(text, everywhere, true);
        infra_estate_free(e);
}

static void test_kernel_takes_it(void **state)
{
        infra_estate *e = sample_estate();
        struct ruleset *r[2] = {}, *have = NULL;
        struct firewall *f = NULL;

        (void)state;
        if (unshare(CLONE_NEWNET) < 0) {
                infra_estate_free(e);
                skip();
        }
        set_rescue(e, ZONE_INTRANET);
        set_rescue(e, ZONE_MONITOR);
        assert_int_equal(firewall_open(&f, NULL), 0);
        assert_int_equal(rescue_compile(e, &r[0], NULL), 0);
        assert_int_equal(rescue_compile(NULL, &r[1], NULL), 0);
        for (size_t i = 0; i < ELEMENTS(r); i++) {
                _cleanup_free_ char *diff = NULL;
                _cleanup_error_ infra_error *error = NULL;

                if (firewall_load(f, r[i], &error) < 0)
                        fail_msg("%s", infra_error_message(error));
                assert_int_equal(firewall_read(f, &have, NULL), 0);
                assert_int_equal(ruleset_diff(have, r[i], &diff, NULL), 0);
                assert_string_equal(diff, "");
                have = ruleset_free(have);
                ruleset_free(r[i]);
        }
        firewall_free(f);
        infra_estate_free(e);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_always_passes),   cmocka_unit_test(test_zones_that_are_named),
                cmocka_unit_test(test_zones_that_reach_ssh), cmocka_unit_test(test_zone_of_nobody),
                cmocka_unit_test(test_kernel_takes_it),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
