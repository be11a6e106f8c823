/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Of two openings one of which contains the other the wider is enough, and the kernel refuses the narrower.
 * Only elements that agree in all fields that are never a range can contain each other, so elements are looked
 * at in groups of those: otherwise each would be compared with each.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/ruleset.h"

/* An element and the fields of it that are no range in any element of the set, the rest zero. */
struct place {
        struct element *element;
        uint8_t fixed[RULESET_KEY_MAX];
};

static bool is_range(const struct element *e, unsigned at, unsigned size)
{
        return memcmp(e->key + at, e->key_end + at, size) != 0;
}

static void place_all(const struct set *s, struct place *places)
{
        for (size_t i = 0; i < s->n_elements; i++)
                places[i].element = &s->elements[i];
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

        return r ? r : element_compare(x->element, y->element);
}

/* Whether every key of @b is a key of @a: true of each field. */
static bool covers(const struct set *s, const struct element *a, const struct element *b)
{
        for (size_t i = 0; i < s->n_fields; i++) {
                unsigned at = set_field_offset(s, i), size = field_type(s->fields[i])->size;

                if (memcmp(a->key + at, b->key + at, size) > 0 || memcmp(a->key_end + at, b->key_end + at, size) < 0)
                        return false;
        }
        return true;
}

/* One group. No two elements are the same, so that of two only one can cover the other. */
static int mark_covered(const struct set *s, struct place *group, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct element *by = NULL;

                for (size_t k = 0; k < n && !by; k++)
                        if (k != i && covers(s, group[k].element, group[i].element))
                                by = group[k].element;
                group[i].element->covered = by != NULL;
                if (by && element_merge(by, group[i].element) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void remove_covered(struct set *s)
{
        size_t n = 0;

        for (size_t i = 0; i < s->n_elements; i++) {
                if (s->elements[i].covered)
                        free(s->elements[i].comment);
                else
                        s->elements[n++] = s->elements[i];
        }
        s->n_elements = n;
}

int set_drop_covered(struct set *s)
{
        struct place *places;
        int r = 0;

        if (!s->interval || s->n_elements < 2)
                return 0;
        places = calloc(s->n_elements, sizeof(*places));
        if (!places)
                return -ENOMEM;
        place_all(s, places);
        qsort(places, s->n_elements, sizeof(*places), compare);
        for (size_t from = 0, to; r >= 0 && from < s->n_elements; from = to) {
                for (to = from + 1; to < s->n_elements; to++)
                        if (memcmp(places[from].fixed, places[to].fixed, sizeof(places[from].fixed)) != 0)
                                break;
                r = mark_covered(s, places + from, to - from);
        }
        free(places);
        if (r >= 0)
                remove_covered(s);
        return r;
}
