/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From an estate to the ruleset it wants. Pure: the same estate gives the same bytes.
 *
 * The first rule is "established". Closed fences stand before it, since they must also cut the flows that clients have
 * open, or a mail could still be handed over while the container is being changed; but the rules that lead to them are
 * only there while somebody is fenced (moment.h), and not compiled.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/compile.h"
#include "firewall/firewall.h"
#include "firewall/opening.h"

static const int families[] = { AF_INET, AF_INET6 };
static const enum field saddr[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
static const enum field daddr[] = { FIELD_IP_DADDR, FIELD_IP6_DADDR };

/* ICMP that the internet needs to work: errors, and echo for those who look. */
static const uint8_t icmp_types[] = { 3, 8, 11, 12 };
/* RFC 4890: errors, echo, router and neighbour discovery. */
static const uint8_t icmpv6_types[] = { 1, 2, 3, 4, 128, 129, 133, 134, 135, 136 };

struct match *match_value(struct rule *r, enum field f, const void *value, size_t size)
{
        struct match *m = r ? rule_add_match(r, MATCH_EQUAL, f) : NULL;

        if (m)
                memcpy(m->value, value, size);
        return m;
}

struct match *match_interface(struct rule *r, enum field f, const char *name)
{
        return match_value(r, f, name, MIN(strlen(name), (size_t)15));
}

struct match *match_protocol(struct rule *r, uint8_t protocol)
{
        return match_value(r, FIELD_L4PROTO, &protocol, 1);
}

struct match *match_network(struct rule *r, enum field f, const struct address *a)
{
        struct match *m = r ? rule_add_match(r, MATCH_BITS, f) : NULL;
        struct address net = address_network(a);

        if (!m)
                return NULL;
        memcpy(m->value, net.bytes, field_type(f)->size);
        for (unsigned bit = 0; bit < a->prefix; bit++)
                m->mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        return m;
}

struct match *match_set(struct rule *r, const char *set, const enum field *fields, size_t n)
{
        struct match *m = r ? rule_add_match(r, MATCH_SET, fields[0]) : NULL;

        if (!m)
                return NULL;
        memcpy(m->fields, fields, n * sizeof(*fields));
        m->n_fields = n;
        strncpy(m->set, set, RULESET_NAME_MAX);
        return m;
}

struct match *match_state(struct rule *r, uint32_t bits)
{
        struct match *m = r ? rule_add_match(r, MATCH_ANY_BIT, FIELD_CT_STATE) : NULL;

        if (m)
                memcpy(m->mask, &bits, sizeof(bits));
        return m;
}

enum { STATE_INVALID = 1, STATE_ESTABLISHED = 2, STATE_RELATED = 4 };

/* Answers to what the other end began; what is established the other way round is not meant. */
static struct match *match_answer(struct rule *r)
{
        static const uint8_t reply = 1; /* IP_CT_DIR_REPLY */

        return match_value(r, FIELD_CT_DIRECTION, &reply, 1) ? match_state(r, STATE_ESTABLISHED | STATE_RELATED) : NULL;
}

/* First in its chain; only an echo's rate stands before it, since who asks once and is answered is established. */
static int add_established(struct table *t, struct chain *c, const infra_estate *e)
{
        if (limit_add_icmp(t, c, e) < 0 || !match_state(chain_add_rule(c, VERDICT_ACCEPT, NULL), STATE_ESTABLISHED | STATE_RELATED))
                return -ENOMEM;
        return 0;
}

static int add_invalid(struct chain *c)
{
        return match_state(chain_add_rule(c, VERDICT_DROP, NULL), STATE_INVALID) ? 0 : -ENOMEM;
}

int compile_bytes(struct table *t, const char *name, enum field f, const uint8_t *values, size_t n)
{
        struct set *s = table_add_set(t, name, DATA_NONE, false, &f, 1);

        for (size_t i = 0; s && i < n; i++) {
                struct element *x = ARRAY_ADD(s->elements, s->n_elements);

                if (!x)
                        return -ENOMEM;
                x->key[0] = x->key_end[0] = values[i];
        }
        return s ? 0 : -ENOMEM;
}

static int add_icmp_sets(struct table *t)
{
        int r = compile_bytes(t, "icmp_types", FIELD_ICMP_TYPE, icmp_types, sizeof(icmp_types));

        return r < 0 ? r : compile_bytes(t, "icmpv6_types", FIELD_ICMPV6_TYPE, icmpv6_types, sizeof(icmpv6_types));
}

int compile_icmp(struct table *t, struct chain *c)
{
        static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
        static const char *const sets[] = { "icmp_types", "icmpv6_types" };
        static const enum field types[] = { FIELD_ICMP_TYPE, FIELD_ICMPV6_TYPE };

        for (size_t i = 0; i < ELEMENTS(sets); i++) {
                struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);

                if (!r || rule_of_family(t, r, families[i]) < 0 || !match_protocol(r, protocols[i]) || !match_set(r, sets[i], &types[i], 1))
                        return -ENOMEM;
        }
        return 0;
}

