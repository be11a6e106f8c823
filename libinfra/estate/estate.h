/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The estate: what a policy directory says, after every check. Data only: made by policy/, read by all,
 * changed by nobody. Names are resolved to indices, defaults and profiles are filled in, and each thing
 * keeps the span of the policy line it came from, for plans, comments in the ruleset and errors.
 * Ownership: the estate owns everything below it; spans point into the estate's list of files.
 */

#include <infra/estate.h>

#include "base/address.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"

/* Every enum here ends in _MAX and has its row of names in estate/names.c. */

enum origin_kind {
        ORIGIN_ANY,       /* every address, wherever it comes in */
        ORIGIN_LOCAL,     /* only the container itself: no opening in the firewall */
        ORIGIN_HOST,      /* the host itself */
        ORIGIN_ZONE,      /* index into estate.zones */
        ORIGIN_CONTAINER, /* index into estate.containers */
        ORIGIN_NETWORK,   /* a literal address or network */
        ORIGIN_KIND_MAX,
};

/* Who: the `from` of a service, the `to` of a connection. */
struct origin {
        enum origin_kind kind;
        char *name;             /* as written */
        size_t index;           /* of the zone or container */
        struct address network; /* ORIGIN_NETWORK */
        struct span span;
};

enum probe_kind {
        PROBE_NONE,
        PROBE_TCP,
        PROBE_SMTP,
        PROBE_HTTP,
        PROBE_HTTPS,
        PROBE_EXEC, /* a command inside the container; exit 0 passes */
        PROBE_KIND_MAX,
};

/* How a service is checked. Durations in milliseconds. */
struct probe {
        enum probe_kind kind;
        char *path;             /* http(s): request target, default "/" */
        char *expect;           /* http(s), exec: text the answer must contain, or NULL */
        char *host_header;      /* http(s): Host, or NULL for the container's name */
        struct strlist command; /* exec */
        int64_t timeout_ms;     /* one attempt */
        int64_t interval_ms;    /* between attempts */
        unsigned passes;        /* passes in a row that count as "serves" */
        int64_t within_ms;      /* time limit of the gate, from container start */
        struct span span;
};

/* So many in so many seconds; `burst` at once. count 0 = no limit. */
struct rate {
        unsigned count;
        unsigned per_s;
        unsigned burst;
};

struct service {
        struct ports port;
        struct origin *from;
        size_t n_from;
        unsigned public_port; /* DNAT on the host's own addresses; 0 = none. Of a range: its first port there */
        struct rate limit;    /* new connections of one source */
        bool log;             /* new connections are logged */
        struct probe probe;
        struct span span;
};

struct connection {
        struct origin to;
        struct ports port;
        struct span span;
};

struct volume {
        char *path; /* absolute inside the container, no trailing slash, no "." or ".." */
        struct span span;
};

/* What becomes of something the original wrote outside volumes while its candidate was upgraded aside. */
enum carry {
        CARRY_COPY,     /* carried into the candidate */
        CARRY_IGNORE,   /* of no use there */
        CARRY_CONFLICT, /* a person must decide: turns back */
        CARRY_MAX,
};

/* A rule for a path and everything below it; the longest that fits counts. */
struct write_rule {
        char *path; /* absolute inside the container */
        enum carry as;
        struct span span;
};

enum conffile_use {
        CONFFILE_KEEP, /* the container's own */
        CONFFILE_NEW,  /* the package's */
        CONFFILE_MAX,
};

/* The answer to a question about a configuration file that both the container and a package changed. */
struct conffile {
        char *path; /* absolute inside the container */
        enum conffile_use use;
        char *text; /* the merged file, or NULL: then @use counts */
        struct span span;
};

/* Which source address containers without one of their own have in a zone that is reached by an interface. */
enum translate {
        TRANSLATE_MASQUERADE, /* whatever the interface has */
        TRANSLATE_NONE,       /* their own */
        TRANSLATE_ADDRESS,
        TRANSLATE_MAX,
};

struct zone {
        char *name;
        char *interface;          /* or NULL: known by networks alone */
        struct address *networks; /* may be empty when an interface is given */
        size_t n_networks;
        struct origin *members;   /* containers, zones and networks that belong to it */
        size_t n_members;
        enum translate translate; /* of what leaves by its interface */
        struct address translate_to; /* TRANSLATE_ADDRESS */
        struct span span;
};

