/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/codec-shape.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "base/macro.h"
#include "firewall/ruleset.h"

#define SHAPE(name, type, to_line) \
        const struct shape name = { .members = name##_members, .n = ELEMENTS(name##_members), .size = sizeof(type), .line = to_line }
#define PLACE(type, m) .offset = offsetof(type, m), .size = sizeof(((type *)0)->m)
#define TRUTH(type, m) { #m, MEMBER_TRUTH, PLACE(type, m) }
#define NUMBER(type, m) { #m, MEMBER_NUMBER, PLACE(type, m) }
#define SIGNED(type, m) { #m, MEMBER_NUMBER, PLACE(type, m), .is_signed = true }
#define NAME(type, m) { #m, MEMBER_NAME, PLACE(type, m) }
#define TEXT(type, m) { #m, MEMBER_TEXT, PLACE(type, m) }
#define BYTES(type, m) { #m, MEMBER_BYTES, PLACE(type, m) }
#define FIELDS(type) { "fields", MEMBER_FIELDS, PLACE(type, fields), .count = offsetof(type, n_fields) }
#define CHOICE(type, m, list) { #m, MEMBER_CHOICE, PLACE(type, m), .required = true, .choices = list, .n_choices = ELEMENTS(list) }
#define LIST(type, m, shape) { #m, MEMBER_LIST, PLACE(type, m), .count = offsetof(type, n_##m), .of = &shape }

static const struct choice match_kinds[] = {
        { "equal", MATCH_EQUAL }, { "any-bit", MATCH_ANY_BIT }, { "bits", MATCH_BITS }, { "range", MATCH_RANGE }, { "set", MATCH_SET },
};
_Static_assert(ELEMENTS(match_kinds) == MATCH_MAX, "a name for each");

static const struct choice statement_kinds[] = {
        { "counter", STATEMENT_COUNTER }, { "limit", STATEMENT_LIMIT },   { "meter", STATEMENT_METER },
        { "connections", STATEMENT_CONNECTIONS }, { "quota", STATEMENT_QUOTA }, { "numgen", STATEMENT_NUMGEN },
        { "log", STATEMENT_LOG },         { "set", STATEMENT_SET },       { "copy", STATEMENT_COPY },
        { "notrack", STATEMENT_NOTRACK }, { "trace", STATEMENT_TRACE },   { "tproxy", STATEMENT_TPROXY },
        { "synproxy", STATEMENT_SYNPROXY }, { "strip", STATEMENT_STRIP },     { "helper", STATEMENT_HELPER },
};
_Static_assert(ELEMENTS(statement_kinds) == STATEMENT_MAX, "a name for each");

static const struct choice verdict_kinds[] = {
        { "accept", VERDICT_ACCEPT },     { "drop", VERDICT_DROP },         { "jump", VERDICT_JUMP },
        { "goto", VERDICT_GOTO },         { "return", VERDICT_RETURN },     { "continue", VERDICT_CONTINUE },
        { "reject", VERDICT_REJECT },     { "queue", VERDICT_QUEUE },       { "map", VERDICT_MAP },
        { "dnat", VERDICT_DNAT },         { "dnat-port", VERDICT_DNAT_PORT }, { "snat", VERDICT_SNAT },
        { "masquerade", VERDICT_MASQUERADE }, { "redirect", VERDICT_REDIRECT },
};
_Static_assert(ELEMENTS(verdict_kinds) == VERDICT_MAX, "a name for each");

static const struct choice datas[] = {
        { "none", DATA_NONE }, { "verdict", DATA_VERDICT }, { "address", DATA_ADDRESS }, { "address-port", DATA_ADDRESS_PORT },
};
_Static_assert(ELEMENTS(datas) == DATA_MAX, "a name for each");

static const struct choice families[] = { { "any", 0 }, { "ip", AF_INET }, { "ip6", AF_INET6 } };
static const struct choice table_families[] = { { "inet", NFPROTO_INET }, { "bridge", NFPROTO_BRIDGE } };
/* Pointers to these are kept in rulesets. */
static const struct choice chain_types[] = { { "filter", 0 }, { "nat", 0 }, { "route", 0 } };

static const struct member shape_match_members[] = {
        CHOICE(struct match, kind, match_kinds), TRUTH(struct match, negated), FIELDS(struct match),
        BYTES(struct match, value), BYTES(struct match, mask), NAME(struct match, set),
};
static SHAPE(shape_match, struct match, NULL);

static const struct member shape_translation_members[] = {
        { "family", MEMBER_CHOICE, PLACE(struct translation, family), .choices = families, .n_choices = ELEMENTS(families) },
        BYTES(struct translation, first),
        BYTES(struct translation, last),
        NUMBER(struct translation, port_first),
        NUMBER(struct translation, port_last),
        TRUTH(struct translation, netmap),
        NUMBER(struct translation, flags),
};
static SHAPE(shape_translation, struct translation, NULL);

static const struct member shape_statement_members[] = {
        CHOICE(struct statement, kind, statement_kinds),
        NUMBER(struct statement, rate),
        NUMBER(struct statement, per_s),
        NUMBER(struct statement, timeout_ms),
        NUMBER(struct statement, burst),
        TRUTH(struct statement, bytes),
        TRUTH(struct statement, over),
        TRUTH(struct statement, random),
        NAME(struct statement, name),
        FIELDS(struct statement),
        { "field", MEMBER_FIELD, PLACE(struct statement, field) },
        BYTES(struct statement, value),
        BYTES(struct statement, mask),
        NAME(struct statement, prefix),
        NUMBER(struct statement, level),
        NUMBER(struct statement, flags),
        TRUTH(struct statement, has_group),
        NUMBER(struct statement, group),
        NUMBER(struct statement, snap),
        NUMBER(struct statement, threshold),
        { "to", MEMBER_STRUCT, PLACE(struct statement, to), .of = &shape_translation },
};
static SHAPE(shape_statement, struct statement, NULL);

static const struct member shape_verdict_members[] = {
        CHOICE(struct verdict, kind, verdict_kinds),
        FIELDS(struct verdict),
        NAME(struct verdict, name),
        { "to", MEMBER_STRUCT, PLACE(struct verdict, to), .of = &shape_translation },
        NUMBER(struct verdict, reject_type),
        NUMBER(struct verdict, reject_code),
        NUMBER(struct verdict, queue_first),
        NUMBER(struct verdict, queue_last),
        NUMBER(struct verdict, queue_flags),
};
static SHAPE(shape_verdict, struct verdict, NULL);

static const struct member shape_rule_members[] = {
        LIST(struct rule, matches, shape_match),
        LIST(struct rule, statements, shape_statement),
        { "verdict", MEMBER_STRUCT, PLACE(struct rule, verdict), .required = true, .of = &shape_verdict },
        TEXT(struct rule, comment),
        TEXT(struct rule, unknown),
};

static char *rule_line(const void *parent, const void *item)
{
        (void)parent;
        return rule_text(item);
}
static SHAPE(shape_rule, struct rule, rule_line);

static const struct member shape_chain_members[] = {
        { "name", MEMBER_TEXT, PLACE(struct chain, name), .required = true },
        { "type", MEMBER_WORD, PLACE(struct chain, type), .choices = chain_types, .n_choices = ELEMENTS(chain_types) },
        NUMBER(struct chain, hook),
        SIGNED(struct chain, priority),
        TRUTH(struct chain, drops),
        LIST(struct chain, rules, shape_rule),
};
static SHAPE(shape_chain, struct chain, NULL);

static const struct member shape_element_members[] = {
        BYTES(struct element, key),
        { "key_end", MEMBER_END, PLACE(struct element, key_end), .count = offsetof(struct element, key) },
        TRUTH(struct element, covered),
        TRUTH(struct element, accepts),
        TEXT(struct element, jump),
        SIGNED(struct element, expires_ms),
        NUMBER(struct element, packets),
        NUMBER(struct element, bytes),
        BYTES(struct element, data),
        TEXT(struct element, comment),
};

static char *set_line(const void *parent, const void *item)
{
        return element_line(parent, item);
}
static SHAPE(shape_element, struct element, set_line);

static const struct member shape_set_members[] = {
        { "name", MEMBER_TEXT, PLACE(struct set, name), .required = true },
        FIELDS(struct set),
        CHOICE(struct set, data, datas),
        TRUTH(struct set, interval),
        TRUTH(struct set, runtime),
        TRUTH(struct set, timeout),
        TRUTH(struct set, dynamic),
        TRUTH(struct set, counter),
        SIGNED(struct set, timeout_ms),
        NUMBER(struct set, size),
        TRUTH(struct set, unknown),
        LIST(struct set, elements, shape_element),
};
static SHAPE(shape_set, struct set, NULL);

static const struct member shape_table_members[] = {
        CHOICE(struct table, family, table_families),
        LIST(struct table, sets, shape_set),
        LIST(struct table, chains, shape_chain),
        { "unknown", MEMBER_STRINGS, PLACE(struct table, unknown) },
};
SHAPE(shape_table, struct table, NULL);
