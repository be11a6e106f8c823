/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A policy file as a tree in which everything knows its place. YAML ends here: libfyaml's events become
 * nodes, syntax errors become diagnostics. Anchors and aliases are refused: a policy says what it says.
 */

#include <stdbool.h>

#include "base/diag.h"
#include "base/error.h"
#include "policy/policy.h"

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING, NODE_KIND_MAX };

struct node {
        enum node_kind kind;
        struct span span;
        char *text;          /* scalar */
        bool quoted;         /* scalar written with quotes: never a boolean or nothing */
        struct node **items; /* sequence; of a mapping: key, value, key, value ... */
        size_t n_items;
};

struct node *node_free(struct node *n);
const char *node_kind_name(const struct node *n); /* "a list", for messages */

/* A file's text, kept as long as diagnostics may point into it. */
struct source {
        char *name; /* relative to the policy directory, as spans have it */
        char *text;
};

/*
 * Parses the text of @s. Syntax errors and exceeded limits go to @diags, and *ret is NULL then. 0 or -ENOMEM.
 */
int tree_parse(const struct source *s, infra_diags *diags, struct node **ret);

/* Copy of the n-th line (from 1), or NULL. */
char *source_line(const struct source *s, unsigned line);

DEFINE_CLEANUP(struct node *, node_free);
#define _cleanup_node_ CLEANUP(node_freep)
