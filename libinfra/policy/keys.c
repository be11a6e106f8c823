/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The key tables. Order is the order of the documentation. */

#include "policy/draft.h"

#define AT(type, member) .offset = offsetof(type, member)
#define LIST(type, member) .offset = offsetof(type, member), .count = offsetof(type, n_##member)
#define TABLE(w, rows, type) .what = w, .keys = rows, .n_keys = ELEMENTS(rows), .size = sizeof(type)
#define SPAN(type, member) .span = offsetof(type, member) + 1

static const char *const backends[] = { "btrfs", "dir", NULL };
static const char *const strategies[] = { "in-place", "shadow", NULL };
static const char *const carries[] = { "carry", "ignore", "conflict", NULL };
static const char *const conffile_uses[] = { "keep", "new", NULL };
static const char *const on_failures[] = { "rollback-container", "rollback-wave", "pause", NULL };

/* host.yaml */

static const struct key bridge_keys[] = {
        { "name", VALUE_NAME, AT(struct host, bridge), .flags = KEY_REQUIRED, .doc = "interface name of the bridge, at most 15 characters" },
        { "ipv4", VALUE_NET4, AT(struct host, bridge_ipv4), .flags = KEY_REQUIRED, .doc = "the host's address on it with the network's prefix, 10.0.0.1/24" },
        { "ipv6", VALUE_NET6, AT(struct host, bridge_ipv6), .doc = "the same for IPv6" },
};
const struct table bridge_table = { TABLE("bridge", bridge_keys, struct host) };

static const struct key storage_keys[] = {
        { "backend", VALUE_CHOICE, AT(struct host, storage), .flags = KEY_REQUIRED, .choices = backends, .doc = "btrfs, or dir for plain directories" },
        { "path", VALUE_PATH, AT(struct host, storage_path), .flags = KEY_REQUIRED, .doc = "directory of generations and volumes" },
};
const struct table storage_table = { TABLE("storage", storage_keys, struct host) };

static const struct key source_rule_keys[] = {
        { "uri", VALUE_URL, AT(struct source_rule, uri), .flags = KEY_REQUIRED, .doc = "address of a package source that is not Debian's own" },
        { "to", VALUE_URL, AT(struct source_rule, to), .doc = "address instead; default: as it is" },
        { "suite", VALUE_TEXT, AT(struct source_rule, suite), .doc = "suite instead; release: that of the release reached; default: as it is" },
};
const struct table source_rule_table = { TABLE("third-party source", source_rule_keys, struct source_rule), SPAN(struct source_rule, span) };

static const struct key packages_keys[] = {
        { "mirror", VALUE_URL, AT(struct host, mirror), .doc = "Debian mirror, default http://deb.debian.org/debian" },
        { "security-mirror", VALUE_URL, AT(struct host, security_mirror), .doc = "default http://deb.debian.org/debian-security" },
        { "proxy", VALUE_URL, AT(struct host, proxy), .doc = "http proxy for packages, reachable from the containers" },
        { "third-party", VALUE_MAPPINGS, LIST(struct host, third_party), .table = &source_rule_table, .doc = "package sources not Debian's own that stay through an upgrade; others are disabled with a note" },
};
const struct table packages_table = { TABLE("packages", packages_keys, struct host) };

static const struct key ids_keys[] = {
        { "first", VALUE_NUMBER, AT(struct host, id_first), .min = 65536, .max = 4000000000u, .doc = "first id on the host of unprivileged containers, default 100000" },
        { "count", VALUE_NUMBER, AT(struct host, id_count), .min = 65536, .max = 1000000000u, .doc = "how many, default 65536" },
};
const struct table ids_table = { TABLE("subordinate-ids mapping", ids_keys, struct host) };

static const struct key console_keys[] = {
        { "kind", VALUE_TEXT, AT(struct host, console_kind), .flags = KEY_REQUIRED, .doc = "ipmi, serial, kvm" },
        { "address", VALUE_TEXT, AT(struct host, console_address), .flags = KEY_REQUIRED, .doc = "where it answers" },
        { "holder", VALUE_TEXT, AT(struct host, console_holder), .doc = "who can use it" },
};
const struct table console_table = { TABLE("remote-console", console_keys, struct host) };

