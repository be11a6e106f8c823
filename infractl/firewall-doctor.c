/* SPDX-License-Identifier: GPL-2.0-or-later */

/* infractl firewall doctor. Exit code 0: nothing worse than a note. */

#include <infra/firewall.h>

#include <stdio.h>
#include <stdlib.h>

#include "infractl/firewall.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

static enum style style_for(const char *severity)
{
        return streq(severity, "error") ? STYLE_BAD : streq(severity, "warning") ? STYLE_CARE : STYLE_DIM;
}

static void print_finding(const struct terminal *t, const json_t *f)
{
        enum style s = style_for(value_text(f, "severity"));

        printf("%s%s%s: %s", style_on(t, s), value_text(f, "severity"), style_off(t, s), value_text(f, "subject"));
        if (*value_text(f, "by"))
                printf(" (%s)", value_text(f, "by"));
        printf(": %s\n", value_text(f, "text"));
        printf("    look: %s\n    mend: %s\n", value_text(f, "look"), value_text(f, "mend"));
}

int firewall_doctor_word(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        const json_t *f;
        bool bad = false;
        size_t k;
        int r = infra_firewall_doctor(i->values[OPTION_ROOT], &text, &e);

        if (r < 0)
                return outcome(r, e);
        j = json_loads(text, 0, NULL);
        json_array_foreach (value_list(j, "findings"), k, f)
                bad = bad || !streq(value_text(f, "severity"), "note");
        if (i->flags[OPTION_JSON]) {
                print_json(j);
                return bad ? EXIT_FAILED : EXIT_OK;
        }
        json_array_foreach (value_list(j, "findings"), k, f)
                print_finding(&t, f);
        if (!json_array_size(value_list(j, "findings")))
                printf("Nothing beside our ruleset decides about packets.\n");
        return bad ? EXIT_FAILED : EXIT_OK;
}
