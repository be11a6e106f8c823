/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statements of a rule from the kernel. */

#include "firewall/decode-walk.h"

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/ct-helper.h"

static bool take_limit(struct nftnl_expr *e, struct statement *s)
{
        s->rate = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_RATE);
        s->per_s = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_UNIT);
        s->burst = nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_BURST);
        s->bytes = nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_TYPE) == NFT_LIMIT_PKT_BYTES;
        s->over = nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_FLAGS) & NFT_LIMIT_F_INV;
        return true;
}

static bool take_connections(struct nftnl_expr *e, struct statement *s)
{
        s->rate = nftnl_expr_get_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT);
        s->over = nftnl_expr_get_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS) & NFT_CONNLIMIT_F_INV;
        return true;
}

static bool take_quota(struct nftnl_expr *e, struct statement *s)
{
        s->rate = nftnl_expr_get_u64(e, NFTNL_EXPR_QUOTA_BYTES);
        s->over = nftnl_expr_get_u32(e, NFTNL_EXPR_QUOTA_FLAGS) & NFT_QUOTA_F_INV;
        return true;
}

static bool take_log(struct nftnl_expr *e, struct statement *s)
{
        if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_PREFIX))
                snprintf(s->prefix, sizeof(s->prefix), "%s", nftnl_expr_get_str(e, NFTNL_EXPR_LOG_PREFIX));
        s->has_group = nftnl_expr_is_set(e, NFTNL_EXPR_LOG_GROUP);
        if (s->has_group)
                s->group = nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_GROUP);
        if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_SNAPLEN))
                s->snap = nftnl_expr_get_u32(e, NFTNL_EXPR_LOG_SNAPLEN);
        if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_QTHRESHOLD))
                s->threshold = nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_QTHRESHOLD);
        if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_LEVEL))
                s->level = nftnl_expr_get_u32(e, NFTNL_EXPR_LOG_LEVEL);
        if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_FLAGS))
                s->flags = nftnl_expr_get_u32(e, NFTNL_EXPR_LOG_FLAGS);
        return true;
}

static bool take_synproxy(struct nftnl_expr *e, struct statement *s)
{
        s->rate = nftnl_expr_get_u16(e, NFTNL_EXPR_SYNPROXY_MSS);
        s->burst = nftnl_expr_get_u8(e, NFTNL_EXPR_SYNPROXY_WSCALE);
        s->flags = nftnl_expr_get_u32(e, NFTNL_EXPR_SYNPROXY_FLAGS);
        return true;
}

static bool take_helper(struct nftnl_expr *e, struct statement *s)
{
        const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_IMM_NAME);
        struct helper h;

        if (!name || nftnl_expr_get_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE) != NFT_OBJECT_CT_HELPER || !helper_parse(name, &h))
                return false;
        snprintf(s->name, sizeof(s->name), "%s", name);
        return true;
}

static bool take_bare(struct nftnl_expr *e, struct statement *s)
{
        (void)e;
        (void)s;
        return true;
}

static const struct {
        const char *name;
        enum statement_kind kind;
        bool (*take)(struct nftnl_expr *e, struct statement *s);
} simple[] = {
        { "counter", STATEMENT_COUNTER, take_bare }, { "limit", STATEMENT_LIMIT, take_limit },
        { "connlimit", STATEMENT_CONNECTIONS, take_connections }, { "quota", STATEMENT_QUOTA, take_quota },
        { "log", STATEMENT_LOG, take_log }, { "notrack", STATEMENT_NOTRACK, take_bare }, { "synproxy", STATEMENT_SYNPROXY, take_synproxy },
        { "objref", STATEMENT_HELPER, take_helper },
};

/* Where a register is stored: a mark, a TCP option, a header. */
static bool is_store(struct nftnl_expr *e)
{
        static const struct {
                const char *name;
                uint16_t attribute;
        } stores[] = {
                { "meta", NFTNL_EXPR_META_SREG }, { "ct", NFTNL_EXPR_CT_SREG },
                { "exthdr", NFTNL_EXPR_EXTHDR_SREG }, { "payload", NFTNL_EXPR_PAYLOAD_SREG },
        };

        for (size_t i = 0; e && i < ELEMENTS(stores); i++)
                if (streq(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), stores[i].name) && nftnl_expr_is_set(e, stores[i].attribute))
                        return true;
        return false;
}

