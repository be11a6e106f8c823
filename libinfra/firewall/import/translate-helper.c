/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CT --helper. iptables notes in table raw what a connection that begins with the packet shall have; nftables gives it to the
 * connection, which is there only behind. So the rule moves to a chain of its own, where mangle begins, and with it what
 * stood before it and kept packets from it: that is only right for rules that are met there if they were met before.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter.h>

#include "base/array.h"
#include "firewall/ct-helper.h"
#include "firewall/import/translate.h"

enum { STATUS_EXPECTED = 0x1 }; /* IPS_EXPECTED */

/* Whether it is the same in raw and at the beginning of mangle. */
static bool is_steady(enum field f)
{
        static const enum field others[] = { FIELD_IIFNAME, FIELD_OIFNAME, FIELD_NFPROTO, FIELD_PROTOCOL, FIELD_L4PROTO, FIELD_LENGTH, FIELD_SKUID,
                                             FIELD_SKGID, FIELD_PKTTYPE, FIELD_CPU, FIELD_IIFGROUP, FIELD_OIFGROUP, FIELD_CGROUP,
                                             FIELD_FIB_DADDR_TYPE, FIELD_FIB_SADDR_TYPE };

        for (size_t i = 0; i < ELEMENTS(others); i++)
                if (others[i] == f)
                        return true;
        switch (field_type(f)->source) {
        case SOURCE_NETWORK: case SOURCE_TRANSPORT: case SOURCE_LINK: case SOURCE_TCP_OPTION: case SOURCE_TCP_OPTION_EXISTS:
        case SOURCE_IP6_HEADER: case SOURCE_IP6_HEADER_EXISTS: case SOURCE_SCTP_CHUNK_EXISTS: return true;
        default: return false;
        }
}

static bool matches_steady(const struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++)
                for (size_t k = 0; k < r->matches[i].n_fields; k++)
                        if (!is_steady(r->matches[i].fields[k]))
                                return false;
        return true;
}

static bool has(const struct rule *r, enum statement_kind kind)
{
        for (size_t i = 0; i < r->n_statements; i++)
                if (r->statements[i].kind == kind)
                        return true;
        return false;
}

static bool is_harmless(const struct statement *s)
{
        return s->kind == STATEMENT_COUNTER || s->kind == STATEMENT_LOG || s->kind == STATEMENT_TRACE;
}

/* Of the connections that begin with it the rule decides: nothing behind it does. */
static bool decides(const struct rule *r)
{
        for (size_t i = 0; i < r->n_statements; i++)
                if (r->statements[i].kind == STATEMENT_NOTRACK || r->statements[i].kind == STATEMENT_HELPER ||
                    (r->statements[i].kind == STATEMENT_SET && field_type(r->statements[i].field)->source == SOURCE_CT))
                        return true;
        return r->verdict.kind == VERDICT_ACCEPT || r->verdict.kind == VERDICT_RETURN;
}

/* A rule of table raw that can be asked again. */
static bool can_move(const struct rule *r)
{
        if (r->unknown || !matches_steady(r))
                return false;
        for (size_t i = 0; i < r->n_statements; i++)
                if (!is_harmless(&r->statements[i]) && !decides(r))
                        return false;
        return r->verdict.kind == VERDICT_CONTINUE || r->verdict.kind == VERDICT_ACCEPT || r->verdict.kind == VERDICT_DROP ||
               r->verdict.kind == VERDICT_RETURN;
}

static int check_before(struct translate *t, const struct given *g)
{
        char name[RULESET_NAME_MAX + 1];
        const struct chain *c;
        const struct stage *s = t->n_stages ? &t->stages[0] : NULL;

        if (!translate_builtin(t->from, t->chain->name))
                return translate_complain(t, g->at, "write it into PREROUTING or OUTPUT", "a helper is not given in chain %s, which is jumped to", t->chain->name);
        if (t->n_stages > 1 || (s && (s->n_any || s->n_none || s->n_acts || s->body.n_statements || !matches_steady(&s->body))))
                return translate_complain(t, g->at, "match addresses and ports", "nftables gives a helper behind table raw, where this rule may mean something else");
        translate_chain_name(t->from, t->chain->name, name);
        c = table_chain(t->to, name);
        for (size_t i = 1; c && i < c->n_rules; i++)
                if (!can_move(&c->rules[i]))
                        return translate_complain(t, g->at, "write it before the others, or match the helper by rules of nftables",
                                                  "nftables gives a helper behind table raw, where %s before this rule may mean something else",
                                                  c->rules[i].comment ? c->rules[i].comment : "a rule");
        return 0;
}

