/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statements of a rule: limit, log, counter, what is set, rates of each source. */

#include "base/clock.h"
#include "firewall/ct-helper.h"
#include "firewall/rule.h"

#include <netinet/in.h>
#include <linux/netfilter/nf_synproxy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METER_SIZE = 65535, METER_TIMEOUT_MIN_S = 60, WINDOW_SCALE_MAX = 14 };

static struct statement *add(struct scan *s, enum statement_kind kind)
{
        struct statement *x = rule_add_statement(s->rule, kind);

        s->oom = s->oom || !x;
        return x;
}

static bool scan_unit(struct scan *s, const char *text, struct statement *x)
{
        static const struct {
                const char *name;
                uint64_t per_s;
        } units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 }, { "week", 604800 } };

        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (streq(units[i].name, text)) {
                        x->per_s = units[i].per_s;
                        return true;
                }
        return scan_fail(s, false, "second, minute, hour, day or week", "'%s' is no unit of time", text);
}

static uint64_t bytes_of(const char *unit)
{
        return streq(unit, "bytes") ? 1 : streq(unit, "kbytes") ? 1024 : streq(unit, "mbytes") ? 1024 * 1024 : 0;
}

/* "20/minute", or "2000 bytes/second". */
static bool scan_rate(struct scan *s, struct statement *x)
{
        char text[48], unit[16], per[16];
        uint64_t burst;
        unsigned long long rate;

        x->over = scan_take(s, "over");
        if (!scan_text(s, "a rate", text, sizeof(text)))
                return false;
        if (sscanf(text, "%10llu/%15[a-z]", &rate, per) == 2) {
                x->burst = 5;
        } else if (sscanf(text, "%10llu", &rate) == 1 && scan_text(s, "bytes/second", text, sizeof(text)) &&
                   sscanf(text, "%15[a-z]/%15[a-z]", unit, per) == 2 && bytes_of(unit)) {
                rate *= bytes_of(unit);
                x->bytes = true;
        } else {
                return s->mistake->message[0] ? false : scan_fail(s, false, "20/minute or 2000 bytes/second", "'%s' is not a rate", text);
        }
        x->rate = rate;
        if (!scan_unit(s, per, x))
                return false;
        if (!scan_take(s, "burst"))
                return true;
        if (!scan_number(s, "a number", UINT32_MAX, &burst))
                return false;
        x->burst = (uint32_t)burst;
        if (scan_take(s, "packets"))
                return true;
        if (s->at < s->n) {
                char name[16];

                snprintf(name, sizeof(name), "%.*s", (int)s->words[s->at].length, s->words[s->at].text);
                if (bytes_of(name)) {
                        x->burst *= (uint32_t)bytes_of(name);
                        s->at++;
                }
        }
        return true;
}

static bool scan_level(struct scan *s, struct statement *x)
{
        static const char *const levels[] = { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit" };

        for (unsigned i = 0; i < ELEMENTS(levels); i++)
                if (scan_take(s, levels[i])) {
                        x->level = i;
                        return true;
                }
        return scan_fail(s, true, "emerg, alert, crit, err, warn, notice, info, debug", "this is no level of a log");
}

static bool scan_log_flags(struct scan *s, struct statement *x)
{
        if (scan_take(s, "tcp")) {
                do {
                        if (scan_take(s, "sequence"))
                                x->flags |= 0x01;
                        else if (scan_take(s, "options"))
                                x->flags |= 0x02;
                        else
                                return scan_fail(s, true, "sequence, options", "this is no flag of a log");
                } while (scan_take(s, ","));
                return true;
        }
        if (scan_take_words(s, "ip options"))
                x->flags |= 0x04;
        else if (scan_take(s, "skuid"))
                x->flags |= 0x08;
        else if (scan_take(s, "ether"))
                x->flags |= 0x20;
        else if (scan_take(s, "all"))
                x->flags |= 0x2f;
        else
                return scan_fail(s, true, "tcp sequence,options, ip options, skuid, ether, all", "this is no flag of a log");
        return true;
}

static bool scan_log(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_LOG);
        uint64_t number;

        while (x) {
                if (scan_take(s, "prefix")) {
                        if (!scan_text(s, "a prefix", x->prefix, sizeof(x->prefix)))
                                return false;
                } else if (scan_take(s, "level")) {
                        if (!scan_level(s, x))
                                return false;
                } else if (scan_take(s, "flags")) {
                        if (!scan_log_flags(s, x))
                                return false;
                } else if (scan_take(s, "group")) {
                        if (!scan_number(s, "a group", UINT16_MAX, &number))
                                return false;
                        x->has_group = true;
                        x->group = (uint16_t)number;
                } else if (scan_take(s, "snaplen")) {
                        if (!scan_number(s, "a length", UINT32_MAX, &number))
                                return false;
                        x->snap = (uint32_t)number;
                } else if (scan_take(s, "queue-threshold")) {
                        if (!scan_number(s, "a threshold", UINT16_MAX, &number))
                                return false;
                        x->threshold = (uint16_t)number;
                } else {
                        return true;
                }
        }
        return false;
}

