/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Both rulesets become one function each, from a packet to what becomes of it, per family and way; where the two differ
 * is a function, too. Outcomes are looked at twice, once for the source alone: so ten thousand translated destinations
 * and ten thousand translated sources are not their product.
 */

#include "firewall/analyse/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "firewall/analyse/compare-box.h"
#include "firewall/analyse/compare-course.h"
#include "firewall/analyse/compare-says.h"

enum { OP_PAIR = 0xfe000000u, BOXES_MAX = 4, PAIRS_MAX = 1000 };

/* A difference before those that say the same of several ways are one. */
struct draft {
        unsigned paths;
        int family;
        char *packets, *a_says, *b_says, *limits;
        struct packet example;
};

struct work {
        const struct ruleset *a, *b;
        size_t most;
        struct draft *drafts;
        size_t n_drafts;
        struct comparison *ret;
        bool more;
        bool failed; /* out of memory */
};

void comparison_done(struct comparison *c)
{
        for (size_t i = 0; i < c->n_differences; i++) {
                struct difference *d = &c->differences[i];

                free(d->packets);
                free(d->a_says);
                free(d->b_says);
                free(d->if_atoms);
                trace_done(&d->a);
                trace_done(&d->b);
        }
        free(c->differences);
        strlist_done(&c->reasons);
        strlist_done(&c->assumed);
        *c = (struct comparison){};
}

static void draft_done(struct draft *d)
{
        free(d->packets);
        free(d->a_says);
        free(d->b_says);
        free(d->limits);
}

/* Where both come to the same, FN_FALSE; elsewhere a leaf that is both. */
static fn pair(struct space *s, fn a, fn b)
{
        const struct diagram_node *x, *y;
        uint32_t level;
        fn low, high, r;

        if (s->d.failed || s->failed || a == b)
                return FN_FALSE;
        if (diagram_is_leaf(&s->d, a) && diagram_is_leaf(&s->d, b))
                return end_leaf(s, END_PAIR, a, b);
        if (diagram_recall(&s->d, a, b, OP_PAIR, &r))
                return r;
        x = &s->d.nodes[a];
        y = &s->d.nodes[b];
        level = x->level < y->level ? x->level : y->level;
        low = pair(s, x->level == level ? x->low : a, y->level == level ? y->low : b);
        x = &s->d.nodes[a];
        y = &s->d.nodes[b];
        high = pair(s, x->level == level ? x->high : a, y->level == level ? y->high : b);
        r = diagram_make(&s->d, level, low, high);
        diagram_remember(&s->d, a, b, OP_PAIR, r);
        return r;
}

struct leaves {
        uint8_t *seen;
        fn *items;
        size_t n_items;
        bool failed;
};

static void visit(const struct space *s, fn f, struct leaves *l)
{
        fn *leaf;

        if (l->seen[f / 8] & 1u << f % 8)
                return;
        l->seen[f / 8] |= (uint8_t)(1u << f % 8);
        if (!diagram_is_leaf(&s->d, f)) {
                visit(s, s->d.nodes[f].low, l);
                visit(s, s->d.nodes[f].high, l);
                return;
        }
        leaf = ARRAY_ADD(l->items, l->n_items);
        l->failed = l->failed || !leaf;
        if (leaf)
                *leaf = f;
}

/* All leaves of @f in the order of the packets; to be freed. */
static fn *leaves_of(struct space *s, fn f, size_t *ret_n)
{
        struct leaves l = { .seen = calloc(s->d.n_nodes / 8 + 1, 1) };

        if (l.seen)
                visit(s, f, &l);
        s->failed = s->failed || !l.seen || l.failed;
        free(l.seen);
        *ret_n = l.n_items;
        return l.items;
}

static bool is_open(const struct space *s, fn bit)
{
        return !diagram_is_leaf(&s->d, bit) && space_atom_at(s, s->d.nodes[bit].level);
}

/* Packets that two changes make different: a translation to the address that is there already is none. */
static fn change_differs(struct space *s, uint32_t a, uint32_t b)
{
        const uint32_t changes[] = { a, b };
        fn r = FN_FALSE;

        for (size_t k = 0; k < ELEMENTS(changes); k++) {
                size_t n = 0;

                change_moves(s, changes[k], &n);
                for (size_t i = 0; i < n && r != FN_TRUE; i++) {
                        uint32_t level = change_moves(s, changes[k], &n)[i].level;
                        fn x = change_bit(s, a, level), y = change_bit(s, b, level);

                        /* Two numbers that nobody knows are not asked whether they happen to be the same. */
                        if (x != y)
                                r = is_open(s, x) || is_open(s, y) ? FN_TRUE : diagram_or(&s->d, r, diagram_choose(&s->d, x, diagram_not(&s->d, y), y));
                }
        }
        return r;
}

