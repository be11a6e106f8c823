/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statements as libnftnl expressions: what a rule does beside its verdict. */

#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"
#include "firewall/encode.h"

static struct nftnl_expr *limit_of(const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("limit");

        if (e) {
                nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, s->rate);
                nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, s->per_s);
                nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, s->burst);
                nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, s->bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS);
                nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, s->over ? NFT_LIMIT_F_INV : 0);
        }
        return e;
}

static struct nftnl_expr *connections_of(const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("connlimit");

        if (e) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT, (uint32_t)s->rate);
                nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS, s->over ? NFT_CONNLIMIT_F_INV : 0);
        }
        return e;
}

/* The fields in a row of registers, each with the bits that count. */
static bool load_masked(struct nftnl_rule *r, const struct statement *s)
{
        static const uint8_t zero[16];
        unsigned word = 0;

        for (size_t i = 0; i < s->n_fields; i++) {
                const uint8_t *mask = statement_field_mask(s, s->fields[i]);

                if (!encode_load(r, s->fields[i], register_of(word)) ||
                    (mask && !encode_mask_at(r, register_of(word), mask, zero, field_type(s->fields[i])->size)))
                        return false;
                word += field_room(s->fields[i]) / 4;
        }
        return true;
}

/* @each: what is kept for each value of the fields. Connections are kept as long as they last, rates for a while. */
static bool add_dynamic(struct nftnl_rule *r, const struct statement *s, struct nftnl_expr *each)
{
        struct nftnl_expr *e = nftnl_expr_alloc("dynset");

        if (!e || !each || !load_masked(r, s)) {
                if (e)
                        nftnl_expr_free(e);
                if (each)
                        nftnl_expr_free(each);
                return false;
        }
        nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, s->kind == STATEMENT_METER ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
        nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, s->name);
        if (s->timeout_ms)
                nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, s->timeout_ms);
        nftnl_expr_set(e, NFTNL_EXPR_DYNSET_EXPR, each, 0);
        return encode_append(r, e);
}

static bool add_quota(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("quota");

        if (!e)
                return false;
        nftnl_expr_set_u64(e, NFTNL_EXPR_QUOTA_BYTES, s->rate);
        nftnl_expr_set_u32(e, NFTNL_EXPR_QUOTA_FLAGS, s->over ? NFT_QUOTA_F_INV : 0);
        return encode_append(r, e);
}

static bool add_numgen(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("numgen");
        uint32_t most = (uint32_t)s->rate;
        const uint8_t ordered[] = { (uint8_t)(most >> 24), (uint8_t)(most >> 16), (uint8_t)(most >> 8), (uint8_t)most };

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_NG_DREG, NFT_REG_1);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NG_MODULUS, s->burst);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NG_TYPE, s->random ? NFT_NG_RANDOM : NFT_NG_INCREMENTAL);
        if (!encode_append(r, e))
                return false;
        return most == 0 || s->over ? encode_compare(r, NFT_CMP_EQ, &most, sizeof(most)) :
                           encode_order(r, 4) && encode_compare(r, NFT_CMP_LTE, ordered, sizeof(ordered));
}

static bool add_log(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("log");

        if (!e)
                return false;
        if (*s->prefix)
                nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, s->prefix);
        if (s->has_group) {
                nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, s->group);
                if (s->snap)
                        nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_SNAPLEN, s->snap);
                if (s->threshold)
                        nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_QTHRESHOLD, s->threshold);
        } else {
                nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_LEVEL, s->level);
                if (s->flags)
                        nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_FLAGS, s->flags);
        }
        return encode_append(r, e);
}

enum { CHECKSUM_OF_IP = 10, CHECKSUM_OF_TCP = 16 };

