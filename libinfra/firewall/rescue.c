/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/rescue.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#include "base/array.h"
#include "firewall/compile.h"
#include "firewall/opening.h"

enum { SSH_PORT = 22, STATE_ESTABLISHED = 2, STATE_RELATED = 4 };

static const int families[] = { AF_INET, AF_INET6 };

static struct match *match_port(struct rule *r, enum field f, unsigned port)
{
        uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };

        return match_value(r, f, bytes, sizeof(bytes));
}

/* Errors and echo; neighbours, routers and who listens to a group: what IPv6 does not work without. */
static int add_icmp_sets(struct table *t)
{
        static const uint8_t types[] = { 3, 8, 11, 12 };
        static const uint8_t types6[] = { 1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 143 };

        if (compile_bytes(t, "icmp_types", FIELD_ICMP_TYPE, types, sizeof(types)) < 0)
                return -ENOMEM;
        return compile_bytes(t, "icmpv6_types", FIELD_ICMPV6_TYPE, types6, sizeof(types6));
}

static int add_answers(struct table *t, struct chain *c)
{
        return match_state(chain_add_rule(c, VERDICT_ACCEPT, NULL), STATE_ESTABLISHED | STATE_RELATED) ? compile_icmp(t, c) : -ENOMEM;
}

/* A DHCP server's answer belongs to no connection when the question was sent to everybody. */
static int add_dhcp(struct table *t, struct chain *c)
{
        static const unsigned from[] = { 67, 547 }, to[] = { 68, 546 };

        for (size_t i = 0; i < ELEMENTS(families); i++) {
                struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);

                if (!r || rule_of_family(t, r, families[i]) < 0 || !match_protocol(r, IPPROTO_UDP) ||
                    (i == 0 && !match_port(r, FIELD_SPORT, from[i])) || !match_port(r, FIELD_DPORT, to[i]))
                        return -ENOMEM;
        }
        return 0;
}

static int add_ssh_from(struct table *t, const infra_estate *e, const struct origin *o)
{
        static const struct span nowhere;
        struct opening x = { .peer = o,
                             .ports = { .protocol = IPPROTO_TCP, .first = SSH_PORT, .last = SSH_PORT },
                             .span = o->span.file ? &o->span : &nowhere };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(families); i++)
                r = opening_add(t, &shape_host, e, families[i], &x);
        return r;
}

static int add_ssh(struct table *t, struct chain *c, const infra_estate *e, const struct origin *from, size_t n)
{
        size_t before = t->n_sets;
        struct rule *rule;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_ssh_from(t, e, &from[i]);
        for (size_t i = before; r >= 0 && i < t->n_sets; i++)
                r = t->sets[i].interval ? set_disjoin(&t->sets[i]) : set_sort(&t->sets[i]);
        if (r < 0 || t->n_sets > before)
                return r < 0 ? r : opening_rules(t, c, &shape_host);
        /* Places of nobody would let nobody in. */
        rule = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        return rule && match_protocol(rule, IPPROTO_TCP) && match_port(rule, FIELD_DPORT, SSH_PORT) ? 0 : -ENOMEM;
}

static int compile(struct ruleset *rules, const infra_estate *e, const struct origin *from, size_t n)
{
        struct table *t = &rules->tables[0];
        struct chain *c;

        if (add_icmp_sets(t) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "forward", "filter", NF_INET_FORWARD, 0, true);
        if (!c || add_answers(t, c) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "input", "filter", NF_INET_LOCAL_IN, 0, true);
        if (!c || !match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_IIFNAME, "lo") || add_answers(t, c) < 0 ||
            add_dhcp(t, c) < 0)
                return -ENOMEM;
        return add_ssh(t, c, e, from, n);
}

static int compile_with(const infra_estate *e, const struct origin *from, size_t n, struct ruleset **ret, infra_error **reterr)
{
        struct ruleset *rules = ruleset_new();
        int r = rules ? compile(rules, e, from, n) : -ENOMEM;

        if (r < 0) {
                ruleset_free(rules);
                return infra_error_oom(reterr);
        }
        *ret = rules;
        return 0;
}

static bool opens_ssh(const struct service *s)
{
        return s->port.protocol == IPPROTO_TCP && s->port.first <= SSH_PORT && s->port.last >= SSH_PORT;
}

/* Containers are not there at that time, and the host itself needs no opening. */
static bool comes_from_outside(const struct origin *o)
{
        return o->kind == ORIGIN_ZONE || o->kind == ORIGIN_NETWORK;
}

int rescue_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_free_ struct origin *from = NULL; /* what is in them stays the estate's */
        size_t n = 0;

        if (!e)
                return compile_with(NULL, NULL, 0, ret, reterr);
        if (e->filter.n_rescue)
                return compile_with(e, e->filter.rescue, e->filter.n_rescue, ret, reterr);
        for (size_t i = 0; i < e->host.n_services; i++) {
                const struct service *s = &e->host.services[i];

                for (size_t k = 0; opens_ssh(s) && k < s->n_from; k++) {
                        struct origin *o;

                        if (s->from[k].kind == ORIGIN_ANY)
                                return compile_with(e, NULL, 0, ret, reterr);
                        if (!comes_from_outside(&s->from[k]))
                                continue;
                        o = ARRAY_ADD(from, n);
                        if (!o)
                                return infra_error_oom(reterr);
                        *o = s->from[k];
                }
        }
        return compile_with(e, from, n, ret, reterr);
}
