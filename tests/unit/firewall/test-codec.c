/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rulesets as JSON and back: nothing is lost, and what is damaged is refused. */

#include "../testing.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>

#include "base/macro.h"
#include "firewall/codec.h"
#include "sample.h"

static uint32_t seed = 1;

static uint32_t random_number(void)
{
        seed = seed * 1664525u + 1013904223u;
        return seed >> 8;
}

static void fill(void *to, size_t n)
{
        for (size_t i = 0; i < n; i++)
                ((uint8_t *)to)[i] = (uint8_t)random_number();
}

static void fill_fields(enum field *fields, size_t *n)
{
        unsigned room = 0;

        for (*n = 0; *n < RULESET_FIELDS_MAX; ++*n) {
                enum field f = (enum field)(random_number() % FIELD_MAX);

                if (room + field_room(f) > RULESET_KEY_MAX)
                        return;
                room += field_room(f);
                fields[*n] = f;
        }
}

/* Every member differs from what it is when nothing is said. */
static void add_match(struct rule *r, enum match_kind kind)
{
        struct match *m = rule_add_match(r, kind, FIELD_MARK);

        m->negated = kind % 2;
        fill_fields(m->fields, &m->n_fields);
        fill(m->value, sizeof(m->value));
        fill(m->mask, sizeof(m->mask));
        strcpy(m->set, "a_set");
}

static void add_statement(struct rule *r, enum statement_kind kind)
{
        struct statement *s = rule_add_statement(r, kind);

        s->rate = UINT64_MAX;
        s->per_s = 1ull << 40;
        s->burst = UINT32_MAX;
        s->bytes = s->over = s->random = s->has_group = true;
        strcpy(s->name, "name");
        fill_fields(s->fields, &s->n_fields);
        s->field = (enum field)(kind + 1);
        fill(s->value, sizeof(s->value));
        fill(s->mask, sizeof(s->mask) - kind);
        strcpy(s->prefix, "\"said\": \\ \xc3\xa4 ");
        s->level = kind;
        s->flags = 0x80000000u;
        s->group = UINT16_MAX;
        s->snap = 80;
        s->threshold = 3;
        s->to = (struct translation){ .family = AF_INET6, .port_first = 80, .port_last = 81 };
        fill(s->to.first, sizeof(s->to.first));
        fill(s->to.last, sizeof(s->to.last));
}

static void add_rule(struct chain *c, enum verdict_kind kind)
{
        struct rule *r = chain_add_rule(c, kind, "name");
        struct translation *to = &r->verdict.to;

        for (int m = 0; m < MATCH_MAX; m++)
                add_match(r, (enum match_kind)m);
        for (int s = 0; s < STATEMENT_MAX; s++)
                add_statement(r, (enum statement_kind)s);
        fill_fields(r->verdict.fields, &r->verdict.n_fields);
        *to = (struct translation){ .family = kind % 2 ? AF_INET6 : AF_INET, .port_first = 1, .port_last = UINT16_MAX, .netmap = true, .flags = 7 };
        fill(to->first, sizeof(to->first));
        fill(to->last, sizeof(to->last));
        r->verdict.reject_type = 2;
        r->verdict.reject_code = 13;
        r->verdict.queue_first = 5;
        r->verdict.queue_last = 9;
        r->verdict.queue_flags = 3;
        r->comment = strdup("containers/mail.yaml:12");
        r->unknown = kind == VERDICT_QUEUE ? strdup("[ something ]") : NULL;
}

static void add_set(struct table *t, enum set_data data)
{
        enum field fields[RULESET_FIELDS_MAX];
        size_t n;
        char name[16];
        struct set *s;

        fill_fields(fields, &n);
        snprintf(name, sizeof(name), "set%d", (int)data);
        s = table_add_set(t, name, data, data % 2, fields, n);
        s->runtime = s->timeout = s->dynamic = s->counter = true;
        s->unknown = data == DATA_NONE;
        s->timeout_ms = INT64_MAX;
        s->size = 65535;
        for (int i = 0; i < 7; i++) {
                struct element *e = ARRAY_ADD(s->elements, s->n_elements);

                fill(e->key, set_key_size(s));
                memcpy(e->key_end, e->key, sizeof(e->key));
                if (i % 2)
                        fill(e->key_end, set_key_size(s));
                if (i == 6)
                        memset(e->key_end, 0, sizeof(e->key_end));
                e->covered = e->accepts = i % 3;
                e->jump = i == 2 ? strdup("chain") : NULL;
                e->expires_ms = i - 3;
                e->packets = UINT64_MAX - 5;
                e->bytes = 12345678901234ull;
                fill(e->data, sizeof(e->data));
                e->comment = i ? strdup("mail.yaml:1 web.yaml:2") : NULL;
        }
}

