/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* infra_estate_load: read, resolve, check; only a draft without a single diagnostic becomes an estate. */

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/array.h"
#include "configuration.h"
#include "policy/draft.h"

void draft_names_done(struct draft_names *l)
{
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i].text);
        free(l->items);
}

static void profile_done(struct draft_profile *p)
{
        free(p->name);
        strlist_done(&p->packages);
        for (size_t i = 0; i < p->n_volumes; i++)
                free(p->volumes[i].path);
        for (size_t i = 0; i < p->n_write_set; i++)
                write_rule_done(&p->write_set[i]);
        free(p->write_set);
        free(p->volumes);
        for (size_t i = 0; i < p->n_services; i++)
                service_done(&p->services[i]);
        free(p->services);
}

void draft_done(struct draft *d)
{
        for (size_t i = 0; i < d->n_containers; i++) {
                container_done(&d->containers[i].container);
                draft_names_done(&d->containers[i].after);
        }
        for (size_t i = 0; i < d->n_upgrades; i++) {
                struct draft_waves *w = &d->upgrades[i].waves;

                upgrade_done(&d->upgrades[i].upgrade);
                for (size_t k = 0; k < w->n; k++)
                        draft_names_done(&w->items[k].names);
                free(w->items);
        }
        for (size_t i = 0; i < d->n_profiles; i++)
                profile_done(&d->profiles[i]);
        for (size_t i = 0; i < d->n_zones; i++)
                zone_done(&d->zones[i]);
        for (size_t i = 0; i < d->reader.n_sources; i++) {
                free(d->reader.sources[i].name);
                free(d->reader.sources[i].text);
        }
        host_done(&d->host);
        filter_done(&d->filter);
        free(d->containers);
        free(d->upgrades);
        free(d->profiles);
        free(d->zones);
        free(d->reader.sources);
}

/* Names and contents of all files in reading order, which is sorted. */
static char *digest(const struct reader *r)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned int n = 0;
        struct str s = {};
        bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

        for (size_t i = 0; good && i < r->n_sources; i++)
                good = EVP_DigestUpdate(context, r->sources[i].name, strlen(r->sources[i].name) + 1) == 1 &&
                       EVP_DigestUpdate(context, r->sources[i].text, strlen(r->sources[i].text) + 1) == 1;
        good = good && EVP_DigestFinal_ex(context, hash, &n) == 1;
        EVP_MD_CTX_free(context);
        for (unsigned int i = 0; good && i < n; i++)
                str_add(&s, "%02x", hash[i]);
        return good ? str_take(&s) : NULL;
}

/* The estate's own copy of a file's name; spans of the draft point into the reader's sources. */
static void own_span(const infra_estate *e, struct span *s)
{
        for (size_t i = 0; i < e->files.n && s->file; i++) {
                if (streq(e->files.items[i], s->file)) {
                        s->file = e->files.items[i];
                        return;
                }
        }
}

static void own_services(const infra_estate *e, struct service *services, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                own_span(e, &services[i].span);
                own_span(e, &services[i].probe.span);
                for (size_t k = 0; k < services[i].n_from; k++)
                        own_span(e, &services[i].from[k].span);
        }
}

static void own_container(const infra_estate *e, struct container *c)
{
        own_span(e, &c->span);
        own_span(e, &c->addresses_span);
        own_services(e, c->services, c->n_services);
        for (size_t i = 0; i < c->n_volumes; i++)
                own_span(e, &c->volumes[i].span);
        for (size_t i = 0; i < c->n_write_set; i++)
                own_span(e, &c->write_set[i].span);
        for (size_t i = 0; i < c->n_conffiles; i++)
                own_span(e, &c->conffiles[i].span);
        for (size_t i = 0; i < c->n_connects; i++) {
                own_span(e, &c->connects[i].span);
                own_span(e, &c->connects[i].to.span);
        }
}

static void own_lists(const infra_estate *e, struct rule_list *lists, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                own_span(e, &lists[i].span);
                for (size_t k = 0; k < lists[i].n_lines; k++)
                        own_span(e, &lists[i].lines[k].span);
        }
}

