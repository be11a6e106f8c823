/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rules in nft's words, as people write them in firewall.yaml and as ruleset text has them, into the intermediate form:
 * what rule_text() writes, and beside it lists in braces, "tcp dport 25" for "meta l4proto tcp th dport 25", and the names
 * of containers and zones in the place of addresses. What a match needs to make sense (`ip saddr`: IPv4) is added.
 */

#include "estate/estate.h"
#include "firewall/ruleset.h"

struct rule_reader {
        struct table *table;        /* where sets are made, and named ones are */
        const infra_estate *estate; /* whose names stand for addresses; or NULL */
        const char *prefix;         /* of the names of sets that are made */
        unsigned n_made;
};

struct rule_mistake {
        size_t at;     /* byte of the text */
        size_t length;
        char message[192];
        const char *hint; /* or NULL */
};

enum { RULE_WORDS_MAX = 1024, RULE_VALUES_MAX = 4096 };

/* One rule at the end of @c. 0, -ENOMEM, or -EINVAL with *ret_mistake; then the chain is as it was. */
int rule_parse(struct rule_reader *r, struct chain *c, const char *text, struct rule_mistake *ret_mistake);

/* The inside, shared by rule-scan.c, rule-match.c, rule-statement.c and rule-verdict.c. */

struct word {
        const char *text;
        size_t length;
        bool quoted;
};

struct scan {
        struct rule_reader *reader;
        const char *text;
        struct word words[RULE_WORDS_MAX];
        size_t n, at;
        struct rule *rule;
        struct rule_mistake *mistake;
        bool oom;
};

/* Whether the next word is @text; the second kind steps over it then. */
bool scan_is(const struct scan *s, const char *text);
bool scan_take(struct scan *s, const char *text);
/* Several words in a row, separated by one blank. */
bool scan_take_words(struct scan *s, const char *words);
/* The next word; NULL after a complaint when there is none. */
const struct word *scan_word(struct scan *s, const char *expected);
/* A copy of the next word in @ret, its quotes taken off. */
bool scan_text(struct scan *s, const char *expected, char *ret, size_t size);
bool scan_number(struct scan *s, const char *expected, uint64_t max, uint64_t *ret);
bool word_number(const struct word *w, uint64_t *ret);
/* False, and says so at the word before the next (or at the next, when @here). */
bool scan_fail(struct scan *s, bool here, const char *hint, const char *format, ...) PRINTF_LIKE(4, 5);

/* One value or range of a field; @ret_mask is all ones but for prefixes and names with "*". */
struct value {
        uint8_t first[16];
        uint8_t last[16];
        uint8_t mask[16];
        bool masked;
};
bool scan_field(struct scan *s, enum field *ret);
bool scan_value(struct scan *s, enum field f, struct value *ret);
/* What a field needs to be looked at, unless the rule says it already. */
bool scan_needs(struct scan *s, enum field f);
bool scan_match(struct scan *s);
bool scan_statement(struct scan *s, bool *ret_taken);
bool scan_verdict(struct scan *s, bool *ret_taken);
/* "10.0.0.17:25", ":25"; that the rule is for one family, unless it says so. */
bool scan_address(struct scan *s, struct translation *ret);
bool scan_family(struct scan *s, int family);
/* A match of the rule under way; NULL when memory is out. */
struct match *scan_add_match(struct scan *s, enum match_kind kind, enum field f);

/* Bits of a field that have a name of their own; 0 <= @n, NULL behind the last. */
struct field_part {
        const char *text;
        enum field field;
        uint64_t mask;
        unsigned shift;
};
const struct field_part *field_part(size_t n);
bool part_parse(const struct field_part *p, const char *text, size_t length, uint64_t *ret);

/* text-value.c: one value, without ranges and prefixes. */
bool value_parse(enum field f, const char *text, size_t length, uint8_t ret[static 16]);
