/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Comparison of random rulesets against trying every packet of a small world: two protocols, four addresses and ports
 * a side, two interfaces, three states, four marks. The rules speak of nothing else, so the small world says it all.
 */

#include "../testing.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare.h"
#include "firewall/compile.h"

enum { SEEDS = 24, CHAINS = 4, RULES_MAX = 5 };

struct world {
        unsigned protocol, dport, daddr, saddr, in, state, mark;
};

struct fate_of {
        bool accepted;
        unsigned daddr, dport, mark, routed;
};

static const unsigned protocols[] = { 6, 17, 99 }, states[] = { 2, 8, 1 };
static const char *const interfaces[] = { "a0", "a1", "b0" };

static uint64_t seed;

static unsigned any(unsigned n)
{
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (unsigned)(seed >> 33) % n;
}

/* Rules speak of addresses 10.0.0.0 .. 3 and ports and marks 0 .. 3; in the world there is also 4, which stands for all others. */
static void put(struct match *m, unsigned value, uint8_t *to)
{
        uint8_t address[4] = { 10, 0, 0, (uint8_t)value };

        if (m->fields[0] == FIELD_IP_DADDR || m->fields[0] == FIELD_IP_SADDR)
                memcpy(to, address, 4);
        else
                field_put_number(m->fields[0], value, to);
}

static void random_match(struct rule *r)
{
        static const enum field fields[] = { FIELD_L4PROTO, FIELD_DPORT, FIELD_IP_DADDR, FIELD_IP_SADDR, FIELD_IIFNAME, FIELD_CT_STATE, FIELD_MARK };
        enum field f = fields[any(ELEMENTS(fields))];
        struct match *m = rule_add_match(r, MATCH_EQUAL, f);
        unsigned low = any(4), high = low + any(4 - low);

        m->negated = any(4) == 0;
        if (f == FIELD_L4PROTO) {
                put(m, protocols[any(2)], m->value);
        } else if (f == FIELD_IIFNAME) {
                memcpy(m->value, interfaces[any(2)], 2);
                if (any(3) == 0) {
                        m->kind = MATCH_BITS;
                        m->value[1] = 0;
                        m->mask[0] = 0xff;
                }
        } else if (f == FIELD_CT_STATE) {
                m->kind = MATCH_ANY_BIT;
                put(m, any(2) ? states[any(3)] : 10, m->mask);
        } else {
                m->kind = any(2) ? MATCH_RANGE : MATCH_EQUAL;
                put(m, low, m->value);
                put(m, high, m->mask);
        }
}

static void random_rule(struct chain *c, unsigned chain, bool nat)
{
        static const enum verdict_kind kinds[] = { VERDICT_ACCEPT, VERDICT_DROP, VERDICT_ACCEPT, VERDICT_DROP, VERDICT_JUMP, VERDICT_GOTO, VERDICT_RETURN,
                                                   VERDICT_CONTINUE };
        enum verdict_kind kind = kinds[any(ELEMENTS(kinds))];
        bool jumps = kind == VERDICT_JUMP || kind == VERDICT_GOTO;
        struct rule *r;

        if (jumps && chain >= 2)
                kind = VERDICT_CONTINUE;
        if (nat)
                kind = any(3) ? VERDICT_DNAT : VERDICT_ACCEPT;
        r = chain_add_rule(c, kind, jumps && chain < 2 ? (chain == 0 ? "sub1" : "sub2") : NULL);
        for (unsigned n = any(4); n > 0; n--)
                random_match(r);
        if (kind == VERDICT_DNAT) {
                const uint8_t address[4] = { 10, 0, 0, (uint8_t)any(4) };

                r->verdict.to.family = AF_INET;
                memcpy(r->verdict.to.first, address, 4);
                memcpy(r->verdict.to.last, address, 4);
                r->verdict.to.port_first = r->verdict.to.port_last = (uint16_t)any(4);
        }
        if (!nat && any(4) == 0) {
                struct statement *s = rule_add_statement(r, STATEMENT_SET);
                uint32_t value = any(4), mask = any(4);

                s->field = FIELD_MARK;
                memcpy(s->value, &value, 4);
                memcpy(s->mask, &mask, 4);
        }
}

/* Marks before, translation, then the forward chain with two below it. Every chain begins with: only IPv4. */
static struct ruleset *random_ruleset(uint64_t with)
{
        static const char *const names[] = { "forward", "sub1", "sub2" };
        struct ruleset *r = ruleset_new();
        struct table *t = &r->tables[0];
        uint8_t v4 = NFPROTO_IPV4;

