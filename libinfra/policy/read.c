/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a directory to a draft: which files are read, in what order, into which table. */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/fd.h"
#include "policy/draft.h"

/* Reads and parses one file; NULL after a complaint. @name is what diagnostics call it. */
static struct node *read_file(struct draft *d, const char *path, const char *name)
{
        struct reader *r = &d->reader;
        size_t said = infra_diags_count(r->diags);
        struct span whole = { .file = name };
        struct node *tree = NULL;
        char *text = NULL;
        struct source *s;
        int x = file_read(AT_FDCWD, path, POLICY_FILE_MAX, &text, NULL);

        if (x == -EFBIG)
                complain(r, &whole, NULL, "the file is larger than %d bytes (POLICY_FILE_MAX)", POLICY_FILE_MAX);
        else if (x < 0)
                complain(r, &whole, NULL, "cannot read it: %s", strerror(-x));
        r->broken = r->broken || x < 0;
        if (x < 0)
                return NULL;
        s = ARRAY_ADD(r->sources, r->n_sources);
        if (!s) {
                free(text);
                r->oom = true;
                return NULL;
        }
        s->text = text;
        s->name = strdup(name);
        if (!s->name || tree_parse(s, r->diags, &tree) < 0)
                r->oom = true;
        r->broken = r->broken || !tree;
        if (!tree && !r->oom && infra_diags_count(r->diags) == said)
                complain(r, &whole, NULL, "the file says nothing");
        return tree;
}

static void read_into(struct draft *d, const char *directory, const char *name, const struct table *t, void *target)
{
        _cleanup_free_ char *path = path_join("%s/%s", directory, name);
        _cleanup_node_ struct node *tree = NULL;

        if (!path) {
                d->reader.oom = true;
                return;
        }
        tree = read_file(d, path, name);
        if (tree)
                table_read(&d->reader, t, tree, target);
}

static int is_policy(const struct dirent *e)
{
        return e->d_name[0] != '.' && endswith(e->d_name, ".yaml");
}

static int is_misnamed(const struct dirent *e)
{
        return e->d_name[0] != '.' && endswith(e->d_name, ".yml");
}

/* Names of the directory's entries that @filter takes, as "sub/name", sorted. A missing directory has none. */
static void list(struct draft *d, const char *directory, const char *sub, int (*filter)(const struct dirent *), struct strlist *ret)
{
        _cleanup_free_ char *path = path_join("%s/%s", directory, sub);
        struct dirent **entries = NULL;
        int n = path ? scandir(path, &entries, filter, NULL) : -1;

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *name = path_join("%s/%s", sub, entries[i]->d_name);

                if (!name || strlist_add(ret, name) < 0)
                        d->reader.oom = true;
                free(entries[i]);
        }
        free(entries);
        strlist_sort(ret);
}

static void list_policies(struct draft *d, const char *directory, const char *sub, struct strlist *ret)
{
        _cleanup_strlist_ struct strlist misnamed = {};
        struct span whole = {};

        list(d, directory, sub, is_misnamed, &misnamed);
        for (size_t i = 0; i < misnamed.n; i++) {
                whole.file = misnamed.items[i];
                complain(&d->reader, &whole, "rename it to .yaml", "policy files end in .yaml");
        }
        list(d, directory, sub, is_policy, ret);
        whole.file = sub;
        if (ret->n > POLICY_FILES_MAX)
                complain(&d->reader, &whole, NULL, "more than %d files (POLICY_FILES_MAX)", POLICY_FILES_MAX);
}

/* "containers/email.yaml" holds the container named email. */
static void check_file_name(struct draft *d, const char *file, const char *name, const struct span *span, const char *what)
{
        const char *slash = strrchr(file, '/');
        size_t n = strlen(slash + 1) - strlen(".yaml");
        _cleanup_free_ char *hint = path_join("rename the file to %s.yaml or the %s to %.*s", name ? name : "", what, (int)n, slash + 1);

        if (name && (strlen(name) != n || strncmp(name, slash + 1, n) != 0))
                complain(&d->reader, span, hint, "%s '%s' stands in a file of another name", what, name);
}

