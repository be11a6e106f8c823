/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inside of packet.h: a packet under way. */

#include "firewall/analyse/packet.h"

struct way {
        const struct ruleset *ruleset;
        const struct table *table;
        const struct routing *routing;
        struct packet p;
        bool bound;        /* this hook's translation is made */
        bool local;        /* its destination is the host itself, as routing says */
        struct trace *trace;
        unsigned depth;
        bool oom;
};

/* trace-match.c: whether every match of the rule is met; *ret_element of the set that decided. */
bool way_meets(struct way *w, const struct rule *r, const struct element **ret_element, const struct set **ret_set);
/* The element of a map for these fields; NULL when there is none. */
const struct element *way_look_up(const struct way *w, const char *name, const enum field *fields, size_t n, const struct set **ret_set);
bool way_sees(const struct way *w, enum field f);

/* trace-act.c: what a rule does beside its verdict; false: it ends there. */
bool way_act(struct way *w, const struct rule *r);
/* A translation that binds. */
void way_translate(struct way *w, const struct verdict *v, const struct element *e);
void way_assume(struct way *w, const struct rule *r, const char *what);
