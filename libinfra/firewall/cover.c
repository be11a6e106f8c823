/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Openings that say the same in part: 10.0.0.0/8 to ports 20-30 and 10.1.0.0/16 to ports 25-40. The kernel takes no
 * element that begins or ends within another, so each key is left to the wider one: what another element contains
 * goes, what reaches out of it is cut. Both policy lines then stand in the comment of the one that stays.
 *
 * Networks contain each other or have nothing in common; only ports, the last field, overlap in part. Elements can
 * only meet when they agree in all fields that are never a range, so they are looked at in groups of those, sorted
 * by their first port: otherwise each would be compared with each.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/macro.h"
#include "firewall/ruleset.h"

enum { PORT_SIZE = 2 };

/* An element, the fields of it that are no range in any element of the set (the rest zero), and its first port. */
struct place {
        struct element *element;
        uint8_t fixed[RULESET_KEY_MAX];
        unsigned first; /* before anything was cut off */
};

/* Cut pieces that need an element of their own. */
struct pieces {
        struct element *items;
        size_t n;
};

static unsigned port_offset(const struct set *s)
{
        return set_field_offset(s, s->n_fields - 1);
}

static unsigned port_get(const uint8_t *key, unsigned at)
{
        return (unsigned)key[at] << 8 | key[at + 1];
}

static void port_set(uint8_t *key, unsigned at, unsigned port)
{
        key[at] = (uint8_t)(port >> 8);
        key[at + 1] = (uint8_t)port;
}

static bool is_range(const struct element *e, unsigned at, unsigned size)
{
        return memcmp(e->key + at, e->key_end + at, size) != 0;
}

static void place_all(const struct set *s, struct place *places)
{
        for (size_t i = 0; i < s->n_elements; i++) {
                places[i].element = &s->elements[i];
                places[i].first = port_get(s->elements[i].key, port_offset(s));
        }
        for (size_t f = 0; f < s->n_fields; f++) {
                unsigned at = set_field_offset(s, f), size = field_type(s->fields[f])->size;
                bool ranged = false;

                for (size_t i = 0; i < s->n_elements && !ranged; i++)
                        ranged = is_range(&s->elements[i], at, size);
                for (size_t i = 0; i < s->n_elements && !ranged; i++)
                        memcpy(places[i].fixed + at, s->elements[i].key + at, size);
        }
}

static int compare(const void *a, const void *b)
{
        const struct place *x = a, *y = b;
        int r = memcmp(x->fixed, y->fixed, sizeof(x->fixed));

        if (r == 0)
                r = x->first < y->first ? -1 : x->first > y->first;
        return r ? r : element_compare(x->element, y->element);
}

/* Whether @a contains @b in every field but the last. */
static bool is_wider(const struct set *s, const struct element *a, const struct element *b)
{
        for (size_t i = 0; i + 1 < s->n_fields; i++) {
                unsigned at = set_field_offset(s, i), size = field_type(s->fields[i])->size;

                if (memcmp(a->key + at, b->key + at, size) > 0 || memcmp(a->key_end + at, b->key_end + at, size) < 0)
                        return false;
        }
        return true;
}

static int add_piece(struct pieces *p, const struct element *of, unsigned at, unsigned first)
{
        struct element *piece = ARRAY_ADD(p->items, p->n);

        if (!piece)
                return -ENOMEM;
        *piece = *of;
        port_set(piece->key, at, first);
        piece->comment = of->comment ? strdup(of->comment) : NULL;
        return of->comment && !piece->comment ? -ENOMEM : 0;
}

/* Takes the ports of @wide, which meet those of @e, from @e. */
static int cut(struct element *e, struct element *wide, unsigned at, struct pieces *pieces)
{
        unsigned first = port_get(wide->key, at), last = port_get(wide->key_end, at);
        bool before = port_get(e->key, at)<first, after = port_get(e->key_end, at)> last;
        int r = before && after ? add_piece(pieces, e, at, last + 1) : 0;

        if (r < 0)
                return r;
        if (before)
                port_set(e->key_end, at, first - 1);
        else if (after)
                port_set(e->key, at, last + 1);
        else
                e->covered = true;
        return element_merge(wide, e);
}

