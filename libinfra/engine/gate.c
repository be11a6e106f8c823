/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Probes of all services of a container: before a change (baseline), after a start (serve), at the gate.
 * Results are {"services":{"25/tcp":{"verdict","detail","duration_ms"}}}.
 */

#include <errno.h>
#include <string.h>

#include "container/container.h"
#include "engine/engine.h"
#include "package/package.h"
#include "probe/probe.h"

#include "engine/guest.h"

static int run_in_container(void *userdata, const char *const argv[], int64_t timeout_ms, char **ret_output,
                            int *ret_status, infra_error **reterr)
{
        const struct work *w = userdata;
        struct container_command command = { .argv = argv, .input = -1, .output = -1, .ret_output = ret_output, .timeout_ms = timeout_ms };

        return container_run(w->estate->host.lxc_path, w->container->name, &command, ret_status, reterr);
}

static struct probe_target target_of(struct work *w, const struct service *s)
{
        return (struct probe_target){
                .name = w->container->name,
                .address = address_is_set(&w->container->internal) ? w->container->internal : w->container->ipv6,
                .port = s->port.first,
                .run = run_in_container,
                .userdata = w,
        };
}

static int record(struct work *w, const struct service *s, const struct probe_result *result)
{
        char port[ADDRESS_TEXT_MAX];
        json_t *services = json_object_get(w->result, "services");

        if (!services) {
                services = json_object();
                if (json_object_set_new(w->result, "services", services) < 0)
                        return -ENOMEM;
        }
        work_say(w, "%s %s: %s (%s)", w->container->name, ports_format(&s->port, port), probe_verdict_name(result->verdict),
                 result->detail ? result->detail : "");
        return json_object_set_new(services, port,
                                   json_pack("{s:s,s:s,s:I}", "verdict", probe_verdict_name(result->verdict), "detail",
                                             result->detail ? result->detail : "", "duration_ms",
                                             (json_int_t)result->duration_ms));
}

static enum probe_verdict baseline_of(const struct work *w, const struct service *s)
{
        char port[ADDRESS_TEXT_MAX];
        const json_t *service = json_object_get(json_object_get(w->baseline, "services"), ports_format(&s->port, port));
        const char *verdict = json_string_value(json_object_get(service, "verdict"));
        int v = verdict ? probe_verdict_parse(verdict) : -EINVAL;

        /* Without a baseline a service has to serve. */
        return v < 0 ? PROBE_PASS : (enum probe_verdict)v;
}

int gate_failed_units(struct work *w, infra_error **reterr)
{
        static const char *const argv[] = { "sh", "-c", "[ ! -d /run/systemd/system ] || systemctl list-units --failed --no-legend --plain", NULL };
        enum { LIMIT_MS = 60000 };
        _cleanup_strlist_ struct strlist lines = {};
        _cleanup_free_ char *output = NULL;
        json_t *list = json_array();
        int status = 0, r;

        if (json_object_set_new(w->result, "failed_units", list) < 0)
                return infra_error_oom(reterr);
        r = run_in_container(w, argv, LIMIT_MS, &output, &status, reterr);
        if (r < 0 || !output)
                return r;
        if (strlist_lines(&lines, output) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; status == 0 && i < lines.n; i++)
                if (*lines.items[i])
                        json_array_append_new(list, json_stringn(lines.items[i], strcspn(lines.items[i], " ")));
        return 0;
}

int gate_baseline_act(struct work *w, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist keep = {};
        struct guest guest = guest_of(w);
        json_t *list = json_array();
        int r;

        if (json_object_set_new(w->result, "keep", list) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < w->container->n_services; i++) {
                const struct service *s = &w->container->services[i];
                struct probe_target target = target_of(w, s);
                _cleanup_probe_result_ struct probe_result result = {};

                if (s->probe.kind == PROBE_NONE)
                        continue;
                r = probe_ask(&s->probe, &target, &result, reterr);
                if (r < 0)
                        return r;
                if (record(w, s, &result) < 0)
                        return infra_error_oom(reterr);
        }
        r = package_keep_list(&guest, &keep, reterr);
        if (r >= 0)
                r = gate_failed_units(w, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < keep.n; i++)
                if (json_array_append_new(list, json_string(keep.items[i])) < 0)
                        return infra_error_oom(reterr);
        return 0;
}

/* Asks every service; the sentence of @reterr names each one that is worse than its baseline. */
static int ask_all(struct work *w, infra_error **reterr)
{
        _cleanup_str_ struct str worse = {};

        for (size_t i = 0; i < w->container->n_services; i++) {
                const struct service *s = &w->container->services[i];
                struct probe_target target = target_of(w, s);
                _cleanup_probe_result_ struct probe_result result = {};
                char port[ADDRESS_TEXT_MAX];
                int r;

                if (s->probe.kind == PROBE_NONE)
                        continue;
                /* One that did not serve before is asked once, for the record: waiting for it would be in vain. */
                if (baseline_of(w, s) == PROBE_PASS)
                        r = probe_wait(&s->probe, &target, &result, NULL, NULL, reterr);
                else
                        r = probe_ask(&s->probe, &target, &result, reterr);
                if (r < 0)
                        return r;
                if (record(w, s, &result) < 0)
                        return infra_error_oom(reterr);
                if (probe_is_worse(result.verdict, baseline_of(w, s)))
                        str_add(&worse, "%s%s %s: %s (%s:%u)", worse.length ? "; " : "", w->container->name,
                                ports_format(&s->port, port), result.detail ? result.detail : "no answer", s->span.file,
                                s->span.line);
        }
        if (worse.length)
                return infra_error_set(reterr, -EHOSTDOWN, "%s", worse.text);
        return 0;
}

int gate_serve_act(struct work *w, infra_error **reterr)
{
        return ask_all(w, reterr);
}

int gate_gate_act(struct work *w, infra_error **reterr)
{
        /* After a reboot in between the container may be down: the step stands on its own. */
        int r = power_boot_act(w, reterr);

        return r < 0 ? r : ask_all(w, reterr);
}
