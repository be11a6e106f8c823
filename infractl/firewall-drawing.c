/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The matrix as HTML and SVG. Colour only repeats what the text says. */

#include "infractl/firewall-matrix.h"

#include <stdlib.h>
#include <string.h>

#include "infractl/value.h"

enum { LINE = 15, LETTER = 8, COLUMN_LEAST = 84, TOP = 104, PAD = 6, TITLE_WIDTH = 700 };

static void add_escaped(struct str *s, const char *text)
{
        for (; *text; text++)
                switch (*text) {
                case '&': str_add(s, "&amp;"); break;
                case '<': str_add(s, "&lt;"); break;
                case '>': str_add(s, "&gt;"); break;
                case '"': str_add(s, "&quot;"); break;
                default: str_add(s, "%c", *text);
                }
}

static const char *class_of(const json_t *row)
{
        const char *kind = value_text(row, "kind");

        return streq(kind, "any") ? "any" : streq(kind, "zone") ? "zone" : streq(kind, "network") ? "network" : "container";
}

static void add_port(struct str *s, const json_t *port)
{
        _cleanup_str_ struct str text = {};

        matrix_port(&text, port);
        add_escaped(s, text.text ? text.text : "");
}

static const json_t *any_cells(const json_t *j)
{
        return value_list(json_array_get(value_list(j, "from"), 0), "cells");
}

static char *cell_words(const json_t *cell)
{
        struct str s = {};
        const json_t *port;
        size_t i;

        json_array_foreach(cell, i, port) {
                str_add(&s, "%s", i ? ", " : "");
                matrix_port(&s, port);
        }
        return str_take(&s);
}

/* Whether an origin reaches what anybody does, which need not be read again. */
static bool is_as_any(const json_t *row, const json_t *cell, const json_t *any)
{
        _cleanup_free_ char *a = cell_words(cell), *b = cell_words(any);

        return !streq(class_of(row), "any") && json_array_size(cell) > 0 && a && b && streq(a, b);
}

static bool is_more(const json_t *row, const json_t *port, const json_t *any)
{
        const json_t *other;
        size_t i;

        if (streq(class_of(row), "any"))
                return false;
        json_array_foreach(any, i, other)
                if (streq(value_text(other, "port"), value_text(port, "port")))
                        return false;
        return true;
}

static const char html_style[] =
        "<style>\n"
        ":root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d1d9e0;--head:#f3f5f7;--any:#fde7c7;--zone:#dbeafe;"
        "--container:#dcf5e3;--network:#efe3fb}\n"
        "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9da7b1;--paper:#0f1318;--line:#343b44;--head:#1a2028;--any:#5a3d0c;"
        "--zone:#173a66;--container:#14492a;--network:#44286a}}\n"
        "body{font:15px/1.4 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:1.5rem}\n"
        "h1{font-size:1.3rem;margin:0}p{color:var(--dim);margin:.3rem 0 1rem;max-width:60rem}\n"
        ".scroll{overflow:auto;max-height:calc(100vh - 9rem);border:1px solid var(--line);border-radius:6px}\n"
        "table{border-collapse:separate;border-spacing:0;font-size:13px}\n"
        "th,td{padding:.35rem .5rem;border-right:1px solid var(--line);border-bottom:1px solid var(--line);vertical-align:top;text-align:left}\n"
        "th{background:var(--head);position:sticky;white-space:nowrap}thead th{top:0;z-index:1}tbody th{left:0}\n"
        "thead th:first-child{left:0;z-index:2}td{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
        "th small{display:block;font-weight:400;color:var(--dim)}td.none,td.self{color:var(--dim);text-align:center}\n"
        "td ul{list-style:none;margin:0;padding:0}tr.any td.open{background:var(--any)}tr.zone td.open{background:var(--zone)}\n"
        "tr.container td.open{background:var(--container)}tr.network td.open{background:var(--network)}\n"
        "@media print{.scroll{max-height:none;overflow:visible}}\n"
        "</style>\n";