static const struct key host_keys[] = {
        { "host", VALUE_NAME, AT(struct host, name), .flags = KEY_REQUIRED, .doc = "name of the host" },
        { "release", VALUE_RELEASE, AT(struct host, release), .flags = KEY_REQUIRED, .doc = "Debian release of the host" },
        { "bridge", VALUE_MAPPING, .flags = KEY_REQUIRED, .table = &bridge_table, .doc = "bridge that joins host and containers" },
        { "storage", VALUE_MAPPING, .flags = KEY_REQUIRED, .table = &storage_table, .doc = "where generations and volumes live" },
        { "packages", VALUE_MAPPING, .table = &packages_table, .doc = "where packages come from" },
        { "resolvers", VALUE_ADDRESSES, LIST(struct host, resolvers), .doc = "name servers of the containers" },
        { "services", VALUE_MAPPINGS, LIST(struct host, services), .table = &service_table, .doc = "services of the host itself" },
        { "connects", VALUE_MAPPINGS, LIST(struct host, connects), .where = offsetof(struct host, connects_span) + 1, .table = &connection_table, .doc = "connections the host itself may open; once given, no others" },
        { "lxc-path", VALUE_PATH, AT(struct host, lxc_path), .doc = "default /var/lib/lxc" },
        { "subordinate-ids", VALUE_MAPPING, .table = &ids_table, .doc = "ids of unprivileged containers on the host" },
        { "remote-console", VALUE_MAPPING, .table = &console_table, .doc = "the way in when the network is gone" },
};
const struct table host_table = { TABLE("host", host_keys, struct host), SPAN(struct host, span) };

/* zones.yaml */

static const struct key zone_keys[] = {
        { "interface", VALUE_TEXT, AT(struct zone, interface), .doc = "interface through which the zone is reached" },
        { "networks", VALUE_ADDRESSES, LIST(struct zone, networks), .doc = "addresses and networks that belong to it" },
        { "members", VALUE_ORIGINS, LIST(struct zone, members), .doc = "containers, other zones and addresses that belong to it" },
        { "translate", VALUE_TRANSLATE, .doc = "source of what leaves by its interface: masquerade (default), none, or an IPv4 address" },
};
const struct table zone_table = { TABLE("zone", zone_keys, struct zone), SPAN(struct zone, span), .name = offsetof(struct zone, name) + 1 };

static const struct key zones_keys[] = {
        { "zones", VALUE_NAMED, LIST(struct draft, zones), .flags = KEY_REQUIRED, .table = &zone_table, .doc = "name -> zone" },
};
const struct table zones_table = { TABLE("zones file", zones_keys, struct draft) };

/* firewall.yaml */

static const struct key named_set_keys[] = {
        { "addresses", VALUE_ADDRESSES, LIST(struct named_set, addresses), .doc = "addresses and networks" },
        { "ports", VALUE_TEXTS, AT(struct named_set, ports), .doc = "ports and ranges: 25, 1000-2000" },
};
const struct table named_set_table = { TABLE("named set", named_set_keys, struct named_set), SPAN(struct named_set, span), .name = offsetof(struct named_set, name) + 1 };

static void init_filter(void *target)
{
        struct filter *f = target;

        f->anti_spoofing = true;
}

static const struct key filter_keys[] = {
        { "rescue", VALUE_ORIGINS, LIST(struct filter, rescue), .doc = "zones from which ssh gets in when nothing else can be loaded" },
        { "anti-spoofing", VALUE_BOOLEAN, AT(struct filter, anti_spoofing), .doc = "containers use only their own addresses, outside interfaces carry no internal ones; default true" },
        { "counters", VALUE_BOOLEAN, AT(struct filter, counters), .doc = "every opening counts its packets" },
        { "icmp-limit", VALUE_RATE, AT(struct filter, icmp_limit), .doc = "echo requests that are answered or let through; default: all" },
        { "log-dropped", VALUE_RATE, AT(struct filter, log_dropped), .doc = "what is dropped at the end is logged at this rate; default: not" },
        { "log-prefix", VALUE_TEXT, AT(struct filter, log_prefix), .doc = "first word of every logged line, default infra" },
        { "only-rules", VALUE_BOOLEAN, AT(struct filter, only_rules), .doc = "nothing passes by itself, no loopback, no answers: only what rules and services say" },
        { "sets", VALUE_NAMED, LIST(struct filter, sets), .table = &named_set_table, .doc = "name -> addresses or ports, for @name in rules" },
        { "chains", VALUE_RULE_LISTS, LIST(struct filter, chains), .doc = "name -> rules, for jump and goto" },
        { "rules", VALUE_RULE_LISTS, LIST(struct filter, rules), .doc = "place -> rules in nft's words" },
};
const struct table filter_table = { TABLE("firewall", filter_keys, struct filter), SPAN(struct filter, span), .init = init_filter };

