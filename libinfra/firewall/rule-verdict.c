/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verdict of a rule. */

#include "firewall/rule.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool scan_chain(struct scan *s, struct verdict *v)
{
        return scan_text(s, "the name of a chain", v->name, sizeof(v->name));
}

static int family_of(const struct rule *r)
{
        for (size_t i = 0; i < r->n_matches; i++)
                if (r->matches[i].fields[0] == FIELD_NFPROTO && !r->matches[i].negated)
                        return r->matches[i].value[0] == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
        return 0;
}

bool scan_family(struct scan *s, int family)
{
        struct match *m;

        if (family_of(s->rule))
                return family_of(s->rule) == family || scan_fail(s, false, NULL, "the rule is for the other family");
        m = scan_add_match(s, MATCH_EQUAL, FIELD_NFPROTO);
        if (m)
                m->value[0] = family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
        return m;
}

static const struct {
        unsigned type;
        int family;
        unsigned code;
        const char *name;
} codes[] = {
        { NFT_REJECT_ICMP_UNREACH, AF_INET, 0, "net-unreachable" },   { NFT_REJECT_ICMP_UNREACH, AF_INET, 1, "host-unreachable" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET, 2, "prot-unreachable" },  { NFT_REJECT_ICMP_UNREACH, AF_INET, 3, "port-unreachable" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET, 9, "net-prohibited" },    { NFT_REJECT_ICMP_UNREACH, AF_INET, 10, "host-prohibited" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET, 13, "admin-prohibited" }, { NFT_REJECT_ICMP_UNREACH, AF_INET6, 0, "no-route" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET6, 1, "admin-prohibited" }, { NFT_REJECT_ICMP_UNREACH, AF_INET6, 3, "addr-unreachable" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET6, 4, "port-unreachable" }, { NFT_REJECT_ICMP_UNREACH, AF_INET6, 5, "policy-fail" },
        { NFT_REJECT_ICMP_UNREACH, AF_INET6, 6, "reject-route" },     { NFT_REJECT_ICMPX_UNREACH, 0, 0, "no-route" },
        { NFT_REJECT_ICMPX_UNREACH, 0, 1, "port-unreachable" },       { NFT_REJECT_ICMPX_UNREACH, 0, 2, "host-unreachable" },
        { NFT_REJECT_ICMPX_UNREACH, 0, 3, "admin-prohibited" },
};

static bool scan_reject(struct scan *s, struct verdict *v)
{
        v->reject_type = NFT_REJECT_ICMPX_UNREACH;
        v->reject_code = NFT_REJECT_ICMPX_PORT_UNREACH;
        if (!scan_take(s, "with"))
                return true;
        if (scan_take_words(s, "tcp reset")) {
                v->reject_type = NFT_REJECT_TCP_RST;
                v->reject_code = 0;
                return true;
        }
        v->to.family = scan_take(s, "icmp") ? AF_INET : scan_take(s, "icmpv6") ? AF_INET6 : 0;
        if (!v->to.family && !scan_take(s, "icmpx"))
                return scan_fail(s, true, "tcp reset, icmp type, icmpv6 type or icmpx type", "what it is rejected with is missing");
        scan_take(s, "type");
        v->reject_type = v->to.family ? NFT_REJECT_ICMP_UNREACH : NFT_REJECT_ICMPX_UNREACH;
        for (size_t i = 0; i < ELEMENTS(codes); i++)
                if (codes[i].type == v->reject_type && codes[i].family == v->to.family && scan_take(s, codes[i].name)) {
                        v->reject_code = codes[i].code;
                        return !v->to.family || scan_family(s, v->to.family);
                }
        return scan_fail(s, true, "port-unreachable, admin-prohibited, ...", "this is no reason");
}

static bool scan_queue(struct scan *s, struct verdict *v)
{
        char text[16];
        unsigned first, last;

        if (scan_take(s, "flags")) {
                do {
                        if (scan_take(s, "bypass"))
                                v->queue_flags |= NFT_QUEUE_FLAG_BYPASS;
                        else if (scan_take(s, "fanout"))
                                v->queue_flags |= NFT_QUEUE_FLAG_CPU_FANOUT;
                        else
                                return scan_fail(s, true, "bypass, fanout", "this is no flag of a queue");
                } while (scan_take(s, ","));
        }
        if (!scan_take(s, "to"))
                return true;
        if (!scan_text(s, "a queue", text, sizeof(text)))
                return false;
        switch (sscanf(text, "%5u-%5u", &first, &last)) {
        case 1: last = first; break;
        case 2: break;
        default: return scan_fail(s, false, "a number, or 0-3", "'%s' is no queue", text);
        }
        if (first > last || last > UINT16_MAX)
                return scan_fail(s, false, "a number, or 0-3", "'%s' is no queue", text);
        v->queue_first = (uint16_t)first;
        v->queue_last = (uint16_t)last;
        return true;
}

static bool take_ports(struct scan *s, const char *text, struct translation *to)
{
        unsigned first = 0, last = 0;
        int n = 0, got = sscanf(text, "%5u%n-%5u%n", &first, &n, &last, &n);

        if (got == 1)
                last = first;
        if (got < 1 || text[n] || first == 0 || first > last || last > UINT16_MAX)
                return scan_fail(s, false, ":25, or :1024-65535", "'%s' is no port", text);
        to->port_first = (uint16_t)first;
        to->port_last = (uint16_t)last;
        return true;
}

