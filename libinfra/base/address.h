/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Internet addresses, networks and ports as policies write them. Bytes are in network order. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_TEXT_MAX = 64 };

/* An address with a prefix length: a host (32 or 128) or a network. family 0 = not set. */
struct address {
        int family; /* AF_INET, AF_INET6 or 0 */
        unsigned prefix;
        union {
                struct in_addr v4;
                struct in6_addr v6;
                uint8_t bytes[16];
        };
};

/* Ports of one protocol; first == last for a single one. */
struct ports {
        int protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0 = not set */
        uint16_t first;
        uint16_t last;
};

/* "10.0.0.1", "10.0.0.0/24", "2001:db8::1/64". 0 or -EINVAL. */
int address_parse(const char *text, struct address *ret);
/* With "/prefix" unless it is a host's. Returns the buffer. */
const char *address_format(const struct address *a, char buffer[static ADDRESS_TEXT_MAX]);
/* The address without its prefix. */
const char *address_format_host(const struct address *a, char buffer[static ADDRESS_TEXT_MAX]);
unsigned address_bits(const struct address *a); /* 32 or 128 */
bool address_is_set(const struct address *a);
bool address_equal(const struct address *a, const struct address *b);
/* Whether network @net contains @a (same family). */
bool address_contains(const struct address *net, const struct address *a);
/* The same with the bits behind the prefix cleared. */
struct address address_network(const struct address *a);
/* The host part dropped: same address, full prefix. */
struct address address_host(const struct address *a);

/* "25/tcp", "60000-61000/udp". 0 or -EINVAL. */
int ports_parse(const char *text, struct ports *ret);
const char *ports_format(const struct ports *p, char buffer[static ADDRESS_TEXT_MAX]);
const char *protocol_name(int protocol); /* "tcp", "udp" */
