/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * FROM > TO[:PORT][/PROTOCOL], where an end is an address, or a name, and a port. A person under pressure writes "->" or
 * "to" in the place of ">", and the port and protocol behind it as "25/tcp", "tcp/25", "tcp 25" or "icmp:8": all the same.
 */

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facade/flow.h"

enum { WORD_MAX = 255 };

static const char one_address[] = "is a network: a packet has one address, take one of it";

struct reader {
        const char *text;
        size_t at;
        const infra_estate *estate;
        infra_error **reterr;
};

static int mistake(const struct reader *r, size_t at, const char *what, const char *word)
{
        return infra_error_set(r->reterr, -EINVAL, "packet '%s', column %zu: %s%s%s%s", r->text, at + 1, word ? "'" : "", word ? word : "",
                               word ? "' " : "", what);
}

/* The length of an arrow at @text: ">", "->", "=>", or U+2192. */
static size_t arrow(const char *text)
{
        static const char *const arrows[] = { ">", "->", "=>", "\xe2\x86\x92" };

        for (size_t i = 0; i < ELEMENTS(arrows); i++)
                if (startswith(text, arrows[i]))
                        return strlen(arrows[i]);
        return 0;
}

/* The next word: up to a blank or an arrow, which is a word itself and always ">". */
static size_t take_word(struct reader *r, char word[static WORD_MAX + 1])
{
        size_t begin, n = 0;

        r->at += strspn(r->text + r->at, " \t");
        begin = r->at;
        while (r->text[begin + n] && !strchr(" \t", r->text[begin + n]) && arrow(r->text + begin + n) == 0)
                n++;
        r->at += n ? n : arrow(r->text + begin);
        if (n == 0 && r->at > begin)
                snprintf(word, WORD_MAX + 1, ">");
        else
                snprintf(word, WORD_MAX + 1, "%.*s", (int)MIN(n, (size_t)WORD_MAX), r->text + begin);
        return begin;
}

static bool read_number(const char *text, unsigned max, unsigned *ret)
{
        char *end;
        unsigned long n;

        if (!isdigit((unsigned char)*text))
                return false;
        n = strtoul(text, &end, 10);
        if (*end || n > max)
                return false;
        *ret = (unsigned)n;
        return true;
}

static int protocol_of(const char *name)
{
        static const struct {
                const char *name;
                int protocol;
        } names[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },       { "icmp", IPPROTO_ICMP },     { "icmpv6", IPPROTO_ICMPV6 },
                      { "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP },   { "udplite", IPPROTO_UDPLITE }, { "gre", IPPROTO_GRE },
                      { "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH }, { "icmp6", IPPROTO_ICMPV6 }, { "ipv6-icmp", IPPROTO_ICMPV6 },
                      { "ping", IPPROTO_ICMP } };
        unsigned number;

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcasecmp(names[i].name, name) == 0)
                        return names[i].protocol;
        return read_number(name, 255, &number) ? (int)number : -EINVAL;
}

static bool has_ports(int protocol)
{
        return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

/* "25", "smtp" */
static bool read_port(const char *text, uint16_t *ret)
{
        struct servent *s = isdigit((unsigned char)*text) ? NULL : getservbyname(text, NULL);
        unsigned number;

        if (s)
                number = ntohs((uint16_t)s->s_port);
        else if (!read_number(text, 65535, &number))
                return false;
        *ret = (uint16_t)number;
        return number > 0;
}

/* "8", "3/4", "echo-request"; of a name for both, that of IPv4 in @v4 and that of IPv6 otherwise. */
static bool read_icmp(const char *text, bool v4, struct flow *f)
{
        static const struct {
                const char *name;
                uint8_t v4, v6;
        } names[] = { { "echo-request", 8, 128 }, { "echo-reply", 0, 129 }, { "destination-unreachable", 3, 1 }, { "packet-too-big", 3, 2 },
                      { "time-exceeded", 11, 3 }, { "parameter-problem", 12, 4 }, { "redirect", 5, 137 }, { "router-solicitation", 10, 133 },
                      { "router-advertisement", 9, 134 }, { "neighbour-solicitation", 0, 135 }, { "neighbor-solicitation", 0, 135 },
                      { "neighbour-advertisement", 0, 136 }, { "neighbor-advertisement", 0, 136 } };
        const char *slash = strchr(text, '/');
        char first[8];
        unsigned type, code = 0;

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcasecmp(names[i].name, text) == 0 && (!v4 || !startswith(names[i].name, "neighb"))) {
                        f->icmp_type = v4 ? names[i].v4 : names[i].v6;
                        f->icmp_code = v4 && streq(names[i].name, "packet-too-big") ? 4 : 0;
                        return true;
                }
        snprintf(first, sizeof(first), "%.*s", slash ? (int)MIN(slash - text, 7) : 7, text);
        if (!read_number(first, 255, &type) || (slash && !read_number(slash + 1, 255, &code)))
                return false;
        f->icmp_type = (uint8_t)type;
        f->icmp_code = (uint8_t)code;
        return true;
}

