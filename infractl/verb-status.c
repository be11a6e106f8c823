/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The first line is for a person who has time for one line. */

#include <stdio.h>

#include "base/clock.h"
#include "infractl/container-view.h"
#include "infractl/infractl.h"
#include "infractl/value.h"

struct counts {
        size_t all, running, fenced;
};

static struct counts count(const json_t *containers)
{
        struct counts n = {};
        const json_t *c;
        size_t i;

        json_array_foreach (containers, i, c) {
                n.all++;
                n.running += value_truth(c, "running");
                n.fenced += streq(value_text(c, "fence"), "closed");
        }
        return n;
}

static void add_containers(struct str *s, const struct counts *n)
{
        if (n->all == 0)
                str_add(s, "no containers");
        else if (n->running == n->all)
                str_add(s, "%zu container%s", n->all, n->all == 1 ? " runs" : "s run");
        else
                str_add(s, "%zu of %zu containers run", n->running, n->all);
        if (n->fenced)
                str_add(s, ", %zu behind a closed fence", n->fenced);
}

static void add_run(struct str *s, const json_t *run)
{
        if (!json_is_object(run)) {
                str_add(s, "no run under way");
                return;
        }
        str_add(s, "run %lld (%s%s%s) %s", value_number(run, "id"), value_text(run, "kind"),
                *value_text(run, "subject") ? " " : "", value_text(run, "subject"),
                streq(value_text(run, "state"), "running") ? "is under way" : value_text(run, "state"));
}

/* What waits, or was done by somebody else, comes before everything else about the firewall. */
static void add_firewall(struct str *s, const json_t *j)
{
        const json_t *firewall = json_object_get(j, "firewall"), *change = json_object_get(j, "firewall_change");
        const json_t *pending = json_object_get(change, "pending");
        char left[32];

        if (!value_truth(firewall, "loaded"))
                str_add(s, ", firewall NOT LOADED, ");
        else if (json_is_object(pending))
                str_add(s, ", firewall generation %lld GOES BACK in %s unless confirmed, ", value_number(pending, "number"),
                        str_duration(left, value_number(pending, "left_ms")));
        else if (value_truth(change, "rescued"))
                str_add(s, ", the RESCUE ruleset is loaded, ");
        else if (value_truth(change, "drifted"))
                str_add(s, ", firewall changed by somebody else, ");
        else
                str_add(s, value_truth(firewall, "differs") ? ", firewall differs from the policy, " : ", firewall as policy, ");
}

static void print_headline(const struct terminal *t, const json_t *j)
{
        const json_t *firewall = json_object_get(j, "firewall"), *run = json_object_get(j, "run");
        const json_t *change = json_object_get(j, "firewall_change");
        bool loaded = value_truth(firewall, "loaded"), differs = value_truth(firewall, "differs") || value_truth(change, "drifted");
        struct counts n = count(value_list(j, "containers"));
        _cleanup_str_ struct str s = {};
        enum style style = !loaded || value_truth(change, "rescued") || n.running < n.all ? STYLE_BAD
                           : differs || n.fenced || json_is_object(json_object_get(change, "pending")) || json_is_object(run) ? STYLE_CARE
                                                                        : STYLE_GOOD;

        str_add(&s, "%s: ", value_text(j, "host"));
        add_containers(&s, &n);
        add_firewall(&s, j);
        add_run(&s, run);
        printf("%s%s%s\n", style_on(t, style), s.text ? s.text : "", style_off(t, style));
}

static void print_details(const struct terminal *t, const json_t *j)
{
        const json_t *storage = json_object_get(j, "storage"), *policy = json_object_get(j, "policy");
        char free_space[32], total[32];

        printf("%sstorage %s (%s): %s of %s free; policy %s%s%s\n", style_on(t, STYLE_DIM), value_text(storage, "path"),
               value_text(storage, "backend"), str_bytes(free_space, (unsigned long long)value_number(storage, "free")),
               str_bytes(total, (unsigned long long)value_number(storage, "total")), value_text(policy, "directory"),
               value_truth(j, "bridge") ? "" : "; the bridge is missing", style_off(t, STYLE_DIM));
}

static void print_advice(const json_t *j)
{
        const json_t *firewall = json_object_get(j, "firewall"), *run = json_object_get(j, "run");

        if (json_is_object(json_object_get(json_object_get(j, "firewall_change"), "pending")))
                printf("infractl firewall status says what waits; over a new connection: ssh HOST infractl firewall confirm\n");
        else if (value_truth(json_object_get(j, "firewall_change"), "rescued"))
                printf("infractl firewall status says what now.\n");
        else if (value_truth(json_object_get(j, "firewall_change"), "drifted"))
                printf("infractl firewall status shows what somebody else changed.\n");
        if (json_is_object(run))
                printf("infractl watch %lld follows the run.\n", value_number(run, "id"));
        else if (!value_truth(firewall, "loaded") || value_truth(firewall, "differs"))
                printf("infractl apply brings the host to what the policy says; infractl plan apply shows how.\n");
}

int verb_status(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_STATUS }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        print_headline(&t, j);
        print_details(&t, j);
        putchar('\n');
        containers_print(&t, value_list(j, "containers"), value_list(j, "foreign"));
        print_advice(j);
        return EXIT_OK;
}
