/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/firewall-change.h"

#include <errno.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "base/str.h"
#include "engine/deadman.h"
#include "engine/retreat.h"
#include "engine/session.h"
#include "firewall/codec.h"
#include "firewall/firewall.h"
#include "firewall/moment.h"
#include "firewall/rescue.h"

enum {
        LOCK_PATIENCE_MS = 10 * 1000,
        GUARD_PATIENCE_MS = 10 * 1000, /* after its deadline a dead-man that lives is given so long */
        READING_PATIENCE_MS = 2 * 1000,
};

/* Directory and lock of one change. */
struct place {
        int dir;
        int lock;
};

static void place_done(struct place *p)
{
        closep(&p->lock);
        closep(&p->dir);
}
#define _cleanup_place_ CLEANUP(place_done)

static int place_open(const char *state_dir, int64_t patience_ms, struct place *ret, infra_error **reterr)
{
        ret->dir = generations_open(state_dir, reterr);
        if (ret->dir < 0)
                return ret->dir;
        ret->lock = generations_lock(ret->dir, patience_ms, reterr);
        return ret->lock < 0 ? ret->lock : 0;
}

static bool is_same_boot(const struct pending *p)
{
        char boot[37] = "";

        return clock_boot_id(boot) >= 0 && streq(boot, p->boot);
}

/* With the lock held; 1 = it was put back. */
static int settle(int dir, infra_error **reterr)
{
        struct pending p = {};
        int64_t late = 0;
        bool same;
        int r = pending_read(dir, &p, NULL);

        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                /* What cannot be understood cannot be confirmed either. */
                if (r != -EUCLEAN || confirmed_read(dir, &p.previous, reterr) < 0)
                        return infra_error_set(reterr, r, "cannot read whether a change of the firewall waits: %s", strerror(-r));
                r = retreat(dir, &p, false, "what waited could not be read", reterr);
                return r < 0 ? r : 1;
        }
        if (pending_is_confirmed(dir, &p)) {
                rescue_adopt(dir, p.number);
                return pending_remove(dir, reterr);
        }
        same = is_same_boot(&p);
        late = clock_boottime_ms() - p.deadline_ms;
        if (same && (late < 0 || (late < GUARD_PATIENCE_MS && process_alive(p.guard, p.guard_identity))))
                return 0;
        r = retreat(dir, &p, same,
                     same ? "nobody confirmed it in time, and the process that watched was gone" :
                            "the host was rebooted before anybody confirmed it",
                     reterr);
        return r < 0 ? r : 1;
}

int firewall_change_settle(const char *state_dir, char **ret_text, infra_error **reterr)
{
        _cleanup_place_ struct place p = { -1, -1 };
        _cleanup_outcome_ struct outcome last = {};
        int r;

        *ret_text = NULL;
        p.dir = generations_open(state_dir, reterr);
        if (p.dir < 0)
                return p.dir;
        /* Nearly always nothing waits, and then nobody needs a lock. */
        if (!path_exists(p.dir, "pending"))
                return 0;
        p.lock = generations_lock(p.dir, READING_PATIENCE_MS, reterr);
        r = p.lock < 0 ? p.lock : settle(p.dir, reterr);
        if (r <= 0)
                return r;
        *ret_text = outcome_read(p.dir, &last) >= 0 ? path_join("generation %u of the firewall: %s", last.number, last.why) :
                                                      strdup("the firewall went back");
        return *ret_text ? 0 : infra_error_oom(reterr);
}

/* What the kernel has without any generation of ours is one, too: it is what a change goes back to. */
static int keep_found(int dir, uint32_t uid, unsigned *ret, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        struct ruleset *have = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        for (size_t t = 0; r >= 0 && have && t < RULESET_TABLES; t++)
                for (size_t i = 0; i < have->tables[t].n_sets; i++) {
                        struct set *s = &have->tables[t].sets[i];

                        /* Bans, fences and meters are of the moment. */
                        while ((s->runtime || s->dynamic) && s->n_elements > 0)
                                element_done(&s->elements[--s->n_elements]);
                }
        if (r >= 0 && have && moment_forget(have) < 0)
                r = infra_error_oom(reterr);
        if (r >= 0 && have)
                r = generation_store(dir, have, NULL, "", "found", uid, ret, reterr);
        if (r >= 0 && have)
                r = confirmed_write(dir, *ret, reterr);
        ruleset_free(have);
        return r;
}