static bool is_strip(const struct walk *w)
{
        return walk_is(w, "exthdr") && !nftnl_expr_is_set(w->e, NFTNL_EXPR_EXTHDR_SREG) && !nftnl_expr_is_set(w->e, NFTNL_EXPR_EXTHDR_DREG);
}

bool starts_statement(const struct walk *w)
{
        for (size_t i = 0; i < ELEMENTS(simple); i++)
                if (walk_is(w, simple[i].name))
                        return true;
        return is_store(w->e) || is_strip(w) || walk_is(w, "numgen") || walk_is(w, "tproxy") ||
               (walk_is(w, "rt") && nftnl_expr_get_u32(w->e, NFTNL_EXPR_RT_KEY) == NFT_RT_TCPMSS);
}

static enum field stored_field(const struct walk *w, bool *ret_trace)
{
        enum field_source source = walk_is(w, "meta") ? SOURCE_META : walk_is(w, "ct") ? SOURCE_CT : SOURCE_TCP_OPTION;
        uint32_t key = source == SOURCE_META ? nftnl_expr_get_u32(w->e, NFTNL_EXPR_META_KEY)
                       : source == SOURCE_CT ? nftnl_expr_get_u32(w->e, NFTNL_EXPR_CT_KEY)
                                             : nftnl_expr_get_u8(w->e, NFTNL_EXPR_EXTHDR_TYPE);

        uint32_t extra = source == SOURCE_CT && nftnl_expr_is_set(w->e, NFTNL_EXPR_CT_DIR)  ? nftnl_expr_get_u8(w->e, NFTNL_EXPR_CT_DIR) + 1u
                         : source == SOURCE_TCP_OPTION ? nftnl_expr_get_u32(w->e, NFTNL_EXPR_EXTHDR_OFFSET)
                                                       : 0;

        *ret_trace = source == SOURCE_META && key == NFT_META_NFTRACE;
        for (int f = 0; f < FIELD_MAX; f++)
                if (field_type((enum field)f)->source == source && field_type((enum field)f)->key == key && field_type((enum field)f)->extra == extra)
                        return (enum field)f;
        return FIELD_MAX;
}

/* An immediate value was put into the first register before. */
static bool take_store(struct walk *w, struct rule *r)
{
        bool trace = false;
        enum field f = stored_field(w, &trace);
        struct statement *s = rule_add_statement(r, trace ? STATEMENT_TRACE : STATEMENT_SET);

        if (!s || (f == FIELD_MAX && !trace))
                return false;
        if (!trace) {
                s->field = f;
                memcpy(s->value, w->values[0], sizeof(s->value));
                statement_keep_labels(s);
        }
        walk_step(w);
        return true;
}

static bool take_numgen(struct walk *w, struct rule *r)
{
        struct statement *s = rule_add_statement(r, STATEMENT_NUMGEN);
        uint8_t most[16] = {};
        uint32_t exact;

        if (!s)
                return false;
        s->burst = nftnl_expr_get_u32(w->e, NFTNL_EXPR_NG_MODULUS);
        s->random = nftnl_expr_get_u32(w->e, NFTNL_EXPR_NG_TYPE) == NFT_NG_RANDOM;
        walk_step(w);
        if (walk_is(w, "byteorder"))
                walk_step(w);
        if (!walk_is(w, "cmp") || !walk_data(most, w->e, NFTNL_EXPR_CMP_DATA))
                return false;
        memcpy(&exact, most, sizeof(exact));
        s->rate = nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ ?
                          exact :
                          (uint32_t)most[0] << 24 | (uint32_t)most[1] << 16 | (uint32_t)most[2] << 8 | most[3];
        s->over = s->rate && nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ;
        walk_step(w);
        return true;
}

