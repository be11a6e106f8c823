/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matches that count: rates, connections, every n-th packet, bytes. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/import/translate.h"

enum { METER_SIZE = 65535, BURST_DEFAULT = 5 };
#define CHANCES (UINT64_C(1) << 31) /* what the kernel's random numbers are out of */

static int add_limit(struct translate *t, const struct module *m)
{
        const struct given *limit = given(m, "--limit"), *burst = given(m, "--limit-burst");
        uint64_t rate = 3, per_s = 3600, packets = BURST_DEFAULT;
        struct statement *s;

        if (limit && !parse_rate(limit->value, &rate, &per_s))
                return value_wrong(t, limit);
        if (burst && (!parse_number(burst->value, UINT32_MAX, &packets) || packets == 0))
                return value_wrong(t, burst);
        s = translate_statement(t, STATEMENT_LIMIT);
        if (!s)
                return -ENOMEM;
        s->rate = rate, s->per_s = per_s, s->burst = (uint32_t)packets;
        return 0;
}

/* "512kb/s" */
static bool parse_bytes(const char *text, const char *end, uint64_t *ret)
{
        static const struct value_word units[] = { { "b", 1 }, { "kb", 1024 }, { "mb", 1048576 }, {} };
        size_t digits = strspn(text, "0123456789"), length = strlen(text), tail = strlen(end);
        char number[16], unit[4];
        unsigned factor;

        if (digits == 0 || digits >= 10 || length < digits + tail || !streq(text + length - tail, end) || length - tail - digits >= sizeof(unit))
                return false;
        snprintf(number, sizeof(number), "%.*s", (int)digits, text);
        snprintf(unit, sizeof(unit), "%.*s", (int)(length - tail - digits), text + digits);
        if (!parse_word(units, unit, &factor) || !parse_number(number, UINT32_MAX, ret) || *ret == 0)
                return false;
        *ret *= factor;
        return *ret <= UINT32_MAX;
}

static int read_rate(struct translate *t, const struct module *m, struct statement *ret)
{
        const struct given *upto = given(m, "--hashlimit-upto"), *above = given(m, "--hashlimit-above");
        const struct given *burst = given(m, "--hashlimit-burst"), *rate = upto ? upto : above;
        uint64_t number = BURST_DEFAULT;

        if (!rate || (upto && above))
                return translate_complain(t, m->at, NULL, "hashlimit needs --hashlimit-upto or --hashlimit-above");
        ret->over = rate == above || rate->negated;
        ret->per_s = 1;
        ret->bytes = parse_bytes(rate->value, "/s", &ret->rate);
        if (!ret->bytes && !parse_rate(rate->value, &ret->rate, &ret->per_s))
                return value_wrong(t, rate);
        if (ret->bytes)
                number = ret->rate;
        if (burst && (ret->bytes ? !parse_bytes(burst->value, "", &number) : !parse_number(burst->value, UINT32_MAX, &number) || number == 0))
                return value_wrong(t, burst);
        ret->burst = (uint32_t)number;
        return 0;
}

static int read_mode(struct translate *t, const struct given *g, struct statement *ret)
{
        bool four = t->from->family == AF_INET, ports = false;
        const struct value_word words[] = { { "srcip", four ? FIELD_IP_SADDR : FIELD_IP6_SADDR }, { "srcport", FIELD_SPORT },
                                            { "dstip", four ? FIELD_IP_DADDR : FIELD_IP6_DADDR }, { "dstport", FIELD_DPORT }, {} };

        for (const char *at = g ? g->value : ""; g; at++) {
                size_t length = strcspn(at, ",");
                unsigned field;
                char name[16];

                snprintf(name, sizeof(name), "%.*s", (int)length, at);
                if (length >= sizeof(name) || ret->n_fields >= 4 || !parse_word(words, name, &field))
                        return value_wrong(t, g);
                ret->fields[ret->n_fields++] = (enum field)field;
                ports |= field == FIELD_SPORT || field == FIELD_DPORT;
                at += length;
                if (!*at)
                        break;
        }
        if (ports && t->protocol != IPPROTO_TCP && t->protocol != IPPROTO_UDP && t->protocol != IPPROTO_SCTP && t->protocol != IPPROTO_DCCP &&
            t->protocol != IPPROTO_UDPLITE)
                return translate_complain(t, g->at + 1, "tcp, udp, udplite, sctp or dccp", "to count by port, -p has to name a protocol with ports");
        return 0;
}