/* fenced4, fenced6: addresses of containers whose fence is closed; filled at run time. */
static int add_fence_sets(struct table *t)
{
        static const char *const names[] = { "fenced4", "fenced6" };

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                struct set *s = table_add_set(t, names[i], DATA_NONE, false, &saddr[i], 1);

                if (!s)
                        return -ENOMEM;
                s->runtime = true;
        }
        return 0;
}

/* What a fenced container may reach, seen from it (@out) or from the other end. Stateless in the bridge table. */
static int add_lifelines(struct table *t, struct chain *c, bool out)
{
        static const char *const names[] = { "lifeline4", "lifeline6" };
        enum field port = out ? FIELD_DPORT : FIELD_SPORT;
        enum field any[] = { FIELD_L4PROTO, port };
        struct rule *r;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                enum field fields[] = { out ? daddr[i] : saddr[i], FIELD_L4PROTO, port };

                if (!table_set(t, names[i]))
                        continue;
                r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
                if (!r || rule_of_family(t, r, families[i]) < 0 || !match_set(r, names[i], fields, ELEMENTS(fields)) ||
                    (!out && t->family == NFPROTO_INET && !match_answer(r)))
                        return -ENOMEM;
        }
        if (table_set(t, "lifeline_any")) {
                r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
                if (!match_set(r, "lifeline_any", any, ELEMENTS(any)) ||
                    (!out && t->family == NFPROTO_INET && !match_answer(r)))
                        return -ENOMEM;
        }
        return chain_add_rule(c, VERDICT_DROP, NULL) ? 0 : -ENOMEM;
}

static int add_fence_chains(struct table *t, const infra_estate *e)
{
        static const enum field any[] = { FIELD_L4PROTO, FIELD_DPORT };
        struct chain *c = table_add_chain(t, "fence_in", NULL, 0, 0, false);
        bool bridge = t->family == NFPROTO_BRIDGE;

        /* Who is on the bridge must find its neighbours. */
        if (!c || (bridge && (compile_icmp(t, c) < 0 || bridge_add_opening_drop(c) < 0)) || add_lifelines(t, c, false) < 0)
                return -ENOMEM;
        c = table_add_chain(t, "fence_out", NULL, 0, 0, false);
        if (!c || (bridge && compile_icmp(t, c) < 0) || add_lifelines(t, c, true) < 0)
                return -ENOMEM;
        if (bridge)
                return 0;
        /* To the host: answers to its probes, and package proxy and resolver where the host is that. */
        c = table_add_chain(t, "fence_host", NULL, 0, 0, false);
        if (!c || (!e->filter.only_rules && compile_icmp(t, c) < 0) || !match_answer(chain_add_rule(c, VERDICT_ACCEPT, NULL)))
                return -ENOMEM;
        if (table_set(t, "lifeline_host") && !match_set(chain_add_rule(c, VERDICT_ACCEPT, NULL), "lifeline_host", any, ELEMENTS(any)))
                return -ENOMEM;
        return chain_add_rule(c, VERDICT_DROP, NULL) ? 0 : -ENOMEM;
}

struct chain *compile_chain(struct table *t, const char *name, const char *type, unsigned hook, int priority, bool drops)
{
        struct chain *c = table_chain(t, name);

        return c ? c : table_add_chain(t, name, type, hook, priority, drops);
}

/* Before what is limited, if anything is: the host does not limit itself. */
static int add_loopback(struct chain *c, bool here)
{
        return !here || match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_IIFNAME, "lo") ? 0 : -ENOMEM;
}

