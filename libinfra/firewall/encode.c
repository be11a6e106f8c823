/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables, chains, sets and their elements as netlink messages of a batch. A rule's expressions: encode-match.c. */

#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"
#include "firewall/batch.h"
#include "firewall/encode.h"

enum {
        ELEMENTS_PER_MESSAGE = 200, /* with key, end, data and comment well below the 64 KB of an attribute */
        NFT_TYPE_BITS = 6,          /* of a concatenated datatype (nft's datatype.h) */
        BYTEORDER_BIG_ENDIAN = 2,   /* nft's expression.h */
};

/* A comment in the form nft prints: one attribute of the user data. */
static struct nftnl_udata_buf *user_comment(uint8_t type, const char *comment)
{
        struct nftnl_udata_buf *buffer = comment ? nftnl_udata_buf_alloc(256) : NULL;

        if (buffer)
                nftnl_udata_put_strz(buffer, type, comment);
        return buffer;
}

static bool fill_rule(struct nftnl_rule *r, const struct rule *from)
{
        struct nftnl_udata_buf *comment = user_comment(NFTNL_UDATA_RULE_COMMENT, from->comment);

        if (comment)
                nftnl_rule_set_data(r, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(comment), nftnl_udata_buf_len(comment));
        nftnl_udata_buf_free(comment);
        return encode_expressions(r, from);
}

static void batch_rule(struct batch *b, int family, const struct chain *c, const struct rule *from, uint16_t where)
{
        struct message_origin origin = { .what = "a rule of chain", .name = c->name, .span = from->comment ? &from->span : NULL };
        struct nftnl_rule *r = nftnl_rule_alloc();
        struct nlmsghdr *m;

        if (r) {
                nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, (uint32_t)family);
                nftnl_rule_set_str(r, NFTNL_RULE_TABLE, RULESET_TABLE);
                nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, c->name);
        }
        if (!r || !fill_rule(r, from)) {
                b->failed = true;
        } else {
                m = batch_open(b, NFT_MSG_NEWRULE, (uint16_t)family, NLM_F_CREATE | where, &origin);
                if (m) {
                        nftnl_rule_nlmsg_build_payload(m, r);
                        batch_close(b, m);
                }
        }
        if (r)
                nftnl_rule_free(r);
}

void batch_add_chain(struct batch *b, int family, const struct chain *c)
{
        struct message_origin origin = { .what = "chain", .name = c->name };
        struct nftnl_chain *n = nftnl_chain_alloc();
        struct nlmsghdr *m;

        if (!n) {
                b->failed = true;
                return;
        }
        nftnl_chain_set_str(n, NFTNL_CHAIN_TABLE, RULESET_TABLE);
        nftnl_chain_set_str(n, NFTNL_CHAIN_NAME, c->name);
        if (c->type) {
                nftnl_chain_set_str(n, NFTNL_CHAIN_TYPE, c->type);
                nftnl_chain_set_u32(n, NFTNL_CHAIN_HOOKNUM, c->hook);
                nftnl_chain_set_s32(n, NFTNL_CHAIN_PRIO, c->priority);
                nftnl_chain_set_u32(n, NFTNL_CHAIN_POLICY, c->drops ? NF_DROP : NF_ACCEPT);
        }
        m = batch_open(b, NFT_MSG_NEWCHAIN, (uint16_t)family, NLM_F_CREATE, &origin);
        if (m) {
                nftnl_chain_nlmsg_build_payload(m, n);
                batch_close(b, m);
        }
        nftnl_chain_free(n);
}

uint32_t set_key_type(const struct set *s)
{
        uint32_t type = 0;

        for (size_t i = 0; i < s->n_fields; i++)
                type = type << NFT_TYPE_BITS | field_type(s->fields[i])->datatype;
        return type;
}

uint32_t set_flags(const struct set *s)
{
        return (s->data == DATA_NONE ? 0 : NFT_SET_MAP) | (s->interval ? NFT_SET_INTERVAL | (s->n_fields > 1 ? NFT_SET_CONCAT : 0) : 0) |
               (s->timeout ? NFT_SET_TIMEOUT : 0) | (s->dynamic ? NFT_SET_EVAL : 0);
}

