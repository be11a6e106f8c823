/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The loop over keywords. After a mistake the statement is passed over, so that one reading shows the mistakes of
 * the whole configuration.
 */

#include "firewall/import/ferm.h"


void ferm_level_reset(struct ferm_level *v)
{
        v->rule = v->above ? *v->above : (struct ferm_rule){};
        v->rule.non_empty = false;
}

static int do_semicolon(struct ferm *f, struct ferm_level *v)
{
        int r;

        if (!v->rule.non_empty)
                return ferm_error(f, v->token, "a block needs no ';' behind it", "there is no rule before ';'");
        if (v->rule.has_rule && !v->rule.has_action)
                return ferm_error(f, v->token, "ACCEPT, DROP, \"jump CHAIN\" ..., or NOP for a rule that only counts",
                                  "the rule has no action");
        if (!v->rule.chain)
                return ferm_error(f, v->token, "\"chain INPUT\"", "the rule is in no chain");
        r = ferm_make_rules(f, &v->rule);
        ferm_level_reset(v);
        return r;
}

static int do_if(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_value *condition = NULL;
        int r = ferm_values(f, 0, &condition);

        if (r < 0)
                return r;
        if (condition->kind != FERM_TEXT && condition->kind != FERM_LIST)
                return ferm_error(f, v->token, NULL, "the condition is neither text nor a list");
        if (ferm_true(condition))
                return 0;
        r = ferm_collect(f, 0, NULL, NULL);
        if (r < 0)
                return r;
        if (ferm_is(ferm_peek(f), "@else"))
                ferm_next(f);
        else
                ferm_level_reset(v);
        return 0;
}

/* An @else that is met here belongs to an @if that was true. */
static int do_else(struct ferm *f, struct ferm_level *v)
{
        (void)v;
        return ferm_collect(f, 0, NULL, NULL);
}

static int do_hook(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_token *at = ferm_peek(f);
        const char *position = NULL, *command = NULL;
        int r;

        if (v->rule.domain)
                return ferm_error(f, v->token, NULL, "@hook must be the first word of a statement");
        r = ferm_scalar(f, &position);
        if (r < 0)
                return r;
        if (!streq(position, "pre") && !streq(position, "post") && !streq(position, "flush"))
                return ferm_error(f, at, "pre, post or flush", "'%s' is no time for a hook", position);
        r = ferm_scalar(f, &command);
        if (r >= 0)
                r = ferm_expect(f, ";", NULL);
        if (r < 0)
                return r;
        return ferm_go_on(ferm_error(f, v->token, "take the hook out, and see to what it does in another way",
                                     "ferm would run the command '%s' (%s); it is not run", command, position));
}

static int do_block(struct ferm *f, struct ferm_level *v)
{
        int r = ferm_scope_push(f, false);

        if (r < 0)
                return r;
        r = ferm_enter(f, v->level + 1, &v->rule);
        ferm_scope_pop(f);
        ferm_level_reset(v);
        return r;
}

static int do_end(struct ferm *f, struct ferm_level *v)
{
        if (v->level <= f->script->base_level)
                return ferm_go_on(ferm_error(f, v->token, NULL, "'}' closes nothing"));
        v->closed = true;
        if (v->rule.non_empty)
                return ferm_go_on(ferm_error(f, v->token, NULL, "';' is missing before '}'"));
        return 0;
}

static int do_dollar(struct ferm *f, struct ferm_level *v)
{
        return ferm_error(f, v->token, "variables are for values; use \"@def &name() = ...\" for whole rules",
                          "a variable cannot be a keyword");
}

static int do_module(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_value *names = NULL;
        int r = ferm_values(f, 0, &names);

        for (size_t i = 0; r >= 0 && i < ferm_count(names); i++) {
                const struct ferm_value *name = ferm_item(names, i);

                if (name->kind != FERM_TEXT)
                        return ferm_error(f, NULL, NULL, "the name of a match expected");
                if (ferm_rule_has_match(&v->rule, name->text))
                        continue;
                r = ferm_rule_match(f, &v->rule, name->text, true);
                if (r >= 0)
                        r = ferm_rule_load(f, &v->rule, ferm_match_module(name->text));
        }
        return r;
}

