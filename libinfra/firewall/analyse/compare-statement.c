/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statements by their text: what no look at a packet decides is the same where the text is the same. */

#include <inttypes.h>

#include "firewall/analyse/compare-course.h"

static void add_rate(struct str *s, const struct statement *t)
{
        str_add(s, " rate %s%" PRIu64 "%s per %" PRIu64 " s burst %u", t->over ? "over " : "", t->rate, t->bytes ? " bytes" : "", t->per_s, t->burst);
}

static void add_fields(struct str *s, const struct statement *t)
{
        for (size_t i = 0; i < t->n_fields; i++) {
                const uint8_t *mask = statement_field_mask(t, t->fields[i]);

                str_add(s, "%s%s", i ? " . " : " of each ", field_type(t->fields[i])->text);
                for (unsigned k = 0; mask && k < field_type(t->fields[i])->size; k++)
                        str_add(s, "%s%02x", k ? "" : " & ", mask[k]);
        }
}

static void add_log(struct str *s, const struct statement *t)
{
        str_add(s, " prefix \"%s\" level %u flags %u", t->prefix, t->level, t->flags);
        if (t->has_group)
                str_add(s, " group %u snaplen %u queue-threshold %u", t->group, t->snap, t->threshold);
}

char *statement_line(const struct statement *t)
{
        static const char *const words[STATEMENT_MAX] = {
                [STATEMENT_COUNTER] = "counter", [STATEMENT_LIMIT] = "limit",   [STATEMENT_METER] = "meter",
                [STATEMENT_CONNECTIONS] = "connections", [STATEMENT_QUOTA] = "quota", [STATEMENT_NUMGEN] = "numgen",
                [STATEMENT_SET] = "set", [STATEMENT_NOTRACK] = "notrack", [STATEMENT_TRACE] = "trace",
                [STATEMENT_LOG] = "log", [STATEMENT_COPY] = "copy", [STATEMENT_TPROXY] = "tproxy", [STATEMENT_SYNPROXY] = "synproxy",
                [STATEMENT_STRIP] = "strip", [STATEMENT_HELPER] = "helper",
        };
        struct str s = {};

        /* What does something to a packet is what nft writes. */
        if (t->kind == STATEMENT_HELPER || t->kind == STATEMENT_TPROXY || t->kind == STATEMENT_SYNPROXY || t->kind == STATEMENT_STRIP)
                return rule_statement_text(t);
        str_add(&s, "%s", words[t->kind]);
        if (t->kind == STATEMENT_LOG)
                add_log(&s, t);
        if (t->kind == STATEMENT_LIMIT || t->kind == STATEMENT_METER)
                add_rate(&s, t);
        if (t->kind == STATEMENT_CONNECTIONS || t->kind == STATEMENT_QUOTA)
                str_add(&s, " %s%" PRIu64, t->over ? "over " : "", t->rate);
        if (t->kind == STATEMENT_NUMGEN)
                str_add(&s, " %s mod %u %s %" PRIu64, t->random ? "random" : "inc", t->burst, t->over ? "==" : "<=", t->rate);
        add_fields(&s, t);
        return str_take(&s);
}