static void fill_set(struct nftnl_set *n, const struct set *s, int family, uint32_t id)
{
        uint8_t lengths[RULESET_FIELDS_MAX];

        nftnl_set_set_str(n, NFTNL_SET_TABLE, RULESET_TABLE);
        nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
        nftnl_set_set_u32(n, NFTNL_SET_FAMILY, (uint32_t)family);
        nftnl_set_set_u32(n, NFTNL_SET_ID, id);
        nftnl_set_set_u32(n, NFTNL_SET_FLAGS, set_flags(s));
        nftnl_set_set_u32(n, NFTNL_SET_KEY_TYPE, set_key_type(s));
        nftnl_set_set_u32(n, NFTNL_SET_KEY_LEN, s->n_fields > 1 ? set_key_size(s) : field_type(s->fields[0])->size);
        for (size_t i = 0; i < s->n_fields; i++)
                lengths[i] = (uint8_t)field_type(s->fields[i])->size;
        if (s->interval && s->n_fields > 1)
                nftnl_set_set_data(n, NFTNL_SET_DESC_CONCAT, lengths, (uint32_t)s->n_fields);
        if (s->timeout_ms)
                nftnl_set_set_u64(n, NFTNL_SET_TIMEOUT, (uint64_t)s->timeout_ms);
        if (s->size)
                nftnl_set_set_u32(n, NFTNL_SET_DESC_SIZE, s->size);
        if (s->counter)
                nftnl_set_add_expr(n, nftnl_expr_alloc("counter"));
        if (s->data == DATA_VERDICT) {
                nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
        } else if (s->data == DATA_ADDRESS) {
                nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE, field_type(FIELD_IP_DADDR)->datatype);
                nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN, 4);
        } else if (s->data == DATA_ADDRESS_PORT) {
                nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE, field_type(FIELD_IP_DADDR)->datatype << NFT_TYPE_BITS | field_type(FIELD_DPORT)->datatype);
                nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN, 8);
        }
}

void batch_add_set(struct batch *b, int family, const struct set *s, uint32_t id)
{
        struct message_origin origin = { .what = s->data == DATA_NONE ? "set" : "map", .name = s->name };
        struct nftnl_udata_buf *user = nftnl_udata_buf_alloc(64);
        struct nftnl_set *n = nftnl_set_alloc();
        struct nlmsghdr *m;

        if (n && user) {
                fill_set(n, s, family, id);
                nftnl_udata_put_u32(user, NFTNL_UDATA_SET_KEYBYTEORDER, BYTEORDER_BIG_ENDIAN);
                if (s->data == DATA_ADDRESS || s->data == DATA_ADDRESS_PORT)
                        nftnl_udata_put_u32(user, NFTNL_UDATA_SET_DATABYTEORDER, BYTEORDER_BIG_ENDIAN);
                nftnl_set_set_data(n, NFTNL_SET_USERDATA, nftnl_udata_buf_data(user), nftnl_udata_buf_len(user));
                m = batch_open(b, NFT_MSG_NEWSET, (uint16_t)family, NLM_F_CREATE, &origin);
                if (m) {
                        nftnl_set_nlmsg_build_payload(m, n);
                        batch_close(b, m);
                }
        } else {
                b->failed = true;
        }
        nftnl_udata_buf_free(user);
        if (n)
                nftnl_set_free(n);
}

/* Behind the end of an interval of one field stands an element that ends it; false at the end of all values. */
static bool next_key(const struct set *s, const struct element *e, uint8_t ret[static 16])
{
        unsigned size = field_type(s->fields[0])->size;

        memcpy(ret, e->key_end, size);
        for (unsigned i = size; i-- > 0;)
                if (++ret[i] != 0)
                        return true;
        return false;
}

static bool add_end(struct nftnl_set *n, const struct set *s, const struct element *e)
{
        struct nftnl_set_elem *x;
        uint8_t key[16];

        if (!s->interval || s->n_fields > 1 || !next_key(s, e, key))
                return true;
        x = nftnl_set_elem_alloc();
        if (!x)
                return false;
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, key, field_type(s->fields[0])->size);
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        nftnl_set_elem_add(n, x);
        return true;
}

static void set_verdict(struct nftnl_set_elem *x, const struct element *e)
{
        nftnl_set_elem_set_u32(x, NFTNL_SET_ELEM_VERDICT, e->jump ? (uint32_t)NFT_JUMP : e->accepts ? NF_ACCEPT : NF_DROP);
        if (e->jump)
                nftnl_set_elem_set_str(x, NFTNL_SET_ELEM_CHAIN, e->jump);
}

