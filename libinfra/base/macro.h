/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cleanup attributes and ownership transfer, as in systemd and c-util. */

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define INFRA_PUBLIC __attribute__((visibility("default")))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CLEANUP(f) __attribute__((cleanup(f)))
#define UNUSED __attribute__((unused))
#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The value of a pointer variable, which becomes NULL: ownership moves to the reader. */
#define TAKE_PTR(p)                    \
        __extension__({                \
                __typeof__(p) *_p = &(p); \
                __typeof__(p) _v = *_p;   \
                *_p = NULL;            \
                _v;                    \
        })
#define TAKE_FD(fd)          \
        __extension__({      \
                int *_p = &(fd); \
                int _v = *_p;    \
                *_p = -1;    \
                _v;          \
        })

/* Defines cleanup function name##p for a destructor that takes and returns a pointer. */
#define DEFINE_CLEANUP(type, func)                   \
        static inline void func##p(type *p)          \
        {                                            \
                if (*p)                              \
                        func(*p);                    \
        }                                            \
        struct func##_cleanup_defined

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

#define _cleanup_free_ CLEANUP(freep)
#define _cleanup_close_ CLEANUP(closep)
