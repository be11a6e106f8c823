/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One thing against another: addresses, ports, volumes, order. Every complaint is at the later of the two. */

#include <errno.h>
#include <stdlib.h>

#include "policy/draft.h"

enum { INTERFACE_MAX = 15 }; /* IFNAMSIZ - 1 */

static const struct zone *zone(const struct draft *d, const char *name)
{
        for (size_t i = 0; i < d->n_zones; i++)
                if (d->zones[i].name && streq(d->zones[i].name, name))
                        return &d->zones[i];
        return NULL;
}

static void check_host(struct draft *d)
{
        if (d->host.bridge && strlen(d->host.bridge) > INTERFACE_MAX)
                complain(&d->reader, &d->host.span, NULL, "the bridge's name '%s' is longer than %d characters", d->host.bridge, INTERFACE_MAX);
}

/* Whether zone @from is, through its members, part of zone @to. */
static bool leads_to(const struct draft *d, size_t from, size_t to, unsigned depth)
{
        const struct zone *z = &d->zones[from];

        for (size_t i = 0; depth < d->n_zones && i < z->n_members; i++)
                if (z->members[i].kind == ORIGIN_ZONE && (z->members[i].index == to || leads_to(d, z->members[i].index, to, depth + 1)))
                        return true;
        return false;
}

static void check_members(struct draft *d, size_t i)
{
        const struct zone *z = &d->zones[i];

        for (size_t k = 0; k < z->n_members; k++)
                if (z->members[k].name && (z->members[k].kind == ORIGIN_ANY || z->members[k].kind == ORIGIN_LOCAL || z->members[k].kind == ORIGIN_HOST))
                        complain(&d->reader, &z->members[k].span, "name containers, zones and addresses", "'%s' is no member of a zone", z->members[k].name);
        if (leads_to(d, i, i, 0))
                complain(&d->reader, &z->span, "take one of the members out", "zone '%s' is a member of itself", z->name);
}

static void check_filter(struct draft *d)
{
        for (size_t i = 0; i < d->filter.n_rules; i++) {
                const struct rule_list *l = &d->filter.rules[i];
                const char *names[RULE_PLACE_MAX], *near;
                _cleanup_free_ char *hint = NULL;

                for (int p = 0; p < RULE_PLACE_MAX; p++)
                        names[p] = rule_place_name((enum rule_place)p);
                near = str_nearest(l->name, names, RULE_PLACE_MAX);
                if (rule_place_parse(l->name) < 0 && asprintf(&hint, near ? "did you mean '%s'?" : "input, forward, nat-prerouting, ...; see infra.policy(5)", near) >= 0)
                        complain(&d->reader, &l->span, hint, "rules cannot stand at '%s'", l->name);
        }
        for (size_t i = 0; i < d->filter.n_rescue; i++)
                if (d->filter.rescue[i].name && d->filter.rescue[i].kind != ORIGIN_ZONE)
                        complain(&d->reader, &d->filter.rescue[i].span, "name zones of zones.yaml", "'%s' is no zone", d->filter.rescue[i].name);
}

static void check_zones(struct draft *d)
{
        for (size_t i = 0; i < d->n_zones; i++) {
                const struct zone *z = &d->zones[i];

                if (!z->interface && z->n_networks == 0 && z->n_members == 0)
                        complain(&d->reader, &z->span, "give it an interface, networks, members or several of these", "zone '%s' is nowhere", z->name);
                if (z->translate != TRANSLATE_MASQUERADE && !z->interface)
                        complain(&d->reader, &z->span, "give it an interface", "zone '%s' translates what leaves by no interface", z->name);
                check_members(d, i);
                if (z->interface && (strlen(z->interface) > INTERFACE_MAX || strpbrk(z->interface, " /\t*\"")))
                        complain(&d->reader, &z->span, NULL, "'%s' is not the name of an interface", z->interface);
                for (size_t k = 0; k < i; k++)
                        if (z->name && d->zones[k].name && streq(z->name, d->zones[k].name))
                                complain(&d->reader, &z->span, "keep one of them", "zone '%s' stands here twice", z->name);
        }
}

