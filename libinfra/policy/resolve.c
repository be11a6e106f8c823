/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Profiles merged, defaults filled in, names turned into indices. */

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "policy/draft.h"

enum {
        TIMEOUT_MS = 5000,
        INTERVAL_MS = 100,
        PASSES = 3,
        WITHIN_MS = 60000,
        STOP_GRACE_MS = 60000,
        START_LIMIT_MS = 120000,
        ID_FIRST = 100000,
        ID_COUNT = 65536,
};

static void set_default(struct draft *d, char **where, const char *text)
{
        if (*where)
                return;
        *where = strdup(text);
        if (!*where)
                d->reader.oom = true;
}

static char *copy(struct draft *d, const char *text)
{
        char *s = text ? strdup(text) : NULL;

        if (text && !s)
                d->reader.oom = true;
        return s;
}

static void copy_probe(struct draft *d, struct probe *to, const struct probe *from)
{
        *to = *from;
        to->path = copy(d, from->path);
        to->expect = copy(d, from->expect);
        to->host_header = copy(d, from->host_header);
        to->command = (struct strlist){};
        if (strlist_copy(&to->command, &from->command) < 0)
                d->reader.oom = true;
}

static struct service *service_at(struct service *services, size_t n, const struct ports *port)
{
        for (size_t i = 0; i < n; i++)
                if (services[i].port.protocol == port->protocol && services[i].port.first == port->first && services[i].port.last == port->last)
                        return &services[i];
        return NULL;
}

static void copy_service(struct draft *d, struct container *c, const struct service *from)
{
        struct service *to = ARRAY_ADD(c->services, c->n_services);

        if (!to) {
                d->reader.oom = true;
                return;
        }
        to->port = from->port;
        to->public_port = from->public_port;
        to->limit = from->limit;
        to->log = from->log;
        to->span = from->span;
        copy_probe(d, &to->probe, &from->probe);
        for (size_t i = 0; i < from->n_from; i++) {
                struct origin *o = ARRAY_ADD(to->from, to->n_from);

                if (!o) {
                        d->reader.oom = true;
                        return;
                }
                o->name = copy(d, from->from[i].name);
                o->span = from->from[i].span;
        }
}

/* A profile's service lends its probe to the container's own, or stands for itself when it says from whom. */
static void merge_services(struct draft *d, struct container *c, const struct draft_profile *p)
{
        for (size_t i = 0; i < p->n_services; i++) {
                const struct service *lent = &p->services[i];
                struct service *own = service_at(c->services, c->n_services, &lent->port);

                if (own && own->probe.span.line == 0 && lent->probe.span.line != 0)
                        copy_probe(d, &own->probe, &lent->probe);
                else if (!own && lent->n_from > 0)
                        copy_service(d, c, lent);
        }
}

static void merge_volumes(struct draft *d, struct container *c, const struct draft_profile *p)
{
        for (size_t i = 0; i < p->n_volumes; i++) {
                struct volume *v;
                bool known = false;

                for (size_t k = 0; k < c->n_volumes; k++)
                        known = known || streq(c->volumes[k].path, p->volumes[i].path);
                if (known)
                        continue;
                v = ARRAY_ADD(c->volumes, c->n_volumes);
                if (!v) {
                        d->reader.oom = true;
                        return;
                }
                v->path = copy(d, p->volumes[i].path);
                v->span = p->volumes[i].span;
        }
}

static void merge_write_set(struct draft *d, struct container *c, const struct draft_profile *p)
{
        size_t own = c->n_write_set;

        for (size_t i = 0; i < p->n_write_set; i++) {
                struct write_rule *w;
                bool known = false;

                for (size_t k = 0; k < own; k++)
                        known = known || (c->write_set[k].path && streq(c->write_set[k].path, p->write_set[i].path));
                w = known ? NULL : ARRAY_ADD(c->write_set, c->n_write_set);
                if (!known && !w)
                        d->reader.oom = true;
                if (w)
                        *w = (struct write_rule){ copy(d, p->write_set[i].path), p->write_set[i].as, p->write_set[i].span };
        }
}

