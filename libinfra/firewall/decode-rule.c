/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One rule from the kernel back to the intermediate form. What this program never writes (a rule put in by hand
 * with other expressions, or the same with other options) becomes an "unknown" rule that carries libnftnl's
 * words: it shows up in every difference. Whether a rule was understood is not guessed: written again, it must
 * give the words it came with.
 */

#include <errno.h>
#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "firewall/decode.h"
#include "firewall/encode.h"

static int on_comment(const struct nftnl_udata *attribute, void *userdata)
{
        char **comment = userdata;

        /* Rule and element comments have the same number. */
        if (nftnl_udata_type(attribute) == NFTNL_UDATA_RULE_COMMENT && !*comment)
                *comment = strndup(nftnl_udata_get(attribute), nftnl_udata_len(attribute));
        return 0;
}

char *decode_comment(const void *data, uint32_t size)
{
        char *comment = NULL;

        if (data && size)
                nftnl_udata_parse(data, size, on_comment, &comment);
        return comment;
}

/* The expressions of one rule, walked with what the last loads put into the registers. */
struct walk {
        struct nftnl_expr_iter *iterator;
        struct nftnl_expr *e;
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        bool masked;
        uint8_t mask[16];
};

static bool is(const struct walk *w, const char *name)
{
        return w->e && streq(nftnl_expr_get_str(w->e, NFTNL_EXPR_NAME), name);
}

static void step(struct walk *w)
{
        w->e = nftnl_expr_iter_next(w->iterator);
}

/* Which field a load expression reads; FIELD_MAX when none of ours. */
static enum field field_of(struct nftnl_expr *e, uint32_t *ret_register)
{
        const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
        enum field_source source;
        uint32_t key, size = 0;

        if (streq(name, "meta") && nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG)) {
                source = SOURCE_META;
                key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);
                *ret_register = nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG);
        } else if (streq(name, "ct") && nftnl_expr_is_set(e, NFTNL_EXPR_CT_DREG)) {
                source = SOURCE_CT;
                key = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY);
                *ret_register = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_DREG);
        } else if (streq(name, "fib")) {
                source = SOURCE_FIB;
                key = nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_RESULT);
                *ret_register = nftnl_expr_get_u32(e, NFTNL_EXPR_FIB_DREG);
        } else if (streq(name, "payload") && nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_DREG)) {
                uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);

                source = base == NFT_PAYLOAD_NETWORK_HEADER ? SOURCE_NETWORK : SOURCE_TRANSPORT;
                key = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
                size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
                *ret_register = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG);
                if (base == NFT_PAYLOAD_LL_HEADER)
                        return FIELD_MAX;
        } else {
                return FIELD_MAX;
        }
        for (int f = 0; f < FIELD_MAX; f++) {
                const struct field_type *t = field_type((enum field)f);

                if (t->source == source && t->key == key && (size == 0 || size == t->size))
                        return (enum field)f;
        }
        return FIELD_MAX;
}

/* Reads loads into consecutive registers. False: something unknown. */
static bool take_loads(struct walk *w)
{
        unsigned word = 0;

        w->n_fields = 0;
        for (; w->e && !is(w, "cmp") && !is(w, "bitwise") && !is(w, "lookup"); step(w)) {
                uint32_t reg = 0;
                enum field f = field_of(w->e, &reg);

                if (f == FIELD_MAX || w->n_fields == RULESET_FIELDS_MAX || reg != register_of(word))
                        return false;
                w->fields[w->n_fields++] = f;
                word += field_room(f) / 4;
        }
        return w->e != NULL;
}

static bool copy_data(uint8_t to[static 16], struct nftnl_expr *e, uint16_t attribute)
{
        uint32_t size = 0;
        const void *data = nftnl_expr_get(e, attribute, &size);

        if (!data || size > 16)
                return false;
        memcpy(to, data, size);
        return true;
}

static bool take_comparison(struct walk *w, struct rule *r)
{
        struct match *m = rule_add_match(r, MATCH_EQUAL, w->fields[0]);
        static const uint8_t zero[16];

        if (!m || w->n_fields != 1)
                return false;
        if (is(w, "bitwise")) {
                if (!copy_data(m->mask, w->e, NFTNL_EXPR_BITWISE_MASK))
                        return false;
                m->kind = MATCH_BITS;
                step(w);
        }
        if (!is(w, "cmp") || !copy_data(m->value, w->e, NFTNL_EXPR_CMP_DATA))
                return false;
        if (nftnl_expr_get_u32(w->e, NFTNL_EXPR_CMP_OP) == NFT_CMP_NEQ) {
                if (m->kind != MATCH_BITS || memcmp(m->value, zero, sizeof(zero)) != 0)
                        return false;
                m->kind = MATCH_ANY_BIT;
        }
        step(w);
        return true;
}

/* Both kinds of ICMP have their type at the same place: which it is stands in a match before. */
static bool is_icmpv6(const struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++)
                if (r->matches[i].fields[0] == FIELD_L4PROTO && r->matches[i].value[0] == IPPROTO_ICMPV6)
                        return true;
        return false;
}

