/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/retreat.h"

#include <errno.h>

#include "base/clock.h"
#include "firewall/firewall.h"
#include "firewall/rescue.h"

enum { TRIES = 3, RETRY_MS = 200 };

int retreat_load(const struct ruleset *ruleset, infra_error **reterr)
{
        _cleanup_firewall_ struct firewall *f = NULL;
        int r = firewall_open(&f, reterr);

        if (r < 0)
                return r;
        return ruleset ? firewall_load(f, ruleset, reterr) : firewall_unload(f, reterr);
}

/* A moment's trouble (no memory, somebody else's change) is no reason for less than what is wanted. */
static int load_patiently(const struct ruleset *ruleset, infra_error **reterr)
{
        for (int i = 1; i < TRIES; i++) {
                if (retreat_load(ruleset, NULL) >= 0)
                        return 0;
                clock_sleep_ms(RETRY_MS);
        }
        return retreat_load(ruleset, reterr);
}

int retreat_load_best(int dir, unsigned number, struct str *notes, infra_error **reterr)
{
        for (int kind = BOOT_CONFIRMED; kind < BOOT_KIND_MAX; kind++) {
                _cleanup_firewall_generation_ struct firewall_generation g = {};
                _cleanup_error_ infra_error *error = NULL;
                int r;

                if (kind == BOOT_CONFIRMED)
                        r = number ? generation_read(dir, number, &g, &error) : infra_error_set(&error, -ENOENT, "no generation is confirmed");
                else if (kind == BOOT_RESCUE)
                        r = dir >= 0 ? rescue_read(dir, &g.ruleset, &error) : -ENOENT;
                else
                        r = rescue_compile(NULL, &g.ruleset, &error);
                if (r >= 0)
                        r = load_patiently(g.ruleset, &error);
                if (r >= 0)
                        return kind;
                str_add(notes, "%s%s", notes->length ? "; " : "", error ? infra_error_message(error) : strerror(-r));
                if (kind == BOOT_BUILTIN)
                        return infra_error_set(reterr, r, "no ruleset can be loaded: %s", notes->text ? notes->text : "");
        }
        return -EINVAL;
}

int retreat(int dir, const struct pending *p, bool same_boot, const char *why, infra_error **reterr)
{
        _cleanup_str_ struct str notes = {}, text = {};
        int r = 0;

        if (p->previous) {
                r = retreat_load_best(dir, p->previous, &notes, reterr);
                str_add(&text, "%s; generation %u %s", why, p->previous,
                        r == BOOT_CONFIRMED ? "is loaded again" : "cannot be loaded, but the rescue ruleset is: ");
                if (r > BOOT_CONFIRMED)
                        str_add(&text, "%s", notes.text ? notes.text : "");
        } else if (same_boot) {
                r = retreat_load(NULL, reterr);
                str_add(&text, "%s; as before it no ruleset of ours is loaded", why);
        } else {
                str_add(&text, "%s", why);
        }
        if (r < 0)
                return r;
        outcome_write(dir, p->number, "went back", text.text ? text.text : why);
        return pending_remove(dir, reterr);
}
