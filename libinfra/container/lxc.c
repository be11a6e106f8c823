/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "container/lxc.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"

enum { LOG_MAX = 4 << 20, CONFIG_MAX = 1 << 20 };

int handle_open(const char *lxc_path, const char *name, handle *ret, infra_error **reterr)
{
        handle c = lxc_container_new(name, lxc_path);

        if (!c)
                return infra_error_set(reterr, -EIO, "liblxc cannot open container %s in %s", name, lxc_path);
        *ret = c;
        return 0;
}

bool mark_is_set(const char *lxc_path, const char *name)
{
        _cleanup_free_ char *path = path_join("%s/%s/config", lxc_path, name), *text = NULL;

        return path && file_read(AT_FDCWD, path, CONFIG_MAX, &text, NULL) >= 0 && startswith(text, CONTAINER_MARK "\n");
}

int handle_open_managed(const char *lxc_path, const char *name, handle *ret, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        int r = handle_open(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        if (!c->is_defined(c))
                return infra_error_set(reterr, -ENOENT, "container %s does not exist in %s", name, lxc_path);
        if (!mark_is_set(lxc_path, name))
                return infra_error_set(reterr, -EPERM, "%s is a foreign container: infra does not touch it", name);
        *ret = TAKE_PTR(c);
        return 0;
}

char *reason_path(const char *lxc_path, const char *name)
{
        return path_join("%s/%s/infra.log", lxc_path, name);
}

void reason_clear(const char *lxc_path, const char *name)
{
        _cleanup_free_ char *path = reason_path(lxc_path, name);

        if (path)
                truncate(path, 0);
}

/*
 * A line is "lxc NAME TIME ERROR    module - file.c:function:line - text". The first error is the cause, the
 * later ones its consequences.
 */
static char *first_error(const char *text)
{
        const char *line = strstr(text, " ERROR ");
        const char *place = line ? strstr(line, " - ") : NULL, *sentence = place ? strstr(place + 3, " - ") : NULL;

        return sentence ? strndup(sentence + 3, strcspn(sentence + 3, "\n")) : NULL;
}

int reason_set(infra_error **reterr, int code, const char *lxc_path, const char *name, const char *what)
{
        _cleanup_free_ char *path = reason_path(lxc_path, name), *text = NULL, *cause = NULL;

        if (path && file_read(AT_FDCWD, path, LOG_MAX, &text, NULL) >= 0)
                cause = first_error(text);
        if (!cause)
                return infra_error_set(reterr, code, "%s %s", what, name);
        return infra_error_set(reterr, code, "%s %s: %s (more in %s)", what, name, cause, path);
}
