/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the kernel back to the intermediate form: tables, chains, sets and their elements. Rules: decode-rule.c. */

#include <errno.h>
#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/str.h"
#include "firewall/decode.h"
#include "firewall/kernel.h"

struct reading {
        struct table *table;
        struct set *set; /* whose elements are read */
        bool found;
        bool oom;
};

static int on_rule(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_rule *n = nftnl_rule_alloc();
        struct reading *d = userdata;

        if (n && nftnl_rule_nlmsg_parse(m, n) == 0 && streq(nftnl_rule_get_str(n, NFTNL_RULE_TABLE), RULESET_TABLE)) {
                struct chain *c = table_chain(d->table, nftnl_rule_get_str(n, NFTNL_RULE_CHAIN));

                d->oom = d->oom || !c || decode_rule(n, c) < 0;
        }
        if (n)
                nftnl_rule_free(n);
        return MNL_CB_OK;
}

static int on_chain(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_chain *n = nftnl_chain_alloc();
        struct reading *d = userdata;

        if (n && nftnl_chain_nlmsg_parse(m, n) == 0 &&
            streq(nftnl_chain_get_str(n, NFTNL_CHAIN_TABLE), RULESET_TABLE)) {
                const char *type =
                        nftnl_chain_is_set(n, NFTNL_CHAIN_HOOKNUM) ? nftnl_chain_get_str(n, NFTNL_CHAIN_TYPE) : NULL;
                struct chain *c = table_add_chain(d->table, nftnl_chain_get_str(n, NFTNL_CHAIN_NAME),
                                                  !type                  ? NULL
                                                  : streq(type, "nat")   ? "nat"
                                                  : streq(type, "route") ? "route"
                                                                         : "filter",
                                                  nftnl_chain_get_u32(n, NFTNL_CHAIN_HOOKNUM),
                                                  nftnl_chain_get_s32(n, NFTNL_CHAIN_PRIO),
                                                  type && nftnl_chain_get_u32(n, NFTNL_CHAIN_POLICY) == NF_DROP);

                d->oom = d->oom || !c;
        }
        if (n)
                nftnl_chain_free(n);
        return MNL_CB_OK;
}

/* Field of a datatype, for showing keys; where several have it, the source's does. */
static enum field field_of_type(uint32_t type)
{
        for (int f = 0; f < FIELD_MAX; f++)
                if (field_type((enum field)f)->datatype == type && f != FIELD_SPORT)
                        return (enum field)f;
        return FIELD_MAX;
}

static const uint32_t known_flags = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_INTERVAL | NFT_SET_CONCAT | NFT_SET_MAP |
                                    NFT_SET_TIMEOUT | NFT_SET_EVAL;

static bool is_counter(const void *expression)
{
        return expression && streq(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME), "counter");
}

