/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Translated rules written as policy files. */

#include "firewall/import/policy.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/str.h"
#include "estate/estate.h"
#include "firewall/import/policy-shape.h"

static const char *const zone_names[SHAPE_ZONES] = { "internet", "intranet" };

void policy_files_done(struct policy_files *f)
{
        for (size_t i = 0; i < f->n; i++) {
                free(f->items[i].name);
                free(f->items[i].text);
        }
        free(f->items);
}

static int add_file(struct policy_files *f, char *name, struct str *text)
{
        struct policy_file *x = ARRAY_ADD(f->items, f->n);

        if (!x) {
                free(name);
                return -ENOMEM;
        }
        x->name = name;
        x->text = str_take(text);
        return x->name && x->text ? 0 : -ENOMEM;
}

/* Where rules of a base chain go: by what it is hooked into. */
static const struct {
        const char *table; /* first word of the chain's name */
        unsigned hook;
        const char *place, *last; /* @last: behind the services, when there are any there */
        bool drops;               /* what our chain there does in the end */
} places[] = {
        { "raw", NF_INET_PRE_ROUTING, "raw-prerouting", NULL, false },
        { "raw", NF_INET_LOCAL_OUT, "raw-output", NULL, false },
        { "mangle", NF_INET_PRE_ROUTING, "mangle-prerouting", NULL, false },
        { "mangle", NF_INET_LOCAL_IN, "mangle-input", NULL, false },
        { "mangle", NF_INET_FORWARD, "mangle-forward", NULL, false },
        { "mangle", NF_INET_LOCAL_OUT, "mangle-output", NULL, false },
        { "mangle", NF_INET_POST_ROUTING, "mangle-postrouting", NULL, false },
        { "nat", NF_INET_PRE_ROUTING, "nat-prerouting", "nat-prerouting-last", false },
        { "nat", NF_INET_LOCAL_IN, "nat-input", NULL, false },
        { "nat", NF_INET_LOCAL_OUT, "nat-output", NULL, false },
        { "nat", NF_INET_POST_ROUTING, "nat-postrouting", "nat-postrouting-last", false },
        { "filter", NF_INET_LOCAL_IN, "input", "input-last", true },
        { "filter", NF_INET_FORWARD, "forward", "forward-last", true },
        { "filter", NF_INET_LOCAL_OUT, "output", "output-last", false },
        { "security", NF_INET_LOCAL_IN, "security-input", NULL, false },
        { "security", NF_INET_FORWARD, "security-forward", NULL, false },
        { "security", NF_INET_LOCAL_OUT, "security-output", NULL, false },
};

/* IPv4 or IPv6, from "filter4-INPUT". */
static int chain_family(const struct chain *c)
{
        const char *dash = strchr(c->name, '-');

        return dash > c->name && dash[-1] == '6' ? AF_INET6 : AF_INET;
}

static const struct chain *chain_of(const struct table *t, size_t place, int family)
{
        size_t n = strlen(places[place].table);

        for (size_t i = 0; i < t->n_chains; i++) {
                const struct chain *c = &t->chains[i];

                if (c->type && c->hook == places[place].hook && strncmp(c->name, places[place].table, n) == 0 &&
                    c->name[n] == (family == AF_INET ? '4' : '6'))
                        return c;
        }
        return NULL;
}

/* "{ 25, 80-90 }" in the place of "@name": a policy has no sets but those that people name. */
static char *inline_sets(const struct table *t, const struct rule *r, char *text)
{
        for (size_t i = 0; text && i < r->n_matches; i++) {
                const struct set *set = r->matches[i].kind == MATCH_SET ? table_set(t, r->matches[i].set) : NULL;
                _cleanup_free_ char *name = set ? path_join("@%s", set->name) : NULL, *before = text;
                struct str s = {};
                char *at = name ? strstr(text, name) : NULL;

                if (!at) {
                        before = NULL;
                        continue;
                }
                str_add(&s, "%.*s{ ", (int)(at - text), text);
                for (size_t k = 0; k < set->n_elements; k++) {
                        _cleanup_free_ char *element = element_text(set, &set->elements[k]);

                        str_add(&s, "%s%s", k ? ", " : "", element ? element : "");
                }
                str_add(&s, " }%s", at + strlen(name));
                text = str_take(&s);
        }
        return text;
}

/* One item of a list, in single quotes. */
static void add_line(struct str *s, const char *text)
{
        str_add(s, "    - '");
        for (const char *p = text; *p; p++)
                str_add(s, *p == '\'' ? "''" : "%c", *p);
        str_add(s, "'");
}

