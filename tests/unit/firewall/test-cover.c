/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Openings that overlap: each key is said once, and what is open is what it was. */

#include "../testing.h"

#include <arpa/inet.h>

#include "sample.h"

enum { PORTS = 24, ADDRESSES = 16, OPENINGS = 12, ROUNDS = 300 };

static struct set *make_set(struct table *t)
{
        static const enum field fields[] = { FIELD_IP_SADDR, FIELD_L4PROTO, FIELD_DPORT };

        return table_add_set(t, "openings", DATA_VERDICT, true, fields, ELEMENTS(fields));
}

/* The network of @bits host bits around 10.0.0.@host, to ports @first-@last; from line @line. */
static void open_ports(struct set *s, unsigned host, unsigned bits, unsigned first, unsigned last, unsigned line)
{
        struct element *x = ARRAY_ADD(s->elements, s->n_elements);
        uint32_t from = htonl(0x0a000000 | (host >> bits << bits)),
                 to = htonl(0x0a000000 | (host | ((1u << bits) - 1)));

        memcpy(x->key, &from, 4);
        memcpy(x->key_end, &to, 4);
        x->key[4] = x->key_end[4] = 6;
        x->key[9] = (uint8_t)first;
        x->key_end[9] = (uint8_t)last;
        x->accepts = true;
        x->comment = path_join("a.yaml:%u", line);
}

static unsigned count(const struct set *s, unsigned host, unsigned port)
{
        unsigned n = 0;

        for (size_t i = 0; i < s->n_elements; i++) {
                const struct element *x = &s->elements[i];

                n += x->key[3] <= host && host <= x->key_end[3] && x->key[9] <= port && port <= x->key_end[9];
        }
        return n;
}

static void test_same_meaning(void **state)
{
        (void)state;
        srand(1);
        for (unsigned round = 0; round < ROUNDS; round++) {
                struct ruleset *r = ruleset_new();
                struct set *s = make_set(&r->tables[0]);
                bool open[ADDRESSES][PORTS];

                for (unsigned i = 0; i < OPENINGS; i++) {
                        unsigned first = (unsigned)rand() % PORTS, more = (unsigned)rand() % (PORTS - first);

                        open_ports(s, (unsigned)rand() % ADDRESSES, (unsigned)rand() % 5, first, first + more, i);
                }
                for (unsigned a = 0; a < ADDRESSES; a++)
                        for (unsigned p = 0; p < PORTS; p++)
                                open[a][p] = count(s, a, p) > 0;
                assert_int_equal(set_disjoin(s), 0);
                for (unsigned a = 0; a < ADDRESSES; a++)
                        for (unsigned p = 0; p < PORTS; p++)
                                assert_int_equal(count(s, a, p), open[a][p]);
                ruleset_free(r);
        }
}

/* Of 10.0.0.0-15 to 20-22 and 10.0.0.4 to 18-23 the second is left with 18-19 and 23. */
static void test_cut_in_two(void **state)
{
        struct ruleset *r = ruleset_new();
        struct set *s = make_set(&r->tables[0]);

        (void)state;
        open_ports(s, 0, 4, 20, 22, 7);
        open_ports(s, 4, 0, 18, 23, 70);
        open_ports(s, 9, 0, 20, 20, 7);
        assert_int_equal(set_disjoin(s), 0);
        assert_int_equal(s->n_elements, 3);
        assert_string_equal(s->elements[0].comment, "a.yaml:7 a.yaml:70");
        assert_int_equal(s->elements[1].key[9], 18);
        assert_int_equal(s->elements[1].key_end[9], 19);
        assert_int_equal(s->elements[2].key[9], 23);
        assert_int_equal(s->elements[2].key_end[9], 23);
        assert_string_equal(s->elements[2].comment, "a.yaml:70");
        ruleset_free(r);
}

/* A line's number is no part of another's. */
static void test_names_of_lines(void **state)
{
        struct ruleset *r = ruleset_new();
        struct set *s = make_set(&r->tables[0]);

        (void)state;
        open_ports(s, 0, 4, 20, 22, 12);
        open_ports(s, 4, 0, 20, 20, 1);
        open_ports(s, 5, 0, 20, 20, 12);
        assert_int_equal(set_disjoin(s), 0);
        assert_int_equal(s->n_elements, 1);
        assert_string_equal(s->elements[0].comment, "a.yaml:12 a.yaml:1");
        ruleset_free(r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same_meaning),
                cmocka_unit_test(test_cut_in_two),
                cmocka_unit_test(test_names_of_lines),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