static bool decode_set(struct nftnl_set *n, struct set *s)
{
        uint32_t type = nftnl_set_get_u32(n, NFTNL_SET_KEY_TYPE), flags = nftnl_set_get_u32(n, NFTNL_SET_FLAGS);
        enum field reversed[RULESET_FIELDS_MAX];
        size_t n_fields = 0;

        for (; type && n_fields < RULESET_FIELDS_MAX; type >>= 6) {
                reversed[n_fields] = field_of_type(type & 0x3f);
                if (reversed[n_fields++] == FIELD_MAX)
                        return false;
        }
        for (size_t i = 0; i < n_fields; i++)
                s->fields[i] = reversed[n_fields - 1 - i];
        s->n_fields = n_fields;
        s->interval = flags & NFT_SET_INTERVAL;
        s->timeout = flags & NFT_SET_TIMEOUT;
        s->dynamic = flags & NFT_SET_EVAL;
        s->timeout_ms = (int64_t)nftnl_set_get_u64(n, NFTNL_SET_TIMEOUT);
        s->size = nftnl_set_get_u32(n, NFTNL_SET_DESC_SIZE);
        s->counter = nftnl_set_is_set(n, NFTNL_SET_EXPR) && is_counter(nftnl_set_get(n, NFTNL_SET_EXPR));
        s->unknown = (flags & ~known_flags) || (nftnl_set_is_set(n, NFTNL_SET_EXPR) && !s->counter);
        if (flags & NFT_SET_MAP)
                s->data = nftnl_set_get_u32(n, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT ? DATA_VERDICT
                          : nftnl_set_get_u32(n, NFTNL_SET_DATA_LEN) == 4               ? DATA_ADDRESS
                                                                                        : DATA_ADDRESS_PORT;
        return n_fields > 0;
}

static int on_set(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_set *n = nftnl_set_alloc();
        struct reading *d = userdata;

        if (n && nftnl_set_nlmsg_parse(m, n) == 0 && streq(nftnl_set_get_str(n, NFTNL_SET_TABLE), RULESET_TABLE)) {
                static const enum field none;
                struct set *s =
                        table_add_set(d->table, nftnl_set_get_str(n, NFTNL_SET_NAME), DATA_NONE, false, &none, 1);

                if (s) {
                        s->unknown = !decode_set(n, s) || s->unknown;
                        s->runtime = !s->unknown && (startswith(s->name, "fenced") || startswith(s->name, "banned") || s->dynamic);
                }
                d->oom = d->oom || !s;
        }
        if (n)
                nftnl_set_free(n);
        return MNL_CB_OK;
}

static void copy_key(uint8_t to[static RULESET_KEY_MAX], const void *data, uint32_t size)
{
        if (data)
                memcpy(to, data, MIN(size, (uint32_t)RULESET_KEY_MAX));
}

static void decode_verdict(struct reading *d, struct nftnl_set_elem *n, struct element *e)
{
        int code = (int)nftnl_set_elem_get_u32(n, NFTNL_SET_ELEM_VERDICT);

        e->accepts = code == NF_ACCEPT;
        if (code == NFT_JUMP) {
                e->jump = strdup(nftnl_set_elem_get_str(n, NFTNL_SET_ELEM_CHAIN));
                d->oom = d->oom || !e->jump;
        } else if (code != NF_ACCEPT && code != NF_DROP) {
                d->set->unknown = true;
        }
}

/* `covered` marks the end of an interval until it is joined with its beginning. */
static void decode_flags(struct set *s, struct nftnl_set_elem *n, struct element *e)
{
        uint32_t flags = nftnl_set_elem_is_set(n, NFTNL_SET_ELEM_FLAGS) ? nftnl_set_elem_get_u32(n, NFTNL_SET_ELEM_FLAGS) : 0;

        e->covered = flags & NFT_SET_ELEM_INTERVAL_END;
        s->unknown = s->unknown || (flags & NFT_SET_ELEM_CATCHALL);
        if (nftnl_set_elem_is_set(n, NFTNL_SET_ELEM_EXPIRATION))
                e->expires_ms = (int64_t)nftnl_set_elem_get_u64(n, NFTNL_SET_ELEM_EXPIRATION);
        if (s->counter && nftnl_set_elem_is_set(n, NFTNL_SET_ELEM_EXPR)) {
                const struct nftnl_expr *counter = nftnl_set_elem_get(n, NFTNL_SET_ELEM_EXPR, &(uint32_t){ 0 });

                e->packets = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS);
                e->bytes = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_BYTES);
        }
}

static int on_element(struct nftnl_set_elem *n, void *userdata)
{
        struct reading *d = userdata;
        struct element *e = ARRAY_ADD(d->set->elements, d->set->n_elements);
        uint32_t size = 0;
        const void *data;

        if (!e) {
                d->oom = true;
                return -1;
        }
        data = nftnl_set_elem_get(n, NFTNL_SET_ELEM_KEY, &size);
        copy_key(e->key, data, size);
        copy_key(e->key_end, data, size);
        if (nftnl_set_elem_is_set(n, NFTNL_SET_ELEM_KEY_END)) {
                data = nftnl_set_elem_get(n, NFTNL_SET_ELEM_KEY_END, &size);
                copy_key(e->key_end, data, size);
        }
        if (d->set->data == DATA_VERDICT) {
                decode_verdict(d, n, e);
        } else if (d->set->data != DATA_NONE) {
                data = nftnl_set_elem_get(n, NFTNL_SET_ELEM_DATA, &size);
                if (data)
                        memcpy(e->data, data, MIN(size, (uint32_t)sizeof(e->data)));
        }
        decode_flags(d->set, n, e);
        data = nftnl_set_elem_get(n, NFTNL_SET_ELEM_USERDATA, &size);
        e->comment = decode_comment(data, size);
        return 0;
}

