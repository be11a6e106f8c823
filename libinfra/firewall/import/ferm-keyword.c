/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The keywords that ferm knows for protocols, matches and targets of iptables: those of ferm 2.5.1, also where the
 * kernel or iptables has long forgotten the module, and what has come since (length2, nfacct, JOOL, zone-orig, zone-reply,
 * random-fully).
 */

#include "firewall/import/ferm.h"

/* Rows: word, how it takes arguments, where "!" may stand, option of iptables when it is called differently. */
#define KEYWORDS(...)                              \
        (const struct ferm_keyword[])              \
        {                                          \
                __VA_ARGS__, {}                    \
        }

static const struct ferm_module protocols[] = {
        { "dccp", KEYWORDS({ "dccp-types", JOINED, AFTER }, { "dccp-option", LIST, AFTER }) },
        { "icmp", KEYWORDS({ "icmp-type", LIST, AFTER }, { "icmpv6-type", LIST, AFTER, "icmp-type" }) },
        { "mh", KEYWORDS({ "mh-type", LIST, AFTER }) },
        { "sctp", KEYWORDS({ "chunk-types", ONE_JOINED, AFTER }) },
        { "tcp", KEYWORDS({ "tcp-flags", JOINED_JOINED, AFTER }, { "syn", FLAG, BEFORE },
                { "tcp-option", LIST, AFTER }, { "mss", LIST }) },
        { "udp" },
};