/* How many bits of an address count, as a mask; none of all of them. */
static int read_mask(struct translate *t, const struct given *g, uint8_t ret[static 16])
{
        uint64_t bits = 0, most = t->from->family == AF_INET ? 32 : 128;
        uint8_t mask[16];
        int r = 0;

        if (!g)
                return 0;
        if (strchr(g->value, '.') || strchr(g->value, ':')) {
                if (inet_pton(t->from->family, g->value, mask) != 1)
                        return value_wrong(t, g);
                while (bits < most && (mask[bits / 8] & 0x80u >> bits % 8))
                        bits++;
        } else {
                r = value_number(t, g, most, &bits);
        }
        if (r < 0 || bits == most)
                return r;
        if (bits == 0)
                return translate_complain(t, g->at + 1, "leave out what does not count", "addresses of which nothing counts are not counted by");
        for (unsigned i = 0; i < bits; i++)
                ret[i / 8] |= (uint8_t)(0x80u >> i % 8);
        return 0;
}

/* Whether all rules that count in that set count by the same networks. */
static bool same_masks(const struct table *to, const struct statement *s)
{
        for (const struct chain *c = to->chains; c < to->chains + to->n_chains; c++)
                for (const struct rule *r = c->rules; r < c->rules + c->n_rules; r++)
                        for (size_t i = 0; i < r->n_statements; i++)
                                if (streq(r->statements[i].name, s->name) && (memcmp(r->statements[i].mask, s->mask, 16) != 0 ||
                                                                              memcmp(r->statements[i].value, s->value, 16) != 0))
                                        return false;
        return true;
}

/* Rules that name the same table count together. */
static int add_meter(struct translate *t, const struct module *m, struct statement *s)
{
        const struct given *name = given(m, "--hashlimit-name"), *expire = given(m, "--hashlimit-htable-expire");
        const struct given *most = given(m, "--hashlimit-htable-max");
        uint64_t size = METER_SIZE, ms = s->per_s * 1000;
        struct set *set;
        struct str text = {};
        _cleanup_free_ char *full = NULL;

        if ((expire && !parse_number(expire->value, UINT32_MAX, &ms)) || (most && !parse_number(most->value, UINT32_MAX, &size)))
                return value_wrong(t, expire ? expire : most);
        str_add(&text, "meter%d-%s", t->from->family == AF_INET ? 4 : 6, name ? name->value : "");
        full = str_take(&text);
        if (!full)
                return -ENOMEM;
        translate_name(full, s->name);
        s->timeout_ms = MAX(ms, 1000u);
        set = table_set(t->to, s->name);
        if (set && (set->n_fields != s->n_fields || memcmp(set->fields, s->fields, s->n_fields * sizeof(*s->fields)) != 0 || !same_masks(t->to, s)))
                return translate_complain(t, name ? name->at : m->at, "give it another name", "another rule counts by other things under this name");
        if (set)
                return 0;
        set = table_add_set(t->to, s->name, DATA_NONE, false, s->fields, s->n_fields);
        if (!set)
                return -ENOMEM;
        set->dynamic = set->timeout = true;
        set->timeout_ms = (int64_t)MAX(ms, 1000);
        set->size = (uint32_t)size;
        return 0;
}

static bool counts_by(const struct statement *s, enum field f)
{
        for (size_t i = 0; i < s->n_fields; i++)
                if (s->fields[i] == f)
                        return true;
        return false;
}

