/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options of a rule: a keyword of ferm with its arguments becomes an option of iptables with a value. */

#include "firewall/import/ferm.h"

#include <string.h>

#include "base/fd.h"

const struct ferm_keyword *ferm_rule_keyword(const struct ferm_rule *rule, const char *word)
{
        for (const struct ferm_link *l = rule->modules; l; l = l->next) {
                const struct ferm_keyword *k = ferm_module_keyword(l->item, word);

                if (k)
                        return k;
        }
        return NULL;
}

int ferm_rule_option(struct ferm *f, struct ferm_rule *rule, const char *name, const struct ferm_value *value)
{
        struct ferm_option *o = ferm_alloc(f, sizeof(*o));

        if (!o)
                return -ENOMEM;
        *o = (struct ferm_option){ .name = name, .value = value, .before = rule->options };
        rule->options = o;
        rule->n_options++;
        return 0;
}

int ferm_rule_load(struct ferm *f, struct ferm_rule *rule, const struct ferm_module *m)
{
        const struct ferm_link *l = m && m->keywords ? ferm_link(f, m, rule->modules) : NULL;

        if (!m || !m->keywords)
                return 0;
        if (!l)
                return -ENOMEM;
        rule->modules = l;
        return 0;
}

bool ferm_rule_has_match(const struct ferm_rule *rule, const char *module)
{
        for (const struct ferm_link *l = rule->matches; l; l = l->next)
                if (streq(l->item, module))
                        return true;
        return false;
}

/* @visible: says "-m" to iptables; what comes with a protocol does not. */
int ferm_rule_match(struct ferm *f, struct ferm_rule *rule, const char *module, bool visible)
{
        const struct ferm_link *l = ferm_link(f, module, rule->matches);
        const struct ferm_value *v;

        if (!l)
                return -ENOMEM;
        rule->matches = l;
        if (!visible)
                return 0;
        v = ferm_value_text(f, f->last, module);
        return v ? ferm_rule_option(f, rule, "match", v) : -ENOMEM;
}

static int use_protocol(struct ferm *f, struct ferm_rule *rule, const struct ferm_value *protocol)
{
        rule->protocol = protocol;
        rule->auto_protocol = NULL;
        return ferm_rule_option(f, rule, "protocol", protocol);
}

int ferm_realize_protocol(struct ferm *f, struct ferm_rule *rule)
{
        if (rule->protocol || !rule->auto_protocol)
                return 0;
        return use_protocol(f, rule, rule->auto_protocol);
}

int ferm_realize_protocol_of(struct ferm *f, struct ferm_rule *rule, const char *word)
{
        const struct ferm_value *protocols = rule->auto_protocol;

        if (!protocols)
                return 0;
        if (protocols->kind == FERM_NOT)
                return ferm_error(f, NULL, "name the chain and jump to it instead; ferm fails here, too",
                                  "a subchain behind a negated protocol cannot have matches");
        for (size_t i = 0; i < ferm_count(protocols); i++) {
                const struct ferm_value *p = ferm_item(protocols, i);
                const struct ferm_module *m = p->kind == FERM_TEXT ? ferm_protocol_module(p->text) : NULL;

                if (m && ferm_module_keyword(m, word))
                        return use_protocol(f, rule, p);
        }
        return 0;
}

/* Whether one of the protocols of the rule is one of these. */
static int protocol_is(struct ferm *f, struct ferm_rule *rule, const char *const *names, const char *message)
{
        int r = ferm_realize_protocol(f, rule);

        if (r < 0)
                return r;
        if (rule->protocol && rule->protocol->kind == FERM_NOT)
                return ferm_error(f, NULL, NULL, "ports cannot be matched for a negated protocol");
        for (size_t i = 0; rule->protocol && i < ferm_count(rule->protocol); i++) {
                const struct ferm_value *p = ferm_item(rule->protocol, i);

                for (const char *const *name = names; *name; name++)
                        if (p->kind == FERM_TEXT && streq(p->text, *name))
                                return 0;
        }
        return ferm_error(f, NULL, "\"proto tcp dport 22\"", "%s", message);
}

