/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The difference of two rulesets by meaning: sets compared element by element, whatever their order; rules of
 * a chain in order, since order matters. Comments count only where something else differs, too.
 */

#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "firewall/firewall.h"
#include "firewall/moment.h"

static void add_lines(struct str *s, char sign, const char *where, const char *name, const char *text, const char *comment)
{
        str_add(s, "%c %s %s: %s%s%s\n", sign, where, name, text, comment ? "   # " : "", comment ? comment : "");
}

/* What is new or gone as a whole is one line. */
static void add_whole(struct str *s, char sign, const char *what, const char *name, size_t n, const char *of)
{
        str_add(s, "%c %s %s: the whole of it, %zu %s\n", sign, what, name, n, of);
}

static void add_element(struct str *s, char sign, const struct set *set, const struct element *e)
{
        _cleanup_free_ char *text = element_line(set, e);

        add_lines(s, sign, set->data == DATA_NONE ? "set" : "map", set->name, text ? text : "?", e->comment);
}

/* Both sides are sorted by key. Either may be NULL. */
static void diff_set(struct str *s, const struct set *have, const struct set *want)
{
        size_t i = 0, k = 0, n_have = have ? have->n_elements : 0, n_want = want ? want->n_elements : 0;

        if ((have && have->runtime) || (want && want->runtime))
                return;
        while (i < n_have || k < n_want) {
                int r = i == n_have ? 1 : k == n_want ? -1 : element_compare(&have->elements[i], &want->elements[k]);

                if (r == 0 && !element_same_data(&have->elements[i], &want->elements[k])) {
                        add_element(s, '-', have, &have->elements[i]);
                        add_element(s, '+', want, &want->elements[k]);
                } else if (r < 0) {
                        add_element(s, '-', have, &have->elements[i]);
                } else if (r > 0) {
                        add_element(s, '+', want, &want->elements[k]);
                }
                i += r <= 0;
                k += r >= 0;
        }
}

static void diff_sets(struct str *s, const struct table *have, const struct table *want)
{
        for (size_t i = 0; have && i < have->n_sets; i++) {
                const struct set *other = want ? table_set(want, have->sets[i].name) : NULL;

                if (other && set_same_shape(&have->sets[i], other))
                        diff_set(s, &have->sets[i], other);
                else
                        add_whole(s, '-', have->sets[i].data == DATA_NONE ? "set" : "map", have->sets[i].name, have->sets[i].n_elements, "entries");
        }
        for (size_t i = 0; want && i < want->n_sets; i++) {
                const struct set *other = have ? table_set(have, want->sets[i].name) : NULL;

                if (other && set_same_shape(&want->sets[i], other))
                        continue;
                add_whole(s, '+', want->sets[i].data == DATA_NONE ? "set" : "map", want->sets[i].name, want->sets[i].n_elements, "entries");
                /* In a ruleset that is there already, what a new map opens is the news. */
                if (!other && have && have->n_chains)
                        diff_set(s, NULL, &want->sets[i]);
        }
}

static void texts_of(const struct chain *c, size_t first, struct strlist *ret)
{
        for (size_t i = first; c && i < c->n_rules; i++) {
                _cleanup_free_ char *text = rule_text(&c->rules[i]);

                strlist_add(ret, text ? text : "?");
        }
}

/*
 * Closed fences and bans are no difference, on whichever side the kernel's ruleset is. That nothing looks for them, because
 * the rules are gone, is one.
 */
static size_t diff_moment(struct str *s, char sign, const struct table *t, const struct chain *c)
{
        int standing = moment_standing(t->family, c);
        struct chain rules = {};

        if (standing == 0 && moment_wanted(t, c->name) && moment_rules(t->family, c->name, &rules) >= 0) {
                for (size_t i = 0; i < rules.n_rules; i++) {
                        _cleanup_free_ char *text = rule_text(&rules.rules[i]);

                        add_lines(s, sign, "chain", c->name, text ? text : "?", "of the moment");
                }
        }
        chain_done(&rules);
        return standing > 0 ? (size_t)standing : 0;
}

/* What is left between the common beginning, behind rules of the moment, and the common end. */
static void diff_chain(struct str *s, const struct table *of_have, const struct chain *have, const struct table *of_want, const struct chain *want)
{
        size_t skip_have = diff_moment(s, '+', of_have, have), skip_want = diff_moment(s, '-', of_want, want);
        _cleanup_strlist_ struct strlist a = {}, b = {};
        size_t first = 0, last = 0;

        texts_of(have, skip_have, &a);
        texts_of(want, skip_want, &b);
        while (first < a.n && first < b.n && streq(a.items[first], b.items[first]))
                first++;
        while (last < a.n - first && last < b.n - first && streq(a.items[a.n - 1 - last], b.items[b.n - 1 - last]))
                last++;
        for (size_t i = first; i < a.n - last; i++)
                add_lines(s, '-', "chain", have->name, a.items[i], have->rules[skip_have + i].comment);
        for (size_t i = first; i < b.n - last; i++)
                add_lines(s, '+', "chain", want->name, b.items[i], want->rules[skip_want + i].comment);
}

static void diff_chains(struct str *s, const struct table *have, const struct table *want)
{
        for (size_t i = 0; have && i < have->n_chains; i++) {
                const struct chain *c = &have->chains[i], *other = want ? table_chain(want, c->name) : NULL;

                if (other && chain_same_hook(c, other))
                        diff_chain(s, have, c, want, other);
                else if (other || !chain_is_idle(c))
                        add_whole(s, '-', c->drops ? "chain, policy drop," : "chain", c->name, c->n_rules, "rules");
        }
        for (size_t i = 0; want && i < want->n_chains; i++) {
                const struct chain *c = &want->chains[i], *other = have ? table_chain(have, c->name) : NULL;

                if (other ? !chain_same_hook(c, other) : !chain_is_idle(c))
                        add_whole(s, '+', c->drops ? "chain, policy drop," : "chain", c->name, c->n_rules, "rules");
        }
}

int ruleset_diff(const struct ruleset *have, const struct ruleset *want, char **ret, infra_error **reterr)
{
        struct str s = {};

        for (size_t i = 0; i < RULESET_TABLES; i++) {
                for (size_t k = 0; have && k < have->tables[i].unknown.n; k++)
                        str_add(&s, "- table " RULESET_TABLE ": %s\n", have->tables[i].unknown.items[k]);
                diff_sets(&s, have ? &have->tables[i] : NULL, want ? &want->tables[i] : NULL);
                diff_chains(&s, have ? &have->tables[i] : NULL, want ? &want->tables[i] : NULL);
        }
        *ret = str_take(&s);
        return *ret ? 0 : infra_error_oom(reterr);
}