static const char *nearest_name(const infra_estate *e, const char *word)
{
        const char *names[1024];
        size_t n = 0;

        for (size_t i = 0; e && i < e->n_containers && n < ELEMENTS(names); i++)
                names[n++] = e->containers[i].name;
        for (size_t i = 0; e && i < e->n_zones && n < ELEMENTS(names); i++)
                names[n++] = e->zones[i].name;
        return str_nearest(word, names, n);
}

static int read_name(const struct reader *r, const char *word, struct end *ret)
{
        const infra_estate *e = r->estate;
        const char *near = nearest_name(e, word);

        ret->kind = END_ANY;
        if (streq(word, "any"))
                return 0;
        ret->kind = END_HOST;
        if (e && (streq(word, "host") || streq(word, e->host.name)))
                return 0;
        ret->kind = END_CONTAINER;
        ret->container = e ? estate_container(e, word) : NULL;
        if (ret->container)
                return 0;
        ret->kind = END_ZONE;
        ret->zone = e ? estate_zone(e, word) : NULL;
        if (ret->zone)
                return 0;
        if (near)
                return infra_error_set(r->reterr, -EINVAL, "packet '%s', column %zu: '%s' is no address, container or zone; did you mean '%s'?",
                                       r->text, ret->column, word, near);
        return mistake(r, ret->column - 1, e ? "is no address, container or zone" : "is no address, and no policy says names", word);
}

static int read_address(const struct reader *r, const char *word, struct end *ret)
{
        if (address_parse(word, &ret->address) < 0)
                return read_name(r, word, ret);
        if (ret->address.prefix != address_bits(&ret->address))
                return mistake(r, ret->column - 1, one_address, word);
        ret->kind = END_ADDRESS;
        return 0;
}

/* "192.0.2.7:40000", "[2001:db8::7]:25", "2001:db8::7", "email:25"; changes the word. */
static int read_end(struct reader *r, char *word, size_t at, struct end *ret)
{
        char *close = *word == '[' ? strchr(word, ']') : NULL, *name = close ? word + 1 : word, *port = close ? close + 1 : NULL;

        ret->column = at + 1;
        if (!*word || streq(word, ">"))
                return mistake(r, at, "an address or a name is missing", NULL);
        if (*word == '[' && (!close || (*port && *port != ':')))
                return mistake(r, at, "is not written as [ADDRESS]:PORT", word);
        if (!close && strchr(word, ':') == strrchr(word, ':'))
                port = strchr(word, ':');
        if (port && *port) {
                if (!read_port(port + 1, &ret->port))
                        return mistake(r, at + (size_t)(port + 1 - word), "is no port from 1 to 65535 and no name of one", port + 1);
                *port = '\0';
        }
        if (close)
                *close = '\0';
        return read_address(r, name, ret);
}