struct container {
        char *name;
        char *profile;
        char *release; /* "bookworm" */
        struct address internal;      /* IPv4 on the bridge */
        struct address intranet;      /* IPv4 of the zone named "intranet", 1:1 NAT; family 0 = none */
        struct address internet;      /* IPv4 of the zone named "internet", 1:1 NAT; family 0 = none */
        struct address ipv6;          /* on the bridge, not translated; family 0 = none */
        bool essential;
        bool privileged;
        bool autostart;               /* started by apply and at boot; default true */
        size_t *after;                /* indices of containers that must serve first */
        size_t n_after;
        struct volume *volumes;
        size_t n_volumes;
        struct service *services;
        size_t n_services;
        struct connection *connects;
        size_t n_connects;
        struct strlist admins;
        struct strlist packages;      /* installed when the root is made */
        struct strlist keep;          /* packages an upgrade must not remove */
        struct write_rule *write_set;
        size_t n_write_set;
        struct conffile *conffiles;
        size_t n_conffiles;
        int64_t stop_grace_ms;        /* before a container that does not stop is killed */
        int64_t start_limit_ms;       /* until it must be running and serving */
        struct span span;             /* of the name */
        struct span addresses_span;
};

enum strategy {
        STRATEGY_IN_PLACE,
        STRATEGY_SHADOW,
        STRATEGY_MAX,
};

enum on_failure {
        ON_FAILURE_ROLLBACK_CONTAINER,
        ON_FAILURE_ROLLBACK_WAVE,
        ON_FAILURE_PAUSE,
        ON_FAILURE_MAX,
};

struct wave {
        size_t *containers; /* indices, in the order of start */
        size_t n_containers;
        struct span span;
};

struct upgrade {
        char *name;
        char *to;          /* release */
        struct wave *waves; /* `auto` is already computed here */
        size_t n_waves;
        enum strategy strategy;
        int64_t window_start_ms;  /* wall; 0 = none */
        int64_t window_length_ms; /* 0 = none */
        unsigned approvals;
        enum on_failure on_failure;
        int64_t keep_ms;          /* previous generations and volume snapshots */
        unsigned jobs;            /* containers prepared at the same time */
        int64_t silence_ms;       /* an upgrade that prints nothing for so long waits for somebody */
        struct span span;
};

/* What becomes of a package source that is not Debian's own when a release is switched: it stays, or is mapped. */
struct source_rule {
        char *uri;   /* as it stands in the container */
        char *to;    /* address instead, or NULL */
        char *suite; /* suite instead; "release": that of the release reached; NULL: as it is */
        struct span span;
};

enum storage_backend {
        STORAGE_BTRFS,
        STORAGE_DIR,
        STORAGE_BACKEND_MAX,
};

struct host {
        char *name;
        char *release;
        char *bridge;
        struct address bridge_ipv4; /* address with the network's prefix */
        struct address bridge_ipv6; /* family 0 = none */
        enum storage_backend storage;
        char *storage_path;
        char *lxc_path;             /* default /var/lib/lxc */
        char *mirror;               /* default http://deb.debian.org/debian */
        char *security_mirror;      /* default http://deb.debian.org/debian-security; "" = none */
        char *proxy;                /* http proxy for packages, or NULL */
        struct source_rule *third_party;
        size_t n_third_party;
        struct address *resolvers;
        size_t n_resolvers;
        struct service *services;   /* of the host itself */
        size_t n_services;
        struct connection *connects; /* that the host itself may open */
        size_t n_connects;
        struct span connects_span;
        bool connects_only;         /* whether `connects` is given, if only as []: nothing else leaves then */
        unsigned id_first;          /* first subordinate id, default 100000 */
        unsigned id_count;          /* default 65536 */
        char *console_kind;         /* remote console: kind, address, holder; NULL when not given */
        char *console_address;
        char *console_holder;
        struct span span;
};

/* One rule in nft's words, or one element of a list that is kept as it is written. */
struct rule_line {
        char *text;
        struct span span; /* of the text's first character */
};

/* Rules of a place or of a named chain. */
struct rule_list {
        char *name;
        struct rule_line *lines;
        size_t n_lines;
        struct span span;
};

/* Addresses or ports by name, for rules. */
struct named_set {
        char *name;
        struct address *addresses;
        size_t n_addresses;
        struct strlist ports; /* "25", "1000-2000" */
        struct span span;
};

/* firewall.yaml: what services cannot express. */
struct filter {
        bool only_rules;      /* no loopback, icmp, state and openings but what the rules say */
        bool anti_spoofing;
        bool counters;        /* of every opening */
        struct rate icmp_limit;
        struct rate log_dropped;
        char *log_prefix;     /* default "infra" */
        struct origin *rescue; /* zones from which ssh gets in by the rescue ruleset */
        size_t n_rescue;
        struct named_set *sets;
        size_t n_sets;
        struct rule_list *chains;
        size_t n_chains;
        struct rule_list *rules; /* by place */
        size_t n_rules;
        struct span span;
};

