/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* liblxc's handle with our ownership, and its way of saying why something failed. */

#include <lxc/lxccontainer.h>

#include "container/container.h"

typedef struct lxc_container *handle;

static inline void handle_putp(handle *c)
{
        if (*c)
                lxc_container_put(*c);
}
#define _cleanup_handle_ CLEANUP(handle_putp)

/* A handle on (lxc path, name); the container need not exist. */
int handle_open(const char *lxc_path, const char *name, handle *ret, infra_error **reterr);
/* The same, refusing absent (-ENOENT) and foreign (-EPERM) ones. */
int handle_open_managed(const char *lxc_path, const char *name, handle *ret, infra_error **reterr);

/* Path of the file liblxc logs its errors to, allocated; our configurations name it. */
char *reason_path(const char *lxc_path, const char *name);
/* Forgets earlier reasons. */
void reason_clear(const char *lxc_path, const char *name);
/* Sets "what: first ERROR line of liblxc's log"; returns code. */
int reason_set(infra_error **reterr, int code, const char *lxc_path, const char *name, const char *what);

/* Whether the configuration carries our mark. */
bool mark_is_set(const char *lxc_path, const char *name);
