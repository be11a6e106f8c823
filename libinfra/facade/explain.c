/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A packet as people write it, and what becomes of it, as JSON. */

#include "facade/explain.h"

#include <infra/firewall.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "facade/source.h"

struct ends {
        struct address from, to;
        unsigned from_port, to_port;
        char protocol[16];
};

/* Says where in the text it stops making sense. */
static int mistake(const char *text, const char *at, const char *what, infra_error **reterr)
{
        return infra_error_set(reterr, -EINVAL, "%s\n  %s\n  %*s^", what, text, (int)(at - text), "");
}

static bool named(const struct source *s, const char *name, int family, struct address *ret)
{
        const struct container *c = s->estate ? estate_container(s->estate, name) : NULL;
        const struct zone *z = s->estate ? estate_zone(s->estate, name) : NULL;
        bool six = family == AF_INET6;

        if (s->estate && (streq(name, "host") || streq(name, s->estate->host.name)))
                *ret = address_host(six ? &s->estate->host.bridge_ipv6 : &s->estate->host.bridge_ipv4);
        else if (c)
                *ret = six ? c->ipv6 : c->internal;
        else
                for (size_t i = 0; z && i < z->n_networks; i++)
                        if (!family || z->networks[i].family == family) {
                                *ret = address_host(&z->networks[i]);
                                break;
                        }
        return address_is_set(ret);
}

/* "192.0.2.7", "192.0.2.7:25", "[2001:db8::7]:25", "mailer:25"; a bare IPv6 address has no port. */
static int parse_end(const struct source *s, const char *whole, const char *at, size_t length, int family, struct address *ret, unsigned *ret_port,
                     infra_error **reterr)
{
        char text[128], *host = text, *port = NULL, *end;

        if (length >= sizeof(text) || length == 0)
                return mistake(whole, at, "an address is missing", reterr);
        snprintf(text, sizeof(text), "%.*s", (int)length, at);
        if (*text == '[') {
                end = strchr(text, ']');
                if (!end || (end[1] && end[1] != ':'))
                        return mistake(whole, at, "write an IPv6 address with a port as [2001:db8::7]:25", reterr);
                port = end[1] ? end + 2 : NULL;
                *end = '\0';
                host++;
        } else if (strchr(text, ':') == strrchr(text, ':') && strchr(text, ':')) {
                port = strchr(text, ':') + 1;
                port[-1] = '\0';
        }
        if (address_parse(host, ret) < 0 && !named(s, host, family, ret))
                return mistake(whole, at, "this is neither an address nor a name of the policy", reterr);
        if (port) {
                *ret_port = (unsigned)strtoul(port, &end, 10);
                if (!*port || *end || *ret_port > UINT16_MAX)
                        return mistake(whole, at + (port - text), "this is not a port", reterr);
        }
        return 0;
}

static const char *skip(const char *p)
{
        return p + strspn(p, " ");
}

/* FROM > TO[/PROTOCOL], or with "icmp:8" behind it. */
static int parse_ends(const struct source *s, const char *text, struct ends *ret, infra_error **reterr)
{
        const char *from = skip(text), *gap = from + strcspn(from, " >"), *to = skip(gap), *end, *slash;
        int r;

        if (*to == '>')
                to = skip(to + 1);
        else if (startswith(to, "to "))
                to = skip(to + 3);
        else
                return mistake(text, to, "'>' or 'to' is missing: 192.0.2.7 > 198.51.100.231:25/tcp", reterr);
        end = to + strcspn(to, " ");
        slash = memchr(to, '/', (size_t)(end - to));
        r = parse_end(s, text, from, (size_t)(gap - from), 0, &ret->from, &ret->from_port, reterr);
        if (r >= 0)
                r = parse_end(s, text, to, (size_t)((slash ? slash : end) - to), ret->from.family, &ret->to, &ret->to_port, reterr);
        if (r < 0)
                return r;
        if (ret->from.family != ret->to.family)
                return mistake(text, to, "this is an address of the other family", reterr);
        if (slash)
                snprintf(ret->protocol, sizeof(ret->protocol), "%.*s", (int)(end - slash - 1), slash + 1);
        else
                snprintf(ret->protocol, sizeof(ret->protocol), "%.*s", (int)strcspn(skip(end), " "), skip(end));
        return 0;
}

