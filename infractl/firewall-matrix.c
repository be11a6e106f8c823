/* SPDX-License-Identifier: GPL-2.0-or-later */

/* matrix: who may reach what. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <infra/firewall.h>

#include "base/array.h"
#include "infractl/firewall-matrix.h"
#include "infractl/firewall.h"
#include "infractl/table.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

void matrix_port(struct str *s, const json_t *port)
{
        const json_t *families = value_list(port, "families");

        str_add(s, "%s", value_text(port, "port"));
        if (!value_truth(port, "partly"))
                return;
        if (json_array_size(families) == 1)
                str_add(s, streq(json_string_value(json_array_get(families, 0)), "ipv4") ? " IPv4" : " IPv6");
        else
                str_add(s, " partly");
}

static void cell_text(struct str *s, const json_t *cell)
{
        const json_t *port;
        size_t i;

        json_array_foreach(cell, i, port) {
                str_add(s, "%s", i ? ", " : "");
                matrix_port(s, port);
        }
}

struct group {
        char *ports;
        struct str names;
};

/* Origins that reach the same are one line; those that reach what anybody does are not repeated. */
static bool add_to_group(struct group **groups, size_t *n, const json_t *cell, const char *name)
{
        _cleanup_free_ char *ports = NULL;
        struct str text = {};
        struct group *g;

        cell_text(&text, cell);
        ports = str_take(&text);
        if (!ports)
                return false;
        for (size_t i = 0; i < *n; i++)
                if (streq((*groups)[i].ports, ports)) {
                        if (!startswith((*groups)[i].names.text, "any"))
                                str_add(&(*groups)[i].names, ", %s", name);
                        return true;
                }
        g = ARRAY_ADD(*groups, *n);
        if (!g)
                return false;
        g->ports = TAKE_PTR(ports);
        str_add(&g->names, "%s", name);
        return !g->names.failed;
}

/* All that reach the container; to be freed with groups_free(). */
static bool find_groups(const json_t *j, size_t column, struct group **ret, size_t *ret_n)
{
        const json_t *row;
        bool right = true;
        size_t i;

        json_array_foreach(value_list(j, "from"), i, row) {
                const json_t *cell = json_array_get(value_list(row, "cells"), column);
                _cleanup_str_ struct str origin = {};

                /* A zone may be called as a container is. */
                str_add(&origin, "%s%s", value_text(row, "name"), streq(value_text(row, "kind"), "zone") ? " (zone)" : "");
                if (right && json_array_size(cell) > 0)
                        right = !origin.failed && add_to_group(ret, ret_n, cell, origin.text);
        }
        return right;
}

static void groups_free(struct group *groups, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(groups[i].ports);
                str_done(&groups[i].names);
        }
        free(groups);
}

static void print_rows(struct table *t, const char *name, const struct group *groups, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                table_add(t, STYLE_BOLD, "%s", name);
                table_add(t, STYLE_PLAIN, "%s", groups[i].ports);
                table_add(t, STYLE_PLAIN, "%s", groups[i].names.text ? groups[i].names.text : "");
        }
}

/* Where the table is wider than the screen. */
static void print_block(const struct terminal *t, const char *name, const struct group *groups, size_t n)
{
        if (n)
                printf("%s%s%s\n", style_on(t, STYLE_BOLD), name, style_off(t, STYLE_BOLD));
        for (size_t i = 0; i < n; i++) {
                print_wrapped(t, groups[i].names.text ? groups[i].names.text : "", 2);
                print_wrapped(t, groups[i].ports, 6);
        }
}

/* @table: rows are added to it; NULL: printed as blocks. */
static bool print_columns(const struct terminal *t, struct table *table, const json_t *j)
{
        bool right = true;

        for (size_t k = 0; right && k < json_array_size(value_list(j, "to")); k++) {
                const char *name = value_text(json_array_get(value_list(j, "to"), k), "name");
                struct group *groups = NULL;
                size_t n = 0;

                right = find_groups(j, k, &groups, &n);
                if (right && table)
                        print_rows(table, name, groups, n);
                else if (right)
                        print_block(t, name, groups, n);
                groups_free(groups, n);
        }
        return right;
}

static int print_people(const struct infractl *i, json_t *j)
{
        static const struct table_column columns[] = { { "TO", false }, { "PORTS THAT GET THROUGH", false }, { "FROM", false } };
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_table_ struct table *table = table_new(&t, columns, ELEMENTS(columns), 0);

        if (!table)
                return outcome(-ENOMEM, NULL);
        json_make_printable(j, t.utf8);
        if (!print_columns(&t, table, j))
                return outcome(-ENOMEM, NULL);
        if (!isatty(STDOUT_FILENO) || table_width(table) <= t.width)
                table_print(table);
        else if (!print_columns(&t, NULL, j))
                return outcome(-ENOMEM, NULL);
        printf("\nEvery port was tried with a packet. Who reaches what any does is not repeated.\n");
        return EXIT_OK;
}

static int write_text(const struct infractl *i, const char *text)
{
        const char *path = i->values[OPTION_OUTPUT];
        FILE *f = path ? fopen(path, "we") : stdout;
        bool failed = !f || fputs(text, f) < 0 || fflush(f) != 0;

        if (f && path)
                failed = fclose(f) != 0 || failed;
        if (failed)
                fprintf(stderr, "infractl: cannot write %s: %m\n", path ? path : "the answer");
        return failed ? EXIT_FAILED : EXIT_OK;
}

static int write_drawing(const struct infractl *i, const json_t *j, void (*draw)(struct str *s, const json_t *j))
{
        _cleanup_free_ char *text = NULL;
        struct str s = {};

        draw(&s, j);
        text = str_take(&s);
        return text ? write_text(i, text) : outcome(-ENOMEM, NULL);
}

static int write_json(const struct infractl *i, const json_t *j)
{
        _cleanup_free_ char *text = json_dumps(j, JSON_INDENT(2));

        return text ? write_text(i, text) : outcome(-ENOMEM, NULL);
}

static int fetch(const struct infractl *i, json_t **ret)
{
        const char *policy = i->values[OPTION_POLICY] ? i->values[OPTION_POLICY] : "/etc/infra";
        const char *in = i->values[OPTION_IN] ? i->values[OPTION_IN] : policy;
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int r = infra_firewall_matrix(in, policy, i->values[OPTION_PROFILES], &text, &e);

        if (r < 0)
                return outcome(r, e);
        *ret = json_loads(text, 0, NULL);
        return *ret ? EXIT_OK : outcome(-ENOMEM, NULL);
}

int firewall_matrix_word(struct infractl *i)
{
        const char *format = i->flags[OPTION_JSON] ? "json" : i->values[OPTION_FORMAT] ? i->values[OPTION_FORMAT] : "table";
        _cleanup_json_ json_t *j = NULL;
        int code;

        if (!streq(format, "table") && !streq(format, "json") && !streq(format, "svg") && !streq(format, "html")) {
                fprintf(stderr, "infractl: '--format %s' is none of table, svg, html, json\n", format);
                return EXIT_USAGE;
        }
        if (streq(format, "table") && i->values[OPTION_OUTPUT]) {
                fprintf(stderr, "infractl: --output goes with --format svg, html or json\n");
                return EXIT_USAGE;
        }
        code = fetch(i, &j);
        if (code != EXIT_OK)
                return code;
        if (streq(format, "table"))
                return print_people(i, j);
        if (streq(format, "json"))
                return write_json(i, j);
        return write_drawing(i, j, streq(format, "svg") ? matrix_svg : matrix_html);
}