static bool take_strip(struct walk *w, struct rule *r)
{
        struct statement *s = rule_add_statement(r, STATEMENT_STRIP);

        if (!s)
                return false;
        s->rate = nftnl_expr_get_u8(w->e, NFTNL_EXPR_EXTHDR_TYPE);
        walk_step(w);
        return true;
}

/* Address and port were put into registers before. */
static bool take_tproxy(struct walk *w, struct rule *r)
{
        struct statement *s = rule_add_statement(r, STATEMENT_TPROXY);
        const uint8_t *address = nftnl_expr_is_set(w->e, NFTNL_EXPR_TPROXY_REG_ADDR) ?
                                         walk_value(w, nftnl_expr_get_u32(w->e, NFTNL_EXPR_TPROXY_REG_ADDR)) : NULL;
        const uint8_t *port = nftnl_expr_is_set(w->e, NFTNL_EXPR_TPROXY_REG_PORT) ?
                                      walk_value(w, nftnl_expr_get_u32(w->e, NFTNL_EXPR_TPROXY_REG_PORT)) : NULL;

        if (!s)
                return false;
        s->to.family = nftnl_expr_get_u32(w->e, NFTNL_EXPR_TPROXY_FAMILY) == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        if (address)
                memcpy(s->to.first, address, 16);
        memcpy(s->to.last, s->to.first, 16);
        s->to.port_first = s->to.port_last = port ? (uint16_t)(port[0] << 8 | port[1]) : 0;
        walk_step(w);
        return true;
}

/* [ rt load tcpmss ] [ byteorder ] [ exthdr write ] */
static bool take_route_mss(struct walk *w, struct rule *r)
{
        struct statement *s = rule_add_statement(r, STATEMENT_SET);

        walk_step(w);
        if (!s || !walk_is(w, "byteorder"))
                return false;
        walk_step(w);
        if (!is_store(w->e))
                return false;
        s->field = FIELD_TCP_MSS;
        walk_step(w);
        return true;
}

bool take_statement(struct walk *w, struct rule *r)
{
        struct statement *s;

        if (walk_is(w, "numgen"))
                return take_numgen(w, r);
        if (walk_is(w, "rt"))
                return take_route_mss(w, r);
        if (walk_is(w, "tproxy"))
                return take_tproxy(w, r);
        if (is_strip(w))
                return take_strip(w, r);
        for (size_t i = 0; i < ELEMENTS(simple); i++) {
                if (!walk_is(w, simple[i].name))
                        continue;
                s = rule_add_statement(r, simple[i].kind);
                if (!s || !simple[i].take(w->e, s))
                        return false;
                walk_step(w);
                return true;
        }
        return take_store(w, r);
}

bool takes_loaded(const struct walk *w)
{
        return walk_is(w, "dynset") || is_store(w->e) || (walk_is(w, "bitwise") && is_store(walk_peek(w, 1)));
}

static bool take_dynamic(struct walk *w, struct rule *r)
{
        const struct nftnl_expr *each = nftnl_expr_get(w->e, NFTNL_EXPR_DYNSET_EXPR, &(uint32_t){ 0 });
        const char *name = each ? nftnl_expr_get_str(each, NFTNL_EXPR_NAME) : "";
        bool limit = streq(name, "limit");
        struct statement *s = rule_add_statement(r, limit ? STATEMENT_METER : STATEMENT_CONNECTIONS);

        if (!s || (!limit && !streq(name, "connlimit")))
                return false;
        memcpy(s->fields, w->fields, sizeof(s->fields));
        s->n_fields = w->n_fields;
        for (size_t i = 0; i < w->n_fields; i++)
                if (w->masks[i][0])
                        memcpy(w->fields[i] == FIELD_IP_SADDR || w->fields[i] == FIELD_IP6_SADDR ? s->mask : s->value, w->masks[i], 16);
        strncpy(s->name, nftnl_expr_get_str(w->e, NFTNL_EXPR_DYNSET_SET_NAME), RULESET_NAME_MAX);
        if (nftnl_expr_is_set(w->e, NFTNL_EXPR_DYNSET_TIMEOUT))
                s->timeout_ms = nftnl_expr_get_u64(w->e, NFTNL_EXPR_DYNSET_TIMEOUT);
        if (limit)
                take_limit((struct nftnl_expr *)(uintptr_t)each, s);
        else
                take_connections((struct nftnl_expr *)(uintptr_t)each, s);
        walk_step(w);
        return true;
}

