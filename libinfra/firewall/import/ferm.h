/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The inside of the reader of ferm configurations.
 *
 * ferm 2.5 is not a language with a syntax tree: it is an interpreter that eats one token after the other. A call of
 * a function puts the tokens of its body in front of those still to come; a list of domains, tables or chains replays
 * the tokens of the rest of the rule once for each. What a configuration means follows from that, so this reader
 * works the same way:
 *
 *   ferm-token.c    text -> tokens; the stream of a script
 *   ferm-value.c    tokens -> value: text, list, negation, variable
 *   ferm-builtin.c  @eq, @cat, @glob ..., which are values, too
 *   ferm-address.c  @resolve and @ipfilter, which wait until the domain is known
 *   ferm-scope.c    @def: variables and functions and where they are seen
 *   ferm-include.c  files and directories of files
 *   ferm-keyword.c  the keywords of protocols, matches and targets, as a table
 *   ferm-option.c   keyword and its arguments -> option of a rule
 *   ferm-rule.c     options with lists -> rules of iptables
 *   ferm-place.c    domain, table, chain, subchain: where a rule goes
 *   ferm-block.c    the loop over keywords; what goes on after a mistake
 *   ferm.c          everything together, and the result as struct legacy
 *
 * Ownership: all tokens, values, rules live in one arena until the end of legacy_read_ferm(); nothing is changed once
 * made, so it is shared freely.
 *
 * Errors: -EBADMSG is a mistake of the configuration that is in the diagnostics already: the loop in ferm-block.c
 * steps over the statement and goes on. -ECANCELED has its diagnostic, too, but ends the reading (a limit).
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "firewall/import/legacy.h"

enum {
        FERM_FILE_MAX = 16 * 1024 * 1024,
        FERM_FILES_MAX = 4096,
        FERM_INCLUDE_DEPTH_MAX = 32,
        FERM_DEPTH_MAX = 100,          /* blocks, lists and replays within each other */
        FERM_CALLS_MAX = 1 << 18,      /* of functions */
        FERM_STEPS_MAX = 1 << 26,      /* tokens read, replays included */
        FERM_RULES_MAX = 1 << 18,
        FERM_LIST_MAX = 1 << 16,
        FERM_TEXT_MAX = 1 << 16,
        FERM_DIAGS_MAX = 64,
        FERM_CHAIN_NAME_MAX = 29,      /* ferm's limit */
        FERM_LOG_PREFIX_MAX = 29,
        FERM_MULTIPORT_MAX = 15,
};
#define FERM_MEMORY_MAX ((size_t)512 * 1024 * 1024)

/* A file, read once however often it is included. */
struct ferm_source {
        const char *name;
        char *text;
        size_t size;
        const struct ferm_token *tokens;
        size_t n_tokens;
        struct ferm_source *next;
};

struct ferm_token {
        const char *text;               /* as written, with quotes */
        const struct ferm_value *value; /* an argument that is no text, put here by a call; else NULL */
        const struct ferm_source *source;
        unsigned line;
        unsigned column;
        unsigned length;
};

struct ferm_stream {
        const struct ferm_token *tokens;
        size_t n;
        size_t at;
        struct ferm_stream *next;
};

struct ferm_script {
        const struct ferm_source *source;
        struct ferm_stream *stream;
        unsigned base_level;
        unsigned depth;
        struct ferm_script *parent;
};

enum ferm_kind {
        FERM_TEXT,
        FERM_LIST,
        FERM_NOT,      /* items[0], negated */
        FERM_RESOLVE,  /* items: names [, type] */
        FERM_IPFILTER, /* items[0]: addresses */
        FERM_WORDS,    /* several arguments of one option */
        FERM_EACH,     /* an option repeated within one rule */
};

struct ferm_value {
        enum ferm_kind kind;
        const char *text;
        const struct ferm_value **items;
        size_t n;
        const struct ferm_token *at;
};