        seed = with * 2654435761u + 17;
        any(2);
        table_add_chain(t, "mangle", "filter", NF_INET_PRE_ROUTING, -150, false);
        table_add_chain(t, "nat", "nat", NF_INET_PRE_ROUTING, -100, false);
        table_add_chain(t, names[0], "filter", NF_INET_FORWARD, 0, any(2));
        table_add_chain(t, names[1], NULL, 0, 0, false);
        table_add_chain(t, names[2], NULL, 0, 0, false);
        for (size_t i = 0; i < t->n_chains; i++) {
                for (unsigned n = 1 + any(RULES_MAX); n > 0; n--)
                        random_rule(&t->chains[i], i < 2 ? 9 : (unsigned)i - 2, i == 1);
                for (size_t k = 0; k < t->chains[i].n_rules; k++)
                        match_value(&t->chains[i].rules[k], FIELD_NFPROTO, &v4, 1);
        }
        return r;
}

static unsigned value_of(const struct world *w, enum field f)
{
        switch (f) {
        case FIELD_L4PROTO: return w->protocol;
        case FIELD_DPORT: return w->dport;
        case FIELD_IP_DADDR: return w->daddr;
        case FIELD_IP_SADDR: return w->saddr;
        case FIELD_CT_STATE: return w->state;
        default: return w->mark;
        }
}

static unsigned number_in(enum field f, const uint8_t *value)
{
        return f == FIELD_IP_DADDR || f == FIELD_IP_SADDR ? value[3] : (unsigned)field_number(f, value);
}

static bool holds(const struct match *m, const struct world *w)
{
        enum field f = m->fields[0];
        unsigned have, low, high;
        bool r;

        if (f == FIELD_NFPROTO)
                return true;
        if (f == FIELD_IIFNAME) {
                r = m->kind == MATCH_BITS ? interfaces[w->in][0] == (char)m->value[0] : strcmp(interfaces[w->in], (const char *)m->value) == 0;
                return r != m->negated;
        }
        have = value_of(w, f);
        low = number_in(f, m->value);
        high = number_in(f, m->mask);
        r = m->kind == MATCH_ANY_BIT ? (have & high) != 0 : m->kind == MATCH_RANGE ? have >= low && have <= high : have == low;
        return r != m->negated;
}

enum step { STEP_ON, STEP_BACK, STEP_ACCEPT, STEP_DROP };

static enum step walk(const struct table *t, const struct chain *c, struct world *w)
{
        for (const struct rule *r = c->rules; r < c->rules + c->n_rules; r++) {
                enum step s = STEP_ON;
                bool all = true;

                for (size_t i = 0; i < r->n_matches; i++)
                        all = all && holds(&r->matches[i], w);
                if (!all)
                        continue;
                for (size_t i = 0; i < r->n_statements; i++) {
                        uint32_t value, mask;

                        memcpy(&value, r->statements[i].value, 4);
                        memcpy(&mask, r->statements[i].mask, 4);
                        w->mark = (w->mark & mask) ^ value;
                }
                switch (r->verdict.kind) {
                case VERDICT_ACCEPT: return STEP_ACCEPT;
                case VERDICT_DROP: return STEP_DROP;
                case VERDICT_RETURN: return STEP_BACK;
                case VERDICT_JUMP: case VERDICT_GOTO: s = walk(t, table_chain(t, r->verdict.name), w); break;
                case VERDICT_DNAT:
                        w->daddr = r->verdict.to.first[3];
                        w->dport = r->verdict.to.port_first ? r->verdict.to.port_first : w->dport;
                        return STEP_ACCEPT;
                default: break;
                }
                if (s == STEP_ACCEPT || s == STEP_DROP)
                        return s;
                if (r->verdict.kind == VERDICT_GOTO)
                        return STEP_BACK;
        }
        return STEP_ON;
}

static struct fate_of try(const struct ruleset *r, struct world w)
{
        const struct table *t = &r->tables[0];
        unsigned routed = w.mark;

        for (size_t i = 0; i < 3; i++) {
                enum step s;

                routed = i < 2 ? routed : w.mark;
                if (i == 1 && w.state != 8)
                        continue;
                s = walk(t, &t->chains[i], &w);
                if (s == STEP_DROP || (s != STEP_ACCEPT && t->chains[i].drops))
                        return (struct fate_of){};
        }
        return (struct fate_of){ true, w.daddr, w.dport, w.mark, routed };
}

static bool same(const struct ruleset *a, const struct ruleset *b, const struct world *w)
{
        struct fate_of x = try(a, *w), y = try(b, *w);

        return x.accepted == y.accepted && x.daddr == y.daddr && x.dport == y.dport && x.mark == y.mark && x.routed == y.routed;
}

enum { PACKETS = 3 * 5 * 5 * 5 * 3 * 3 * 5 };

static struct world packet_number(unsigned n)
{
        struct world w = { .protocol = protocols[n % 3], .dport = n / 3 % 5, .daddr = n / 15 % 5, .saddr = n / 75 % 5,
                           .in = n / 375 % 3, .state = states[n / 1125 % 3], .mark = n / 3375 % 5 };

        return w;
}

