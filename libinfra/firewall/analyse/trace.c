/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hooks a packet passes, and the chains and rules at each. */

#include "firewall/analyse/trace.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/str.h"

enum {
        DEPTH_MAX = 16,           /* NFT_JUMP_STACK_SIZE */
        PRIORITY_TRACKING = -200, /* NF_IP_PRI_CONNTRACK */
};

/* How a chain ends for the chain that jumped there. */
enum outcome { OUTCOME_ACCEPT, OUTCOME_STOP, OUTCOME_RETURN };

void trace_done(struct trace *t)
{
        for (size_t i = 0; i < t->n_steps; i++)
                free(t->steps[i].says);
        free(t->steps);
        free(t->unknown);
        strlist_done(&t->assumed);
}

static void note(struct way *w, const struct chain *c, const struct rule *r, const struct element *e, const struct set *s, char *says)
{
        struct trace_step *x = ARRAY_ADD(w->trace->steps, w->trace->n_steps);

        if (!x || !says) {
                free(says);
                w->trace->n_steps -= x != NULL;
                w->oom = true;
                return;
        }
        *x = (struct trace_step){ w->table, c, r, e, s, says };
}

static enum outcome stop(struct way *w, enum fate f)
{
        w->trace->fate = f;
        return OUTCOME_STOP;
}

static enum outcome walk(struct way *w, const struct chain *c);

static enum outcome jump(struct way *w, const char *name)
{
        const struct chain *c = table_chain(w->table, name);
        enum outcome o;

        if (!c || w->depth >= DEPTH_MAX) {
                w->trace->unknown = path_join(c ? "chain %s is too deep" : "there is no chain %s", name);
                return stop(w, FATE_UNKNOWN);
        }
        w->depth++;
        o = walk(w, c);
        w->depth--;
        return o;
}

/* "dnat to 10.0.0.17:25": where the packet goes on to. */
static char *translated(const struct way *w, const struct verdict *v)
{
        bool source = v->kind == VERDICT_SNAT;
        _cleanup_free_ char *text = packet_text(&w->p);
        const char *arrow = text ? strstr(text, " > ") : NULL;

        if (v->kind == VERDICT_MASQUERADE)
                return strdup("masquerade");
        if (!arrow)
                return NULL;
        return source ? path_join("snat to %.*s", (int)(arrow - text), text) : path_join("%s to %s", v->kind == VERDICT_REDIRECT ? "redirect" : "dnat", arrow + 3);
}

static bool can_translate(const struct way *w)
{
        uint64_t states = STATE_BIT_NEW | STATE_BIT_RELATED | (w->p.follows ? STATE_BIT_ESTABLISHED : 0);

        return !w->bound && (field_number(FIELD_CT_STATE, w->p.fields[FIELD_CT_STATE]) & states);
}

static enum outcome translate(struct way *w, const struct chain *c, const struct rule *r)
{
        const struct element *e = NULL;
        const struct set *s = NULL;

        if (!can_translate(w))
                return OUTCOME_ACCEPT;
        if (*r->verdict.name) {
                e = way_look_up(w, r->verdict.name, r->verdict.fields, r->verdict.n_fields, &s);
                if (!e)
                        return OUTCOME_RETURN;
        }
        if (r->verdict.to.family && memcmp(r->verdict.to.first, r->verdict.to.last, 16) != 0 && !r->verdict.to.netmap)
                way_assume(w, r, "of a range of addresses the first is taken");
        if (field_number(FIELD_CT_STATE, w->p.fields[FIELD_CT_STATE]) & STATE_BIT_ESTABLISHED)
                way_assume(w, r, "the connection was translated as this packet would be now, were it the first");
        way_translate(w, &r->verdict, e);
        note(w, c, r, e, s, translated(w, &r->verdict));
        return OUTCOME_ACCEPT;
}

static enum outcome from_map(struct way *w, const struct chain *c, const struct rule *r)
{
        const struct set *s = NULL;
        const struct element *e = way_look_up(w, r->verdict.name, r->verdict.fields, r->verdict.n_fields, &s);

        if (!e)
                return OUTCOME_RETURN;
        note(w, c, r, e, s, e->jump ? path_join("jump %s", e->jump) : strdup(e->accepts ? "accept" : "drop"));
        if (e->jump)
                return jump(w, e->jump);
        return e->accepts ? OUTCOME_ACCEPT : stop(w, FATE_DROP);
}

