/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A packet as people write it, and what becomes of it, as JSON. */

#include "facade/explain.h"

#include <infra/firewall.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "facade/flow.h"

static int set_state(struct flow *f, const char *state, infra_error **reterr)
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
                        f->state = states[i].bit;
                        return 0;
                }
        return infra_error_set(reterr, -EINVAL, "'%s' is none of new, established, related, invalid, untracked", state);
}

static bool is_known(const infra_estate *e, const char *interface)
{
        bool known = streq(interface, e->host.bridge) || streq(interface, "lo");

        for (size_t i = 0; i < e->n_zones; i++)
                known = known || (e->zones[i].interface && streq(e->zones[i].interface, interface));
        return known;
}

static const char *near_zone(const infra_estate *e, const char *text)
{
        const char *names[256];
        size_t n = 0;

        if (!e || is_known(e, text))
                return NULL;
        for (size_t i = 0; i < e->n_zones && n < ELEMENTS(names); i++)
                names[n++] = e->zones[i].name;
        return str_nearest(text, names, n);
}

/* A mistyped zone must not pass for an interface without a word. */
static int tell_strange(const struct source *s, const char *interface, struct trace *t)
{
        _cleanup_free_ char *text = NULL;

        if (!interface || !s->estate || estate_zone(s->estate, interface) || is_known(s->estate, interface))
                return 0;
        text = path_join("%s is no zone, so it is taken for the name of an interface", interface);
        return text ? strlist_add(&t->assumed, text) : -ENOMEM;
}

/* A zone's interface, or the interface itself. */
static int set_interface(const struct source *s, const char *text, const char **ret, infra_error **reterr)
{
        const struct zone *z = text && s->estate ? estate_zone(s->estate, text) : NULL;
        const char *near = text && !z ? near_zone(s->estate, text) : NULL;

        *ret = z ? z->interface : text;
        if (z && !z->interface)
                return infra_error_set(reterr, -EINVAL, "zone %s has no interface", text);
        if (near)
                return infra_error_set(reterr, -EINVAL, "'%s' is no zone; did you mean '%s'?", text, near);
        if (text && strlen(*ret) > 15)
                return infra_error_set(reterr, -EINVAL, "'%s' is no zone and too long for an interface", text);
        return 0;
}

/* Without routes: what has a way out is forwarded, all else is taken for the host's own. */
static int find_packet(const struct source *s, const struct infra_packet *what, struct packet *ret, enum path *ret_path, infra_error **reterr)
{
        struct flow f;
        int r = flow_parse(what->packet, s->estate, &f, reterr);

        if (r >= 0)
                r = set_state(&f, what->state, reterr);
        if (r >= 0)
                r = set_interface(s, what->from, &f.in, reterr);
        if (r >= 0)
                r = set_interface(s, what->to, &f.out, reterr);
        if (r >= 0)
                r = flow_packet(&f, s, ret, ret_path, reterr);
        ret->follows = f.state == STATE_BIT_ESTABLISHED;
        if (r >= 0 && !s->routed)
                *ret_path = f.out ? PATH_THROUGH : PATH_TO_HOST;
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
        json_t *steps = json_array(), *assumed = json_array(), *nat = json_array();

        for (size_t i = 0; i < t->n_steps; i++) {
                json_array_append_new(steps, describe_step(&t->steps[i]));
                if (t->steps[i].rule && t->steps[i].rule->verdict.kind >= VERDICT_DNAT)
                        json_array_append_new(nat, json_string(t->steps[i].says));
        }
        for (size_t i = 0; i < t->assumed.n; i++)
                json_array_append_new(assumed, json_string(t->assumed.items[i]));
        return json_pack("{s:s,s:s,s:s,s:b,s:o,s:s,s:o,s:o,s:s}", "verdict", fate_name(t->fate), "path", path_name(t->path), "after", after ? after : "",
                         "masqueraded", (int)t->masqueraded, "nat", nat, "leaves_by", (const char *)t->after.fields[FIELD_OIFNAME], "steps", steps, "assumed",
                         assumed, "unknown", t->unknown ? t->unknown : "");
}

static bool was_translated(const struct trace *t)
{
        for (size_t i = 0; i < t->n_steps; i++)
                if (t->steps[i].rule && (t->steps[i].rule->verdict.kind == VERDICT_DNAT || t->steps[i].rule->verdict.kind == VERDICT_DNAT_PORT))
                        return true;
        return false;
}

/* Where nothing is known of routes, a packet that gets another destination is forwarded, others are for the host; both is told. */
static int follow(const struct source *s, const struct packet *p, enum path path, const char *to, struct trace *ret)
{
        static const char here[] = "nothing is known of routes (--policy DIR): taken for a packet to the host itself; --to says where it leaves";
        static const char on[] = "nothing is known of routes (--policy DIR): forwarded, since it is translated; --to says by which interface";
        int r = trace_packet(s->ruleset, p, path, s->routed ? &s->routing : NULL, ret);

        if (r < 0 || s->routed || to)
                return r;
        if (!was_translated(ret))
                return strlist_add(&ret->assumed, here);
        trace_done(ret);
        r = trace_packet(s->ruleset, p, PATH_THROUGH, NULL, ret);
        return r < 0 ? r : strlist_add(&ret->assumed, on);
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
                r = find_packet(&s, what, &p, &path, reterr);
        if (r < 0)
                return r;
        if (follow(&s, &p, path, what->to, &t) < 0 || tell_strange(&s, what->from, &t) < 0 ||
            tell_strange(&s, what->to, &t) < 0)
                return infra_error_oom(reterr);
        before = packet_text(&p);
        j = describe_trace(&t);
        json_object_set_new(j, "packet", json_string(before ? before : ""));
        json_object_set_new(j, "comes_by", json_string((const char *)p.fields[FIELD_IIFNAME]));
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}