/* 0 = the host has no ruleset of ours. A file that says nothing any more must not keep anybody from a change. */
static int confirmed_now(int dir, uint32_t uid, unsigned *ret, infra_error **reterr)
{
        _cleanup_error_ infra_error *error = NULL;
        int r = confirmed_read(dir, ret, &error);

        if (r < 0 && r != -EUCLEAN)
                return infra_error_set(reterr, r, "%s", infra_error_message(error));
        if (r >= 0 && *ret)
                return 0;
        *ret = 0;
        return keep_found(dir, uid, ret, reterr);
}

static bool same_ruleset(const struct ruleset *a, const struct ruleset *b)
{
        _cleanup_json_ json_t *x = ruleset_encode(a), *y = ruleset_encode(b);

        return x && y && json_equal(x, y);
}

static int write_rescue(int dir, const infra_estate *e, infra_error **reterr)
{
        struct ruleset *rescue = NULL;
        int r = rescue_compile(e, &rescue, reterr);

        if (r >= 0)
                r = rescue_write(dir, rescue, reterr);
        ruleset_free(rescue);
        return r;
}

static int store_new(int dir, const struct firewall_change *c, unsigned *ret, infra_error **reterr)
{
        struct ruleset *rescue = NULL;
        int r = c->estate ? rescue_compile(c->estate, &rescue, reterr) : 0;

        if (r >= 0)
                r = generation_store(dir, c->wanted, rescue, c->policy, c->origin, c->uid, ret, reterr);
        ruleset_free(rescue);
        return r;
}

/* Under its number, new unless it is the confirmed one again and no one is to choose between them. */
static int store(int dir, const struct firewall_change *c, unsigned confirmed, unsigned *ret, infra_error **reterr)
{
        _cleanup_firewall_generation_ struct firewall_generation g = {};

        if (!c->wanted) {
                *ret = c->number;
                return 0;
        }
        if (c->confirm_ms == 0 && confirmed && generation_read(dir, confirmed, &g, NULL) >= 0 && same_ruleset(g.ruleset, c->wanted)) {
                *ret = confirmed;
                return c->estate ? write_rescue(dir, c->estate, reterr) : 0;
        }
        return store_new(dir, c, ret, reterr);
}

/* Once it cannot go back any more: a policy that nobody confirmed says nothing about rescue either. */
static int keep(int dir, unsigned number, infra_error **reterr)
{
        int r = confirmed_write(dir, number, reterr);

        if (r >= 0)
                rescue_adopt(dir, number);
        return r;
}

static int load_for_good(int dir, unsigned number, const struct ruleset *r, infra_error **reterr)
{
        int x = retreat_load(r, reterr);

        if (x >= 0)
                x = keep(dir, number, reterr);
        if (x >= 0)
                outcome_write(dir, number, "kept", "it was loaded for good");
        return x;
}

/* The dead-man stands before the load; `pending` says so before and after it. */
static int load_for_now(int dir, struct pending *p, const struct ruleset *r, const struct ruleset *previous, infra_error **reterr)
{
        int x = pending_write(dir, p, reterr);

        if (x >= 0)
                x = deadman_start(dir, p, previous, reterr);
        if (x >= 0)
                x = pending_write(dir, p, reterr);
        if (x < 0) {
                pending_remove(dir, NULL);
                return x;
        }
        x = retreat_load(r, reterr);
        if (x < 0) {
                /* An answer that got lost is no refusal: the old one is loaded in any case, now or by the dead-man. */
                if (retreat_load(previous, NULL) >= 0)
                        pending_remove(dir, NULL);
                return x;
        }
        p->loaded_ms = clock_boottime_ms();
        x = pending_write(dir, p, reterr);
        /* Without the moment of the load nobody can confirm it; the dead-man puts it back. */
        return x < 0 ? infra_error_prefix(reterr, x, "the new ruleset is loaded, but goes back at its time") : 0;
}

