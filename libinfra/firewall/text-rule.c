/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One rule as nft writes it: matches, statements, verdict. */

#include "firewall/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "base/macro.h"
#include "firewall/encode.h"

void text_fields(struct str *s, const enum field *fields, size_t n)
{
        for (size_t i = 0; i < n; i++)
                str_add(s, "%s%s", i ? " . " : "", field_type(fields[i])->text);
}

unsigned text_prefix(const uint8_t *mask, unsigned size)
{
        unsigned prefix = 0;

        while (prefix < size * 8 && (mask[prefix / 8] & 0x80u >> prefix % 8))
                prefix++;
        return prefix;
}

static bool is_prefix(const uint8_t *mask, unsigned size)
{
        for (unsigned bit = text_prefix(mask, size); bit < size * 8; bit++)
                if (mask[bit / 8] & 0x80u >> bit % 8)
                        return false;
        return true;
}

static bool is_flags(enum field f)
{
        return f == FIELD_TCP_FLAGS || f == FIELD_CT_STATE || f == FIELD_CT_STATUS;
}

static bool is_name(enum field f)
{
        return f == FIELD_IIFNAME || f == FIELD_OIFNAME;
}

/* "& (syn | ack) == syn" */
static void add_masked(struct str *s, const struct match *m, bool negated)
{
        enum field f = m->fields[0];

        str_add(s, "& (");
        if (is_flags(f))
                text_bits(s, f, m->mask, " | ");
        else if (field_type(f)->size == 4 || field_type(f)->size == 16)
                text_value(s, f, m->mask);
        else
                str_add(s, "0x%llx", (unsigned long long)field_number(f, m->mask));
        str_add(s, ") %s ", negated ? "!=" : "==");
        if (is_flags(f))
                text_bits(s, f, m->value, " | ");
        else
                text_value(s, f, m->value);
}

static void add_bits(struct str *s, const struct match *m)
{
        enum field f = m->fields[0];
        const struct field_type *t = field_type(f);
        bool address = t->datatype == field_type(FIELD_IP_SADDR)->datatype || t->datatype == field_type(FIELD_IP6_SADDR)->datatype;

        if (is_name(f)) {
                str_add(s, "%s", m->negated ? "!= " : "");
                text_name(s, m->value, match_name_size(m));
        } else if (address && is_prefix(m->mask, t->size)) {
                str_add(s, "%s", m->negated ? "!= " : "");
                text_value(s, f, m->value);
                str_add(s, "/%u", text_prefix(m->mask, t->size));
        } else {
                add_masked(s, m, m->negated);
        }
}

static void add_any_bit(struct str *s, const struct match *m)
{
        static const uint8_t zero[16];
        struct match none = *m;

        if (!m->negated && m->fields[0] == FIELD_CT_LABEL && field_bit(m->mask) >= 0) {
                text_value(s, FIELD_CT_LABEL, m->mask);
                return;
        }
        if (!m->negated && is_flags(m->fields[0])) {
                text_bits(s, m->fields[0], m->mask, ",");
                return;
        }
        /* Said with words, nft would compare the whole. */
        memcpy(none.value, zero, sizeof(none.value));
        add_masked(s, &none, !m->negated);
}

/* Of moments, the whole of the last second; otherwise every digit is said. */
static void text_last(struct str *s, enum field f, const uint8_t *value)
{
        uint64_t number = field_number(f, value);

        if (f == FIELD_TIME && number != UINT64_MAX && number % SECOND_NS != SECOND_NS - 1)
                str_add(s, "%llu.%09llu", (unsigned long long)(number / SECOND_NS), (unsigned long long)(number % SECOND_NS));
        else if (f == FIELD_TIME)
                str_add(s, "%llu", (unsigned long long)(number / SECOND_NS));
        else
                text_value(s, f, value);
}

static void add_match(struct str *s, const struct match *m)
{
        enum field f = m->fields[0];

        if (text_part(s, m))
                return;
        text_fields(s, m->fields, m->n_fields);
        str_add(s, " ");
        switch (m->kind) {
        case MATCH_SET:
                str_add(s, "%s@%s", m->negated ? "!= " : "", m->set);
                break;
        case MATCH_ANY_BIT:
                add_any_bit(s, m);
                break;
        case MATCH_BITS:
                add_bits(s, m);
                break;
        case MATCH_RANGE:
                str_add(s, "%s", m->negated ? "!= " : "");
                text_value(s, f, m->value);
                str_add(s, "-");
                text_last(s, f, m->mask);
                break;
        default:
                str_add(s, m->negated ? "!= " : is_flags(f) ? "== " : "");
                text_value(s, f, m->value);
        }
}

