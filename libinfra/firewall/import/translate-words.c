/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of a rule sorted: what iptables knows itself, then modules with the options given to them. */

#include "firewall/import/translate.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

static const struct option_type basics[] = {
        { "-s", 1, true, "--source" },      { "-s", 1, true, "--src" },          { "-d", 1, true, "--destination" },
        { "-d", 1, true, "--dst" },         { "-i", 1, true, "--in-interface" }, { "-o", 1, true, "--out-interface" },
        { "-p", 1, true, "--protocol" },    { "-f", 0, true, "--fragment" },
        { "-j", 1, false, "--jump" },       { "-g", 1, false, "--goto" },        { "-m", 1, false, "--match" },
        { "-c", 2, false, "--set-counters" }, { "-4", 0, false, "--ipv4" },      { "-6", 0, false, "--ipv6" },
        {},
};

/* What has no counterpart: why, or what to do. */
static const struct {
        const char *name;
        const char *hint;
} strange[] = {
        { "recent", "it forgets the oldest of 100 addresses, a set of nftables only by time: limit new connections of each source, or ban" },
        { "set", "write the addresses of the ipset into a zone" },
        { "SET", "ban addresses for a time, or write them into a zone" },
        { "string", "packets are not searched for texts: filter in the service" },
        { "u32", "say what is meant with matches of nftables" },
        { "bpf", "say what is meant with matches of nftables" },
        { "nfacct", "rules have counters of their own" },
        { "physdev", "what the bridge switches is judged by its own rules, between containers" },
        { "geoip", "write the networks into a zone" },
        { "osf", "nftables tells the first system that fits, not whether one of them does" },
        { "cluster", "it counts a connection that another one announced with that one, which nftables does not know" },
        { "rateest", "nftables measures no rates: limit them" },
        { "RATEEST", "nftables measures no rates: limit them" },
        { "ipvs", "nftables does not ask IPVS: match addresses and ports of the service" },
        { "eui64", "nftables compares no two fields of a packet" },
        { "srh", "it also compares two fields of the header, which nftables does not" },
        { "TEE", "nftables copies packets in tables of one family only, not in one of both" },
        { "SNPT", "translate with NETMAP, which keeps track of connections" },
        { "DNPT", "translate with NETMAP, which keeps track of connections" },
        { "HMARK", "nftables reckons another hash" },
        { "SECMARK", "label packets with the rules of SELinux's own tools" },
        { "LED", "no firewall of nftables blinks" },
        { "IDLETIMER", "nftables has no timers that tell programs" },
        { "CHECKSUM", "switch off checksum offloading of the sender" },
        { "CLUSTERIP", "the kernel has it no more: use keepalived" },
        { "ULOG", "the kernel has it no more: use NFLOG" },
};

static const char *hint_of(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(strange); i++)
                if (streq(strange[i].name, name))
                        return strange[i].hint;
        return "leave the rule out, or say it in other words";
}

const struct given *given(const struct module *m, const char *name)
{
        for (size_t i = 0; i < m->n_given; i++)
                if (streq(m->given[i].name, name))
                        return &m->given[i];
        return NULL;
}

static const struct option_type *find_option(const struct option_type *o, const char *word)
{
        for (; o->name; o++)
                if (streq(o->name, word) || (o->same && streq(o->same, word)))
                        return o;
        return NULL;
}

const struct module_type *translate_protocol_module(int protocol)
{
        switch (protocol) {
        case IPPROTO_TCP: return &translate_match_tcp;
        case IPPROTO_UDP: return &translate_match_udp;
        case IPPROTO_SCTP: return &translate_match_sctp;
        case IPPROTO_DCCP: return &translate_match_dccp;
        case IPPROTO_ICMP: return &translate_match_icmp;
        case IPPROTO_ICMPV6: return &translate_match_icmp6;
        default: return NULL;
        }
}

static const struct module_type *find_module(const struct module_type *const *list, const char *name)
{
        for (; *list; list++)
                if (streq((*list)->name, name))
                        return *list;
        return NULL;
}

static int load(struct translate *t, const struct module_type *type, size_t at)
{
        struct module *m = ARRAY_ADD(t->modules, t->n_modules);

        if (!m)
                return -ENOMEM;
        m->type = type;
        m->at = at;
        return 0;
}

static int load_match(struct translate *t, const char *name, size_t at)
{
        static const char *const with_protocol[] = { "tcp", "udp", "sctp", "dccp", "icmp", "icmp6", "icmpv6", "ipv6-icmp" };
        const struct module_type *type;

        if (streq(name, "icmpv6") || streq(name, "ipv6-icmp"))
                name = "icmp6";
        type = find_module(translate_matches, name);
        if (!type)
                return translate_complain(t, at + 1, hint_of(name), "match '%s' has no counterpart here", name);
        for (size_t i = 0; i < ELEMENTS(with_protocol); i++)
                if (streq(with_protocol[i], name) && translate_protocol_module(t->protocol) != type)
                        return translate_complain(t, at + 1, "such as -p tcp -m tcp", "match %s needs that protocol before it", name);
        if (type->family && type->family != t->from->family)
                return translate_complain(t, at + 1, NULL, "match %s is not of this family", name);
        return load(t, type, at);
}

int translate_protocol_number(const char *text)
{
        struct protoent *p = getprotobyname(text);
        uint64_t number;

        if (strcasecmp(text, "all") == 0)
                return 0;
        if (strcasecmp(text, "icmpv6") == 0)
                return IPPROTO_ICMPV6;
        if (strcasecmp(text, "ipv6-mh") == 0 || strcasecmp(text, "mh") == 0)
                return IPPROTO_MH;
        if (p)
                return p->p_proto;
        return parse_number(text, 255, &number) ? (int)number : -EINVAL;
}