static int add_hashlimit(struct translate *t, const struct module *m)
{
        struct statement want = {}, *s;
        int r = read_rate(t, m, &want);

        if (r >= 0)
                r = read_mode(t, given(m, "--hashlimit-mode"), &want);
        if (r >= 0 && counts_by(&want, t->from->family == AF_INET ? FIELD_IP_SADDR : FIELD_IP6_SADDR))
                r = read_mask(t, given(m, "--hashlimit-srcmask"), want.mask);
        if (r >= 0 && counts_by(&want, t->from->family == AF_INET ? FIELD_IP_DADDR : FIELD_IP6_DADDR))
                r = read_mask(t, given(m, "--hashlimit-dstmask"), want.value);
        for (size_t i = 0; r >= 0 && i < m->n_given; i++)
                if (startswith(m->given[i].name, "--hashlimit-rate-"))
                        r = translate_complain(t, m->given[i].at, NULL, "%s has no counterpart here", m->given[i].name);
        if (r >= 0 && want.n_fields)
                r = add_meter(t, m, &want);
        if (r < 0)
                return r;
        s = translate_statement(t, want.n_fields ? STATEMENT_METER : STATEMENT_LIMIT);
        if (!s)
                return -ENOMEM;
        want.kind = s->kind;
        want.level = s->level;
        *s = want;
        return 0;
}

static int add_connlimit(struct translate *t, const struct module *m)
{
        const struct given *above = given(m, "--connlimit-above"), *upto = given(m, "--connlimit-upto"), *mask = given(m, "--connlimit-mask");
        const struct given *count = above ? above : upto;
        bool four = t->from->family == AF_INET, to = given(m, "--connlimit-daddr");
        enum field f = to ? (four ? FIELD_IP_DADDR : FIELD_IP6_DADDR) : (four ? FIELD_IP_SADDR : FIELD_IP6_SADDR);
        bool all = mask && streq(mask->value, "0");
        struct statement *s, want = {};
        struct set *set = NULL;
        uint64_t number;
        int r;

        if (!count || (above && upto))
                return translate_complain(t, m->at, NULL, "connlimit needs --connlimit-above or --connlimit-upto");
        r = value_number(t, count, UINT32_MAX, &number);
        if (r >= 0 && !all)
                r = read_mask(t, mask, to ? want.value : want.mask);
        if (r < 0)
                return r;
        if (!all) {
                set = translate_set(t, "connections", false, &f, 1);
                if (!set)
                        return -ENOMEM;
                set->dynamic = true;
                set->size = METER_SIZE;
        }
        s = translate_statement(t, STATEMENT_CONNECTIONS);
        if (!s)
                return -ENOMEM;
        s->rate = number;
        s->over = (count == above) != count->negated;
        if (set) {
                snprintf(s->name, sizeof(s->name), "%s", set->name);
                s->fields[s->n_fields++] = f;
                memcpy(s->mask, want.mask, 16);
                memcpy(s->value, want.value, 16);
        }
        return 0;
}

static int add_numgen(struct statement *s, uint64_t modulus, uint64_t most, bool random)
{
        if (!s)
                return -ENOMEM;
        s->burst = (uint32_t)modulus;
        s->rate = most;
        s->random = random;
        return 0;
}

static int add_nth_of(struct statement *s, uint64_t n, uint64_t which)
{
        if (s)
                s->over = which > 0;
        return add_numgen(s, n, which, false);
}

static int add_random(struct translate *t, const struct module *m)
{
        const struct given *g = given(m, "--probability");
        char *end = NULL;
        double p = g ? strtod(g->value, &end) : -1;
        uint64_t chances;

        if (!g || !end || *end || end == g->value || !(p >= 0 && p <= 1))
                return g ? value_wrong(t, g) : translate_complain(t, m->at, NULL, "--mode random needs --probability");
        chances = (uint64_t)(p * (double)CHANCES + 0.5);
        if (g->negated)
                chances = CHANCES - chances;
        if (chances == 0)
                return translate_complain(t, g->at + 1, "leave the rule out", "no packet can match this");
        return add_numgen(translate_statement(t, STATEMENT_NUMGEN), CHANCES, chances - 1, true);
}