/* A header's byte is written with its neighbour: the checksum is of 16-bit words. */
static bool add_header(struct nftnl_rule *r, const struct statement *s)
{
        const struct field_type *t = field_type(s->field);
        uint8_t mask[2] = { 0xff, 0xff }, xor[2] = {};
        bool transport = t->source == SOURCE_TRANSPORT;
        uint32_t checksum = transport ? CHECKSUM_OF_TCP : s->field == FIELD_IP_TOS || s->field == FIELD_IP_TTL ? CHECKSUM_OF_IP : 0;
        struct nftnl_expr *load = nftnl_expr_alloc("payload"), *store = nftnl_expr_alloc("payload");

        if (!load || !store) {
                if (load)
                        nftnl_expr_free(load);
                if (store)
                        nftnl_expr_free(store);
                return false;
        }
        memcpy(mask + (t->size == 1 ? t->key % 2 : 0), s->mask, t->size);
        memcpy(xor + (t->size == 1 ? t->key % 2 : 0), s->value, t->size);
        nftnl_expr_set_u32(load, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
        nftnl_expr_set_u32(store, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
        for (int i = 0; i < 2; i++) {
                nftnl_expr_set_u32(i ? store : load, NFTNL_EXPR_PAYLOAD_BASE, transport ? NFT_PAYLOAD_TRANSPORT_HEADER : NFT_PAYLOAD_NETWORK_HEADER);
                nftnl_expr_set_u32(i ? store : load, NFTNL_EXPR_PAYLOAD_OFFSET, t->key & ~1u);
                nftnl_expr_set_u32(i ? store : load, NFTNL_EXPR_PAYLOAD_LEN, 2);
        }
        nftnl_expr_set_u32(store, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, checksum ? NFT_PAYLOAD_CSUM_INET : NFT_PAYLOAD_CSUM_NONE);
        nftnl_expr_set_u32(store, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, checksum);
        nftnl_expr_set_u32(store, NFTNL_EXPR_PAYLOAD_FLAGS, 0);
        nftnl_rule_add_expr(r, load);
        if (!encode_mask(r, mask, xor, 2)) {
                nftnl_expr_free(store);
                return false;
        }
        return encode_append(r, store);
}

/* The first register into a meta or connection mark, or a TCP option. */
static bool add_store(struct nftnl_rule *r, enum field f)
{
        const struct field_type *t = field_type(f);
        struct nftnl_expr *e = nftnl_expr_alloc(t->source == SOURCE_META ? "meta" : t->source == SOURCE_CT ? "ct" : "exthdr");

        if (!e)
                return false;
        if (t->source == SOURCE_META) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, t->key);
                nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
        } else if (t->source == SOURCE_CT) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, t->key);
                nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, NFT_REG_1);
                if (t->extra)
                        nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, (uint8_t)(t->extra - 1));
        } else {
                nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
                nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)t->key);
                nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, t->extra);
                nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, t->size);
                nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
        }
        return encode_append(r, e);
}

/* What the MTU of the route leaves for a segment. */
static bool add_route_mss(struct nftnl_rule *r)
{
        struct nftnl_expr *e = nftnl_expr_alloc("rt");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
        nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, NFT_REG_1);
        return encode_append(r, e) && encode_order(r, 2) && add_store(r, FIELD_TCP_MSS);
}

static bool all(const uint8_t *bytes, unsigned size, uint8_t value)
{
        for (unsigned i = 0; i < size; i++)
                if (bytes[i] != value)
                        return false;
        return true;
}

static bool add_set(struct nftnl_rule *r, const struct statement *s)
{
        unsigned size = field_type(s->field)->size;

        if (field_type(s->field)->source == SOURCE_NETWORK || field_type(s->field)->source == SOURCE_TRANSPORT)
                return add_header(r, s);
        if (s->field == FIELD_TCP_MSS && all(s->value, size, 0))
                return add_route_mss(r);
        if (all(s->mask, size, 0) || s->field == FIELD_CT_LABEL)
                return encode_immediate(r, NFT_REG_1, s->value, size) && add_store(r, s->field);
        return encode_load(r, s->field, NFT_REG_1) && encode_mask(r, s->mask, s->value, size) && add_store(r, s->field);
}

