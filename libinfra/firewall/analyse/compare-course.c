/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Chains, hooks and ways. Rules are joined in halves: what the first half leaves open, the second says. Hooks are joined
 * from the last to the first, each asked about the packet as the hooks before have made it; so what is behind a
 * translation is computed once, and each translated address only picks its part of it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/analyse/compare-course.h"

enum { PRIORITY_TRACKING = -200 }; /* NF_IP_PRI_CONNTRACK; its header brings limits.h, whose PATH_KIND_MAX is another */

struct stage {
        fn f;
        bool changes;
};

static bool asks_type(const struct chain *c)
{
        for (const struct rule *r = c->rules; r < c->rules + c->n_rules; r++)
                for (size_t i = 0; i < r->n_matches; i++)
                        for (size_t k = 0; k < r->matches[i].n_fields; k++)
                                if (r->matches[i].fields[k] == FIELD_FIB_DADDR_TYPE)
                                        return true;
        return false;
}

static bool translates_destination(const struct chain *c)
{
        return c->type && streq(c->type, "nat") && (c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_LOCAL_OUT);
}

int course_init(struct course *c, struct space *s, const struct ruleset *r, struct strlist *assumed)
{
        *c = (struct course){ .space = s, .ruleset = r, .assumed = assumed };
        for (size_t t = 0; t < RULESET_TABLES; t++) {
                const struct table *table = &r->tables[t];

                c->chains[t] = calloc(table->n_chains + 1, sizeof(*c->chains[t]));
                if (!c->chains[t])
                        return -ENOMEM;
                for (size_t i = 0; i < table->n_chains; i++)
                        if (!translates_destination(&table->chains[i]))
                                c->fib_later = c->fib_later || asks_type(&table->chains[i]);
        }
        return 0;
}

void course_done(struct course *c)
{
        for (size_t t = 0; t < RULESET_TABLES; t++)
                free(c->chains[t]);
        free(c->sets);
        pool_done(&c->limits);
        free(c->limits_met);
        pool_done(&c->meters);
        free(c->meters_met);
}

/* What routing looks at besides addresses. */
static const enum field by_routing[] = { FIELD_MARK, FIELD_IP_TOS, FIELD_IP6_CLASS };

static bool sets_mark(const struct chain *c)
{
        for (const struct rule *r = c->rules; r < c->rules + c->n_rules; r++)
                for (const struct statement *s = r->statements; s < r->statements + r->n_statements; s++)
                        for (size_t i = 0; i < ELEMENTS(by_routing); i++)
                                if ((s->kind == STATEMENT_SET || s->kind == STATEMENT_COPY) && s->field == by_routing[i])
                                        return true;
        return false;
}

/* A packet of the host is routed again behind chains of type route, when its mark has changed there. */
static bool is_before_routing(const struct chain *c)
{
        return c->hook == NF_INET_PRE_ROUTING || (c->hook == NF_INET_LOCAL_OUT && streq(c->type, "route"));
}

void course_marks(const struct ruleset *r, bool *ret_before, bool *ret_behind)
{
        const struct table *t = &r->tables[0];

        for (const struct chain *c = t->chains; c < t->chains + t->n_chains; c++) {
                bool sets = sets_mark(c);

                *ret_before = *ret_before || (sets && (!c->type || is_before_routing(c)));
                *ret_behind = *ret_behind || (sets && (!c->type || !is_before_routing(c)));
        }
}

/* The mark as it is now, kept aside as an outcome. */
static fn remember_routing(struct course *c, fn next)
{
        struct space *s = c->space;
        struct move moves[64];
        size_t n = 0;
        uint32_t change;

        for (size_t i = 0; i < ELEMENTS(by_routing); i++) {
                enum field f = by_routing[i];
                unsigned width = s->bits[f];
                uint32_t level = width ? space_routed(s, f) : 0;

                for (unsigned k = 0; k < width && n < ELEMENTS(moves); k++)
                        moves[n++] = (struct move){ level + k, diagram_bit(&s->d, s->base[f] + k) };
        }
        change = change_of(s, moves, n);
        return space_after(s, next, change, change);
}


static fn join(struct course *c, const struct stage *rules, size_t from, size_t to, bool *ret_changes)
{
        bool changes = false;
        size_t middle = from + (to - from) / 2;
        fn fall = end_leaf(c->space, END_FALL, 0, CHANGE_NONE), f, next;

        if (to - from < 2) {
                *ret_changes = *ret_changes || (from < to && rules[from].changes);
                return from < to ? rules[from].f : fall;
        }
        f = join(c, rules, from, middle, &changes);
        next = join(c, rules, middle, to, ret_changes);
        *ret_changes = *ret_changes || changes;
        return changes ? space_then(c->space, f, END_FALL, next, ASPECT_ALL) : diagram_fill(&c->space->d, f, fall, next);
}