static int addresses(struct ferm *f, const struct ferm_rule *rule, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {}, kept = {};
        const struct ferm_value *v = NULL;
        int r = ferm_values(f, FERM_ALLOW_NOT, &v);

        if (r >= 0)
                r = ferm_realize(f, rule->domain, v->kind == FERM_NOT ? v->items[0] : v, &l);
        for (size_t i = 0; i < l.n && r >= 0; i++)
                /* Only in "domain (ip ip6)": in a single one a wrong address is a mistake to be seen. */
                if (!rule->domain_both || l.items[i]->kind != FERM_TEXT || ferm_address_is_of(rule->domain, l.items[i]->text))
                        r = ferm_items_add(f, &kept, l.items[i]);
        if (r < 0)
                return r;
        if (v->kind == FERM_NOT && kept.n > 1)
                return ferm_error(f, v->at, "\"! a\" and \"! b\" would have to be in one rule, which iptables cannot do",
                                  "what is negated gives several addresses");
        if (v->kind == FERM_NOT && kept.n)
                *ret = ferm_value_list(f, FERM_NOT, v->at, kept.items, 1);
        else
                *ret = ferm_value_list(f, FERM_LIST, v->at, kept.items, kept.n);
        return *ret ? 0 : -ENOMEM;
}

static int add_chunk(struct ferm *f, const struct ferm_items *chunk, struct ferm_items *ret)
{
        const struct ferm_value *v = ferm_value_list(f, FERM_LIST, f->last, chunk->items, chunk->n);
        const char *text = NULL;
        int r = v ? ferm_join(f, ",", v, &text) : -ENOMEM;

        if (r < 0)
                return r;
        v = ferm_value_text(f, f->last, text);
        return v ? ferm_items_add(f, ret, v) : -ENOMEM;
}

/* The match takes 15 ports at a time, a range counts twice: longer lists become several rules. */
static int chunks(struct ferm *f, const struct ferm_value *v, struct ferm_items *ret)
{
        _cleanup_items_ struct ferm_items chunk = {};
        size_t size = 0;
        int r = 0;

        for (size_t i = 0; i < v->n && r >= 0; i++) {
                const struct ferm_value *port = v->items[i];
                size_t more = port->kind == FERM_TEXT && strchr(port->text, ':') ? 2 : 1;

                if (size + more > FERM_MULTIPORT_MAX) {
                        r = add_chunk(f, &chunk, ret);
                        chunk.n = 0;
                        ferm_items_done(&chunk);
                        chunk.items = NULL;
                        size = 0;
                }
                if (r >= 0)
                        r = ferm_items_add(f, &chunk, port);
                size += more;
        }
        return r >= 0 && chunk.n ? add_chunk(f, &chunk, ret) : r;
}

static int ports(struct ferm *f, struct ferm_rule *rule, const struct ferm_value **ret)
{
        static const char *const protocols[] = { "tcp", "udp", "udplite", NULL };
        _cleanup_items_ struct ferm_items l = {};
        const struct ferm_value *v = NULL;
        const char *text = NULL;
        int r = protocol_is(f, rule, protocols, "multiport needs \"proto tcp\" or \"proto udp\" before it");

        if (r >= 0)
                r = ferm_values(f, FERM_ALLOW_NOT | FERM_ALLOW_NOT_LIST, &v);
        if (r < 0)
                return r;
        if (v->kind == FERM_LIST) {
                r = chunks(f, v, &l);
                if (r < 0)
                        return r;
                *ret = l.n == 1 ? l.items[0] : ferm_value_list(f, FERM_LIST, v->at, l.items, l.n);
                return *ret ? 0 : -ENOMEM;
        }
        r = ferm_join(f, ",", v->kind == FERM_NOT ? v->items[0] : v, &text);
        if (r < 0)
                return r;
        *ret = ferm_value_text(f, v->at, text);
        if (*ret && v->kind == FERM_NOT)
                *ret = ferm_value_list(f, FERM_NOT, v->at, ret, 1);
        return *ret ? 0 : -ENOMEM;
}

/* "hex:hex", up to four digits each. */
static bool read_pair(const char *text, unsigned long *ret)
{
        static const char hex[] = "0123456789abcdefABCDEF";
        size_t a = strspn(text, hex), b = text[a] == ':' ? strspn(text + a + 1, hex) : 0;

        if (a < 1 || a > 4 || b < 1 || b > 4 || text[a + 1 + b])
                return false;
        *ret = (strtoul(text, NULL, 16) << 16) + strtoul(text + a + 1, NULL, 16);
        return true;
}