/* With `only-rules` nothing passes by itself. */
static int add_input(struct table *t, const infra_estate *e, infra_diags *diags)
{
        struct chain *c = table_add_chain(t, "input", "filter", NF_INET_LOCAL_IN, 0, true);
        bool only = e->filter.only_rules;

        if (!c || (!only && (add_loopback(c, e->filter.icmp_limit.count > 0) < 0 || add_established(t, c, e) < 0 ||
                             add_loopback(c, e->filter.icmp_limit.count == 0) < 0 || compile_icmp(t, c) < 0 || add_invalid(c) < 0)))
                return -ENOMEM;
        if (rules_add(t, c, e, RULE_INPUT, diags) < 0 || limit_add_services(t, c, e, true) < 0 || opening_rules(t, c, &shape_host) < 0 ||
            rules_add(t, c, e, RULE_INPUT_LAST, diags) < 0)
                return -ENOMEM;
        return limit_add_dropped(c, e);
}

static int add_forward(struct table *t, const infra_estate *e, infra_diags *diags)
{
        struct chain *c = table_add_chain(t, "forward", "filter", NF_INET_FORWARD, 0, true);
        bool only = e->filter.only_rules;

        if (!c || (!only && (add_established(t, c, e) < 0 || add_invalid(c) < 0)) || rules_add(t, c, e, RULE_FORWARD, diags) < 0 ||
            (!only && compile_icmp(t, c) < 0) || limit_add_services(t, c, e, false) < 0 ||
            opening_rules(t, c, &shape_services) < 0 || opening_rules(t, c, &shape_connects) < 0 ||
            rules_add(t, c, e, RULE_FORWARD_LAST, diags) < 0)
                return -ENOMEM;
        return limit_add_dropped(c, e);
}

/* What the host itself begins: only what it `connects` to, once that is said. Its containers it always reaches. */
static int add_output(struct table *t, const infra_estate *e, infra_diags *diags)
{
        bool only = e->filter.only_rules, drops = e->host.connects_only;
        struct chain *c;

        if (!drops && !rules_has(e, RULE_OUTPUT) && !rules_has(e, RULE_OUTPUT_LAST))
                return 0;
        c = table_add_chain(t, "filter_output", "filter", NF_INET_LOCAL_OUT, 0, drops);
        if (!c || (!only && drops &&
                   (!match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_OIFNAME, "lo") || compile_icmp(t, c) < 0 ||
                    !match_interface(chain_add_rule(c, VERDICT_ACCEPT, NULL), FIELD_OIFNAME, e->host.bridge) ||
                    !match_state(chain_add_rule(c, VERDICT_ACCEPT, NULL), STATE_ESTABLISHED | STATE_RELATED))))
                return -ENOMEM;
        if (rules_add(t, c, e, RULE_OUTPUT, diags) < 0 || opening_rules(t, c, &shape_output) < 0 ||
            rules_add(t, c, e, RULE_OUTPUT_LAST, diags) < 0)
                return -ENOMEM;
        return drops ? limit_add_dropped(c, e) : 0;
}

static int add_service(struct table *t, const infra_estate *e, const struct shape *shape, const struct address *own,
                       const struct service *s, int family)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < s->n_from; i++) {
                struct opening o = { .peer = &s->from[i], .own = own, .ports = s->port, .span = &s->span };

                r = opening_add(t, shape, e, family, &o);
        }
        return r;
}

/* A container's way to the host itself: an opening of the host for that container. */
static int add_to_host(struct table *t, const infra_estate *e, const struct container *c, const struct connection *k, int family)
{
        struct origin self = { .kind = ORIGIN_CONTAINER, .index = (size_t)(c - e->containers) };
        struct opening o = { .peer = &self, .ports = k->port, .span = &k->span };

        return t->family == NFPROTO_INET ? opening_add(t, &shape_host, e, family, &o) : 0;
}

static int add_container(struct table *t, const infra_estate *e, const struct container *c, int family)
{
        const struct address *own = family == AF_INET ? &c->internal : &c->ipv6;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_services && address_is_set(own); i++)
                r = add_service(t, e, &shape_services, own, &c->services[i], family);
        for (size_t i = 0; r >= 0 && i < c->n_connects && address_is_set(own); i++) {
                const struct connection *k = &c->connects[i];
                struct opening o = { .peer = &k->to, .own = own, .ports = k->port, .span = &k->span };

                r = k->to.kind == ORIGIN_HOST ? add_to_host(t, e, c, k, family) : opening_add(t, &shape_connects, e, family, &o);
        }
        return r;
}