static int settle(const struct set *s, struct element *a, struct element *b, struct pieces *pieces)
{
        unsigned at = port_offset(s);
        bool a_wider = is_wider(s, a, b), b_wider = is_wider(s, b, a);
        bool longer =
                port_get(b->key, at) <= port_get(a->key, at) && port_get(b->key_end, at) >= port_get(a->key_end, at);

        if (port_get(b->key, at) > port_get(a->key_end, at) || port_get(a->key, at) > port_get(b->key_end, at))
                return 0;
        if (b_wider && (!a_wider || longer))
                return cut(a, b, at, pieces);
        return a_wider ? cut(b, a, at, pieces) : 0;
}

/* One group: only those whose first port comes before the last one of @i's can meet it. */
static int settle_group(const struct set *s, struct place *group, size_t n, struct pieces *pieces)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct element *e = group[i].element;

                for (size_t k = i + 1; r >= 0 && k < n && !e->covered; k++) {
                        if (group[k].first > port_get(e->key_end, port_offset(s)))
                                break;
                        if (!group[k].element->covered)
                                r = settle(s, e, group[k].element, pieces);
                }
        }
        return r;
}

static int settle_all(const struct set *s, struct pieces *pieces)
{
        _cleanup_free_ struct place *places = calloc(s->n_elements, sizeof(*places));
        int r = 0;

        if (!places)
                return -ENOMEM;
        place_all(s, places);
        qsort(places, s->n_elements, sizeof(*places), compare);
        for (size_t from = 0, to; r >= 0 && from < s->n_elements; from = to) {
                for (to = from + 1; to < s->n_elements; to++)
                        if (memcmp(places[from].fixed, places[to].fixed, sizeof(places[from].fixed)) != 0)
                                break;
                r = settle_group(s, places + from, to - from, pieces);
        }
        return r;
}

static void remove_covered(struct set *s)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n_elements; i++) {
                if (s->elements[i].covered)
                        element_done(&s->elements[i]);
                else
                        s->elements[n++] = s->elements[i];
        }
        s->n_elements = n;
}

/* The pieces into the set, to which they belong from then on. */
static int add_pieces(struct set *s, struct pieces *pieces)
{
        for (; pieces->n > 0; pieces->n--) {
                struct element *e = ARRAY_ADD(s->elements, s->n_elements);

                if (!e)
                        return -ENOMEM;
                *e = pieces->items[pieces->n - 1];
        }
        return 0;
}

/* The key that follows; false at the end of all. */
static bool follows(const uint8_t *end, const uint8_t *key, unsigned size)
{
        uint8_t next[16];

        memcpy(next, end, size);
        for (unsigned i = size; i-- > 0;)
                if (++next[i] != 0)
                        return memcmp(next, key, size) == 0;
        return false;
}

/* Intervals of one field that overlap or touch are one. Sorted by their beginnings. */
static int merge_intervals(struct set *s)
{
        unsigned size = field_type(s->fields[0])->size;
        size_t n = 0;

        for (size_t i = 1; i < s->n_elements; i++) {
                struct element *last = &s->elements[n], *e = &s->elements[i];

                if (memcmp(e->key, last->key_end, size) > 0 && !follows(last->key_end, e->key, size)) {
                        s->elements[++n] = *e;
                        continue;
                }
                if (element_merge(last, e) < 0)
                        return -ENOMEM;
                if (memcmp(e->key_end, last->key_end, size) > 0)
                        memcpy(last->key_end, e->key_end, size);
                element_done(e);
        }
        s->n_elements = s->n_elements ? n + 1 : 0;
        return 0;
}

int set_disjoin(struct set *s)
{
        bool again = s->interval && field_type(s->fields[s->n_fields - 1])->size == PORT_SIZE;
        int r = 0;

        if (s->interval && s->n_fields == 1 && s->data == DATA_NONE)
                return set_sort(s) < 0 ? -ENOMEM : merge_intervals(s);
        while (r >= 0 && again && s->n_elements > 1) {
                struct pieces pieces = {};

                r = settle_all(s, &pieces);
                remove_covered(s);
                /* A piece may meet elements that were looked at before it came up. */
                again = pieces.n > 0;
                if (r >= 0 && again)
                        r = add_pieces(s, &pieces);
                for (size_t i = 0; i < pieces.n; i++)
                        free(pieces.items[i].comment);
                free(pieces.items);
        }
        return r < 0 ? r : set_sort(s);
}