static int classid(struct ferm *f, const struct ferm_value *v, const struct ferm_value **ret)
{
        unsigned long number = 0;
        char text[24];

        *ret = v;
        if (v->kind != FERM_TEXT)
                return ferm_error(f, NULL, NULL, "class identifiers expected");
        if (read_pair(v->text, &number)) {
                snprintf(text, sizeof(text), "%lu", number);
                *ret = ferm_value_text(f, v->at, ferm_text(f, text, strlen(text)));
                return *ret ? 0 : -ENOMEM;
        }
        if (!*v->text || v->text[strspn(v->text, "0123456789")])
                return ferm_error(f, NULL, "\"10:1\" or \"1048577\"", "a class identifier is hex:hex or a number of 0 and more");
        if (strtoull(v->text, NULL, 10) > 0xffffffff)
                return ferm_error(f, NULL, NULL, "the class identifier is too large");
        return 0;
}

static int classids(struct ferm *f, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        const struct ferm_value *v = NULL, *plain, *id = NULL;
        int r = ferm_values(f, FERM_ALLOW_NOT, &v);

        if (r < 0)
                return r;
        plain = v->kind == FERM_NOT ? v->items[0] : v;
        for (size_t i = 0; i < ferm_count(plain) && r >= 0; i++) {
                r = classid(f, ferm_item(plain, i), &id);
                if (r >= 0)
                        r = ferm_items_add(f, &l, id);
        }
        if (r < 0)
                return r;
        *ret = ferm_value_list(f, v->kind == FERM_NOT ? FERM_NOT : FERM_LIST, v->at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}

static int joined(struct ferm *f, const struct ferm_value **ret)
{
        const struct ferm_value *v = NULL;
        const char *text = NULL;
        int r = ferm_values(f, FERM_NON_EMPTY, &v);

        if (r >= 0)
                r = ferm_join(f, ",", v, &text);
        if (r < 0)
                return r;
        *ret = ferm_value_text(f, v->at, text);
        return *ret ? 0 : -ENOMEM;
}

static int one(struct ferm *f, const struct ferm_value **ret)
{
        const struct ferm_token *at = ferm_peek(f);
        int r = ferm_values(f, 0, ret);

        if (r >= 0 && (*ret)->kind == FERM_LIST)
                return ferm_error(f, at, NULL, "a list is not allowed here");
        return r;
}

static int pair(struct ferm *f, bool first_joined, const struct ferm_value **ret)
{
        const struct ferm_value *items[2] = {};
        int r = first_joined ? joined(f, &items[0]) : one(f, &items[0]);

        if (r >= 0 && items[0]->kind != FERM_TEXT)
                return ferm_error(f, NULL, NULL, "plain text is expected here");
        if (r >= 0)
                r = joined(f, &items[1]);
        if (r < 0)
                return r;
        *ret = ferm_value_list(f, FERM_WORDS, items[0]->at, items, 2);
        return *ret ? 0 : -ENOMEM;
}

static int each(struct ferm *f, const struct ferm_value **ret)
{
        _cleanup_items_ struct ferm_items l = {};
        const struct ferm_value *v = NULL;
        int r = ferm_values(f, 0, &v);

        if (r < 0)
                return r;
        if (v->kind == FERM_NOT)
                return ferm_error(f, NULL, NULL, "negation is not allowed here");
        r = ferm_realize(f, f->scope->automatic.domain, v, &l);
        if (r < 0)
                return r;
        *ret = ferm_value_list(f, FERM_EACH, v->at, l.items, l.n);
        return *ret ? 0 : -ENOMEM;
}

static int arguments(struct ferm *f, struct ferm_rule *rule, enum ferm_shape shape, const struct ferm_value **ret)
{
        switch (shape) {
        case LIST: return ferm_values(f, 0, ret);
        case ONE: return one(f, ret);
        case FLAG: return 0;
        case JOINED: return joined(f, ret);
        case ONE_JOINED: return pair(f, false, ret);
        case JOINED_JOINED: return pair(f, true, ret);
        case EACH: return each(f, ret);
        case ADDRESS: return addresses(f, rule, ret);
        case PORTS: return ports(f, rule, ret);
        case CLASSID: return classids(f, ret);
        }
        return -EINVAL;
}

/* "!" before the keyword is eaten by those who allow it there, otherwise the loop over keywords complains. */
static int parse(struct ferm *f, struct ferm_level *v, const struct ferm_keyword *k, const struct ferm_value **ret)
{
        bool own = k->shape == ADDRESS || k->shape == PORTS || k->shape == CLASSID, negated = false;
        int r;

        if (v->negated && k->negation == BEFORE) {
                negated = true;
                v->negated = false;
        }
        if (k->negation != NEVER && !negated && k->shape != FLAG && k->shape != EACH && !own && ferm_is(ferm_peek(f), "!")) {
                ferm_next(f);
                negated = true;
        }
        r = arguments(f, &v->rule, k->shape, ret);
        if (r < 0 || !negated)
                return r;
        if (*ret)
                return ferm_negate(f, *ret, false, ret);
        *ret = ferm_value_list(f, FERM_NOT, f->last, NULL, 0);
        return *ret ? 0 : -ENOMEM;
}

int ferm_option(struct ferm *f, struct ferm_level *v, const struct ferm_keyword *k)
{
        const struct ferm_value *value = NULL;
        int r = ferm_realize_protocol_of(f, &v->rule, v->word);

        if (r >= 0)
                r = parse(f, v, k, &value);
        return r < 0 ? r : ferm_rule_option(f, &v->rule, k->option ? k->option : k->word, value);
}

/* Names of the same protocol, as ferm knows them. */
static const char *canonical(const char *protocol)
{
        if (streq(protocol, "ipv6-icmp") || streq(protocol, "icmpv6"))
                return "icmp";
        return streq(protocol, "ipv6-mh") ? "mh" : protocol;
}

int ferm_protocol(struct ferm *f, struct ferm_level *v)
{
        static const struct ferm_keyword keyword = { "protocol", LIST, AFTER };
        const struct ferm_value *protocol = NULL;
        const struct ferm_module *m;
        int r = parse(f, v, &keyword, &protocol);

        if (r >= 0)
                r = use_protocol(f, &v->rule, protocol);
        if (r < 0 || protocol->kind != FERM_TEXT)
                return r;
        m = ferm_protocol_module(canonical(protocol->text));
        if (!m)
                return 0;
        r = ferm_rule_load(f, &v->rule, m);
        return r < 0 ? r : ferm_rule_match(f, &v->rule, m->name, false);
}

int ferm_port(struct ferm *f, struct ferm_level *v)
{
        static const char *const protocols[] = { "tcp", "udp", "udplite", "dccp", "sctp", NULL };
        const struct ferm_value *value = NULL;
        int r = protocol_is(f, &v->rule, protocols, "sport and dport need \"proto tcp\" or \"proto udp\" before them");

        if (r >= 0)
                r = ferm_values(f, FERM_ALLOW_NOT, &value);
        return r < 0 ? r : ferm_rule_option(f, &v->rule, v->word, value);
}

int ferm_unknown_keyword(struct ferm *f, struct ferm_level *v)
{
        const char *kind = NULL;
        const struct ferm_module *m = ferm_module_of(v->word, &kind);
        _cleanup_free_ char *hint = NULL;

        if (ferm_chain_exists(f, &v->rule, v->word))
                hint = path_join("to go to this chain write \"jump %s\"", v->word);
        else if (m && *m->name && streq(kind, "match"))
                hint = path_join("it belongs to match %s: write \"mod %s\" before it", m->name, m->name);
        else if (m && *m->name)
                hint = path_join("it belongs to %s %s, which must come before it", kind, m->name);
        else {
                static const char *const words[] = {
                        "domain", "table", "chain", "policy", "proto", "protocol", "saddr", "daddr", "sport", "dport", "sports", "dports",
                        "interface", "outerface", "mod", "module", "jump", "goto", "ACCEPT", "DROP", "REJECT", "RETURN", "LOG", "DNAT",
                        "SNAT", "MASQUERADE", "REDIRECT", "NOP", "fragment", "@def", "@include", "@if", "@else", "@subchain",
                };
                const char *near = str_nearest(v->word, words, ELEMENTS(words));

                hint = near ? path_join("did you mean \"%s\"?", near) : NULL;
        }
        return ferm_error(f, v->token, hint, "unknown keyword '%s'", v->word);
}