static const struct ferm_module matches[] = {
        { "", KEYWORDS({ "source", ADDRESS, AFTER }, { "saddr", ADDRESS, AFTER, "source" },
                { "destination", ADDRESS, AFTER }, { "daddr", ADDRESS, AFTER, "destination" },
                { "in-interface", LIST, AFTER }, { "interface", LIST, AFTER, "in-interface" },
                { "if", LIST, AFTER, "in-interface" }, { "out-interface", LIST, AFTER },
                { "outerface", LIST, AFTER, "out-interface" }, { "of", LIST, AFTER, "out-interface" },
                { "fragment", FLAG, BEFORE }) },
        { "account", KEYWORDS({ "aaddr", ONE }, { "aname", ONE }, { "ashort", FLAG }) },
        { "addrtype", KEYWORDS({ "src-type", LIST, BEFORE }, { "dst-type", LIST, BEFORE },
                { "limit-iface-in", FLAG }, { "limit-iface-out", FLAG }) },
        { "ah", KEYWORDS({ "ahspi", LIST, AFTER }, { "ahlen", LIST, AFTER }, { "ahres", FLAG }) },
        { "bpf", KEYWORDS({ "bytecode", LIST }) },
        { "cgroup", KEYWORDS({ "path", LIST, AFTER }, { "cgroup", CLASSID }) },
        { "comment", KEYWORDS({ "comment", ONE }) },
        { "condition", KEYWORDS({ "condition", LIST, AFTER }) },
        { "connbytes", KEYWORDS({ "connbytes", LIST, BEFORE }, { "connbytes-dir", LIST },
                { "connbytes-mode", LIST }) },
        { "connlabel", KEYWORDS({ "label", LIST, BEFORE }, { "set", FLAG }) },
        { "connlimit", KEYWORDS({ "connlimit-upto", LIST, BEFORE }, { "connlimit-above", LIST, BEFORE },
                { "connlimit-mask", LIST }, { "connlimit-saddr", FLAG }, { "connlimit-daddr", FLAG }) },
        { "connmark", KEYWORDS({ "mark", LIST, BEFORE }) },
        { "conntrack", KEYWORDS({ "ctstate", JOINED, BEFORE }, { "ctproto", LIST, BEFORE },
                { "ctorigsrc", LIST, AFTER }, { "ctorigdst", LIST, AFTER }, { "ctorigsrcport", LIST, AFTER },
                { "ctorigdstport", LIST, AFTER }, { "ctreplsrc", LIST, AFTER }, { "ctrepldst", LIST, AFTER },
                { "ctstatus", LIST, BEFORE }, { "ctexpire", ONE, BEFORE }, { "ctdir", ONE }) },
        { "cpu", KEYWORDS({ "cpu", LIST, BEFORE }) },
        { "devgroup", KEYWORDS({ "src-group", LIST, BEFORE }, { "dst-group", LIST, BEFORE }) },
        { "dscp", KEYWORDS({ "dscp", LIST }, { "dscp-class", LIST }) },
        { "dst", KEYWORDS({ "dst-len", ONE, BEFORE }, { "dst-opts", JOINED }) },
        { "ecn", KEYWORDS({ "ecn-tcp-cwr", FLAG }, { "ecn-tcp-ece", FLAG }, { "ecn-ip-ect", LIST }) },
        { "esp", KEYWORDS({ "espspi", LIST, AFTER }) },
        { "eui64" },
        { "fuzzy", KEYWORDS({ "lower-limit", ONE }, { "upper-limit", ONE }) },
        { "geoip", KEYWORDS({ "src-cc", ONE, BEFORE }, { "dst-cc", ONE, BEFORE }) },
        { "hashlimit", KEYWORDS({ "hashlimit", ONE }, { "hashlimit-burst", ONE }, { "hashlimit-mode", JOINED },
                { "hashlimit-name", ONE }, { "hashlimit-upto", ONE }, { "hashlimit-above", ONE },
                { "hashlimit-srcmask", ONE }, { "hashlimit-dstmask", ONE }, { "hashlimit-htable-size", ONE },
                { "hashlimit-htable-max", ONE }, { "hashlimit-htable-expire", ONE },
                { "hashlimit-htable-gcinterval", ONE }) },
        { "hbh", KEYWORDS({ "hbh-len", LIST, AFTER }, { "hbh-opts", JOINED }) },
        { "helper", KEYWORDS({ "helper", LIST }) },
        { "hl", KEYWORDS({ "hl-eq", LIST, AFTER }, { "hl-lt", ONE }, { "hl-gt", ONE }) },
        { "iprange", KEYWORDS({ "src-range", LIST, BEFORE }, { "dst-range", LIST, BEFORE }) },
        { "ipv4options", KEYWORDS({ "flags", JOINED, AFTER }, { "any", FLAG }) },
        { "ipv6header", KEYWORDS({ "header", JOINED, AFTER }, { "soft", FLAG }) },
        { "ipvs", KEYWORDS({ "ipvs", FLAG, BEFORE }, { "vproto", LIST, BEFORE }, { "vaddr", LIST, BEFORE },
                { "vport", LIST, BEFORE }, { "vdir", LIST }, { "vportctl", LIST, BEFORE }) },
        { "length", KEYWORDS({ "length", LIST, AFTER }) },
        { "length2", KEYWORDS({ "length", LIST, AFTER }, { "layer3", FLAG }, { "layer4", FLAG }, { "layer5", FLAG }) },
        { "limit", KEYWORDS({ "limit", ONE }, { "limit-burst", ONE }) },
        { "mac", KEYWORDS({ "mac-source", LIST, AFTER }) },
        { "mark", KEYWORDS({ "mark", LIST, BEFORE }) },
        { "multiport", KEYWORDS({ "source-ports", PORTS, AFTER }, { "destination-ports", PORTS, AFTER },
                { "ports", PORTS, AFTER }) },
        { "nfacct", KEYWORDS({ "nfacct-name", ONE }) },
        { "nth", KEYWORDS({ "every", LIST }, { "counter", LIST }, { "start", LIST }, { "packet", LIST }) },
        { "osf", KEYWORDS({ "genre", LIST, BEFORE }, { "ttl", ONE }, { "log", ONE }) },
        { "owner", KEYWORDS({ "uid-owner", LIST, BEFORE }, { "gid-owner", LIST, BEFORE }, { "pid-owner", LIST },
                { "sid-owner", LIST }, { "cmd-owner", LIST }) },
        { "physdev", KEYWORDS({ "physdev-in", LIST, AFTER }, { "physdev-out", LIST, AFTER },
                { "physdev-is-in", FLAG, BEFORE }, { "physdev-is-out", FLAG, BEFORE },
                { "physdev-is-bridged", FLAG, BEFORE }) },
        { "pkttype", KEYWORDS({ "pkt-type", LIST, AFTER }) },
        { "policy", KEYWORDS({ "dir", LIST }, { "pol", LIST }, { "strict", FLAG }, { "reqid", LIST, BEFORE },
                { "spi", LIST, BEFORE }, { "proto", LIST, BEFORE }, { "mode", LIST, BEFORE },
                { "tunnel-src", LIST, BEFORE }, { "tunnel-dst", LIST, BEFORE }, { "next", FLAG }) },
        { "psd", KEYWORDS({ "psd-weight-threshold", LIST }, { "psd-delay-threshold", LIST },
                { "psd-lo-ports-weight", LIST }, { "psd-hi-ports-weight", LIST }) },
        { "quota", KEYWORDS({ "quota", ONE }) },
        { "random", KEYWORDS({ "average", LIST }) },
        { "realm", KEYWORDS({ "realm", LIST, AFTER }) },
        { "recent", KEYWORDS({ "name", ONE }, { "set", FLAG, BEFORE }, { "remove", FLAG, BEFORE },
                { "rcheck", FLAG, BEFORE }, { "update", FLAG, BEFORE }, { "seconds", LIST, BEFORE },
                { "hitcount", LIST, BEFORE }, { "rttl", FLAG }, { "rsource", FLAG }, { "rdest", FLAG },
                { "mask", ONE }, { "reap", FLAG }) },
        { "rpfilter", KEYWORDS({ "loose", FLAG }, { "validmark", FLAG }, { "accept-local", FLAG },
                { "invert", FLAG }) },
        { "rt", KEYWORDS({ "rt-type", LIST, AFTER }, { "rt-segsleft", LIST, AFTER }, { "rt-len", LIST, AFTER },
                { "rt-0-res", FLAG }, { "rt-0-addrs", JOINED }, { "rt-0-not-strict", FLAG }) },
        { "set", KEYWORDS({ "match-set", ONE_JOINED, BEFORE }, { "set", ONE_JOINED, BEFORE, "match-set" },
                { "return-nomatch", FLAG }, { "update-counters", FLAG, BEFORE },
                { "update-subcounters", FLAG, BEFORE }, { "packets-eq", ONE, BEFORE }, { "packets-lt", ONE },
                { "packets-gt", ONE }, { "bytes-eq", ONE, BEFORE }, { "bytes-lt", ONE }, { "bytes-gt", ONE }) },
        { "socket", KEYWORDS({ "transparent", FLAG }, { "nowildcard", FLAG }, { "restore-skmark", FLAG }) },
        { "state", KEYWORDS({ "state", JOINED, BEFORE }) },
        { "statistic", KEYWORDS({ "mode", ONE }, { "probability", ONE }, { "every", ONE }, { "packet", ONE }) },
        { "string", KEYWORDS({ "algo", ONE }, { "from", ONE }, { "to", ONE }, { "string", LIST },
                { "hex-string", LIST }) },
        { "tcpmss", KEYWORDS({ "mss", LIST, BEFORE }) },
        { "time", KEYWORDS({ "timestart", ONE }, { "timestop", ONE }, { "days", JOINED }, { "datestart", ONE },
                { "datestop", ONE }, { "monthday", JOINED, BEFORE }, { "weekdays", JOINED, BEFORE },
                { "kerneltz", FLAG }, { "contiguous", FLAG }) },
        { "tos", KEYWORDS({ "tos", LIST, BEFORE }) },
        { "ttl", KEYWORDS({ "ttl-eq", LIST }, { "ttl-lt", ONE }, { "ttl-gt", ONE }) },
        { "u32", KEYWORDS({ "u32", EACH, BEFORE }) },
};

