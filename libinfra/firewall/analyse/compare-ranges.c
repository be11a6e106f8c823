/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values of one field as prefixes, ranges and names. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "firewall/analyse/compare-box.h"

enum { RANGES_MAX = 4 };

typedef unsigned __int128 wide;

struct ranges {
        wide first[RANGES_MAX + 1], last[RANGES_MAX + 1];
        size_t n; /* RANGES_MAX + 1: more than are told */
};

double diagram_share(const struct diagram *d, fn f)
{
        if (diagram_is_leaf(d, f))
                return f == FN_TRUE;
        return diagram_share(d, d->nodes[f].low) / 2 + diagram_share(d, d->nodes[f].high) / 2;
}

static void add_range(struct ranges *r, wide first, wide last)
{
        if (r->n && r->n <= RANGES_MAX && r->last[r->n - 1] + 1 == first) {
                r->last[r->n - 1] = last;
                return;
        }
        if (r->n <= RANGES_MAX) {
                r->first[r->n] = first;
                r->last[r->n] = last;
                r->n++;
        }
}

static void collect(const struct space *s, enum field f, fn values, unsigned i, wide value, struct ranges *r)
{
        const struct diagram_node *n = &s->d.nodes[values];
        unsigned width = s->bits[f];
        bool asked = !diagram_is_leaf(&s->d, values) && n->level == s->base[f] + i;

        if (values == FN_FALSE || r->n > RANGES_MAX)
                return;
        if (values == FN_TRUE) {
                add_range(r, value << (width - i), width - i == 128 ? ~(wide)0 : (value << (width - i)) | (((wide)1 << (width - i)) - 1));
                return;
        }
        collect(s, f, asked ? n->low : values, i + 1, value << 1, r);
        collect(s, f, asked ? n->high : values, i + 1, value << 1 | 1, r);
}

static void add_value(struct str *to, enum field f, unsigned width, wide value)
{
        uint8_t bytes[16] = {};
        char text[INET6_ADDRSTRLEN];

        for (unsigned i = 0; i < width / 8; i++)
                bytes[i] = (uint8_t)(value >> (width - 8 - i * 8));
        if (strstr(field_type(f)->text, "addr") && (width == 32 || width == 128) && field_type(f)->source != SOURCE_FIB)
                str_add(to, "%s", inet_ntop(width == 32 ? AF_INET : AF_INET6, bytes, text, sizeof(text)));
        else if (f == FIELD_L4PROTO && value == IPPROTO_TCP)
                str_add(to, "tcp");
        else if (f == FIELD_L4PROTO && value == IPPROTO_UDP)
                str_add(to, "udp");
        else if (f == FIELD_L4PROTO && (value == IPPROTO_ICMP || value == IPPROTO_ICMPV6))
                str_add(to, value == IPPROTO_ICMP ? "icmp" : "icmpv6");
        else
                str_add(to, "%s%" PRIu64, f == FIELD_L4PROTO ? "protocol " : "", (uint64_t)value);
}

static void add_ranges(struct str *to, enum field f, unsigned width, const struct ranges *r)
{
        for (size_t i = 0; i < r->n && i < RANGES_MAX; i++) {
                wide first = r->first[i], size = r->last[i] - first + 1;
                unsigned prefix = width;

                str_add(to, "%s", i ? ", " : "");
                add_value(to, f, width, first);
                if (size == 1)
                        continue;
                for (wide k = size; k && !(k & 1); k >>= 1)
                        prefix--;
                if (width >= 32 && (size & (size - 1)) == 0 && (size == 0 || (first & (size - 1)) == 0) && field_type(f)->source != SOURCE_FIB) {
                        str_add(to, "/%u", size == 0 ? 0 : prefix);
                } else {
                        str_add(to, "-");
                        add_value(to, f, width, r->last[i]);
                }
        }
        if (r->n > RANGES_MAX)
                str_add(to, " and more");
}

/* Type and code of ICMP as one number: "3", "11-12", "3 code 1-4". */
static void add_types(struct str *to, const struct ranges *r)
{
        for (size_t i = 0; i < r->n && i < RANGES_MAX; i++) {
                unsigned first = (unsigned)r->first[i], last = (unsigned)r->last[i];
                bool whole = (first & 0xff) == 0 && (last & 0xff) == 0xff, one = first >> 8 == last >> 8;

                str_add(to, "%s%u", i ? ", " : "", first >> 8);
                if (whole && !one)
                        str_add(to, "-%u", last >> 8);
                else if (!whole && one && first == last)
                        str_add(to, " code %u", first & 0xff);
                else if (!whole && one)
                        str_add(to, " code %u-%u", first & 0xff, last & 0xff);
                else if (!whole)
                        str_add(to, " code %u to %u code %u", first & 0xff, last >> 8, last & 0xff);
        }
        if (r->n > RANGES_MAX)
                str_add(to, " and more");
}

static bool has_code(const struct space *s, enum field f, fn values, size_t code)
{
        while (!diagram_is_leaf(&s->d, values)) {
                const struct diagram_node *n = &s->d.nodes[values];

                values = code >> (s->names->bits - 1 - (n->level - s->base[f])) & 1 ? n->high : n->low;
        }
        return values == FN_TRUE;
}

static void names_text(struct space *s, enum field f, fn values, fn all, struct str *to)
{
        bool rest = has_code(s, f, values, s->names->n - 1), first = true;

        str_add(to, "%s", rest ? "not " : "");
        for (size_t i = 0; i + 1 < s->names->n; i++) {
                if (!has_code(s, f, all, i) || has_code(s, f, values, i) == rest)
                        continue;
                str_add(to, "%s%s", first ? "" : ", ", i ? s->names->items[i] : "no interface");
                first = false;
        }
}

static void states_text(struct space *s, fn values, struct str *to)
{
        static const char *const words[] = { "new", "established", "related", "invalid", "untracked" };
        bool first = true;

        for (size_t i = 0; i < ELEMENTS(words); i++) {
                fn f = values;

                while (!diagram_is_leaf(&s->d, f))
                        f = s->d.nodes[f].level == s->base[FIELD_CT_STATE] + i ? s->d.nodes[f].high : s->d.nodes[f].low;
                if (f == FN_TRUE)
                        str_add(to, "%s%s", first ? "" : " or ", words[i]);
                first = first && f != FN_TRUE;
        }
}

void ranges_text(struct space *s, enum field f, bool icmp, fn values, fn all, struct str *to)
{
        struct ranges in = {}, out = {};

        if (f == FIELD_CT_STATE) {
                states_text(s, values, to);
                return;
        }
        if (field_is_name(f)) {
                names_text(s, f, values, all, to);
                return;
        }
        collect(s, f, values, 0, 0, &in);
        collect(s, f, diagram_and(&s->d, all, diagram_not(&s->d, values)), 0, 0, &out);
        str_add(to, "%s", out.n < in.n ? "not " : "");
        if (icmp)
                add_types(to, out.n < in.n ? &out : &in);
        else
                add_ranges(to, f, s->bits[f], out.n < in.n ? &out : &in);
}