static void add_rate(struct str *s, const struct statement *x)
{
        static const struct {
                uint64_t per_s;
                const char *name;
        } units[] = { { 1, "second" }, { 60, "minute" }, { 3600, "hour" }, { 86400, "day" }, { 604800, "week" } };
        const char *unit = "second";

        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (units[i].per_s == x->per_s)
                        unit = units[i].name;
        str_add(s, "limit rate %s%llu%s/%s", x->over ? "over " : "", (unsigned long long)x->rate, x->bytes ? " bytes" : "", unit);
        if (x->burst)
                str_add(s, " burst %u %s", x->burst, x->bytes ? "bytes" : "packets");
}

static void add_each(struct str *s, const struct statement *x)
{
        str_add(s, "%s @%s { ", x->kind == STATEMENT_METER ? "update" : "add", x->name);
        for (size_t i = 0; i < x->n_fields; i++) {
                const uint8_t *mask = statement_field_mask(x, x->fields[i]);

                str_add(s, "%s%s%s", i ? ". " : "", field_type(x->fields[i])->text, mask ? " & " : " ");
                if (mask) {
                        text_value(s, x->fields[i], mask);
                        str_add(s, " ");
                }
        }
        if (x->timeout_ms)
                str_add(s, "timeout %llu%s ", (unsigned long long)(x->timeout_ms % 1000 ? x->timeout_ms : x->timeout_ms / 1000), x->timeout_ms % 1000 ? "ms" : "s");
        if (x->kind == STATEMENT_METER)
                add_rate(s, x);
        else
                str_add(s, "ct count %s%llu", x->over ? "over " : "", (unsigned long long)x->rate);
        str_add(s, " }");
}