static const struct ferm_module targets[] = {
        { "AUDIT", KEYWORDS({ "type", ONE }) },
        { "BALANCE", KEYWORDS({ "to-destination", ONE }, { "to", ONE, NEVER, "to-destination" }) },
        { "CHECKSUM", KEYWORDS({ "checksum-fill", FLAG }) },
        { "CLASSIFY", KEYWORDS({ "set-class", ONE }) },
        { "CLUSTERIP", KEYWORDS({ "new", FLAG }, { "hashmode", ONE }, { "clustermac", ONE },
                { "total-nodes", ONE }, { "local-node", ONE }, { "hash-init", ONE }) },
        { "CONNMARK", KEYWORDS({ "set-xmark", ONE }, { "save-mark", FLAG }, { "restore-mark", FLAG },
                { "nfmask", ONE }, { "ctmask", ONE }, { "and-mark", ONE }, { "or-mark", ONE },
                { "xor-mark", ONE }, { "set-mark", ONE }, { "mask", ONE }) },
        { "CONNSECMARK", KEYWORDS({ "save", FLAG }, { "restore", FLAG }) },
        { "CT", KEYWORDS({ "notrack", FLAG }, { "helper", ONE }, { "ctevents", JOINED }, { "expevents", JOINED },
                { "zone-orig", ONE }, { "zone-reply", ONE },
                { "zone", ONE }, { "timeout", ONE }) },
        { "DNAT", KEYWORDS({ "to-destination", EACH }, { "to", EACH, NEVER, "to-destination" },
                { "persistent", FLAG }, { "random", FLAG }) },
        { "DNPT", KEYWORDS({ "src-pfx", ONE }, { "dst-pfx", ONE }) },
        { "DSCP", KEYWORDS({ "set-dscp", ONE }, { "set-dscp-class", ONE }) },
        { "ECN", KEYWORDS({ "ecn-tcp-remove", FLAG }) },
        { "HL", KEYWORDS({ "hl-set", ONE }, { "hl-dec", ONE }, { "hl-inc", ONE }) },
        { "HMARK", KEYWORDS({ "hmark-tuple", ONE }, { "hmark-mod", ONE }, { "hmark-offset", ONE },
                { "hmark-src-prefix", ONE }, { "hmark-dst-prefix", ONE }, { "hmark-sport-mask", ONE },
                { "hmark-dport-mask", ONE }, { "hmark-spi-mask", ONE }, { "hmark-proto-mask", ONE },
                { "hmark-rnd", ONE }) },
        { "IDLETIMER", KEYWORDS({ "timeout", ONE }, { "label", ONE }) },
        { "IPV4OPTSSTRIP" },
        { "JOOL", KEYWORDS({ "instance", ONE }) },
        { "JOOL_SIIT", KEYWORDS({ "instance", ONE }) },
        { "LED", KEYWORDS({ "led-trigger-id", ONE }, { "led-delay", ONE }, { "led-always-blink", FLAG }) },
        { "LOG", KEYWORDS({ "log-level", ONE }, { "log-prefix", ONE }, { "log-tcp-sequence", FLAG },
                { "log-tcp-options", FLAG }, { "log-ip-options", FLAG }, { "log-uid", FLAG }) },
        { "MARK", KEYWORDS({ "set-mark", ONE }, { "set-xmark", ONE }, { "and-mark", ONE }, { "or-mark", ONE },
                { "xor-mark", ONE }) },
        { "MASQUERADE", KEYWORDS({ "to-ports", ONE }, { "random", FLAG }, { "random-fully", FLAG }) },
        { "MIRROR" },
        { "NETMAP", KEYWORDS({ "to", ONE }) },
        { "NFLOG", KEYWORDS({ "nflog-group", ONE }, { "nflog-prefix", ONE }, { "nflog-range", ONE },
                { "nflog-threshold", ONE }) },
        { "NFQUEUE", KEYWORDS({ "queue-num", ONE }, { "queue-balance", ONE }, { "queue-bypass", FLAG },
                { "queue-cpu-fanout", FLAG }) },
        { "NOTRACK" },
        { "RATEEST", KEYWORDS({ "rateest-name", ONE }, { "rateest-interval", ONE }, { "rateest-ewmalog", ONE }) },
        { "REDIRECT", KEYWORDS({ "to-ports", ONE }, { "random", FLAG }) },
        { "REJECT", KEYWORDS({ "reject-with", ONE }) },
        { "ROUTE", KEYWORDS({ "oif", ONE }, { "iif", ONE }, { "gw", ONE }, { "continue", FLAG }, { "tee", FLAG }) },
        { "RTPENGINE", KEYWORDS({ "id", ONE }) },
        { "SAME", KEYWORDS({ "to", ONE }, { "nodst", FLAG }, { "random", FLAG }) },
        { "SECMARK", KEYWORDS({ "selctx", ONE }) },
        { "SET", KEYWORDS({ "add-set", ONE_JOINED }, { "del-set", ONE_JOINED }, { "timeout", ONE },
                { "exist", FLAG }) },
        { "SNAT", KEYWORDS({ "to-source", EACH }, { "to", EACH, NEVER, "to-source" }, { "persistent", FLAG },
                { "random", FLAG }) },
        { "SNPT", KEYWORDS({ "src-pfx", ONE }, { "dst-pfx", ONE }) },
        { "SYNPROXY", KEYWORDS({ "sack-perm", FLAG }, { "timestamp", FLAG }, { "ecn", FLAG }, { "wscale", ONE },
                { "mss", ONE }) },
        { "TARPIT" },
        { "TCPMSS", KEYWORDS({ "set-mss", ONE }, { "clamp-mss-to-pmtu", FLAG }) },
        { "TCPOPTSTRIP", KEYWORDS({ "strip-options", JOINED }) },
        { "TEE", KEYWORDS({ "gateway", ONE }) },
        { "TOS", KEYWORDS({ "set-tos", ONE }, { "and-tos", ONE }, { "or-tos", ONE }, { "xor-tos", ONE }) },
        { "TPROXY", KEYWORDS({ "tproxy-mark", ONE }, { "on-ip", ONE }, { "on-port", ONE }) },
        { "TRACE" },
        { "TTL", KEYWORDS({ "ttl-set", ONE }, { "ttl-dec", ONE }, { "ttl-inc", ONE }) },
        { "ULOG", KEYWORDS({ "ulog-nlgroup", ONE }, { "ulog-prefix", ONE }, { "ulog-cprange", ONE },
                { "ulog-qthreshold", ONE }) },
};

