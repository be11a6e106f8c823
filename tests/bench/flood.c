/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * New UDP flows as fast as they go. "burst": 64 packets a call, each from another port, and after all ports from another
 * address. "sockets": each from a new socket bound to another port, as programs do; at most as many as there are ports. Usage:
 * flood burst|sockets DESTINATION PORT SECONDS; prints how many were sent, in how many seconds, and how many of these its processor worked
 * for it: what the kernel does with a packet on its way over virtual links is done in the sender's own time.
 */

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FIRST_PORT = 1024, PAYLOAD = 18 };

struct packet {
        struct iphdr ip;
        struct udphdr udp;
        char payload[PAYLOAD];
} __attribute__((packed));

static double now(clockid_t clock)
{
        struct timespec t;

        clock_gettime(clock, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The kernel fills the checksum of the IP header in; of UDP over IPv4 none is needed. */
static void fill(struct packet *p, unsigned long number, in_addr_t to, unsigned port)
{
        unsigned long ports = 65536 - FIRST_PORT;

        memset(p, 0, sizeof(*p));
        p->ip.version = 4;
        p->ip.ihl = 5;
        p->ip.tot_len = htons(sizeof(*p));
        p->ip.ttl = 64;
        p->ip.protocol = IPPROTO_UDP;
        p->ip.saddr = htonl(0xc6120000u + (unsigned)(number / ports)); /* 198.18.0.0/15, for benchmarks (RFC 2544) */
        p->ip.daddr = to;
        p->udp.source = htons((uint16_t)(FIRST_PORT + number % ports));
        p->udp.dest = htons((uint16_t)port);
        p->udp.len = htons(sizeof(*p) - sizeof(p->ip));
}

static unsigned long send_bursts(struct sockaddr_in to, double seconds)
{
        unsigned port = ntohs(to.sin_port);
        static struct packet packets[BATCH];
        struct mmsghdr messages[BATCH] = {};
        struct iovec parts[BATCH];
        unsigned long sent = 0;
        double end;
        int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), n = fd;

        to.sin_port = 0;
        for (int i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec){ &packets[i], sizeof(packets[i]) };
                messages[i].msg_hdr = (struct msghdr){ .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &parts[i], .msg_iovlen = 1 };
        }
        end = now(CLOCK_MONOTONIC) + seconds;
        while (now(CLOCK_MONOTONIC) < end && n >= 0) {
                for (unsigned i = 0; i < BATCH; i++)
                        fill(&packets[i], sent + i, to.sin_addr.s_addr, port);
                n = sendmmsg(fd, messages, BATCH, 0);
                sent += n > 0 ? (unsigned)n : 0;
        }
        return n < 0 ? 0 : sent;
}

static unsigned long send_from_sockets(struct sockaddr_in to, double seconds)
{
        static const char payload[PAYLOAD];
        struct sockaddr_in from = { .sin_family = AF_INET };
        double end = now(CLOCK_MONOTONIC) + seconds;
        unsigned long sent = 0;

        for (unsigned port = FIRST_PORT; port < 65536 && now(CLOCK_MONOTONIC) < end; port++) {
                int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

                from.sin_port = htons((uint16_t)port);
                if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
                    sendto(fd, payload, sizeof(payload), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
                        return 0;
                close(fd);
                sent++;
        }
        return sent;
}

int main(int argc, char **argv)
{
        struct sockaddr_in to = { .sin_family = AF_INET };
        unsigned long sent;
        double begin = now(CLOCK_MONOTONIC);
        bool burst = argc == 5 && strcmp(argv[1], "burst") == 0;

        if (argc != 5 || (!burst && strcmp(argv[1], "sockets") != 0) || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
                fputs("usage: flood burst|sockets DESTINATION PORT SECONDS (as root)\n", stderr);
                return 2;
        }
        to.sin_port = htons((uint16_t)atoi(argv[3]));
        sent = (burst ? send_bursts : send_from_sockets)(to, atof(argv[4]));
        printf("%lu %.4f %.4f\n", sent, now(CLOCK_MONOTONIC) - begin, now(CLOCK_PROCESS_CPUTIME_ID));
        return sent == 0;
}
