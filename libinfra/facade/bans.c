/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bans: from the names people use to interfaces and addresses, and back. */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "facade/manager.h"
#include "firewall/firewall.h"

enum { LIMIT_MS = 10000 };

struct wish {
        const infra_estate *estate;
        const char *interface; /* NULL: everywhere */
        struct address address;
        int64_t for_ms;
        enum { BAN, UNBAN, LIST } what;
};

static const char *zone_at(const infra_estate *e, const char *interface)
{
        for (size_t i = 0; i < e->n_zones; i++)
                if (e->zones[i].interface && streq(e->zones[i].interface, interface))
                        return e->zones[i].name;
        return "";
}

static json_t *describe_ban(const infra_estate *e, const struct ban *b)
{
        char text[ADDRESS_TEXT_MAX];

        return json_pack("{s:s,s:s,s:s,s:I}", "address", address_format(&b->address, text), "interface", b->interface, "zone",
                         *b->interface ? zone_at(e, b->interface) : "", "left_ms", (json_int_t)b->left_ms);
}

static int list(struct firewall *f, const infra_estate *e, json_t **ret, infra_error **reterr)
{
        _cleanup_free_ struct ban *bans = NULL;
        json_t *items;
        size_t n = 0;
        int r = firewall_bans(f, &bans, &n, reterr);

        if (r < 0)
                return r;
        items = json_array();
        for (size_t i = 0; i < n; i++)
                json_array_append_new(items, describe_ban(e, &bans[i]));
        *ret = json_pack("{s:o}", "bans", items);
        return *ret ? 0 : infra_error_oom(reterr);
}

static int grant(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct wish *w = userdata;
        _cleanup_firewall_ struct firewall *f = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0 && w->what == BAN)
                r = firewall_ban(f, w->interface, &w->address, w->for_ms, reterr);
        if (r >= 0 && w->what == UNBAN)
                r = firewall_unban(f, w->interface, &w->address, reterr);
        return r < 0 ? r : list(f, w->estate, ret, reterr);
}

/* The zone's interface; a zone without one is known by networks, which is no place to drop at. */
static int find_interface(const infra_estate *e, const char *zone, const char **ret, infra_error **reterr)
{
        const struct zone *z = estate_zone(e, zone);

        if (!z)
                return infra_error_set(reterr, -ENOENT, "there is no zone '%s'", zone);
        if (!z->interface)
                return infra_error_set(reterr, -EINVAL, "zone '%s' has no interface; without a zone the ban holds everywhere", zone);
        *ret = z->interface;
        return 0;
}

/* Who bans himself is out; loopback and the bridge's networks are the host and its containers. */
static int check_address(const infra_estate *e, const struct address *a, infra_error **reterr)
{
        static const char *const local[] = { "127.0.0.0/8", "::1/128" };
        const struct address *own[] = { &e->host.bridge_ipv4, &e->host.bridge_ipv6 };

        for (size_t i = 0; i < ELEMENTS(local); i++) {
                struct address net;

                if (address_parse(local[i], &net) >= 0 && (address_contains(&net, a) || address_contains(a, &net)))
                        return infra_error_set(reterr, -EINVAL, "that is this host itself");
        }
        for (size_t i = 0; i < ELEMENTS(own); i++) {
                struct address host = address_host(own[i]);

                if (address_is_set(own[i]) && address_contains(a, &host))
                        return infra_error_set(reterr, -EINVAL, "that is the bridge of this host");
        }
        return 0;
}

static int wish(infra_manager *m, struct wish *w, const char *address, const char *zone, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_json_ json_t *j = NULL;
        int r;

        if (w->what != LIST && address_parse(address, &w->address) < 0)
                return infra_error_set(reterr, -EINVAL, "'%s' is neither an address nor a network", address);
        r = manager_estate(m, &e, reterr);
        if (r >= 0 && zone && *zone)
                r = find_interface(e, zone, &w->interface, reterr);
        if (r >= 0 && w->what == BAN)
                r = check_address(e, &w->address, reterr);
        w->estate = e;
        if (r >= 0)
                r = isolate(grant, w, LIMIT_MS, &j, reterr);
        return r < 0 ? r : manager_answer(TAKE_PTR(j), ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_ban(infra_manager *m, const char *address, const char *zone, int64_t for_ms, char **ret_json,
                                   infra_error **reterr)
{
        struct wish w = { .for_ms = for_ms, .what = BAN };

        if (for_ms < 0)
                return infra_error_set(reterr, -EINVAL, "a ban cannot end before it begins");
        return wish(m, &w, address, zone, ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_unban(infra_manager *m, const char *address, const char *zone, char **ret_json, infra_error **reterr)
{
        struct wish w = { .what = UNBAN };

        return wish(m, &w, address, zone, ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_bans(infra_manager *m, char **ret_json, infra_error **reterr)
{
        struct wish w = { .what = LIST };

        return wish(m, &w, "", NULL, ret_json, reterr);
}
