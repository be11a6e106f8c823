/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Start, stop, freeze. Each looks afterwards whether it is so: liblxc's answer alone is not believed. */

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "container/lxc.h"

enum { SETTLE_MS = 30000, SETTLE_STEP_MS = 50, STOP_AFTER_KILL_MS = 30000 };

static int state_now(const char *lxc_path, const char *name, enum container_state *ret, infra_error **reterr)
{
        struct container_status s;
        int r = container_observe(lxc_path, name, &s, reterr);

        if (r >= 0)
                *ret = s.state;
        return r;
}

/* Waits while the container is in passage (starting, stopping): after a crash somebody else's act may be under way. */
static int settle(const char *lxc_path, const char *name, enum container_state *ret, infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + SETTLE_MS;

        for (;;) {
                int r = state_now(lxc_path, name, ret, reterr);

                if (r < 0 || (*ret != CONTAINER_STARTING && *ret != CONTAINER_STOPPING))
                        return r;
                if (clock_boottime_ms() > end)
                        return infra_error_set(reterr, -EBUSY, "%s stays %s", name, container_state_name(*ret));
                clock_sleep_ms(SETTLE_STEP_MS);
        }
}

int container_start(const char *lxc_path, const char *name, infra_error **reterr)
{
        enum container_state state = CONTAINER_ABSENT;
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r >= 0)
                r = settle(lxc_path, name, &state, reterr);
        if (r < 0)
                return r;
        if (state == CONTAINER_FROZEN)
                return container_unfreeze(lxc_path, name, reterr);
        if (state == CONTAINER_RUNNING)
                return 0;
        reason_clear(lxc_path, name);
        if (!c->want_daemonize(c, true) || !c->want_close_all_fds(c, true))
                return infra_error_oom(reterr);
        if (!c->start(c, 0, NULL))
                return reason_set(reterr, -EIO, lxc_path, name, "cannot start");
        r = settle(lxc_path, name, &state, reterr);
        if (r < 0)
                return r;
        return state == CONTAINER_RUNNING ? 0 : reason_set(reterr, -EIO, lxc_path, name, "started and ended at once:");
}

int container_stop(const char *lxc_path, const char *name, int64_t grace_ms, bool *ret_killed, infra_error **reterr)
{
        enum container_state state = CONTAINER_ABSENT;
        _cleanup_handle_ handle c = NULL;
        int r = settle(lxc_path, name, &state, reterr);

        if (ret_killed)
                *ret_killed = false;
        if (r < 0 || state == CONTAINER_STOPPED || state == CONTAINER_ABSENT)
                return r;
        r = handle_open_managed(lxc_path, name, &c, reterr);
        if (r < 0)
                return r;
        if (state == CONTAINER_FROZEN)
                c->unfreeze(c);
        if (!c->shutdown(c, (int)((grace_ms + 999) / 1000))) {
                if (ret_killed)
                        *ret_killed = true;
                if (!c->stop(c) && c->is_running(c))
                        return reason_set(reterr, -EIO, lxc_path, name, "cannot stop");
                c->wait(c, "STOPPED", STOP_AFTER_KILL_MS / 1000);
        }
        r = settle(lxc_path, name, &state, reterr);
        if (r < 0)
                return r;
        return state == CONTAINER_STOPPED ? 0 : reason_set(reterr, -EIO, lxc_path, name, "still runs after its stop:");
}

int container_freeze(const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (!c->is_running(c))
                return infra_error_set(reterr, -ENOTCONN, "%s is not running", name);
        return c->freeze(c) ? 0 : reason_set(reterr, -EIO, lxc_path, name, "cannot freeze");
}

int container_unfreeze(const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        return c->unfreeze(c) ? 0 : reason_set(reterr, -EIO, lxc_path, name, "cannot unfreeze");
}