static const struct draft_profile *find_profile(struct draft *d, const struct draft_container *c)
{
        _cleanup_free_ const char **names = calloc(d->n_profiles + 1, sizeof(*names));
        _cleanup_free_ char *hint = NULL;
        const char *nearest;
        size_t n = 0;

        for (size_t i = 0; names && i < d->n_profiles; i++) {
                if (!d->profiles[i].name)
                        continue;
                if (streq(d->profiles[i].name, c->container.profile))
                        return &d->profiles[i];
                names[n++] = d->profiles[i].name;
        }
        nearest = names ? str_nearest(c->container.profile, names, n) : NULL;
        if (nearest && asprintf(&hint, "did you mean '%s'?", nearest) < 0)
                hint = NULL;
        complain(&d->reader, c->profile_span.line ? &c->profile_span : &c->file, hint, "there is no profile '%s'", c->container.profile);
        return NULL;
}

static void merge_profile(struct draft *d, struct draft_container *draft)
{
        struct container *c = &draft->container;
        const struct draft_profile *p;

        set_default(d, &c->profile, "plain");
        p = c->profile ? find_profile(d, draft) : NULL;
        if (!p)
                return;
        for (size_t i = 0; i < p->packages.n; i++)
                if (!strlist_contains(&c->packages, p->packages.items[i]) && strlist_add(&c->packages, p->packages.items[i]) < 0)
                        d->reader.oom = true;
        merge_services(d, c, p);
        merge_volumes(d, c, p);
        merge_write_set(d, c, p);
        c->stop_grace_ms = c->stop_grace_ms ? c->stop_grace_ms : p->stop_grace_ms;
        c->start_limit_ms = c->start_limit_ms ? c->start_limit_ms : p->start_limit_ms;
}

static bool is_local_only(const struct service *s)
{
        for (size_t i = 0; i < s->n_from; i++)
                if (s->from[i].kind != ORIGIN_LOCAL)
                        return false;
        return s->n_from > 0;
}

/* Without a word about it, a service over TCP that others may reach is probed by a connection. */
static void default_probe(struct draft *d, struct service *s)
{
        struct probe *p = &s->probe;

        if (p->span.line == 0) {
                p->kind = s->port.protocol == IPPROTO_TCP && !is_local_only(s) ? PROBE_TCP : PROBE_NONE;
                p->span = s->span;
        }
        if (p->kind == PROBE_HTTP || p->kind == PROBE_HTTPS)
                set_default(d, &p->path, "/");
        p->timeout_ms = p->timeout_ms ? p->timeout_ms : TIMEOUT_MS;
        p->interval_ms = p->interval_ms ? p->interval_ms : INTERVAL_MS;
        p->passes = p->passes ? p->passes : PASSES;
        p->within_ms = p->within_ms ? p->within_ms : WITHIN_MS;
}

static void default_host(struct draft *d)
{
        struct host *h = &d->host;

        set_default(d, &h->mirror, "http://deb.debian.org/debian");
        set_default(d, &h->security_mirror, "http://deb.debian.org/debian-security");
        set_default(d, &h->lxc_path, "/var/lib/lxc");
        h->id_first = h->id_first ? h->id_first : ID_FIRST;
        h->id_count = h->id_count ? h->id_count : ID_COUNT;
}

struct draft_container *draft_container(struct draft *d, const char *name)
{
        for (size_t i = 0; i < d->n_containers; i++)
                if (d->containers[i].container.name && streq(d->containers[i].container.name, name))
                        return &d->containers[i];
        return NULL;
}

/* Says that a name means nothing, with the nearest of all that would. */
void draft_dangling(struct draft *d, const char *name, const struct span *span, bool containers_only)
{
        _cleanup_free_ const char **names = calloc(d->n_zones + d->n_containers + 4, sizeof(*names));
        _cleanup_free_ char *hint = NULL;
        const char *nearest;
        size_t n = 0;

        if (!names) {
                d->reader.oom = true;
                return;
        }
        for (size_t i = 0; i < d->n_containers; i++)
                if (d->containers[i].container.name)
                        names[n++] = d->containers[i].container.name;
        for (size_t i = 0; !containers_only && i < d->n_zones; i++)
                if (d->zones[i].name)
                        names[n++] = d->zones[i].name;
        if (!containers_only) {
                names[n++] = "any";
                names[n++] = "local";
                names[n++] = "host";
        }
        nearest = str_nearest(name, names, n);
        if (nearest && asprintf(&hint, "did you mean '%s'?", nearest) < 0)
                hint = NULL;
        complain(&d->reader, span, hint, containers_only ? "there is no container '%s'" : "'%s' is no zone, container, address or network", name);
}