/* The four addresses of a container, in the order of the table. */
static const struct {
        const char *name;
        size_t offset;
} kinds[] = {
        { "internal", offsetof(struct container, internal) },
        { "intranet", offsetof(struct container, intranet) },
        { "internet", offsetof(struct container, internet) },
        { "ipv6", offsetof(struct container, ipv6) },
};

static const struct address *address_at(const struct container *c, size_t kind)
{
        return (const struct address *)(const void *)((const char *)c + kinds[kind].offset);
}

/* Two things answering for one address is the error that is found last at night. */
static void check_shared(struct draft *d, size_t i, const struct address *a, const char *kind)
{
        const struct container *c = &d->containers[i].container;
        char text[ADDRESS_TEXT_MAX];

        for (size_t k = 0; k < i; k++) {
                const struct container *other = &d->containers[k].container;

                for (size_t o = 0; o < ELEMENTS(kinds); o++)
                        if (address_is_set(address_at(other, o)) && address_equal(address_at(other, o), a))
                                complain(&d->reader, &c->addresses_span, "one address, one container; others can use public-port",
                                         "%s address %s is the %s address of '%s' already (%s:%u)", kind, address_format(a, text),
                                         kinds[o].name, other->name, other->addresses_span.file, other->addresses_span.line);
        }
}

static void check_on_bridge(struct draft *d, const struct container *c, const struct address *a, const struct address *bridge)
{
        struct address net = address_network(bridge), host = address_host(bridge);
        char text[ADDRESS_TEXT_MAX], net_text[ADDRESS_TEXT_MAX];

        if (!address_is_set(a) || !address_is_set(&d->host.bridge_ipv4))
                return;
        if (!address_is_set(bridge))
                complain(&d->reader, &c->addresses_span, "give the bridge an address of that family in host.yaml",
                         "%s cannot be reached: the bridge has no such address", address_format(a, text));
        else if (!address_contains(&net, a))
                complain(&d->reader, &c->addresses_span, NULL, "%s is not in the bridge's network %s", address_format(a, text), address_format(&net, net_text));
        else if (address_equal(&host, a))
                complain(&d->reader, &c->addresses_span, NULL, "%s is the host's own address on the bridge", address_format(a, text));
}

static void check_addresses(struct draft *d, size_t i)
{
        const struct container *c = &d->containers[i].container;

        check_on_bridge(d, c, &c->internal, &d->host.bridge_ipv4);
        check_on_bridge(d, c, &c->ipv6, &d->host.bridge_ipv6);
        for (size_t k = 0; k < ELEMENTS(kinds); k++)
                if (address_is_set(address_at(c, k)))
                        check_shared(d, i, address_at(c, k), kinds[k].name);
        if (address_is_set(&c->internet) && !zone(d, "internet"))
                complain(&d->reader, &c->addresses_span, "describe it in zones.yaml", "an internet address needs a zone 'internet'");
        if (address_is_set(&c->intranet) && !zone(d, "intranet"))
                complain(&d->reader, &c->addresses_span, "describe it in zones.yaml", "an intranet address needs a zone 'intranet'");
}

static bool ports_overlap(const struct ports *a, const struct ports *b)
{
        return a->protocol == b->protocol && a->first <= b->last && b->first <= a->last;
}

static void check_services(struct draft *d, const struct service *services, size_t n)
{
        char text[ADDRESS_TEXT_MAX];

        for (size_t i = 0; i < n; i++) {
                const struct service *s = &services[i];

                if (s->public_port && (s->public_port + s->port.last - s->port.first > UINT16_MAX || s->port.last - s->port.first >= POLICY_PUBLIC_PORTS_MAX))
                        complain(&d->reader, &s->span, NULL, "%s is more than public ports from %u on can lead to (at most %d)",
                                 ports_format(&s->port, text), s->public_port, POLICY_PUBLIC_PORTS_MAX);
                /* Long lists are generated, and sorted by port: neighbours are enough for them. */
                for (size_t k = n > 1000 && i > 0 ? i - 1 : 0; k < i; k++)
                        if (services[k].port.protocol && ports_overlap(&services[k].port, &s->port))
                                complain(&d->reader, &s->span, "keep one of them", "port %s stands here twice, first at line %u",
                                         ports_format(&s->port, text), services[k].span.line);
        }
}