static void read_containers(struct draft *d, const char *directory)
{
        _cleanup_strlist_ struct strlist files = {};
        struct span whole = { .file = "containers" };

        list_policies(d, directory, "containers", &files);
        if (files.n > POLICY_CONTAINERS_MAX) {
                complain(&d->reader, &whole, NULL, "more than %d containers (POLICY_CONTAINERS_MAX)", POLICY_CONTAINERS_MAX);
                return;
        }
        for (size_t i = 0; i < files.n && !d->reader.oom; i++) {
                struct draft_container *c = ARRAY_ADD(d->containers, d->n_containers);

                if (!c) {
                        d->reader.oom = true;
                        return;
                }
                read_into(d, directory, files.items[i], &container_table, c);
                c->container.span = c->file;
                check_file_name(d, files.items[i], c->container.name, &c->name_span, "container");
        }
}

static void read_upgrades(struct draft *d, const char *directory)
{
        _cleanup_strlist_ struct strlist files = {};

        list_policies(d, directory, "upgrades", &files);
        for (size_t i = 0; i < files.n && !d->reader.oom; i++) {
                struct draft_upgrade *u = ARRAY_ADD(d->upgrades, d->n_upgrades);

                if (!u) {
                        d->reader.oom = true;
                        return;
                }
                read_into(d, directory, files.items[i], &upgrade_table, u);
                u->upgrade.span = u->file;
                check_file_name(d, files.items[i], u->upgrade.name, &u->file, "upgrade");
        }
}

static struct draft_profile *profile(struct draft *d, const char *name)
{
        for (size_t i = 0; i < d->n_profiles; i++)
                if (d->profiles[i].name && streq(d->profiles[i].name, name))
                        return &d->profiles[i];
        return NULL;
}

/* Profiles of one directory; one that is known already (from a directory before) is not read. */
static void read_profiles(struct draft *d, const char *directory, const char *sub)
{
        _cleanup_strlist_ struct strlist files = {};

        list_policies(d, directory, sub, &files);
        for (size_t i = 0; i < files.n && !d->reader.oom; i++) {
                const char *base = strrchr(files.items[i], '/') + 1;
                _cleanup_free_ char *name = strndup(base, strlen(base) - strlen(".yaml"));
                struct draft_profile *p;

                if (name && profile(d, name))
                        continue;
                p = name ? ARRAY_ADD(d->profiles, d->n_profiles) : NULL;
                if (!p) {
                        d->reader.oom = true;
                        return;
                }
                read_into(d, directory, files.items[i], &profile_table, p);
                check_file_name(d, files.items[i], p->name, &p->file, "profile");
        }
}

/* Without the file there are its defaults. */
static void read_filter(struct draft *d, const char *directory)
{
        _cleanup_free_ char *path = path_join("%s/firewall.yaml", directory);

        filter_table.init(&d->filter);
        if (!path)
                d->reader.oom = true;
        else if (path_exists(AT_FDCWD, path))
                read_into(d, directory, "firewall.yaml", &filter_table, &d->filter);
}

int draft_read(struct draft *d, const char *directory, const char *profiles, infra_error **reterr)
{
        _cleanup_free_ char *parent = path_join("%s/..", profiles), *resolved = NULL;
        struct span whole = { .file = directory };

        if (!path_exists(AT_FDCWD, directory)) {
                complain(&d->reader, &whole, NULL, "there is no such directory");
                return 0;
        }
        read_into(d, directory, "host.yaml", &host_table, &d->host);
        read_into(d, directory, "zones.yaml", &zones_table, d);
        read_filter(d, directory);
        read_containers(d, directory);
        read_upgrades(d, directory);
        read_profiles(d, directory, "profiles");
        /* Shipped profiles appear in messages as profiles/NAME.yaml too, whatever their directory is called. */
        resolved = parent ? realpath(profiles, NULL) : NULL;
        if (resolved && strrchr(resolved, '/') != resolved) {
                char *base = strrchr(resolved, '/');

                *base = '\0';
                read_profiles(d, resolved, base + 1);
        }
        return d->reader.oom ? infra_error_oom(reterr) : 0;
}
