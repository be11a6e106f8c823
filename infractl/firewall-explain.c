/* SPDX-License-Identifier: GPL-2.0-or-later */

/* infractl firewall explain. Exit code 0: the packet gets through; 1: it does not; 10: it cannot be told. */

#include <infra/firewall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "infractl/firewall.h"
#include "infractl/trace-view.h"
#include "infractl/value.h"

static int code_of(const json_t *j)
{
        const char *verdict = value_text(j, "verdict");

        return streq(verdict, "accept") ? EXIT_OK : streq(verdict, "unknown") ? EXIT_UNDECIDED : EXIT_FAILED;
}

static void print_answer(const struct terminal *t, const json_t *j)
{
        bool through = streq(value_text(j, "verdict"), "accept");
        enum style s = through ? STYLE_GOOD : STYLE_BAD;

        printf("%s%s%s: %s, %s", style_on(t, s), value_text(j, "verdict"), style_off(t, s), value_text(j, "packet"), value_text(j, "path"));
        if (*value_text(j, "comes_by"))
                printf(", comes by %s", value_text(j, "comes_by"));
        if (*value_text(j, "leaves_by"))
                printf(", leaves by %s", value_text(j, "leaves_by"));
        printf("\n");
        if (through && !streq(value_text(j, "packet"), value_text(j, "after")))
                printf("becomes: %s%s\n", value_text(j, "after"), value_truth(j, "masqueraded") ? ", from the interface's own address" : "");
        else if (through && value_truth(j, "masqueraded"))
                printf("leaves from the interface's own address\n");
        trace_print(t, j, "  ");
}

/* The packet may come as one word or several: shells take '>' for themselves. */
static char *join(const struct infractl *i)
{
        struct str s = {};

        for (size_t k = 1; k < i->n_arguments; k++)
                str_add(&s, "%s%s", k > 1 ? " " : "", i->arguments[k]);
        return str_take(&s);
}

int firewall_explain_word(struct infractl *i)
{
        const char *policy = i->values[OPTION_POLICY] ? i->values[OPTION_POLICY] : "/etc/infra";
        _cleanup_free_ char *packet = join(i), *text = NULL;
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        infra_error *e = NULL;
        struct infra_packet what = {
                .in = i->values[OPTION_IN] ? i->values[OPTION_IN] : policy,
                .policy = policy,
                .profiles = i->values[OPTION_PROFILES],
                .packet = packet ? packet : "",
                .from = i->values[OPTION_FROM],
                .to = i->values[OPTION_TO],
                .state = i->values[OPTION_CT_STATE],
        };
        int r = infra_firewall_explain(&what, &text, &e);

        if (r < 0)
                return r == -EINVAL ? (outcome(r, e), EXIT_USAGE) : firewall_no_answer(r, e);
        j = json_loads(text, 0, NULL);
        if (i->flags[OPTION_JSON])
                print_json(j);
        else
                print_answer(&t, j);
        return code_of(j);
}