/* OUTCOME_RETURN: on to the next rule; *ret_left: the chain is left for good. */
static enum outcome judge(struct way *w, const struct chain *c, const struct rule *r, const struct element *e, const struct set *s, bool *ret_left)
{
        const struct verdict *v = &r->verdict;

        if (v->kind == VERDICT_MAP)
                return from_map(w, c, r);
        if (v->kind >= VERDICT_DNAT)
                return translate(w, c, r);
        note(w, c, r, e, s, v->kind == VERDICT_CONTINUE ? strdup("continue") : rule_verdict_text(v));
        switch (v->kind) {
        case VERDICT_ACCEPT:
                return OUTCOME_ACCEPT;
        case VERDICT_DROP:
                return stop(w, FATE_DROP);
        case VERDICT_REJECT:
                return stop(w, FATE_REJECT);
        case VERDICT_QUEUE:
                return stop(w, FATE_QUEUE);
        case VERDICT_JUMP:
                return jump(w, v->name);
        case VERDICT_GOTO:
                *ret_left = true;
                return jump(w, v->name);
        case VERDICT_RETURN:
                *ret_left = true;
                return OUTCOME_RETURN;
        default:
                return OUTCOME_RETURN;
        }
}

static enum outcome walk(struct way *w, const struct chain *c)
{
        bool left = false;

        for (size_t i = 0; i < c->n_rules && !left; i++) {
                const struct rule *r = &c->rules[i];
                const struct element *e = NULL;
                const struct set *s = NULL;
                enum outcome o;

                if (r->unknown) {
                        w->trace->unknown = strdup(r->unknown);
                        note(w, c, r, NULL, NULL, strdup("not understood"));
                        return stop(w, FATE_UNKNOWN);
                }
                if (!way_meets(w, r, &e, &s) || !way_act(w, r))
                        continue;
                o = judge(w, c, r, e, s, &left);
                if (o != OUTCOME_RETURN)
                        return o;
        }
        return OUTCOME_RETURN;
}

/* The base chain of the hook that comes after @last: by priority, of the same priority in the order of the table. */
static const struct chain *next_chain(const struct table *t, unsigned hook, const struct chain *last)
{
        const struct chain *best = NULL;

        for (size_t i = 0; i < t->n_chains; i++) {
                const struct chain *c = &t->chains[i];

                if (!c->type || c->hook != hook || (last && (c->priority < last->priority || (c->priority == last->priority && c <= last))))
                        continue;
                if (!best || c->priority < best->priority)
                        best = c;
        }
        return best;
}

/* Before connection tracking nobody knows the connection: nft calls that invalid. */
static enum outcome walk_base(struct way *w, const struct chain *c)
{
        bool early = (c->hook == NF_INET_PRE_ROUTING || c->hook == NF_INET_LOCAL_OUT) && c->priority < PRIORITY_TRACKING &&
                     w->table == &w->ruleset->tables[0];
        uint64_t state = field_number(FIELD_CT_STATE, w->p.fields[FIELD_CT_STATE]);
        enum outcome o;

        if (early)
                packet_set_number(&w->p, FIELD_CT_STATE, STATE_BIT_INVALID);
        o = walk(w, c);
        if (early && field_number(FIELD_CT_STATE, w->p.fields[FIELD_CT_STATE]) != STATE_BIT_UNTRACKED)
                packet_set_number(&w->p, FIELD_CT_STATE, state);
        return o;
}

/* False: the packet ends here. */
static bool pass(struct way *w, unsigned hook)
{
        w->bound = false;
        for (const struct chain *c = NULL; (c = next_chain(w->table, hook, c));) {
                enum outcome o;

                if (streq(c->type, "nat") && !can_translate(w))
                        continue;
                o = walk_base(w, c);
                if (o == OUTCOME_STOP)
                        return false;
                if (o == OUTCOME_RETURN && c->drops) {
                        note(w, c, NULL, NULL, NULL, strdup("policy drop"));
                        stop(w, FATE_DROP);
                        return false;
                }
        }
        return true;
}

/* Where routing would send it now; whether that is the host itself. */
static bool look(const struct way *w, char ret_interface[static 16])
{
        enum field to = w->p.family == AF_INET6 ? FIELD_IP6_DADDR : FIELD_IP_DADDR;
        bool local = false;

        w->routing->look(w->routing, w->p.family, w->p.fields[to], ret_interface, &local);
        return local;
}