bool take_loaded(struct walk *w, struct rule *r)
{
        enum field from = w->fields[0], to;
        struct statement *s;
        bool trace;

        if (walk_is(w, "dynset"))
                return take_dynamic(w, r);
        s = w->n_fields == 1 ? rule_add_statement(r, STATEMENT_COPY) : NULL;
        if (!s)
                return false;
        memset(s->mask, 0xff, field_type(from)->size);
        if (walk_is(w, "bitwise")) {
                if (!walk_data(s->mask, w->e, NFTNL_EXPR_BITWISE_MASK) || !walk_data(s->value, w->e, NFTNL_EXPR_BITWISE_XOR))
                        return false;
                walk_step(w);
        }
        to = walk_is(w, "payload") ? FIELD_MAX : stored_field(w, &trace);
        if (to == FIELD_MAX)
                return false;
        s->field = to;
        s->kind = from == to ? STATEMENT_SET : STATEMENT_COPY;
        s->fields[0] = from;
        s->n_fields = from == to ? 0 : 1;
        if (from == to)
                s->fields[0] = 0;
        walk_step(w);
        return true;
}

bool starts_header(const struct walk *w)
{
        struct nftnl_expr *store = walk_peek(w, 2);

        return walk_is(w, "payload") && nftnl_expr_is_set(w->e, NFTNL_EXPR_PAYLOAD_DREG) && is_store(store) &&
               streq(nftnl_expr_get_str(store, NFTNL_EXPR_NAME), "payload") &&
               streq(nftnl_expr_get_str(walk_peek(w, 1), NFTNL_EXPR_NAME), "bitwise");
}

/* Two bytes are written; which of them the field is, the place and the checksum tell. */
static enum field header_field(bool transport, uint32_t offset, bool checksum)
{
        if (transport)
                return offset == 12 ? FIELD_TCP_FLAGS : FIELD_MAX;
        switch (offset) {
        case 0: return checksum ? FIELD_IP_TOS : FIELD_IP6_CLASS;
        case 6: return FIELD_IP6_HOPLIMIT;
        case 8: return FIELD_IP_TTL;
        default: return FIELD_MAX;
        }
}

bool take_header(struct walk *w, struct rule *r)
{
        struct nftnl_expr *bits = walk_peek(w, 1), *store = walk_peek(w, 2);
        bool checksum = nftnl_expr_get_u32(store, NFTNL_EXPR_PAYLOAD_CSUM_TYPE) == NFT_PAYLOAD_CSUM_INET;
        enum field f = header_field(nftnl_expr_get_u32(w->e, NFTNL_EXPR_PAYLOAD_BASE) == NFT_PAYLOAD_TRANSPORT_HEADER,
                                    nftnl_expr_get_u32(w->e, NFTNL_EXPR_PAYLOAD_OFFSET), checksum);
        struct statement *s = f == FIELD_MAX ? NULL : rule_add_statement(r, STATEMENT_SET);
        uint8_t mask[16] = {}, xor[16] = {};
        unsigned at;

        if (!s || !walk_data(mask, bits, NFTNL_EXPR_BITWISE_MASK) || !walk_data(xor, bits, NFTNL_EXPR_BITWISE_XOR))
                return false;
        s->field = f;
        at = field_type(f)->size == 1 ? field_type(f)->key % 2 : 0;
        memcpy(s->mask, mask + at, field_type(f)->size);
        memcpy(s->value, xor + at, field_type(f)->size);
        for (int i = 0; i < 3; i++)
                walk_step(w);
        return true;
}
