/* SPDX-License-Identifier: GPL-2.0-or-later */

/* check reads the files in this process; only a policy this user may not read is checked by infrad. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <infra/estate.h>

#include "infractl/diagnostics.h"
#include "infractl/infractl.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

static const char default_policy[] = "/etc/infra";

static const char *plural(size_t n)
{
        return n == 1 ? "" : "s";
}

static int say_mistakes(const struct infractl *i, const json_t *j)
{
        size_t n = json_array_size(value_list(j, "diagnostics"));

        if (i->flags[OPTION_JSON])
                print_json(j);
        else
                fprintf(stderr, "%s\n%zu error%s: nothing of this policy is used.\n", value_text(j, "text"), n,
                        plural(n));
        return EXIT_POLICY;
}

static int say_right(const struct infractl *i, const infra_estate *estate, json_t *j)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *summary = NULL;
        size_t containers, services, upgrades;
        infra_error *e = NULL;
        int r = infra_estate_summary(estate, &text, &e);

        if (r < 0)
                return outcome(r, e);
        summary = json_loads(text, 0, NULL);
        if (i->flags[OPTION_JSON]) {
                json_object_update(j, summary);
                print_json(j);
                return EXIT_OK;
        }
        containers = json_array_size(value_list(summary, "containers"));
        services = (size_t)value_number(summary, "services");
        upgrades = json_array_size(value_list(summary, "upgrades"));
        printf("%s: %zu container%s, %zu service%s, %zu upgrade%s: no errors\n", value_text(summary, "host"),
               containers, plural(containers), services, plural(services), upgrades, plural(upgrades));
        return EXIT_OK;
}

static int check_here(struct infractl *i, const char *directory)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        infra_estate *estate = NULL;
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r, code;

        if (!diags)
                return outcome(-ENOMEM, NULL);
        r = infra_estate_load(directory, i->values[OPTION_PROFILES], diags, &estate, &e);
        if (r < 0 && r != -EBADMSG)
                return outcome(r, e);
        infra_error_free(e);
        j = diagnostics_json(diags);
        if (j && !i->flags[OPTION_JSON])
                json_make_printable(j, terminal_look(false).utf8);
        code = r < 0 ? say_mistakes(i, j) : say_right(i, estate, j);
        infra_estate_free(estate);
        return code;
}

static int check_there(struct infractl *i)
{
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        int r = infractl_fetch(i, &(struct question){ .ask = QUESTION_CHECK }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (json_array_size(value_list(j, "diagnostics")) > 0) {
                if (!i->flags[OPTION_JSON])
                        json_make_printable(j, terminal_look(false).utf8);
                return say_mistakes(i, j);
        }
        if (i->flags[OPTION_JSON])
                print_json(j);
        else
                printf("No errors, says infrad.\n");
        return EXIT_OK;
}

int verb_check(struct infractl *i)
{
        const char *directory = i->n_arguments ? i->arguments[0] : i->values[OPTION_POLICY];

        if (!directory && !i->flags[OPTION_LOCAL] && access(default_policy, R_OK | X_OK) < 0 && errno == EACCES)
                return check_there(i);
        return check_here(i, directory ? directory : default_policy);
}
