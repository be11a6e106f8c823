/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Packets through a ruleset by hand: what trace_packet() says of each line of standard input, for tests that ask the kernel
 * the same. Usage: trace-tool SOURCE PROFILES INTERFACE=NETWORK|local=ADDRESS...; a line is
 * "INTERFACE PROTOCOL FROM SPORT TO DPORT" (of ICMP the type in the place of DPORT), the answer
 * "VERDICT PATH LEAVES_BY FROM SPORT TO DPORT MASQUERADED". IPv4 only.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/str.h"
#include "facade/source.h"

static char **routes;

static void look(const struct routing *r, int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        struct address a = { .family = family, .prefix = 32 };

        (void)r;
        memcpy(a.bytes, to, 4);
        for (char **p = routes; *p; p++) {
                const char *equals = strchr(*p, '=');
                struct address net;

                if (!equals || address_parse(equals + 1, &net) < 0 || !address_contains(&net, &a))
                        continue;
                *ret_local = startswith(*p, "local=");
                memset(ret_interface, 0, 16);
                if (!*ret_local)
                        memcpy(ret_interface, *p, (size_t)(equals - *p));
                return;
        }
}

static void answer(const struct source *s, const char *interface, unsigned protocol, const char *from, unsigned sport, const char *to, unsigned dport)
{
        static const struct routing routing = { .look = look };
        _cleanup_trace_ struct trace t = {};
        char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
        struct packet p;

        packet_init(&p, AF_INET);
        packet_set_text(&p, FIELD_IIFNAME, interface);
        packet_set_number(&p, FIELD_L4PROTO, protocol);
        inet_pton(AF_INET, from, p.fields[FIELD_IP_SADDR]);
        inet_pton(AF_INET, to, p.fields[FIELD_IP_DADDR]);
        if (protocol == IPPROTO_ICMP) {
                packet_set_number(&p, FIELD_ICMP_TYPE, dport);
        } else {
                packet_set_number(&p, FIELD_SPORT, sport);
                packet_set_number(&p, FIELD_DPORT, dport);
        }
        if (protocol == IPPROTO_TCP)
                packet_set_number(&p, FIELD_TCP_FLAGS, 0x02);
        if (trace_packet(s->ruleset, &p, PATH_KIND_MAX, &routing, &t) < 0)
                exit(1);
        inet_ntop(AF_INET, t.after.fields[FIELD_IP_SADDR], source, sizeof(source));
        inet_ntop(AF_INET, t.after.fields[FIELD_IP_DADDR], destination, sizeof(destination));
        printf("%s %s %s %s %u %s %u %d\n", fate_name(t.fate), path_name(t.path), *t.after.fields[FIELD_OIFNAME] ? (const char *)t.after.fields[FIELD_OIFNAME] : "-",
               source, (unsigned)field_number(FIELD_SPORT, t.after.fields[FIELD_SPORT]), destination,
               (unsigned)field_number(FIELD_DPORT, t.after.fields[FIELD_DPORT]), t.masqueraded);
}

int main(int argc, char **argv)
{
        _cleanup_source_ struct source s = {};
        infra_error *error = NULL;
        char interface[16], from[64], to[64];
        unsigned protocol, sport, dport;

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
        while (scanf("%15s %u %63s %u %63s %u", interface, &protocol, from, &sport, to, &dport) == 6)
                answer(&s, interface, protocol, from, sport, to, dport);
        return 0;
}
