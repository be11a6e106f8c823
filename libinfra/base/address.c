/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Digits only, no sign, no space, at most @max. */
static int parse_number(const char *text, size_t length, unsigned long max, unsigned *ret)
{
        unsigned long value = 0;

        if (length == 0 || length > 5)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                if (!isdigit((unsigned char)text[i]))
                        return -EINVAL;
                value = value * 10 + (unsigned long)(text[i] - '0');
        }
        if (value > max)
                return -EINVAL;
        *ret = (unsigned)value;
        return 0;
}

int address_parse(const char *text, struct address *ret)
{
        struct address a = {};
        char host[INET6_ADDRSTRLEN];
        const char *slash = strchr(text, '/');
        size_t n = slash ? (size_t)(slash - text) : strlen(text);

        if (n >= sizeof(host))
                return -EINVAL;
        memcpy(host, text, n);
        host[n] = '\0';
        a.family = strchr(host, ':') ? AF_INET6 : AF_INET;
        if (inet_pton(a.family, host, a.bytes) != 1)
                return -EINVAL;
        a.prefix = address_bits(&a);
        if (slash && parse_number(slash + 1, strlen(slash + 1), a.prefix, &a.prefix) < 0)
                return -EINVAL;
        *ret = a;
        return 0;
}

const char *address_format_host(const struct address *a, char buffer[static ADDRESS_TEXT_MAX])
{
        if (!inet_ntop(a->family, a->bytes, buffer, ADDRESS_TEXT_MAX))
                buffer[0] = '\0';
        return buffer;
}

const char *address_format(const struct address *a, char buffer[static ADDRESS_TEXT_MAX])
{
        size_t n;

        address_format_host(a, buffer);
        n = strlen(buffer);
        if (a->family && a->prefix != address_bits(a))
                snprintf(buffer + n, ADDRESS_TEXT_MAX - n, "/%u", a->prefix);
        return buffer;
}

unsigned address_bits(const struct address *a)
{
        return a->family == AF_INET6 ? 128 : 32;
}

bool address_is_set(const struct address *a)
{
        return a->family != 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
        return a->family == b->family && a->prefix == b->prefix && memcmp(a->bytes, b->bytes, address_bits(a) / 8) == 0;
}

struct address address_network(const struct address *a)
{
        struct address net = *a;

        for (unsigned bit = a->prefix; bit < address_bits(a); bit++)
                net.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
        return net;
}

struct address address_host(const struct address *a)
{
        struct address host = *a;

        host.prefix = address_bits(a);
        return host;
}

bool address_contains(const struct address *net, const struct address *a)
{
        struct address wide = *a;
        struct address n, m;

        if (net->family != a->family || a->prefix < net->prefix)
                return false;
        wide.prefix = net->prefix;
        n = address_network(net);
        m = address_network(&wide);
        return address_equal(&n, &m);
}

int ports_parse(const char *text, struct ports *ret)
{
        struct ports p = {};
        const char *slash = strchr(text, '/'), *dash = strchr(text, '-');
        unsigned first, last;

        if (!slash || (dash && dash > slash))
                return -EINVAL;
        if (streq(slash, "/tcp"))
                p.protocol = IPPROTO_TCP;
        else if (streq(slash, "/udp"))
                p.protocol = IPPROTO_UDP;
        else
                return -EINVAL;
        if (parse_number(text, (size_t)((dash ? dash : slash) - text), UINT16_MAX, &first) < 0)
                return -EINVAL;
        last = first;
        if (dash && parse_number(dash + 1, (size_t)(slash - dash - 1), UINT16_MAX, &last) < 0)
                return -EINVAL;
        if (first == 0 || last < first)
                return -EINVAL;
        p.first = (uint16_t)first;
        p.last = (uint16_t)last;
        *ret = p;
        return 0;
}

const char *protocol_name(int protocol)
{
        return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "?";
}

const char *ports_format(const struct ports *p, char buffer[static ADDRESS_TEXT_MAX])
{
        if (p->first == p->last)
                snprintf(buffer, ADDRESS_TEXT_MAX, "%u/%s", p->first, protocol_name(p->protocol));
        else
                snprintf(buffer, ADDRESS_TEXT_MAX, "%u-%u/%s", p->first, p->last, protocol_name(p->protocol));
        return buffer;
}