static int add_nth(struct translate *t, const struct module *m)
{
        const struct given *every = given(m, "--every"), *packet = given(m, "--packet");
        uint64_t n, first = 0;
        struct rule *none;
        int r;

        if (!every)
                return translate_complain(t, m->at, NULL, "--mode nth needs --every");
        r = value_number(t, every, INT32_MAX, &n);
        if (r >= 0 && packet)
                r = value_number(t, packet, INT32_MAX, &first);
        if (r < 0)
                return r;
        if (n == 0 || first >= n)
                return value_wrong(t, n == 0 ? every : packet);
        if (!every->negated)
                return add_nth_of(translate_statement(t, STATEMENT_NUMGEN), n, first);
        none = translate_alternative(t, true);
        return none ? add_nth_of(rule_add_statement(none, STATEMENT_NUMGEN), n, first) : -ENOMEM;
}

static int add_statistic(struct translate *t, const struct module *m)
{
        const struct given *mode = given(m, "--mode");

        if (mode && streq(mode->value, "random"))
                return add_random(t, m);
        if (mode && streq(mode->value, "nth"))
                return add_nth(t, m);
        return mode ? value_wrong(t, mode) : translate_complain(t, m->at, NULL, "statistic needs --mode");
}

static int add_quota(struct translate *t, const struct module *m)
{
        const struct given *g = m->n_given ? &m->given[0] : NULL;
        uint64_t bytes;
        struct statement *s;
        int r = g ? value_number(t, g, UINT64_MAX, &bytes) : translate_complain(t, m->at, NULL, "quota needs --quota");

        if (r < 0)
                return r;
        s = translate_statement(t, STATEMENT_QUOTA);
        if (!s)
                return -ENOMEM;
        s->rate = bytes;
        s->over = g->negated;
        return 0;
}

#define MATCH(id, function, ...)                                              \
        static const struct option_type id##_options[] = { __VA_ARGS__, {} }; \
        const struct module_type translate_match_##id = { #id, id##_options, function, 0 }

MATCH(limit, add_limit, { "--limit", 1, false, NULL }, { "--limit-burst", 1, false, NULL });
MATCH(hashlimit, add_hashlimit, { "--hashlimit-upto", 1, true, "--hashlimit" }, { "--hashlimit-above", 1, false, NULL },
      { "--hashlimit-burst", 1, false, NULL }, { "--hashlimit-mode", 1, false, NULL }, { "--hashlimit-name", 1, false, NULL },
      { "--hashlimit-srcmask", 1, false, NULL }, { "--hashlimit-dstmask", 1, false, NULL }, { "--hashlimit-htable-expire", 1, false, NULL },
      { "--hashlimit-htable-max", 1, false, NULL },
      /* How the table is kept in memory: nftables does that by itself. */
      { "--hashlimit-htable-size", 1, false, NULL }, { "--hashlimit-htable-gcinterval", 1, false, NULL },
      { "--hashlimit-rate-match", 0, false, NULL }, { "--hashlimit-rate-interval", 1, false, NULL });
MATCH(connlimit, add_connlimit, { "--connlimit-above", 1, true, NULL }, { "--connlimit-upto", 1, true, NULL },
      { "--connlimit-mask", 1, false, NULL }, { "--connlimit-saddr", 0, false, NULL }, { "--connlimit-daddr", 0, false, NULL });
MATCH(statistic, add_statistic, { "--mode", 1, false, NULL }, { "--probability", 1, true, NULL }, { "--every", 1, true, NULL },
      { "--packet", 1, false, NULL });
MATCH(quota, add_quota, { "--quota", 1, true, NULL });
