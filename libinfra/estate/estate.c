/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "estate/estate.h"

#include <errno.h>
#include <stdlib.h>

void probe_done(struct probe *p)
{
        free(p->path);
        free(p->expect);
        free(p->host_header);
        strlist_done(&p->command);
}

void origin_done(struct origin *o)
{
        free(o->name);
}

void service_done(struct service *s)
{
        for (size_t i = 0; i < s->n_from; i++)
                origin_done(&s->from[i]);
        free(s->from);
        probe_done(&s->probe);
}

void connection_done(struct connection *c)
{
        origin_done(&c->to);
}

void write_rule_done(struct write_rule *w)
{
        free(w->path);
}

void conffile_done(struct conffile *c)
{
        free(c->path);
        free(c->text);
}

void source_rule_done(struct source_rule *s)
{
        free(s->uri);
        free(s->to);
        free(s->suite);
}

static void services_done(struct service *services, size_t n)
{
        for (size_t i = 0; i < n; i++)
                service_done(&services[i]);
        free(services);
}

void container_done(struct container *c)
{
        services_done(c->services, c->n_services);
        for (size_t i = 0; i < c->n_connects; i++)
                connection_done(&c->connects[i]);
        for (size_t i = 0; i < c->n_volumes; i++)
                free(c->volumes[i].path);
        for (size_t i = 0; i < c->n_write_set; i++)
                write_rule_done(&c->write_set[i]);
        for (size_t i = 0; i < c->n_conffiles; i++)
                conffile_done(&c->conffiles[i]);
        free(c->write_set);
        free(c->conffiles);
        strlist_done(&c->keep);
        free(c->connects);
        free(c->volumes);
        free(c->after);
        strlist_done(&c->admins);
        strlist_done(&c->packages);
        free(c->name);
        free(c->profile);
        free(c->release);
}

void zone_done(struct zone *z)
{
        free(z->name);
        free(z->interface);
        free(z->networks);
        for (size_t i = 0; i < z->n_members; i++)
                origin_done(&z->members[i]);
        free(z->members);
}

void upgrade_done(struct upgrade *u)
{
        for (size_t i = 0; i < u->n_waves; i++)
                free(u->waves[i].containers);
        free(u->waves);
        free(u->name);
        free(u->to);
}

void rule_list_done(struct rule_list *l)
{
        for (size_t i = 0; i < l->n_lines; i++)
                free(l->lines[i].text);
        free(l->lines);
        free(l->name);
}

void filter_done(struct filter *f)
{
        for (size_t i = 0; i < f->n_chains; i++)
                rule_list_done(&f->chains[i]);
        for (size_t i = 0; i < f->n_rules; i++)
                rule_list_done(&f->rules[i]);
        for (size_t i = 0; i < f->n_sets; i++) {
                free(f->sets[i].name);
                free(f->sets[i].addresses);
                strlist_done(&f->sets[i].ports);
        }
        for (size_t i = 0; i < f->n_rescue; i++)
                origin_done(&f->rescue[i]);
        free(f->rescue);
        free(f->chains);
        free(f->rules);
        free(f->sets);
        free(f->log_prefix);
}

void host_done(struct host *h)
{
        services_done(h->services, h->n_services);
        for (size_t i = 0; i < h->n_connects; i++)
                connection_done(&h->connects[i]);
        free(h->connects);
        for (size_t i = 0; i < h->n_third_party; i++)
                source_rule_done(&h->third_party[i]);
        free(h->third_party);
        free(h->resolvers);
        free(h->name);
        free(h->release);
        free(h->bridge);
        free(h->storage_path);
        free(h->lxc_path);
        free(h->mirror);
        free(h->security_mirror);
        free(h->proxy);
        free(h->console_kind);
        free(h->console_address);
        free(h->console_holder);
}

