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

#define SECOND_NS UINT64_C(1000000000) /* of FIELD_TIME */

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
        FIELD_ICMP_CODE,
        FIELD_ICMPV6_CODE,
        FIELD_TCP_FLAGS,
        FIELD_TCP_MSS,     /* the option of a SYN; only to be set */
        FIELD_IP_TOS,      /* DSCP and ECN */
        FIELD_IP_FRAGMENT, /* flags and offset */
        FIELD_IP_TTL,
        FIELD_IP6_CLASS,   /* version, traffic class, the flow label's first bits */
        FIELD_IP6_HOPLIMIT,
        FIELD_ETHER_SADDR,
        FIELD_ARP_SADDR,   /* whose IPv4 address is announced */
        FIELD_LENGTH,
        FIELD_PRIORITY,
        FIELD_MARK,
        FIELD_SKUID,
        FIELD_SKGID,
        FIELD_PKTTYPE,
        FIELD_CPU,
        FIELD_IIFGROUP,
        FIELD_OIFGROUP,
        FIELD_CGROUP,
        FIELD_REALM,
        FIELD_SECPATH,
        FIELD_CT_STATE,
        FIELD_CT_STATUS,
        FIELD_CT_DIRECTION,
        FIELD_CT_MARK,
        FIELD_CT_HELPER,
        FIELD_CT_ORIG_IP_SADDR, /* of the direction that began */
        FIELD_CT_ORIG_IP_DADDR,
        FIELD_CT_ORIG_IP6_SADDR,
        FIELD_CT_ORIG_IP6_DADDR,
        FIELD_CT_ORIG_SPORT,
        FIELD_CT_ORIG_DPORT,
        FIELD_FIB_DADDR_TYPE,
        FIELD_FIB_SADDR_TYPE,
        FIELD_FIB_SADDR_OIF, /* interface a packet to its source would leave by, of the one it came in; 0: none */
        FIELD_FIB_SADDR_ANY_OIF, /* the same by any interface */
        FIELD_FIB_SADDR_MARK_OIF, /* the two as packets with this mark are routed */
        FIELD_FIB_SADDR_MARK_ANY_OIF,
        FIELD_FIB_DADDR_IIF_TYPE, /* of the addresses of one interface */
        FIELD_FIB_DADDR_OIF_TYPE,
        FIELD_FIB_SADDR_IIF_TYPE,
        FIELD_FIB_SADDR_OIF_TYPE,
        FIELD_HOUR, /* seconds of the day, UTC */
        FIELD_DAY,  /* of the week, as the kernel's timezone has it; 0 = Sunday */
        FIELD_TIME, /* nanoseconds since 1970 */
        FIELD_SECMARK,
        FIELD_AH_SPI,
        FIELD_ESP_SPI,
        FIELD_COMP_CPI,
        FIELD_DCCP_TYPE, /* and what is about it: bits 0x1e */
        FIELD_CT_BYTES,
        FIELD_CT_ORIG_BYTES,
        FIELD_CT_REPLY_BYTES,
        FIELD_CT_PACKETS,
        FIELD_CT_ORIG_PACKETS,
        FIELD_CT_REPLY_PACKETS,
        FIELD_CT_AVGPKT,
        FIELD_CT_ORIG_AVGPKT,
        FIELD_CT_REPLY_AVGPKT,
        FIELD_CT_REPLY_IP_SADDR,
        FIELD_CT_REPLY_IP_DADDR,
        FIELD_CT_REPLY_IP6_SADDR,
        FIELD_CT_REPLY_IP6_DADDR,
        FIELD_CT_REPLY_SPORT,
        FIELD_CT_REPLY_DPORT,
        FIELD_CT_PROTOCOL,
        FIELD_CT_EXPIRATION, /* milliseconds */
        FIELD_CT_SECMARK,
        FIELD_CT_LABEL, /* 128 bits; a value of one is its number, see field_put_bit() */
        FIELD_CT_ZONE,
        FIELD_CT_ORIG_ZONE,
        FIELD_CT_REPLY_ZONE,
        FIELD_SOCKET_TRANSPARENT,
        FIELD_SOCKET_WILDCARD,
        FIELD_SOCKET_MARK, /* not of one that is closing */
        FIELD_ROUTE_IPSEC, /* whether IPsec takes the packet on its way out */
        FIELD_HBH_EXISTS, /* headers of IPv6: whether there is one, and what it says */
        FIELD_DST_EXISTS,
        FIELD_RT_EXISTS,
        FIELD_FRAG_EXISTS,
        FIELD_MH_EXISTS,
        FIELD_HBH_LENGTH, /* in units of 8 bytes, the first not counted */
        FIELD_DST_LENGTH,
        FIELD_RT_LENGTH,
        FIELD_RT_TYPE,
        FIELD_RT_LEFT,
        FIELD_FRAG_RESERVED,
        FIELD_FRAG_OFFSET, /* 0xfff8, and 0x1: more come */
        FIELD_FRAG_ID,
        FIELD_MH_TYPE,
        FIELD_TCP_NOP_EXISTS, /* options of TCP */
        FIELD_TCP_MSS_EXISTS,
        FIELD_TCP_WINDOW_EXISTS,
        FIELD_TCP_SACK_PERM_EXISTS,
        FIELD_TCP_SACK_EXISTS,
        FIELD_TCP_TIMESTAMP_EXISTS,
        FIELD_TCP_MD5_EXISTS,
        FIELD_TCP_MPTCP_EXISTS,
        FIELD_TCP_FASTOPEN_EXISTS,
        FIELD_SCTP_DATA, /* chunks: whether there is one */
        FIELD_SCTP_INIT,
        FIELD_SCTP_INIT_ACK,
        FIELD_SCTP_SACK,
        FIELD_SCTP_HEARTBEAT,
        FIELD_SCTP_HEARTBEAT_ACK,
        FIELD_SCTP_ABORT,
        FIELD_SCTP_SHUTDOWN,
        FIELD_SCTP_SHUTDOWN_ACK,
        FIELD_SCTP_ERROR,
        FIELD_SCTP_COOKIE_ECHO,
        FIELD_SCTP_COOKIE_ACK,
        FIELD_SCTP_ECNE,
        FIELD_SCTP_CWR,
        FIELD_SCTP_SHUTDOWN_COMPLETE,
        FIELD_SCTP_ASCONF,
        FIELD_SCTP_ASCONF_ACK,
        FIELD_SCTP_FORWARD_TSN,
        FIELD_IPSEC_IN_REQID_0, /* see FIELD_IPSEC() */
        FIELD_IPSEC_IN_REQID_1,
        FIELD_IPSEC_IN_REQID_2,
        FIELD_IPSEC_IN_REQID_3,
        FIELD_IPSEC_IN_REQID_4,
        FIELD_IPSEC_IN_REQID_5,
        FIELD_IPSEC_IN_SPI_0,
        FIELD_IPSEC_IN_SPI_1,
        FIELD_IPSEC_IN_SPI_2,
        FIELD_IPSEC_IN_SPI_3,
        FIELD_IPSEC_IN_SPI_4,
        FIELD_IPSEC_IN_SPI_5,
        FIELD_IPSEC_OUT_REQID_0,
        FIELD_IPSEC_OUT_REQID_1,
        FIELD_IPSEC_OUT_REQID_2,
        FIELD_IPSEC_OUT_REQID_3,
        FIELD_IPSEC_OUT_REQID_4,
        FIELD_IPSEC_OUT_REQID_5,
        FIELD_IPSEC_OUT_SPI_0,
        FIELD_IPSEC_OUT_SPI_1,
        FIELD_IPSEC_OUT_SPI_2,
        FIELD_IPSEC_OUT_SPI_3,
        FIELD_IPSEC_OUT_SPI_4,
        FIELD_IPSEC_OUT_SPI_5,
        FIELD_MAX,
};