static bool scan_connections(struct scan *s, struct statement *x)
{
        x->over = scan_take(s, "over");
        return scan_number(s, "a number of connections", UINT32_MAX, &x->rate);
}

/* The set that a rate of each value is kept in is made when nobody named it. */
static bool keep_in(struct scan *s, struct statement *x)
{
        struct set *set = table_set(s->reader->table, x->name);

        if (!set) {
                set = table_add_set(s->reader->table, x->name, DATA_NONE, false, x->fields, x->n_fields);
                if (!set) {
                        s->oom = true;
                        return false;
                }
                set->dynamic = set->runtime = true;
                set->size = METER_SIZE;
                set->timeout = x->kind == STATEMENT_METER;
                set->timeout_ms = x->timeout_ms ? (int64_t)x->timeout_ms : set->timeout ? (int64_t)(x->per_s * 2 > METER_TIMEOUT_MIN_S ? x->per_s * 2 : METER_TIMEOUT_MIN_S) * 1000 : 0;
        }
        return set->dynamic || scan_fail(s, false, NULL, "set '%s' is not for this", x->name);
}

/* Behind "&": the network that counts, of an address. */
static bool scan_part(struct scan *s, struct statement *x)
{
        enum field f = x->fields[x->n_fields - 1];
        bool source = f == FIELD_IP_SADDR || f == FIELD_IP6_SADDR;
        struct value v;

        if (!source && f != FIELD_IP_DADDR && f != FIELD_IP6_DADDR)
                return scan_fail(s, false, "ip saddr & 255.255.255.0", "only addresses are counted by their networks");
        if (!scan_value(s, f, &v))
                return false;
        if (!v.first[0])
                return scan_fail(s, false, "255.255.255.0, ffff:ffff:ffff::", "this is no mask of a network");
        memcpy(source ? x->mask : x->value, v.first, 16);
        return true;
}

static bool scan_duration(struct scan *s, uint64_t *ret_ms)
{
        char text[32];
        int64_t ms;

        if (!scan_text(s, "a time", text, sizeof(text)))
                return false;
        if (duration_parse(text, &ms) < 0 || ms <= 0)
                return scan_fail(s, false, "500ms, 90s, 5m", "'%s' is no time", text);
        *ret_ms = (uint64_t)ms;
        return true;
}

/* "update @name { ip saddr limit rate 20/minute }", and how long a value is remembered before "limit": timeout 90s */
static bool scan_each(struct scan *s)
{
        struct statement x = { .level = 4 }, *to;
        char name[RULESET_NAME_MAX + 2];

        if (!scan_text(s, "a set", name, sizeof(name)))
                return false;
        if (*name != '@' || !name[1] || !scan_take(s, "{"))
                return scan_fail(s, false, "update @name { ip saddr limit rate 20/minute }", "a set and its values are missing");
        snprintf(x.name, sizeof(x.name), "%s", name + 1);
        do {
                if (x.n_fields == RULESET_FIELDS_MAX)
                        return scan_fail(s, true, NULL, "more than %d fields together", RULESET_FIELDS_MAX);
                if (!scan_field(s, &x.fields[x.n_fields++]) || (scan_take(s, "&") && !scan_part(s, &x)))
                        return false;
        } while (scan_take(s, "."));
        if (scan_take(s, "timeout") && !scan_duration(s, &x.timeout_ms))
                return false;
        if (scan_take_words(s, "limit rate")) {
                x.kind = STATEMENT_METER;
                if (!scan_rate(s, &x))
                        return false;
        } else if (scan_take_words(s, "ct count")) {
                x.kind = STATEMENT_CONNECTIONS;
                if (!scan_connections(s, &x))
                        return false;
        } else {
                return scan_fail(s, true, "limit rate 20/minute, or ct count 10", "what is kept of each value is missing");
        }
        if (!scan_take(s, "}"))
                return scan_fail(s, true, NULL, "'}' is missing");
        to = keep_in(s, &x) ? add(s, x.kind) : NULL;
        if (to)
                *to = x;
        return to;
}

