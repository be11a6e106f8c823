/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Loads and comparisons of a rule from the kernel. */

#include "firewall/decode-walk.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/xfrm.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/encode.h"

/* What identifies a load: source, key, size (0: any) and direction or flags. */
struct load {
        enum field_source source;
        uint32_t key, size, extra, reg;
};

static bool read_payload(struct nftnl_expr *e, struct load *l)
{
        uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);

        l->source = base == NFT_PAYLOAD_NETWORK_HEADER ? SOURCE_NETWORK : base == NFT_PAYLOAD_LL_HEADER ? SOURCE_LINK : SOURCE_TRANSPORT;
        l->key = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
        l->size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
        l->reg = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG);
        return true;
}

static bool read_option(struct nftnl_expr *e, struct load *l)
{
        uint32_t op = nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_OP);
        bool exists = nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_FLAGS) & NFT_EXTHDR_F_PRESENT;

        l->source = op == NFT_EXTHDR_OP_TCPOPT ? (exists ? SOURCE_TCP_OPTION_EXISTS : SOURCE_TCP_OPTION)
                    : op == NFT_EXTHDR_OP_IPV6 ? (exists ? SOURCE_IP6_HEADER_EXISTS : SOURCE_IP6_HEADER)
                    : op == NFT_EXTHDR_OP_SCTP && exists ? SOURCE_SCTP_CHUNK_EXISTS
                                                         : SOURCE_MAX;
        l->key = nftnl_expr_get_u8(e, NFTNL_EXPR_EXTHDR_TYPE);
        l->size = nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_LEN);
        l->extra = nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_OFFSET);
        l->reg = nftnl_expr_get_u32(e, NFTNL_EXPR_EXTHDR_DREG);
        return true;
}

static bool read_meta(struct nftnl_expr *e, struct load *l)
{
        *l = (struct load){ SOURCE_META, nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY), 0, 0, nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG) };
        return true;
}

static bool read_ct(struct nftnl_expr *e, struct load *l)
{
        *l = (struct load){ SOURCE_CT, nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY), 0,
                            nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR) ? nftnl_expr_get_u8(e, NFTNL_EXPR_CT_DIR) + 1u : 0,
                            nftnl_expr_get_u32(e, NFTNL_EXPR_CT_DREG) };
        return true;
}

static bool read_fib(struct nftnl_expr *e, struct load *l)
{
        *l = (struct load){ SOURCE_FIB, nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_RESULT), 0, nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_FLAGS),
                            nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_DREG) };
        return true;
}

static bool read_route(struct nftnl_expr *e, struct load *l)
{
        *l = (struct load){ SOURCE_ROUTE, nftnl_expr_get_u32(e, NFTNL_EXPR_RT_KEY), 0, 0, nftnl_expr_get_u32(e, NFTNL_EXPR_RT_DREG) };
        return true;
}

static bool read_socket(struct nftnl_expr *e, struct load *l)
{
        *l = (struct load){ SOURCE_SOCKET, nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_KEY), 0, 0, nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_DREG) };
        return true;
}

static bool read_ipsec(struct nftnl_expr *e, struct load *l)
{
        uint32_t out = nftnl_expr_get_u8(e, NFTNL_EXPR_XFRM_DIR) == XFRM_POLICY_OUT;

        *l = (struct load){ SOURCE_IPSEC, nftnl_expr_get_u32(e, NFTNL_EXPR_XFRM_KEY), 0, 2 * nftnl_expr_get_u32(e, NFTNL_EXPR_XFRM_SPNUM) + out,
                            nftnl_expr_get_u32(e, NFTNL_EXPR_XFRM_DREG) };
        return true;
}

static bool read_load(struct nftnl_expr *e, struct load *l)
{
        static const struct {
                const char *name;
                uint16_t dreg;
                bool (*read)(struct nftnl_expr *e, struct load *l);
        } loads[] = {
                { "meta", NFTNL_EXPR_META_DREG, read_meta },     { "ct", NFTNL_EXPR_CT_DREG, read_ct },
                { "fib", NFTNL_EXPR_FIB_DREG, read_fib },        { "payload", NFTNL_EXPR_PAYLOAD_DREG, read_payload },
                { "exthdr", NFTNL_EXPR_EXTHDR_DREG, read_option }, { "rt", NFTNL_EXPR_RT_DREG, read_route },
                { "socket", NFTNL_EXPR_SOCKET_DREG, read_socket }, { "xfrm", NFTNL_EXPR_XFRM_DREG, read_ipsec },
        };

        for (size_t i = 0; i < ELEMENTS(loads); i++)
                if (streq(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), loads[i].name) && nftnl_expr_is_set(e, loads[i].dreg))
                        return loads[i].read(e, l);
        return false;
}

static enum field field_of(const struct load *l)
{
        for (int f = 0; f < FIELD_MAX; f++) {
                const struct field_type *t = field_type((enum field)f);

                if (t->source == l->source && t->key == l->key && (l->size == 0 || l->size == t->size) && t->extra == l->extra)
                        return (enum field)f;
        }
        return FIELD_MAX;
}

/* A mask of what was just loaded, before more is loaded or a dynamic set takes it. */
static bool take_part(struct walk *w, uint32_t reg)
{
        static const uint8_t zero[16];
        struct nftnl_expr *next = walk_peek(w, 1);
        uint8_t xor[16] = {};
        struct load l = {};

        if (!next || !walk_is(w, "bitwise") || nftnl_expr_get_u32(w->e, NFTNL_EXPR_BITWISE_SREG) != reg ||
            nftnl_expr_get_u32(w->e, NFTNL_EXPR_BITWISE_DREG) != reg ||
            !(streq(nftnl_expr_get_str(next, NFTNL_EXPR_NAME), "dynset") || read_load(next, &l)))
                return true;
        if (!walk_data(w->masks[w->n_fields - 1], w->e, NFTNL_EXPR_BITWISE_MASK) || !walk_data(xor, w->e, NFTNL_EXPR_BITWISE_XOR))
                return false;
        walk_step(w);
        return memcmp(xor, zero, sizeof(zero)) == 0;
}

