/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The words behind `infractl firewall`: one row each in verb-firewall.c, in files of their own. */

#include "infractl/infractl.h"

struct firewall_word {
        const char *name;
        const char *arguments;      /* for the usage line, "" = none */
        unsigned min, max;          /* number of them, behind the word */
        const char *summary;
        int (*run)(struct infractl *i); /* arguments[0] is the word itself */
};
extern const struct firewall_word firewall_words[];
extern const size_t n_firewall_words;

/* Of words whose exit status answers: the one for an error, which is told. */
int firewall_no_answer(int r, infra_error *e);

int firewall_show_word(struct infractl *i);
int firewall_diff_word(struct infractl *i);
int firewall_ban_word(struct infractl *i);
int firewall_unban_word(struct infractl *i);
int firewall_bans_word(struct infractl *i);
int firewall_doctor_word(struct infractl *i);
int firewall_equal_word(struct infractl *i);
int firewall_explain_word(struct infractl *i);
int firewall_matrix_word(struct infractl *i);

/* firewall-change.c. say: confirm, revert. */
int firewall_apply_word(struct infractl *i);
int firewall_say_word(struct infractl *i);
int firewall_restore_word(struct infractl *i);
int firewall_status_word(struct infractl *i);
int firewall_generations_word(struct infractl *i);
int firewall_boot_word(struct infractl *i);