static void add_log(struct str *s, const struct statement *x)
{
        static const char *const levels[] = { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit" };

        str_add(s, "log");
        if (*x->prefix)
                str_add(s, " prefix \"%s\"", x->prefix);
        if (x->has_group)
                str_add(s, " group %u", x->group);
        if (x->has_group && x->snap)
                str_add(s, " snaplen %u", x->snap);
        if (x->has_group && x->threshold)
                str_add(s, " queue-threshold %u", x->threshold);
        if (!x->has_group && x->level != 4 && x->level < ELEMENTS(levels))
                str_add(s, " level %s", levels[x->level]);
        if (x->flags & 0x03)
                str_add(s, " flags tcp %s", (x->flags & 0x03) == 0x03 ? "sequence,options" : x->flags & 0x01 ? "sequence" : "options");
        str_add(s, "%s%s%s", x->flags & 0x04 ? " flags ip options" : "", x->flags & 0x08 ? " flags skuid" : "",
                x->flags & 0x20 ? " flags ether" : "");
}

static bool is_whole(const uint8_t *bytes, unsigned size, uint8_t value)
{
        for (unsigned i = 0; i < size; i++)
                if (bytes[i] != value)
                        return false;
        return true;
}

/* A field that is written to: nft changes flags of TCP as a byte only. */
static const char *name_to_set(enum field f)
{
        return f == FIELD_TCP_FLAGS ? "@th,104,8" : field_type(f)->text;
}

/* "meta mark set meta mark & 0xff ^ 0x1" */
static void add_change(struct str *s, const struct statement *x)
{
        enum field from = x->kind == STATEMENT_COPY ? x->fields[0] : x->field;
        unsigned size = field_type(x->field)->size;
        bool constant = x->kind == STATEMENT_SET && (is_whole(x->mask, size, 0) || x->field == FIELD_CT_LABEL);

        str_add(s, "%s set ", name_to_set(x->field));
        if (x->field == FIELD_TCP_MSS && is_whole(x->value, size, 0)) {
                str_add(s, "rt mtu");
                return;
        }
        if (!constant)
                str_add(s, "%s", name_to_set(from));
        if (!constant && !is_whole(x->mask, size, 0xff))
                str_add(s, " & 0x%llx", (unsigned long long)field_number(x->field, x->mask));
        if (constant)
                text_value(s, x->field, x->value);
        else if (!is_whole(x->value, size, 0))
                str_add(s, " ^ 0x%llx", (unsigned long long)field_number(x->field, x->value));
}

static void add_tproxy(struct str *s, const struct statement *x)
{
        char text[INET6_ADDRSTRLEN];
        bool six = x->to.family == AF_INET6;

        str_add(s, "tproxy %s to ", six ? "ip6" : "ip");
        if (!is_whole(x->to.first, six ? 16 : 4, 0)) {
                inet_ntop(x->to.family, x->to.first, text, sizeof(text));
                str_add(s, six ? "[%s]" : "%s", text);
        }
        if (x->to.port_first)
                str_add(s, ":%u", x->to.port_first);
}

static void add_synproxy(struct str *s, const struct statement *x)
{
        str_add(s, "synproxy");
        if (x->flags & NF_SYNPROXY_OPT_MSS)
                str_add(s, " mss %u", (unsigned)x->rate);
        if (x->flags & NF_SYNPROXY_OPT_WSCALE)
                str_add(s, " wscale %u", x->burst);
        str_add(s, "%s%s", x->flags & NF_SYNPROXY_OPT_TIMESTAMP ? " timestamp" : "", x->flags & NF_SYNPROXY_OPT_SACK_PERM ? " sack-perm" : "");
}

static void add_statement(struct str *s, const struct statement *x)
{
        switch (x->kind) {
        case STATEMENT_COUNTER:
                str_add(s, "counter");
                break;
        case STATEMENT_LIMIT:
                add_rate(s, x);
                break;
        case STATEMENT_METER:
                add_each(s, x);
                break;
        case STATEMENT_CONNECTIONS:
                if (*x->name)
                        add_each(s, x);
                else
                        str_add(s, "ct count %s%llu", x->over ? "over " : "", (unsigned long long)x->rate);
                break;
        case STATEMENT_QUOTA:
                str_add(s, "quota %s%llu bytes", x->over ? "over " : "", (unsigned long long)x->rate);
                break;
        case STATEMENT_NUMGEN:
                str_add(s, "numgen %s mod %u %s%llu", x->random ? "random" : "inc", x->burst, x->rate && !x->over ? "<= " : "",
                        (unsigned long long)x->rate);
                break;
        case STATEMENT_LOG:
                add_log(s, x);
                break;
        case STATEMENT_SET:
        case STATEMENT_COPY:
                add_change(s, x);
                break;
        case STATEMENT_NOTRACK:
                str_add(s, "notrack");
                break;
        case STATEMENT_TPROXY:
                add_tproxy(s, x);
                break;
        case STATEMENT_SYNPROXY:
                add_synproxy(s, x);
                break;
        case STATEMENT_HELPER:
                str_add(s, "ct helper set \"%s\"", x->name);
                break;
        case STATEMENT_STRIP:
                str_add(s, "reset tcp option %llu", (unsigned long long)x->rate);
                break;
        default:
                str_add(s, "meta nftrace set 1");
        }
}

char *rule_statement_text(const struct statement *x)
{
        struct str s = {};

        add_statement(&s, x);
        return str_take(&s);
}

static void add_address(struct str *s, const struct translation *to, const uint8_t *value)
{
        char text[INET6_ADDRSTRLEN];
        bool wrapped = to->family == AF_INET6 && to->port_first;

        str_add(s, "%s%s%s", wrapped ? "[" : "", inet_ntop(to->family, value, text, sizeof(text)), wrapped ? "]" : "");
}

static unsigned network_bits(const struct translation *to)
{
        unsigned size = to->family == AF_INET6 ? 16 : 4;
        uint8_t mask[16];

        for (unsigned i = 0; i < size; i++)
                mask[i] = (uint8_t) ~(to->first[i] ^ to->last[i]);
        return text_prefix(mask, size);
}

/* What stands behind "to": addresses, ports. */
static void add_target(struct str *s, const struct translation *to)
{
        if (to->family) {
                add_address(s, to, to->first);
                if (to->netmap)
                        str_add(s, "/%u", network_bits(to));
                else if (memcmp(to->first, to->last, to->family == AF_INET6 ? 16 : 4) != 0) {
                        str_add(s, "-");
                        add_address(s, to, to->last);
                }
        }
        if (to->port_first)
                str_add(s, ":%u", to->port_first);
        if (to->port_last != to->port_first)
                str_add(s, "-%u", to->port_last);
}

static void add_translation(struct str *s, const struct verdict *v)
{
        bool own = v->kind == VERDICT_MASQUERADE || v->kind == VERDICT_REDIRECT;
        const char *joint = " ";

        if (own)
                str_add(s, "%s%s", v->kind == VERDICT_MASQUERADE ? "masquerade" : "redirect", v->to.port_first ? " to " : "");
        else
                str_add(s, "%s%s%s to ", v->kind == VERDICT_SNAT ? "snat" : "dnat",
                        v->to.family == AF_INET ? " ip" : v->to.family == AF_INET6 ? " ip6" : "", v->to.netmap ? " prefix" : "");
        add_target(s, &v->to);
        for (int i = 0; i < 3; i++) {
                static const struct {
                        unsigned flag;
                        const char *name;
                } flags[] = { { NF_NAT_RANGE_PROTO_RANDOM, "random" }, { NF_NAT_RANGE_PROTO_RANDOM_FULLY, "fully-random" }, { NF_NAT_RANGE_PERSISTENT, "persistent" } };

                if (!(v->to.flags & flags[i].flag))
                        continue;
                str_add(s, "%s%s", joint, flags[i].name);
                joint = ",";
        }
}

/* Codes as nft names them; others by number. */
static const char *reject_name(const struct verdict *v)
{
        static const char *const v4[] = { "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", [9] = "net-prohibited",
                                          [10] = "host-prohibited", [13] = "admin-prohibited" };
        static const char *const v6[] = { "no-route", "admin-prohibited", [3] = "addr-unreachable", [4] = "port-unreachable", "policy-fail", "reject-route" };
        static const char *const both[] = { "no-route", "port-unreachable", "host-unreachable", "admin-prohibited" };

        if (v->reject_type == NFT_REJECT_ICMPX_UNREACH)
                return v->reject_code < ELEMENTS(both) ? both[v->reject_code] : NULL;
        /* Which ICMP it is stands in a match before; `to.family` says so, too. */
        if (v->to.family == AF_INET6)
                return v->reject_code < ELEMENTS(v6) ? v6[v->reject_code] : NULL;
        return v->reject_code < ELEMENTS(v4) ? v4[v->reject_code] : NULL;
}

static void add_reject(struct str *s, const struct verdict *v)
{
        const char *name = reject_name(v);
        const char *type = v->reject_type == NFT_REJECT_ICMPX_UNREACH ? "icmpx" : v->to.family == AF_INET6 ? "icmpv6" : "icmp";

        if (v->reject_type == NFT_REJECT_TCP_RST)
                str_add(s, "reject with tcp reset");
        else if (name)
                str_add(s, "reject with %s type %s", type, name);
        else
                str_add(s, "reject with %s type %u", type, v->reject_code);
}

static void add_verdict(struct str *s, const struct verdict *v)
{
        static const char *const words[VERDICT_MAX] = {
                [VERDICT_ACCEPT] = "accept",     [VERDICT_DROP] = "drop",           [VERDICT_JUMP] = "jump ",
                [VERDICT_GOTO] = "goto ",        [VERDICT_RETURN] = "return",       [VERDICT_CONTINUE] = "",
                [VERDICT_REJECT] = "reject",     [VERDICT_QUEUE] = "queue",         [VERDICT_MAP] = " vmap @",
                [VERDICT_DNAT] = "dnat ip to ",  [VERDICT_DNAT_PORT] = "dnat ip to ", [VERDICT_SNAT] = "snat ip to ",
                [VERDICT_MASQUERADE] = "masquerade", [VERDICT_REDIRECT] = "redirect",
        };
        bool mapped = v->n_fields > 0 && v->kind >= VERDICT_DNAT;

        if (v->kind == VERDICT_REJECT) {
                add_reject(s, v);
        } else if (v->kind == VERDICT_QUEUE) {
                str_add(s, "queue%s", v->queue_flags == 0x01 ? " flags bypass" : v->queue_flags == 0x02 ? " flags fanout" : v->queue_flags ? " flags bypass,fanout" : "");
                str_add(s, v->queue_first == v->queue_last ? " to %u" : " to %u-%u", v->queue_first, v->queue_last);
        } else if (v->kind >= VERDICT_DNAT && !mapped) {
                add_translation(s, v);
        } else {
                if (v->kind == VERDICT_MAP)
                        text_fields(s, v->fields, v->n_fields);
                str_add(s, "%s", words[v->kind]);
                if (mapped) {
                        text_fields(s, v->fields, v->n_fields);
                        str_add(s, " map @");
                }
                str_add(s, "%s", v->name);
        }
}

char *rule_verdict_text(const struct verdict *v)
{
        struct str s = {};

        add_verdict(&s, v);
        return str_take(&s);
}

char *rule_text(const struct rule *r)
{
        const char *joint = "";
        struct str s = {};

        if (r->unknown)
                str_add(&s, "# %s", r->unknown);
        for (size_t i = 0; i < r->n_matches && !r->unknown; i++) {
                str_add(&s, "%s", joint);
                add_match(&s, &r->matches[i]);
                joint = " ";
        }
        for (size_t i = 0; i < r->n_statements && !r->unknown; i++) {
                str_add(&s, "%s", joint);
                add_statement(&s, &r->statements[i]);
                joint = " ";
        }
        if (!r->unknown && r->verdict.kind != VERDICT_CONTINUE) {
                str_add(&s, "%s", joint);
                add_verdict(&s, &r->verdict);
        }
        /* A rule that does nothing, such as one of iptables without a target, must be something to read. */
        if (s.length == 0)
                str_add(&s, "continue");
        return str_take(&s);
}