static int load_waiting(int dir, const struct firewall_change *c, unsigned number, unsigned confirmed, const struct ruleset *r, infra_error **reterr)
{
        _cleanup_firewall_generation_ struct firewall_generation before = {};
        struct pending p = { .number = number, .previous = confirmed, .uid = c->uid };
        int x = confirmed ? generation_read(dir, confirmed, &before, reterr) : 0;

        if (x < 0)
                return infra_error_prefix(reterr, x, "there is nothing to go back to (--confirm 0 loads it all the same)");
        x = clock_boot_id(p.boot);
        if (x < 0)
                return infra_error_set(reterr, x, "cannot read the boot id: %s", strerror(-x));
        p.deadline_ms = clock_boottime_ms() + c->confirm_ms;
        p.wall_ms = clock_wall_ms() + c->confirm_ms;
        return load_for_now(dir, &p, r, before.ruleset, reterr);
}

static int check_free(int dir, infra_error **reterr)
{
        struct pending p = {};
        int r = settle(dir, reterr);

        if (r < 0)
                return r;
        r = pending_read(dir, &p, NULL);
        if (r == -ENOENT)
                return 0;
        return infra_error_set(reterr, -EBUSY, "generation %u of the firewall waits to be confirmed; first: infractl firewall confirm, or revert",
                               p.number);
}

int firewall_change_check_free(const char *state_dir, infra_error **reterr)
{
        _cleanup_place_ struct place p = { -1, -1 };
        int r = place_open(state_dir, LOCK_PATIENCE_MS, &p, reterr);

        return r < 0 ? r : check_free(p.dir, reterr);
}

int firewall_change_load(const char *state_dir, const struct firewall_change *c, unsigned *ret_number, infra_error **reterr)
{
        _cleanup_firewall_generation_ struct firewall_generation g = {};
        _cleanup_place_ struct place p = { -1, -1 };
        unsigned confirmed = 0, number = 0;
        int r = place_open(state_dir, LOCK_PATIENCE_MS, &p, reterr);

        if (c->confirm_ms != 0 && (c->confirm_ms < CONFIRM_MIN_MS || c->confirm_ms > CONFIRM_MAX_MS))
                return infra_error_set(reterr, -EINVAL, "the time to confirm is at least 1s and at most 1h; 0 = none is needed");
        if (r >= 0)
                r = check_free(p.dir, reterr);
        if (r >= 0)
                r = confirmed_now(p.dir, c->uid, &confirmed, reterr);
        if (r >= 0 && !c->wanted)
                r = generation_read(p.dir, c->number, &g, reterr);
        if (r >= 0)
                r = store(p.dir, c, confirmed, &number, reterr);
        if (r < 0)
                return r;
        if (c->confirm_ms == 0)
                r = load_for_good(p.dir, number, c->wanted ? c->wanted : g.ruleset, reterr);
        else
                r = load_waiting(p.dir, c, number, confirmed, c->wanted ? c->wanted : g.ruleset, reterr);
        /* What the kernel refused is none. */
        if (r < 0 && c->wanted && number != confirmed && !path_exists(p.dir, "pending"))
                generation_forget(p.dir, number);
        if (r >= 0)
                *ret_number = number;
        return r;
}

int firewall_change_rescue(const char *state_dir, const infra_estate *e, infra_error **reterr)
{
        _cleanup_close_ int dir = generations_open(state_dir, reterr);

        return dir < 0 ? dir : write_rescue(dir, e, reterr);
}

/* What waits, once what is overdue has gone back. */
static int waiting(int dir, struct pending *ret, infra_error **reterr)
{
        int r = settle(dir, reterr);

        if (r == 1)
                return infra_error_set(reterr, -ETIME, "it is too late: the ruleset before is loaded again");
        if (r >= 0)
                r = pending_read(dir, ret, NULL);
        if (r == -ENOENT)
                return infra_error_set(reterr, r, "no change of the firewall waits to be confirmed");
        return r < 0 ? infra_error_set(reterr, r, "cannot read which change of the firewall waits: %s", strerror(-r)) : 0;
}

