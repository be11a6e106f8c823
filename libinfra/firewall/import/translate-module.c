/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All matches and targets that have a counterpart. */

#include "firewall/import/translate.h"

#define MATCHES(X)                                                                                                                     \
        X(tcp) X(udp) X(sctp) X(dccp) X(icmp) X(icmp6) X(multiport) X(conntrack) X(state) X(helper) X(mark) X(connmark) X(realm)       \
        X(devgroup) X(cpu) X(cgroup) X(length) X(pkttype) X(tos) X(dscp) X(ttl) X(hl) X(owner) X(iprange) X(mac) X(addrtype)           \
        X(rpfilter) X(policy) X(comment) X(limit) X(hashlimit) X(connlimit) X(statistic) X(quota)             \
        X(ah) X(esp) X(ipcomp) X(tcpmss) X(ecn) X(dst) X(hbh) X(rt) X(frag) X(mh) X(ipv6header) X(time) X(connbytes) X(connlabel) X(socket)
#define TARGETS(X)                                                                                                                     \
        X(REJECT) X(LOG) X(NFLOG) X(MARK) X(CONNMARK) X(TCPMSS) X(CLASSIFY) X(TOS) X(DSCP) X(TTL) X(HL) X(NOTRACK) X(TRACE) X(CT)      \
        X(TPROXY) X(SYNPROXY) X(TCPOPTSTRIP) X(ECN) X(CONNSECMARK) X(AUDIT)                                                             \
        X(NFQUEUE) X(DNAT) X(SNAT) X(MASQUERADE) X(REDIRECT) X(NETMAP)
#define DECLARE_MATCH(name) extern const struct module_type translate_match_##name;
#define DECLARE_TARGET(name) extern const struct module_type translate_target_##name;
#define MATCH(name) &translate_match_##name,
#define TARGET(name) &translate_target_##name,

MATCHES(DECLARE_MATCH)
TARGETS(DECLARE_TARGET)

const struct module_type *const translate_matches[] = { MATCHES(MATCH) NULL };
const struct module_type *const translate_targets[] = { TARGETS(TARGET) NULL };
