/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verdicts as libnftnl expressions. */

#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/encode.h"

static bool add_code(struct nftnl_rule *r, int verdict, const char *chain)
{
        struct nftnl_expr *e = nftnl_expr_alloc("immediate");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
        if (chain)
                nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
        return encode_append(r, e);
}

/* To what a map gives. */
static bool add_mapped(struct nftnl_rule *r, const struct verdict *v)
{
        bool port = v->kind == VERDICT_DNAT_PORT;
        struct nftnl_expr *e;

        if (!encode_loads(r, v->fields, v->n_fields) || !encode_lookup(r, v->name, NFT_REG_1, false))
                return false;
        e = nftnl_expr_alloc("nat");
        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, v->kind == VERDICT_SNAT ? NFT_NAT_SNAT : NFT_NAT_DNAT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1);
        if (port) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, register_of(1));
                nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, register_of(1));
        }
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS | (port ? NF_NAT_RANGE_PROTO_SPECIFIED : 0));
        return encode_append(r, e);
}

/* Two registers with the ends of a range, or twice the same. */
static bool add_ends(struct nftnl_rule *r, struct nftnl_expr *e, uint16_t min, uint16_t max, uint32_t reg, const void *first,
                     const void *last, unsigned size)
{
        bool range = memcmp(first, last, size) != 0;

        nftnl_expr_set_u32(e, min, reg);
        nftnl_expr_set_u32(e, max, range ? reg + 1 : reg);
        return encode_immediate(r, reg, first, size) && (!range || encode_immediate(r, reg + 1, last, size));
}

static bool add_ports(struct nftnl_rule *r, struct nftnl_expr *e, uint16_t min, uint16_t max, const struct translation *to)
{
        const uint8_t first[] = { (uint8_t)(to->port_first >> 8), (uint8_t)to->port_first };
        const uint8_t last[] = { (uint8_t)(to->port_last >> 8), (uint8_t)to->port_last };

        return !to->port_first || add_ends(r, e, min, max, NFT_REG_3, first, last, sizeof(first));
}

static bool add_nat(struct nftnl_rule *r, const struct verdict *v)
{
        const struct translation *to = &v->to;
        unsigned size = to->family == AF_INET6 ? 16 : 4;
        struct nftnl_expr *e = nftnl_expr_alloc("nat");
        uint32_t flags = to->flags;

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, v->kind == VERDICT_SNAT ? NFT_NAT_SNAT : NFT_NAT_DNAT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, to->family == AF_INET ? NFPROTO_IPV4 : to->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_INET);
        if ((to->family && !add_ends(r, e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1, to->first, to->last, size)) ||
            !add_ports(r, e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFTNL_EXPR_NAT_REG_PROTO_MAX, to)) {
                nftnl_expr_free(e);
                return false;
        }
        flags |= (to->family ? NF_NAT_RANGE_MAP_IPS : 0) | (to->port_first ? NF_NAT_RANGE_PROTO_SPECIFIED : 0) |
                 (to->netmap ? NF_NAT_RANGE_NETMAP : 0);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, flags);
        return encode_append(r, e);
}

/* To the interface's own address, or to the host itself. */
static bool add_own(struct nftnl_rule *r, const struct verdict *v)
{
        bool masquerade = v->kind == VERDICT_MASQUERADE;
        struct nftnl_expr *e = nftnl_expr_alloc(masquerade ? "masq" : "redir");
        uint32_t flags = v->to.flags | (v->to.port_first ? NF_NAT_RANGE_PROTO_SPECIFIED : 0);

        if (!e)
                return false;
        if (!add_ports(r, e, masquerade ? NFTNL_EXPR_MASQ_REG_PROTO_MIN : NFTNL_EXPR_REDIR_REG_PROTO_MIN,
                       masquerade ? NFTNL_EXPR_MASQ_REG_PROTO_MAX : NFTNL_EXPR_REDIR_REG_PROTO_MAX, &v->to)) {
                nftnl_expr_free(e);
                return false;
        }
        if (flags)
                nftnl_expr_set_u32(e, masquerade ? NFTNL_EXPR_MASQ_FLAGS : NFTNL_EXPR_REDIR_FLAGS, flags);
        return encode_append(r, e);
}

static bool add_reject(struct nftnl_rule *r, const struct verdict *v)
{
        struct nftnl_expr *e = nftnl_expr_alloc("reject");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, v->reject_type);
        nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, (uint8_t)v->reject_code);
        return encode_append(r, e);
}

static bool add_queue(struct nftnl_rule *r, const struct verdict *v)
{
        struct nftnl_expr *e = nftnl_expr_alloc("queue");

        if (!e)
                return false;
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, v->queue_first);
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, (uint16_t)(v->queue_last - v->queue_first + 1));
        nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_FLAGS, (uint16_t)v->queue_flags);
        return encode_append(r, e);
}

bool encode_verdict(struct nftnl_rule *r, const struct verdict *v)
{
        switch (v->kind) {
        case VERDICT_ACCEPT:
                return add_code(r, NF_ACCEPT, NULL);
        case VERDICT_DROP:
                return add_code(r, NF_DROP, NULL);
        case VERDICT_JUMP:
                return add_code(r, NFT_JUMP, v->name);
        case VERDICT_GOTO:
                return add_code(r, NFT_GOTO, v->name);
        case VERDICT_RETURN:
                return add_code(r, NFT_RETURN, NULL);
        case VERDICT_CONTINUE:
                return true;
        case VERDICT_REJECT:
                return add_reject(r, v);
        case VERDICT_QUEUE:
                return add_queue(r, v);
        case VERDICT_MAP:
                return encode_loads(r, v->fields, v->n_fields) && encode_lookup(r, v->name, NFT_REG_VERDICT, false);
        case VERDICT_MASQUERADE:
        case VERDICT_REDIRECT:
                return add_own(r, v);
        default:
                return *v->name ? add_mapped(r, v) : add_nat(r, v);
        }
}
