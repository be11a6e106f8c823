/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "container/lxc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
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

int foreign_refuse(const char *name, infra_error **reterr)
{
        return infra_error_set(reterr, -EPERM, "%s is a foreign container: infra does not touch it", name);
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
                return foreign_refuse(name, reterr);
        *ret = TAKE_PTR(c);
        return 0;
}

int handle_open_running(const char *lxc_path, const char *name, handle *ret, infra_error **reterr)
{
        _cleanup_handle_ handle c = NULL;
        enum container_state s;
        int r = handle_open_managed(lxc_path, name, &c, reterr);

        if (r < 0)
                return r;
        s = handle_state(c);
        /* Who enters a frozen container stands still with it, and so would the caller. */
        if (s == CONTAINER_FROZEN)
                return infra_error_set(reterr, -EBUSY, "%s is frozen", name);
        if (s != CONTAINER_RUNNING)
                return infra_error_set(reterr, -ENOTCONN, "%s is not running (%s)", name, container_state_name(s));
        *ret = TAKE_PTR(c);
        return 0;
}

char *handle_item(handle c, const char *key)
{
        int length = c->get_config_item(c, key, NULL, 0);
        char *value = length > 0 ? malloc((size_t)length + 1) : NULL;

        if (!value || c->get_config_item(c, key, value, length + 1) != length) {
                free(value);
                return NULL;
        }
        return value;
}

void signals_reset(void)
{
        sigset_t none;

        for (int i = 1; i < _NSIG; i++)
                signal(i, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

char *reason_path(const char *lxc_path, const char *name)
{
        return path_join("%s/%s/infra.log", lxc_path, name);
}

off_t reason_mark(const char *lxc_path, const char *name)
{
        _cleanup_free_ char *path = reason_path(lxc_path, name);
        struct stat st;

        if (!path || stat(path, &st) < 0)
                return 0;
        /* Nobody else rotates it. */
        if (st.st_size > LOG_MAX && truncate(path, 0) == 0)
                return 0;
        return st.st_size;
}

/* What liblxc says, and what a person can do about it. */
static const struct {
        const char *word;
        const char *hint;
} hints[] = {
        { "newuidmap", "root needs these ids in /etc/subuid and /etc/subgid: `infractl apply` adds them" },
        { "newgidmap", "root needs these ids in /etc/subuid and /etc/subgid: `infractl apply` adds them" },
        { "idmapped",
          "this filesystem or kernel has no id-mapped mounts: use btrfs, ext4 or xfs, or privileged: true" },
        { "ID-mapped",
          "this filesystem or kernel has no id-mapped mounts: use btrfs, ext4 or xfs, or privileged: true" },
        { "change mount attributes",
          "this filesystem or kernel has no id-mapped mounts: use btrfs, ext4 or xfs, or privileged: true" },
};

static const char *hint_for(const char *cause)
{
        for (size_t i = 0; i < ELEMENTS(hints); i++)
                if (strcasestr(cause, hints[i].word))
                        return hints[i].hint;
        return NULL;
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

int reason_set(infra_error **reterr, int code, const char *lxc_path, const char *name, off_t mark, const char *what)
{
        _cleanup_free_ char *path = reason_path(lxc_path, name), *text = NULL, *cause = NULL;
        const char *hint = NULL;
        size_t size = 0;

        if (path && file_read(AT_FDCWD, path, 2 * LOG_MAX, &text, &size) >= 0)
                cause = first_error(text + MIN((size_t)mark, size));
        if (!cause)
                return infra_error_set(reterr, code, "%s %s", what, name);
        hint = hint_for(cause);
        return infra_error_set(reterr, code, "%s %s: %s%s%s (more in %s)", what, name, cause, hint ? "; " : "",
                               hint ? hint : "", path);
}