fn course_chain(struct course *c, unsigned table, const struct chain *chain)
{
        struct chain_course *known = &c->chains[table][chain - c->ruleset->tables[table].chains];
        struct stage *rules;

        if (known->known)
                return known->f;
        if (known->busy)
                return end_unknown(c->space, "chain %s jumps to itself", chain->name);
        known->busy = true;
        rules = calloc(chain->n_rules + 1, sizeof(*rules));
        if (!rules) {
                c->space->failed = true;
                return FN_FALSE;
        }
        for (size_t i = 0; i < chain->n_rules; i++)
                rules[i].f = course_rule(c, table, chain, &chain->rules[i], &rules[i].changes);
        known->f = join(c, rules, 0, chain->n_rules, &known->changes);
        known->known = true;
        known->busy = false;
        free(rules);
        return known->f;
}

/* A base chain to its end: what falls out of it fares as its policy says. */
static struct stage base_chain(struct course *c, unsigned table, const struct chain *chain)
{
        fn policy = end_leaf(c->space, chain->drops ? END_DROP : END_ACCEPT, 0, CHANGE_NONE), f = course_chain(c, table, chain);
        bool changes = c->chains[table][chain - c->ruleset->tables[table].chains].changes;

        /* What a rule did before it accepted is not known to `changes`, which speaks of what falls on. */
        f = space_then(c->space, f, END_RETURN, policy, ASPECT_ALL);
        f = space_then(c->space, f, END_FALL, policy, ASPECT_ALL);
        return (struct stage){ f, changes };
}

/* Before connections are looked up there is no state but "invalid", and so nothing else of a connection. */
static fn before_tracking(struct course *c, fn f)
{
        struct space *s = c->space;
        struct move moves[5];

        for (uint32_t i = 0; i < ELEMENTS(moves); i++)
                moves[i] = (struct move){ s->base[FIELD_CT_STATE] + i, space_state(i) == STATE_BIT_INVALID };
        return space_after(s, f, change_of(s, moves, ELEMENTS(moves)), CHANGE_NONE);
}

/* Where a packet has not been routed yet it has no interface to leave by. */
static fn before_routing(struct course *c, fn f)
{
        struct space *s = c->space;
        struct move moves[32];
        unsigned n = s->names->bits < 32 ? s->names->bits : 32;

        for (unsigned i = 0; i < n; i++)
                moves[i] = (struct move){ s->base[FIELD_OIFNAME] + i, FN_FALSE };
        return space_after(s, f, change_of(s, moves, n), CHANGE_NONE);
}

static fn only_new(struct course *c, fn f)
{
        struct space *s = c->space;
        fn fresh = diagram_bit(&s->d, s->base[FIELD_CT_STATE]), related = diagram_bit(&s->d, s->base[FIELD_CT_STATE] + 2);

        return diagram_choose(&s->d, diagram_or(&s->d, fresh, related), f, end_leaf(s, END_ACCEPT, 0, CHANGE_NONE));
}

static bool is_nat(const struct chain *c)
{
        return streq(c->type, "nat");
}

static int by_priority(const void *a, const void *b)
{
        const struct chain *x = *(const struct chain *const *)a, *y = *(const struct chain *const *)b;

        if (x->priority != y->priority)
                return x->priority < y->priority ? -1 : 1;
        return x < y ? -1 : x > y;
}

/* The base chains of a hook in their order; *ret is to be freed. */
static size_t chains_at(struct course *c, unsigned table, unsigned hook, const struct chain ***ret)
{
        const struct table *t = &c->ruleset->tables[table];
        const struct chain **some = calloc(t->n_chains + 1, sizeof(*some));
        size_t n = 0;

        if (!some)
                c->space->failed = true;
        for (size_t i = 0; some && i < t->n_chains; i++)
                if (t->chains[i].type && t->chains[i].hook == hook)
                        some[n++] = &t->chains[i];
        if (n)
                qsort(some, n, sizeof(*some), by_priority);
        *ret = some;
        return n;
}

