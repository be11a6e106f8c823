/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "facade/source.h"

#include <infra/estate.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "firewall/firewall.h"

enum { FILE_MAX = 64 << 20 };

void source_done(struct source *s)
{
        ruleset_free(s->ruleset);
        infra_estate_free(s->estate);
        legacy_done(&s->legacy);
}

/* The first mistake is the error; all of them are what `infractl check` is for. @directory: that files are told within, or NULL. */
static int first_mistake(const infra_diags *diags, const char *directory, infra_error **reterr)
{
        const struct diag *d = &diags->items[0];
        char more[48] = "";

        if (diags->n > 1)
                snprintf(more, sizeof(more), " (and %zu more mistake%s)", diags->n - 1, diags->n == 2 ? "" : "s");
        return infra_error_set(reterr, -EBADMSG, "%s%s%s:%u:%u: %s%s%s%s%s", directory ? directory : "", directory ? ": " : "", d->file, d->line,
                               d->column, d->message, d->hint ? " (" : "", d->hint ? d->hint : "", d->hint ? ")" : "", more);
}

static const struct zone *zone_with(const infra_estate *e, int family, const uint8_t *to)
{
        struct address a = { .family = family, .prefix = family == AF_INET ? 32 : 128 };

        memcpy(a.bytes, to, a.prefix / 8);
        for (size_t i = 0; i < e->n_zones; i++)
                for (size_t k = 0; e->zones[i].interface && k < e->zones[i].n_networks; k++)
                        if (e->zones[i].networks[k].family == family && address_contains(&e->zones[i].networks[k], &a))
                                return &e->zones[i];
        return NULL;
}

/* Where everything else is: zone internet, or the first one known by its interface alone. */
static const struct zone *zone_outside(const infra_estate *e)
{
        const struct zone *z = estate_zone(e, "internet");

        if (z && z->interface)
                return z;
        for (size_t i = 0; i < e->n_zones; i++)
                if (e->zones[i].interface && e->zones[i].n_networks == 0 && !streq(e->zones[i].interface, e->host.bridge))
                        return &e->zones[i];
        return NULL;
}

static bool is_loopback(int family, const uint8_t *a)
{
        return family == AF_INET ? a[0] == 127 : memcmp(a, &in6addr_loopback, 16) == 0;
}

static void look_in_estate(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        const infra_estate *e = r->userdata;
        const struct address *bridge = family == AF_INET ? &e->host.bridge_ipv4 : &e->host.bridge_ipv6;
        struct address a = { .family = family, .prefix = family == AF_INET ? 32 : 128 }, own = address_host(bridge);
        const struct zone *z = zone_with(e, family, to);
        const char *interface;

        memcpy(a.bytes, to, a.prefix / 8);
        *ret_local = is_loopback(family, to) || (address_is_set(bridge) && address_equal(&a, &own));
        if (is_loopback(family, to)) {
                interface = "lo";
        } else if (address_is_set(bridge) && address_contains(bridge, &a)) {
                interface = e->host.bridge;
        } else {
                z = z ? z : zone_outside(e);
                interface = z ? z->interface : "";
        }
        memset(ret_interface, 0, 16);
        snprintf(ret_interface, 16, "%s", interface);
}

static void look_in_kernel(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        (void)r;
        memset(ret_interface, 0, 16);
        *ret_local = false;
        firewall_route(family, to, ret_interface, ret_local);
}

static void look_nowhere(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        (void)r;
        (void)family;
        (void)to;
        memset(ret_interface, 0, 16);
        *ret_local = false;
}

static int load_policy(const char *directory, const char *profiles, infra_estate **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        int r = diags ? infra_estate_load(directory, profiles, diags, ret, reterr) : infra_error_oom(reterr);

        if (r >= 0)
                r = firewall_check(*ret, diags, reterr);
        return r == -EBADMSG && diags->n > 0 ? first_mistake(diags, directory, reterr) : r;
}

static int from_policy(struct source *s, const char *directory, const char *profiles, infra_error **reterr)
{
        int r = load_policy(directory, profiles, &s->estate, reterr);

        if (r < 0)
                return r;
        s->routing = (struct routing){ look_in_estate, s->estate };
        s->routed = true;
        return firewall_compile(s->estate, &s->ruleset, reterr);
}

/* Names are a help; without a policy there are none. */
static void use_names(struct source *s, const char *policy, const char *profiles)
{
        _cleanup_error_ infra_error *ignored = NULL;

        if (policy && load_policy(policy, profiles, &s->estate, &ignored) < 0)
                s->estate = NULL;
}

static int from_kernel(struct source *s, const char *policy, const char *profiles, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_read(f, &s->ruleset, reterr);
        if (r < 0)
                return r;
        if (!s->ruleset)
                return infra_error_set(reterr, -ENOENT, "our ruleset is not loaded; `infractl apply` loads it");
        use_names(s, policy, profiles);
        s->routing = (struct routing){ look_in_kernel, NULL };
        s->routed = true;
        return 0;
}

static int read_save(struct source *s, const char *path, infra_diags *diags, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read(AT_FDCWD, path, FILE_MAX, &text, NULL);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        return legacy_read_save(&s->legacy, path, text, 0, diags, reterr);
}

/* The rules themselves say nothing of names and routes; a policy of that host does. */
static int from_files(struct source *s, const char *from, const char *policy, const char *profiles, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new(), *unknown = infra_diags_new();
        _cleanup_free_ char *names = strdup(from);
        char *p = names;
        int r = 0;

        if (!diags || !unknown || !names)
                return infra_error_oom(reterr);
        /* A file may have a plus in its name. */
        if (access(from, F_OK) == 0)
                p = NULL, r = read_save(s, from, diags, reterr);
        for (char *name; r >= 0 && (name = strsep(&p, "+"));)
                r = read_save(s, name, diags, reterr);
        if (r >= 0)
                r = legacy_translate(&s->legacy, true, &s->ruleset, unknown, reterr);
        if (r < 0)
                return r == -EBADMSG && diags->n > 0 ? first_mistake(diags, NULL, reterr) : r;
        use_names(s, policy, profiles);
        s->routed = s->estate;
        if (s->estate)
                s->routing = (struct routing){ look_in_estate, s->estate };
        return 0;
}

int source_load(const char *from, const char *policy, const char *profiles, struct source *ret, infra_error **reterr)
{
        struct stat st;

        *ret = (struct source){ .routing.look = look_nowhere };
        if (streq(from, "kernel"))
                return from_kernel(ret, policy, profiles, reterr);
        if (stat(from, &st) == 0 && S_ISDIR(st.st_mode))
                return from_policy(ret, from, profiles, reterr);
        return from_files(ret, from, policy, profiles, reterr);
}
