/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/analyse/packet.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

const char *path_name(enum path p)
{
        static const char *const names[PATH_KIND_MAX] = {
                [PATH_TO_HOST] = "to-host", [PATH_THROUGH] = "through", [PATH_FROM_HOST] = "from-host", [PATH_SWITCHED] = "switched",
        };

        return p < PATH_KIND_MAX ? names[p] : "?";
}

const char *fate_name(enum fate f)
{
        static const char *const names[FATE_MAX] = {
                [FATE_ACCEPT] = "accept", [FATE_DROP] = "drop", [FATE_REJECT] = "reject", [FATE_QUEUE] = "queue", [FATE_UNKNOWN] = "unknown",
        };

        return f < FATE_MAX ? names[f] : "?";
}

void packet_init(struct packet *p, int family)
{
        *p = (struct packet){ .family = family };
        packet_set_number(p, FIELD_NFPROTO, family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
        packet_set_number(p, FIELD_PROTOCOL, family == AF_INET6 ? 0x86dd : 0x0800);
        packet_set_number(p, FIELD_CT_STATE, STATE_BIT_NEW);
        packet_set_number(p, FIELD_LENGTH, 60);
        packet_set_number(p, family == AF_INET6 ? FIELD_IP6_HOPLIMIT : FIELD_IP_TTL, 64);
}

void packet_set_number(struct packet *p, enum field f, uint64_t number)
{
        memset(p->fields[f], 0, sizeof(p->fields[f]));
        field_put_number(f, number, p->fields[f]);
}

void packet_set_text(struct packet *p, enum field f, const char *text)
{
        memset(p->fields[f], 0, sizeof(p->fields[f]));
        memcpy(p->fields[f], text, strnlen(text, sizeof(p->fields[f]) - 1));
}

static void add_end(struct str *s, const struct packet *p, enum field v4, enum field v6, enum field port, bool ports)
{
        char text[INET6_ADDRSTRLEN];

        if (p->family == AF_INET6)
                str_add(s, ports ? "[%s]" : "%s", inet_ntop(AF_INET6, p->fields[v6], text, sizeof(text)));
        else
                str_add(s, "%s", inet_ntop(AF_INET, p->fields[v4], text, sizeof(text)));
        if (ports && field_number(port, p->fields[port]))
                str_add(s, ":%u", (unsigned)field_number(port, p->fields[port]));
}

char *packet_text(const struct packet *p)
{
        uint8_t protocol = p->fields[FIELD_L4PROTO][0];
        bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
        bool v6 = protocol == IPPROTO_ICMPV6;
        struct str s = {};

        add_end(&s, p, FIELD_IP_SADDR, FIELD_IP6_SADDR, FIELD_SPORT, ports);
        str_add(&s, " > ");
        add_end(&s, p, FIELD_IP_DADDR, FIELD_IP6_DADDR, FIELD_DPORT, ports);
        if (protocol == IPPROTO_ICMP || v6)
                str_add(&s, " %s:%u", v6 ? "icmpv6" : "icmp", p->fields[v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMP_TYPE][0]);
        else if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
                str_add(&s, "/%s", protocol == IPPROTO_TCP ? "tcp" : "udp");
        else
                str_add(&s, "/%u", protocol);
        return str_take(&s);
}
