/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From names to a packet: one address of many stands for all. */

#include "facade/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/macro.h"

enum { DEPTH_MAX = 8, PORT_OF_CLIENTS = 40000, TCP_SYN = 0x02, TCP_ACK = 0x10, TTL = 64, LENGTH = 60 };

static bool is_named(const infra_estate *e, const struct address *a)
{
        for (const struct zone *z = e->zones; z < e->zones + e->n_zones; z++) {
                for (size_t i = 0; i < z->n_networks; i++)
                        if (address_contains(&z->networks[i], a))
                                return true;
                for (size_t i = 0; i < z->n_members; i++)
                        if (z->members[i].kind == ORIGIN_NETWORK && address_contains(&z->members[i].network, a))
                                return true;
        }
        return false;
}

/* Somebody the policy says nothing about. */
static bool stranger(const infra_estate *e, int family, struct address *ret)
{
        static const char *const v4[] = { "192.0.2.7", "203.0.113.77", "198.51.100.7", "9.9.9.9" };
        static const char *const v6[] = { "2001:db8:ffff::7", "2620:fe::fe", "2001:db8:fffe::7", "2a00::7" };

        for (size_t i = 0; i < ELEMENTS(v4); i++)
                if (address_parse(family == AF_INET ? v4[i] : v6[i], ret) >= 0 && (!e || !is_named(e, ret)))
                        return true;
        return false;
}

static bool in_container(const struct container *c, int family, struct address *ret)
{
        *ret = family == AF_INET ? c->internal : c->ipv6;
        return address_is_set(ret);
}

/* The container that has the address on the bridge or, when @anywhere, in a zone. */
static const struct container *owner(const infra_estate *e, const struct address *a, bool anywhere)
{
        for (const struct container *c = e->containers; c < e->containers + e->n_containers; c++) {
                struct address own;

                if (in_container(c, a->family, &own) && address_equal(&own, a))
                        return c;
                if (anywhere && (address_equal(&c->intranet, a) || address_equal(&c->internet, a)))
                        return c;
        }
        return NULL;
}

/* An address within: the first, but neither the network's nor the host's own. */
static void inside(const infra_estate *e, const struct address *net, struct address *ret)
{
        const struct address *own = net->family == AF_INET ? &e->host.bridge_ipv4 : &e->host.bridge_ipv6;
        unsigned last = net->family == AF_INET ? 3 : 15;

        *ret = address_network(net);
        ret->prefix = address_bits(net);
        if (net->prefix + 2 > address_bits(net))
                return;
        ret->bytes[last]++;
        if (memcmp(ret->bytes, own->bytes, last + 1) == 0)
                ret->bytes[last]++;
}

/* One of its networks; a container that is named there, too, has rights of its own and speaks for nobody else. */
static bool in_networks(const infra_estate *e, const struct zone *z, int family, struct address *ret)
{
        for (size_t i = 0; i < z->n_networks; i++) {
                if (z->networks[i].family != family)
                        continue;
                inside(e, &z->networks[i], ret);
                if (!owner(e, ret, true))
                        return true;
        }
        return false;
}

/* Somebody of it, and where he comes in if that is said: of a zone in a zone its own interface, unless the outer one has one. */
static bool in_zone(const infra_estate *e, const struct zone *z, int family, struct address *ret, const char **ret_interface, unsigned depth)
{
        *ret_interface = z->interface;
        if (in_networks(e, z, family, ret))
                return true;
        for (size_t i = 0; i < z->n_networks; i++)
                if (z->networks[i].family == family) {
                        inside(e, &z->networks[i], ret);
                        return true;
                }
        for (size_t i = 0; depth < DEPTH_MAX && i < z->n_members; i++) {
                const struct origin *o = &z->members[i];

                if (o->kind == ORIGIN_NETWORK && o->network.family == family) {
                        inside(e, &o->network, ret);
                        return true;
                }
                if (o->kind == ORIGIN_CONTAINER && in_container(&e->containers[o->index], family, ret))
                        return true;
                if (o->kind == ORIGIN_ZONE && in_zone(e, &e->zones[o->index], family, ret, ret_interface, depth + 1)) {
                        *ret_interface = z->interface ? z->interface : *ret_interface;
                        return true;
                }
        }
        *ret_interface = z->interface;
        return z->interface && z->n_networks == 0 && stranger(e, family, ret);
}

