/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <infra/firewall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"
#include "infractl/infractl.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

static const char default_into[] = "policy";

static void print_result(const json_t *j)
{
        const json_t *item;
        size_t i;

        printf("%s: a policy that is the same for every packet.\n", value_text(j, "into"));
        if (!value_truth(j, "recognised"))
                printf("Nothing was recognised as a container or service: all of it is rules in firewall.yaml.\n");
        json_array_foreach (value_list(j, "files"), i, item)
                printf("  %s\n", json_string_value(item));
        if (json_array_size(value_list(j, "assumed")))
                printf("That rests on:\n");
        json_array_foreach (value_list(j, "assumed"), i, item)
                printf("  %s\n", json_string_value(item));
        printf("Look at host.yaml, whose bridge and storage no rule speaks of; then: infractl check --policy %s\n", value_text(j, "into"));
}

int verb_import(struct infractl *i)
{
        struct infra_import what = {
                .kind = i->arguments[0],
                .files = i->arguments + 1,
                .into = i->values[OPTION_INTO] ? i->values[OPTION_INTO] : default_into,
                .profiles = i->values[OPTION_PROFILES],
                .host = i->values[OPTION_HOST_NAME],
                .release = i->values[OPTION_RELEASE],
                .bridge = i->values[OPTION_BRIDGE],
                .network = i->values[OPTION_NETWORK],
                .resolve = i->flags[OPTION_RESOLVE],
                .only_rules = i->flags[OPTION_ONLY_RULES],
        };
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r;

        if (!diags)
                return outcome(-ENOMEM, NULL);
        if (!streq(what.kind, "ferm") && !streq(what.kind, "iptables")) {
                fprintf(stderr, "infractl: '%s' cannot be imported, only ferm and iptables\n", what.kind);
                return EXIT_USAGE;
        }
        r = infra_firewall_import(&what, diags, &text, &e);
        if (r == -EBADMSG && infra_diags_count(diags) > 0) {
                infra_error_free(e);
                infra_diags_print(diags, stderr);
                fprintf(stderr, "\n%zu error%s: nothing is imported.\n", infra_diags_count(diags), infra_diags_count(diags) == 1 ? "" : "s");
                return EXIT_POLICY;
        }
        if (r < 0)
                return outcome(r, e);
        j = json_loads(text, 0, NULL);
        if (i->flags[OPTION_JSON])
                print_json(j);
        else
                print_result(j);
        return EXIT_OK;
}