/* Where rules of firewall.yaml stand: filter places before (`forward`) and behind (`forward-last`) the estate's openings. */
enum rule_place {
        RULE_RAW_PREROUTING,
        RULE_MANGLE_PREROUTING,
        RULE_NAT_PREROUTING,
        RULE_NAT_PREROUTING_LAST,
        RULE_MANGLE_INPUT,
        RULE_INPUT,
        RULE_INPUT_LAST,
        RULE_SECURITY_INPUT,
        RULE_NAT_INPUT,
        RULE_MANGLE_FORWARD,
        RULE_FORWARD,
        RULE_FORWARD_LAST,
        RULE_SECURITY_FORWARD,
        RULE_RAW_OUTPUT,
        RULE_MANGLE_OUTPUT,
        RULE_NAT_OUTPUT,
        RULE_OUTPUT,
        RULE_OUTPUT_LAST,
        RULE_SECURITY_OUTPUT,
        RULE_MANGLE_POSTROUTING,
        RULE_NAT_POSTROUTING,
        RULE_NAT_POSTROUTING_LAST,
        RULE_PLACE_MAX,
};
const char *rule_place_name(enum rule_place p);
int rule_place_parse(const char *s);

struct infra_estate {
        char *directory;
        struct strlist files; /* policy files as the spans name them, relative to the directory, sorted */
        char *digest;         /* SHA-256 of the policy files' content, hexadecimal */
        struct host host;
        struct filter filter;
        struct zone *zones;
        size_t n_zones;
        struct container *containers; /* sorted by name */
        size_t n_containers;
        struct upgrade *upgrades; /* sorted by name */
        size_t n_upgrades;
};
typedef struct infra_estate infra_estate;

/* Containers, zones, upgrades by name; NULL when there is none. */
const struct container *estate_container(const infra_estate *e, const char *name);
const struct zone *estate_zone(const infra_estate *e, const char *name);
const struct upgrade *estate_upgrade(const infra_estate *e, const char *name);
/* -ENOENT: "no container named 'wikki'; did you mean 'wiki'?" */
int estate_no_container(const infra_estate *e, const char *name, infra_error **reterr);
int estate_no_upgrade(const infra_estate *e, const char *name, infra_error **reterr);

/* FNV-1a of the name: stable interface names and link addresses. */
uint64_t container_hash(const struct container *c);
/* The host's end of the container's network: IFNAMSIZ - 1 characters. */
enum { CONTAINER_PORT_MAX = 15 };
void container_port(const struct container *c, char ret[static CONTAINER_PORT_MAX + 1]);

/*
 * Start order: every container after those it names in `after`, otherwise by name. @order has room for
 * n_containers indices. The estate has no cycle (policy refuses it). The stop order is the reverse.
 */
void estate_start_order(const infra_estate *e, size_t *order);

/* Names of enum values as policies and JSON write them; the parse functions return -EINVAL. */
const char *origin_kind_name(enum origin_kind k);
const char *probe_kind_name(enum probe_kind k);
int probe_kind_parse(const char *s);
const char *zone_translate_name(enum translate t);
const char *carry_name(enum carry c);
const char *strategy_name(enum strategy s);
int strategy_parse(const char *s);
const char *on_failure_name(enum on_failure o);
int on_failure_parse(const char *s);
const char *storage_backend_name(enum storage_backend b);
int storage_backend_parse(const char *s);

/* Debian releases in order, "bullseye" .. : index or -EINVAL; the release that follows, or NULL. */
int release_index(const char *name);
const char *release_next(const char *name);
/* Names of the known releases, NULL-terminated. */
extern const char *const release_names[];

/* Destructors of the parts, for policy/ which builds them. */
void probe_done(struct probe *p);
void origin_done(struct origin *o);
void service_done(struct service *s);
void connection_done(struct connection *c);
void write_rule_done(struct write_rule *w);
void conffile_done(struct conffile *c);
void source_rule_done(struct source_rule *s);
void container_done(struct container *c);
void zone_done(struct zone *z);
void upgrade_done(struct upgrade *u);
void host_done(struct host *h);
void rule_list_done(struct rule_list *l);
void filter_done(struct filter *f);

DEFINE_CLEANUP(infra_estate *, infra_estate_free);
#define _cleanup_estate_ CLEANUP(infra_estate_freep)