/* The request number or (@spi) the SPI of the @n-th state of IPsec that a packet came through, or (@out) goes through; n < 6. */
#define FIELD_IPSEC(out, spi, n) ((enum field)(FIELD_IPSEC_IN_REQID_0 + ((out) * 2 + (spi)) * 6 + (n)))

/* Of those that end in _EXISTS the value is 1 or 0. */
enum field_source {
        SOURCE_META,
        SOURCE_NETWORK,
        SOURCE_TRANSPORT,
        SOURCE_LINK,
        SOURCE_CT,
        SOURCE_FIB,
        SOURCE_ROUTE,
        SOURCE_SOCKET,
        SOURCE_IPSEC,
        SOURCE_TCP_OPTION,
        SOURCE_TCP_OPTION_EXISTS,
        SOURCE_IP6_HEADER,
        SOURCE_IP6_HEADER_EXISTS,
        SOURCE_SCTP_CHUNK_EXISTS,
        SOURCE_MAX,
};

struct field_type {
        const char *text;    /* as nft writes it */
        unsigned size;       /* bytes */
        unsigned datatype;   /* nft's number of the type, TYPE_* in its datatype.h */
        const char *datatype_name;
        enum field_source source;
        unsigned key;        /* meta, ct, fib, rt or socket key, the offset in the header, or the kind of option, header or chunk */
        bool host_order;     /* a number in the order of this machine; otherwise as in the packet */
        unsigned extra;      /* ct: direction + 1; fib: NFTA_FIB_F_*; options and headers of IPv6: offset within; ipsec: 2 * number of the state + out */
};
const struct field_type *field_type(enum field f);
/* The field that says whether that is there at all; FIELD_MAX: none does. */
enum field field_presence(enum field f);
/* Bytes in registers and keys: padded to 4. */
unsigned field_room(enum field f);