static struct ruleset *everything(void)
{
        static const char *const types[] = { NULL, "filter", "nat", "route" };
        struct ruleset *r = ruleset_new();

        for (size_t t = 0; t < RULESET_TABLES; t++) {
                for (size_t i = 0; i < ELEMENTS(types); i++) {
                        char name[16];
                        struct chain *c;

                        snprintf(name, sizeof(name), "chain%zu", i);
                        c = table_add_chain(&r->tables[t], name, types[i], (unsigned)i, i % 2 ? INT32_MIN : 100, i == 1);
                        for (int k = 0; k < VERDICT_MAX; k++)
                                add_rule(c, (enum verdict_kind)k);
                }
                for (int d = 0; d < DATA_MAX; d++)
                        add_set(&r->tables[t], (enum set_data)d);
                strlist_add(&r->tables[t].unknown, "flags dormant");
        }
        return r;
}

static void assert_text(const char *a, const char *b)
{
        assert_string_equal(a ? a : "(none)", b ? b : "(none)");
}

/* What stands behind the end of a name or a list of fields means nothing, and the compiler leaves it as it was on the stack. */
static void clean(char *name, size_t size)
{
        memset(name + strlen(name), 0, size - strlen(name));
}

static void clean_rule(const struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++)
                clean(r->matches[i].set, sizeof(r->matches[i].set));
        for (size_t i = 0; i < r->n_statements; i++) {
                clean(r->statements[i].name, sizeof(r->statements[i].name));
                clean(r->statements[i].prefix, sizeof(r->statements[i].prefix));
                for (size_t k = r->statements[i].n_fields; k < RULESET_FIELDS_MAX; k++)
                        r->statements[i].fields[k] = FIELD_IIFNAME;
        }
}

static void assert_rule(const struct rule *a, const struct rule *b)
{
        assert_int_equal(a->n_matches, b->n_matches);
        assert_int_equal(a->n_statements, b->n_statements);
        clean_rule(a);
        if (a->n_matches)
                assert_memory_equal(a->matches, b->matches, a->n_matches * sizeof(*a->matches));
        if (a->n_statements)
                assert_memory_equal(a->statements, b->statements, a->n_statements * sizeof(*a->statements));
        assert_memory_equal(&a->verdict, &b->verdict, sizeof(a->verdict));
        assert_text(a->comment, b->comment);
        assert_text(a->unknown, b->unknown);
}

static void assert_chain(const struct chain *a, const struct chain *b)
{
        assert_text(a->name, b->name);
        assert_text(a->type, b->type);
        assert_int_equal(a->hook, b->hook);
        assert_int_equal(a->priority, b->priority);
        assert_int_equal(a->drops, b->drops);
        assert_int_equal(a->n_rules, b->n_rules);
        for (size_t i = 0; i < a->n_rules; i++)
                assert_rule(&a->rules[i], &b->rules[i]);
}

/* Pointers are compared by what they point to, all else by its bytes. */
static void assert_set(const struct set *a, const struct set *b)
{
        struct set x = *a, y = *b;

        assert_text(a->name, b->name);
        assert_int_equal(a->n_elements, b->n_elements);
        for (size_t i = 0; i < a->n_elements; i++) {
                struct element e = a->elements[i], f = b->elements[i];

                assert_text(e.jump, f.jump);
                assert_text(e.comment, f.comment);
                e.jump = f.jump = e.comment = f.comment = NULL;
                e.span = f.span = (struct span){};
                assert_memory_equal(&e, &f, sizeof(e));
        }
        x.name = y.name = NULL;
        x.elements = y.elements = NULL;
        assert_memory_equal(&x, &y, sizeof(x));
}

static void assert_same(const struct ruleset *a, const struct ruleset *b)
{
        for (size_t t = 0; t < RULESET_TABLES; t++) {
                const struct table *x = &a->tables[t], *y = &b->tables[t];

                assert_int_equal(x->family, y->family);
                assert_int_equal(x->n_chains, y->n_chains);
                assert_int_equal(x->n_sets, y->n_sets);
                assert_int_equal(x->unknown.n, y->unknown.n);
                for (size_t i = 0; i < x->n_chains; i++)
                        assert_chain(&x->chains[i], &y->chains[i]);
                for (size_t i = 0; i < x->n_sets; i++)
                        assert_set(&x->sets[i], &y->sets[i]);
                for (size_t i = 0; i < x->unknown.n; i++)
                        assert_text(x->unknown.items[i], y->unknown.items[i]);
        }
}

