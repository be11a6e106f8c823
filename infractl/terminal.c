/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "infractl/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/str.h"

enum { WIDTH_USUAL = 80, WIDTH_MIN = 40, HEIGHT_USUAL = 24, ANSWER_MAX = 64 };

static const char *const sequences[STYLE_MAX] = {
        [STYLE_PLAIN] = "",        [STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[1;31m",
        [STYLE_CARE] = "\033[33m", [STYLE_DIM] = "\033[2m",   [STYLE_BOLD] = "\033[1m",
};

/* States of containers, runs, steps and results; whatever is not here is plain. */
static const struct {
        const char *state;
        enum style style;
} looks[] = {
        { "serves", STYLE_GOOD },       { "done", STYLE_GOOD },     { "committed", STYLE_GOOD },
        { "live", STYLE_GOOD },         { "pass", STYLE_GOOD },     { "failed", STYLE_BAD },
        { "stuck", STYLE_BAD },         { "fail", STYLE_BAD },      { "undo-failed", STYLE_BAD },
        { "bad", STYLE_BAD },           { "partial", STYLE_CARE },  { "rolled-back", STYLE_CARE },
        { "turning-back", STYLE_CARE }, { "left-out", STYLE_CARE }, { "paused", STYLE_CARE },
        { "closed", STYLE_CARE },       { "undone", STYLE_CARE },   { "stopped", STYLE_CARE },
        { "absent", STYLE_CARE },       { "pending", STYLE_DIM },   { "previous", STYLE_DIM },
};

struct terminal terminal_look(bool color)
{
        const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
        struct terminal t = { .width = WIDTH_USUAL, .height = HEIGHT_USUAL };
        bool tty = isatty(STDOUT_FILENO);
        struct winsize size;

        t.redraw = tty && term && *term && !streq(term, "dumb");
        t.color = t.redraw && color && !(no_color && *no_color);
        t.utf8 = streq(nl_langinfo(CODESET), "UTF-8");
        /* A serial console often says 0x0. */
        if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN) {
                t.width = size.ws_col;
                t.height = size.ws_row ? size.ws_row : HEIGHT_USUAL;
        }
        return t;
}

const char *style_on(const struct terminal *t, enum style s)
{
        return t->color ? sequences[s] : "";
}

const char *style_off(const struct terminal *t, enum style s)
{
        return t->color && s != STYLE_PLAIN ? "\033[0m" : "";
}

enum style style_of(const char *state)
{
        for (size_t i = 0; i < ELEMENTS(looks); i++)
                if (streq(looks[i].state, state))
                        return looks[i].style;
        return STYLE_PLAIN;
}

static void make_printable(char *s, bool utf8)
{
        for (unsigned char *c = (unsigned char *)s; *c; c++) {
                bool control = (*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f;

                /* U+0080 .. U+009F are control characters too: C2 80 .. C2 9F. */
                if (control || (!utf8 && *c >= 0x80))
                        *c = '?';
                else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
                        c[0] = c[1] = '?';
        }
}

void json_make_printable(json_t *j, bool utf8)
{
        const char *key;
        json_t *value;
        size_t i;

        if (json_is_string(j)) {
                _cleanup_free_ char *copy = strdup(json_string_value(j));

                if (copy)
                        make_printable(copy, utf8);
                json_string_set_nocheck(j, copy ? copy : "?");
        }
        json_object_foreach (j, key, value)
                json_make_printable(value, utf8);
        json_array_foreach (j, i, value)
                json_make_printable(value, utf8);
}

void print_wrapped(const struct terminal *t, const char *text, unsigned indent)
{
        size_t column = indent, room = t->width > indent + WIDTH_MIN / 2 ? t->width : indent + WIDTH_USUAL;

        printf("%*s", (int)indent, "");
        while (*text) {
                size_t word = strcspn(text, " \n");

                if (column > indent && column + word + 1 > room) {
                        printf("\n%*s", (int)indent, "");
                        column = indent;
                }
                if (column > indent)
                        column += (size_t)printf(" ");
                column += (size_t)printf("%.*s", (int)word, text);
                text += word;
                text += strspn(text, " \n");
        }
        putchar('\n');
}

int terminal_confirm(const char *question)
{
        char line[ANSWER_MAX];

        if (!isatty(STDIN_FILENO))
                return -ENOTTY;
        fflush(stdout);
        fprintf(stderr, "%s [y/N] ", question);
        if (!fgets(line, sizeof(line), stdin))
                return 0;
        return line[0] == 'y' || line[0] == 'Y';
}

size_t diff_print(const struct terminal *t, const char *diff, unsigned indent, size_t max)
{
        size_t lines = 0, left_out = 0;

        while (*diff) {
                size_t n = strcspn(diff, "\n");
                enum style style = *diff == '+' ? STYLE_GOOD : *diff == '-' ? STYLE_BAD : STYLE_PLAIN;

                if (max && lines++ >= max)
                        left_out++;
                else
                        printf("%*s%s%.*s%s\n", (int)indent, "", style_on(t, style), (int)n, diff, style_off(t, style));
                diff += n + (diff[n] == '\n');
        }
        return left_out;
}
