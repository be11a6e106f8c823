/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>
#include <string.h>

#include "infractl/firewall.h"

const struct firewall_word firewall_words[] = {
        { "show", "", 0, 0, "our ruleset as loaded", firewall_show_word },
        { "diff", "", 0, 0, "what loading the policy would change", firewall_diff_word },
        { "apply", "", 0, 0, "load the policy, and go back unless it is confirmed", firewall_apply_word },
        { "confirm", "", 0, 0, "say over a new connection that it may stay", firewall_say_word },
        { "revert", "", 0, 0, "go back at once", firewall_say_word },
        { "restore", "N", 1, 1, "load generation N, as apply does", firewall_restore_word },
        { "generations", "", 0, 0, "those that are kept", firewall_generations_word },
        { "status", "", 0, 0, "what is loaded, what waits, who else changed it", firewall_status_word },
        { "boot", "", 0, 0, "load the confirmed one; needs no infrad", firewall_boot_word },
        { "ban", "ADDRESS", 1, 1, "drop everything that comes from there", firewall_ban_word },
        { "unban", "ADDRESS", 1, 1, "lift a ban", firewall_unban_word },
        { "bans", "", 0, 0, "who is banned, and for how long", firewall_bans_word },
        { "explain", "PACKET...", 1, 12, "what becomes of a packet, and by which rules", firewall_explain_word },
        { "matrix", "", 0, 0, "who may reach what", firewall_matrix_word },
        { "equal", "OLD NEW", 2, 2, "whether two rulesets treat every packet alike", firewall_equal_word },
        { "doctor", "", 0, 0, "what else decides about packets here", firewall_doctor_word },
};
const size_t n_firewall_words = ELEMENTS(firewall_words);

/* 1 is an answer (dropped, different), and what is not there is not a container or run of that name. */
int firewall_no_answer(int r, infra_error *e)
{
        int code = outcome(r, e);

        return code == EXIT_FAILED || code == EXIT_NOT_FOUND ? EXIT_UNDECIDED : code;
}

static int usage(void)
{
        fprintf(stderr, "Usage: infractl firewall WORD [ARGUMENT...]; the words:\n");
        for (size_t k = 0; k < n_firewall_words; k++) {
                char left[64];

                snprintf(left, sizeof(left), "%s%s%s", firewall_words[k].name, *firewall_words[k].arguments ? " " : "", firewall_words[k].arguments);
                fprintf(stderr, "  %-28s %s\n", left, firewall_words[k].summary);
        }
        return EXIT_USAGE;
}

static int unknown(const char *word)
{
        const char *names[ELEMENTS(firewall_words)], *near;

        for (size_t k = 0; k < n_firewall_words; k++)
                names[k] = firewall_words[k].name;
        near = str_nearest(word, names, n_firewall_words);
        fprintf(stderr, "infractl: unknown argument '%s'", word);
        fprintf(stderr, near ? "; did you mean '%s'?\n" : "\n", near);
        return usage();
}

int verb_firewall(struct infractl *i)
{
        for (size_t k = 0; k < n_firewall_words; k++) {
                const struct firewall_word *w = &firewall_words[k];

                if (!streq(w->name, i->arguments[0]))
                        continue;
                if (i->n_arguments - 1 >= w->min && i->n_arguments - 1 <= w->max)
                        return w->run(i);
                fprintf(stderr, "Usage: infractl firewall %s%s%s\n", w->name, *w->arguments ? " " : "", w->arguments);
                return EXIT_USAGE;
        }
        return unknown(i->arguments[0]);
}