/* The dead-man does not wait for a lock for ever: what went back while this was written is not confirmed. */
static int check_not_gone(int dir, const struct pending *w, infra_error **reterr)
{
        struct pending now = {};

        if (pending_read(dir, &now, NULL) != -ENOENT)
                return 0;
        if (w->previous)
                confirmed_write(dir, w->previous, NULL);
        return infra_error_set(reterr, -ETIME, "it is too late: generation %u went back", w->number);
}

int firewall_change_confirm(const char *state_dir, pid_t pid, infra_error **reterr)
{
        _cleanup_place_ struct place p = { -1, -1 };
        struct pending w = {};
        int r = place_open(state_dir, LOCK_PATIENCE_MS, &p, reterr);

        if (r >= 0)
                r = waiting(p.dir, &w, reterr);
        if (r < 0)
                return r;
        if (w.loaded_ms == 0 || clock_boottime_ms() >= w.deadline_ms)
                return infra_error_set(reterr, -ETIME, "it is too late: generation %u is going back", w.number);
        r = session_check("/proc", pid, w.loaded_ms, reterr);
        if (r >= 0)
                r = confirmed_write(p.dir, w.number, reterr);
        if (r >= 0)
                r = check_not_gone(p.dir, &w, reterr);
        if (r >= 0)
                rescue_adopt(p.dir, w.number);
        if (r >= 0)
                r = pending_remove(p.dir, reterr);
        if (r >= 0)
                outcome_write(p.dir, w.number, "confirmed", "over a new connection or at a console");
        return r;
}

int firewall_change_revert(const char *state_dir, uint32_t uid, infra_error **reterr)
{
        _cleanup_place_ struct place p = { -1, -1 };
        struct pending w = {};
        char why[64];
        int r = place_open(state_dir, LOCK_PATIENCE_MS, &p, reterr);

        if (r >= 0)
                r = waiting(p.dir, &w, reterr);
        if (r == -ENOENT)
                return infra_error_set(reterr, r, "no change of the firewall waits; infractl firewall restore N goes to an older generation");
        snprintf(why, sizeof(why), "uid %u took it back", uid);
        return r < 0 ? r : retreat(p.dir, &w, true, why, reterr);
}

int firewall_change_boot(const char *state_dir, char **ret_text, infra_error **reterr)
{
        static const char *const names[BOOT_KIND_MAX] = {
                [BOOT_CONFIRMED] = "generation %u is loaded",
                [BOOT_RESCUE] = "the RESCUE ruleset is loaded, not generation %u: ssh gets in from the zones of `rescue`, nothing else works: ",
                [BOOT_BUILTIN] = "the built-in RESCUE ruleset is loaded, not generation %u: ssh gets in from everywhere, nothing else works: ",
        };
        _cleanup_str_ struct str notes = {}, text = {};
        _cleanup_place_ struct place p = { -1, -1 };
        _cleanup_error_ infra_error *error = NULL;
        unsigned number = 0;
        struct pending w = {};
        int r;

        /* Whatever of this fails: something is loaded. */
        place_open(state_dir, LOCK_PATIENCE_MS, &p, NULL);
        if (p.dir >= 0 && confirmed_read(p.dir, &number, &error) < 0)
                str_add(&notes, "%s", infra_error_message(error));
        r = retreat_load_best(p.dir, number, &notes, reterr);
        if (r < 0)
                return r;
        str_add(&text, names[r], number);
        if (r != BOOT_CONFIRMED)
                str_add(&text, "%s", notes.text ? notes.text : "");
        if (p.dir >= 0 && path_exists(p.dir, "pending")) {
                pending_read(p.dir, &w, NULL);
                if (w.number != number || w.number == w.previous)
                        outcome_write(p.dir, w.number, "went back", "the host was started before anybody confirmed it");
                pending_remove(p.dir, NULL);
        }
        *ret_text = str_take(&text);
        return *ret_text ? r : infra_error_oom(reterr);
}
