/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How one rule of iptables becomes rules of nftables. Its words are sorted into modules (a match or target with the
 * options given to it); each module then adds to a draft: stages of matches and statements. iptables judges in the
 * order of the words, the intermediate form all matches before all statements: a match behind a statement begins a new
 * stage. Most rules have one stage and become one rule. What cannot be said as a row of matches is said with helper
 * chains: "one of these" and "none of these".
 *
 * Functions return 0, -EBADMSG when a diagnostic was given, or -ENOMEM.
 */

#include "firewall/import/legacy.h"

enum { MODULE_OPTIONS_MAX = 12 };

/* An option as given. */
struct given {
        const char *name;
        const char *value;  /* NULL: it takes none */
        const char *second; /* of --tcp-flags */
        size_t at;          /* the word of the option */
        bool negated;
};

struct translate;
struct module;

struct option_type {
        const char *name;
        unsigned values;
        bool negatable;
        const char *same; /* another name of that option */
};

struct module_type {
        const char *name;
        const struct option_type *options; /* ends with a name of NULL */
        int (*add)(struct translate *t, const struct module *m);
        int family; /* 0: both */
};

struct module {
        const struct module_type *type;
        size_t at; /* the word that names it */
        struct given given[MODULE_OPTIONS_MAX];
        size_t n_given;
};

/* Some of `body`, of `any` one, of `none` none. */
struct stage {
        struct rule body;
        struct rule *any;
        size_t n_any;
        struct rule *none;
        size_t n_none;
        struct rule *acts; /* done when all this fits, whether or not they can be */
        size_t n_acts;
};

struct translate {
        const struct legacy *legacy;
        const struct legacy_table *from;
        const struct legacy_chain *chain;
        const struct legacy_rule *rule;
        struct table *to;
        infra_diags *diags;
        unsigned sets; /* made so far, for their names */
        unsigned chains;

        /* Of the rule. */
        int protocol; /* -1: any; or said with "!" */
        struct module *modules;
        size_t n_modules;
        struct given basics[16];
        size_t n_basics;
        struct stage *stages;
        size_t n_stages;
        struct verdict verdict;
        bool skipped; /* for the other family */
        size_t source, n_sources; /* which of several addresses */
        size_t destination, n_destinations;
};

/* translate.c */
int translate_complain(struct translate *t, size_t word, const char *hint, const char *format, ...) PRINTF_LIKE(4, 5);
/* The name of that chain in the ruleset. */
void translate_chain_name(const struct legacy_table *t, const char *chain, char ret[static RULESET_NAME_MAX + 1]);
/* "filter4-INPUT" of any length and letters as a name nft takes, the same for the same. */
void translate_name(const char *text, char ret[static RULESET_NAME_MAX + 1]);
const struct legacy_chain *translate_find_chain(const struct legacy_table *t, const char *name);
bool translate_builtin(const struct legacy_table *t, const char *chain);

/* A base chain of iptables that the file does not have, with policy ACCEPT. */
int translate_base_chain(struct table *to, int family, const char *table, const char *chain);

/* translate-helper.c: CT --helper, first as a rule of raw; behind all tables it is put where nftables can do it. */
int translate_ct_helper(struct translate *t, const struct given *g);
int translate_place_helpers(struct table *to);

/* translate-words.c: words into modules. */
int translate_words(struct translate *t);
const struct given *given(const struct module *m, const char *name);
extern const struct module_type *const translate_matches[], *const translate_targets[];
extern const struct module_type translate_match_tcp, translate_match_udp, translate_match_sctp, translate_match_dccp, translate_match_icmp,
        translate_match_icmp6;
const struct module_type *translate_protocol_module(int protocol);
/* 0: all; -EINVAL: there is none of that name. */
int translate_protocol_number(const char *text);

/* translate-draft.c */
void translate_draft_done(struct translate *t);
/* NULL when memory is out. A match goes behind the statements before it. */
struct match *translate_match(struct translate *t, enum match_kind kind, enum field f, bool negated);
struct statement *translate_statement(struct translate *t, enum statement_kind kind);
/* The field becomes what of it @keep lets stay, with @flip turned. */
int translate_change(struct translate *t, enum field f, uint64_t keep, uint64_t flip);
/* A rule that does something where all matches so far fit, whatever those behind it say. */
struct rule *translate_act(struct translate *t);
/* A rule to add one match to, one of several of which one (@none: none) must fit. */
struct rule *translate_alternative(struct translate *t, bool none);
/* Alternatives that follow are a choice of their own: one of them, and one of those before. */
int translate_choice(struct translate *t);
/* A chain of the rule's own, its rules, and the rule's way into it; behind its end the rule is over. */
int translate_helper(struct translate *t, char ret[static RULESET_NAME_MAX + 1]);
struct rule *translate_helper_rule(struct translate *t, const char *chain);
int translate_helper_jump(struct translate *t, const char *chain);
int translate_number(struct translate *t, enum field f, uint64_t value, bool negated);
int translate_range(struct translate *t, enum field f, uint64_t first, uint64_t last, bool negated);
/* The opposite of a range, also true where a packet does not have the field. */
int translate_unless(struct translate *t, enum field f, uint64_t first, uint64_t last);
int translate_bits(struct translate *t, enum field f, uint64_t value, uint64_t mask, bool negated);
/* The value or, when several, a new set of them; each from .. to. */
struct number_range {
        uint64_t first;
        uint64_t last;
};
int translate_ranges(struct translate *t, enum field f, struct number_range *ranges, size_t n, bool negated);
struct set *translate_set(struct translate *t, const char *what, bool interval, const enum field *fields, size_t n);
struct element *translate_element(struct set *s);
int translate_set_match(struct translate *t, const struct set *s, bool negated);
void translate_merge(struct number_range *ranges, size_t *n);
/* The draft as rules at the end of that chain. */
int translate_emit(struct translate *t, const char *chain);

/* translate-value.c: values as iptables reads them; a diagnostic at the option otherwise. */
int value_number(struct translate *t, const struct given *g, uint64_t most, uint64_t *ret);
/* The same of a text within. */
bool parse_number(const char *text, uint64_t most, uint64_t *ret);
/* "5", "5/0xff"; without a mask all bits of @most. */
int value_masked(struct translate *t, const struct given *g, uint64_t most, uint64_t *ret, uint64_t *ret_mask);
/* "5", "5:9", "5-9" with @joint; ":9" and "5:" as well. */
int value_range(struct translate *t, const struct given *g, char joint, uint64_t most, struct number_range *ret);
int value_ports(struct translate *t, const struct given *g, char joint, const char *text, struct number_range *ret);
bool parse_port(int protocol, const char *text, uint64_t *ret);
/* One of a table's words; -EBADMSG after a diagnostic. */
struct value_word {
        const char *name;
        unsigned value;
};
bool parse_word(const struct value_word *words, const char *text, unsigned *ret);
/* "10.0.0.1-10.0.0.9" or one address, of the family. */
bool parse_address_range(int family, const char *text, uint8_t first[static 16], uint8_t last[static 16]);
/* "5/min": per how many seconds. */
bool parse_rate(const char *text, uint64_t *ret_rate, uint64_t *ret_per_s);
bool parse_dscp(const char *text, unsigned *ret);
bool parse_tos(const char *text, uint64_t *ret, uint64_t *ret_mask);
int value_wrong(struct translate *t, const struct given *g);