/* services, probes, connections */

static void init_probe(void *target)
{
        struct probe *p = target;

        p->kind = PROBE_NONE;
}

static const struct key probe_keys[] = {
        { "tcp", VALUE_PROBE_PLAIN, .doc = "{}: a connection" },
        { "smtp", VALUE_PROBE_PLAIN, .doc = "{}: greeting, EHLO, QUIT" },
        { "http", VALUE_PROBE_PATH, .doc = "path to ask for" },
        { "https", VALUE_PROBE_PATH, .doc = "path to ask for" },
        { "exec", VALUE_PROBE_COMMAND, .doc = "command inside the container; exit code 0 passes" },
        { "expect", VALUE_TEXT, AT(struct probe, expect), .doc = "text that the answer must contain (http, https, exec)" },
        { "host", VALUE_TEXT, AT(struct probe, host_header), .doc = "Host header (http, https)" },
        { "timeout", VALUE_DURATION, AT(struct probe, timeout_ms), .doc = "of one attempt, default 5s" },
        { "interval", VALUE_DURATION, AT(struct probe, interval_ms), .doc = "between attempts, default 100ms" },
        { "passes", VALUE_NUMBER, AT(struct probe, passes), .min = 1, .max = 100, .doc = "passes in a row that count, default 3" },
        { "within", VALUE_DURATION, AT(struct probe, within_ms), .doc = "time limit until it must serve, default 60s" },
};
const struct table probe_table = { TABLE("probe", probe_keys, struct probe), .init = init_probe };

static const struct key service_keys[] = {
        { "port", VALUE_PORTS, AT(struct service, port), .flags = KEY_REQUIRED, .doc = "25/tcp, 53/udp or 60000-61000/udp" },
        { "from", VALUE_ORIGINS, LIST(struct service, from), .doc = "who may reach it: any, local, host, zones, containers, addresses" },
        { "public-port", VALUE_NUMBER, AT(struct service, public_port), .min = 1, .max = 65535, .doc = "port of the host's own addresses that leads here; of a range the first" },
        { "limit", VALUE_RATE, AT(struct service, limit), .doc = "new connections of one source: 20/min per source" },
        { "log", VALUE_BOOLEAN, AT(struct service, log), .doc = "new connections are logged, at most 10 a second" },
        { "probe", VALUE_PROBE, AT(struct service, probe), .doc = "how it is checked: none, tcp, smtp, http, https, or a mapping" },
};
const struct table service_table = { TABLE("service", service_keys, struct service), SPAN(struct service, span) };

static const struct key connection_keys[] = {
        { "to", VALUE_ORIGIN, AT(struct connection, to), .flags = KEY_REQUIRED, .doc = "any, a zone, a container, an address or network" },
        { "port", VALUE_PORTS, AT(struct connection, port), .flags = KEY_REQUIRED, .doc = "443/tcp" },
};
const struct table connection_table = { TABLE("connection", connection_keys, struct connection), SPAN(struct connection, span) };

/* what is to be said of an upgrade beforehand */

static const struct key write_rule_keys[] = {
        { "path", VALUE_PATH, AT(struct write_rule, path), .flags = KEY_REQUIRED, .doc = "path inside the container, with everything below it" },
        { "as", VALUE_CHOICE, AT(struct write_rule, as), .flags = KEY_REQUIRED, .choices = carries, .doc = "carry: it goes along; ignore: it stays behind; conflict: the upgrade turns back" },
};
const struct table write_rule_table = { TABLE("write-set rule", write_rule_keys, struct write_rule), SPAN(struct write_rule, span) };

