/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/import/translate-basic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_MAX = 1024 };

/* "24", "255.255.0.255" */
static bool parse_mask(int family, const char *text, unsigned size, uint8_t *ret)
{
        uint64_t bits;

        if (inet_pton(family, text, ret) == 1)
                return true;
        if (strlen(text) > 3 || strspn(text, "0123456789") != strlen(text) || !*text)
                return false;
        bits = strtoul(text, NULL, 10);
        memset(ret, 0, size);
        for (unsigned i = 0; i < size * 8 && i < bits; i++)
                ret[i / 8] |= (uint8_t)(0x80 >> i % 8);
        return bits <= size * 8;
}

int translate_address(struct translate *t, const struct given *g, const char *text, enum field f)
{
        int family = t->from->family;
        unsigned size = field_type(f)->size, ones = 0;
        const char *slash = strchr(text, '/');
        _cleanup_free_ char *host = strndup(text, slash ? (size_t)(slash - text) : strlen(text));
        uint8_t value[16] = {}, mask[16];
        struct match *m;

        if (!host)
                return -ENOMEM;
        memset(mask, 0xff, sizeof(mask));
        if (inet_pton(family, host, value) != 1 || (slash && !parse_mask(family, slash + 1, size, mask)))
                return translate_complain(t, g->at + 1, "names are not looked up", "'%s' is no %s address", text, family == AF_INET ? "IPv4" : "IPv6");
        for (unsigned i = 0; i < size; i++) {
                value[i] &= mask[i];
                ones += (unsigned)__builtin_popcount(mask[i]);
        }
        if (ones == 0)
                return g->negated ? translate_complain(t, g->at + 1, "leave the rule out", "no packet has none of all addresses") : 0;
        m = translate_match(t, ones == size * 8 ? MATCH_EQUAL : MATCH_BITS, f, g->negated);
        if (!m)
                return -ENOMEM;
        memcpy(m->value, value, size);
        if (m->kind == MATCH_BITS)
                memcpy(m->mask, mask, size);
        return 0;
}

/* One of a list; the rule is made once for each. */
static int add_listed(struct translate *t, const struct given *g, size_t which, size_t *ret_n, enum field f)
{
        const char *at = g->value;
        _cleanup_free_ char *one = NULL;

        *ret_n = 1;
        for (const char *c = at; *c; c++)
                *ret_n += *c == ',';
        if (*ret_n > ADDRESSES_MAX)
                return translate_complain(t, g->at + 1, NULL, "more than %d addresses", ADDRESSES_MAX);
        if (*ret_n > 1 && g->negated)
                return translate_complain(t, g->at + 1, "write a rule that returns for each", "'!' is not for several addresses");
        for (size_t i = 0; i < which; i++)
                at = strchr(at, ',') + 1;
        one = strndup(at, strcspn(at, ","));
        return one ? translate_address(t, g, one, f) : -ENOMEM;
}

/* "eth+" is each interface whose name begins so. */
static int add_interface(struct translate *t, const struct given *g, enum field f)
{
        size_t length = strlen(g->value);
        bool prefix = length && g->value[length - 1] == '+';
        struct match *m;

        if (length == 0 || length > 15)
                return translate_complain(t, g->at + 1, NULL, "'%s' is no name of an interface", g->value);
        if (prefix && length == 1)
                return g->negated ? translate_complain(t, g->at + 1, "leave the rule out", "no packet has none of all interfaces") : 0;
        m = translate_match(t, prefix ? MATCH_BITS : MATCH_EQUAL, f, g->negated);
        if (!m)
                return -ENOMEM;
        memcpy(m->value, g->value, length - prefix);
        if (prefix)
                memset(m->mask, 0xff, length - 1);
        return 0;
}

static int add_protocol(struct translate *t, const struct given *g)
{
        int number = translate_protocol_number(g->value);

        return number > 0 ? translate_number(t, FIELD_L4PROTO, (uint64_t)number, g->negated) : 0;
}

static int add_fragment(struct translate *t, const struct given *g)
{
        struct match *m;

        if (t->from->family != AF_INET)
                return translate_complain(t, g->at, NULL, "-f is of IPv4 only");
        m = translate_match(t, MATCH_ANY_BIT, FIELD_IP_FRAGMENT, g->negated);
        if (m)
                field_put_number(FIELD_IP_FRAGMENT, 0x1fff, m->mask);
        return m ? 0 : -ENOMEM;
}

static int add_verdict(struct translate *t, const struct given *g)
{
        static const struct value_word words[] = { { "ACCEPT", VERDICT_ACCEPT }, { "DROP", VERDICT_DROP }, { "RETURN", VERDICT_RETURN },
                                                   { "QUEUE", VERDICT_QUEUE }, {} };

        if (translate_find_chain(t->from, g->value)) {
                t->verdict.kind = g->name[1] == 'g' ? VERDICT_GOTO : VERDICT_JUMP;
                translate_chain_name(t->from, g->value, t->verdict.name);
                return 0;
        }
        for (const struct value_word *w = words; w->name; w++)
                if (streq(w->name, g->value))
                        t->verdict.kind = w->value;
        if (t->verdict.kind == VERDICT_DROP && streq(t->from->name, "nat"))
                return translate_complain(t, g->at + 1, "drop in table filter", "table nat does not drop");
        return 0;
}

static int add_basic(struct translate *t, const struct given *g)
{
        bool four = t->from->family == AF_INET;

        switch (g->name[1]) {
        case 'i':
                return add_interface(t, g, FIELD_IIFNAME);
        case 'o':
                return add_interface(t, g, FIELD_OIFNAME);
        case 's':
                return add_listed(t, g, t->source, &t->n_sources, four ? FIELD_IP_SADDR : FIELD_IP6_SADDR);
        case 'd':
                return add_listed(t, g, t->destination, &t->n_destinations, four ? FIELD_IP_DADDR : FIELD_IP6_DADDR);
        case 'p':
                return add_protocol(t, g);
        case 'f':
                return add_fragment(t, g);
        default:
                return add_verdict(t, g);
        }
}

int translate_basics(struct translate *t)
{
        static const char order[] = "iosdpfjg";
        int r = 0;

        for (const char *c = order; r >= 0 && *c; c++)
                for (size_t i = 0; r >= 0 && i < t->n_basics; i++)
                        if (t->basics[i].name[1] == *c)
                                r = add_basic(t, &t->basics[i]);
        return r;
}