static int add_openings(struct table *t, const infra_estate *e)
{
        int r = 0;

        for (size_t f = 0; f < ELEMENTS(families); f++) {
                for (size_t i = 0; r >= 0 && i < e->host.n_services && t->family == NFPROTO_INET; i++)
                        r = add_service(t, e, &shape_host, NULL, &e->host.services[i], families[f]);
                for (size_t i = 0; r >= 0 && i < e->host.n_connects && t->family == NFPROTO_INET; i++) {
                        const struct connection *k = &e->host.connects[i];
                        struct opening o = { .peer = &k->to, .ports = k->port, .span = &k->span };

                        r = opening_add(t, &shape_output, e, families[f], &o);
                }
                for (size_t i = 0; r >= 0 && i < e->n_containers; i++)
                        r = add_container(t, e, &e->containers[i], families[f]);
        }
        return r;
}

static int compile_inet(const infra_estate *e, struct table *t, infra_diags *diags)
{
        struct chain *raw;

        if (add_fence_sets(t) < 0 || rules_add_sets(t, e) < 0 || add_icmp_sets(t) < 0 || lifeline_add(t, e) < 0 ||
            add_openings(t, e) < 0 || nat_add_maps(t, e) < 0 || add_fence_chains(t, e) < 0 || rules_add_chains(t, e, diags) < 0 ||
            guard_add(t, e) < 0)
                return -ENOMEM;
        raw = table_chain(t, "raw_prerouting");
        if (rules_add(t, raw, e, RULE_RAW_PREROUTING, diags) < 0 || rules_add_places(t, e, diags) < 0 || add_input(t, e, diags) < 0 ||
            add_forward(t, e, diags) < 0 || add_output(t, e, diags) < 0)
                return -ENOMEM;
        return nat_add_chains(t, e, diags);
}

static int compile_bridge(const infra_estate *e, struct table *t)
{
        if (add_fence_sets(t) < 0 || add_icmp_sets(t) < 0 || lifeline_add(t, e) < 0 || add_openings(t, e) < 0 ||
            add_fence_chains(t, e) < 0 || bridge_add_chains(t, e) < 0)
                return -ENOMEM;
        return guard_add_bridge(t, e);
}

/* A jump to a chain that nobody made would only be refused by the kernel. */
static int check_jumps(const infra_estate *e, const struct table *t, infra_diags *diags)
{
        (void)e;
        for (size_t i = 0; i < t->n_chains; i++) {
                for (size_t k = 0; k < t->chains[i].n_rules; k++) {
                        const struct rule *r = &t->chains[i].rules[k];
                        bool leads = r->verdict.kind == VERDICT_JUMP || r->verdict.kind == VERDICT_GOTO;

                        if (leads && !table_chain(t, r->verdict.name) &&
                            diags_add(diags, &r->span, NULL, "name it under `chains:`", "there is no chain '%s'", r->verdict.name) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

static int compile(const infra_estate *e, struct ruleset *r, infra_diags *diags)
{
        if (compile_inet(e, &r->tables[0], diags) < 0 || compile_bridge(e, &r->tables[1]) < 0 || check_jumps(e, &r->tables[0], diags) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < RULESET_TABLES; i++)
                for (size_t k = 0; k < r->tables[i].n_sets; k++)
                        if (set_sort(&r->tables[i].sets[k]) < 0 || set_disjoin(&r->tables[i].sets[k]) < 0)
                                return -ENOMEM;
        return 0;
}

int firewall_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        struct ruleset *r = ruleset_new();
        const struct diag *first;

        if (!r || !diags || compile(e, r, diags) < 0) {
                ruleset_free(r);
                return infra_error_oom(reterr);
        }
        if (diags->n > 0) {
                first = &diags->items[0];
                ruleset_free(r);
                return infra_error_set(reterr, -EBADMSG, "%s:%u:%u: %s; see `infractl check`", first->file, first->line, first->column,
                                       first->message);
        }
        *ret = r;
        return 0;
}

int firewall_check(const infra_estate *e, infra_diags *diags, infra_error **reterr)
{
        struct ruleset *r = ruleset_new();
        int x = r ? compile(e, r, diags) : -ENOMEM;

        ruleset_free(r);
        if (x < 0)
                return infra_error_oom(reterr);
        return infra_diags_count(diags) > 0 ? -EBADMSG : 0;
}
