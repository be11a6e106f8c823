/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One rule from the kernel back to the intermediate form. What this program never writes (a rule put in by hand
 * with other expressions, or the same with other options) becomes an "unknown" rule that carries libnftnl's
 * words: it shows up in every difference. Whether a rule was understood is not guessed: written again, it must
 * give the words it came with.
 */

#include <errno.h>
#include <stdio.h> /* libnftnl/expr.h does not bring its own */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "firewall/decode.h"
#include "firewall/decode-walk.h"
#include "firewall/encode.h"

static int on_comment(const struct nftnl_udata *attribute, void *userdata)
{
        char **comment = userdata;

        /* Rule and element comments have the same number. */
        if (nftnl_udata_type(attribute) == NFTNL_UDATA_RULE_COMMENT && !*comment)
                *comment = strndup(nftnl_udata_get(attribute), nftnl_udata_len(attribute));
        return 0;
}

char *decode_comment(const void *data, uint32_t size)
{
        char *comment = NULL;

        if (data && size)
                nftnl_udata_parse(data, size, on_comment, &comment);
        return comment;
}

bool walk_is(const struct walk *w, const char *name)
{
        return w->e && streq(nftnl_expr_get_str(w->e, NFTNL_EXPR_NAME), name);
}

struct nftnl_expr *walk_peek(const struct walk *w, size_t ahead)
{
        return w->at + ahead < w->n ? w->list[w->at + ahead] : NULL;
}

void walk_step(struct walk *w)
{
        w->at++;
        w->e = walk_peek(w, 0);
}

bool walk_data(uint8_t to[static 16], struct nftnl_expr *e, uint16_t attribute)
{
        uint32_t size = 0;
        const void *data = nftnl_expr_get(e, attribute, &size);

        if (!data || size > 16)
                return false;
        memcpy(to, data, size);
        return true;
}

const uint8_t *walk_value(const struct walk *w, uint32_t reg)
{
        for (unsigned i = 0; i < WALK_REGISTERS; i++)
                if (reg == register_of(i * 4))
                        return w->values[i];
        return NULL;
}

/* A value for a translation or a mark that comes later. */
static bool take_value(struct walk *w)
{
        uint8_t *to = (uint8_t *)(uintptr_t)walk_value(w, nftnl_expr_get_u32(w->e, NFTNL_EXPR_IMM_DREG));

        if (!to)
                return false;
        memset(to, 0, 16);
        if (!walk_data(to, w->e, NFTNL_EXPR_IMM_DATA))
                return false;
        walk_step(w);
        return true;
}

static bool take_expressions(struct walk *w, struct rule *r)
{
        while (w->e) {
                if (starts_verdict(w))
                        return take_verdict(w, r) && !w->e;
                if (walk_is(w, "immediate")) {
                        if (!take_value(w))
                                return false;
                        continue;
                }
                if (starts_statement(w) || starts_header(w)) {
                        if (!(starts_header(w) ? take_header(w, r) : take_statement(w, r)))
                                return false;
                        continue;
                }
                if (!take_loads(w))
                        return false;
                if (walk_is(w, "lookup") && nftnl_expr_is_set(w->e, NFTNL_EXPR_LOOKUP_DREG))
                        return take_map(w, r) && !w->e;
                if (!(takes_loaded(w) ? take_loaded(w, r) : take_match(w, r)))
                        return false;
        }
        return true;
}

/* What counts while packets pass is no part of what a rule says. */
static bool counts(const char *name)
{
        return streq(name, "counter") || streq(name, "quota");
}

/* A dynamic set's own timeout is given back as none, which cannot be said when the set has none. */
static void drop_timeout(char *text)
{
        static const char none[] = "timeout 0ms ";
        char *at = strstr(text, none);

        if (at)
                memmove(at, at + strlen(none), strlen(at + strlen(none)) + 1);
}

static int on_word(struct nftnl_expr *e, void *userdata)
{
        const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
        struct str *s = userdata;
        char text[512] = "";

        if (!counts(name))
                nftnl_expr_snprintf(text, sizeof(text), e, NFTNL_OUTPUT_DEFAULT, 0);
        drop_timeout(text);
        str_add(s, "[ %s %s] ", name, text);
        return 0;
}

static char *words_of(struct nftnl_rule *n)
{
        struct str s = {};

        nftnl_expr_foreach(n, on_word, &s);
        return str_take(&s);
}

/* What was understood must be all of it: written again it is the same, whatever options an expression has. */
static bool is_whole(const struct rule *r, const char *words)
{
        struct nftnl_rule *again = nftnl_rule_alloc();
        _cleanup_free_ char *said = again && encode_expressions(again, r) ? words_of(again) : NULL;

        if (again)
                nftnl_rule_free(again);
        return said && streq(said, words);
}

static int on_expression(struct nftnl_expr *e, void *userdata)
{
        struct walk *w = userdata;

        if (w->n == WALK_MAX)
                return -1;
        w->list[w->n++] = e;
        return 0;
}

int decode_rule(struct nftnl_rule *n, struct chain *c)
{
        struct rule *r = chain_add_rule(c, VERDICT_CONTINUE, NULL);
        _cleanup_free_ char *words = words_of(n);
        uint32_t size = 0;
        const void *user = nftnl_rule_get_data(n, NFTNL_RULE_USERDATA, &size);
        struct walk w = {};
        bool few;

        if (!r || !words)
                return -ENOMEM;
        r->comment = decode_comment(user, size);
        few = nftnl_expr_foreach(n, on_expression, &w) >= 0;
        w.e = walk_peek(&w, 0);
        if (!few || !take_expressions(&w, r) || !is_whole(r, words))
                r->unknown = TAKE_PTR(words);
        return 0;
}