static void route(struct way *w)
{
        char interface[16] = "";

        if (!w->routing)
                return;
        w->local = look(w, interface) || w->local;
        if (!w->local && *interface)
                packet_set_text(&w->p, FIELD_OIFNAME, interface);
}

/* Once its destination is exchanged, what the host sends takes another way; rules of its output have seen the first one. */
static void route_again(struct way *w)
{
        enum field to = w->p.family == AF_INET6 ? FIELD_IP6_DADDR : FIELD_IP_DADDR;

        if (memcmp(w->p.fields[to], w->trace->after.fields[to], 16) == 0)
                return;
        w->local = false;
        route(w);
        if (w->local)
                packet_set_text(&w->p, FIELD_OIFNAME, "lo");
}

/* What "fib daddr type" would say, before and after a translation. */
static void tell_type(struct way *w)
{
        enum { TYPE_UNICAST = 1, TYPE_LOCAL = 2 };
        char interface[16] = "";

        if (w->routing)
                packet_set_number(&w->p, FIELD_FIB_DADDR_TYPE, look(w, interface) ? TYPE_LOCAL : TYPE_UNICAST);
}

static void remember_origin(struct packet *p)
{
        static const enum field pairs[][2] = {
                { FIELD_CT_ORIG_IP_SADDR, FIELD_IP_SADDR }, { FIELD_CT_ORIG_IP_DADDR, FIELD_IP_DADDR }, { FIELD_CT_ORIG_IP6_SADDR, FIELD_IP6_SADDR },
                { FIELD_CT_ORIG_IP6_DADDR, FIELD_IP6_DADDR }, { FIELD_CT_ORIG_SPORT, FIELD_SPORT }, { FIELD_CT_ORIG_DPORT, FIELD_DPORT },
        };

        if (!(field_number(FIELD_CT_STATE, p->fields[FIELD_CT_STATE]) & STATE_BIT_NEW))
                return;
        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                memcpy(p->fields[pairs[i][0]], p->fields[pairs[i][1]], 16);
}

/* Whoever says where a packet leaves knows more than routing. */
static bool is_said(const struct trace *t, enum path path)
{
        return (path == PATH_THROUGH || path == PATH_FROM_HOST) && *t->after.fields[FIELD_OIFNAME];
}

static void take_way(struct way *w, enum path path)
{
        struct trace *t = w->trace;

        t->path = path;
        if (path == PATH_SWITCHED) {
                w->table = &w->ruleset->tables[1];
                if (pass(w, NF_BR_PRE_ROUTING) && pass(w, NF_BR_FORWARD))
                        t->fate = FATE_ACCEPT;
                return;
        }
        if (path != PATH_FROM_HOST) {
                tell_type(w);
                /* Nothing has left yet: no rule before routing sees an interface out. */
                memset(w->p.fields[FIELD_OIFNAME], 0, 16);
                if (!pass(w, NF_INET_PRE_ROUTING))
                        return;
        }
        route(w);
        if (is_said(t, path) || (path == PATH_KIND_MAX && !*w->p.fields[FIELD_OIFNAME]))
                memcpy(w->p.fields[FIELD_OIFNAME], t->after.fields[FIELD_OIFNAME], 16);
        tell_type(w);
        if (path == PATH_KIND_MAX)
                path = w->local ? PATH_TO_HOST : PATH_THROUGH;
        t->path = path;
        if (path == PATH_TO_HOST)
                memset(w->p.fields[FIELD_OIFNAME], 0, 16);
        if (!pass(w, path == PATH_TO_HOST ? NF_INET_LOCAL_IN : path == PATH_THROUGH ? NF_INET_FORWARD : NF_INET_LOCAL_OUT))
                return;
        if (path == PATH_FROM_HOST)
                route_again(w);
        if (path != PATH_TO_HOST && !pass(w, NF_INET_POST_ROUTING))
                return;
        t->fate = FATE_ACCEPT;
}

int trace_packet(const struct ruleset *r, const struct packet *p, enum path path, const struct routing *routing, struct trace *ret)
{
        struct way w = { .ruleset = r, .table = &r->tables[0], .routing = routing, .p = *p, .trace = ret };

        *ret = (struct trace){ .after = *p, .fate = FATE_DROP };
        remember_origin(&w.p);
        take_way(&w, path);
        ret->after = w.p;
        return w.oom ? -ENOMEM : 0;
}
