/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <infra/firewall.h>

#include <errno.h>

#include "facade/explain.h"
#include "facade/source.h"
#include "firewall/analyse/compare.h"

static const size_t memory_max = 512u << 20;

static json_t *texts(const struct strlist *l)
{
        json_t *j = json_array();

        for (size_t i = 0; i < l->n; i++)
                json_array_append_new(j, json_string(l->items[i]));
        return j;
}

static json_t *describe(const struct difference *d)
{
        _cleanup_free_ char *example = packet_text(&d->example);

        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "path", path_name(d->path), "packets", d->packets ? d->packets : "", "example",
                         example ? example : "", "comes_by", (const char *)d->example.fields[FIELD_IIFNAME], "leaves_by",
                         (const char *)d->example.fields[FIELD_OIFNAME], "if", d->if_atoms ? d->if_atoms : "", "a_says", d->a_says ? d->a_says : "",
                         "b_says", d->b_says ? d->b_says : "", "a", describe_trace(&d->a), "b", describe_trace(&d->b));
}

INFRA_PUBLIC int infra_firewall_equal(const char *a, const char *b, const char *profiles, unsigned most, char **ret_json, infra_error **reterr)
{
        static const char *const answers[] = { [ANSWER_EQUAL] = "equal", [ANSWER_DIFFERENT] = "different", [ANSWER_UNKNOWN] = "unknown" };
        _cleanup_source_ struct source one = {}, other = {};
        _cleanup_comparison_ struct comparison c = {};
        _cleanup_json_ json_t *j = NULL;
        json_t *differences;
        int r = source_load(a, NULL, profiles, &one, reterr);

        if (r >= 0)
                r = source_load(b, NULL, profiles, &other, reterr);
        if (r >= 0)
                r = ruleset_compare(one.ruleset, other.ruleset, most, memory_max, &c, reterr);
        if (r < 0)
                return r;
        differences = json_array();
        for (size_t i = 0; i < c.n_differences; i++)
                json_array_append_new(differences, describe(&c.differences[i]));
        j = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "answer", answers[c.answer], "a", a, "b", b, "differences", differences, "reasons", texts(&c.reasons),
                      "assumed", texts(&c.assumed));
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}
