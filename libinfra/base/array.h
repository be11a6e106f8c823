/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Growing arrays as a pointer and a count side by side (items, n_items): the count alone decides when to
 * grow (at powers of two), so that the struct needs no third member.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more zeroed element of @size bytes behind @n; returns the new block or NULL (the old one stays). */
static inline void *array_room(void *items, size_t n, size_t size)
{
        char *block = items;

        if (n == 0 || (n & (n - 1)) == 0) {
                size_t room = n ? n * 2 : 1;

                block = reallocarray(items, room, size);
                if (!block)
                        return NULL;
        }
        memset(block + n * size, 0, size);
        return block;
}

/* Appends a zeroed element; evaluates to its address, or NULL when memory is out. */
#define ARRAY_ADD(items, n)                                              \
        __extension__({                                                  \
                void *_block = array_room((items), (n), sizeof(*(items))); \
                if (_block)                                              \
                        (items) = _block;                                \
                _block ? &(items)[(n)++] : NULL;                         \
        })