/* Where the two ends differ in that aspect: FN_FALSE nowhere. */
static fn ends_differ(struct space *s, fn a, fn b, enum aspect aspect)
{
        struct end x = end_of(s, a), y = end_of(s, b);

        if (x.kind == END_UNKNOWN || y.kind == END_UNKNOWN)
                return FN_FALSE;
        if (x.kind != y.kind || x.argument != y.argument)
                return aspect == ASPECT_OTHER;
        return change_differs(s, x.change, y.change);
}

static char *packets_text(struct space *s, fn packets, fn all)
{
        _cleanup_str_ struct str text = {};
        struct box b;

        for (int i = 0; packets != FN_FALSE && i < BOXES_MAX && !s->d.failed; i++) {
                box_take(s, packets, all, &b);
                str_add(&text, "%s", i ? "; " : "");
                box_describe(s, &b, &text);
                packets = diagram_and(&s->d, packets, diagram_not(&s->d, b.packets));
        }
        if (packets != FN_FALSE)
                str_add(&text, "; and more");
        return str_take(&text);
}

static int add_draft(struct work *w, struct space *s, enum path path, fn packets, fn all, fn a, fn b)
{
        struct draft d = { .paths = 1u << path, .family = s->family }, *to;
        _cleanup_str_ struct str limits = {};

        d.packets = packets_text(s, packets, all);
        d.a_says = end_says(s, a);
        d.b_says = end_says(s, b);
        /* Not of the largest box: a packet of some other may be one that can be tried. */
        if (!s->d.failed)
                packets_example(s, packets, &d.example, &limits);
        d.limits = str_take(&limits);
        for (size_t i = 0; d.packets && d.a_says && d.b_says && i < w->n_drafts; i++) {
                struct draft *o = &w->drafts[i];

                if (o->family != d.family || !streq(o->packets, d.packets) || !streq(o->a_says, d.a_says) || !streq(o->b_says, d.b_says))
                        continue;
                o->paths |= d.paths;
                draft_done(&d);
                return 0;
        }
        to = d.packets && d.a_says && d.b_says && d.limits ? ARRAY_ADD(w->drafts, w->n_drafts) : NULL;
        if (!to) {
                draft_done(&d);
                return -ENOMEM;
        }
        *to = d;
        return 0;
}

static void add_unknown(struct work *w, struct space *s, fn f, fn all)
{
        size_t n = 0;
        fn *leaves = leaves_of(s, diagram_choose(&s->d, all, f, FN_FALSE), &n);

        for (size_t i = 0; i < n; i++) {
                struct end e = end_of(s, leaves[i]);

                if (leaves[i] <= FN_TRUE || e.kind != END_UNKNOWN || strlist_contains(&w->ret->reasons, s->texts.items[e.argument]))
                        continue;
                w->failed = w->failed || strlist_add(&w->ret->reasons, s->texts.items[e.argument]) < 0;
        }
        free(leaves);
}

static void compare_aspect(struct work *w, struct course *a, struct course *b, enum path path, enum aspect aspect)
{
        struct space *s = a->space;
        fn all = space_packets(s, path), x = course_path(a, path, aspect), y = course_path(b, path, aspect), pairs, *leaves;
        size_t n = 0, limit = w->most ? w->most * 2 + PAIRS_MAX / 10 : PAIRS_MAX;

        add_unknown(w, s, x, all);
        add_unknown(w, s, y, all);
        pairs = diagram_choose(&s->d, all, pair(s, x, y), FN_FALSE);
        leaves = leaves_of(s, pairs, &n);
        for (size_t i = 0; i < n && !s->d.failed && !s->failed; i++) {
                struct end e = end_of(s, leaves[i]);
                fn differs, where;

                if (leaves[i] <= FN_TRUE || e.kind != END_PAIR)
                        continue;
                differs = ends_differ(s, e.argument, e.change, aspect);
                if (differs == FN_FALSE)
                        continue;
                if (w->n_drafts >= limit) {
                        w->more = true;
                        break;
                }
                where = diagram_and(&s->d, diagram_where(&s->d, pairs, leaves[i]), differs);
                if (diagram_and(&s->d, where, s->possible) == FN_FALSE)
                        continue;
                if (where != FN_FALSE && add_draft(w, s, path, where, all, e.argument, e.change) < 0)
                        w->failed = true;
        }
        free(leaves);
}

static bool has_chains(const struct ruleset *r, size_t table)
{
        return r->tables[table].n_chains > 0;
}

