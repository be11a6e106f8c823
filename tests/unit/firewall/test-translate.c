/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rules of iptables and what becomes of them; mistakes at their columns; nothing that is cut off or garbled crashes. */

#include "../testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "firewall/firewall.h"
#include "firewall/import/legacy.h"

static const struct row {
        int family;
        const char *table;
        const char *chain;
        const char *words;
        const char *text; /* the last rule of the chain */
} rows[] = {
#include "translate-rows.h"
};

static int translate(int family, const char *text, bool tolerant, struct legacy *l, infra_diags *diags, struct ruleset **ret)
{
        _cleanup_error_ infra_error *e = NULL;
        int r = legacy_read_save(l, "rules.v4", text, family, diags, &e);

        return r < 0 ? r : legacy_translate(l, tolerant, ret, diags, NULL);
}

static char *save_of(const struct row *row)
{
        struct str s = {};

        str_add(&s, "*%s\n:%s %s [0:0]\n:ours - [0:0]\n-A %s %s\nCOMMIT\n", row->table, row->chain, streq(row->chain, "ours") ? "-" : "ACCEPT",
                row->chain, row->words);
        return str_take(&s);
}

static void test_rows(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_diags_ infra_diags *diags = infra_diags_new();
                _cleanup_free_ char *text = save_of(&rows[i]), *have = NULL, *name = NULL;
                _cleanup_legacy_ struct legacy l = {};
                struct ruleset *r = NULL;
                struct chain *c;

                if (translate(rows[i].family, text, false, &l, diags, &r) < 0)
                        infra_diags_print(diags, stderr);
                assert_non_null(r);
                assert_true(asprintf(&name, "%s%d-%s", rows[i].table, rows[i].family == AF_INET ? 4 : 6, rows[i].chain) > 0);
                c = table_chain(&r->tables[0], name);
                assert_non_null(c);
                assert_int_equal(c->rules[0].matches[0].value[0], rows[i].family == AF_INET ? 10 : 2);
                have = rule_text(&c->rules[c->n_rules - 1]);
                if (getenv("INFRA_SHOW"))
                        fprintf(stderr, "%s => %s\n", rows[i].words, have);
                else
                        assert_string_equal(have, rows[i].text);
                assert_string_equal(c->rules[c->n_rules - 1].comment, "rules.v4:4");
                ruleset_free(r);
        }
}

/* Not translated: an error at that column, and when others are wanted all the same a rule that nobody understands. */
static void assert_refused(const struct row *row, unsigned column)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_free_ char *text = save_of(row), *name = NULL;
        _cleanup_legacy_ struct legacy l = {};
        struct ruleset *r = NULL;
        const struct chain *c;

        assert_int_equal(translate(row->family, text, false, &l, diags, &r), -EBADMSG);
        assert_int_equal(diags->n, 1);
        assert_string_equal(diags->items[0].file, "rules.v4");
        assert_int_equal(diags->items[0].line, 4);
        if (diags->items[0].column != column)
                fail_msg("%s: column %u, not %u: %s", row->words, diags->items[0].column, column, diags->items[0].message);
        assert_int_equal(legacy_translate(&l, true, &r, diags, NULL), 0);
        assert_true(asprintf(&name, "%s%d-%s", row->table, row->family == AF_INET ? 4 : 6, row->chain) > 0);
        c = table_chain(&r->tables[0], name);
        assert_non_null(c->rules[c->n_rules - 1].unknown);
        ruleset_free(r);
}

static void test_refused(void **state)
{
        static const struct {
                int family;
                const char *table, *chain, *words;
                unsigned column;
        } refused[] = {
#include "translate-refused.h"
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                const struct row row = { refused[i].family, refused[i].table, refused[i].chain, refused[i].words, NULL };

                assert_refused(&row, refused[i].column);
        }
}

static void test_mistakes(void **state)
{
        static const struct {
                const char *words;
                unsigned column;
        } mistakes[] = {
                { "-m recent --set -j DROP", 13 },        { "-p tcp --dport 99999 -j DROP", 25 }, { "-p tcp --bogus 1 -j DROP", 17 },
                { "-j NOWHERE", 13 },                     { "-s host.example -j DROP", 13 },      { "--dport 22 -j DROP", 10 },
                { "-p tcp -m physdev --physdev-in x", 20 }, { "-m limit --limit 5/min ! --limit-burst 3", 35 },
                { "-p", 10 },                             { "-j REJECT --reject-with tcp-reset", 34 }, { "-j DNAT --to-destination 10.0.0.1", 13 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(mistakes); i++) {
                const struct row row = { AF_INET, "filter", "INPUT", mistakes[i].words, NULL };

                assert_refused(&row, mistakes[i].column);
        }
}

/* A helper is given where mangle begins, to whom table raw would have given it. */
static void test_helpers(void **state)
{
        static const char text[] = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i lo -j CT --notrack\n-A PREROUTING -s 192.0.2.66 -j DROP\n"
                                   "-A PREROUTING -p tcp --dport 2121 -j CT --helper ftp\n-A PREROUTING -j NOTRACK\nCOMMIT\n"
                                   "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-mark 1\nCOMMIT\n";
        static const char *const expected[] = { "iifname \"lo\" return",
                                                "meta l4proto tcp th dport 2121 ct status & (expected) == 0x0 ct helper set \"ftp-tcp-4\" return" };
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_legacy_ struct legacy l = {};
        struct ruleset *r = NULL;
        const struct chain *c;

        (void)state;
        assert_int_equal(translate(AF_INET, text, false, &l, diags, &r), 0);
        c = table_chain(&r->tables[0], "raw4-PREROUTING-helpers");
        assert_int_equal(c->n_rules, ELEMENTS(expected));
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                _cleanup_free_ char *have = rule_text(&c->rules[i]);

                assert_string_equal(have, expected[i]);
        }
        c = table_chain(&r->tables[0], "mangle4-PREROUTING");
        assert_int_equal(c->n_rules, 3);
        assert_string_equal(c->rules[1].verdict.name, "raw4-PREROUTING-helpers");
        assert_int_equal(table_chain(&r->tables[0], "raw4-PREROUTING")->n_rules, 4);
        ruleset_free(r);
}

static void test_garbled(void **state)
{
        (void)state;
        srand(1);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_free_ char *text = save_of(&rows[i]);
                size_t length = strlen(text);

                for (size_t cut = 0; cut < length; cut++) {
                        _cleanup_free_ char *copy = strdup(text);
                        _cleanup_diags_ infra_diags *diags = infra_diags_new();
                        _cleanup_legacy_ struct legacy l = {};
                        struct ruleset *r = NULL;

                        if (cut % 2)
                                copy[cut] = "\"!-,:/ 9\n"[rand() % 9];
                        else
                                memmove(copy + cut, copy + cut + 1, length - cut);
                        if (translate(rows[i].family, copy, true, &l, diags, &r) >= 0)
                                ruleset_free(r);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_helpers),
                cmocka_unit_test(test_garbled),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