enum match_kind {
        MATCH_EQUAL,   /* fields[0] == value */
        MATCH_ANY_BIT, /* fields[0] & mask != 0 */
        MATCH_BITS,    /* fields[0] & mask == value (also prefixes of addresses, and of interface names: "eth*") */
        MATCH_RANGE,   /* value <= fields[0] <= mask, as numbers */
        MATCH_SET,     /* fields, concatenated, are in the set */
        MATCH_MAX,
};

struct match {
        enum match_kind kind;
        bool negated;
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        uint8_t value[16];
        uint8_t mask[16];
        char set[RULESET_NAME_MAX + 1];
};

/* What an address translation or a proxy leads to. */
struct translation {
        int family;             /* AF_INET, AF_INET6; 0: the address stays */
        uint8_t first[16];
        uint8_t last[16];
        uint16_t port_first;    /* 0: the port stays */
        uint16_t port_last;
        bool netmap;            /* only the network's bits are exchanged: first .. last is the network */
        unsigned flags;         /* NF_NAT_RANGE_PROTO_RANDOM, _RANDOM_FULLY, _PERSISTENT */
};

/* What a rule does beside its verdict, in order, after all matches. Where one says no, the rule ends there. */
enum statement_kind {
        STATEMENT_COUNTER,
        STATEMENT_LIMIT,       /* on only below (`over`: above) a rate */
        STATEMENT_METER,       /* the same for each value of `fields`, kept in dynamic set `name`; see statement_field_mask() */
        STATEMENT_CONNECTIONS, /* on only while connections do not exceed `rate` (`over`: exceed it); of each value in `name`, if named */
        STATEMENT_QUOTA,       /* on only until (`over`: after) `rate` bytes */
        STATEMENT_NUMGEN,      /* on only when a counter (`random`: a random number) modulo `burst` is <= `rate` (`over`: == `rate`) */
        STATEMENT_LOG,
        STATEMENT_SET,         /* `field` = `field` & mask ^ value; FIELD_TCP_MSS with value 0: what the route's MTU allows; FIELD_CT_LABEL: mask is ~value */
        STATEMENT_COPY,        /* `field` = fields[0] & mask ^ value */
        STATEMENT_NOTRACK,
        STATEMENT_TRACE,
        STATEMENT_TPROXY,      /* to the socket that listens at `to` (no address: one of the host's); on only when there is one */
        STATEMENT_SYNPROXY,    /* answers for the server; `rate`: segment size, `burst`: window scale, `flags`: NF_SYNPROXY_OPT_* */
        STATEMENT_STRIP,       /* TCP option `rate` is overwritten */
        STATEMENT_HELPER,      /* the connection gets helper `name`, see ct-helper.h */
        STATEMENT_MAX,
};

enum { RULESET_LOG_PREFIX_MAX = 127 }; /* NF_LOG_PREFIXLEN is 128 with the NUL */

struct statement {
        enum statement_kind kind;
        uint64_t rate;
        uint64_t per_s;  /* LIMIT, METER: seconds the rate is of */
        uint64_t timeout_ms; /* METER: how long a value is remembered; 0 = as the set says */
        uint32_t burst;
        bool bytes;      /* the rate counts bytes, not packets */
        bool over;
        bool random;
        char name[RULESET_NAME_MAX + 1];
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        enum field field;
        uint8_t value[16];
        uint8_t mask[16];
        char prefix[RULESET_LOG_PREFIX_MAX + 1]; /* LOG */
        unsigned level;      /* LOG: syslog's, default 4 (warning) */
        unsigned flags;      /* LOG: NF_LOG_*; SYNPROXY */
        bool has_group;      /* LOG: to nfnetlink group */
        uint16_t group;
        uint32_t snap;       /* LOG to a group: bytes copied; 0 = all */
        uint16_t threshold;  /* LOG to a group: packets kept back; 0 = the kernel's default */
        struct translation to; /* TPROXY */
};

/* A label is put to the others: the mask of a SET that has its value. */
void statement_keep_labels(struct statement *s);

