/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Packets through a ruleset by hand: what trace_packet() says of each line of standard input, for tests that ask the kernel
 * the same. Usage: trace-tool SOURCE PROFILES INTERFACE=NETWORK|local=ADDRESS...; a line is
 * "INTERFACE PROTOCOL FROM SPORT TO DPORT [established|invalid]" (INTERFACE "host": the host sends it; of ICMP the type in the
 * place of DPORT), the answer "VERDICT PATH LEAVES_BY FROM SPORT TO DPORT MASQUERADED". What is established is an answer.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/str.h"
#include "facade/source.h"

static char **routes;

/* What a line says. */
struct question {
        char interface[16], from[64], to[64], state[16];
        unsigned protocol, sport, dport;
};

static void look(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        struct address a = { .family = family, .prefix = family == AF_INET ? 32 : 128 };

        (void)r;
        memcpy(a.bytes, to, a.prefix / 8);
        for (char **p = routes; *p; p++) {
                const char *equals = strchr(*p, '=');
                struct address net;

                if (!equals || address_parse(equals + 1, &net) < 0 || net.family != family || !address_contains(&net, &a))
                        continue;
                *ret_local = startswith(*p, "local=");
                memset(ret_interface, 0, 16);
                if (!*ret_local)
                        memcpy(ret_interface, *p, (size_t)(equals - *p));
                return;
        }
}

static void set_state(struct packet *p, const struct question *q)
{
        bool answer = streq(q->state, "established");

        if (q->protocol == IPPROTO_TCP)
                packet_set_number(p, FIELD_TCP_FLAGS, *q->state ? 0x12 : 0x02);
        if (*q->state)
                packet_set_number(p, FIELD_CT_STATE, answer ? STATE_BIT_ESTABLISHED : STATE_BIT_INVALID);
        packet_set_number(p, FIELD_CT_DIRECTION, answer);
}

static struct packet packet_of(const struct question *q)
{
        int family = strchr(q->from, ':') ? AF_INET6 : AF_INET;
        bool six = family == AF_INET6;
        struct packet p;

        packet_init(&p, family);
        if (!streq(q->interface, "host"))
                packet_set_text(&p, FIELD_IIFNAME, q->interface);
        packet_set_number(&p, FIELD_L4PROTO, q->protocol);
        inet_pton(family, q->from, p.fields[six ? FIELD_IP6_SADDR : FIELD_IP_SADDR]);
        inet_pton(family, q->to, p.fields[six ? FIELD_IP6_DADDR : FIELD_IP_DADDR]);
        if (q->protocol == IPPROTO_ICMP || q->protocol == IPPROTO_ICMPV6) {
                packet_set_number(&p, six ? FIELD_ICMPV6_TYPE : FIELD_ICMP_TYPE, q->dport);
        } else {
                packet_set_number(&p, FIELD_SPORT, q->sport);
                packet_set_number(&p, FIELD_DPORT, q->dport);
        }
        set_state(&p, q);
        return p;
}

static void answer(const struct source *s, const struct question *q)
{
        static const struct routing routing = { .look = look };
        struct packet p = packet_of(q);
        bool six = p.family == AF_INET6;
        _cleanup_trace_ struct trace t = {};
        char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];

        if (trace_packet(s->ruleset, &p, streq(q->interface, "host") ? PATH_FROM_HOST : PATH_KIND_MAX, &routing, &t) < 0)
                exit(1);
        inet_ntop(p.family, t.after.fields[six ? FIELD_IP6_SADDR : FIELD_IP_SADDR], source, sizeof(source));
        inet_ntop(p.family, t.after.fields[six ? FIELD_IP6_DADDR : FIELD_IP_DADDR], destination, sizeof(destination));
        printf("%s %s %s %s %u %s %u %d\n", fate_name(t.fate), path_name(t.path), *t.after.fields[FIELD_OIFNAME] ? (const char *)t.after.fields[FIELD_OIFNAME] : "-",
               source, (unsigned)field_number(FIELD_SPORT, t.after.fields[FIELD_SPORT]), destination,
               (unsigned)field_number(FIELD_DPORT, t.after.fields[FIELD_DPORT]), t.masqueraded);
}

static bool parse(const char *line, struct question *ret)
{
        *ret = (struct question){};
        return sscanf(line, "%15s %u %63s %u %63s %u %15s", ret->interface, &ret->protocol, ret->from, &ret->sport, ret->to, &ret->dport, ret->state) >= 6;
}

int main(int argc, char **argv)
{
        _cleanup_source_ struct source s = {};
        infra_error *error = NULL;
        struct question q;
        char line[256];

        if (argc < 3) {
                fputs("usage: trace-tool SOURCE PROFILES INTERFACE=NETWORK|local=ADDRESS...\n", stderr);
                return 2;
        }
        routes = argv + 3;
        if (source_load(argv[1], NULL, argv[2], &s, &error) < 0) {
                fprintf(stderr, "trace-tool: %s\n", infra_error_message(error));
                infra_error_free(error);
                return 1;
        }
        while (fgets(line, sizeof(line), stdin) && parse(line, &q))
                answer(&s, &q);
        return 0;
}