/* "tcp", "25/tcp", "tcp/25", "tcp:25", "icmp:8", "icmp:3/1"; behind "tcp" also "25". */
static int read_protocol(struct reader *r, char *word, size_t at, struct flow *f)
{
        char *rest = strpbrk(word, ":/");
        uint16_t port = 0;
        int protocol;

        if (has_ports(f->protocol) && !f->to.port && read_port(word, &f->to.port))
                return 0;
        if (f->protocol)
                return mistake(r, at, "is a second protocol", word);
        if (rest)
                *rest++ = '\0';
        protocol = protocol_of(word);
        if (rest && protocol_of(rest) > 0 && has_ports(protocol_of(rest)) && read_port(word, &port)) {
                protocol = protocol_of(rest);
                rest = word;
        }
        if (protocol < 0)
                return mistake(r, at, read_port(word, &port) ? "needs its protocol: PORT/tcp, PORT/udp" : "is no protocol: tcp, udp, icmp:TYPE, icmpv6:TYPE, ... or a number", word);
        f->protocol = protocol;
        if (!rest)
                return 0;
        if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
                f->has_icmp = read_icmp(rest, protocol == IPPROTO_ICMP, f);
                return f->has_icmp ? 0 : mistake(r, at + (size_t)(rest - word), "is no type of ICMP", rest);
        }
        if (!has_ports(protocol))
                return mistake(r, at, "is no protocol with ports", word);
        if (f->to.port)
                return mistake(r, at, "is a second port", rest);
        return read_port(rest, &f->to.port) ? 0 : mistake(r, at + (size_t)(rest - word), "is no port from 1 to 65535 and no name of one", rest);
}

static int family_said(const struct flow *f)
{
        return f->from.kind == END_ADDRESS ? f->from.address.family : f->to.kind == END_ADDRESS ? f->to.address.family : 0;
}

/* What the other words leave open. */
static int settle(struct reader *r, struct flow *f)
{
        bool icmp;

        if (f->protocol == IPPROTO_ICMP && !f->has_icmp && family_said(f) == AF_INET6)
                f->protocol = IPPROTO_ICMPV6;
        icmp = f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6;
        if (!f->protocol && f->to.port)
                return mistake(r, f->to.column - 1, "a port needs its protocol: PORT/tcp, PORT/udp", NULL);
        if (icmp && (f->to.port || f->from.port))
                return mistake(r, f->to.column - 1, "ICMP has no ports", NULL);
        if (icmp && !f->has_icmp)
                f->icmp_type = f->protocol == IPPROTO_ICMP ? 8 : 128;
        if (f->from.kind == END_ADDRESS && f->to.kind == END_ADDRESS && f->from.address.family != f->to.address.family)
                return mistake(r, f->to.column - 1, "one address is IPv4, the other IPv6", NULL);
        if (!f->protocol)
                return mistake(r, strlen(r->text), "which protocol? for example TO:25/tcp, or TO icmp", NULL);
        if (has_ports(f->protocol) && !f->to.port)
                return mistake(r, f->to.column - 1, "which port? for example TO:25/tcp", NULL);
        return 0;
}

/* "10.0.0.0/24", also with a port behind it. */
static bool is_network(const char *word)
{
        char copy[WORD_MAX + 1];
        struct address a;

        snprintf(copy, sizeof(copy), "%.*s", (int)(strchr(word, '/') - word), word);
        return address_parse(copy, &a) >= 0 && isdigit((unsigned char)strchr(word, '/')[1]);
}

int flow_parse(const char *text, const infra_estate *e, struct flow *ret, infra_error **reterr)
{
        struct reader r = { .text = text, .estate = e, .reterr = reterr };
        char word[WORD_MAX + 1], *slash;
        size_t at = take_word(&r, word);
        int error;

        *ret = (struct flow){ .state = STATE_BIT_NEW };
        error = read_end(&r, word, at, &ret->from);
        if (error < 0)
                return error;
        at = take_word(&r, word);
        if (!streq(word, ">") && !streq(word, "to"))
                return mistake(&r, at, *word ? "expected: FROM '>' TO" : "expected: FROM '>' TO, in quotes, or FROM to TO: a shell takes > for itself", NULL);
        at = take_word(&r, word);
        slash = strchr(word, '/');
        if (slash && is_network(word))
                return mistake(&r, at, one_address, word);
        if (slash)
                *slash++ = '\0';
        error = read_end(&r, word, at, &ret->to);
        if (error >= 0 && slash)
                error = read_protocol(&r, slash, at + (size_t)(slash - word), ret);
        for (at = take_word(&r, word); error >= 0 && *word; at = take_word(&r, word))
                error = read_protocol(&r, word, at, ret);
        return error < 0 ? error : settle(&r, ret);
}