static int set_protocol(struct packet *p, const struct ends *e, const char *text, infra_error **reterr)
{
        unsigned type = p->family == AF_INET6 ? 128 : 8;
        struct protoent *known;
        char *colon;
        char name[16];

        snprintf(name, sizeof(name), "%s", *e->protocol ? e->protocol : "tcp");
        colon = strchr(name, ':');
        if (colon) {
                type = (unsigned)atoi(colon + 1);
                *colon = '\0';
        }
        if (streq(name, "icmp") || streq(name, "icmpv6") || streq(name, "ipv6-icmp")) {
                packet_set_number(p, FIELD_L4PROTO, p->family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
                packet_set_number(p, FIELD_ICMP_TYPE, type);
                packet_set_number(p, FIELD_ICMPV6_TYPE, type);
                return 0;
        }
        known = getprotobyname(name);
        if (!known && strspn(name, "0123456789") != strlen(name))
                return mistake(text, text + strlen(text), "this is no protocol: tcp, udp, icmp:8, or a number", reterr);
        packet_set_number(p, FIELD_L4PROTO, known ? (unsigned)known->p_proto : (unsigned)atoi(name));
        packet_set_number(p, FIELD_SPORT, e->from_port ? e->from_port : 49152);
        packet_set_number(p, FIELD_DPORT, e->to_port);
        if (known && known->p_proto == IPPROTO_TCP)
                packet_set_number(p, FIELD_TCP_FLAGS, 0x02);
        return 0;
}

static int set_state(struct packet *p, const char *state, infra_error **reterr)
{
        static const struct {
                const char *name;
                unsigned bit;
        } states[] = {
                { "new", STATE_BIT_NEW },         { "established", STATE_BIT_ESTABLISHED }, { "related", STATE_BIT_RELATED },
                { "invalid", STATE_BIT_INVALID }, { "untracked", STATE_BIT_UNTRACKED },
        };

        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (streq(states[i].name, state ? state : "new")) {
                        packet_set_number(p, FIELD_CT_STATE, states[i].bit);
                        if (states[i].bit == STATE_BIT_ESTABLISHED)
                                packet_set_number(p, FIELD_TCP_FLAGS, 0x10);
                        return 0;
                }
        return infra_error_set(reterr, -EINVAL, "'%s' is none of new, established, related, invalid, untracked", state);
}

/* A zone's interface, or an interface; otherwise where answers would go. */
static void set_interface(struct packet *p, const struct source *s, enum field f, const char *name, const uint8_t *address)
{
        const struct zone *z = s->estate && name ? estate_zone(s->estate, name) : NULL;
        char interface[16] = "";
        bool local = false;

        if (name) {
                packet_set_text(p, f, z && z->interface ? z->interface : name);
        } else if (s->routing.look) {
                s->routing.look(&s->routing, p->family, address, interface, &local);
                packet_set_text(p, f, local && f == FIELD_IIFNAME ? "lo" : interface);
        }
}

int explain_packet(const struct source *s, const struct infra_packet *what, struct packet *ret, enum path *ret_path, infra_error **reterr)
{
        struct ends e = {};
        bool six, local = false;
        char interface[16] = "";
        int r = parse_ends(s, what->packet, &e, reterr);

        if (r < 0)
                return r;
        six = e.from.family == AF_INET6;
        packet_init(ret, e.from.family);
        memcpy(ret->fields[six ? FIELD_IP6_SADDR : FIELD_IP_SADDR], e.from.bytes, six ? 16 : 4);
        memcpy(ret->fields[six ? FIELD_IP6_DADDR : FIELD_IP_DADDR], e.to.bytes, six ? 16 : 4);
        r = set_protocol(ret, &e, what->packet, reterr);
        if (r >= 0)
                r = set_state(ret, what->state, reterr);
        set_interface(ret, s, FIELD_IIFNAME, what->from, e.from.bytes);
        if (what->to)
                packet_set_text(ret, FIELD_OIFNAME, what->to);
        if (s->routing.look)
                s->routing.look(&s->routing, e.from.family, e.from.bytes, interface, &local);
        /* The host's own packets go out; where a file says nothing of routes, one with a way out is forwarded. */
        *ret_path = local && !what->from ? PATH_FROM_HOST : s->routing.look ? PATH_KIND_MAX : what->to ? PATH_THROUGH : PATH_TO_HOST;
        if (*ret_path == PATH_FROM_HOST) {
                memset(ret->fields[FIELD_IIFNAME], 0, 16);
                set_interface(ret, s, FIELD_OIFNAME, what->to, e.to.bytes);
        }
        return r;
}

static json_t *describe_step(const struct trace_step *x)
{
        _cleanup_free_ char *rule = x->rule ? rule_text(x->rule) : strdup("policy"), *element = NULL;
        const char *where = x->rule && x->rule->comment ? x->rule->comment : x->element && x->element->comment ? x->element->comment : "";

        if (x->element && x->set)
                element = element_line(x->set, x->element);
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "chain", x->chain->name, "rule", rule ? rule : "", "set", x->set ? x->set->name : "",
                         "element", element ? element : "", "says", x->says, "where", where);
}

json_t *describe_trace(const struct trace *t)
{
        _cleanup_free_ char *after = packet_text(&t->after);
        json_t *steps = json_array(), *assumed = json_array();

        for (size_t i = 0; i < t->n_steps; i++)
                json_array_append_new(steps, describe_step(&t->steps[i]));
        for (size_t i = 0; i < t->assumed.n; i++)
                json_array_append_new(assumed, json_string(t->assumed.items[i]));
        return json_pack("{s:s,s:s,s:s,s:b,s:s,s:o,s:o,s:s}", "verdict", fate_name(t->fate), "path", path_name(t->path), "after", after ? after : "",
                         "masqueraded", (int)t->masqueraded, "leaves_by", (const char *)t->after.fields[FIELD_OIFNAME], "steps", steps, "assumed",
                         assumed, "unknown", t->unknown ? t->unknown : "");
}

INFRA_PUBLIC int infra_firewall_explain(const struct infra_packet *what, char **ret_json, infra_error **reterr)
{
        _cleanup_source_ struct source s = {};
        _cleanup_trace_ struct trace t = {};
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *before = NULL;
        struct packet p;
        enum path path;
        int r = source_load(what->in, what->policy, what->profiles, &s, reterr);

        if (r >= 0)
                r = explain_packet(&s, what, &p, &path, reterr);
        if (r < 0)
                return r;
        if (trace_packet(s.ruleset, &p, path, s.routing.look ? &s.routing : NULL, &t) < 0)
                return infra_error_oom(reterr);
        before = packet_text(&p);
        j = describe_trace(&t);
        json_object_set_new(j, "packet", json_string(before ? before : ""));
        json_object_set_new(j, "comes_by", json_string((const char *)p.fields[FIELD_IIFNAME]));
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}