static void html_cell(struct str *s, const json_t *row, const json_t *cell, const json_t *any)
{
        const json_t *port;
        size_t i;

        if (!json_is_array(cell)) {
                str_add(s, "<td class=\"self\" aria-label=\"itself\">\xe2\x80\x94</td>");
                return;
        }
        if (json_array_size(cell) == 0) {
                str_add(s, "<td class=\"none\" aria-label=\"nothing\">\xc2\xb7</td>");
                return;
        }
        if (is_as_any(row, cell, any)) {
                str_add(s, "<td class=\"none\">as any</td>");
                return;
        }
        str_add(s, "<td class=\"open\"><ul>");
        json_array_foreach(cell, i, port) {
                bool more = is_more(row, port, any);

                str_add(s, more ? "<li><strong>" : "<li>");
                add_port(s, port);
                str_add(s, more ? "</strong></li>" : "</li>");
        }
        str_add(s, "</ul></td>");
}

static void html_row(struct str *s, const json_t *row, const json_t *any)
{
        const json_t *cell;
        size_t i;

        str_add(s, "<tr class=\"%s\"><th scope=\"row\">", class_of(row));
        add_escaped(s, value_text(row, "name"));
        str_add(s, "<small>%s</small></th>", streq(class_of(row), "any") ? "anybody" : class_of(row));
        json_array_foreach(value_list(row, "cells"), i, cell)
                html_cell(s, row, cell, json_array_get(any, i));
        str_add(s, "</tr>\n");
}