/* How an option takes its arguments. */
enum ferm_shape {
        LIST, /* one; a list makes several rules */
        ONE,
        FLAG,
        JOINED, /* a list, joined with commas */
        ONE_JOINED,
        JOINED_JOINED,
        EACH,
        ADDRESS,
        PORTS,
        CLASSID,
};

/* Where "!" may stand; before the keyword includes after it. */
enum ferm_negation { NEVER, AFTER, BEFORE };

struct ferm_keyword {
        const char *word;
        enum ferm_shape shape;
        enum ferm_negation negation;
        const char *option; /* NULL: like the word */
};

struct ferm_module {
        const char *name;
        const struct ferm_keyword *keywords; /* NULL, or ends with an empty row */
};

struct ferm_link {
        const void *item;
        const struct ferm_link *next;
};

struct ferm_option {
        const char *name;
        const struct ferm_value *value; /* NULL: none */
        const struct ferm_option *before;
};

/* A rule as far as it is read. Lists grow at their head and are shared with the levels above: copied by assignment. */
struct ferm_rule {
        const char *domain;
        const char *table;
        const char *chain;
        const struct ferm_link *modules; /* struct ferm_module, the newest first */
        const struct ferm_link *matches; /* names */
        const struct ferm_option *options;
        size_t n_options;
        const struct ferm_value *protocol;
        const struct ferm_value *auto_protocol;
        const struct ferm_token *target;
        bool domain_both;
        bool has_rule;
        bool has_action;
        bool non_empty;
};

/* One run of the loop: a block, a file, or a replay. */
struct ferm_level {
        struct ferm_rule rule;
        const struct ferm_rule *above;
        unsigned level;
        const struct ferm_token *token; /* the keyword */
        const char *word;
        bool negated;
        bool closed;
};

struct ferm_automatic {
        const char *filename, *filebname, *dirname, *domain, *table, *chain;
};

struct ferm_function {
        const struct ferm_link *parameters; /* names, the last first */
        size_t n_parameters;
        const struct ferm_token *tokens;
        size_t n_tokens;
        bool block;
};

/* A name: a variable or a function. With neither, its definition failed and using it is no further mistake. */
struct ferm_name {
        const char *name;
        bool is_function;
        const struct ferm_value *value;
        const struct ferm_function *function;
        struct ferm_name *next;
};

struct ferm_names {
        struct ferm_name *first;
};

struct ferm_scope {
        struct ferm_names *names; /* an included file shares its includer's */
        struct ferm_automatic automatic;
        struct ferm_scope *parent;
};

struct ferm_made {
        const char **words;
        size_t n_words;
        const struct ferm_token *target;
        struct ferm_made *next;
};

struct ferm_chain {
        const char *name;
        const char *policy;
        const struct ferm_token *at;
        struct ferm_made *first, *last;
        struct ferm_chain *next;
};

struct ferm_table {
        const char *name;
        struct ferm_chain *chains;
        struct ferm_table *next;
};

struct ferm_domain {
        bool enabled;
        struct ferm_table *tables;
};

struct ferm {
        infra_diags *diags;
        size_t diags_before; /* of other readers */
        bool resolve;
        bool incomplete; /* something could not be read: names that are missing may have been there */
        size_t errors;
        struct ferm_block *blocks;
        size_t memory;
        bool exhausted; /* FERM_MEMORY_MAX */
        size_t files, calls, steps, rules;
        unsigned depth, subchains;
        struct ferm_source *sources;
        struct ferm_script *script;
        struct ferm_scope *scope;
        const struct ferm_token *last; /* the token read last */
        struct ferm_domain ip, ip6;
};