static void add_rule(struct str *s, const struct table *t, const struct rule *r)
{
        _cleanup_free_ char *text = inline_sets(t, r, rule_text(r));

        add_line(s, text && *text ? text : "continue");
        str_add(s, r->comment ? "  # %s\n" : "\n", r->comment);
}

static bool is_taken(const struct shapes *shapes, const struct chain *c, size_t rule)
{
        return shapes && shapes->taken[c - shapes->table->chains][rule];
}

/* Where the chain is cut in two by what was taken out of it; 0: it is not. */
static size_t cut_of(const struct shapes *shapes, const struct chain *c)
{
        return shapes ? shapes->cuts[c - shapes->table->chains] : 0;
}

static void add_chain(struct str *s, const struct table *t, const struct shapes *shapes, const struct chain *c, const char *ending, size_t from,
                      size_t to)
{
        bool any = false;

        str_add(s, "  %s%s:\n", c->name, ending);
        for (size_t i = from; i < to; i++) {
                if (is_taken(shapes, c, i))
                        continue;
                add_rule(s, t, &c->rules[i]);
                any = true;
        }
        if (!any)
                str_add(s, "    - 'continue'\n");
}

/* The first rule of a base chain lets the other family through; here that is what the jump asks. */
static void add_chains(struct str *s, const struct table *t, const struct shapes *shapes)
{
        if (t->n_chains)
                str_add(s, "chains:\n");
        for (size_t i = 0; i < t->n_chains; i++) {
                const struct chain *c = &t->chains[i];
                size_t from = c->type ? 1 : 0;

                if (cut_of(shapes, c)) {
                        add_chain(s, t, shapes, c, "", from, cut_of(shapes, c));
                        add_chain(s, t, shapes, c, "-last", cut_of(shapes, c), c->n_rules);
                } else {
                        add_chain(s, t, shapes, c, "", from, c->n_rules);
                }
        }
}

static void add_jump(struct str *s, const struct chain *c, const char *ending)
{
        str_add(s, "    - 'meta nfproto %s jump %s%s'\n", chain_family(c) == AF_INET ? "ipv4" : "ipv6", c->name, ending);
}

/* What becomes of what no rule speaks of; a family without a table lets everything pass. */
static void add_policy(struct str *s, const struct chain *c, int family, bool drops)
{
        if (drops != (c && c->drops))
                str_add(s, "    - 'meta nfproto %s %s'\n", family == AF_INET ? "ipv4" : "ipv6", c && c->drops ? "drop" : "accept");
}

static void add_places(struct str *s, const struct table *t, const struct shapes *shapes)
{
        static const int families[] = { AF_INET, AF_INET6 };

        str_add(s, "rules:\n");
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                const struct chain *chains[] = { chain_of(t, i, AF_INET), chain_of(t, i, AF_INET6) };
                bool cut = chains[0] && cut_of(shapes, chains[0]);

                if (!chains[0] && !chains[1] && !places[i].drops)
                        continue;
                str_add(s, "  %s:\n", places[i].place);
                for (size_t f = 0; f < ELEMENTS(families); f++) {
                        if (chains[f])
                                add_jump(s, chains[f], "");
                        if (!cut || f > 0)
                                add_policy(s, chains[f], families[f], places[i].drops);
                }
                if (cut) {
                        str_add(s, "  %s:\n", places[i].last);
                        add_jump(s, chains[0], "-last");
                        add_policy(s, chains[0], AF_INET, places[i].drops);
                }
        }
}

static int write_firewall(const struct table *t, const struct shapes *shapes, struct policy_files *ret)
{
        struct str s = {};

        str_add(&s, "# Imported. The name behind each rule is where it stood.\n"
                    "only-rules: true\nanti-spoofing: false\n\n");
        add_chains(&s, t, shapes);
        str_add(&s, "\n");
        add_places(&s, t, shapes);
        return add_file(ret, strdup("firewall.yaml"), &s);
}

static int write_host(const struct import_options *o, struct policy_files *ret)
{
        struct str s = {};

        str_add(&s, "# Imported: look at these before anything is made of them.\n");
        str_add(&s, "host: %s\nrelease: %s\n", o->host ? o->host : "imported", o->release ? o->release : "bookworm");
        str_add(&s, "bridge: { name: %s, ipv4: %s }\n", o->bridge ? o->bridge : "br0", o->network ? o->network : "10.0.0.1/24");
        str_add(&s, "storage: { backend: dir, path: /var/lib/infra }\n");
        return add_file(ret, strdup("host.yaml"), &s);
}

