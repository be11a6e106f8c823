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
/* The same, refusing one that does not run (-ENOTCONN) or is frozen (-EBUSY). */
int handle_open_running(const char *lxc_path, const char *name, handle *ret, infra_error **reterr);

/* Path of the file liblxc logs its errors to, allocated; our configurations name it. */
char *reason_path(const char *lxc_path, const char *name);
/* Where in that file the reasons of an operation that begins now will stand. */
off_t reason_mark(const char *lxc_path, const char *name);
/* Sets "what NAME: first ERROR line after @mark", with a hint for the well-known ones; returns code. */
int reason_set(infra_error **reterr, int code, const char *lxc_path, const char *name, off_t mark, const char *what);

/* Whether the configuration carries our mark. */
bool mark_is_set(const char *lxc_path, const char *name);
/* -EPERM: "NAME is a foreign container: infra does not touch it". */
int foreign_refuse(const char *name, infra_error **reterr);

/* Whether root, volumes and bridge of a configuration are there; says which is not. */
int start_check(handle c, const char *lxc_path, const char *name, infra_error **reterr);

/* Every signal as at birth, none blocked: what the caller ignores or blocks must not reach a guest's programs. */
void signals_reset(void);

/* A configuration item's text, allocated; NULL when it is not set. */
char *handle_item(handle c, const char *key);
/* liblxc's state word, asked now. */
enum container_state handle_state(handle c);

/* What a command in a container gets: ours, @more (NULL-terminated or NULL) and "TERM=..."; the strings are borrowed.
 */
char **environment_of(const char *const *more, const char *term);
