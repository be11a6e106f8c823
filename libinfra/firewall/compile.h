/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of the compilation. Functions that make return NULL or -ENOMEM when memory is out. */

#include "estate/estate.h"
#include "firewall/ruleset.h"

struct match *match_value(struct rule *r, enum field f, const void *value, size_t size);
struct match *match_interface(struct rule *r, enum field f, const char *name);
struct match *match_protocol(struct rule *r, uint8_t protocol);
struct match *match_network(struct rule *r, enum field f, const struct address *a);
struct match *match_set(struct rule *r, const char *set, const enum field *fields, size_t n);
struct match *match_state(struct rule *r, uint32_t bits);

/* ICMP that must pass. */
int compile_icmp(struct table *t, struct chain *c);

/* A set of single bytes: types of ICMP. */
int compile_bytes(struct table *t, const char *name, enum field f, const uint8_t *values, size_t n);
/* Makes chain @name when it is missing. */
struct chain *compile_chain(struct table *t, const char *name, const char *type, unsigned hook, int priority, bool drops);

/* rules.c: named sets, chains and rules of firewall.yaml; mistakes go to @diags. */
int rules_add_sets(struct table *t, const infra_estate *e);
int rules_add_chains(struct table *t, const infra_estate *e, infra_diags *diags);
int rules_add(struct table *t, struct chain *c, const infra_estate *e, enum rule_place p, infra_diags *diags);
/* The places that have chains of their own. */
int rules_add_places(struct table *t, const infra_estate *e, infra_diags *diags);
bool rules_has(const infra_estate *e, enum rule_place p);

/* guard.c: what is banned, and who lies about where he comes from. */
int guard_add(struct table *t, const infra_estate *e);
int guard_add_bridge(struct table *t, const infra_estate *e);

/* limit.c: rates of services, what is logged, rates of ICMP. @c: "input" or "forward". */
int limit_add_icmp(struct table *t, struct chain *c, const infra_estate *e);
int limit_add_services(struct table *t, struct chain *c, const infra_estate *e, bool host);
int limit_add_dropped(struct chain *c, const infra_estate *e);

/* bridge.c: what the bridge switches between containers. */
int bridge_add_chains(struct table *t, const infra_estate *e);
int bridge_add_opening_drop(struct chain *c);

/* lifeline.c: what a fenced container may still reach: package proxy or mirror, resolvers. */
int lifeline_add(struct table *t, const infra_estate *e);

/* nat.c: 1:1 addresses, public ports, masquerade, hairpin. */
int nat_add_maps(struct table *t, const infra_estate *e);
int nat_add_chains(struct table *t, const infra_estate *e, infra_diags *diags);