static int compare_family(struct work *w, int family, const struct names *names, size_t memory)
{
        bool bridge = has_chains(w->a, 1) && has_chains(w->b, 1), before = false, behind = false;
        struct space s;
        struct course a = {}, b = {};
        int r = space_init(&s, family, names, memory);

        r = r < 0 ? r : course_init(&a, &s, w->a, &w->ret->assumed);
        r = r < 0 ? r : course_init(&b, &s, w->b, &w->ret->assumed);
        a.fib_later = b.fib_later = a.fib_later || b.fib_later;
        course_marks(w->a, &before, &behind);
        course_marks(w->b, &before, &behind);
        a.routed = b.routed = before && behind;
        for (enum path p = 0; r >= 0 && p <= PATH_SWITCHED && !s.d.failed && !s.failed; p++) {
                if (p == PATH_SWITCHED ? !bridge : family == AF_UNSPEC)
                        continue;
                s.bridge = p == PATH_SWITCHED;
                compare_aspect(w, &a, &b, p, ASPECT_OTHER);
                compare_aspect(w, &a, &b, p, ASPECT_SOURCE);
        }
        if (r >= 0 && s.d.failed && strlist_add(&w->ret->reasons, "the comparison needs more memory than it may take") < 0)
                r = -ENOMEM;
        if (s.failed || w->failed)
                r = -ENOMEM;
        course_done(&a);
        course_done(&b);
        space_done(&s);
        return r;
}

static int by_text(const void *a, const void *b)
{
        const struct draft *x = a, *y = b;
        size_t n = strlen(x->packets), m = strlen(y->packets);
        int r = n != m ? (n < m ? -1 : 1) : strcmp(x->packets, y->packets);

        r = r ? r : x->family - y->family;
        r = r ? r : (int)x->paths - (int)y->paths;
        r = r ? r : strcmp(x->a_says, y->a_says);
        return r ? r : strcmp(x->b_says, y->b_says);
}

static const char *family_word(int family)
{
        return family == AF_INET ? "IPv4" : family == AF_INET6 ? "IPv6" : "neither IPv4 nor IPv6";
}

/* "to-host and through, IPv4: tcp to any port 25" without what is plain: the first way is a member of its own. */
static char *whole_text(const struct draft *d)
{
        static const char *const words[WAYS] = { "to the host", "through", "from the host", "switched" };
        struct str s = {};
        bool first = true;

        str_add(&s, "%s ", family_word(d->family));
        for (enum path p = 0; p <= PATH_SWITCHED; p++)
                if (d->paths & 1u << p) {
                        str_add(&s, "%s%s", first ? "" : ", ", words[p]);
                        first = false;
                }
        str_add(&s, ": %s", d->packets);
        return str_take(&s);
}

static int give(struct work *w)
{
        size_t n = w->most && w->most < w->n_drafts ? w->most : w->n_drafts;

        if (w->n_drafts)
                qsort(w->drafts, w->n_drafts, sizeof(*w->drafts), by_text);
        for (size_t i = 0; i < n; i++) {
                struct draft *d = &w->drafts[i];
                struct difference *to = ARRAY_ADD(w->ret->differences, w->ret->n_differences);

                if (!to)
                        return -ENOMEM;
                while (!(d->paths & 1u << to->path))
                        to->path++;
                to->packets = whole_text(d);
                to->example = d->example;
                to->a_says = TAKE_PTR(d->a_says);
                to->b_says = TAKE_PTR(d->b_says);
                to->if_atoms = *d->limits ? TAKE_PTR(d->limits) : NULL;
                if (!to->packets || trace_packet(w->a, &to->example, to->path, NULL, &to->a) < 0 ||
                    trace_packet(w->b, &to->example, to->path, NULL, &to->b) < 0)
                        return -ENOMEM;
        }
        if (w->more && strlist_add(&w->ret->assumed, "there are more differences than are told") < 0)
                return -ENOMEM;
        return 0;
}

static int compare(struct work *w, size_t memory)
{
        static const int families[] = { AF_INET, AF_INET6, AF_UNSPEC };
        struct names names = {};
        int r = compare_assumptions(w->a, w->b, w->ret);

        r = r < 0 ? r : names_collect(&names, w->a, w->b);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(families); i++)
                r = compare_family(w, families[i], &names, memory);
        free(names.items);
        return r < 0 ? r : give(w);
}

int ruleset_compare(const struct ruleset *a, const struct ruleset *b, size_t most, size_t memory, struct comparison *ret, infra_error **reterr)
{
        struct work w = { .a = a, .b = b, .most = most, .ret = ret };
        int r;

        *ret = (struct comparison){};
        r = compare(&w, memory);
        for (size_t i = 0; i < w.n_drafts; i++)
                draft_done(&w.drafts[i]);
        free(w.drafts);
        if (r < 0) {
                comparison_done(ret);
                return infra_error_set(reterr, r, "cannot compare rulesets: %s", strerror(-r));
        }
        ret->answer = ret->reasons.n ? ANSWER_UNKNOWN : ret->n_differences ? ANSWER_DIFFERENT : ANSWER_EQUAL;
        return 0;
}
