/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values that depend on the domain: names of the DNS, and lists with addresses of both families. */

#include "firewall/import/ferm.h"

#include <ctype.h>
#include <netdb.h>
#include <string.h>

#include <arpa/inet.h>

/* /:[0-9a-f]*:/ */
static bool looks_like_ip6(const char *address)
{
        for (const char *p = strchr(address, ':'); p; p = strchr(p + 1, ':'))
                if (p[1 + strspn(p + 1, "0123456789abcdef")] == ':')
                        return true;
        return false;
}

/* As crude as ferm's: names pass for both. */
bool ferm_address_is_of(const char *domain, const char *address)
{
        if (streq(domain, "ip"))
                return !looks_like_ip6(address);
        return !*address || address[strspn(address, "0123456789./")];
}

static bool is_ip_literal(const char *name)
{
        unsigned groups = 0;

        while (isdigit((unsigned char)*name)) {
                name += strspn(name, "0123456789");
                groups++;
                if (*name != '.')
                        break;
                name++;
        }
        return !*name && groups == 4;
}

static bool is_literal(const char *name, bool ip6)
{
        if (ip6)
                return strchr(name, ':') && !name[strspn(name, "0123456789abcdefABCDEF:")];
        return is_ip_literal(name);
}

static int add_answer(struct ferm *f, const struct ferm_token *at, const struct addrinfo *a, struct ferm_items *ret)
{
        char text[INET6_ADDRSTRLEN];
        const void *address;
        const struct ferm_value *v;

        if (a->ai_family == AF_INET6)
                address = &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr;
        else
                address = &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr;
        if (!inet_ntop(a->ai_family, address, text, sizeof(text)))
                return -errno;
        v = ferm_value_text(f, at, ferm_text(f, text, strlen(text)));
        return v ? ferm_items_add(f, ret, v) : -ENOMEM;
}

static void answers_done(struct addrinfo **a)
{
        if (*a)
                freeaddrinfo(*a);
}

static int resolve_name(struct ferm *f, const struct ferm_token *at, const char *name, bool ip6, struct ferm_items *ret)
{
        struct addrinfo want = { .ai_family = ip6 ? AF_INET6 : AF_INET, .ai_socktype = SOCK_STREAM };
        CLEANUP(answers_done) struct addrinfo *answers = NULL;
        int r;

        if (!f->resolve)
                return ferm_error(f, at, "write the addresses, or allow names to be looked up",
                                  "ferm would look up '%s' in the DNS here; it is not looked up", name);
        r = getaddrinfo(name, NULL, &want, &answers);
        /* A name that does not exist gives no address and no error, like in ferm. */
        if (r == EAI_NONAME || r == EAI_NODATA)
                return 0;
        if (r == EAI_MEMORY)
                return -ENOMEM;
        if (r != 0)
                return ferm_error(f, at, NULL, "cannot look up '%s': %s", name, gai_strerror(r));
        r = 0;
        for (const struct addrinfo *a = answers; a && r >= 0; a = a->ai_next)
                r = add_answer(f, at, a, ret);
        return r;
}

static int resolve(struct ferm *f, const char *domain, const struct ferm_value *v, struct ferm_items *ret)
{
        const struct ferm_value *names = v->items[0], *type = v->n > 1 ? v->items[1] : NULL;
        bool ip6 = streq(domain, "ip6");
        int r = 0;

        if (type && (type->kind != FERM_TEXT || (!streq(type->text, "A") && !streq(type->text, "AAAA"))))
                return ferm_error(f, v->at, "only types A and AAAA are looked up; write the addresses of the others",
                                  "@resolve() of this type is not supported");
        if (type)
                ip6 = streq(type->text, "AAAA");
        for (size_t i = 0; i < ferm_count(names) && r >= 0; i++) {
                const struct ferm_value *name = ferm_item(names, i);

                if (name->kind != FERM_TEXT)
                        return ferm_error(f, v->at, NULL, "@resolve() wants names");
                r = is_literal(name->text, ip6) ? ferm_items_add(f, ret, name)
                                                : resolve_name(f, v->at, name->text, ip6, ret);
        }
        return r;
}

/* What is in it is looked up first: ferm can do that since 2.6. */
static int filter(struct ferm *f, const char *domain, const struct ferm_value *v, struct ferm_items *ret)
{
        _cleanup_items_ struct ferm_items addresses = {};
        int r;

        if (f->depth >= FERM_DEPTH_MAX)
                return ferm_stop(f, v->at, "calls are nested more than %d deep", FERM_DEPTH_MAX);
        f->depth++;
        r = ferm_realize(f, domain, v->items[0], &addresses);
        f->depth--;
        for (size_t i = 0; i < addresses.n && r >= 0; i++) {
                const struct ferm_value *address = addresses.items[i];

                if (address->kind != FERM_TEXT)
                        return ferm_error(f, v->at, NULL, "@ipfilter() wants addresses");
                if (ferm_address_is_of(domain, address->text))
                        r = ferm_items_add(f, ret, address);
        }
        return r;
}

int ferm_realize(struct ferm *f, const char *domain, const struct ferm_value *v, struct ferm_items *ret)
{
        int r = 0;

        for (size_t i = 0; i < ferm_count(v) && r >= 0; i++) {
                const struct ferm_value *item = ferm_item(v, i);

                if (item->kind == FERM_RESOLVE)
                        r = resolve(f, domain, item, ret);
                else if (item->kind == FERM_IPFILTER)
                        r = filter(f, domain, item, ret);
                else
                        r = ferm_items_add(f, ret, item);
        }
        return r;
}
