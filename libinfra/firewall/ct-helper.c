/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/ct-helper.h"

#include <libnftnl/object.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/str.h"
#include "firewall/batch.h"

static const struct {
        uint8_t protocol;
        const char *name;
} protocols[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" } };

bool helper_parse(const char *name, struct helper *ret)
{
        const char *family = strrchr(name, '-');

        if (!family || (!streq(family, "-4") && !streq(family, "-6")))
                return false;
        *ret = (struct helper){ .family = family[1] == '4' ? NFPROTO_IPV4 : NFPROTO_IPV6 };
        for (size_t i = 0; i < ELEMENTS(protocols); i++) {
                size_t end = strlen(protocols[i].name) + 1, n = (size_t)(family - name);

                if (n <= end || n - end >= sizeof(ret->name) || family[-(ssize_t)end] != '-' || strncmp(family - end + 1, protocols[i].name, end - 1) != 0)
                        continue;
                snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(n - end), name);
                ret->protocol = protocols[i].protocol;
                return true;
        }
        return false;
}

/* The @n-th statement that gives a helper. */
static const struct statement *nth(const struct table *t, size_t n)
{
        for (const struct chain *c = t->chains; c < t->chains + t->n_chains; c++)
                for (const struct rule *r = c->rules; r < c->rules + c->n_rules; r++)
                        for (size_t i = 0; i < r->n_statements; i++)
                                if (r->statements[i].kind == STATEMENT_HELPER && n-- == 0)
                                        return &r->statements[i];
        return NULL;
}

const char *table_helper(const struct table *t, size_t n)
{
        const struct statement *s;

        for (size_t i = 0; (s = nth(t, i)); i++) {
                bool first = true;

                for (size_t k = 0; k < i && first; k++)
                        first = !streq(nth(t, k)->name, s->name);
                if (first && n-- == 0)
                        return s->name;
        }
        return NULL;
}

bool table_has_helper(const struct table *t, const char *name)
{
        const char *other;

        for (size_t i = 0; (other = table_helper(t, i)); i++)
                if (streq(other, name))
                        return true;
        return false;
}

void batch_add_helpers(struct batch *b, const struct table *t)
{
        const char *name;

        for (size_t i = 0; (name = table_helper(t, i)); i++) {
                struct message_origin origin = { .what = "helper", .name = name };
                struct nftnl_obj *o = nftnl_obj_alloc();
                struct helper h = {};
                struct nlmsghdr *m;

                if (!o || !helper_parse(name, &h)) {
                        b->failed = true;
                        nftnl_obj_free(o);
                        return;
                }
                nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, RULESET_TABLE);
                nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
                nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_CT_HELPER);
                nftnl_obj_set_str(o, NFTNL_OBJ_CT_HELPER_NAME, h.name);
                nftnl_obj_set_u16(o, NFTNL_OBJ_CT_HELPER_L3PROTO, h.family);
                nftnl_obj_set_u8(o, NFTNL_OBJ_CT_HELPER_L4PROTO, h.protocol);
                m = batch_open(b, NFT_MSG_NEWOBJ, (uint16_t)t->family, NLM_F_CREATE, &origin);
                if (m) {
                        nftnl_obj_nlmsg_build_payload(m, o);
                        batch_close(b, m);
                }
                nftnl_obj_free(o);
        }
}

void batch_delete_helpers(struct batch *b, const struct table *have, const struct table *want)
{
        const char *name;

        for (size_t i = 0; (name = table_helper(have, i)); i++) {
                struct message_origin origin = { .what = "the end of helper", .name = name };
                struct nlmsghdr *m = table_has_helper(want, name) ? NULL : batch_open(b, NFT_MSG_DELOBJ, (uint16_t)have->family, 0, &origin);

                if (!m)
                        continue;
                mnl_attr_put_strz(m, NFTA_OBJ_TABLE, RULESET_TABLE);
                mnl_attr_put_strz(m, NFTA_OBJ_NAME, name);
                mnl_attr_put_u32(m, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_CT_HELPER));
                batch_close(b, m);
        }
}

bool helper_is_ours(const struct table *t, struct nftnl_obj *o)
{
        const char *name = nftnl_obj_get_str(o, NFTNL_OBJ_NAME);
        struct helper h;

        return nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE) == NFT_OBJECT_CT_HELPER && table_has_helper(t, name) && helper_parse(name, &h) &&
               streq(nftnl_obj_get_str(o, NFTNL_OBJ_CT_HELPER_NAME), h.name) && nftnl_obj_get_u16(o, NFTNL_OBJ_CT_HELPER_L3PROTO) == h.family &&
               nftnl_obj_get_u8(o, NFTNL_OBJ_CT_HELPER_L4PROTO) == h.protocol;
}

void text_helpers(struct str *s, const struct table *t)
{
        struct helper h;
        const char *name;

        for (size_t i = 0; (name = table_helper(t, i)); i++)
                if (helper_parse(name, &h))
                        str_add(s, "\tct helper %s {\n\t\ttype \"%s\" protocol %s\n\t\tl3proto %s\n\t}\n\n", name, h.name,
                                h.protocol == IPPROTO_TCP ? "tcp" : "udp", h.family == NFPROTO_IPV4 ? "ip" : "ip6");
}