static bool has_address(const infra_estate *e, const struct end *x, int family, struct address *ret)
{
        const char *interface;

        switch (x->kind) {
        case END_ADDRESS:
                *ret = x->address;
                return x->address.family == family;
        case END_ANY:
                return stranger(e, family, ret);
        case END_HOST:
                *ret = address_host(family == AF_INET ? &e->host.bridge_ipv4 : &e->host.bridge_ipv6);
                return ret->family == family;
        case END_CONTAINER:
                return in_container(x->container, family, ret);
        default:
                return in_zone(e, x->zone, family, ret, &interface, 0);
        }
}

/* IPv4 unless something speaks for IPv6. */
static int family_of(const struct flow *f, const infra_estate *e)
{
        struct address a;

        if (f->family)
                return f->family;
        if (f->from.kind == END_ADDRESS)
                return f->from.address.family;
        if (f->to.kind == END_ADDRESS)
                return f->to.address.family;
        if (f->protocol == IPPROTO_ICMPV6)
                return AF_INET6;
        return has_address(e, &f->from, AF_INET, &a) && has_address(e, &f->to, AF_INET, &a) ? AF_INET : AF_INET6;
}

static bool on_bridge(const infra_estate *e, const struct address *a)
{
        const struct address *net = a->family == AF_INET ? &e->host.bridge_ipv4 : &e->host.bridge_ipv6;

        return address_is_set(net) && address_contains(net, a);
}

static bool comes_by(const infra_estate *e, const char *zone, const char *interface)
{
        const struct zone *z = estate_zone(e, zone);

        return z && z->interface && streq(z->interface, interface);
}

static const struct service *service_of(const struct container *c, const struct flow *f)
{
        for (size_t i = 0; i < c->n_services; i++) {
                const struct service *s = &c->services[i];

                if (s->public_port && s->port.protocol == f->protocol && f->to.port >= s->port.first && f->to.port <= s->port.last)
                        return s;
        }
        return NULL;
}

/* A container is reached from outside by the address or the port it has there. */
static void from_outside(const struct flow *f, const infra_estate *e, const char *interface, struct address *to, uint16_t *port)
{
        const struct container *c = f->to.container;
        const struct service *s = service_of(c, f);

        if (to->family != AF_INET)
                return;
        if (address_is_set(&c->internet) && comes_by(e, "internet", interface)) {
                *to = c->internet;
        } else if (address_is_set(&c->intranet) && comes_by(e, "intranet", interface)) {
                *to = c->intranet;
        } else if (s) {
                *to = address_host(&e->host.bridge_ipv4);
                *port = (uint16_t)(s->public_port + (f->to.port - s->port.first));
        }
}

static void set_transport(const struct flow *f, uint16_t port, struct packet *p)
{
        bool icmp = f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6;
        bool six = p->family == AF_INET6;

        packet_set_number(p, FIELD_L4PROTO, (uint64_t)f->protocol);
        packet_set_number(p, six ? FIELD_IP6_HOPLIMIT : FIELD_IP_TTL, TTL);
        packet_set_number(p, FIELD_LENGTH, LENGTH);
        packet_set_number(p, FIELD_CT_STATE, f->state);
        if (icmp) {
                packet_set_number(p, six ? FIELD_ICMPV6_TYPE : FIELD_ICMP_TYPE, f->icmp_type);
                packet_set_number(p, six ? FIELD_ICMPV6_CODE : FIELD_ICMP_CODE, f->icmp_code);
        } else if (port) {
                packet_set_number(p, FIELD_SPORT, f->from.port ? f->from.port : PORT_OF_CLIENTS);
                packet_set_number(p, FIELD_DPORT, port);
        }
        if (f->protocol == IPPROTO_TCP)
                packet_set_number(p, FIELD_TCP_FLAGS, f->state & STATE_BIT_NEW ? TCP_SYN : TCP_ACK);
}

