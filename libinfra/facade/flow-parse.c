/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* FROM > TO[/PROTOCOL] [PROTOCOL[:TYPE[/CODE]]], where an end is an address, or a name, and a port. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "facade/flow.h"

enum { WORD_MAX = 255 };

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

/* The next word: up to a blank or ">". */
static size_t take_word(struct reader *r, char word[static WORD_MAX + 1])
{
        size_t begin, n;

        r->at += strspn(r->text + r->at, " \t");
        begin = r->at;
        n = strcspn(r->text + begin, " \t>");
        if (n == 0 && r->text[begin] == '>')
                n = 1;
        r->at += n;
        n = MIN(n, (size_t)WORD_MAX);
        memcpy(word, r->text + begin, n);
        word[n] = '\0';
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
                      { "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH } };
        unsigned number;

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(names[i].name, name))
                        return names[i].protocol;
        return read_number(name, 255, &number) ? (int)number : -EINVAL;
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
        if (address_parse(word, &ret->address) < 0 || ret->address.prefix != address_bits(&ret->address))
                return read_name(r, word, ret);
        ret->kind = END_ADDRESS;
        return 0;
}

/* "192.0.2.7:40000", "[2001:db8::7]:25", "2001:db8::7", "email:25"; changes the word. */
static int read_end(struct reader *r, char *word, size_t at, struct end *ret)
{
        char *close = *word == '[' ? strchr(word, ']') : NULL, *name = close ? word + 1 : word, *port = close ? close + 1 : NULL;
        unsigned number;

        ret->column = at + 1;
        if (!*word || streq(word, ">"))
                return mistake(r, at, "an address or a name is missing", NULL);
        if (*word == '[' && (!close || (*port && *port != ':')))
                return mistake(r, at, "is not written as [ADDRESS]:PORT", word);
        if (!close && strchr(word, ':') == strrchr(word, ':'))
                port = strchr(word, ':');
        if (port && *port) {
                if (!read_number(port + 1, 65535, &number) || number == 0)
                        return mistake(r, at + (size_t)(port + 1 - word), "is no port from 1 to 65535", port + 1);
                ret->port = (uint16_t)number;
                *port = '\0';
        }
        if (close)
                *close = '\0';
        return read_address(r, name, ret);
}

/* "tcp", "icmp:8", "icmp:3/1" */
static int read_protocol(struct reader *r, char *word, size_t at, struct flow *f)
{
        char *colon = strchr(word, ':'), *slash;
        unsigned type = 0, code = 0;

        if (f->protocol)
                return mistake(r, at, "is a second protocol", word);
        if (colon)
                *colon++ = '\0';
        f->protocol = protocol_of(word);
        if (f->protocol < 0)
                return mistake(r, at, "is no protocol: tcp, udp, icmp:TYPE, icmpv6:TYPE, ... or a number", word);
        if (!colon)
                return 0;
        slash = strchr(colon, '/');
        if (slash)
                *slash++ = '\0';
        if ((f->protocol != IPPROTO_ICMP && f->protocol != IPPROTO_ICMPV6) || !read_number(colon, 255, &type) ||
            (slash && !read_number(slash, 255, &code)))
                return mistake(r, at + (size_t)(colon - word), "is no type of ICMP", colon);
        f->has_icmp = true;
        f->icmp_type = (uint8_t)type;
        f->icmp_code = (uint8_t)code;
        return 0;
}

/* What the other words leave open. */
static int settle(struct reader *r, struct flow *f)
{
        bool icmp = f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6;

        if (!f->protocol && f->to.port)
                return mistake(r, f->to.column - 1, "a port needs its protocol: PORT/tcp, PORT/udp", NULL);
        if (icmp && (f->to.port || f->from.port))
                return mistake(r, f->to.column - 1, "ICMP has no ports", NULL);
        if (icmp && !f->has_icmp)
                f->icmp_type = f->protocol == IPPROTO_ICMP ? 8 : 128;
        if (f->from.kind == END_ADDRESS && f->to.kind == END_ADDRESS && f->from.address.family != f->to.address.family)
                return mistake(r, f->to.column - 1, "one address is IPv4, the other IPv6", NULL);
        return 0;
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
                return mistake(&r, at, "expected: FROM '>' TO", NULL);
        at = take_word(&r, word);
        slash = strchr(word, '/');
        if (slash)
                *slash++ = '\0';
        error = read_end(&r, word, at, &ret->to);
        if (error >= 0 && slash)
                error = read_protocol(&r, slash, at + (size_t)(slash - word), ret);
        for (at = take_word(&r, word); error >= 0 && *word; at = take_word(&r, word))
                error = read_protocol(&r, word, at, ret);
        return error < 0 ? error : settle(&r, ret);
}
