/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * compare-bench [N [CASE]]: N rules a side (10000): linear against linear, a map against linear, and N translations in both
 * directions. CASE: only those whose name begins so. Time of one processor, and peak memory.
 */

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare.h"
#include "firewall/compile.h"

static void key_of(unsigned i, uint8_t address[static 4], unsigned *ret_port)
{
        uint32_t mixed = i * 2654435761u;

        address[0] = 10;
        address[1] = (uint8_t)(mixed >> 24);
        address[2] = (uint8_t)(i >> 8);
        address[3] = (uint8_t)i;
        *ret_port = 1 + (mixed >> 7) % 60000;
}

static void add_line(struct chain *c, unsigned i, bool networks)
{
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        struct address from = { .family = AF_INET, .prefix = 16 + i % 9 };
        uint8_t address[4], protocol = IPPROTO_TCP, port[2];
        unsigned n;

        key_of(i, address, &n);
        port[0] = (uint8_t)(n >> 8);
        port[1] = (uint8_t)n;
        if (networks) {
                memcpy(from.bytes, (uint8_t[]){ 172, (uint8_t)(i * 7), (uint8_t)(i * 13), 0 }, 4);
                match_network(r, FIELD_IP_SADDR, &from);
        }
        match_value(r, FIELD_IP_DADDR, address, 4);
        match_value(r, FIELD_L4PROTO, &protocol, 1);
        match_value(r, FIELD_DPORT, port, 2);
}

static struct ruleset *linear(unsigned n, bool networks)
{
        struct ruleset *r = ruleset_new();
        struct chain *c = table_add_chain(&r->tables[0], "forward", "filter", NF_INET_FORWARD, 0, true);

        match_state(chain_add_rule(c, VERDICT_ACCEPT, NULL), STATE_BIT_ESTABLISHED | STATE_BIT_RELATED);
        for (unsigned i = 0; i < n; i++)
                add_line(c, i, networks);
        return r;
}

static struct ruleset *mapped(unsigned n)
{
        static const enum field fields[] = { FIELD_IP_DADDR, FIELD_L4PROTO, FIELD_DPORT };
        struct ruleset *r = linear(0, false);
        struct set *s = table_add_set(&r->tables[0], "services", DATA_VERDICT, false, fields, 3);
        struct rule *u = chain_add_rule(&r->tables[0].chains[0], VERDICT_MAP, "services");

        memcpy(u->verdict.fields, fields, sizeof(fields));
        u->verdict.n_fields = 3;
        for (unsigned i = 0; i < n; i++) {
                struct element *e = ARRAY_ADD(s->elements, s->n_elements);
                unsigned port;

                key_of(i, e->key, &port);
                e->key[4] = IPPROTO_TCP;
                e->key[8] = (uint8_t)(port >> 8);
                e->key[9] = (uint8_t)port;
                memcpy(e->key_end, e->key, sizeof(e->key));
                e->accepts = true;
        }
        return r;
}

/* A public address for each in both directions, and one difference. */
static struct ruleset *translated(unsigned n, bool other)
{
        static const enum field in = FIELD_IP_DADDR, out = FIELD_IP_SADDR;
        struct ruleset *r = linear(n, false);
        struct set *sets[2];

        for (int k = 0; k < 2; k++) {
                struct chain *c = table_add_chain(&r->tables[0], k ? "post" : "pre", "nat", k ? NF_INET_POST_ROUTING : NF_INET_PRE_ROUTING, k ? 100 : -100, false);
                struct rule *u = chain_add_rule(c, k ? VERDICT_SNAT : VERDICT_DNAT, k ? "out" : "in");

                u->verdict.fields[0] = k ? out : in;
                u->verdict.n_fields = 1;
                table_add_set(&r->tables[0], k ? "out" : "in", DATA_ADDRESS, false, k ? &out : &in, 1);
        }
        sets[0] = table_set(&r->tables[0], "in");
        sets[1] = table_set(&r->tables[0], "out");
        for (unsigned i = 0; i < n; i++)
                for (int k = 0; k < 2; k++) {
                        struct element *e = ARRAY_ADD(sets[k]->elements, sets[k]->n_elements);
                        uint8_t internal[4], outer[4] = { 198, 18, (uint8_t)(i >> 8), (uint8_t)i };
                        unsigned port;

                        key_of(i, internal, &port);
                        memcpy(e->key, k ? internal : outer, 4);
                        memcpy(e->key_end, e->key, sizeof(e->key));
                        memcpy(e->data, k ? outer : internal, 4);
                        e->data[3] ^= other && i == n / 2;
                }
        return r;
}

static void measure(const char *name, struct ruleset *a, struct ruleset *b)
{
        struct timespec begin, end;
        struct rusage usage;
        struct comparison c;
        infra_error *e = NULL;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        if (ruleset_compare(a, b, 5, 0, &c, &e) < 0)
                exit(1);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        getrusage(RUSAGE_SELF, &usage);
        printf("%-28s %6.2f s  peak %5ld MB  answer %d, %zu differences\n", name,
               (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9, usage.ru_maxrss / 1024, c.answer, c.n_differences);
        for (size_t i = 0; i < c.n_differences; i++)
                printf("    %s: %s | %s\n", c.differences[i].packets, c.differences[i].a_says, c.differences[i].b_says);
        comparison_done(&c);
        ruleset_free(a);
        ruleset_free(b);
}

int main(int argc, char **argv)
{
        unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
        const char *only = argc > 2 ? argv[2] : "";

        for (int i = 0; i < 5; i++) {
                static const char *const names[] = { "linear, linear", "networks, networks", "networks, one changed", "map, linear",
                                                     "translations, one changed" };
                struct ruleset *a, *b;

                if (!startswith(names[i], only))
                        continue;
                a = i == 3 ? mapped(n) : i == 4 ? translated(n, false) : linear(n, i > 0);
                b = i == 4 ? translated(n, true) : linear(n, i == 1 || i == 2);
                if (i == 2)
                        b->tables[0].chains[0].rules[n / 2].verdict.kind = VERDICT_DROP;
                measure(names[i], a, b);
        }
        return 0;
}