static void set_port_of_bridge(struct packet *p, enum field f, const infra_estate *e, const struct address *a)
{
        const struct container *c = owner(e, a, false);
        char name[CONTAINER_PORT_MAX + 1];

        if (!c)
                return;
        container_port(c, name);
        packet_set_text(p, f, name);
}

static void set_path(const struct flow *f, const struct source *s, const struct address *from, const struct address *to, const char *in,
                     bool local, struct packet *p, enum path *ret)
{
        char out[16] = "";
        bool own = false;

        *ret = PATH_KIND_MAX;
        packet_set_text(p, FIELD_IIFNAME, in);
        s->routing.look(&s->routing, to->family, to->bytes, out, &own);
        if (f->out) {
                packet_set_text(p, FIELD_OIFNAME, f->out);
                *ret = local ? PATH_FROM_HOST : PATH_THROUGH;
        }
        if (local && !f->in) {
                *ret = PATH_FROM_HOST;
                packet_set_text(p, FIELD_IIFNAME, "");
                packet_set_text(p, FIELD_OIFNAME, f->out ? f->out : own ? "lo" : out);
        } else if (!f->in && !f->out && s->estate && !own && on_bridge(s->estate, from) && on_bridge(s->estate, to)) {
                *ret = PATH_SWITCHED;
                packet_set_text(p, FIELD_IIFNAME, "");
                set_port_of_bridge(p, FIELD_IIFNAME, s->estate, from);
                set_port_of_bridge(p, FIELD_OIFNAME, s->estate, to);
        }
}

static int no_address(const struct end *x, int family, infra_error **reterr)
{
        const char *name = x->kind == END_CONTAINER ? x->container->name : x->kind == END_ZONE ? x->zone->name : x->kind == END_HOST ? "the host" : "this end";

        return infra_error_set(reterr, -EINVAL, "packet, column %zu: %s has no IPv%c address, and the other end needs one", x->column, name,
                               family == AF_INET ? '4' : '6');
}

int flow_packet(const struct flow *f, const struct source *s, struct packet *p, enum path *ret_path, infra_error **reterr)
{
        const infra_estate *e = s->estate;
        int family = family_of(f, e);
        struct address from, to;
        uint16_t port = f->to.port;
        struct flow way = *f;
        const char *interface;
        char in[16] = "";
        bool local = false;

        if (!has_address(e, &f->from, family, &from) || !has_address(e, &f->to, family, &to))
                return no_address(has_address(e, &f->from, family, &from) ? &f->to : &f->from, family, reterr);
        if ((f->protocol == IPPROTO_ICMP && family != AF_INET) || (f->protocol == IPPROTO_ICMPV6 && family != AF_INET6))
                return infra_error_set(reterr, -EINVAL, "packet, column %zu: this ICMP belongs to the other IP version", f->to.column);
        s->routing.look(&s->routing, family, from.bytes, in, &local);
        if (f->from.kind == END_ZONE && in_zone(e, f->from.zone, family, &from, &interface, 0) && interface)
                snprintf(in, sizeof(in), "%s", interface);
        if (f->in)
                snprintf(in, sizeof(in), "%s", f->in);
        /* What is at the bridge may be switched. */
        if (!f->out && f->to.kind == END_ZONE && in_zone(e, f->to.zone, family, &to, &interface, 0) && interface && !streq(interface, e->host.bridge))
                way.out = interface;
        if (f->to.kind == END_CONTAINER && !local && !on_bridge(e, &from))
                from_outside(f, e, in, &to, &port);
        packet_init(p, family);
        memcpy(p->fields[family == AF_INET ? FIELD_IP_SADDR : FIELD_IP6_SADDR], from.bytes, family == AF_INET ? 4 : 16);
        memcpy(p->fields[family == AF_INET ? FIELD_IP_DADDR : FIELD_IP6_DADDR], to.bytes, family == AF_INET ? 4 : 16);
        set_transport(f, port, p);
        set_path(&way, s, &from, &to, in, local, p, ret_path);
        return 0;
}