INFRA_PUBLIC infra_estate *infra_estate_free(infra_estate *e)
{
        if (!e)
                return NULL;
        for (size_t i = 0; i < e->n_containers; i++)
                container_done(&e->containers[i]);
        for (size_t i = 0; i < e->n_zones; i++)
                zone_done(&e->zones[i]);
        for (size_t i = 0; i < e->n_upgrades; i++)
                upgrade_done(&e->upgrades[i]);
        host_done(&e->host);
        filter_done(&e->filter);
        free(e->containers);
        free(e->zones);
        free(e->upgrades);
        free(e->directory);
        free(e->digest);
        strlist_done(&e->files);
        free(e);
        return NULL;
}

INFRA_PUBLIC const char *infra_estate_digest(const infra_estate *e)
{
        return e->digest;
}

const struct container *estate_container(const infra_estate *e, const char *name)
{
        for (size_t i = 0; i < e->n_containers; i++)
                if (streq(e->containers[i].name, name))
                        return &e->containers[i];
        return NULL;
}

const struct zone *estate_zone(const infra_estate *e, const char *name)
{
        for (size_t i = 0; i < e->n_zones; i++)
                if (streq(e->zones[i].name, name))
                        return &e->zones[i];
        return NULL;
}

const struct upgrade *estate_upgrade(const infra_estate *e, const char *name)
{
        for (size_t i = 0; i < e->n_upgrades; i++)
                if (streq(e->upgrades[i].name, name))
                        return &e->upgrades[i];
        return NULL;
}

uint64_t container_hash(const struct container *c)
{
        uint64_t h = 0xcbf29ce484222325u;

        for (const char *p = c->name; *p; p++)
                h = (h ^ (unsigned char)*p) * 0x100000001b3u;
        return h;
}

/* The name is for people, the 32 bits of the hash keep names with the same beginning apart. */
void container_port(const struct container *c, char ret[static CONTAINER_PORT_MAX + 1])
{
        uint64_t hash = container_hash(c);

        snprintf(ret, CONTAINER_PORT_MAX + 1, "v%.6s%08x", c->name, (unsigned)(hash >> 32 ^ hash));
}

static int missing(const char *what, const char *name, const char *const *names, size_t n, infra_error **reterr)
{
        const char *nearest = str_nearest(name, names, n);

        if (nearest)
                return infra_error_set(reterr, -ENOENT, "no %s named '%s'; did you mean '%s'?", what, name, nearest);
        return infra_error_set(reterr, -ENOENT, "no %s named '%s'", what, name);
}

int estate_no_container(const infra_estate *e, const char *name, infra_error **reterr)
{
        _cleanup_free_ const char **names = calloc(e->n_containers + 1, sizeof(*names));

        if (!names)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < e->n_containers; i++)
                names[i] = e->containers[i].name;
        return missing("container", name, names, e->n_containers, reterr);
}

int estate_no_upgrade(const infra_estate *e, const char *name, infra_error **reterr)
{
        _cleanup_free_ const char **names = calloc(e->n_upgrades + 1, sizeof(*names));

        if (!names)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < e->n_upgrades; i++)
                names[i] = e->upgrades[i].name;
        return missing("upgrade", name, names, e->n_upgrades, reterr);
}

static bool is_placed(const size_t *order, size_t n, size_t index)
{
        for (size_t i = 0; i < n; i++)
                if (order[i] == index)
                        return true;
        return false;
}

static bool is_ready(const struct container *c, const size_t *order, size_t n)
{
        for (size_t i = 0; i < c->n_after; i++)
                if (!is_placed(order, n, c->after[i]))
                        return false;
        return true;
}

void estate_start_order(const infra_estate *e, size_t *order)
{
        size_t n = 0;

        /* Containers are sorted by name, so the first one that is ready is also the first by name. */
        while (n < e->n_containers) {
                size_t i = 0;

                while (i < e->n_containers &&
                       (is_placed(order, n, i) || !is_ready(&e->containers[i], order, n)))
                        i++;
                if (i == e->n_containers)
                        return; /* a cycle, which policy refuses */
                order[n++] = i;
        }
}
