/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * infractl --complete WHAT: one candidate a line, for the shells' completions. Says nothing when something is
 * wrong: a person who pressed the tabulator wants no errors.
 */

#include <errno.h>
#include <stdio.h>

#include <infra/estate.h>

#include "base/diag.h"
#include "infractl/firewall.h"
#include "infractl/value.h"

static int summary(const struct infractl *i, json_t **ret)
{
        const char *policy = i->values[OPTION_POLICY] ? i->values[OPTION_POLICY] : "/etc/infra";
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        infra_estate *estate = NULL;
        _cleanup_free_ char *text = NULL;
        int r = diags ? infra_estate_load(policy, i->values[OPTION_PROFILES], diags, &estate, NULL) : -ENOMEM;

        if (r >= 0)
                r = infra_estate_summary(estate, &text, NULL);
        infra_estate_free(estate);
        if (r < 0)
                return r;
        *ret = json_loads(text, 0, NULL);
        return *ret ? 0 : -ENOMEM;
}

static int print_containers(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        const json_t *c;
        size_t k;

        if (summary(i, &j) < 0)
                return EXIT_FAILED;
        json_array_foreach (value_list(j, "containers"), k, c)
                puts(value_text(c, "name"));
        return EXIT_OK;
}

static int print_upgrades(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        const json_t *u;
        size_t k;

        if (summary(i, &j) < 0)
                return EXIT_FAILED;
        json_array_foreach (value_list(j, "upgrades"), k, u)
                puts(json_string_value(u));
        return EXIT_OK;
}

static int print_runs(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        const json_t *run;
        size_t k;

        if (infractl_fetch(i, &(struct question){ .ask = QUESTION_RUNS, .limit = i->limit }, &j, NULL) < 0)
                return EXIT_FAILED;
        json_array_foreach (value_list(j, "runs"), k, run)
                printf("%lld\n", value_number(run, "id"));
        return EXIT_OK;
}

static int print_verbs(struct infractl *i)
{
        (void)i;
        for (size_t k = 0; k < n_verbs; k++)
                printf("%s\t%s\n", verbs[k].name, verbs[k].summary);
        return EXIT_OK;
}

static int print_firewall_words(struct infractl *i)
{
        (void)i;
        for (size_t k = 0; k < n_firewall_words; k++)
                printf("%s\t%s\n", firewall_words[k].name, firewall_words[k].summary);
        return EXIT_OK;
}

static int print_options(struct infractl *i)
{
        for (size_t o = 0; o < OPTION_MAX; o++)
                if (option_rows[o].help && (o < OPTION_GLOBAL_MAX || (i->verb && i->verb->options & OPTION_BIT(o))))
                        printf("--%s%s\t%s\n", option_rows[o].name, option_rows[o].argument ? "=" : "",
                               option_rows[o].help);
        return EXIT_OK;
}

int complete_print(struct infractl *i, const char *what)
{
        static const struct {
                const char *what;
                int (*print)(struct infractl *i);
        } rows[] = {
                { "containers", print_containers }, { "upgrades", print_upgrades }, { "runs", print_runs },
                { "verbs", print_verbs },           { "options", print_options },
                { "firewall", print_firewall_words },
        };

        for (size_t k = 0; k < ELEMENTS(rows); k++)
                if (streq(rows[k].what, what))
                        return rows[k].print(i);
        return EXIT_USAGE;
}
