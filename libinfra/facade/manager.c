/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager and the questions that change nothing. Runs are in execute.c, reports in report.c. */

#include "facade/manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "container/container.h"
#include "firewall/firewall.h"

enum { OBSERVE_LIMIT_MS = 120 * 1000 };

INFRA_PUBLIC int infra_manager_new(const struct infra_paths *paths, infra_manager **ret, infra_error **reterr)
{
        infra_manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return infra_error_oom(reterr);
        m->policy = strdup(paths->policy ? paths->policy : "/etc/infra");
        m->state = strdup(paths->state ? paths->state : "/var/lib/infra");
        m->profiles = paths->profiles ? strdup(paths->profiles) : NULL;
        r = m->policy && m->state ? journal_open(m->state, &m->journal, reterr) : infra_error_oom(reterr);
        if (r < 0) {
                infra_manager_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

INFRA_PUBLIC infra_manager *infra_manager_free(infra_manager *m)
{
        if (!m)
                return NULL;
        manager_watch_free(m->watch);
        runner_free(m->runner);
        journal_free(m->journal);
        free(m->policy);
        free(m->profiles);
        free(m->state);
        free(m);
        return NULL;
}

INFRA_PUBLIC void infra_manager_set_listener(infra_manager *m, void (*changed)(void *userdata, int64_t run, const char *json),
                                             void *userdata)
{
        m->changed = changed;
        m->userdata = userdata;
}

/* Rules of firewall.yaml are read by the firewall: their mistakes are as good a reason to load nothing. */
static int load(const infra_manager *m, infra_diags *diags, infra_estate **ret, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        int r = infra_estate_load(m->policy, m->profiles, diags, &e, reterr);

        if (r >= 0)
                r = firewall_check(e, diags, reterr);
        if (r >= 0)
                *ret = TAKE_PTR(e);
        return r;
}

INFRA_PUBLIC int infra_manager_check(infra_manager *m, infra_diags *diags, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;

        return load(m, diags, &e, reterr);
}

int manager_estate(const infra_manager *m, infra_estate **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        int r;

        if (!diags)
                return infra_error_oom(reterr);
        r = load(m, diags, ret, reterr);
        if (r == -EBADMSG && diags->n > 0)
                return infra_error_set(reterr, r, "the policy in %s has %zu error%s, the first at %s:%u:%u: %s; see `infractl check`",
                                       m->policy, diags->n, diags->n == 1 ? "" : "s", diags->items[0].file,
                                       diags->items[0].line, diags->items[0].column, diags->items[0].message);
        return r;
}

static int observe(void *userdata, json_t **ret, infra_error **reterr)
{
        const infra_estate *e = userdata;
        _cleanup_facts_ struct facts facts = {};
        int r = engine_observe(e, &facts, reterr);

        if (r < 0)
                return r;
        *ret = facts_encode(&facts);
        return *ret ? 0 : infra_error_oom(reterr);
}

int manager_facts(const infra_estate *e, struct facts *ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        int r = isolate(observe, (void *)(uintptr_t)e, OBSERVE_LIMIT_MS, &j, reterr);

        if (r < 0)
                return r;
        return facts_decode(j, ret) < 0 ? infra_error_oom(reterr) : 0;
}

int manager_answer(json_t *value, char **ret_json, infra_error **reterr)
{
        _cleanup_json_ json_t *j = value;
        char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

        if (!text)
                return infra_error_oom(reterr);
        *ret_json = text;
        return 0;
}

/* Estate and facts of one request. */
static int look(infra_manager *m, infra_estate **ret_estate, struct facts *ret_facts, infra_error **reterr)
{
        int r = manager_estate(m, ret_estate, reterr);

        return r < 0 ? r : manager_facts(*ret_estate, ret_facts, reterr);
}

static json_t *containers_json(const infra_estate *e, const struct facts *f)
{
        json_t *list = json_array();

        for (size_t i = 0; i < e->n_containers; i++)
                json_array_append_new(list, describe_container(e, &e->containers[i], &f->containers[i]));
        return list;
}

static json_t *foreign_json(const struct facts *f)
{
        json_t *list = json_array();

        for (size_t i = 0; i < f->foreign.n; i++)
                json_array_append_new(list, json_string(f->foreign.items[i]));
        return list;
}

INFRA_PUBLIC int infra_manager_list(infra_manager *m, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_facts_ struct facts f = {};
        int r = look(m, &e, &f, reterr);

        if (r < 0)
                return r;
        return manager_answer(json_pack("{s:o,s:o}", "containers", containers_json(e, &f), "foreign", foreign_json(&f)),
                              ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_status(infra_manager *m, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_run_record_ struct run_record run = {};
        _cleanup_facts_ struct facts f = {};
        json_t *change = NULL;
        int r = look(m, &e, &f, reterr);

        if (r >= 0)
                r = journal_open_run(m->journal, &run, reterr);
        if (r < 0)
                return r;
        if (manager_firewall_state(m, "status", &change, NULL) >= 0)
                json_object_del(change, "drift");
        return manager_answer(
                json_pack("{s:s,s:{s:s,s:s},s:b,s:{s:b,s:b},s:o,s:{s:s,s:s,s:I,s:I},s:o,s:o,s:o}", "host", e->host.name, "policy",
                          "directory", m->policy, "digest", e->digest, "bridge", f.bridge, "firewall", "loaded",
                          f.firewall_loaded, "differs", *f.firewall_diff != '\0', "firewall_change", change ? change : json_null(), "storage", "path", e->host.storage_path,
                          "backend", storage_backend_name(e->host.storage), "free", (json_int_t)f.free_bytes, "total",
                          (json_int_t)f.total_bytes, "run", run.id ? describe_run(&run) : json_null(), "containers",
                          containers_json(e, &f), "foreign", foreign_json(&f)),
                ret_json, reterr);
}

static void add_until(json_t *generations, const struct kept_record *kept)
{
        json_t *g;
        size_t i;

        json_array_foreach(generations, i, g)
                if (json_integer_value(json_object_get(g, "number")) == kept->generation &&
                    strcmp(json_string_value(json_object_get(g, "state")), "live") != 0)
                        json_object_set_new(g, "until_wall", json_integer((json_int_t)kept->until_ms));
}

INFRA_PUBLIC int infra_manager_show(infra_manager *m, const char *name, char **ret_json, infra_error **reterr)
{
        _cleanup_kept_records_ struct kept_records kept = {};
        json_t *j;
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_facts_ struct facts f = {};
        const struct container *c;
        int r = manager_estate(m, &e, reterr);

        if (r < 0)
                return r;
        c = estate_container(e, name);
        if (!c)
                return estate_no_container(e, name, reterr);
        r = manager_facts(e, &f, reterr);
        if (r < 0)
                return r;
        j = describe_container_fully(e, c, &f.containers[c - e->containers]);
        r = journal_kept(m->journal, &kept, reterr);
        for (size_t i = 0; r >= 0 && i < kept.n; i++)
                if (streq(kept.items[i].container, name))
                        add_until(json_object_get(j, "generations"), &kept.items[i]);
        if (r < 0) {
                json_decref(j);
                return r;
        }
        return manager_answer(j, ret_json, reterr);
}

INFRA_PUBLIC int infra_manager_runs(infra_manager *m, unsigned limit, char **ret_json, infra_error **reterr)
{
        _cleanup_run_records_ struct run_records runs = {};
        json_t *list;
        int r = journal_runs(m->journal, limit, &runs, reterr);

        if (r < 0)
                return r;
        list = json_array();
        for (size_t i = 0; i < runs.n; i++)
                json_array_append_new(list, describe_run(&runs.items[i]));
        return manager_answer(json_pack("{s:o}", "runs", list), ret_json, reterr);
}

struct drifting {
        const infra_estate *estate;
        const struct container *container;
        const struct container_fact *fact;
};

static int drift(void *userdata, json_t **ret, infra_error **reterr)
{
        const struct drifting *d = userdata;

        return engine_drift(d->estate, d->container, d->fact, ret, reterr);
}

int manager_drift(const infra_estate *e, const struct facts *f, const char *name, json_t **ret, infra_error **reterr)
{
        const struct container *c = estate_container(e, name);
        struct drifting d = { .estate = e, .container = c };

        if (!c)
                return estate_no_container(e, name, reterr);
        d.fact = &f->containers[c - e->containers];
        return isolate(drift, &d, OBSERVE_LIMIT_MS, ret, reterr);
}

INFRA_PUBLIC int infra_manager_drift(infra_manager *m, const char *name, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_facts_ struct facts f = {};
        json_t *j = NULL;
        int r = look(m, &e, &f, reterr);

        if (r >= 0)
                r = manager_drift(e, &f, name, &j, reterr);
        return r < 0 ? r : manager_answer(j, ret_json, reterr);
}

static int firewall_texts(void *userdata, json_t **ret, infra_error **reterr)
{
        const infra_estate *e = userdata;
        _cleanup_firewall_ struct firewall *f = NULL;
        _cleanup_free_ char *kernel = NULL, *policy = NULL, *diff = NULL;
        struct ruleset *have = NULL, *wanted = NULL;
        int r = firewall_open(&f, reterr);

        if (r >= 0)
                r = firewall_compile(e, &wanted, reterr);
        if (r >= 0)
                r = firewall_read(f, &have, reterr);
        if (r >= 0 && have)
                r = ruleset_text(have, &kernel, reterr);
        if (r >= 0)
                r = ruleset_text(wanted, &policy, reterr);
        if (r >= 0)
                r = ruleset_diff(have, wanted, &diff, reterr);
        if (r >= 0)
                *ret = json_pack("{s:s,s:s,s:s}", "kernel", kernel ? kernel : "", "policy", policy, "diff", diff);
        ruleset_free(have);
        ruleset_free(wanted);
        return r;
}

INFRA_PUBLIC int infra_manager_firewall(infra_manager *m, const char *what, char **ret_json, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_json_ json_t *texts = NULL;
        _cleanup_free_ char *settled = NULL;
        int r;

        if (!streq(what, "kernel") && !streq(what, "policy") && !streq(what, "diff"))
                return infra_error_set(reterr, -EINVAL, "'%s' is none of kernel, policy, diff", what);
        /* What is overdue goes back before anybody is shown it; that it cannot is no reason not to show it. */
        if (infra_manager_firewall_settle(m, &settled, NULL) < 0)
                settled = NULL;
        r = manager_estate(m, &e, reterr);
        if (r >= 0)
                r = isolate(firewall_texts, e, OBSERVE_LIMIT_MS, &texts, reterr);
        if (r < 0)
                return r;
        return manager_answer(json_pack("{s:O}", streq(what, "diff") ? "diff" : "text", json_object_get(texts, what)), ret_json,
                              reterr);
}

/* The container must be in the policy; whether it runs is the driver's matter. */
static int named(infra_manager *m, const char *name, infra_estate **ret, infra_error **reterr)
{
        int r = manager_estate(m, ret, reterr);

        if (r < 0 || estate_container(*ret, name))
                return r;
        return estate_no_container(*ret, name, reterr);
}

INFRA_PUBLIC int infra_manager_shell(infra_manager *m, const char *name, const char *const *argv, int *ret_status,
                                     infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        int r = named(m, name, &e, reterr);

        return r < 0 ? r : container_shell(e->host.lxc_path, name, argv, ret_status, reterr);
}

INFRA_PUBLIC int infra_manager_console(infra_manager *m, const char *name, infra_error **reterr)
{
        _cleanup_estate_ infra_estate *e = NULL;
        int r = named(m, name, &e, reterr);

        return r < 0 ? r : container_console(e->host.lxc_path, name, reterr);
}