bool take_loads(struct walk *w)
{
        unsigned word = 0;

        w->n_fields = 0;
        memset(w->masks, 0, sizeof(w->masks));
        for (struct load l = {}; w->e && read_load(w->e, &l); l = (struct load){}) {
                enum field f = field_of(&l);

                if (f == FIELD_MAX || w->n_fields == RULESET_FIELDS_MAX || l.reg != register_of(word))
                        return false;
                w->fields[w->n_fields++] = f;
                word += field_room(f) / 4;
                walk_step(w);
                if (!take_part(w, l.reg))
                        return false;
        }
        return w->e && w->n_fields > 0;
}

/* Headers that have something at the same place: which it is stands in a match before. */
static enum field same_place(const struct rule *r, enum field f)
{
        static const struct {
                uint8_t protocol;
                enum field usual, field;
        } places[] = { { IPPROTO_ICMPV6, FIELD_ICMP_TYPE, FIELD_ICMPV6_TYPE },
                       { IPPROTO_ICMPV6, FIELD_ICMP_CODE, FIELD_ICMPV6_CODE },
                       { IPPROTO_COMP, FIELD_DPORT, FIELD_COMP_CPI } };

        for (size_t i = 0; i < r->n_matches; i++)
                for (size_t k = 0; r->matches[i].fields[0] == FIELD_L4PROTO && k < ELEMENTS(places); k++)
                        if (r->matches[i].value[0] == places[k].protocol && f == places[k].usual)
                                return places[k].field;
        return f;
}

static void reverse(uint8_t *value, unsigned size)
{
        for (unsigned i = 0; i < size / 2; i++) {
                uint8_t x = value[i];

                value[i] = value[size - 1 - i];
                value[size - 1 - i] = x;
        }
}

/* Between two ends, which stand in @from and @to of the expressions. */
static void set_range(struct match *m)
{
        unsigned size = field_type(m->fields[0])->size;

        m->kind = MATCH_RANGE;
        if (field_type(m->fields[0])->host_order) {
                reverse(m->value, size);
                reverse(m->mask, size);
        }
}

static bool take_range(struct walk *w, struct match *m)
{
        if (!walk_data(m->value, w->e, NFTNL_EXPR_RANGE_FROM_DATA) || !walk_data(m->mask, w->e, NFTNL_EXPR_RANGE_TO_DATA))
                return false;
        m->negated = nftnl_expr_get_u32(w->e, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_NEQ;
        set_range(m);
        walk_step(w);
        return true;
}

/* "at least", then "at most". */
static bool take_ends(struct walk *w, struct match *m)
{
        if (!walk_data(m->value, w->e, NFTNL_EXPR_CMP_DATA))
                return false;
        walk_step(w);
        if (!walk_is(w, "cmp") || nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) != NFT_CMP_LTE || !walk_data(m->mask, w->e, NFTNL_EXPR_CMP_DATA))
                return false;
        set_range(m);
        walk_step(w);
        return true;
}

static bool take_mask(struct walk *w, struct match *m)
{
        if (!walk_data(m->mask, w->e, NFTNL_EXPR_BITWISE_MASK))
                return false;
        m->kind = MATCH_BITS;
        walk_step(w);
        return true;
}

static bool take_equal(struct walk *w, struct match *m)
{
        static const uint8_t zero[16];
        uint32_t size = 0;

        nftnl_expr_get(w->e, NFTNL_EXPR_CMP_DATA, &size);
        m->negated = nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) == NFT_CMP_NEQ;
        if (!walk_data(m->value, w->e, NFTNL_EXPR_CMP_DATA))
                return false;
        if (size < field_type(m->fields[0])->size && m->kind == MATCH_EQUAL) {
                m->kind = MATCH_BITS;
                memset(m->mask, 0xff, size);
        } else if (m->kind == MATCH_BITS && m->negated && memcmp(m->value, zero, sizeof(zero)) == 0) {
                m->kind = MATCH_ANY_BIT;
                m->negated = false;
        }
        walk_step(w);
        return true;
}

static bool take_lookup(struct walk *w, struct match *m)
{
        m->kind = MATCH_SET;
        m->negated = nftnl_expr_get_u32(w->e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
        strncpy(m->set, nftnl_expr_get_str(w->e, NFTNL_EXPR_LOOKUP_SET), RULESET_NAME_MAX);
        walk_step(w);
        return true;
}

bool take_match(struct walk *w, struct rule *r)
{
        enum field first = same_place(r, w->fields[0]);
        struct match *m = rule_add_match(r, MATCH_EQUAL, first);

        if (!m)
                return false;
        for (size_t i = 0; i < w->n_fields; i++)
                m->fields[i] = same_place(r, w->fields[i]);
        m->n_fields = w->n_fields;
        if (walk_is(w, "lookup"))
                return take_lookup(w, m);
        if (m->n_fields != 1)
                return false;
        if (walk_is(w, "byteorder"))
                walk_step(w);
        if (walk_is(w, "range"))
                return take_range(w, m);
        if (walk_is(w, "cmp") && nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) == NFT_CMP_GTE)
                return take_ends(w, m);
        if (walk_is(w, "bitwise") && !take_mask(w, m))
                return false;
        return walk_is(w, "cmp") && take_equal(w, m);
}
