/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An estate by hand with every kind of opening: mail (1:1 addresses, IPv6), web (public port) and a zone of
 * each sort: by interface, by networks, by both. Each thing comes from a line of its own.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "estate/estate.h"
#include "firewall/firewall.h"
#include "firewall/ruleset.h"

enum { ZONE_INTERNET, ZONE_INTRANET, ZONE_MONITOR };
enum { MAIL, WEB };

static inline struct address sample_address(const char *text)
{
        struct address a = {};

        assert_int_equal(address_parse(text, &a), 0);
        return a;
}

static inline struct span sample_span(const infra_estate *e, size_t file, unsigned line)
{
        return (struct span){ e->files.items[file], line, 5, 1 };
}

static inline struct zone *sample_zone(infra_estate *e, const char *name, const char *interface, const char *network,
                                       unsigned line)
{
        struct zone *z = ARRAY_ADD(e->zones, e->n_zones);
        struct address *a;

        z->name = strdup(name);
        z->interface = interface ? strdup(interface) : NULL;
        z->span = sample_span(e, 3, line);
        a = network ? ARRAY_ADD(z->networks, z->n_networks) : NULL;
        if (a)
                *a = sample_address(network);
        return z;
}

static inline struct service *sample_service(infra_estate *e, size_t container, const char *port, unsigned line)
{
        struct container *c = &e->containers[container];
        struct service *s = ARRAY_ADD(c->services, c->n_services);

        assert_int_equal(ports_parse(port, &s->port), 0);
        s->span = sample_span(e, container, line);
        return s;
}

static inline struct origin *sample_from(struct service *s, enum origin_kind kind, size_t index)
{
        struct origin *o = ARRAY_ADD(s->from, s->n_from);

        o->kind = kind;
        o->index = index;
        o->span = s->span;
        return o;
}

static inline struct connection *sample_connection(infra_estate *e, size_t container, enum origin_kind kind,
                                                   size_t index, const char *port, unsigned line)
{
        struct container *c = &e->containers[container];
        struct connection *k = ARRAY_ADD(c->connects, c->n_connects);

        assert_int_equal(ports_parse(port, &k->port), 0);
        k->to.kind = kind;
        k->to.index = index;
        k->span = sample_span(e, container, line);
        return k;
}

static inline void sample_host(infra_estate *e)
{
        struct service *s = ARRAY_ADD(e->host.services, e->host.n_services);

        e->host.name = strdup("infra02");
        e->filter.anti_spoofing = true;
        e->host.bridge = strdup("br0");
        e->host.bridge_ipv4 = sample_address("10.0.0.1/24");
        e->host.bridge_ipv6 = sample_address("2001:db8::1/64");
        e->host.proxy = strdup("http://10.0.0.201:3128");
        e->host.span = sample_span(e, 2, 1);
        assert_int_equal(ports_parse("22/tcp", &s->port), 0);
        s->span = sample_span(e, 2, 7);
        sample_from(s, ORIGIN_ZONE, ZONE_MONITOR);
}

static inline void sample_containers(infra_estate *e)
{
        static const char *const names[] = { "mail", "web" };
        struct container *c;

        for (size_t i = 0; i < 2; i++) {
                c = ARRAY_ADD(e->containers, e->n_containers);
                c->name = strdup(names[i]);
                c->span = sample_span(e, i, 1);
                c->addresses_span = sample_span(e, i, 3);
        }
        e->containers[MAIL].internal = sample_address("10.0.0.19");
        e->containers[MAIL].internet = sample_address("198.51.100.228");
        e->containers[MAIL].intranet = sample_address("172.16.2.19");
        e->containers[MAIL].ipv6 = sample_address("2001:db8::19");
        e->containers[WEB].internal = sample_address("10.0.0.26");
}

static inline infra_estate *sample_estate(void)
{
        infra_estate *e = calloc(1, sizeof(*e));
        static const char *const files[] = { "containers/mail.yaml", "containers/web.yaml", "host.yaml", "zones.yaml" };
        struct service *s;

        for (size_t i = 0; i < 4; i++)
                strlist_add(&e->files, files[i]);
        sample_zone(e, "internet", "eno1", NULL, 2);
        sample_zone(e, "intranet", "eno2", "172.16.2.0/24", 3);
        sample_zone(e, "monitor", NULL, "203.0.113.12", 4);
        sample_host(e);
        sample_containers(e);
        sample_from(sample_service(e, MAIL, "25/tcp", 10), ORIGIN_ANY, 0);
        sample_from(sample_service(e, MAIL, "143/tcp", 11), ORIGIN_ZONE, ZONE_INTRANET);
        s = sample_service(e, MAIL, "5666/tcp", 12);
        sample_from(s, ORIGIN_ZONE, ZONE_MONITOR);
        sample_from(s, ORIGIN_CONTAINER, WEB);
        sample_from(sample_service(e, MAIL, "3306/tcp", 13), ORIGIN_LOCAL, 0);
        s = sample_service(e, WEB, "22/tcp", 10);
        s->public_port = 11722;
        sample_from(s, ORIGIN_ZONE, ZONE_INTERNET);
        sample_from(sample_service(e, WEB, "60000-61000/udp", 11), ORIGIN_ANY, 0);
        sample_from(sample_service(e, WEB, "8000/tcp", 12), ORIGIN_NETWORK, 0)->network =
                sample_address("192.0.2.0/24");
        sample_connection(e, MAIL, ORIGIN_ZONE, ZONE_INTERNET, "25/tcp", 20);
        sample_connection(e, WEB, ORIGIN_CONTAINER, MAIL, "25/tcp", 20);
        sample_connection(e, WEB, ORIGIN_HOST, 0, "53/udp", 21);
        return e;
}

static inline char *sample_path(const char *path)
{
        const char *source = getenv("INFRA_SOURCE");

        return path_join("%s/%s", source ? source : ".", path);
}

/* One of policies/examples. */
static inline infra_estate *sample_example(const char *name)
{
        _cleanup_free_ char *profiles = sample_path("policies/profiles"), *examples = sample_path("policies/examples");
        _cleanup_free_ char *directory = path_join("%s/%s", examples, name);
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        infra_estate *e = NULL;

        assert_int_equal(infra_estate_load(directory, profiles, diags, &e, NULL), 0);
        return e;
}

static inline struct ruleset *sample_ruleset(const infra_estate *e)
{
        struct ruleset *r = NULL;

        assert_int_equal(firewall_compile(e, &r, NULL), 0);
        assert_non_null(r);
        return r;
}

static inline char *sample_diff(const struct ruleset *have, const struct ruleset *want)
{
        char *text = NULL;

        assert_int_equal(ruleset_diff(have, want, &text, NULL), 0);
        return text;
}

static inline char *sample_text(const struct ruleset *r)
{
        char *text = NULL;

        assert_int_equal(ruleset_text(r, &text, NULL), 0);
        return text;
}
