/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rehearsal: throw-away copies of candidate and volumes boot in a sealed network, with the addresses and the
 * gateway they know. Probes come from the gateway as they do from the host; mail, cron and timers reach nobody.
 * Everything is thrown away afterwards, so whatever happened in there did not happen.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fd.h"
#include "container/container.h"
#include "engine/guest.h"
#include "engine/sealed.h"

enum { REHEARSAL_LIMIT_MS = 25 * 60 * 1000 };

/*
 * Units that fail only because nothing is out there: they ask the network or a clock. They are listed and do not
 * turn the upgrade back.
 */
static const char *const needs_network[] = { "apt-daily", "systemd-networkd-wait-online", "NetworkManager-wait-online", "networking",
                                             "ntpsec", "ntpdate", "systemd-timesyncd", "ifup@", "man-db" };

static bool may_fail(const char *unit)
{
        for (size_t i = 0; i < ELEMENTS(needs_network); i++)
                if (startswith(unit, needs_network[i]))
                        return true;
        return false;
}

static bool failed_before(const struct work *w, const char *unit)
{
        const json_t *before;
        size_t i;

        json_array_foreach(json_object_get(w->baseline, "failed_units"), i, before)
                if (streq(json_string_value(before), unit))
                        return true;
        return false;
}

static int compare_units(struct seal *s, json_t *result, infra_error **reterr)
{
        json_t *now = json_object_get(s->ghost.result, "failed_units"), *unit, *newly = json_array();
        _cleanup_str_ struct str worse = {};
        size_t i;

        json_object_set_new(result, "failed_units", newly);
        json_array_foreach(now, i, unit) {
                const char *name = json_string_value(unit);

                work_say(s->work, "failed unit: %s%s", name, failed_before(s->work, name) ? " (as before)" : "");
                if (failed_before(s->work, name))
                        continue;
                json_array_append(newly, unit);
                if (!may_fail(name))
                        str_add(&worse, "%s%s", worse.length ? ", " : "", name);
        }
        if (worse.length)
                return infra_error_set(reterr, -EHOSTDOWN, "in the rehearsal these units failed and did not before: %s", worse.text);
        return 0;
}

static int boot_and_ask(struct seal *s, json_t *result, infra_error **reterr)
{
        const struct container *c = s->work->container;
        int64_t start = clock_boottime_ms();
        int r = container_start(s->estate.host.lxc_path, c->name, reterr);

        if (r >= 0)
                r = gate_serve_act(&s->ghost, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "in the rehearsal");
        json_object_set_new(result, "ready_ms", json_integer((json_int_t)(clock_boottime_ms() - start)));
        r = container_wait_booted(s->estate.host.lxc_path, c->name, c->start_limit_ms, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "in the rehearsal");
        json_object_set_new(result, "boot_ms", json_integer((json_int_t)(clock_boottime_ms() - start)));
        json_object_set(result, "services", json_object_get(s->ghost.result, "services"));
        work_say(s->work, "%s: serves after %lld ms, booted after %lld ms", c->name,
                 (long long)json_integer_value(json_object_get(result, "ready_ms")),
                 (long long)json_integer_value(json_object_get(result, "boot_ms")));
        r = gate_failed_units(&s->ghost, reterr);
        return r < 0 ? r : compare_units(s, result, reterr);
}

static int rehearse_sealed(struct seal *s, json_t **ret, infra_error **reterr)
{
        const struct container *c = s->work->container;
        _cleanup_free_ char *tree = NULL, *rootfs = NULL;
        _cleanup_json_ json_t *result = json_object();
        int r;

        s->ghost.result = json_object();
        r = work_storage(&s->ghost, reterr);
        if (r >= 0)
                r = storage_scratch_generation(s->ghost.storage, c->name, s->work->step->to, s->work->step->number, &tree, reterr);
        if (r < 0)
                return r;
        rootfs = path_join("%s/rootfs", tree);
        if (!rootfs)
                return infra_error_oom(reterr);
        r = shadow_configure(s, GHOST_BOOTING, rootfs, reterr);
        if (r >= 0)
                r = boot_and_ask(s, result, reterr);
        ghost_end(s, NULL);
        if (r >= 0)
                *ret = TAKE_PTR(result);
        return r;
}

int rehearse_act(struct work *w, infra_error **reterr)
{
        _cleanup_json_ json_t *result = NULL;
        int r = work_storage(w, reterr);

        if (r >= 0)
                r = storage_scratch_drop(w->storage, w->container->name, reterr);
        if (r >= 0)
                r = sealed_run(w, rehearse_sealed, REHEARSAL_LIMIT_MS, &result, reterr);
        if (w->storage)
                storage_scratch_drop(w->storage, w->container->name, NULL);
        if (r >= 0)
                json_object_update(w->result, result);
        return r;
}