static bool scan_quota(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_QUOTA);
        char unit[16];

        if (!x)
                return false;
        x->over = scan_take(s, "over");
        if (!scan_number(s, "a number", UINT64_MAX, &x->rate) || !scan_text(s, "bytes", unit, sizeof(unit)))
                return false;
        if (!bytes_of(unit))
                return scan_fail(s, false, "bytes, kbytes or mbytes", "'%s' is no unit", unit);
        x->rate *= bytes_of(unit);
        return true;
}

static bool scan_numgen(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_NUMGEN);
        uint64_t modulus, most;

        if (!x)
                return false;
        x->random = scan_take(s, "random");
        if ((!x->random && !scan_take(s, "inc")) || !scan_take(s, "mod"))
                return scan_fail(s, true, "numgen random mod 100 <= 9", "this is no generator of numbers");
        if (!scan_number(s, "a number", UINT32_MAX, &modulus))
                return false;
        x->over = !scan_take(s, "<=");
        if (!scan_number(s, "a number", UINT32_MAX, &most))
                return false;
        x->burst = (uint32_t)modulus;
        x->rate = most;
        x->over = x->over && most;
        return modulus > most || scan_fail(s, false, NULL, "a number modulo %llu is always at most that", (unsigned long long)modulus);
}

/* Fields that can be set. */
static bool can_set(enum field f)
{
        switch (f) {
        case FIELD_MARK:
        case FIELD_CT_MARK:
        case FIELD_PRIORITY:
        case FIELD_IP_TOS:
        case FIELD_IP_TTL:
        case FIELD_IP6_CLASS:
        case FIELD_IP6_HOPLIMIT:
        case FIELD_TCP_FLAGS:
        case FIELD_CT_LABEL:
        case FIELD_CT_ZONE:
        case FIELD_CT_ORIG_ZONE:
        case FIELD_CT_REPLY_ZONE:
        case FIELD_SECMARK:
        case FIELD_CT_SECMARK:
        case FIELD_TCP_MSS: return true;
        default: return false;
        }
}

/* Behind "FIELD set": a value, or a field with "& mask ^ value". */
static bool scan_set(struct scan *s, enum field f)
{
        struct statement *x = add(s, STATEMENT_SET);
        struct value v;
        enum field from;

        if (!x)
                return false;
        x->field = f;
        if (f == FIELD_TCP_MSS && scan_take_words(s, "rt mtu"))
                return true;
        if (s->at < s->n && s->words[s->at].text[0] >= '0' && s->words[s->at].text[0] <= '9') {
                if (!scan_value(s, f, &v))
                        return false;
                memcpy(x->value, v.first, 16);
                statement_keep_labels(x);
                return true;
        }
        if (!scan_field(s, &from))
                return false;
        if ((!can_set(from) && from != FIELD_SOCKET_MARK) || field_type(from)->size != field_type(f)->size)
                return scan_fail(s, false, NULL, "%s cannot become %s", field_type(from)->text, field_type(f)->text);
        x->kind = from == f ? STATEMENT_SET : STATEMENT_COPY;
        x->fields[0] = from == f ? 0 : from;
        x->n_fields = from != f;
        memset(x->mask, 0xff, field_type(f)->size);
        if (scan_take(s, "&")) {
                if (!scan_value(s, f, &v))
                        return false;
                memcpy(x->mask, v.first, 16);
        }
        if (scan_take(s, "^")) {
                if (!scan_value(s, f, &v))
                        return false;
                memcpy(x->value, v.first, 16);
        }
        return true;
}

/* A field with "set" behind it; otherwise nothing is taken. */
static bool scan_change(struct scan *s, bool *ret_taken)
{
        size_t begin = s->at, matches = s->rule->n_matches;
        struct rule_mistake before = *s->mistake;
        enum field f;

        *ret_taken = scan_field(s, &f) && can_set(f) && scan_take(s, "set");
        if (!*ret_taken) {
                s->at = begin;
                s->rule->n_matches = matches;
                *s->mistake = before;
                return !s->oom;
        }
        return scan_set(s, f);
}