/* ferm.c: the arena. Zeroed; NULL when memory is out or over FERM_MEMORY_MAX. */
void *ferm_alloc(struct ferm *f, size_t size);
const char *ferm_text(struct ferm *f, const char *text, size_t n);
/* @item in front of @next; NULL when memory is out. */
const struct ferm_link *ferm_link(struct ferm *f, const void *item, const struct ferm_link *next);
/* Adds a diagnostic at @at (NULL: at the token read last). Returns -EBADMSG, or -ECANCELED when there are too many. */
int ferm_error(struct ferm *f, const struct ferm_token *at, const char *hint, const char *format, ...) PRINTF_LIKE(4, 5);
/* The same, and the reading ends: -ECANCELED. */
int ferm_stop(struct ferm *f, const struct ferm_token *at, const char *format, ...) PRINTF_LIKE(3, 4);
/* A mistake that was noted and needs no stepping over: 0 for -EBADMSG. */
static inline int ferm_go_on(int r)
{
        return r == -EBADMSG ? 0 : r;
}

/* ferm-token.c */
int ferm_tokenize(struct ferm *f, struct ferm_source *source);
static inline bool ferm_is(const struct ferm_token *t, const char *text)
{
        return t && !t->value && streq(t->text, text);
}
bool ferm_is_name(const struct ferm_token *t);
const struct ferm_token *ferm_peek(struct ferm *f);
const struct ferm_token *ferm_next(struct ferm *f);
/* The next token, which must be there and neither ";" nor a brace. */
int ferm_need(struct ferm *f, const struct ferm_token **ret);
int ferm_expect(struct ferm *f, const char *text, const char *message);
/* Puts tokens in front of those to come. */
int ferm_push(struct ferm *f, const struct ferm_token *tokens, size_t n);

/* The tokens up to the end of the rule: ";" or the brace that closes its block. ret may be NULL. */
enum { FERM_WITH_SEMICOLON = 1, FERM_WITH_ELSE = 2 };
int ferm_collect(struct ferm *f, unsigned flags, const struct ferm_token **ret, size_t *ret_n);

/* ferm-value.c */
enum {
        FERM_ALLOW_NOT = 1,
        FERM_ALLOW_NOT_LIST = 2,
        FERM_NON_EMPTY = 4,
        FERM_IN_LIST = 8,
};
int ferm_values(struct ferm *f, unsigned flags, const struct ferm_value **ret);
/* One text, no list. */
int ferm_scalar(struct ferm *f, const char **ret);
int ferm_parameters(struct ferm *f, unsigned flags, const struct ferm_value **ret);
int ferm_negate(struct ferm *f, const struct ferm_value *v, bool allow_list, const struct ferm_value **ret);
/* A value is a list of itself. */
size_t ferm_count(const struct ferm_value *v);
const struct ferm_value *ferm_item(const struct ferm_value *v, size_t i);
const struct ferm_value *ferm_value_text(struct ferm *f, const struct ferm_token *at, const char *text);
const struct ferm_value *ferm_value_list(struct ferm *f, enum ferm_kind kind, const struct ferm_token *at,
                                         const struct ferm_value *const *items, size_t n);
int ferm_join(struct ferm *f, const char *separator, const struct ferm_value *v, const char **ret);
bool ferm_true(const struct ferm_value *v);
/* A value list that grows on the heap. */
struct ferm_items {
        const struct ferm_value **items;
        size_t n;
};
int ferm_items_add(struct ferm *f, struct ferm_items *l, const struct ferm_value *v);
void ferm_items_done(struct ferm_items *l);
#define _cleanup_items_ CLEANUP(ferm_items_done)

/* ferm-builtin.c: the value of "@name(...)"; @at is "@name". */
int ferm_builtin(struct ferm *f, const struct ferm_token *at, const struct ferm_value **ret);

/* ferm-address.c: what had to wait for the domain. Values that need not wait are added as they are. */
int ferm_realize(struct ferm *f, const char *domain, const struct ferm_value *v, struct ferm_items *ret);
bool ferm_address_is_of(const char *domain, const char *address);