void matrix_html(struct str *s, const json_t *j)
{
        const json_t *item;
        size_t i;

        str_add(s, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Who may reach what: ");
        add_escaped(s, value_text(j, "host"));
        str_add(s, "</title>\n%s</head>\n<body>\n<main>\n<h1>Who may reach what on ", html_style);
        add_escaped(s, value_text(j, "host"));
        str_add(s, "</h1>\n<p>Rows come from, columns are reached. Each port was tried with a packet, over IPv4 and IPv6 where both ends have it: "
                   "what stands here gets through, in bold what not everybody reaches. \xc2\xb7 = nothing gets through.</p>\n"
                   "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix\">\n<table>\n<thead><tr><th scope=\"col\">from \\ to</th>");
        json_array_foreach(value_list(j, "to"), i, item) {
                str_add(s, "<th scope=\"col\">");
                add_escaped(s, value_text(item, "name"));
                str_add(s, "<small>%s</small></th>", streq(value_text(item, "kind"), "host") ? "host" : "container");
        }
        str_add(s, "</tr></thead>\n<tbody>\n");
        json_array_foreach(value_list(j, "from"), i, item)
                html_row(s, item, any_cells(j));
        str_add(s, "</tbody>\n</table>\n</div>\n</main>\n</body>\n</html>\n");
}

static const char svg_style[] =
        "<style>text{font:12px system-ui,sans-serif;fill:#1b1f24}.h{font-weight:600}.d{fill:#59636e}.b{fill:#fff}.g{stroke:#d1d9e0}"
        ".any{fill:#fde7c7}.zone{fill:#dbeafe}.container{fill:#dcf5e3}.network{fill:#efe3fb}.self{fill:#eef0f2}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9da7b1}.b{fill:#0f1318}.g{stroke:#343b44}.any{fill:#5a3d0c}"
        ".zone{fill:#173a66}.container{fill:#14492a}.network{fill:#44286a}.self{fill:#1a2028}}</style>\n";

/* Where the columns begin; the last number is where the last one ends. A letter takes at most LETTER in most fonts. */
struct layout {
        size_t *x;
        size_t n;
};

static size_t cell_width(const json_t *cell)
{
        size_t width = COLUMN_LEAST, i;
        const json_t *port;

        json_array_foreach(cell, i, port) {
                _cleanup_str_ struct str text = {};

                matrix_port(&text, port);
                width = MAX(width, text.length * LETTER + 2 * PAD);
        }
        return width;
}

static bool lay_out(const json_t *j, struct layout *ret)
{
        const json_t *item, *row, *to = value_list(j, "to"), *from = value_list(j, "from");
        size_t i, k;

        ret->n = json_array_size(to);
        ret->x = calloc(ret->n + 1, sizeof(*ret->x));
        if (!ret->x)
                return false;
        ret->x[0] = COLUMN_LEAST;
        json_array_foreach(from, i, row)
                ret->x[0] = MAX(ret->x[0], strlen(value_text(row, "name")) * LETTER + 2 * PAD);
        json_array_foreach(to, i, item) {
                size_t width = strlen(value_text(item, "name")) * LETTER + 2 * PAD;

                json_array_foreach(from, k, row)
                        width = MAX(width, cell_width(json_array_get(value_list(row, "cells"), i)));
                ret->x[i + 1] = ret->x[i] + width;
        }
        return true;
}

/* Two lines at least, for the name and what it is of. */
static size_t row_height(const json_t *row, const json_t *any)
{
        size_t lines = 2, i;
        const json_t *cell;

        json_array_foreach(value_list(row, "cells"), i, cell)
                if (!is_as_any(row, cell, json_array_get(any, i)))
                        lines = MAX(lines, json_array_size(cell));
        return lines * LINE + 2 * PAD;
}

static void svg_text(struct str *s, size_t x, size_t y, const char *class, const char *text)
{
        str_add(s, "<text x=\"%zu\" y=\"%zu\" class=\"%s\">", x, y, class);
        add_escaped(s, text);
        str_add(s, "</text>");
}

static void svg_cell(struct str *s, const json_t *row, const json_t *any, const struct layout *l, size_t column, size_t y)
{
        const json_t *port, *cell = json_array_get(value_list(row, "cells"), column), *other = json_array_get(any, column);
        size_t x = l->x[column], i;

        if (is_as_any(row, cell, other)) {
                svg_text(s, x + PAD, y + PAD + LINE - 4, "d", "as any");
                return;
        }
        if (json_array_size(cell) > 0 || !json_is_array(cell))
                str_add(s, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" class=\"%s\"/>", x, y, l->x[column + 1] - x,
                        row_height(row, any), json_is_array(cell) ? class_of(row) : "self");
        json_array_foreach(cell, i, port) {
                str_add(s, "<text x=\"%zu\" y=\"%zu\"%s>", x + PAD, y + PAD + LINE * (i + 1) - 4, is_more(row, port, other) ? " class=\"h\"" : "");
                add_port(s, port);
                str_add(s, "</text>");
        }
}

static void svg_row(struct str *s, const json_t *row, const json_t *any, const struct layout *l, size_t y)
{
        for (size_t i = 0; i < l->n; i++)
                svg_cell(s, row, any, l, i, y);
        svg_text(s, PAD, y + PAD + LINE - 4, "h", value_text(row, "name"));
        svg_text(s, PAD, y + PAD + 2 * LINE - 4, "d", streq(class_of(row), "any") ? "anybody" : class_of(row));
        str_add(s, "<line x1=\"0\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\" class=\"g\"/>\n", y, l->x[l->n], y);
}

static void svg_title(struct str *s, const json_t *j, size_t width, size_t height)
{
        str_add(s, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" role=\"img\" "
                   "aria-labelledby=\"title desc\">\n<title id=\"title\">Who may reach what on ", width, height, width, height);
        add_escaped(s, value_text(j, "host"));
        str_add(s, "</title>\n<desc id=\"desc\">Rows come from, columns are reached; the ports in a cell get through.</desc>\n%s"
                   "<rect width=\"%zu\" height=\"%zu\" class=\"b\"/>\n", svg_style, width, height);
        str_add(s, "<text x=\"%d\" y=\"24\" class=\"h\">Who may reach what on ", PAD);
        add_escaped(s, value_text(j, "host"));
        str_add(s, "</text>");
        svg_text(s, PAD, 46, "d", "Rows come from, columns are reached. Each port was tried with a packet; in bold what not everybody reaches.");
}

void matrix_svg(struct str *s, const json_t *j)
{
        size_t height = TOP, y = TOP, i;
        struct layout l = {};
        const json_t *item;

        if (!lay_out(j, &l)) {
                s->failed = true;
                return;
        }
        json_array_foreach(value_list(j, "from"), i, item)
                height += row_height(item, any_cells(j));
        svg_title(s, j, MAX(l.x[l.n], (size_t)TITLE_WIDTH), height);
        json_array_foreach(value_list(j, "to"), i, item) {
                svg_text(s, l.x[i] + PAD, TOP - 24, "h", value_text(item, "name"));
                svg_text(s, l.x[i] + PAD, TOP - 9, "d", streq(value_text(item, "kind"), "host") ? "host" : "container");
                str_add(s, "<line x1=\"%zu\" y1=\"%d\" x2=\"%zu\" y2=\"%zu\" class=\"g\"/>\n", l.x[i], TOP - 40, l.x[i], height);
        }
        json_array_foreach(value_list(j, "from"), i, item) {
                svg_row(s, item, any_cells(j), &l, y);
                y += row_height(item, any_cells(j));
        }
        str_add(s, "</svg>\n");
        free(l.x);
}
