/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Matches as libnftnl expressions: a load into registers, perhaps a mask, a comparison or a lookup. Registers: the
 * i-th 32-bit word of a concatenation is NFT_REG_1 + i/4 where a whole register begins and NFT_REG32_00 + i
 * elsewhere, as the kernel itself writes them back.
 */

#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/xfrm.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/encode.h"

uint32_t register_of(unsigned word)
{
        return word % 4 == 0 ? NFT_REG_1 + word / 4 : NFT_REG32_00 + word;
}

bool encode_append(struct nftnl_rule *r, struct nftnl_expr *e)
{
        if (e)
                nftnl_rule_add_expr(r, e);
        return e != NULL;
}

static void fill_payload(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        static const uint32_t bases[] = {
                [SOURCE_NETWORK] = NFT_PAYLOAD_NETWORK_HEADER,
                [SOURCE_TRANSPORT] = NFT_PAYLOAD_TRANSPORT_HEADER,
                [SOURCE_LINK] = NFT_PAYLOAD_LL_HEADER,
        };

        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, bases[t->source]);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, t->size);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

/* Options of TCP, headers of IPv6, chunks of SCTP: something in them, or whether there are such. */
static void fill_option(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        static const struct {
                uint32_t op, flags;
        } kinds[] = {
                [SOURCE_TCP_OPTION] = { NFT_EXTHDR_OP_TCPOPT, 0 },
                [SOURCE_TCP_OPTION_EXISTS] = { NFT_EXTHDR_OP_TCPOPT, NFT_EXTHDR_F_PRESENT },
                [SOURCE_IP6_HEADER] = { NFT_EXTHDR_OP_IPV6, 0 },
                [SOURCE_IP6_HEADER_EXISTS] = { NFT_EXTHDR_OP_IPV6, NFT_EXTHDR_F_PRESENT },
                [SOURCE_SCTP_CHUNK_EXISTS] = { NFT_EXTHDR_OP_SCTP, NFT_EXTHDR_F_PRESENT },
        };

        nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, kinds[t->source].op);
        nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, t->extra);
        nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, t->size);
        if (kinds[t->source].flags)
                nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_FLAGS, kinds[t->source].flags);
        nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, reg);
}

static void fill_ct(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
        if (t->extra)
                nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, (uint8_t)(t->extra - 1));
}

static void fill_fib(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, t->extra);
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, reg);
}

static void fill_meta(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

static void fill_route(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, reg);
}

static void fill_socket(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, t->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, reg);
        nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_LEVEL, 0);
}

static void fill_ipsec(struct nftnl_expr *e, const struct field_type *t, uint32_t reg)
{
        nftnl_expr_set_u32(e, NFTNL_EXPR_XFRM_KEY, t->key);
        nftnl_expr_set_u8(e, NFTNL_EXPR_XFRM_DIR, t->extra % 2 ? XFRM_POLICY_OUT : XFRM_POLICY_IN);
        nftnl_expr_set_u32(e, NFTNL_EXPR_XFRM_SPNUM, t->extra / 2);
        nftnl_expr_set_u32(e, NFTNL_EXPR_XFRM_DREG, reg);
}

bool encode_load(struct nftnl_rule *r, enum field f, uint32_t reg)
{
        static const struct {
                const char *name;
                void (*fill)(struct nftnl_expr *e, const struct field_type *t, uint32_t reg);
        } sources[SOURCE_MAX] = {
                [SOURCE_META] = { "meta", fill_meta },
                [SOURCE_NETWORK] = { "payload", fill_payload },
                [SOURCE_TRANSPORT] = { "payload", fill_payload },
                [SOURCE_LINK] = { "payload", fill_payload },
                [SOURCE_CT] = { "ct", fill_ct },
                [SOURCE_FIB] = { "fib", fill_fib },
                [SOURCE_ROUTE] = { "rt", fill_route },
                [SOURCE_SOCKET] = { "socket", fill_socket },
                [SOURCE_IPSEC] = { "xfrm", fill_ipsec },
                [SOURCE_TCP_OPTION] = { "exthdr", fill_option },
                [SOURCE_TCP_OPTION_EXISTS] = { "exthdr", fill_option },
                [SOURCE_IP6_HEADER] = { "exthdr", fill_option },
                [SOURCE_IP6_HEADER_EXISTS] = { "exthdr", fill_option },
                [SOURCE_SCTP_CHUNK_EXISTS] = { "exthdr", fill_option },
        };
        const struct field_type *t = field_type(f);
        struct nftnl_expr *e = nftnl_expr_alloc(sources[t->source].name);

        if (e)
                sources[t->source].fill(e, t, reg);
        return encode_append(r, e);
}

