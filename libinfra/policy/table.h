/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Key tables: what a mapping may hold. One table a kind of mapping, one row a key: its name, the type of its
 * value, where it goes and what it means. Reading, "unknown key" with the nearest right one, duplicate and
 * missing keys, and the JSON Schema all come from the same rows.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/tree.h"

enum value_type {
        VALUE_TEXT,       /* char * */
        VALUE_NAME,       /* char *: letters, digits, hyphens */
        VALUE_NAMES,      /* struct draft_names: one name or a list */
        VALUE_TEXTS,      /* struct strlist */
        VALUE_BOOLEAN,    /* bool */
        VALUE_NUMBER,     /* unsigned, from min to max */
        VALUE_DURATION,   /* int64_t milliseconds */
        VALUE_TIME,       /* int64_t wall milliseconds */
        VALUE_CHOICE,     /* int: index into choices */
        VALUE_RELEASE,    /* char *: a Debian release */
        VALUE_PATH,       /* char *: absolute, without "..", normalised */
        VALUE_URL,        /* char *: http:// or https:// */
        VALUE_HOST4,      /* struct address: IPv4, no prefix */
        VALUE_HOST6,      /* struct address: IPv6, no prefix */
        VALUE_NET4,       /* struct address: IPv4 address with prefix */
        VALUE_NET6,       /* struct address: IPv6 address with prefix */
        VALUE_ADDRESSES,  /* struct address *, count: hosts or networks, one or a list */
        VALUE_PORTS,      /* struct ports */
        VALUE_ORIGIN,     /* struct origin */
        VALUE_ORIGINS,    /* struct origin *, count: one or a list */
        VALUE_VOLUMES,    /* struct volume *, count */
        VALUE_PROBE,      /* struct probe: a kind, or a mapping by probe_table */
        VALUE_PROBE_PATH,    /* in probe_table: the key is the kind, the value the path */
        VALUE_PROBE_COMMAND, /* in probe_table: the key is the kind, the value the argument list */
        VALUE_PROBE_PLAIN,   /* in probe_table: the key is the kind, the value an empty mapping */
        VALUE_RATE,       /* struct rate: "20/min", "20/min per source", "5/s burst 20" */
        VALUE_TRANSLATE,  /* struct zone: masquerade, none or an address */
        VALUE_RULE_LISTS, /* struct rule_list *, count: a mapping of name -> list of texts */
        VALUE_WAVES,      /* struct draft_waves: auto, or a list of lists of names */
        VALUE_MAPPING,    /* a struct in place, by table */
        VALUE_MAPPINGS,   /* pointer and count of structs: a list of mappings, by table */
        VALUE_NAMED,      /* pointer and count of structs: a mapping of name -> mapping, by table */
        VALUE_TYPE_MAX,
};

enum { KEY_REQUIRED = 1 };

struct table;

struct key {
        const char *name;
        enum value_type type;
        size_t offset;  /* of the value in the struct that the table fills */
        size_t count;   /* of the count of a pointer-and-count value */
        size_t where;   /* of a struct span that takes the value's place, + 1; 0 = none */
        unsigned flags;
        const char *doc; /* one sentence; goes into the schema */
        const struct table *table;
        const char *const *choices; /* NULL-terminated */
        unsigned min, max;
};

struct table {
        const char *what; /* "container", for messages and the schema's title */
        const struct key *keys;
        size_t n_keys;
        size_t size;      /* of the struct it fills */
        size_t span;      /* offset of its struct span + 1; 0 = none */
        size_t name;      /* VALUE_NAMED: offset of its char *name + 1 */
        void (*init)(void *target); /* defaults before reading, or NULL */
};

/* Everything a load carries along. */
struct reader {
        infra_diags *diags;
        struct source *sources; /* of all files read so far, for lines in diagnostics */
        size_t n_sources;
        bool broken; /* a file could not be parsed: names it would have given are missing */
        bool oom;
};

/* A diagnostic at a node or a span of any source read; @hint may be NULL. */
void complain(struct reader *r, const struct span *at, const char *hint, const char *format, ...) PRINTF_LIKE(4, 5);

/* Reads mapping @n into @target, which is zeroed but for what init sets. */
void table_read(struct reader *r, const struct table *t, const struct node *n, void *target);
/* Reads one value. */
void value_read(struct reader *r, const struct key *k, const struct node *n, void *target);

/* The tables, one a file kind and one a mapping within. */
extern const struct table host_table, zones_table, container_table, upgrade_table, profile_table, filter_table;
extern const struct table bridge_table, storage_table, packages_table, ids_table, console_table, zone_table, addresses_table,
        service_table, probe_table, connection_table, window_table, named_set_table, write_rule_table, conffile_table, source_rule_table;

/* The JSON Schema of a file kind, allocated text; NULL when memory is out. */
char *schema_text(const struct table *t);