static void own_filter(const infra_estate *e, struct filter *f)
{
        own_span(e, &f->span);
        own_lists(e, f->chains, f->n_chains);
        own_lists(e, f->rules, f->n_rules);
        for (size_t i = 0; i < f->n_sets; i++)
                own_span(e, &f->sets[i].span);
        for (size_t i = 0; i < f->n_rescue; i++)
                own_span(e, &f->rescue[i].span);
}

static void own_spans(infra_estate *e)
{
        own_span(e, &e->host.span);
        own_span(e, &e->host.connects_span);
        own_services(e, e->host.services, e->host.n_services);
        for (size_t i = 0; i < e->host.n_third_party; i++)
                own_span(e, &e->host.third_party[i].span);
        for (size_t i = 0; i < e->host.n_connects; i++) {
                own_span(e, &e->host.connects[i].span);
                own_span(e, &e->host.connects[i].to.span);
        }
        own_filter(e, &e->filter);
        for (size_t i = 0; i < e->n_zones; i++) {
                own_span(e, &e->zones[i].span);
                for (size_t k = 0; k < e->zones[i].n_members; k++)
                        own_span(e, &e->zones[i].members[k].span);
        }
        for (size_t i = 0; i < e->n_containers; i++)
                own_container(e, &e->containers[i]);
        for (size_t i = 0; i < e->n_upgrades; i++) {
                own_span(e, &e->upgrades[i].span);
                for (size_t k = 0; k < e->upgrades[i].n_waves; k++)
                        own_span(e, &e->upgrades[i].waves[k].span);
        }
}

static int move_containers(struct draft *d, infra_estate *e)
{
        for (size_t i = 0; i < d->n_containers; i++) {
                struct container *c = ARRAY_ADD(e->containers, e->n_containers);

                if (!c)
                        return -ENOMEM;
                *c = d->containers[i].container;
                d->containers[i].container = (struct container){};
        }
        for (size_t i = 0; i < d->n_upgrades; i++) {
                struct upgrade *u = ARRAY_ADD(e->upgrades, e->n_upgrades);

                if (!u)
                        return -ENOMEM;
                *u = d->upgrades[i].upgrade;
                d->upgrades[i].upgrade = (struct upgrade){};
        }
        return 0;
}

int draft_estate(struct draft *d, const char *directory, infra_estate **ret)
{
        _cleanup_estate_ infra_estate *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->directory = strdup(directory);
        e->digest = digest(&d->reader);
        for (size_t i = 0; i < d->reader.n_sources; i++)
                if (strlist_add(&e->files, d->reader.sources[i].name) < 0)
                        return -ENOMEM;
        if (!e->directory || !e->digest || move_containers(d, e) < 0)
                return -ENOMEM;
        e->host = d->host;
        e->filter = d->filter;
        e->zones = TAKE_PTR(d->zones);
        e->n_zones = d->n_zones;
        d->host = (struct host){};
        d->filter = (struct filter){};
        d->n_zones = 0;
        own_spans(e);
        *ret = TAKE_PTR(e);
        return 0;
}

INFRA_PUBLIC int infra_estate_load(const char *directory, const char *profiles, infra_diags *diags, infra_estate **ret,
                                   infra_error **reterr)
{
        CLEANUP(draft_done) struct draft d = { .reader.diags = diags };
        int r = draft_read(&d, directory, profiles ? profiles : INFRA_PROFILES_DIR, reterr);

        if (r < 0)
                return r;
        /* Names that a file which is no YAML would have given would all be reported as dangling. */
        if (!d.reader.broken) {
                draft_resolve(&d);
                draft_check(&d);
                draft_waves_resolve(&d);
        }
        diags_sort(diags);
        if (d.reader.oom)
                return infra_error_oom(reterr);
        if (infra_diags_count(diags) > 0)
                return -EBADMSG;
        r = draft_estate(&d, directory, ret);
        return r < 0 ? infra_error_oom(reterr) : 0;
}