static bool take_address(struct scan *s, char *text, uint8_t ret[static 16], int *family)
{
        size_t n = strlen(text);

        if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
                text[n - 1] = '\0';
                text++;
        }
        if (inet_pton(AF_INET, text, ret) == 1)
                *family = AF_INET;
        else if (inet_pton(AF_INET6, text, ret) == 1)
                *family = AF_INET6;
        else
                return scan_fail(s, false, "10.0.0.17, 10.0.0.17:25, [2001:db8::17]:25, 10.0.0.17-10.0.0.20", "'%s' is no address", text);
        return true;
}

static bool take_network(struct scan *s, char *text, struct translation *to)
{
        char *slash = strchr(text, '/');
        unsigned prefix = slash ? (unsigned)atoi(slash + 1) : 0, size;

        if (!slash || slash[1] < '0' || slash[1] > '9')
                return scan_fail(s, false, "dnat ip prefix to 10.0.0.0/24", "'%s' is no network", text);
        *slash = '\0';
        if (!take_address(s, text, to->first, &to->family))
                return false;
        size = to->family == AF_INET6 ? 16 : 4;
        if (prefix > size * 8)
                return scan_fail(s, false, NULL, "/%u is too long", prefix);
        memcpy(to->last, to->first, 16);
        for (unsigned bit = prefix; bit < size * 8; bit++) {
                to->first[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
                to->last[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        }
        to->netmap = true;
        return true;
}

/* Where ports begin: behind the last colon of IPv4, behind "]:" of IPv6, at the front without an address. */
static char *find_ports(char *text)
{
        char *wrapped = strrchr(text, ']'), *colon = strchr(text, ':');

        if (wrapped)
                return wrapped[1] == ':' ? wrapped + 1 : NULL;
        return colon && !strchr(colon + 1, ':') ? colon : NULL;
}

bool scan_address(struct scan *s, struct translation *to)
{
        char text[128], *ports, *dash;

        if (!scan_text(s, "an address", text, sizeof(text)))
                return false;
        if (to->netmap)
                return take_network(s, text, to);
        ports = find_ports(text);
        if (ports) {
                *ports = '\0';
                if (!take_ports(s, ports + 1, to))
                        return false;
        }
        if (!*text)
                return to->port_first || scan_fail(s, false, NULL, "an address is missing");
        dash = strchr(text, '-');
        if (dash)
                *dash = '\0';
        if (!take_address(s, text, to->first, &to->family))
                return false;
        memcpy(to->last, to->first, 16);
        return !dash || take_address(s, dash + 1, to->last, &to->family);
}

static bool scan_flags(struct scan *s, struct translation *to)
{
        bool more = true;

        for (bool first = true; more; first = false) {
                size_t begin = s->at;

                if (!first && !scan_take(s, ","))
                        return true;
                if (scan_take(s, "random"))
                        to->flags |= NF_NAT_RANGE_PROTO_RANDOM;
                else if (scan_take(s, "fully-random"))
                        to->flags |= NF_NAT_RANGE_PROTO_RANDOM_FULLY;
                else if (scan_take(s, "persistent"))
                        to->flags |= NF_NAT_RANGE_PERSISTENT;
                else
                        more = false;
                if (!more)
                        s->at = begin;
        }
        return true;
}

static bool scan_translation(struct scan *s, struct verdict *v)
{
        bool own = v->kind == VERDICT_MASQUERADE || v->kind == VERDICT_REDIRECT;
        int said = own ? 0 : scan_take(s, "ip") ? AF_INET : scan_take(s, "ip6") ? AF_INET6 : 0;

        v->to.netmap = !own && scan_take(s, "prefix");
        if (scan_take(s, "to")) {
                if (!scan_address(s, &v->to))
                        return false;
        } else if (!own) {
                return scan_fail(s, true, "dnat to 10.0.0.17:25", "'to' is missing");
        }
        if (own && v->to.family)
                return scan_fail(s, false, "to :1024-65535", "only ports can be said here");
        if (said && v->to.family && said != v->to.family)
                return scan_fail(s, false, NULL, "the address is of the other family");
        if (v->to.family && !scan_family(s, v->to.family))
                return false;
        return scan_flags(s, &v->to);
}

static bool nothing_more(struct scan *s, struct verdict *v)
{
        (void)s;
        (void)v;
        return true;
}

static const struct {
        const char *word;
        enum verdict_kind kind;
        bool (*scan)(struct scan *s, struct verdict *v);
} verdicts[] = {
        { "accept", VERDICT_ACCEPT, nothing_more },         { "drop", VERDICT_DROP, nothing_more },
        { "return", VERDICT_RETURN, nothing_more },         { "continue", VERDICT_CONTINUE, nothing_more },
        { "jump", VERDICT_JUMP, scan_chain },               { "goto", VERDICT_GOTO, scan_chain },
        { "reject", VERDICT_REJECT, scan_reject },          { "queue", VERDICT_QUEUE, scan_queue },
        { "dnat", VERDICT_DNAT, scan_translation },         { "snat", VERDICT_SNAT, scan_translation },
        { "masquerade", VERDICT_MASQUERADE, scan_translation }, { "redirect", VERDICT_REDIRECT, scan_translation },
};

bool scan_verdict(struct scan *s, bool *ret_taken)
{
        struct verdict v = {};

        *ret_taken = false;
        for (size_t i = 0; i < ELEMENTS(verdicts); i++) {
                if (!scan_take(s, verdicts[i].word))
                        continue;
                v.kind = verdicts[i].kind;
                *ret_taken = true;
                if (!verdicts[i].scan(s, &v))
                        return false;
                s->rule->verdict = v;
                return true;
        }
        return true;
}