static bool add_element(struct nftnl_set *n, const struct set *s, const struct element *e)
{
        unsigned size = s->n_fields > 1 ? set_key_size(s) : field_type(s->fields[0])->size;
        struct nftnl_udata_buf *comment = user_comment(NFTNL_UDATA_SET_ELEM_COMMENT, e->comment);
        struct nftnl_set_elem *x = nftnl_set_elem_alloc();

        if (!x)
                return false;
        nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY, e->key, size);
        if (s->interval && s->n_fields > 1)
                nftnl_set_elem_set(x, NFTNL_SET_ELEM_KEY_END, e->key_end, size);
        if (s->data == DATA_VERDICT)
                set_verdict(x, e);
        else if (s->data != DATA_NONE)
                nftnl_set_elem_set(x, NFTNL_SET_ELEM_DATA, e->data, s->data == DATA_ADDRESS ? 4 : 8);
        if (e->expires_ms)
                nftnl_set_elem_set_u64(x, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)e->expires_ms);
        if (comment)
                nftnl_set_elem_set(x, NFTNL_SET_ELEM_USERDATA, nftnl_udata_buf_data(comment), nftnl_udata_buf_len(comment));
        nftnl_udata_buf_free(comment);
        nftnl_set_elem_add(n, x);
        return add_end(n, s, e);
}

static void batch_some_elements(struct batch *b, int family, const struct set *s, size_t first, size_t count, bool add)
{
        struct message_origin origin = { .what = "an element of", .name = s->name, .elements = s->elements + first, .n_elements = count };
        struct nftnl_set *n = nftnl_set_alloc();
        struct nlmsghdr *m;

        if (!n) {
                b->failed = true;
                return;
        }
        nftnl_set_set_str(n, NFTNL_SET_TABLE, RULESET_TABLE);
        nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
        for (size_t i = 0; i < count; i++)
                b->failed = b->failed || !add_element(n, s, &s->elements[first + i]);
        /* Adding what is there is no error; the kernel says the same of one batch applied twice. */
        m = batch_open(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, (uint16_t)family, add ? NLM_F_CREATE : 0, &origin);
        if (m) {
                nftnl_set_elems_nlmsg_build_payload(m, n);
                batch_close(b, m);
        }
        nftnl_set_free(n);
}

void batch_elements(struct batch *b, int family, const struct set *s, bool add)
{
        for (size_t i = 0; i < s->n_elements; i += ELEMENTS_PER_MESSAGE)
                batch_some_elements(b, family, s, i, MIN(s->n_elements - i, (size_t)ELEMENTS_PER_MESSAGE), add);
}

static void batch_table(struct batch *b, int family, uint16_t type)
{
        struct message_origin origin = { .what = "table", .name = RULESET_TABLE };
        struct nftnl_table *n = nftnl_table_alloc();
        struct nlmsghdr *m;

        if (!n) {
                b->failed = true;
                return;
        }
        nftnl_table_set_str(n, NFTNL_TABLE_NAME, RULESET_TABLE);
        m = batch_open(b, type, (uint16_t)family, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, &origin);
        if (m) {
                nftnl_table_nlmsg_build_payload(m, n);
                batch_close(b, m);
        }
        nftnl_table_free(n);
}

void batch_delete_table(struct batch *b, int family)
{
        /* Deleting what is not there would fail the batch, so it is added first. */
        batch_table(b, family, NFT_MSG_NEWTABLE);
        batch_table(b, family, NFT_MSG_DELTABLE);
}

void batch_add_table(struct batch *b, const struct table *t)
{
        batch_table(b, t->family, NFT_MSG_NEWTABLE);
}

void batch_add_rules(struct batch *b, int family, const struct chain *c)
{
        for (size_t i = 0; i < c->n_rules; i++)
                batch_rule(b, family, c, &c->rules[i], NLM_F_APPEND);
}

void batch_insert_rules(struct batch *b, int family, const struct chain *c)
{
        /* Each goes before all that are there. */
        for (size_t i = c->n_rules; i-- > 0;)
                batch_rule(b, family, c, &c->rules[i], 0);
}

void batch_delete_rule(struct batch *b, int family, const char *chain, uint64_t handle)
{
        struct message_origin origin = { .what = "the end of a rule of chain", .name = chain };
        struct nlmsghdr *m = batch_open(b, NFT_MSG_DELRULE, (uint16_t)family, 0, &origin);

        if (!m)
                return;
        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
        mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
        mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(handle));
        batch_close(b, m);
}