/* One chain, or all of type nat together: they are one in the kernel, and stop at the first that translates. */
static fn stage_of(struct course *c, unsigned table, unsigned hook, const struct chain **chains, size_t n)
{
        struct space *s = c->space;
        fn f = end_leaf(s, END_ACCEPT, 0, CHANGE_NONE);

        for (size_t i = n; i-- > 0;)
                f = space_then(s, base_chain(c, table, chains[i]).f, END_ACCEPT, f, ASPECT_ALL);
        f = space_then(s, f, END_BOUND, end_leaf(s, END_ACCEPT, 0, CHANGE_NONE), ASPECT_ALL);
        if (hook == NF_INET_PRE_ROUTING)
                f = before_routing(c, f);
        if (table == 0 && n && is_nat(chains[0]))
                return only_new(c, f);
        if (table == 0 && n && chains[0]->priority < PRIORITY_TRACKING && (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT))
                return before_tracking(c, f);
        return f;
}

static fn hook_before(struct course *c, unsigned table, unsigned hook, fn next, enum aspect aspect)
{
        const struct chain **chains, **nat = NULL;
        size_t n = chains_at(c, table, hook, &chains), n_nat = 0, n_rest = 0;
        bool routed = false;

        if (c->routed && table == 0 && hook == NF_INET_PRE_ROUTING)
                next = remember_routing(c, next);
        nat = calloc(n + 1, sizeof(*nat));
        c->space->failed = c->space->failed || !nat;
        for (size_t i = 0; nat && i < n; i++)
                if (is_nat(chains[i]))
                        nat[n_nat++] = chains[i];
        /* The nat chains stand where the first of them does. */
        for (size_t i = 0; nat && i < n; i++)
                if (!is_nat(chains[i]) || chains[i] == nat[0])
                        chains[n_rest++] = chains[i];
        for (size_t i = n_rest; nat && i-- > 0;) {
                bool together = is_nat(chains[i]);
                fn f = stage_of(c, table, hook, together ? nat : &chains[i], together ? n_nat : 1);

                if (c->routed && table == 0 && hook == NF_INET_LOCAL_OUT && streq(chains[i]->type, "route") && !routed) {
                        next = remember_routing(c, next);
                        routed = true;
                }
                next = space_then(c->space, f, END_ACCEPT, next, aspect);
        }
        free(chains);
        free(nat);
        return next;
}

/* Of a new connection the direction that began is this packet, and nothing has been translated yet. */
static fn begin(struct course *c, fn f)
{
        static const enum field pairs[][2] = {
                { FIELD_CT_ORIG_IP_SADDR, FIELD_IP_SADDR },   { FIELD_CT_ORIG_IP_DADDR, FIELD_IP_DADDR }, { FIELD_CT_ORIG_SPORT, FIELD_SPORT },
                { FIELD_CT_ORIG_IP6_SADDR, FIELD_IP6_SADDR }, { FIELD_CT_ORIG_IP6_DADDR, FIELD_IP6_DADDR }, { FIELD_CT_ORIG_DPORT, FIELD_DPORT },
        };
        struct space *s = c->space;
        struct move moves[2 * 128 + 2 * 16 + 8 + 2];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                for (unsigned k = 0; k < s->bits[pairs[i][0]]; k++)
                        moves[n++] = (struct move){ s->base[pairs[i][0]] + k, diagram_bit(&s->d, s->base[pairs[i][1]] + k) };
        for (unsigned k = 0; k < s->bits[FIELD_CT_DIRECTION]; k++)
                moves[n++] = (struct move){ s->base[FIELD_CT_DIRECTION] + k, FN_FALSE };
        moves[n++] = (struct move){ s->base[FIELD_CT_STATUS] + 26, FN_FALSE };
        moves[n++] = (struct move){ s->base[FIELD_CT_STATUS] + 27, FN_FALSE };
        return diagram_choose(&s->d, diagram_bit(&s->d, s->base[FIELD_CT_STATE]), space_after(s, f, change_of(s, moves, n), CHANGE_NONE), f);
}

fn course_path(struct course *c, enum path path, enum aspect aspect)
{
        static const int hooks[WAYS][4] = {
                [PATH_TO_HOST] = { NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN, -1 },
                [PATH_THROUGH] = { NF_INET_PRE_ROUTING, NF_INET_FORWARD, NF_INET_POST_ROUTING, -1 },
                [PATH_FROM_HOST] = { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, -1 },
                [PATH_SWITCHED] = { NF_INET_PRE_ROUTING, NF_INET_FORWARD, NF_INET_POST_ROUTING, -1 },
        };
        fn f = end_leaf(c->space, END_ACCEPT, 0, CHANGE_NONE);
        int n = 0;

        while (hooks[path][n] >= 0)
                n++;
        while (n-- > 0)
                f = hook_before(c, path == PATH_SWITCHED, (unsigned)hooks[path][n], f, aspect);
        return begin(c, f);
}
