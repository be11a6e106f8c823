/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verdicts of a rule from the kernel. */

#include "firewall/decode-walk.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/macro.h"

bool starts_verdict(const struct walk *w)
{
        static const char *const names[] = { "masq", "redir", "nat", "reject", "queue" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (walk_is(w, names[i]))
                        return true;
        return walk_is(w, "immediate") && nftnl_expr_is_set(w->e, NFTNL_EXPR_IMM_VERDICT);
}

static bool take_code(struct walk *w, struct verdict *v)
{
        static const struct {
                int code;
                enum verdict_kind kind;
        } codes[] = {
                { NF_ACCEPT, VERDICT_ACCEPT }, { NF_DROP, VERDICT_DROP }, { NFT_JUMP, VERDICT_JUMP },
                { NFT_GOTO, VERDICT_GOTO },    { NFT_RETURN, VERDICT_RETURN },
        };
        int code = (int)nftnl_expr_get_u32(w->e, NFTNL_EXPR_IMM_VERDICT);
        const char *chain = nftnl_expr_get_str(w->e, NFTNL_EXPR_IMM_CHAIN);

        for (size_t i = 0; i < ELEMENTS(codes); i++) {
                if (codes[i].code != code)
                        continue;
                v->kind = codes[i].kind;
                strncpy(v->name, chain ? chain : "", RULESET_NAME_MAX);
                return true;
        }
        return false;
}

static uint16_t port_at(const struct walk *w, uint16_t attribute)
{
        const uint8_t *value = nftnl_expr_is_set(w->e, attribute) ? walk_value(w, nftnl_expr_get_u32(w->e, attribute)) : NULL;

        return value ? (uint16_t)(value[0] << 8 | value[1]) : 0;
}

static void take_ports(const struct walk *w, uint16_t min, uint16_t max, struct translation *to)
{
        to->port_first = port_at(w, min);
        to->port_last = nftnl_expr_is_set(w->e, max) ? port_at(w, max) : to->port_first;
}

static const uint32_t told_flags = NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PERSISTENT | NF_NAT_RANGE_PROTO_RANDOM_FULLY;

static bool take_nat(struct walk *w, struct verdict *v)
{
        uint32_t flags = nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_FLAGS);
        const uint8_t *first, *last;

        v->kind = nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT ? VERDICT_SNAT : VERDICT_DNAT;
        v->to.flags = flags & told_flags;
        v->to.netmap = flags & NF_NAT_RANGE_NETMAP;
        take_ports(w, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFTNL_EXPR_NAT_REG_PROTO_MAX, &v->to);
        if (!nftnl_expr_is_set(w->e, NFTNL_EXPR_NAT_REG_ADDR_MIN))
                return true;
        v->to.family = nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_FAMILY) == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        first = walk_value(w, nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_REG_ADDR_MIN));
        last = walk_value(w, nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_REG_ADDR_MAX));
        if (!first || !last)
                return false;
        memcpy(v->to.first, first, 16);
        memcpy(v->to.last, last, 16);
        return true;
}

static bool take_own(struct walk *w, struct verdict *v)
{
        bool masquerade = walk_is(w, "masq");
        uint16_t flags = masquerade ? NFTNL_EXPR_MASQ_FLAGS : NFTNL_EXPR_REDIR_FLAGS;

        v->kind = masquerade ? VERDICT_MASQUERADE : VERDICT_REDIRECT;
        if (nftnl_expr_is_set(w->e, flags))
                v->to.flags = nftnl_expr_get_u32(w->e, flags) & told_flags;
        take_ports(w, masquerade ? NFTNL_EXPR_MASQ_REG_PROTO_MIN : NFTNL_EXPR_REDIR_REG_PROTO_MIN,
                   masquerade ? NFTNL_EXPR_MASQ_REG_PROTO_MAX : NFTNL_EXPR_REDIR_REG_PROTO_MAX, &v->to);
        return true;
}

/* Which ICMP a number is of is told by the family that the rule is for. */
static int family_of(const struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++)
                if (r->matches[i].fields[0] == FIELD_NFPROTO)
                        return r->matches[i].value[0] == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        return 0;
}

static bool take_reject(struct walk *w, struct verdict *v)
{
        v->kind = VERDICT_REJECT;
        v->reject_type = nftnl_expr_get_u32(w->e, NFTNL_EXPR_REJECT_TYPE);
        v->reject_code = nftnl_expr_get_u8(w->e, NFTNL_EXPR_REJECT_CODE);
        return true;
}

static bool take_queue(struct walk *w, struct verdict *v)
{
        v->kind = VERDICT_QUEUE;
        v->queue_first = nftnl_expr_get_u16(w->e, NFTNL_EXPR_QUEUE_NUM);
        v->queue_last = (uint16_t)(v->queue_first + nftnl_expr_get_u16(w->e, NFTNL_EXPR_QUEUE_TOTAL) - 1);
        v->queue_flags = nftnl_expr_get_u16(w->e, NFTNL_EXPR_QUEUE_FLAGS);
        return true;
}

bool take_verdict(struct walk *w, struct rule *r)
{
        bool taken = walk_is(w, "immediate") ? take_code(w, &r->verdict)
                     : walk_is(w, "nat")     ? take_nat(w, &r->verdict)
                     : walk_is(w, "reject")  ? take_reject(w, &r->verdict)
                     : walk_is(w, "queue")   ? take_queue(w, &r->verdict)
                                             : take_own(w, &r->verdict);

        if (r->verdict.kind == VERDICT_REJECT && r->verdict.reject_type == NFT_REJECT_ICMP_UNREACH)
                r->verdict.to.family = family_of(r);
        walk_step(w);
        return taken;
}

bool take_map(struct walk *w, struct rule *r)
{
        struct verdict *v = &r->verdict;
        uint32_t dreg = nftnl_expr_get_u32(w->e, NFTNL_EXPR_LOOKUP_DREG);

        memcpy(v->fields, w->fields, sizeof(v->fields));
        v->n_fields = w->n_fields;
        strncpy(v->name, nftnl_expr_get_str(w->e, NFTNL_EXPR_LOOKUP_SET), RULESET_NAME_MAX);
        walk_step(w);
        if (dreg == NFT_REG_VERDICT) {
                v->kind = VERDICT_MAP;
                return true;
        }
        if (!walk_is(w, "nat"))
                return false;
        if (nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT)
                v->kind = VERDICT_SNAT;
        else
                v->kind = nftnl_expr_is_set(w->e, NFTNL_EXPR_NAT_REG_PROTO_MIN) ? VERDICT_DNAT_PORT : VERDICT_DNAT;
        walk_step(w);
        return true;
}
