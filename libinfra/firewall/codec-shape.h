/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The structs of ruleset.h as tables of members, for codec.c. */

#include <stdbool.h>
#include <stddef.h>

enum member_kind {
        MEMBER_TRUTH,
        MEMBER_NUMBER,
        MEMBER_NAME,    /* char[], at most size - 1 */
        MEMBER_TEXT,    /* char *, owned */
        MEMBER_WORD,    /* const char *, one of the choices */
        MEMBER_BYTES,
        MEMBER_END,     /* bytes; left out when the same as those at `count` */
        MEMBER_FIELD,
        MEMBER_FIELDS,  /* and their number at `count` */
        MEMBER_CHOICE,  /* an enum or int with names */
        MEMBER_STRUCT,
        MEMBER_STRINGS, /* struct strlist */
        MEMBER_LIST,    /* pointer to structs, and their number at `count` */
        MEMBER_KIND_MAX,
};

struct choice {
        const char *name;
        int value;
};

struct shape;
struct member {
        const char *key;
        enum member_kind kind;
        size_t offset;
        size_t size;
        size_t count;
        bool is_signed;
        bool required;
        const struct choice *choices;
        size_t n_choices;
        const struct shape *of;
};

struct shape {
        const struct member *members;
        size_t n;
        size_t size;
        char *(*line)(const void *parent, const void *item); /* as nft writes it; or NULL */
};

extern const struct shape shape_table;