/* Whether an earlier service in reading order takes the same public port. */
static void check_public_port(struct draft *d, const struct service *s, size_t container)
{
        for (size_t i = 0; i <= container && i < d->n_containers; i++) {
                const struct container *c = &d->containers[i].container;

                for (size_t k = 0; k < c->n_services && &c->services[k] != s; k++)
                        if (c->services[k].public_port && c->services[k].port.protocol == s->port.protocol &&
                            c->services[k].public_port <= s->public_port + s->port.last - s->port.first &&
                            s->public_port <= c->services[k].public_port + c->services[k].port.last - c->services[k].port.first)
                                complain(&d->reader, &s->span, NULL, "public-port %u leads to '%s' already (%s:%u)", s->public_port, c->name,
                                         c->services[k].span.file, c->services[k].span.line);
        }
        for (size_t i = 0; i < d->host.n_services; i++) {
                const struct service *own = &d->host.services[i];

                if (own->port.protocol == s->port.protocol && own->port.first <= s->public_port + s->port.last - s->port.first &&
                    s->public_port <= own->port.last)
                        complain(&d->reader, &s->span, NULL, "public-port %u is a service of the host itself (%s:%u)", s->public_port,
                                 own->span.file, own->span.line);
        }
}

static void check_volumes(struct draft *d, const struct container *c)
{
        for (size_t i = 0; i < c->n_volumes; i++) {
                for (size_t k = 0; k < c->n_volumes; k++) {
                        const char *outer = c->volumes[k].path, *inner = c->volumes[i].path;

                        if (k < i && streq(outer, inner))
                                complain(&d->reader, &c->volumes[i].span, "keep one of them", "volume '%s' stands here twice", inner);
                        else if (k != i && startswith(inner, outer) && inner[strlen(outer)] == '/')
                                complain(&d->reader, &c->volumes[i].span, NULL, "volume '%s' lies within volume '%s'", inner, outer);
                }
        }
}

/* Walks `after` from @i; when it comes back to where it began, the path is a cycle. */
static bool find_cycle(struct draft *d, size_t start, size_t i, bool *seen, struct str *path)
{
        const struct container *c = &d->containers[i].container;

        for (size_t k = 0; k < c->n_after; k++) {
                size_t length = path->length;

                str_add(path, " -> %s", d->containers[c->after[k]].container.name);
                if (c->after[k] == start)
                        return true;
                if (!seen[c->after[k]]) {
                        seen[c->after[k]] = true;
                        if (find_cycle(d, start, c->after[k], seen, path))
                                return true;
                }
                path->length = length;
                path->text[length] = '\0';
        }
        return false;
}

/* A cycle is said once, at the first of its containers by name. */
static void check_order(struct draft *d, size_t i)
{
        _cleanup_free_ bool *seen = calloc(d->n_containers + 1, sizeof(*seen));
        const struct draft_container *c = &d->containers[i];
        _cleanup_str_ struct str path = {};

        if (!seen || !c->container.name || c->after.n == 0)
                return;
        for (size_t k = 0; k < i; k++)
                seen[k] = true;
        str_add(&path, "%s", c->container.name);
        if (find_cycle(d, i, i, seen, &path))
                complain(&d->reader, &c->after.items[0].span, "take one of these out of 'after'", "no order of start is possible: %s", path.text);
}

void draft_check(struct draft *d)
{
        check_host(d);
        check_zones(d);
        check_filter(d);
        check_services(d, d->host.services, d->host.n_services);
        for (size_t i = 0; i < d->n_containers; i++) {
                const struct container *c = &d->containers[i].container;

                check_addresses(d, i);
                check_services(d, c->services, c->n_services);
                for (size_t k = 0; k < c->n_services; k++)
                        if (c->services[k].public_port)
                                check_public_port(d, &c->services[k], i);
                check_volumes(d, c);
                check_order(d, i);
        }
}