/* "tproxy ip to 127.0.0.1:8080", "tproxy ip6 to :8080" */
static bool scan_tproxy(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_TPROXY);
        struct translation *to = x ? &x->to : NULL;
        int family = scan_take(s, "ip6") ? AF_INET6 : AF_INET;

        if (!x)
                return false;
        if (family == AF_INET)
                scan_take(s, "ip");
        if (!scan_take(s, "to"))
                return scan_fail(s, true, "tproxy ip to :8080", "'to' is missing");
        if (!scan_address(s, to))
                return false;
        if (to->family && to->family != family)
                return scan_fail(s, false, NULL, "the address is of the other family");
        if (to->port_first != to->port_last || memcmp(to->first, to->last, 16) != 0)
                return scan_fail(s, false, "tproxy ip to 127.0.0.1:8080", "a proxy has one address and one port");
        to->family = family;
        return scan_family(s, family);
}

static bool scan_synproxy(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_SYNPROXY);
        uint64_t number;

        while (x) {
                if (scan_take(s, "mss")) {
                        if (!scan_number(s, "a segment size", UINT16_MAX, &x->rate))
                                return false;
                        x->flags |= NF_SYNPROXY_OPT_MSS;
                } else if (scan_take(s, "wscale")) {
                        if (!scan_number(s, "a window scale", WINDOW_SCALE_MAX, &number))
                                return false;
                        x->burst = (uint32_t)number;
                        x->flags |= NF_SYNPROXY_OPT_WSCALE;
                } else if (scan_take(s, "timestamp")) {
                        x->flags |= NF_SYNPROXY_OPT_TIMESTAMP;
                } else if (scan_take(s, "sack-perm")) {
                        x->flags |= NF_SYNPROXY_OPT_SACK_PERM;
                } else {
                        return true;
                }
        }
        return false;
}

/* ct helper set "ftp-tcp-4" */
static bool scan_helper(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_HELPER);
        struct helper h;

        if (!x || !scan_text(s, "a helper", x->name, sizeof(x->name)))
                return false;
        return helper_parse(x->name, &h) || scan_fail(s, false, "\"ftp-tcp-4\": helper, protocol, and 4 or 6", "'%s' is no helper", x->name);
}

/* "reset tcp option maxseg", "reset tcp option 2" */
static bool scan_strip(struct scan *s)
{
        struct statement *x = add(s, STATEMENT_STRIP);

        for (int f = 0; x && f < FIELD_MAX; f++) {
                const struct field_type *t = field_type((enum field)f);

                if (t->source == SOURCE_TCP_OPTION_EXISTS && scan_take(s, t->text + strlen("tcp option "))) {
                        x->rate = t->key;
                        return true;
                }
        }
        return x && scan_number(s, "an option", UINT8_MAX, &x->rate);
}

bool scan_statement(struct scan *s, bool *ret_taken)
{
        struct statement *x;

        *ret_taken = true;
        if (scan_take(s, "counter"))
                return add(s, STATEMENT_COUNTER);
        if (scan_take_words(s, "limit rate")) {
                x = add(s, STATEMENT_LIMIT);
                return x && scan_rate(s, x);
        }
        if (scan_take(s, "log"))
                return scan_log(s);
        if (scan_take_words(s, "ct count")) {
                x = add(s, STATEMENT_CONNECTIONS);
                return x && scan_connections(s, x);
        }
        if (scan_take(s, "update") || scan_take(s, "add"))
                return scan_each(s);
        if (scan_take(s, "quota"))
                return scan_quota(s);
        if (scan_take(s, "numgen"))
                return scan_numgen(s);
        if (scan_take(s, "notrack"))
                return add(s, STATEMENT_NOTRACK);
        if (scan_take_words(s, "meta nftrace set 1"))
                return add(s, STATEMENT_TRACE);
        if (scan_take_words(s, "ct helper set"))
                return scan_helper(s);
        if (scan_take(s, "tproxy"))
                return scan_tproxy(s);
        if (scan_take(s, "synproxy"))
                return scan_synproxy(s);
        if (scan_take_words(s, "reset tcp option"))
                return scan_strip(s);
        return scan_change(s, ret_taken);
}
