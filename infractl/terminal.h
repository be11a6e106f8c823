/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * What the terminal can do. Colour and redrawing only where stdout is a terminal that has cursor addressing;
 * a serial console with TERM=dumb, a pipe and a log get plain lines. ASCII unless the locale is UTF-8.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum style {
        STYLE_PLAIN,
        STYLE_GOOD,
        STYLE_BAD,
        STYLE_CARE, /* look at this */
        STYLE_DIM,
        STYLE_BOLD,
        STYLE_MAX,
};

struct terminal {
        bool redraw; /* cursor may be moved */
        bool color;
        bool utf8;
        unsigned width;
        unsigned height;
};

/* Looks at stdout, TERM, NO_COLOR and the locale (setlocale was called). @color false: never any. */
struct terminal terminal_look(bool color);
/* The escape sequence that begins the style, or "". */
const char *style_on(const struct terminal *t, enum style s);
const char *style_off(const struct terminal *t, enum style s);
/* How a state or result of a container, run or step should look. */
enum style style_of(const char *state);

/* Control characters in every string become '?', so that nothing a guest said reaches the terminal raw. */
void json_make_printable(json_t *j, bool utf8);

/* @text, wrapped at the terminal's width, every line after @indent spaces; the first begins at column @indent. */
void print_wrapped(const struct terminal *t, const char *text, unsigned indent);
/* Asks on stderr and reads stdin; -ENOTTY when nobody can answer. 1 = yes. */
int terminal_confirm(const char *question);
/* A diff with its + and - lines coloured; at most @max lines, 0 = all. Returns the number of lines not printed. */
size_t diff_print(const struct terminal *t, const char *diff, unsigned indent, size_t max);