static bool all_same(const struct ruleset *a, const struct ruleset *b)
{
        for (unsigned n = 0; n < PACKETS; n++) {
                struct world w = packet_number(n);

                if (!same(a, b, &w))
                        return false;
        }
        return true;
}

/* What the small world is: IPv4, routed. */
static bool is_through(const struct difference *d)
{
        return startswith(d->packets, "IPv4") && strstr(d->packets, "through");
}

static bool differs_through(const struct ruleset *a, const struct ruleset *b, struct comparison *c)
{
        infra_error *e = NULL;
        bool r = false;

        assert_int_equal(ruleset_compare(a, b, 0, 0, c, &e), 0);
        assert_int_not_equal(c->answer, ANSWER_UNKNOWN);
        for (size_t i = 0; i < c->n_differences; i++)
                r = r || is_through(&c->differences[i]);
        return r;
}

/* The examples must be true in the small world as well, where they are in it. */
static void check_examples(const struct ruleset *a, const struct ruleset *b, const struct comparison *c)
{
        for (size_t i = 0; i < c->n_differences; i++) {
                const struct packet *p = &c->differences[i].example;
                struct world w = {};
                const char *in = (const char *)p->fields[FIELD_IIFNAME];

                if (!is_through(&c->differences[i]))
                        continue;
                w.protocol = p->fields[FIELD_L4PROTO][0];
                w.dport = (unsigned)field_number(FIELD_DPORT, p->fields[FIELD_DPORT]);
                w.mark = (unsigned)field_number(FIELD_MARK, p->fields[FIELD_MARK]);
                w.state = (unsigned)field_number(FIELD_CT_STATE, p->fields[FIELD_CT_STATE]);
                w.daddr = memcmp(p->fields[FIELD_IP_DADDR], "\x0a\0\0", 3) == 0 ? p->fields[FIELD_IP_DADDR][3] : 1000;
                w.saddr = memcmp(p->fields[FIELD_IP_SADDR], "\x0a\0\0", 3) == 0 ? p->fields[FIELD_IP_SADDR][3] : 1000;
                w.in = streq(in, "a0") ? 0 : streq(in, "a1") ? 1 : 2;
                if (w.in == 2 && in[0] == 'a')
                        continue; /* an interface of the prefix that the small world does not have */
                /* A related packet is translated like a new one, and new to no rule: not in the small world. */
                if (w.state != 4 && w.state != 64)
                        assert_false(same(a, b, &w));
        }
}

static void test_two_random_ones(void **state)
{
        unsigned equal = 0;

        (void)state;
        for (unsigned i = 0; i < test_rounds(SEEDS); i++) {
                struct ruleset *a = random_ruleset(i), *b = random_ruleset(i % 3 ? i + 1000 : i);
                struct comparison c, back;
                bool differ = differs_through(a, b, &c);

                /* States and interfaces outside of the small world can only make more differences. */
                if (!all_same(a, b))
                        assert_true(differ);
                else
                        equal++;
                if (i % 3 == 0)
                        assert_int_equal(c.answer, ANSWER_EQUAL);
                assert_int_equal(differs_through(b, a, &back), differ);
                check_examples(a, b, &c);
                comparison_done(&c);
                comparison_done(&back);
                ruleset_free(a);
                ruleset_free(b);
        }
        assert_true(equal >= test_rounds(SEEDS) / 3);
}

/* One thing is changed: found, or every packet of the small world fares the same. */
static void test_one_mutation(void **state)
{
        unsigned harmless = 0, found = 0;

        (void)state;
        for (unsigned i = 0; i < test_rounds(SEEDS); i++) {
                struct ruleset *a = random_ruleset(i), *b = random_ruleset(i);
                struct chain *chain;
                struct rule *r;
                struct comparison c;
                bool differ, equal;

                seed = i * 77777 + 3;
                chain = &b->tables[0].chains[any(5)];
                r = &chain->rules[any((unsigned)chain->n_rules)];
                if (any(2) && r->n_matches > 1)
                        r->matches[0].negated = !r->matches[0].negated;
                else if (chain->type == NULL || streq(chain->type, "filter"))
                        r->verdict.kind = r->verdict.kind == VERDICT_DROP ? VERDICT_ACCEPT : VERDICT_DROP;
                else
                        r->verdict.to.first[3] = r->verdict.to.last[3] = (uint8_t)(r->verdict.to.first[3] ^ 1);
                differ = differs_through(a, b, &c);
                equal = all_same(a, b);
                if (!equal)
                        assert_true(differ);
                if (c.answer == ANSWER_EQUAL)
                        assert_true(equal);
                check_examples(a, b, &c);
                harmless += !differ;
                found += differ;
                comparison_done(&c);
                ruleset_free(a);
                ruleset_free(b);
        }
        assert_true(harmless > test_rounds(SEEDS) / 8);
        assert_true(found > test_rounds(SEEDS) / 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_two_random_ones), cmocka_unit_test(test_one_mutation) };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