/* Zones before containers: a zone of a container's name speaks for it and for whatever else it lists. */
static void resolve_origin(struct draft *d, struct origin *o)
{
        static const struct {
                const char *name;
                enum origin_kind kind;
        } words[] = { { "any", ORIGIN_ANY }, { "local", ORIGIN_LOCAL }, { "host", ORIGIN_HOST } };
        struct draft_container *c;

        for (size_t i = 0; i < ELEMENTS(words); i++) {
                if (streq(words[i].name, o->name)) {
                        o->kind = words[i].kind;
                        return;
                }
        }
        for (o->index = 0; o->index < d->n_zones; o->index++) {
                if (d->zones[o->index].name && streq(d->zones[o->index].name, o->name)) {
                        o->kind = ORIGIN_ZONE;
                        return;
                }
        }
        c = draft_container(d, o->name);
        if (c) {
                o->kind = ORIGIN_CONTAINER;
                o->index = (size_t)(c - d->containers);
        } else if (address_parse(o->name, &o->network) >= 0) {
                o->kind = ORIGIN_NETWORK;
                o->network = address_network(&o->network);
        } else {
                draft_dangling(d, o->name, &o->span, false);
        }
}

static void resolve_services(struct draft *d, struct service *services, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                for (size_t k = 0; k < services[i].n_from; k++)
                        if (services[i].from[k].name)
                                resolve_origin(d, &services[i].from[k]);
                if (services[i].n_from == 0)
                        complain(&d->reader, &services[i].span, "from: any, or zones, containers, addresses", "nobody may reach this service: it lacks 'from'");
                default_probe(d, &services[i]);
        }
}

static void resolve_container(struct draft *d, struct draft_container *draft)
{
        struct container *c = &draft->container;

        resolve_services(d, c->services, c->n_services);
        for (size_t i = 0; i < c->n_connects; i++)
                if (c->connects[i].to.name)
                        resolve_origin(d, &c->connects[i].to);
        for (size_t i = 0; i < draft->after.n; i++) {
                const struct draft_container *first = draft_container(d, draft->after.items[i].text);
                size_t *slot;

                if (!first) {
                        draft_dangling(d, draft->after.items[i].text, &draft->after.items[i].span, true);
                        continue;
                }
                slot = ARRAY_ADD(c->after, c->n_after);
                if (slot)
                        *slot = (size_t)(first - d->containers);
                else
                        d->reader.oom = true;
        }
        c->stop_grace_ms = c->stop_grace_ms ? c->stop_grace_ms : STOP_GRACE_MS;
        c->start_limit_ms = c->start_limit_ms ? c->start_limit_ms : START_LIMIT_MS;
}

static void resolve_origins(struct draft *d, struct origin *origins, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (origins[i].name)
                        resolve_origin(d, &origins[i]);
}

void draft_resolve(struct draft *d)
{
        /* Files are read sorted by name and named after their containers, so containers are sorted already. */
        default_host(d);
        for (size_t i = 0; i < d->n_containers; i++)
                merge_profile(d, &d->containers[i]);
        resolve_services(d, d->host.services, d->host.n_services);
        for (size_t i = 0; i < d->host.n_connects; i++)
                if (d->host.connects[i].to.name)
                        resolve_origin(d, &d->host.connects[i].to);
        d->host.connects_only = d->host.connects_span.line > 0;
        for (size_t i = 0; i < d->n_zones; i++)
                resolve_origins(d, d->zones[i].members, d->zones[i].n_members);
        resolve_origins(d, d->filter.rescue, d->filter.n_rescue);
        set_default(d, &d->filter.log_prefix, "infra");
        for (size_t i = 0; i < d->n_containers; i++)
                resolve_container(d, &d->containers[i]);
}
