/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The write-set: what the original wrote outside volumes since its candidate was cloned. Each path is carried into
 * the candidate, ignored, or a conflict that turns the upgrade back; the policy and the profile say which, and
 * otherwise the defaults below. What neither says is carried when the upgrade did not touch it, or made it the same.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { NAMED_MAX = 5 };

/* What is the same on every Debian. The longest path that fits counts. */
static const struct {
        const char *path;
        enum carry as;
} defaults[] = {
        { "/var/log", CARRY_COPY },
        { "/var/cache", CARRY_IGNORE },
        { "/var/tmp", CARRY_IGNORE },
        { "/tmp", CARRY_IGNORE },
        { "/run", CARRY_IGNORE },
        { "/dev", CARRY_IGNORE },
        { "/root/.bash_history", CARRY_COPY },
        { "/var/lib/apt", CARRY_IGNORE },
        { "/var/lib/systemd", CARRY_IGNORE },
        { "/var/lib/dhcp", CARRY_IGNORE },
        { "/var/lib/logrotate", CARRY_COPY },
        /* Written by the upgrade of the candidate, and about it. */
        { "/var/log/dpkg.log", CARRY_IGNORE },
        { "/var/log/apt", CARRY_IGNORE },
        { "/var/log/alternatives.log", CARRY_IGNORE },
        { "/var/lib/dpkg/lock", CARRY_IGNORE },
        { "/var/lib/dpkg/lock-frontend", CARRY_IGNORE },
        { "/etc/machine-id", CARRY_IGNORE },
        { "/etc/resolv.conf", CARRY_IGNORE },
};

static bool is_below(const char *path, const char *top)
{
        size_t n = strlen(top);

        return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* The longest rule that fits; the policy's before a default of the same length. -ENOENT: none. */
static int rule_for(const struct container *c, const char *path)
{
        size_t best = 0;
        int as = -ENOENT;

        for (size_t i = 0; i < ELEMENTS(defaults); i++)
                if (is_below(path, defaults[i].path) && strlen(defaults[i].path) > best) {
                        best = strlen(defaults[i].path);
                        as = (int)defaults[i].as;
                }
        for (size_t i = 0; i < c->n_write_set; i++)
                if (is_below(path, c->write_set[i].path) && strlen(c->write_set[i].path) >= best) {
                        best = strlen(c->write_set[i].path);
                        as = (int)c->write_set[i].as;
                }
        return as;
}

int carry_rule(const struct container *c, const char *path)
{
        return rule_for(c, path);
}

/* What the policy and the defaults say nothing about is carried when the upgrade did not touch it, or made it the same. */
static int classify(struct work *w, const struct written *item, enum carry *ret, infra_error **reterr)
{
        int as = rule_for(w->container, item->path), same;

        *ret = as >= 0 ? (enum carry)as : CARRY_COPY;
        if (as >= 0 || !item->touched)
                return 0;
        same = storage_same(w->storage, w->container->name, w->step->from, w->step->to, item->path, reterr);
        if (same < 0)
                return same;
        *ret = same ? CARRY_IGNORE : CARRY_CONFLICT;
        return 0;
}

struct sorted {
        const struct written **carried;
        size_t n_carried;
        size_t n_ignored;
        size_t n_conflicts;
        struct str conflicts;
};

static int sort_writes(struct work *w, const struct write_set *all, struct sorted *ret, infra_error **reterr)
{
        ret->carried = calloc(all->n + 1, sizeof(struct written *));
        if (!ret->carried)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < all->n; i++) {
                const struct written *item = &all->items[i];
                enum carry as;
                int r = classify(w, item, &as, reterr);

                if (r < 0)
                        return r;
                work_say(w, "%s %s: %s", written_kind_name(item->kind), item->path, carry_name(as));
                if (as == CARRY_COPY) {
                        ret->carried[ret->n_carried++] = item;
                } else if (as == CARRY_IGNORE) {
                        ret->n_ignored++;
                } else if (ret->n_conflicts++ < NAMED_MAX) {
                        str_add(&ret->conflicts, "%s%s", ret->conflicts.length ? ", " : "", item->path);
                }
        }
        return 0;
}

static void sorted_done(struct sorted *s)
{
        free(s->carried);
        str_done(&s->conflicts);
}

int carry_act(struct work *w, infra_error **reterr)
{
        CLEANUP(sorted_done) struct sorted sorted = {};
        CLEANUP(write_set_done) struct write_set all = {};
        _cleanup_strlist_ struct strlist skip = {};
        char tag[32];
        int r = power_stopped_verify(w, reterr);

        snprintf(tag, sizeof(tag), "clone-%u", w->step->to);
        if (r >= 0)
                r = work_storage(w, reterr);
        if (r >= 0)
                r = work_volumes(w, &skip, reterr);
        if (r >= 0)
                r = storage_write_set(w->storage, w->container->name, w->step->from, tag, &skip, &all, reterr);
        if (r >= 0)
                r = storage_touched(w->storage, w->container->name, w->step->to, tag, &all, reterr);
        if (r >= 0)
                r = sort_writes(w, &all, &sorted, reterr);
        if (r < 0)
                return r;
        json_object_set_new(w->result, "carried", json_integer((json_int_t)sorted.n_carried));
        json_object_set_new(w->result, "ignored", json_integer((json_int_t)sorted.n_ignored));
        json_object_set_new(w->result, "conflicts", json_integer((json_int_t)sorted.n_conflicts));
        if (sorted.n_conflicts > 0)
                return infra_error_set(reterr, -ESTALE, "%s wrote outside its volumes, meanwhile, what the upgrade changed too: %s%s; make it a volume, or say in write-set: what becomes of it",
                                       w->container->name, sorted.conflicts.text, sorted.n_conflicts > NAMED_MAX ? " and more" : "");
        return storage_carry(w->storage, w->container->name, w->step->from, w->step->to, sorted.carried, sorted.n_carried, reterr);
}
