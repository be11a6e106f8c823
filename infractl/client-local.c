/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The manager in this process. Reading needs no lock; the first change takes it and keeps it to the end. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "infractl/client.h"
#include "infractl/diagnostics.h"

static void on_changed(void *userdata, int64_t run, const char *json)
{
        struct client *c = userdata;

        if (c->progress)
                c->progress(c->userdata, run, json);
}

static int local_open(struct client *c, infra_error **reterr)
{
        infra_manager *m;
        int r = client_manager(c, &m, reterr);

        if (r < 0)
                return r;
        infra_manager_set_listener(m, on_changed, c);
        return 0;
}

static void local_close(struct client *c)
{
        c->manager = infra_manager_free(c->manager);
        c->locked = false;
}

static int check(struct client *c, char **ret_json, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_json_ json_t *j = NULL;
        int r = diags ? infra_manager_check(c->manager, diags, reterr) : infra_error_oom(reterr);

        if (r < 0 && r != -EBADMSG)
                return r;
        j = diagnostics_json(diags);
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}

static int local_ask(struct client *c, const struct question *q, char **ret_json, infra_error **reterr)
{
        infra_manager *m = c->manager;

        switch (q->ask) {
        case QUESTION_STATUS: return infra_manager_status(m, ret_json, reterr);
        case QUESTION_LIST: return infra_manager_list(m, ret_json, reterr);
        case QUESTION_SHOW: return infra_manager_show(m, q->name, ret_json, reterr);
        case QUESTION_DRIFT: return infra_manager_drift(m, q->name, ret_json, reterr);
        case QUESTION_PLAN: return infra_manager_plan(m, q->kind, q->name, q->restore_volumes, ret_json, reterr);
        case QUESTION_RUNS: return infra_manager_runs(m, q->limit, ret_json, reterr);
        case QUESTION_REPORT: return infra_manager_report(m, q->run, ret_json, reterr);
        case QUESTION_FIREWALL: return infra_manager_firewall(m, q->name, ret_json, reterr);
        case QUESTION_FIREWALL_STATE: return infra_manager_firewall_state(m, q->name, ret_json, reterr);
        case QUESTION_BAN: return infra_manager_ban(m, q->name, q->zone, q->for_ms, ret_json, reterr);
        case QUESTION_UNBAN: return infra_manager_unban(m, q->name, q->zone, ret_json, reterr);
        case QUESTION_BANS: return infra_manager_bans(m, ret_json, reterr);
        case QUESTION_CHECK: return check(c, ret_json, reterr);
        default: return infra_error_set(reterr, -EINVAL, "there is no such question");
        }
}

static int lock(struct client *c, infra_error **reterr)
{
        int r = c->locked ? 0 : infra_manager_lock(c->manager, "infractl --local", reterr);

        c->locked = r >= 0;
        return r;
}

static int local_begin(struct client *c, const struct change *change, int64_t *ret_run, infra_error **reterr)
{
        int r = lock(c, reterr);

        if (r < 0)
                return r;
        return infra_manager_begin(c->manager, c->event, change->kind, change->subject, change->restore_volumes,
                                   change->digest, change->control, getuid(), ret_run, reterr);
}

/* Without the writer's lock: what goes wrong here must be mended whoever has that. The generations have their own. */
static int local_firewall(struct client *c, const struct infra_firewall_change *change, char **ret_json, infra_error **reterr)
{
        struct infra_firewall_change mine = *change;

        mine.uid = getuid();
        mine.pid = getpid();
        return infra_manager_firewall_change(c->manager, &mine, ret_json, reterr);
}

/* A run that nobody carries on is taken up first. */
static int local_control(struct client *c, const char *what, int64_t *ret_run, infra_error **reterr)
{
        int64_t taken = 0;
        int r = 0;

        if (infra_manager_busy(c->manager) == 0) {
                r = lock(c, reterr);
                if (r >= 0)
                        r = infra_manager_recover(c->manager, c->event, &taken, reterr);
        }
        return r < 0 ? r : infra_manager_control(c->manager, what, getuid(), ret_run, reterr);
}

static int local_take_up(struct client *c, int64_t run, infra_error **reterr)
{
        int64_t taken = 0;
        int r;

        if (infra_manager_busy(c->manager) == run)
                return 1;
        r = lock(c, reterr);
        if (r == -EBUSY && reterr)
                *reterr = infra_error_free(*reterr);
        if (r == -EBUSY)
                return 0;
        if (r >= 0)
                r = infra_manager_recover(c->manager, c->event, &taken, reterr);
        return r < 0 ? r : taken == run;
}

static bool local_alive(struct client *c)
{
        return c->manager && infra_manager_busy(c->manager) != 0;
}

const struct transport transport_local = {
        .name = "local",
        .open = local_open,
        .close = local_close,
        .ask = local_ask,
        .begin = local_begin,
        .control = local_control,
        .firewall = local_firewall,
        .take_up = local_take_up,
        .alive = local_alive,
};
