/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drift: what a container wrote to its live root since that went live, and to its volumes since the run that made it
 * live put them away. It is the price of a rollback, and shows what should be a volume.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "engine/engine.h"

/* A directory worth a volume: so many bytes written below it by the services, or so many files. */
enum { PROPOSED_BYTES = 64 << 10, PROPOSED_FILES = 20 };

/* Below these each directory is somebody's data. */
static const char *const data_places[] = { "/var/lib", "/var/spool", "/var/www", "/srv", "/opt", "/home", "/var/mail", "/var/vmail" };

struct sum {
        char *path;
        size_t files;
        uint64_t bytes;
        int64_t newest_ms;
};

static void add_to(struct sum *s, const struct written *w)
{
        s->files += !S_ISDIR(w->mode);
        s->bytes += w->bytes;
        s->newest_ms = MAX(s->newest_ms, w->changed_ms);
}

static json_t *sum_json(const struct sum *s)
{
        return json_pack("{s:s,s:I,s:I,s:I}", "path", s->path, "files", (json_int_t)s->files, "bytes", (json_int_t)s->bytes,
                         "newest_wall", (json_int_t)s->newest_ms);
}

/* "/var/lib/sympa" for "/var/lib/sympa/list/a"; NULL when the path is no service's data. */
static char *data_directory(const char *path)
{
        for (size_t i = 0; i < ELEMENTS(data_places); i++) {
                size_t n = strlen(data_places[i]);

                if (strncmp(path, data_places[i], n) == 0 && path[n] == '/' && strchr(path + n + 1, '/'))
                        return strndup(path, n + 1 + strcspn(path + n + 1, "/"));
        }
        return NULL;
}

static json_t *proposals_json(const struct container *c, const struct write_set *set)
{
        json_t *list = json_array();
        struct sum *sums = NULL;
        size_t n = 0;

        for (size_t i = 0; i < set->n; i++) {
                _cleanup_free_ char *top = data_directory(set->items[i].path);
                struct sum *s = NULL;

                if (!top || carry_rule(c, set->items[i].path) == CARRY_IGNORE)
                        continue;
                for (size_t k = 0; k < n; k++)
                        if (streq(sums[k].path, top))
                                s = &sums[k];
                if (!s && (s = ARRAY_ADD(sums, n)))
                        s->path = TAKE_PTR(top);
                if (s)
                        add_to(s, &set->items[i]);
        }
        for (size_t k = 0; k < n; k++) {
                if (sums[k].bytes >= PROPOSED_BYTES || sums[k].files >= PROPOSED_FILES)
                        json_array_append_new(list, sum_json(&sums[k]));
                free(sums[k].path);
        }
        free(sums);
        return list;
}

static json_t *root_json(const struct container *c, const struct write_set *set)
{
        struct sum all = { .path = (char *)(uintptr_t)"/" };
        json_t *items = json_array(), *j;

        for (size_t i = 0; i < set->n; i++) {
                const struct written *w = &set->items[i];
                int as = carry_rule(c, w->path);

                add_to(&all, w);
                json_array_append_new(items, json_pack("{s:s,s:s,s:I,s:I,s:s}", "path", w->path, "kind", written_kind_name(w->kind), "bytes",
                                                       (json_int_t)w->bytes, "changed_wall", (json_int_t)w->changed_ms, "as",
                                                       as < 0 ? "" : carry_name((enum carry)as)));
        }
        j = sum_json(&all);
        json_object_set_new(j, "items", items);
        return j;
}

static int volumes_json(struct work *w, const char *tag, json_t **ret, infra_error **reterr)
{
        *ret = json_array();
        for (size_t i = 0; *tag && i < w->container->n_volumes; i++) {
                CLEANUP(write_set_done) struct write_set set = {};
                struct sum sum = { .path = w->container->volumes[i].path };
                int r;

                if (!work_has_volume(w, i))
                        continue;
                r = storage_volume_write_set(w->storage, w->container->name, sum.path, tag, &set, reterr);
                /* One that is younger than the run has no snapshot of it. */
                if (r == -ENOENT) {
                        if (reterr)
                                *reterr = infra_error_free(*reterr);
                        continue;
                }
                if (r < 0)
                        return r;
                for (size_t k = 0; k < set.n; k++)
                        add_to(&sum, &set.items[k]);
                json_array_append_new(*ret, sum_json(&sum));
        }
        return 0;
}

int engine_drift(const infra_estate *e, const struct container *c, const struct container_fact *fact, json_t **ret,
                 infra_error **reterr)
{
        CLEANUP(write_set_done) struct write_set set = {};
        _cleanup_strlist_ struct strlist skip = {};
        struct work w = { .estate = e, .container = c, .transcript = -1 };
        _cleanup_storage_ struct storage *storage = NULL;
        json_t *volumes = NULL;
        char tag[32];
        int r = fact->live ? work_storage(&w, reterr) : infra_error_set(reterr, -ENOENT, "%s has no live generation", c->name);

        storage = w.storage;
        snprintf(tag, sizeof(tag), "live-%u", fact->live);
        if (r >= 0 && !storage_base_exists(w.storage, c->name, tag))
                r = infra_error_set(reterr, -ENODATA, "nobody remembers how generation %u of %s began; from its next upgrade on it is known", fact->live,
                                    c->name);
        if (r >= 0)
                r = work_volumes(&w, &skip, reterr);
        if (r >= 0)
                r = storage_write_set(w.storage, c->name, fact->live, tag, &skip, &set, reterr);
        if (r >= 0)
                r = volumes_json(&w, fact->previous_run, &volumes, reterr);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s,s:i,s:s,s:o,s:o,s:o}", "container", c->name, "generation", (int)fact->live, "release", fact->release, "root",
                         root_json(c, &set), "volumes", volumes, "proposals", proposals_json(c, &set));
        return *ret ? 0 : infra_error_oom(reterr);
}

void drift_begin(struct work *w, unsigned number, bool anew)
{
        _cleanup_error_ infra_error *e = NULL;
        char tag[32];
        int r = work_storage(w, &e);

        snprintf(tag, sizeof(tag), "live-%u", number);
        if (r >= 0 && anew)
                r = storage_base_delete(w->storage, w->container->name, tag, &e);
        if (r >= 0)
                r = storage_base_make(w->storage, w->container->name, number, tag, &e);
        /* Only a later question about it has no answer: no reason to fail what has succeeded. */
        if (r < 0)
                work_say(w, "drift: %s", infra_error_message(e));
}