static int do_jump(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_token *at = ferm_peek(f);
        const char *chain = NULL;
        int r = ferm_scalar(f, &chain);

        if (r >= 0)
                r = ferm_chain_name(f, at, chain);
        return r < 0 ? r : ferm_action(f, v, streq(v->word, "jump") ? "jump" : "goto", chain);
}

static int do_nothing(struct ferm *f, struct ferm_level *v)
{
        return ferm_action(f, v, NULL, NULL);
}

/* TCPMSS changes a field of TCP: ferm insists on the protocol. */
static int do_target(struct ferm *f, struct ferm_level *v, const struct ferm_module *m)
{
        int r = streq(m->name, "TCPMSS") ? ferm_realize_protocol(f, &v->rule) : 0;
        const struct ferm_value *p = v->rule.protocol;

        if (r >= 0 && streq(m->name, "TCPMSS")) {
                if (!p)
                        return ferm_error(f, v->token, "\"proto tcp tcp-flags (SYN RST) SYN TCPMSS clamp-mss-to-pmtu\"",
                                          "TCPMSS needs \"proto tcp\" before it");
                for (size_t i = 0; i < ferm_count(p); i++)
                        if (ferm_item(p, i)->kind != FERM_TEXT || !streq(ferm_item(p, i)->text, "tcp"))
                                return ferm_error(f, v->token, NULL, "TCPMSS is for protocol tcp only");
        }
        if (r >= 0)
                r = ferm_action(f, v, "jump", m->name);
        return r < 0 ? r : ferm_rule_load(f, &v->rule, m);
}

/* sports, dports and comment need no "mod" before them. */
static int shortcut(struct ferm *f, struct ferm_level *v)
{
        static const char *const shortcuts[][3] = {
                { "sports", "multiport", "source-ports" },
                { "dports", "multiport", "destination-ports" },
                { "comment", "comment", "comment" },
        };
        int r;

        for (size_t i = 0; i < ELEMENTS(shortcuts); i++) {
                if (!streq(v->word, shortcuts[i][0]))
                        continue;
                r = ferm_rule_match(f, &v->rule, shortcuts[i][1], true);
                v->word = shortcuts[i][2];
                return r < 0 ? r : ferm_rule_load(f, &v->rule, ferm_match_module(shortcuts[i][1]));
        }
        return 0;
}

typedef int statement(struct ferm *f, struct ferm_level *v);

struct row {
        const char *word;
        statement *call;
};

/* Words that leave the rule as empty as it was. */
static const struct row control[] = {
        { ";", do_semicolon }, { "@if", do_if },           { "@else", do_else },
        { "@hook", do_hook },  { "hook", do_hook },        { "{", do_block },
        { "}", do_end },       { "@include", ferm_include }, { "include", ferm_include },
        { "@def", ferm_define }, { "def", ferm_define },   { "@preserve", ferm_preserve },
};
/* Words that need no chain. */
static const struct row places[] = {
        { "$", do_dollar },
        { "&", ferm_call },
        { "domain", ferm_place_domain },
        { "table", ferm_place_table },
        { "chain", ferm_place_chain },
};
static const struct row in_chain[] = {
        { "policy", ferm_policy },
        { "@subchain", ferm_subchain },
        { "subchain", ferm_subchain },
        { "@gotosubchain", ferm_subchain },
};
static const struct row actions[] = {
        { "jump", do_jump },
        { "goto", do_jump },
        { "NOP", do_nothing },
};
static const struct row protocols[] = {
        { "proto", ferm_protocol }, { "protocol", ferm_protocol },
        { "sport", ferm_port },     { "dport", ferm_port },
};

static statement *find(const struct row *rows, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (streq(rows[i].word, word))
                        return rows[i].call;
        return NULL;
}
#define FIND(rows, word) find(rows, ELEMENTS(rows), word)

