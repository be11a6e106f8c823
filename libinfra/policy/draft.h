/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a person wrote, read but not yet checked against the rest: names are names, profiles are not merged.
 * Only policy/ sees drafts; an estate is made from them when not one diagnostic was given.
 */

#include "estate/estate.h"
#include "policy/table.h"

struct draft_name {
        char *text;
        struct span span;
};

struct draft_names {
        struct draft_name *items;
        size_t n;
};

struct draft_wave {
        struct draft_names names;
        struct span span;
};

struct draft_waves {
        bool automatic;
        struct draft_wave *items;
        size_t n;
        struct span span;
};

struct draft_container {
        struct container container;
        struct draft_names after;
        struct span name_span;
        struct span profile_span;
        struct span file; /* first place of the file */
};

struct draft_upgrade {
        struct upgrade upgrade;
        struct draft_waves waves;
        struct span file;
};

struct draft_profile {
        char *name;
        struct strlist packages;
        struct volume *volumes;
        size_t n_volumes;
        struct service *services;
        size_t n_services;
        struct write_rule *write_set;
        size_t n_write_set;
        int64_t stop_grace_ms;
        int64_t start_limit_ms;
        struct span file;
};

struct draft {
        struct reader reader;
        struct host host;
        struct filter filter;
        struct zone *zones;
        size_t n_zones;
        struct draft_container *containers;
        size_t n_containers;
        struct draft_upgrade *upgrades;
        size_t n_upgrades;
        struct draft_profile *profiles;
        size_t n_profiles;
};

void draft_done(struct draft *d);
void draft_names_done(struct draft_names *l);

/* Reads every file of the directory into the draft; what is wrong goes to the reader's diagnostics. */
int draft_read(struct draft *d, const char *directory, const char *profiles, infra_error **reterr);
/* Merges profiles, fills defaults in, resolves names to indices (which orders containers by name). */
void draft_resolve(struct draft *d);
/* Checks one thing against another: addresses, ports, order, releases. */
void draft_check(struct draft *d);
/* Computes waves from names or `auto`. */
void draft_waves_resolve(struct draft *d);
/* Moves everything into an estate. Only for a draft without diagnostics. */
int draft_estate(struct draft *d, const char *directory, infra_estate **ret);

/* Complains that a name means nothing, with the nearest of all that would. */
void draft_dangling(struct draft *d, const char *name, const struct span *span, bool containers_only);
struct draft_container *draft_container(struct draft *d, const char *name);