/* Through the text of a file. */
static struct ruleset *there_and_back(const struct ruleset *r)
{
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_json_ json_t *j = ruleset_encode(r), *read = NULL;
        _cleanup_free_ char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
        struct ruleset *ret = NULL;

        assert_non_null(text);
        read = json_loads(text, 0, NULL);
        assert_non_null(read);
        if (ruleset_decode(read, &ret, &error) < 0)
                fail_msg("%s", infra_error_message(error));
        return ret;
}

static void test_everything(void **state)
{
        struct ruleset *want = everything(), *have = there_and_back(want);

        (void)state;
        assert_same(want, have);
        /* What was decoded grows like what was made. */
        for (int i = 0; i < 5; i++)
                assert_non_null(chain_add_rule(&have->tables[0].chains[0], VERDICT_DROP, NULL));
        ruleset_free(have);
        ruleset_free(want);
}

static void test_examples(void **state)
{
        static const char *const names[] = { "demo", "infra02", "complete" };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                infra_estate *e = sample_example(names[i]);
                struct ruleset *want = sample_ruleset(e), *have = there_and_back(want);
                _cleanup_free_ char *a = sample_text(want), *b = sample_text(have), *diff = sample_diff(want, have);

                assert_same(want, have);
                assert_string_equal(a, b);
                assert_string_equal(diff, "");
                ruleset_free(have);
                ruleset_free(want);
                infra_estate_free(e);
        }
}

static void test_words_that_are_not_known(void **state)
{
        static const char *const texts[] = {
                "{}", "[]", "{\"tables\":[]}", "{\"tables\":[{},{}]}", "{\"tables\":[{\"family\":\"inet\"},{\"family\":\"bridge\"}],\"x\":1}",
                "{\"tables\":[{\"family\":\"bridge\"},{\"family\":\"inet\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"nft\":\"\"},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"chains\":[{}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"chains\":[{\"name\":\"c\",\"type\":\"filtre\"}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"chains\":[{\"name\":\"c\",\"hook\":-1}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"chains\":[{\"name\":\"c\",\"hook\":4294967296}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"chains\":[{\"name\":\"c\",\"rules\":[{\"verdict\":{\"kind\":\"acept\"}}]}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"sets\":[{\"name\":\"s\",\"data\":\"none\",\"fields\":[\"ip6 saddr\",\"ip6 saddr\",\"ip6 saddr\",\"ip6 saddr\",\"th dport\"]}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"sets\":[{\"name\":\"s\",\"data\":\"none\",\"elements\":[{\"key\":\"0g\"}]}]},{\"family\":\"bridge\"}]}",
                "{\"tables\":[{\"family\":\"inet\",\"sets\":[{\"name\":\"s\",\"data\":\"none\",\"elements\":[{\"data\":\"000102030405060708\"}]}]},{\"family\":\"bridge\"}]}",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_json_ json_t *j = json_loads(texts[i], 0, NULL);
                _cleanup_error_ infra_error *error = NULL;
                struct ruleset *r = NULL;

                assert_non_null(j);
                assert_int_equal(ruleset_decode(j, &r, &error), -EBADMSG);
                assert_null(r);
                assert_non_null(error);
        }
}

/* Bytes changed at random: refused, or a ruleset that can be shown and compared. */
static void test_damage(void **state)
{
        infra_estate *e = sample_example("demo");
        struct ruleset *want = sample_ruleset(e);
        _cleanup_json_ json_t *j = ruleset_encode(want);
        _cleanup_free_ char *text = json_dumps(j, JSON_COMPACT);
        size_t length = strlen(text), refused = 0;

        (void)state;
        for (unsigned i = 0; i < test_rounds(400); i++) {
                _cleanup_free_ char *damaged = strdup(text);
                _cleanup_error_ infra_error *error = NULL;
                _cleanup_json_ json_t *read = NULL;
                struct ruleset *r = NULL;
                size_t place = random_number() % length;

                damaged[place] = "0a\"{}[]:,x-~"[random_number() % 12];
                if (i % 10 == 0)
                        damaged[place] = '\0';
                read = json_loads(damaged, 0, NULL);
                if (!read || ruleset_decode(read, &r, &error) < 0) {
                        refused++;
                        continue;
                }
                free(sample_text(r));
                free(sample_diff(r, want));
                ruleset_free(r);
        }
        assert_true(refused > test_rounds(400) / 3);
        ruleset_free(want);
        infra_estate_free(e);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_examples),
                cmocka_unit_test(test_words_that_are_not_known),
                cmocka_unit_test(test_damage),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