/* Everything that is part of a rule and not only of a place. The order decides what a word means that is several. */
static int match_or_action(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_keyword *k;
        const struct ferm_module *m;
        statement *call;
        int r;

        v->rule.has_rule = true;
        if (streq(v->word, "mod") || streq(v->word, "module"))
                return do_module(f, v);
        k = ferm_rule_keyword(&v->rule, v->word);
        if (!k) {
                r = shortcut(f, v);
                if (r < 0)
                        return r;
                k = ferm_rule_keyword(&v->rule, v->word);
        }
        if (k)
                return ferm_option(f, v, k);
        call = FIND(actions, v->word);
        if (call)
                return call(f, v);
        if (ferm_is_core_target(v->word))
                return ferm_action(f, v, "jump", v->word);
        m = ferm_target_module(v->word);
        if (m)
                return do_target(f, v, m);
        call = FIND(protocols, v->word);
        return call ? call(f, v) : ferm_unknown_keyword(f, v);
}

static int dispatch(struct ferm *f, struct ferm_level *v)
{
        statement *call = FIND(control, v->word);

        if (call)
                return call(f, v);
        v->rule.non_empty = true;
        call = FIND(places, v->word);
        if (call)
                return call(f, v);
        if (!v->rule.chain)
                return ferm_error(f, v->token, "\"table filter chain INPUT { ... }\"", "'%s' must be in a chain", v->word);
        call = FIND(in_chain, v->word);
        return call ? call(f, v) : match_or_action(f, v);
}

static int keyword(struct ferm *f, struct ferm_level *v)
{
        int r;

        v->negated = ferm_is(v->token, "!");
        v->word = v->token->text;
        if (v->token->value)
                return ferm_error(f, v->token, NULL, "a keyword expected");
        if (v->negated) {
                v->token = ferm_peek(f);
                r = ferm_scalar(f, &v->word);
                if (r < 0)
                        return r;
        }
        if (streq(v->word, "realgoto"))
                v->word = "goto";
        r = dispatch(f, v);
        if (r >= 0 && v->negated)
                return ferm_error(f, v->token, "write the '!' before the value, if it allows one", "'%s' cannot be negated here", v->word);
        return r;
}

/* On to the end of the statement: behind its ';' or block, or before the '}' of the block it is in. */
static void recover(struct ferm *f, struct ferm_level *v)
{
        const struct ferm_token *t = f->last;
        unsigned depth = ferm_is(t, "{");

        ferm_level_reset(v);
        if (ferm_is(t, ";"))
                return;
        if (ferm_is(t, "}")) {
                v->closed = v->level > f->script->base_level;
                return;
        }
        while ((t = ferm_peek(f)) && (depth || !ferm_is(t, "}"))) {
                ferm_next(f);
                if (ferm_is(t, "{"))
                        depth++;
                if ((ferm_is(t, "}") && --depth == 0) || (ferm_is(t, ";") && !depth))
                        return;
        }
}

static int at_end(struct ferm *f, struct ferm_level *v)
{
        if (v->level > f->script->base_level)
                return ferm_go_on(ferm_error(f, NULL, "count the braces", "'}' is missing at the end of the file"));
        if (v->rule.non_empty)
                return ferm_go_on(ferm_error(f, NULL, NULL, "';' is missing at the end of the file"));
        return 0;
}

int ferm_enter(struct ferm *f, unsigned level, const struct ferm_rule *above)
{
        struct ferm_level v = { .level = level, .above = above };
        int r = 0;

        if (f->depth >= FERM_DEPTH_MAX)
                return ferm_stop(f, NULL, "blocks are nested more than %d deep", FERM_DEPTH_MAX);
        f->depth++;
        ferm_level_reset(&v);
        while (r >= 0 && !v.closed && (v.token = ferm_next(f))) {
                if (f->steps > FERM_STEPS_MAX)
                        r = ferm_stop(f, v.token, "the configuration is too long with all its repetitions");
                else
                        r = keyword(f, &v);
                if (r == -EBADMSG) {
                        recover(f, &v);
                        r = 0;
                }
        }
        f->depth--;
        return r < 0 || v.closed ? r : at_end(f, &v);
}