static bool take_lookup_match(struct walk *w, struct rule *r)
{
        bool icmpv6 = is_icmpv6(r);
        struct match *m = rule_add_match(r, MATCH_SET, w->fields[0]);

        if (!m || nftnl_expr_get_u32(w->e, NFTNL_EXPR_LOOKUP_FLAGS) != 0)
                return false;
        memcpy(m->fields, w->fields, sizeof(m->fields));
        m->n_fields = w->n_fields;
        if (m->fields[0] == FIELD_ICMP_TYPE && icmpv6)
                m->fields[0] = FIELD_ICMPV6_TYPE;
        strncpy(m->set, nftnl_expr_get_str(w->e, NFTNL_EXPR_LOOKUP_SET), RULESET_NAME_MAX);
        step(w);
        return true;
}

/* A lookup that gives something: a verdict, or what the following translation needs. */
static bool take_map(struct walk *w, struct rule *r)
{
        struct verdict *v = &r->verdict;
        uint32_t dreg = nftnl_expr_get_u32(w->e, NFTNL_EXPR_LOOKUP_DREG);

        memcpy(v->fields, w->fields, sizeof(v->fields));
        v->n_fields = w->n_fields;
        strncpy(v->name, nftnl_expr_get_str(w->e, NFTNL_EXPR_LOOKUP_SET), RULESET_NAME_MAX);
        step(w);
        if (dreg == NFT_REG_VERDICT) {
                v->kind = VERDICT_MAP;
                return true;
        }
        if (!is(w, "nat"))
                return false;
        if (nftnl_expr_get_u32(w->e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT)
                v->kind = VERDICT_SNAT;
        else
                v->kind = nftnl_expr_is_set(w->e, NFTNL_EXPR_NAT_REG_PROTO_MIN) ? VERDICT_DNAT_PORT : VERDICT_DNAT;
        step(w);
        return true;
}

static bool take_immediate(struct walk *w, struct rule *r)
{
        int verdict = (int)nftnl_expr_get_u32(w->e, NFTNL_EXPR_IMM_VERDICT);
        const char *chain;

        if (verdict == NF_ACCEPT || verdict == NF_DROP) {
                r->verdict.kind = verdict == NF_ACCEPT ? VERDICT_ACCEPT : VERDICT_DROP;
        } else if (verdict == NFT_JUMP) {
                chain = nftnl_expr_get_str(w->e, NFTNL_EXPR_IMM_CHAIN);
                r->verdict.kind = VERDICT_JUMP;
                strncpy(r->verdict.name, chain ? chain : "", RULESET_NAME_MAX);
        } else {
                return false;
        }
        step(w);
        return true;
}

static bool take_expressions(struct walk *w, struct rule *r)
{
        while (w->e) {
                if (is(w, "immediate"))
                        return take_immediate(w, r) && !w->e;
                if (is(w, "masq")) {
                        r->verdict.kind = VERDICT_MASQUERADE;
                        step(w);
                        return !w->e;
                }
                if (!take_loads(w))
                        return false;
                if (is(w, "lookup") && nftnl_expr_is_set(w->e, NFTNL_EXPR_LOOKUP_DREG))
                        return take_map(w, r) && !w->e;
                if (!(is(w, "lookup") ? take_lookup_match(w, r) : take_comparison(w, r)))
                        return false;
        }
        return false;
}

static char *words_of(struct nftnl_rule *n)
{
        struct nftnl_expr_iter *i = nftnl_expr_iter_create(n);
        struct str s = {};

        for (struct nftnl_expr *e; i && (e = nftnl_expr_iter_next(i));) {
                char text[512] = "";

                nftnl_expr_snprintf(text, sizeof(text), e, NFTNL_OUTPUT_DEFAULT, 0);
                str_add(&s, "[ %s %s] ", nftnl_expr_get_str(e, NFTNL_EXPR_NAME), text);
        }
        if (i)
                nftnl_expr_iter_destroy(i);
        return str_take(&s);
}

/* What was understood must be all of it: written again it is the same, whatever options an expression has. */
static bool is_whole(const struct rule *r, const char *words)
{
        struct nftnl_rule *again = nftnl_rule_alloc();
        _cleanup_free_ char *said = again && encode_expressions(again, r) ? words_of(again) : NULL;

        if (again)
                nftnl_rule_free(again);
        return said && streq(said, words);
}

int decode_rule(struct nftnl_rule *n, struct chain *c)
{
        struct walk w = { .iterator = nftnl_expr_iter_create(n) };
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        _cleanup_free_ char *words = words_of(n);
        bool complete = r && w.iterator && words;
        uint32_t size = 0;
        const void *user = nftnl_rule_get_data(n, NFTNL_RULE_USERDATA, &size);

        if (complete) {
                r->comment = decode_comment(user, size);
                step(&w);
                if (!take_expressions(&w, r) || !is_whole(r, words))
                        r->unknown = TAKE_PTR(words);
        }
        if (w.iterator)
                nftnl_expr_iter_destroy(w.iterator);
        return complete ? 0 : -ENOMEM;
}
