/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the firewall stands, for people and programs. */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "engine/firewall-change.h"
#include "firewall/firewall.h"
#include "firewall/rescue.h"

enum { READING_PATIENCE_MS = 2 * 1000 };

static json_t *pending_json(const struct pending *p)
{
        int64_t left = p->deadline_ms - clock_boottime_ms();

        return json_pack("{s:i,s:i,s:I,s:I,s:I,s:b}", "number", (int)p->number, "previous", (int)p->previous, "left_ms",
                         (json_int_t)MAX(left, (int64_t)0), "until_wall", (json_int_t)p->wall_ms, "uid", (json_int_t)p->uid, "watched",
                         process_alive(p->guard, p->guard_identity));
}

static json_t *last_json(int dir)
{
        _cleanup_outcome_ struct outcome o = {};

        if (outcome_read(dir, &o) < 0)
                return json_null();
        return json_pack("{s:i,s:s,s:s,s:I}", "number", (int)o.number, "outcome", o.outcome, "why", o.why, "wall", (json_int_t)o.wall_ms);
}

/* What the kernel has. */
struct sight {
        bool loaded;  /* a ruleset of ours */
        bool rescued; /* the rescue ruleset */
        char *diff;   /* to the active generation */
};

static void sight_done(struct sight *s)
{
        free(s->diff);
}
#define _cleanup_sight_ CLEANUP(sight_done)

static bool is_same(const struct ruleset *a, const struct ruleset *b)
{
        _cleanup_free_ char *diff = NULL;

        return ruleset_diff(a, b, &diff, NULL) >= 0 && *diff == '\0';
}

static bool is_rescue(int dir, const struct ruleset *have)
{
        struct ruleset *of_policy = NULL, *builtin = NULL;
        bool found = (rescue_read(dir, &of_policy, NULL) >= 0 && is_same(of_policy, have)) ||
                     (rescue_compile(NULL, &builtin, NULL) >= 0 && is_same(builtin, have));

        ruleset_free(of_policy);
        ruleset_free(builtin);
        return found;
}

static int look(int dir, unsigned active, struct sight *ret, infra_error **reterr)
{
        _cleanup_firewall_generation_ struct firewall_generation g = {};
        _cleanup_firewall_ struct firewall *f = NULL;
        _cleanup_error_ infra_error *error = NULL;
        struct ruleset *have = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        if (r < 0)
                return r;
        ret->loaded = have != NULL;
        if (!active)
                ret->diff = strdup("");
        else if (generation_read(dir, active, &g, &error) < 0)
                ret->diff = path_join("? %s\n", infra_error_message(error));
        else
                r = ruleset_diff(g.ruleset, have, &ret->diff, reterr);
        if (r >= 0)
                ret->rescued = have && (!ret->diff || *ret->diff || !active) && is_rescue(dir, have);
        ruleset_free(have);
        return r < 0 || ret->diff ? r : infra_error_oom(reterr);
}

int firewall_state(const char *state_dir, json_t **ret, infra_error **reterr)
{
        _cleanup_close_ int dir = generations_open(state_dir, reterr), lock = -1;
        _cleanup_sight_ struct sight sight = {};
        struct pending p = {};
        unsigned confirmed = 0, active;
        int waits, r;

        if (dir < 0)
                return dir;
        /* Not in the midst of a change, as far as that can be had. */
        lock = generations_lock(dir, READING_PATIENCE_MS, NULL);
        r = confirmed_read(dir, &confirmed, reterr);
        waits = pending_read(dir, &p, NULL);
        if (r < 0)
                return r;
        active = waits >= 0 && p.loaded_ms ? p.number : confirmed;
        r = look(dir, active, &sight, reterr);
        if (r < 0)
                return r;
        *ret = json_pack("{s:i,s:i,s:b,s:b,s:b,s:s,s:s,s:o,s:o}", "confirmed", (int)confirmed, "active", (int)active, "loaded", sight.loaded,
                         "rescued", sight.rescued, "drifted", *sight.diff != '\0', "drifted_by", "", "drift", sight.diff, "pending", waits >= 0 ? pending_json(&p) : json_null(), "last", last_json(dir));
        return *ret ? 0 : infra_error_oom(reterr);
}

static json_t *generation_json(int dir, unsigned number, unsigned confirmed, const struct pending *p)
{
        _cleanup_firewall_generation_ struct firewall_generation g = {};
        _cleanup_error_ infra_error *error = NULL;
        const char *state = number == p->number ? "pending" : number == confirmed ? "confirmed" : "kept";

        if (generation_read(dir, number, &g, &error) < 0)
                return json_pack("{s:i,s:s,s:I,s:I,s:s,s:s,s:s,s:s}", "number", (int)number, "state", state, "wall", (json_int_t)0, "uid",
                                 (json_int_t)0, "policy", "", "origin", "", "sha256", "", "error", infra_error_message(error));
        return json_pack("{s:i,s:s,s:I,s:I,s:s,s:s,s:s,s:s}", "number", (int)number, "state", state, "wall", (json_int_t)g.wall_ms, "uid",
                         (json_int_t)g.uid, "policy", g.policy, "origin", g.origin, "sha256", g.sha256, "error", "");
}

int firewall_state_generations(const char *state_dir, json_t **ret, infra_error **reterr)
{
        _cleanup_close_ int dir = generations_open(state_dir, reterr);
        _cleanup_free_ unsigned *list = NULL;
        struct pending p = {};
        unsigned confirmed = 0;
        json_t *items;
        size_t n = 0;
        int r = dir < 0 ? dir : generations_list(dir, &list, &n, reterr);

        if (r >= 0)
                r = confirmed_read(dir, &confirmed, reterr);
        if (r < 0)
                return r;
        pending_read(dir, &p, NULL);
        items = json_array();
        for (size_t i = n; i-- > 0;)
                json_array_append_new(items, generation_json(dir, list[i], confirmed, &p));
        *ret = json_pack("{s:o}", "generations", items);
        return *ret ? 0 : infra_error_oom(reterr);
}