/* ferm-scope.c */
int ferm_scope_push(struct ferm *f, bool share);
void ferm_scope_pop(struct ferm *f);
int ferm_variable(struct ferm *f, const struct ferm_token *at, const char *name, const struct ferm_value **ret);
/* NULL when there is none. */
struct ferm_name *ferm_function(struct ferm *f, const char *name);
int ferm_define(struct ferm *f, struct ferm_level *v);
int ferm_call(struct ferm *f, struct ferm_level *v);

/* ferm-include.c */
int ferm_include(struct ferm *f, struct ferm_level *v);
/* Reads a file (or finds it read already); *ret is NULL and an errno is returned when it cannot be read. */
int ferm_source_open(struct ferm *f, const char *name, struct ferm_source **ret);
/* The directory of the file that is read now, with its slash. */
const char *ferm_directory(struct ferm *f);
/* Splits at the last slash as ferm does: "/etc/ferm/" and "ferm.conf". */
int ferm_split(struct ferm *f, const char *path, const char **ret_directory, const char **ret_name);

/* ferm-keyword.c */
const struct ferm_module *ferm_protocol_module(const char *name);
const struct ferm_module *ferm_match_module(const char *name);
const struct ferm_module *ferm_target_module(const char *name);
const struct ferm_keyword *ferm_module_keyword(const struct ferm_module *m, const char *word);
/* The module that knows the word, for hints. *ret_kind: "match", "target" or "protocol". */
const struct ferm_module *ferm_module_of(const char *word, const char **ret_kind);

/* ferm-option.c */
const struct ferm_keyword *ferm_rule_keyword(const struct ferm_rule *rule, const char *word);
int ferm_rule_option(struct ferm *f, struct ferm_rule *rule, const char *name, const struct ferm_value *value);
int ferm_rule_load(struct ferm *f, struct ferm_rule *rule, const struct ferm_module *m);
int ferm_rule_match(struct ferm *f, struct ferm_rule *rule, const char *module, bool visible);
bool ferm_rule_has_match(const struct ferm_rule *rule, const char *module);
/* The arguments of a keyword of a module, as an option of the rule. */
int ferm_option(struct ferm *f, struct ferm_level *v, const struct ferm_keyword *k);
int ferm_protocol(struct ferm *f, struct ferm_level *v);
int ferm_port(struct ferm *f, struct ferm_level *v);
/* Protocols of the chain that jumps here, when they are needed. */
int ferm_realize_protocol(struct ferm *f, struct ferm_rule *rule);
int ferm_realize_protocol_of(struct ferm *f, struct ferm_rule *rule, const char *word);
/* The end of a rule that is none of ours: hint and error. */
int ferm_unknown_keyword(struct ferm *f, struct ferm_level *v);

/* ferm-rule.c */
struct ferm_chain *ferm_chain(struct ferm *f, const char *domain, const char *table, const char *name,
                              const struct ferm_token *at);
bool ferm_chain_exists(struct ferm *f, const struct ferm_rule *rule, const char *name);
struct ferm_domain *ferm_domain(struct ferm *f, const char *name);
int ferm_make_rules(struct ferm *f, const struct ferm_rule *rule);
int ferm_action(struct ferm *f, struct ferm_level *v, const char *option, const char *target);
bool ferm_is_core_target(const char *name);

/* ferm-place.c */
int ferm_place_domain(struct ferm *f, struct ferm_level *v);
int ferm_place_table(struct ferm *f, struct ferm_level *v);
int ferm_place_chain(struct ferm *f, struct ferm_level *v);
int ferm_policy(struct ferm *f, struct ferm_level *v);
int ferm_subchain(struct ferm *f, struct ferm_level *v);
int ferm_preserve(struct ferm *f, struct ferm_level *v);
int ferm_chain_name(struct ferm *f, const struct ferm_token *at, const char *name);

/* ferm-block.c: reads keywords until the block, file or replay ends. */
int ferm_enter(struct ferm *f, unsigned level, const struct ferm_rule *above);
void ferm_level_reset(struct ferm_level *v);