/* Zones for the interfaces that services name and translations leave by. */
static int write_zones(const struct shapes *shapes, const struct import_options *o, struct policy_files *ret)
{
        const char *bridge = o->bridge ? o->bridge : "br0";
        struct str s = {};

        str_add(&s, "zones:\n");
        for (size_t i = 0; shapes && i < SHAPE_ZONES; i++)
                if (*shapes->interfaces[i])
                        str_add(&s, "  %s: { interface: %s, translate: none }\n", zone_names[i], shapes->interfaces[i]);
        for (size_t i = 0; shapes && i < shapes->n_services; i++) {
                const struct shape_service *x = &shapes->services[i];
                bool known = !*x->interface || memcmp(x->interface, shapes->interfaces[0], 16) == 0 || memcmp(x->interface, shapes->interfaces[1], 16) == 0;

                for (size_t k = 0; k < i && !known; k++)
                        known = memcmp(x->interface, shapes->services[k].interface, 16) == 0;
                if (!known)
                        str_add(&s, "  at-%s: { interface: %s, translate: none }\n", x->interface, x->interface);
        }
        str_add(&s, "  bridge: { interface: %s, translate: none }\n", bridge);
        return add_file(ret, strdup("zones.yaml"), &s);
}

static void add_origin(struct str *s, const struct shapes *shapes, const struct shape_service *x)
{
        char text[ADDRESS_TEXT_MAX];

        for (size_t i = 0; *x->interface && i < SHAPE_ZONES; i++)
                if (memcmp(x->interface, shapes->interfaces[i], 16) == 0) {
                        str_add(s, "%s", zone_names[i]);
                        return;
                }
        if (*x->interface)
                str_add(s, "at-%s", x->interface);
        else
                str_add(s, "%s", address_is_set(&x->from) ? address_format(&x->from, text) : "any");
}

static bool same_port(const struct shape_service *a, const struct shape_service *b)
{
        return a->container == b->container && memcmp(&a->port, &b->port, sizeof(a->port)) == 0;
}

/* One line a port, with all who may reach it. */
static void add_services(struct str *s, const struct shapes *shapes, size_t container)
{
        bool any = false;

        for (size_t i = 0; i < shapes->n_services; i++) {
                const struct shape_service *x = &shapes->services[i];
                char text[ADDRESS_TEXT_MAX];
                bool first = x->container == container, more = false;

                for (size_t k = 0; k < i; k++)
                        first = first && !same_port(&shapes->services[k], x);
                if (!first)
                        continue;
                if (!any)
                        str_add(s, "services:\n");
                any = true;
                str_add(s, "  - { port: %s, from: [", ports_format(&x->port, text));
                for (size_t k = i; k < shapes->n_services; k++) {
                        if (!same_port(&shapes->services[k], x))
                                continue;
                        str_add(s, more ? ", " : "");
                        add_origin(s, shapes, &shapes->services[k]);
                        more = true;
                }
                str_add(s, "] }\n");
        }
}

static char *container_name(const struct address *a)
{
        return path_join("c-%u-%u-%u-%u", a->bytes[0], a->bytes[1], a->bytes[2], a->bytes[3]);
}

static int write_container(const struct shapes *shapes, size_t i, const struct import_options *o, struct policy_files *ret)
{
        const struct shape_container *c = &shapes->containers[i];
        _cleanup_free_ char *name = container_name(&c->internal);
        char text[ADDRESS_TEXT_MAX];
        struct str s = {};

        if (!name)
                return -ENOMEM;
        str_add(&s, "container: %s\nrelease: %s\naddresses: { internal: %s", name, o->release ? o->release : "bookworm",
                address_format_host(&c->internal, text));
        for (size_t z = 0; z < SHAPE_ZONES; z++)
                if (address_is_set(&c->public[z]))
                        str_add(&s, ", %s: %s", zone_names[z], address_format_host(&c->public[z], text));
        str_add(&s, " }\n");
        add_services(&s, shapes, i);
        return add_file(ret, path_join("containers/%s.yaml", name), &s);
}

int import_policy(const struct ruleset *r, const struct import_options *o, struct policy_files *ret, infra_error **reterr)
{
        CLEANUP(policy_files_done) struct policy_files files = {};
        CLEANUP(shapes_done) struct shapes shapes = { .table = &r->tables[0] };
        const struct shapes *found = o->only_rules ? NULL : &shapes;
        int x = o->only_rules ? 0 : shapes_find(r, &shapes);

        if (x >= 0)
                x = write_host(o, &files) < 0 || write_zones(found, o, &files) < 0 || write_firewall(&r->tables[0], found, &files) < 0 ? -ENOMEM : 0;
        for (size_t i = 0; found && x >= 0 && i < found->n_containers; i++)
                x = write_container(found, i, o, &files);
        if (x < 0)
                return infra_error_oom(reterr);
        *ret = files;
        files = (struct policy_files){};
        return 0;
}