static bool add_copy(struct nftnl_rule *r, const struct statement *s)
{
        unsigned size = field_type(s->field)->size;

        if (!encode_load(r, s->fields[0], NFT_REG_1))
                return false;
        if ((!all(s->mask, size, 0xff) || !all(s->value, size, 0)) && !encode_mask(r, s->mask, s->value, size))
                return false;
        return add_store(r, s->field);
}

static bool add_trace(struct nftnl_rule *r)
{
        struct nftnl_expr *e = nftnl_expr_alloc("meta");
        uint8_t one = 1;

        if (!e || !encode_immediate(r, NFT_REG_1, &one, sizeof(one))) {
                if (e)
                        nftnl_expr_free(e);
                return false;
        }
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_NFTRACE);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
        return encode_append(r, e);
}

static bool add_tproxy(struct nftnl_rule *r, const struct statement *s)
{
        const struct translation *to = &s->to;
        unsigned size = to->family == AF_INET6 ? 16 : 4;
        const uint8_t port[] = { (uint8_t)(to->port_first >> 8), (uint8_t)to->port_first };
        struct nftnl_expr *e = nftnl_expr_alloc("tproxy");
        bool fine = e != NULL;

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, to->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
        if (!all(to->first, size, 0)) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
                fine = encode_immediate(r, NFT_REG_1, to->first, size);
        }
        if (to->port_first) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
                fine = fine && encode_immediate(r, NFT_REG_2, port, sizeof(port));
        }
        if (!fine)
                nftnl_expr_free(e);
        return fine && encode_append(r, e);
}

static bool add_synproxy(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("synproxy");

        if (!e)
                return false;
        nftnl_expr_set_u16(e, NFTNL_EXPR_SYNPROXY_MSS, (uint16_t)s->rate);
        nftnl_expr_set_u8(e, NFTNL_EXPR_SYNPROXY_WSCALE, (uint8_t)s->burst);
        nftnl_expr_set_u32(e, NFTNL_EXPR_SYNPROXY_FLAGS, s->flags);
        return encode_append(r, e);
}

static bool add_strip(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("exthdr");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
        nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)s->rate);
        return encode_append(r, e);
}

static bool add_helper(struct nftnl_rule *r, const struct statement *s)
{
        struct nftnl_expr *e = nftnl_expr_alloc("objref");

        if (!e)
                return false;
        nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_CT_HELPER);
        nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, s->name);
        return encode_append(r, e);
}

bool encode_statement(struct nftnl_rule *r, const struct statement *s)
{
        switch (s->kind) {
        case STATEMENT_COUNTER:
                return encode_append(r, nftnl_expr_alloc("counter"));
        case STATEMENT_LIMIT:
                return encode_append(r, limit_of(s));
        case STATEMENT_METER:
                return add_dynamic(r, s, limit_of(s));
        case STATEMENT_CONNECTIONS:
                return *s->name ? add_dynamic(r, s, connections_of(s)) : encode_append(r, connections_of(s));
        case STATEMENT_QUOTA:
                return add_quota(r, s);
        case STATEMENT_NUMGEN:
                return add_numgen(r, s);
        case STATEMENT_LOG:
                return add_log(r, s);
        case STATEMENT_SET:
                return add_set(r, s);
        case STATEMENT_COPY:
                return add_copy(r, s);
        case STATEMENT_NOTRACK:
                return encode_append(r, nftnl_expr_alloc("notrack"));
        case STATEMENT_TRACE:
                return add_trace(r);
        case STATEMENT_TPROXY:
                return add_tproxy(r, s);
        case STATEMENT_SYNPROXY:
                return add_synproxy(r, s);
        case STATEMENT_STRIP:
                return add_strip(r, s);
        case STATEMENT_HELPER:
                return add_helper(r, s);
        default:
                return false;
        }
}
