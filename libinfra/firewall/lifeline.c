/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/compile.h"

static struct set *set_for(struct table *t, const char *name, int family)
{
        enum field with[] = { family == AF_INET6 ? FIELD_IP6_DADDR : FIELD_IP_DADDR, FIELD_L4PROTO, FIELD_DPORT };
        enum field without[] = { FIELD_L4PROTO, FIELD_DPORT };
        struct set *s = table_set(t, name);

        if (s)
                return s;
        return family ? table_add_set(t, name, DATA_NONE, false, with, ELEMENTS(with)) :
                        table_add_set(t, name, DATA_NONE, false, without, ELEMENTS(without));
}

/* @to NULL: wherever it is. */
static int add(struct table *t, const char *name, const struct address *to, int protocol, unsigned port, const struct span *span)
{
        struct set *s = set_for(t, name, to ? to->family : 0);
        struct element *x = s ? ARRAY_ADD(s->elements, s->n_elements) : NULL;
        unsigned at = 0;

        if (!x)
                return -ENOMEM;
        if (to) {
                memcpy(x->key, to->bytes, address_bits(to) / 8);
                at = address_bits(to) / 8;
        }
        x->key[at] = (uint8_t)protocol;
        x->key[at + 4] = (uint8_t)(port >> 8);
        x->key[at + 5] = (uint8_t)port;
        memcpy(x->key_end, x->key, sizeof(x->key));
        return ruleset_comment(&x->comment, &x->span, span);
}

/* Host and port of "http://10.0.0.201:3128/..."; family 0 when the host is a name. */
static struct address parse_url(const char *url, unsigned *ret_port)
{
        const char *start = strstr(url, "://");
        _cleanup_free_ char *host = strdup(start ? start + 3 : url);
        struct address a = {};
        char *colon;

        *ret_port = startswith(url, "https://") ? 443 : 80;
        if (!host)
                return a;
        host[strcspn(host, "/")] = '\0';
        colon = strrchr(host, ':');
        if (colon && colon[strspn(colon, ":0123456789")] == '\0') {
                *ret_port = (unsigned)strtoul(colon + 1, NULL, 10);
                *colon = '\0';
        }
        if (host[0] == '[' && host[strlen(host) - 1] == ']') {
                memmove(host, host + 1, strlen(host));
                host[strlen(host) - 1] = '\0';
        }
        if (address_parse(host, &a) < 0)
                a = (struct address){};
        return a;
}

static bool is_host(const struct host *h, const struct address *a)
{
        struct address v4 = address_host(&h->bridge_ipv4), v6 = address_host(&h->bridge_ipv6);

        return address_equal(a, &v4) || address_equal(a, &v6);
}

static int add_to(struct table *t, const struct host *h, const struct address *a, int protocol, unsigned port)
{
        if (is_host(h, a))
                return add(t, "lifeline_host", NULL, protocol, port, &h->span);
        return add(t, a->family == AF_INET6 ? "lifeline6" : "lifeline4", a, protocol, port, &h->span);
}

int lifeline_add(struct table *t, const infra_estate *e)
{
        const struct host *h = &e->host;
        unsigned port = 80;
        struct address proxy = h->proxy ? parse_url(h->proxy, &port) : (struct address){};
        int r = 0;

        if (address_is_set(&proxy)) {
                r = add_to(t, h, &proxy, IPPROTO_TCP, port);
        } else {
                /* A mirror or proxy known by name only: its ports, wherever it is. */
                r = add(t, "lifeline_any", NULL, IPPROTO_TCP, port, &h->span);
                if (r >= 0 && !h->proxy)
                        r = add(t, "lifeline_any", NULL, IPPROTO_TCP, 443, &h->span);
        }
        for (size_t i = 0; r >= 0 && i < h->n_resolvers; i++) {
                struct address a = address_host(&h->resolvers[i]);

                r = add_to(t, h, &a, IPPROTO_UDP, 53);
                if (r >= 0)
                        r = add_to(t, h, &a, IPPROTO_TCP, 53);
        }
        return r;
}
