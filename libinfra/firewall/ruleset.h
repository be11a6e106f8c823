/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The intermediate form of a ruleset, between estate and kernel. Typed: matches, sets, verdicts; no text and
 * no netlink. Both directions end here, compiled from an estate or decoded from the kernel, so that two
 * rulesets can be compared and shown whatever they came from.
 *
 * Two tables of the same name: `inet infra` (host input, forward, NAT) and `bridge infra` (between containers,
 * whose packets the bridge switches without the inet hooks ever seeing them).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"

enum {
        RULESET_NAME_MAX = 31,
        RULESET_FIELDS_MAX = 5,   /* of a concatenation */
        RULESET_KEY_MAX = 64,     /* bytes of a concatenated key, the kernel's limit (NFT_REG32_COUNT * 4) */
        RULESET_COMMENT_MAX = 127 /* what nft accepts (NFTNL_UDATA_COMMENT_MAXLEN is 128 with the NUL) */
};

/* Where a value of a packet comes from; the properties stand in field.c. */
enum field {
        FIELD_IIFNAME,
        FIELD_OIFNAME,
        FIELD_NFPROTO,
        FIELD_PROTOCOL, /* EtherType, in the bridge table */
        FIELD_L4PROTO,
        FIELD_IP_SADDR,
        FIELD_IP_DADDR,
        FIELD_IP6_SADDR,
        FIELD_IP6_DADDR,
        FIELD_SPORT,
        FIELD_DPORT,
        FIELD_ICMP_TYPE,
        FIELD_ICMPV6_TYPE,
        FIELD_TCP_FLAGS,
        FIELD_CT_STATE,
        FIELD_CT_STATUS,
        FIELD_CT_DIRECTION,
        FIELD_FIB_DADDR_TYPE,
        FIELD_MAX,
};

enum field_source { SOURCE_META, SOURCE_NETWORK, SOURCE_TRANSPORT, SOURCE_CT, SOURCE_FIB };

struct field_type {
        const char *text;    /* as nft writes it */
        unsigned size;       /* bytes */
        unsigned datatype;   /* nft's number of the type, TYPE_* in its datatype.h */
        const char *datatype_name;
        enum field_source source;
        unsigned key;        /* meta or ct key, or the offset in the header */
};
const struct field_type *field_type(enum field f);
/* Bytes in registers and keys: padded to 4. */
unsigned field_room(enum field f);

enum match_kind {
        MATCH_EQUAL,   /* fields[0] == value */
        MATCH_ANY_BIT, /* fields[0] & mask != 0 */
        MATCH_BITS,    /* fields[0] & mask == value (also prefixes of addresses) */
        MATCH_SET,     /* fields, concatenated, are in the set */
        MATCH_MAX,
};

struct match {
        enum match_kind kind;
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        uint8_t value[16];
        uint8_t mask[16];
        char set[RULESET_NAME_MAX + 1];
};

enum verdict_kind {
        VERDICT_ACCEPT,
        VERDICT_DROP,
        VERDICT_JUMP,       /* to chain `name` */
        VERDICT_MAP,        /* what map `name` says about the fields; no entry: on to the next rule */
        VERDICT_DNAT,       /* to the address map `name` gives */
        VERDICT_DNAT_PORT,  /* to the address and port map `name` gives */
        VERDICT_SNAT,
        VERDICT_MASQUERADE,
        VERDICT_MAX,
};

struct verdict {
        enum verdict_kind kind;
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        char name[RULESET_NAME_MAX + 1];
};

struct rule {
        struct match *matches;
        size_t n_matches;
        struct verdict verdict;
        char *comment; /* or NULL */
        struct span span;
        char *unknown; /* decoded from the kernel and not understood: in libnftnl's words */
};

struct chain {
        char *name;
        const char *type;     /* "filter", "nat"; NULL: only jumped to */
        unsigned hook;        /* NF_INET_*, NF_BR_* */
        int priority;
        bool drops;           /* policy */
        struct rule *rules;
        size_t n_rules;
};

enum set_data { DATA_NONE, DATA_VERDICT, DATA_ADDRESS, DATA_ADDRESS_PORT, DATA_MAX };

struct element {
        uint8_t key[RULESET_KEY_MAX];
        uint8_t key_end[RULESET_KEY_MAX]; /* of interval sets, inclusive; otherwise the key again */
        bool covered;                     /* while sorting: another element says it too */
        bool accepts;                     /* DATA_VERDICT: accept, else drop */
        uint8_t data[8];                  /* DATA_ADDRESS*: IPv4, port */
        char *comment;                    /* or NULL */
        struct span span;
};

struct set {
        char *name;
        enum field fields[RULESET_FIELDS_MAX]; /* what the key is made of: decides types and sizes */
        size_t n_fields;
        enum set_data data;
        bool interval;
        bool runtime; /* filled at run time (fences): no part of a difference */
        bool unknown; /* decoded from the kernel: of a kind that is not written here */
        struct element *elements; /* sorted by key */
        size_t n_elements;
};

struct table {
        int family; /* NFPROTO_INET, NFPROTO_BRIDGE */
        struct set *sets;
        size_t n_sets;
        struct chain *chains;
        size_t n_chains;
        struct strlist unknown; /* decoded from the kernel: "flags dormant", "object c1" */
};

enum { RULESET_TABLES = 2 };

struct ruleset {
        struct table tables[RULESET_TABLES];
};

#define RULESET_TABLE "infra"

struct ruleset *ruleset_new(void);
struct ruleset *ruleset_free(struct ruleset *r);

/* Makers; NULL when memory is out. Comment and span of a policy line: ruleset_comment(). */
struct set *table_add_set(struct table *t, const char *name, enum set_data data, bool interval, const enum field *fields, size_t n);
struct chain *table_add_chain(struct table *t, const char *name, const char *type, unsigned hook, int priority, bool drops);
struct rule *chain_add_rule(struct chain *c, enum verdict_kind kind, const char *name);
struct match *rule_add_match(struct rule *r, enum match_kind kind, enum field f);
struct set *table_set(const struct table *t, const char *name);
struct chain *table_chain(const struct table *t, const char *name);

/* The order of elements in a sorted set; whether both say the same of their key; whether elements of one fit the other. */
int element_compare(const struct element *a, const struct element *b);
bool element_same_data(const struct element *a, const struct element *b);
bool set_same_shape(const struct set *a, const struct set *b);

/* Whether both are only jumped to, or base chains at the same place with the same policy. */
bool chain_same_hook(const struct chain *a, const struct chain *b);

unsigned set_key_size(const struct set *s);
/* Where the i-th field of the key begins. */
unsigned set_field_offset(const struct set *s, size_t i);

/* The comment of @from added to that of @to, as far as there is room. */
int element_merge(struct element *to, const struct element *from);
/* Sorts elements by key; of those with the same key one remains, whose comment names all. */
int set_sort(struct set *s);
/* Of intervals: what another element says, too, is dropped or cut off, and that one's comment names both. Sorts. */
int set_disjoin(struct set *s);

/* "containers/email.yaml:14" into *comment and *span. */
int ruleset_comment(char **comment, struct span *to, const struct span *from);

/* One rule as nft writes it, without its comment; allocated. */
char *rule_text(const struct rule *r);
/* One element as nft writes it, without comment and data. */
char *element_text(const struct set *s, const struct element *e);
/* The same with what the map gives, unless that is "accept". */
char *element_line(const struct set *s, const struct element *e);