static int on_elements(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_set *n = nftnl_set_alloc();

        if (n && nftnl_set_elems_nlmsg_parse(m, n) == 0)
                nftnl_set_elem_foreach(n, on_element, userdata);
        if (n)
                nftnl_set_free(n);
        return MNL_CB_OK;
}

static void fill_set_request(struct nlmsghdr *m, const void *userdata)
{
        const struct set *s = userdata;
        struct nftnl_set *n = nftnl_set_alloc();

        if (!n)
                return;
        nftnl_set_set_str(n, NFTNL_SET_TABLE, RULESET_TABLE);
        nftnl_set_set_str(n, NFTNL_SET_NAME, s->name);
        nftnl_set_elems_nlmsg_build_payload(m, n);
        nftnl_set_free(n);
}

/* By key; at the same, an interval ends before the next begins. */
static int compare_ends(const void *a, const void *b)
{
        const struct element *x = a, *y = b;
        int r = memcmp(x->key, y->key, sizeof(x->key));

        return r ? r : (int)y->covered - (int)x->covered;
}

static void key_before(const struct set *s, const uint8_t *key, uint8_t *ret)
{
        unsigned size = field_type(s->fields[0])->size;

        memcpy(ret, key, size);
        for (unsigned i = size; i-- > 0;)
                if (ret[i]-- != 0)
                        return;
}

/* Intervals of one field come as beginnings and ends. */
static void join_ends(struct set *s)
{
        size_t n = 0;

        if (s->n_elements)
                qsort(s->elements, s->n_elements, sizeof(*s->elements), compare_ends);
        for (size_t i = 0; i < s->n_elements; i++) {
                struct element e = s->elements[i];

                if (e.covered) {
                        element_done(&e);
                        continue;
                }
                if (i + 1 < s->n_elements)
                        key_before(s, s->elements[i + 1].key, e.key_end);
                else
                        memset(e.key_end, 0xff, field_type(s->fields[0])->size);
                s->elements[n++] = e;
        }
        s->n_elements = n;
}

int kernel_read_elements(struct firewall *f, int family, struct set *s, infra_error **reterr)
{
        struct reading d = { .set = s };
        int r = kernel_ask(f, NFT_MSG_GETSETELEM, (uint16_t)family, NLM_F_DUMP, fill_set_request, s, on_elements, &d);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot read set %s: %s", s->name, strerror(-r));
        if (s->interval && s->n_fields == 1)
                join_ends(s);
        return d.oom || set_sort(s) < 0 ? infra_error_oom(reterr) : 0;
}

struct rules_reading {
        struct chain *chain;
        uint64_t *handles;
        size_t n_handles;
        bool oom;
};

static int on_chain_rule(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_rule *n = nftnl_rule_alloc();
        struct rules_reading *d = userdata;

        if (n && nftnl_rule_nlmsg_parse(m, n) == 0 && streq(nftnl_rule_get_str(n, NFTNL_RULE_TABLE), RULESET_TABLE) &&
            streq(nftnl_rule_get_str(n, NFTNL_RULE_CHAIN), d->chain->name)) {
                uint64_t *handle = ARRAY_ADD(d->handles, d->n_handles);

                if (handle)
                        *handle = nftnl_rule_get_u64(n, NFTNL_RULE_HANDLE);
                d->oom = d->oom || !handle || decode_rule(n, d->chain) < 0;
        }
        if (n)
                nftnl_rule_free(n);
        return MNL_CB_OK;
}

static void fill_rule_dump(struct nlmsghdr *m, const void *userdata)
{
        const struct chain *c = userdata;

        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
        mnl_attr_put_strz(m, NFTA_RULE_CHAIN, c->name);
}

