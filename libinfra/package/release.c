/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which Debian a root is, from os-release(5). Releases before stretch name it only inside VERSION. */

#include <errno.h>
#include <fcntl.h>

#include "package/root.h"
#include "package/package.h"

enum { OS_RELEASE_BYTES_MAX = 65536 };

/* The value of KEY=value or KEY="value" in a text of such lines, allocated; NULL when there is none. */
static char *variable(const char *text, const char *key)
{
        size_t n = strlen(key);

        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                const char *value = line + n + 1;

                if (strncmp(line, key, n) != 0 || line[n] != '=')
                        continue;
                if (*value == '"' || *value == '\'')
                        return strndup(value + 1, strcspn(value + 1, "\"'\n"));
                return strndup(value, strcspn(value, " \t\r\n"));
        }
        return NULL;
}

/* "8 (jessie)" -> "jessie" */
static char *in_brackets(const char *version)
{
        const char *open = version ? strchr(version, '(') : NULL;

        return open ? strndup(open + 1, strcspn(open + 1, ")")) : NULL;
}

int package_release(const char *rootfs, char **ret, infra_error **reterr)
{
        _cleanup_close_ int root = root_open(rootfs, reterr);
        _cleanup_free_ char *text = NULL, *version = NULL, *name = NULL;
        int r;

        if (root < 0)
                return root;
        r = root_read(root, "etc/os-release", OS_RELEASE_BYTES_MAX, &text);
        if (r == -ENOENT)
                r = root_read(root, "usr/lib/os-release", OS_RELEASE_BYTES_MAX, &text);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read os-release beneath %s: %s", rootfs, strerror(-r));
        name = variable(text, "VERSION_CODENAME");
        if (!name || !*name) {
                version = variable(text, "VERSION");
                free(name);
                name = in_brackets(version);
        }
        if (!name || !*name)
                return infra_error_set(reterr, -ENODATA, "os-release beneath %s names no release", rootfs);
        *ret = TAKE_PTR(name);
        return 0;
}