static const struct key conffile_keys[] = {
        { "path", VALUE_PATH, AT(struct conffile, path), .flags = KEY_REQUIRED, .doc = "configuration file inside the container" },
        { "use", VALUE_CHOICE, AT(struct conffile, use), .choices = conffile_uses, .doc = "keep (default): the container's own; new: the package's" },
        { "text", VALUE_TEXT, AT(struct conffile, text), .doc = "the merged file itself, instead of either" },
};
const struct table conffile_table = { TABLE("conffile", conffile_keys, struct conffile), SPAN(struct conffile, span) };

/* containers/NAME.yaml */

static const struct key addresses_keys[] = {
        { "internal", VALUE_HOST4, AT(struct container, internal), .flags = KEY_REQUIRED, .doc = "IPv4 address on the bridge" },
        { "intranet", VALUE_HOST4, AT(struct container, intranet), .doc = "IPv4 address in zone intranet, translated 1:1" },
        { "internet", VALUE_HOST4, AT(struct container, internet), .doc = "IPv4 address in zone internet, translated 1:1" },
        { "ipv6", VALUE_HOST6, AT(struct container, ipv6), .doc = "IPv6 address on the bridge" },
};
const struct table addresses_table = { TABLE("addresses mapping", addresses_keys, struct container), SPAN(struct container, addresses_span) };

static void init_container(void *target)
{
        struct draft_container *c = target;

        c->container.autostart = true;
}

#define OWN(member) AT(struct draft_container, container.member)
#define OWN_LIST(member) .offset = offsetof(struct draft_container, container.member), .count = offsetof(struct draft_container, container.n_##member)

static const struct key container_keys[] = {
        { "container", VALUE_NAME, OWN(name), .where = offsetof(struct draft_container, name_span) + 1, .flags = KEY_REQUIRED, .doc = "its name, and the name of the file" },
        { "profile", VALUE_NAME, OWN(profile), .where = offsetof(struct draft_container, profile_span) + 1, .doc = "kind of container whose defaults it takes, default plain" },
        { "release", VALUE_RELEASE, OWN(release), .flags = KEY_REQUIRED, .doc = "Debian release a new root is made of" },
        { "addresses", VALUE_MAPPING, AT(struct draft_container, container), .flags = KEY_REQUIRED, .table = &addresses_table, .doc = "where it is reached" },
        { "essential", VALUE_BOOLEAN, OWN(essential), .doc = "downtime is counted and kept shortest" },
        { "privileged", VALUE_BOOLEAN, OWN(privileged), .doc = "root inside is root outside; only where the guest cannot live without" },
        { "autostart", VALUE_BOOLEAN, OWN(autostart), .doc = "started by apply and at boot, default true" },
        { "after", VALUE_NAMES, AT(struct draft_container, after), .doc = "containers that must serve before it starts" },
        { "volumes", VALUE_VOLUMES, OWN_LIST(volumes), .doc = "paths whose data is no part of a generation" },
        { "services", VALUE_MAPPINGS, OWN_LIST(services), .table = &service_table, .doc = "listening ports and who may reach them" },
        { "connects", VALUE_MAPPINGS, OWN_LIST(connects), .table = &connection_table, .doc = "connections it may open itself" },
        { "admins", VALUE_TEXTS, OWN(admins), .doc = "users who may see, restart and enter this container only" },
        { "packages", VALUE_TEXTS, OWN(packages), .doc = "Debian packages of a new root" },
        { "keep", VALUE_TEXTS, OWN(keep), .doc = "packages that an upgrade must not remove" },
        { "write-set", VALUE_MAPPINGS, OWN_LIST(write_set), .table = &write_rule_table, .doc = "what becomes of files written outside volumes during a shadow upgrade" },
        { "conffiles", VALUE_MAPPINGS, OWN_LIST(conffiles), .table = &conffile_table, .doc = "answers to questions about configuration files, given beforehand" },
        { "stop-grace", VALUE_DURATION, OWN(stop_grace_ms), .doc = "time to stop by itself before it is killed, default 60s" },
        { "start-limit", VALUE_DURATION, OWN(start_limit_ms), .doc = "time until it must have booted, default 2m" },
};
const struct table container_table = { TABLE("container", container_keys, struct draft_container), SPAN(struct draft_container, file), .init = init_container };