static int set_protocol(struct translate *t, const struct given *g)
{
        int number = translate_protocol_number(g->value);

        if (number < 0)
                return translate_complain(t, g->at + 1, "a number or a name of /etc/protocols", "'%s' is no protocol", g->value);
        if (number == 0 && g->negated)
                return translate_complain(t, g->at + 1, NULL, "no packet has none of all protocols");
        if (number > 0 && !g->negated)
                t->protocol = number;
        return 0;
}

static int set_target(struct translate *t, const struct given *g)
{
        static const char *const simple[] = { "ACCEPT", "DROP", "RETURN", "QUEUE" };
        const struct module_type *type = find_module(translate_targets, g->value);

        for (size_t i = 0; i < ELEMENTS(simple); i++)
                if (streq(simple[i], g->value) && streq(g->name, "-j"))
                        return 0;
        if (translate_find_chain(t->from, g->value))
                return translate_builtin(t->from, g->value) ?
                               translate_complain(t, g->at + 1, NULL, "a rule cannot lead to chain %s, which is built in", g->value) : 0;
        if (streq(g->name, "-g"))
                return translate_complain(t, g->at + 1, NULL, "there is no chain '%s' in table %s", g->value, t->from->name);
        if (!type)
                return translate_complain(t, g->at + 1, hint_of(g->value), "there is no chain '%s', and a target of that name has no counterpart here",
                                          g->value);
        if (type->family && type->family != t->from->family)
                return translate_complain(t, g->at + 1, NULL, "target %s is not of this family", g->value);
        return load(t, type, g->at);
}

static int add_basic(struct translate *t, const struct given *g)
{
        switch (g->name[1]) {
        case 'm':
                return load_match(t, g->value, g->at);
        case 'c':
                return 0;
        case '4':
        case '6':
                t->skipped |= (g->name[1] == '4') != (t->from->family == AF_INET);
                return 0;
        default:
                break;
        }
        for (size_t i = 0; i < t->n_basics; i++)
                if (streq(t->basics[i].name, g->name) || (strchr("jg", g->name[1]) && strchr("jg", t->basics[i].name[1])))
                        return translate_complain(t, g->at, NULL, "%s stands here twice", g->name);
        t->basics[t->n_basics++] = *g;
        if (g->name[1] == 'p')
                return set_protocol(t, g);
        return g->name[1] == 'j' || g->name[1] == 'g' ? set_target(t, g) : 0;
}

/* The module an option is for: the last one loaded that has it, or that of the protocol, which then counts as loaded. */
static int option_module(struct translate *t, const char *word, size_t at, struct module **ret, const struct option_type **ret_option)
{
        const struct module_type *of_protocol = translate_protocol_module(t->protocol);
        int r;

        *ret = NULL;
        for (size_t i = t->n_modules; i-- > 0;) {
                *ret_option = find_option(t->modules[i].type->options, word);
                if (*ret_option) {
                        *ret = &t->modules[i];
                        return 0;
                }
        }
        *ret_option = of_protocol ? find_option(of_protocol->options, word) : NULL;
        if (!*ret_option)
                return translate_complain(t, at, NULL, "no option '%s' is known to what stands before it", word);
        r = load(t, of_protocol, at);
        *ret = r < 0 ? NULL : &t->modules[t->n_modules - 1];
        return r;
}

/* The option at word *at with its values; *at goes behind them. */
static int read_option(struct translate *t, size_t *at, bool negated)
{
        const struct strlist *w = &t->rule->words;
        const char *word = w->items[*at];
        const struct option_type *o = find_option(basics, word);
        struct module *m = NULL;
        struct given g = { .at = *at, .negated = negated };
        int r = o ? 0 : option_module(t, word, *at, &m, &o);

        if (r < 0)
                return r;
        g.name = o->name;
        if (o->values && *at + 1 < w->n && streq(w->items[*at + 1], "!")) {
                g.negated = true; /* as it was written once: "-s ! 10.0.0.1" */
                g.at = ++*at;
        }
        if (g.negated && !o->negatable)
                return translate_complain(t, *at, NULL, "%s cannot be said with '!'", g.name);
        if (*at + o->values >= w->n)
                return translate_complain(t, *at, NULL, "%s needs a value", g.name);
        g.value = o->values > 0 ? w->items[*at + 1] : NULL;
        g.second = o->values > 1 ? w->items[*at + 2] : NULL;
        *at += o->values + 1;
        if (!m)
                return add_basic(t, &g);
        if (given(m, g.name))
                return translate_complain(t, g.at, NULL, "%s stands here twice", g.name);
        if (m->n_given >= MODULE_OPTIONS_MAX)
                return translate_complain(t, g.at, NULL, "more than %d options", MODULE_OPTIONS_MAX);
        m->given[m->n_given++] = g;
        return 0;
}

int translate_words(struct translate *t)
{
        const struct strlist *w = &t->rule->words;
        int r = 0;

        for (size_t at = 0; r >= 0 && at < w->n;) {
                bool negated = streq(w->items[at], "!");

                if (negated && ++at >= w->n)
                        return translate_complain(t, at - 1, NULL, "'!' needs an option behind it");
                if (w->items[at][0] != '-')
                        return translate_complain(t, at, NULL, "'%s' is not understood here", w->items[at]);
                r = read_option(t, &at, negated);
        }
        return r;
}