/* METER, CONNECTIONS: the bits of a field that count: `mask` of a source address, `value` of a destination; NULL: all. */
const uint8_t *statement_field_mask(const struct statement *s, enum field f);

enum verdict_kind {
        VERDICT_ACCEPT,
        VERDICT_DROP,
        VERDICT_JUMP,       /* to chain `name` */
        VERDICT_GOTO,       /* to chain `name`, not to come back */
        VERDICT_RETURN,
        VERDICT_CONTINUE,   /* no verdict: on to the next rule */
        VERDICT_REJECT,
        VERDICT_QUEUE,      /* to a program in user space */
        VERDICT_MAP,        /* what map `name` says about the fields; no entry: on to the next rule */
        VERDICT_DNAT,       /* to the address map `name` gives; without a name: to `to` */
        VERDICT_DNAT_PORT,  /* to the address and port map `name` gives */
        VERDICT_SNAT,       /* to the address map `name` gives; without a name: to `to` */
        VERDICT_MASQUERADE, /* to the address of the interface, ports of `to` */
        VERDICT_REDIRECT,   /* to the host itself, ports of `to` */
        VERDICT_MAX,
};

struct verdict {
        enum verdict_kind kind;
        enum field fields[RULESET_FIELDS_MAX];
        size_t n_fields;
        char name[RULESET_NAME_MAX + 1];
        struct translation to;  /* of VERDICT_REJECT only the family, of which ICMP is meant */
        unsigned reject_type;   /* NFT_REJECT_* */
        unsigned reject_code;   /* ICMP's, or NFT_REJECT_ICMPX_* */
        uint16_t queue_first;
        uint16_t queue_last;
        unsigned queue_flags;   /* NFT_QUEUE_FLAG_* */
};

struct rule {
        struct match *matches;
        size_t n_matches;
        struct statement *statements;
        size_t n_statements;
        struct verdict verdict;
        char *comment; /* or NULL */
        struct span span;
        char *unknown; /* decoded from elsewhere and not understood: in libnftnl's words, or the line of a file */
};

struct chain {
        char *name;
        const char *type;     /* "filter", "nat", "route"; NULL: only jumped to */
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
        char *jump;                       /* DATA_VERDICT: or to this chain; else NULL */
        int64_t expires_ms;               /* of sets with a timeout: until it goes by itself; 0 = never */
        uint64_t packets;                 /* of sets with counters, read from the kernel; no part of a difference */
        uint64_t bytes;
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
        bool runtime; /* filled at run time (fences, bans): no part of a difference */
        bool timeout; /* elements may go by themselves */
        bool dynamic; /* filled by rules (METER, CONNECTIONS) */
        bool counter; /* each element counts its packets and bytes */
        int64_t timeout_ms; /* of elements that say no other; 0 = they stay */
        uint32_t size;      /* at most so many elements; 0 = no limit */
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
struct statement *rule_add_statement(struct rule *r, enum statement_kind kind);
void element_done(struct element *e);
/* The elements of a set, not the set. */
void set_done_elements(struct set *s);
void chain_done(struct chain *c);
/* The first @n rules go. No rule may be added afterwards. */
void chain_drop_first(struct chain *c, size_t n);
struct set *table_set(const struct table *t, const char *name);
struct chain *table_chain(const struct table *t, const char *name);

/* The order of elements in a sorted set; whether both say the same of their key; whether elements of one fit the other. */
int element_compare(const struct element *a, const struct element *b);
bool element_same_data(const struct element *a, const struct element *b);
bool set_same_shape(const struct set *a, const struct set *b);
/* The value of a field of at most 8 bytes as a number; @value as it stands in matches and keys. */
uint64_t field_number(enum field f, const uint8_t *value);
void field_put_number(enum field f, uint64_t number, uint8_t *value);
void field_put_bit(unsigned bit, uint8_t value[static 16]);
/* The one bit of FIELD_CT_LABEL that is set; -1: none, or several. */
int field_bit(const uint8_t value[static 16]);

/* Whether both are only jumped to, or base chains at the same place with the same policy. */
bool chain_same_hook(const struct chain *a, const struct chain *b);
/*
 * A base chain of translations without a rule. It says nothing, but the kernel forgets all translations of open connections
 * with the last chain of that type: so it stays until the next boot.
 */
bool chain_is_idle(const struct chain *c);

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
char *rule_statement_text(const struct statement *s);
char *rule_verdict_text(const struct verdict *v);
/* One element as nft writes it, without comment and data. */
char *element_text(const struct set *s, const struct element *e);
/* The same with what the map gives, unless that is "accept". */
char *element_line(const struct set *s, const struct element *e);
