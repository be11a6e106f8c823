/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A configuration of ferm as what iptables-save would print: the same bytes as from "ferm --remote", without comments. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"
#include "firewall/import/legacy.h"

/* As ferm writes a word for iptables-restore. */
static void print_word(const char *word)
{
        bool quoted = !*word || strpbrk(word, " \t\r\n\f'\\;&");

        if (quoted)
                putchar('"');
        for (; *word; word++) {
                if (*word == '"')
                        putchar('\\');
                putchar(*word);
        }
        if (quoted)
                putchar('"');
}

static void print_rule(const struct legacy_chain *c, const struct legacy_rule *r, bool spans)
{
        if (spans)
                printf("%s:%u ", r->span.file ? r->span.file : "-", r->span.line);
        printf("-A %s", c->name);
        for (size_t i = 0; i < r->words.n; i++) {
                putchar(' ');
                /* An option and "!" are never quoted; they have nothing that would be. */
                print_word(r->words.items[i]);
        }
        putchar('\n');
}

static void print_legacy(const struct legacy *l, bool spans)
{
        int family = 0;

        for (size_t i = 0; i < l->n_tables; i++) {
                const struct legacy_table *t = &l->tables[i];

                if (t->family != family)
                        printf("# %s\n", t->family == AF_INET ? "iptables" : "ip6tables");
                family = t->family;
                printf("*%s\n", t->name);
                for (size_t j = 0; j < t->n_chains; j++)
                        printf(":%s %s [0:0]\n", t->chains[j].name, t->chains[j].policy ? t->chains[j].policy : "-");
                for (size_t j = 0; j < t->n_chains; j++)
                        for (size_t k = 0; k < t->chains[j].n_rules; k++)
                                print_rule(&t->chains[j], &t->chains[j].rules[k], spans);
                puts("COMMIT");
        }
}

int main(int argc, char **argv)
{
        _cleanup_legacy_ struct legacy l = {};
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_error_ infra_error *error = NULL;
        bool spans = argc == 4 && streq(argv[1], "ferm") && streq(argv[3], "--spans");
        int r;

        if ((argc != 3 && !spans) || !streq(argv[1], "ferm")) {
                fputs("usage: import-tool ferm FILE [--spans]\n", stderr);
                return 2;
        }
        r = diags ? legacy_read_ferm(&l, argv[2], false, diags, &error) : -ENOMEM;
        print_legacy(&l, spans);
        if (r >= 0)
                return 0;
        infra_diags_print(diags, stderr);
        fprintf(stderr, "import-tool: %s\n", error ? infra_error_message(error) : strerror(-r));
        return 1;
}
