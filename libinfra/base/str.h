/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings: a growing buffer, lists, comparison, nearest name. */

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

static inline bool streq(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

static inline bool startswith(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool endswith(const char *s, const char *suffix);

/* A growing text. Zero-initialise; after a failed append `failed` is set and appends do nothing. */
struct str {
        char *text;
        size_t length;
        size_t room;
        bool failed;
};

void str_done(struct str *s);
void str_add(struct str *s, const char *format, ...) PRINTF_LIKE(2, 3);
void str_addv(struct str *s, const char *format, va_list ap);
void str_add_bytes(struct str *s, const void *bytes, size_t n);
/* Takes the text out ("" when nothing was added); NULL when an append failed. */
char *str_take(struct str *s);

/* A list of owned strings; zero-initialise. */
struct strlist {
        char **items;
        size_t n;
};

void strlist_done(struct strlist *l);
int strlist_add(struct strlist *l, const char *s);
int strlist_copy(struct strlist *to, const struct strlist *from);
bool strlist_contains(const struct strlist *l, const char *s);
void strlist_sort(struct strlist *l);
/* Lines of a text, without the newline and without empty lines. */
int strlist_lines(struct strlist *l, const char *text);
/* NULL-terminated view for exec and liblxc; the block is to be freed, the strings stay owned by the list. */
char **strlist_argv(const struct strlist *l);

/* Edits (insert, delete, replace, swap) from a to b, for "did you mean". */
unsigned str_distance(const char *a, const char *b);
/* The nearest of the candidates when it is near enough to be meant, else NULL. */
const char *str_nearest(const char *s, const char *const *candidates, size_t n);

/* Bytes for people: "213 MB". The buffer is the caller's. */
const char *str_bytes(char buffer[static 32], unsigned long long bytes);
/* Milliseconds for people: "45 s", "2 min 03 s". */
const char *str_duration(char buffer[static 32], long long ms);

#define _cleanup_str_ CLEANUP(str_done)
#define _cleanup_strlist_ CLEANUP(strlist_done)
