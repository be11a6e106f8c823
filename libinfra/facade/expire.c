/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an upgrade replaced is kept for a time, then deleted: the generation, and the volume snapshots of that run. A
 * day before somebody is warned.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "facade/manager.h"
#include "storage/storage.h"

enum { EXPIRE_LIMIT_MS = 30 * 60 * 1000 };
static const int64_t warning_ms = 24ll * 3600 * 1000;

struct expiry {
        const infra_estate *estate;
        const struct kept_record *kept;
};

/* "run-7" and "run-7.replaced", not "run-70". */
static bool is_of_tag(const char *tag, const char *of)
{
        return startswith(tag, of) && (tag[strlen(of)] == '\0' || tag[strlen(of)] == '.');
}

static int delete_snapshots(struct storage *s, const struct container *c, const char *tag, infra_error **reterr)
{
        struct volume_snapshots snapshots = {};
        int r = storage_volume_snapshots(s, c->name, &snapshots, reterr);

        for (size_t i = 0; r >= 0 && i < snapshots.n; i++) {
                if (!is_of_tag(snapshots.items[i].tag, tag))
                        continue;
                for (size_t v = 0; r >= 0 && v < c->n_volumes; v++)
                        r = storage_volume_snapshot_delete(s, c->name, c->volumes[v].path, snapshots.items[i].tag, reterr);
        }
        volume_snapshots_done(&snapshots);
        return r;
}

static int expire(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct expiry *e = userdata;
        const struct container *c = estate_container(e->estate, e->kept->container);
        _cleanup_storage_ struct storage *s = NULL;
        _cleanup_error_ infra_error *busy = NULL;
        char base[32];
        int r = storage_open(e->estate->host.storage, e->estate->host.storage_path, &s, reterr);

        (void)ret;
        snprintf(base, sizeof(base), "live-%u", e->kept->generation);
        if (r < 0 || !c)
                return r;
        r = storage_generation_delete(s, c->name, e->kept->generation, &busy);
        /* It serves again: a rollback went there. Its snapshots are no longer anybody's way back. */
        if (r < 0 && r != -EBUSY)
                return infra_error_set(reterr, r, "%s", infra_error_message(busy));
        if (r >= 0)
                r = storage_base_delete(s, c->name, base, reterr);
        return r < 0 && r != -EBUSY ? r : delete_snapshots(s, c, e->kept->tag, reterr);
}

static int add_line(json_t *lines, const struct kept_record *k, const char *what)
{
        char until[CLOCK_TEXT_MAX];
        json_t *text = json_sprintf("generation %u of %s and the volume snapshots of %s %s %s", k->generation, k->container, k->tag, what,
                                    clock_format(k->until_ms, until));

        return json_array_append_new(lines, text);
}

static int look_at(infra_manager *m, const infra_estate *e, const struct kept_record *k, int64_t now, json_t *lines, infra_error **reterr)
{
        struct expiry expiry = { .estate = e, .kept = k };
        _cleanup_json_ json_t *none = NULL;
        int r;

        if (k->until_ms <= now) {
                r = isolate(expire, &expiry, EXPIRE_LIMIT_MS, &none, reterr);
                if (r >= 0)
                        r = journal_kept_forget(m->journal, k->container, k->generation, reterr);
                return r < 0 ? r : add_line(lines, k, "are deleted: they were kept until");
        }
        if (k->warned || k->until_ms - now > warning_ms)
                return 0;
        r = journal_kept_warned(m->journal, k->container, k->generation, reterr);
        return r < 0 ? r : add_line(lines, k, "will be deleted, and `infractl rollback` has nothing to go back to, at");
}

INFRA_PUBLIC int infra_manager_expire(infra_manager *m, char **ret_json, infra_error **reterr)
{
        _cleanup_kept_records_ struct kept_records kept = {};
        _cleanup_estate_ infra_estate *e = NULL;
        json_t *lines = json_array();
        int r = 0;

        /* A run may be about to go back to what is due. */
        if (infra_manager_busy(m) == 0)
                r = journal_kept(m->journal, &kept, reterr);
        if (r >= 0 && kept.n > 0)
                r = manager_estate(m, &e, reterr);
        for (size_t i = 0; r >= 0 && i < kept.n; i++)
                r = look_at(m, e, &kept.items[i], clock_wall_ms(), lines, reterr);
        if (r < 0) {
                json_decref(lines);
                return r;
        }
        return manager_answer(json_pack("{s:o}", "lines", lines), ret_json, reterr);
}