bool encode_loads(struct nftnl_rule *r, const enum field *fields, size_t n)
{
        unsigned word = 0;

        for (size_t i = 0; i < n; i++) {
                if (!encode_load(r, fields[i], register_of(word)))
                        return false;
                word += field_room(fields[i]) / 4;
        }
        return true;
}

bool encode_compare(struct nftnl_rule *r, uint32_t op, const void *value, unsigned size)
{
        struct nftnl_expr *e = nftnl_expr_alloc("cmp");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
        nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, size);
        return encode_append(r, e);
}

bool encode_mask_at(struct nftnl_rule *r, uint32_t reg, const void *mask, const void *xor, unsigned size)
{
        struct nftnl_expr *e = nftnl_expr_alloc("bitwise");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, size);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, xor, size);
        return encode_append(r, e);
}

bool encode_mask(struct nftnl_rule *r, const void *mask, const void *xor, unsigned size)
{
        return encode_mask_at(r, NFT_REG_1, mask, xor, size);
}

bool encode_order(struct nftnl_rule *r, unsigned size)
{
        struct nftnl_expr *e = nftnl_expr_alloc("byteorder");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_LEN, size);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SIZE, size);
        return encode_append(r, e);
}

bool encode_immediate(struct nftnl_rule *r, uint32_t reg, const void *value, unsigned size)
{
        struct nftnl_expr *e = nftnl_expr_alloc("immediate");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
        nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, value, size);
        return encode_append(r, e);
}

bool encode_lookup(struct nftnl_rule *r, const char *set, uint32_t dreg, bool negated)
{
        struct nftnl_expr *e = nftnl_expr_alloc("lookup");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
        nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, negated ? NFT_LOOKUP_F_INV : 0);
        if (dreg != UINT32_MAX)
                nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, dreg);
        return encode_append(r, e);
}

unsigned match_name_size(const struct match *m)
{
        unsigned size = 0;

        while (size < 16 && m->mask[size])
                size++;
        return size;
}

/* Bytes that compare as the number does. */
static void ordered(enum field f, const uint8_t *value, uint8_t ret[static 16])
{
        unsigned size = field_type(f)->size;

        for (unsigned i = 0; i < size; i++)
                ret[i] = field_type(f)->host_order ? value[size - 1 - i] : value[i];
}

static bool add_range(struct nftnl_rule *r, const struct match *m)
{
        unsigned size = field_type(m->fields[0])->size;
        uint8_t from[16] = {}, to[16] = {};
        struct nftnl_expr *e;

        ordered(m->fields[0], m->value, from);
        ordered(m->fields[0], m->mask, to);
        if (field_type(m->fields[0])->host_order && !encode_order(r, size))
                return false;
        if (!m->negated)
                return encode_compare(r, NFT_CMP_GTE, from, size) && encode_compare(r, NFT_CMP_LTE, to, size);
        e = nftnl_expr_alloc("range");
        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_NEQ);
        nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, from, size);
        nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, to, size);
        return encode_append(r, e);
}

bool encode_match(struct nftnl_rule *r, const struct match *m)
{
        static const uint8_t zero[16];
        unsigned size = field_type(m->fields[0])->size;
        uint32_t equal = m->negated ? NFT_CMP_NEQ : NFT_CMP_EQ, other = m->negated ? NFT_CMP_EQ : NFT_CMP_NEQ;
        bool name = m->fields[0] == FIELD_IIFNAME || m->fields[0] == FIELD_OIFNAME;

        if (!encode_loads(r, m->fields, m->n_fields))
                return false;
        switch (m->kind) {
        case MATCH_EQUAL:
                return encode_compare(r, equal, m->value, size);
        case MATCH_ANY_BIT:
                return encode_mask(r, m->mask, zero, size) && encode_compare(r, other, zero, size);
        case MATCH_BITS:
                if (name)
                        return encode_compare(r, equal, m->value, match_name_size(m));
                return encode_mask(r, m->mask, zero, size) && encode_compare(r, equal, m->value, size);
        case MATCH_RANGE:
                return add_range(r, m);
        default:
                return encode_lookup(r, m->set, UINT32_MAX, m->negated);
        }
}

bool encode_expressions(struct nftnl_rule *r, const struct rule *from)
{
        for (size_t i = 0; i < from->n_matches; i++)
                if (!encode_match(r, &from->matches[i]))
                        return false;
        for (size_t i = 0; i < from->n_statements; i++)
                if (!encode_statement(r, &from->statements[i]))
                        return false;
        return encode_verdict(r, &from->verdict);
}