int kernel_read_rules(struct firewall *f, int family, struct chain *c, uint64_t **ret_handles, infra_error **reterr)
{
        struct rules_reading d = { .chain = c };
        int r = kernel_ask(f, NFT_MSG_GETRULE, (uint16_t)family, NLM_F_DUMP, fill_rule_dump, c, on_chain_rule, &d);

        if (r >= 0 && !d.oom) {
                *ret_handles = d.handles;
                return 0;
        }
        free(d.handles);
        return r < 0 ? infra_error_set(reterr, r, "cannot read chain %s: %s", c->name, strerror(-r)) : infra_error_oom(reterr);
}

static void add_unknown(struct reading *d, const char *what, const char *name)
{
        _cleanup_free_ char *text = path_join("%s %s", what, name);

        d->oom = d->oom || !text || strlist_add(&d->table->unknown, text) < 0;
}

static int on_table(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_table *n = nftnl_table_alloc();
        struct reading *d = userdata;

        if (n && nftnl_table_nlmsg_parse(m, n) == 0 && streq(nftnl_table_get_str(n, NFTNL_TABLE_NAME), RULESET_TABLE)) {
                uint32_t flags = nftnl_table_get_u32(n, NFTNL_TABLE_FLAGS);

                d->found = true;
                if (flags)
                        add_unknown(d, "flags", flags == NFT_TABLE_F_DORMANT ? "dormant" : "that are not ours");
        }
        if (n)
                nftnl_table_free(n);
        return MNL_CB_OK;
}

static int on_object(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_obj *n = nftnl_obj_alloc();

        if (n && nftnl_obj_nlmsg_parse(m, n) == 0 && streq(nftnl_obj_get_str(n, NFTNL_OBJ_TABLE), RULESET_TABLE))
                add_unknown(userdata, "object", nftnl_obj_get_str(n, NFTNL_OBJ_NAME));
        if (n)
                nftnl_obj_free(n);
        return MNL_CB_OK;
}

static int on_flowtable(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_flowtable *n = nftnl_flowtable_alloc();

        if (n && nftnl_flowtable_nlmsg_parse(m, n) == 0 &&
            streq(nftnl_flowtable_get_str(n, NFTNL_FLOWTABLE_TABLE), RULESET_TABLE))
                add_unknown(userdata, "flowtable", nftnl_flowtable_get_str(n, NFTNL_FLOWTABLE_NAME));
        if (n)
                nftnl_flowtable_free(n);
        return MNL_CB_OK;
}

static void fill_set_dump(struct nlmsghdr *m, const void *userdata)
{
        (void)userdata;
        mnl_attr_put_strz(m, NFTA_SET_TABLE, RULESET_TABLE);
}

int kernel_read_table(struct firewall *f, struct table *ret, bool *ret_found, infra_error **reterr)
{
        static const struct {
                uint16_t type;
                mnl_cb_t each;
        } questions[] = {
                { NFT_MSG_GETTABLE, on_table }, { NFT_MSG_GETCHAIN, on_chain }, { NFT_MSG_GETSET, on_set },
                { NFT_MSG_GETRULE, on_rule },   { NFT_MSG_GETOBJ, on_object },  { NFT_MSG_GETFLOWTABLE, on_flowtable },
        };
        struct reading d = { .table = ret };
        int r = 0;

        /* The table comes first: without it there is no more to ask. */
        for (size_t i = 0; r >= 0 && i < ELEMENTS(questions) && (i == 0 || d.found); i++)
                r = kernel_ask(f, questions[i].type, (uint16_t)ret->family, NLM_F_DUMP,
                               questions[i].type == NFT_MSG_GETSET ? fill_set_dump : NULL, NULL, questions[i].each, &d);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read the ruleset: %s", strerror(-r));
        for (size_t i = 0; i < ret->n_sets; i++) {
                r = kernel_read_elements(f, ret->family, &ret->sets[i], reterr);
                if (r < 0)
                        return r;
        }
        *ret_found = d.found;
        return d.oom ? infra_error_oom(reterr) : 0;
}
