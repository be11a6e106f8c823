/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values as iptables reads them. */

#include "firewall/import/translate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool parse_number(const char *text, uint64_t most, uint64_t *ret)
{
        char *end;

        if (*text < '0' || *text > '9')
                return false;
        errno = 0;
        *ret = strtoull(text, &end, 0);
        return errno == 0 && *end == '\0' && *ret <= most;
}

int value_wrong(struct translate *t, const struct given *g)
{
        return translate_complain(t, g->at + 1, NULL, "'%s' is no value that %s takes here", g->value ? g->value : "", g->name);
}

int value_number(struct translate *t, const struct given *g, uint64_t most, uint64_t *ret)
{
        return parse_number(g->value, most, ret) ? 0 : value_wrong(t, g);
}

int value_masked(struct translate *t, const struct given *g, uint64_t most, uint64_t *ret, uint64_t *ret_mask)
{
        const char *slash = strchr(g->value, '/');
        _cleanup_free_ char *number = strndup(g->value, slash ? (size_t)(slash - g->value) : strlen(g->value));

        if (!number)
                return -ENOMEM;
        *ret_mask = most;
        if (!parse_number(number, most, ret) || (slash && !parse_number(slash + 1, most, ret_mask)))
                return value_wrong(t, g);
        return 0;
}

static int split(const char *text, char joint, char **ret_first, const char **ret_last)
{
        const char *at = strchr(text, joint);

        *ret_first = strndup(text, at ? (size_t)(at - text) : strlen(text));
        *ret_last = at ? at + 1 : NULL;
        return *ret_first ? 0 : -ENOMEM;
}

int value_range(struct translate *t, const struct given *g, char joint, uint64_t most, struct number_range *ret)
{
        _cleanup_free_ char *first = NULL;
        const char *last;

        if (split(g->value, joint, &first, &last) < 0)
                return -ENOMEM;
        *ret = (struct number_range){ 0, most };
        if ((*first || !last) && !parse_number(first, most, &ret->first))
                return value_wrong(t, g);
        if (!last)
                ret->last = ret->first;
        else if (*last && !parse_number(last, most, &ret->last))
                return value_wrong(t, g);
        return ret->first <= ret->last ? 0 : value_wrong(t, g);
}

bool parse_port(int protocol, const char *text, uint64_t *ret)
{
        struct protoent *p = protocol > 0 ? getprotobynumber(protocol) : NULL;
        struct servent *s;

        if (parse_number(text, UINT16_MAX, ret))
                return true;
        s = p ? getservbyname(text, p->p_name) : NULL;
        if (s)
                *ret = ntohs((uint16_t)s->s_port);
        return s != NULL;
}

int value_ports(struct translate *t, const struct given *g, char joint, const char *text, struct number_range *ret)
{
        _cleanup_free_ char *first = NULL;
        const char *last;
        bool named = parse_port(t->protocol, text, &ret->first); /* "ftp-data" is one */

        ret->last = ret->first;
        if (named)
                return 0;
        if (split(text, joint, &first, &last) < 0)
                return -ENOMEM;
        *ret = (struct number_range){ 0, UINT16_MAX };
        if (!last || (*first && !parse_port(t->protocol, first, &ret->first)) || (*last && !parse_port(t->protocol, last, &ret->last)) ||
            ret->first > ret->last)
                return translate_complain(t, g->at + 1, "a number, a name of /etc/services, or a range of them", "'%s' is no port", text);
        return 0;
}

bool parse_word(const struct value_word *words, const char *text, unsigned *ret)
{
        for (; words->name; words++)
                if (strcasecmp(words->name, text) == 0) {
                        *ret = words->value;
                        return true;
                }
        return false;
}

bool parse_address_range(int family, const char *text, uint8_t first[static 16], uint8_t last[static 16])
{
        char copy[2 * INET6_ADDRSTRLEN];
        char *joint;

        memset(first, 0, 16);
        memset(last, 0, 16);
        if (strlen(text) >= sizeof(copy))
                return false;
        snprintf(copy, sizeof(copy), "%s", text);
        joint = strchr(copy, '-');
        if (joint)
                *joint = '\0';
        return inet_pton(family, copy, first) == 1 && inet_pton(family, joint ? joint + 1 : copy, last) == 1 && memcmp(first, last, 16) <= 0;
}

bool parse_rate(const char *text, uint64_t *ret_rate, uint64_t *ret_per_s)
{
        static const struct value_word units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 }, {} };
        const char *slash = strchr(text, '/');
        char number[16];

        snprintf(number, sizeof(number), "%.*s", (int)(slash ? slash - text : 15), text);
        *ret_per_s = 1;
        for (const struct value_word *u = units; slash && u->name; u++)
                if (slash[1] && strncasecmp(u->name, slash + 1, strlen(slash + 1)) == 0) {
                        *ret_per_s = u->value;
                        slash = NULL;
                }
        return !slash && parse_number(number, 1000000, ret_rate) && *ret_rate > 0;
}

bool parse_dscp(const char *text, unsigned *ret)
{
        static const struct value_word classes[] = { { "CS0", 0 }, { "CS1", 8 }, { "CS2", 16 }, { "CS3", 24 }, { "CS4", 32 }, { "CS5", 40 },
                                                     { "CS6", 48 }, { "CS7", 56 }, { "BE", 0 }, { "AF11", 10 }, { "AF12", 12 }, { "AF13", 14 },
                                                     { "AF21", 18 }, { "AF22", 20 }, { "AF23", 22 }, { "AF31", 26 }, { "AF32", 28 }, { "AF33", 30 },
                                                     { "AF41", 34 }, { "AF42", 36 }, { "AF43", 38 }, { "EF", 46 }, {} };

        return parse_word(classes, text, ret);
}

bool parse_tos(const char *text, uint64_t *ret, uint64_t *ret_mask)
{
        static const struct value_word names[] = { { "Minimize-Delay", 16 }, { "Maximize-Throughput", 8 }, { "Maximize-Reliability", 4 },
                                                   { "Minimize-Cost", 2 }, { "Normal-Service", 0 }, {} };
        const char *slash = strchr(text, '/');
        char number[16];
        unsigned value;

        *ret_mask = 0x3f;
        if (parse_word(names, text, &value)) {
                *ret = value;
                return true;
        }
        *ret_mask = 0xff;
        snprintf(number, sizeof(number), "%.*s", (int)(slash ? slash - text : 15), text);
        return parse_number(number, 0xff, ret) && (!slash || parse_number(slash + 1, 0xff, ret_mask));
}