/* profiles/NAME.yaml */

static const struct key profile_keys[] = {
        { "profile", VALUE_NAME, AT(struct draft_profile, name), .flags = KEY_REQUIRED, .doc = "its name, and the name of the file" },
        { "packages", VALUE_TEXTS, AT(struct draft_profile, packages), .doc = "Debian packages of a new root" },
        { "volumes", VALUE_VOLUMES, LIST(struct draft_profile, volumes), .doc = "paths whose data is no part of a generation" },
        { "services", VALUE_MAPPINGS, LIST(struct draft_profile, services), .table = &service_table, .doc = "services, and probes for services the container names" },
        { "write-set", VALUE_MAPPINGS, LIST(struct draft_profile, write_set), .table = &write_rule_table, .doc = "what becomes of files written outside volumes during a shadow upgrade" },
        { "stop-grace", VALUE_DURATION, AT(struct draft_profile, stop_grace_ms), .doc = "time to stop by itself before it is killed" },
        { "start-limit", VALUE_DURATION, AT(struct draft_profile, start_limit_ms), .doc = "time until it must have booted" },
};
const struct table profile_table = { TABLE("profile", profile_keys, struct draft_profile), SPAN(struct draft_profile, file) };

/* upgrades/NAME.yaml */

static const struct key window_keys[] = {
        { "start", VALUE_TIME, AT(struct upgrade, window_start_ms), .flags = KEY_REQUIRED, .doc = "in UTC, 2026-12-05T08:00Z" },
        { "length", VALUE_DURATION, AT(struct upgrade, window_length_ms), .flags = KEY_REQUIRED, .doc = "4h" },
};
const struct table window_table = { TABLE("window", window_keys, struct upgrade) };

static void init_upgrade(void *target)
{
        struct draft_upgrade *u = target;

        u->upgrade.strategy = STRATEGY_SHADOW;
        u->upgrade.approvals = 1;
        u->upgrade.jobs = 2;
        u->upgrade.silence_ms = 15ll * 60 * 1000;
        u->upgrade.keep_ms = 14ll * 24 * 3600 * 1000;
}

#define UP(member) AT(struct draft_upgrade, upgrade.member)

static const struct key upgrade_keys[] = {
        { "upgrade", VALUE_NAME, UP(name), .flags = KEY_REQUIRED, .doc = "its name, and the name of the file" },
        { "to", VALUE_RELEASE, UP(to), .flags = KEY_REQUIRED, .doc = "Debian release to reach" },
        { "waves", VALUE_WAVES, AT(struct draft_upgrade, waves), .flags = KEY_REQUIRED, .doc = "auto, or containers upgraded together: [[emailout], [email, lists]]" },
        { "strategy", VALUE_CHOICE, UP(strategy), .choices = strategies, .doc = "shadow (default) or in-place" },
        { "window", VALUE_MAPPING, AT(struct draft_upgrade, upgrade), .table = &window_table, .doc = "announced time" },
        { "approvals", VALUE_NUMBER, UP(approvals), .min = 1, .max = 10, .doc = "persons who must agree, default 1" },
        { "on-failure", VALUE_CHOICE, UP(on_failure), .choices = on_failures, .doc = "rollback-container (default), rollback-wave or pause" },
        { "jobs", VALUE_NUMBER, UP(jobs), .min = 1, .max = 16, .doc = "containers prepared at the same time (shadow), default 2" },
        { "silence", VALUE_DURATION, UP(silence_ms), .doc = "a package step that prints nothing for so long is ended, default 15m" },
        { "keep", VALUE_DURATION, UP(keep_ms), .doc = "how long previous generations and snapshots stay, default 14d" },
};
const struct table upgrade_table = { TABLE("upgrade", upgrade_keys, struct draft_upgrade), SPAN(struct draft_upgrade, file), .init = init_upgrade };