int translate_ct_helper(struct translate *t, const struct given *g)
{
        struct statement *s;
        struct helper h;
        int r;

        if (t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP)
                return translate_complain(t, g->at, "add -p tcp or -p udp", "a helper needs that protocol");
        r = check_before(t, g);
        if (r < 0)
                return r;
        s = translate_statement(t, STATEMENT_HELPER);
        if (!s)
                return -ENOMEM;
        snprintf(s->name, sizeof(s->name), "%.15s-%s-%d", g->value, t->protocol == IPPROTO_TCP ? "tcp" : "udp", t->from->family == AF_INET ? 4 : 6);
        return strlen(g->value) < sizeof(h.name) && helper_parse(s->name, &h) ? 0 : value_wrong(t, g);
}

/* The rule in the chain of helpers: what it gave it gives, what it decided ends there. */
static int move_rule(struct table *to, const char *chain, const struct rule *from)
{
        struct rule *r = chain_add_rule(table_chain(to, chain), VERDICT_RETURN, NULL);
        struct match *m;

        if (!r || ruleset_comment(&r->comment, &r->span, &from->span) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_matches; i++) {
                m = ARRAY_ADD(r->matches, r->n_matches);
                if (!m)
                        return -ENOMEM;
                *m = from->matches[i];
        }
        if (!has(from, STATEMENT_HELPER))
                return 0;
        /* A connection that another one announced gets its helper from that one. */
        m = rule_add_match(r, MATCH_ANY_BIT, FIELD_CT_STATUS);
        if (!m)
                return -ENOMEM;
        m->negated = true;
        field_put_number(FIELD_CT_STATUS, STATUS_EXPECTED, m->mask);
        for (size_t i = 0; i < from->n_statements; i++) {
                struct statement *s = from->statements[i].kind == STATEMENT_HELPER ? ARRAY_ADD(r->statements, r->n_statements) : NULL;

                if (s)
                        *s = from->statements[i];
        }
        return r->n_statements ? 0 : -ENOMEM;
}

static void drop_rule(struct chain *c, size_t i)
{
        free(c->rules[i].matches);
        free(c->rules[i].statements);
        free(c->rules[i].comment);
        memmove(&c->rules[i], &c->rules[i + 1], (c->n_rules - i - 1) * sizeof(*c->rules));
        c->n_rules--;
}

static int move_rules(struct table *to, const char *raw, const char *helpers)
{
        size_t n = table_chain(to, raw)->n_rules, last = 0;

        for (size_t i = 0; i < n; i++)
                last = has(&table_chain(to, raw)->rules[i], STATEMENT_HELPER) ? i : last;
        for (size_t i = 1, done = 0; done < last; done++) {
                const struct rule *r = &table_chain(to, raw)->rules[i];
                bool gives = has(r, STATEMENT_HELPER);

                if (decides(r) && move_rule(to, helpers, r) < 0)
                        return -ENOMEM;
                if (gives)
                        drop_rule(table_chain(to, raw), i);
                else
                        i++;
        }
        return 0;
}

/* Behind the first rule of that chain, which lets the other family through. */
static int jump_first(struct chain *c, const char *to)
{
        struct rule *r = chain_add_rule(c, VERDICT_JUMP, to), moved;

        if (!r)
                return -ENOMEM;
        moved = *r;
        memmove(&c->rules[2], &c->rules[1], (c->n_rules - 2) * sizeof(*c->rules));
        c->rules[1] = moved;
        return 0;
}

static int place_helpers(struct table *to, int family, const char *hook)
{
        char raw[RULESET_NAME_MAX + 1], mangle[RULESET_NAME_MAX + 1], helpers[RULESET_NAME_MAX + 1];
        const struct chain *c;
        bool any = false;

        snprintf(raw, sizeof(raw), "raw%d-%s", family == AF_INET ? 4 : 6, hook);
        snprintf(mangle, sizeof(mangle), "mangle%d-%s", family == AF_INET ? 4 : 6, hook);
        snprintf(helpers, sizeof(helpers), "raw%d-%s-helpers", family == AF_INET ? 4 : 6, hook);
        c = table_chain(to, raw);
        for (size_t i = 0; c && i < c->n_rules; i++)
                any = any || has(&c->rules[i], STATEMENT_HELPER);
        if (!any)
                return 0;
        if (!table_add_chain(to, helpers, NULL, 0, 0, false))
                return -ENOMEM;
        if (!table_chain(to, mangle) && translate_base_chain(to, family, "mangle", hook) < 0)
                return -ENOMEM;
        return move_rules(to, raw, helpers) < 0 ? -ENOMEM : jump_first(table_chain(to, mangle), helpers);
}

int translate_place_helpers(struct table *to)
{
        static const int families[] = { AF_INET, AF_INET6 };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(families); i++) {
                r = place_helpers(to, families[i], "PREROUTING");
                r = r < 0 ? r : place_helpers(to, families[i], "OUTPUT");
        }
        return r;
}