static const struct ferm_module *find(const struct ferm_module *modules, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (streq(modules[i].name, name))
                        return &modules[i];
        return NULL;
}

const struct ferm_module *ferm_protocol_module(const char *name)
{
        return find(protocols, ELEMENTS(protocols), name);
}

const struct ferm_module *ferm_match_module(const char *name)
{
        return find(matches, ELEMENTS(matches), name);
}

const struct ferm_module *ferm_target_module(const char *name)
{
        return find(targets, ELEMENTS(targets), name);
}

const struct ferm_keyword *ferm_module_keyword(const struct ferm_module *m, const char *word)
{
        for (const struct ferm_keyword *k = m->keywords; k && k->word; k++)
                if (streq(k->word, word))
                        return k;
        return NULL;
}

const struct ferm_module *ferm_module_of(const char *word, const char **ret_kind)
{
        const struct {
                const char *kind;
                const struct ferm_module *modules;
                size_t n;
        } all[] = {
                { "match", matches, ELEMENTS(matches) },
                { "target", targets, ELEMENTS(targets) },
                { "protocol", protocols, ELEMENTS(protocols) },
        };

        for (size_t i = 0; i < ELEMENTS(all); i++)
                for (size_t j = 0; j < all[i].n; j++)
                        if (ferm_module_keyword(&all[i].modules[j], word)) {
                                *ret_kind = all[i].kind;
                                return &all[i].modules[j];
                        }
        return NULL;
}
