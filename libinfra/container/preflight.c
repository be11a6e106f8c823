/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a start needs from the host, looked at beforehand: liblxc says "No such file or directory" and not of
 * what. Only what our own configurations say is looked at; the rest stays liblxc's matter.
 */

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include "base/fd.h"
#include "container/lxc.h"

/* The octal escapes of fstab(5), in place; the text ends at the first space. */
static void unescape(char *text)
{
        char *to = text;

        for (const char *p = text; *p && *p != ' ' && *p != '\t'; to++) {
                unsigned byte;

                if (*p == '\\' && sscanf(p + 1, "%3o", &byte) == 1) {
                        *to = (char)byte;
                        p += 4;
                } else {
                        *to = *p++;
                }
        }
        *to = '\0';
}

static int check_volumes(handle c, const char *name, infra_error **reterr)
{
        _cleanup_free_ char *entries = handle_item(c, "lxc.mount.entry");
        _cleanup_strlist_ struct strlist lines = {};

        if (entries && strlist_lines(&lines, entries) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < lines.n; i++) {
                char *line = lines.items[i];

                if (*line != '/' || !strstr(line, " none bind,create=dir"))
                        continue;
                unescape(line);
                if (!path_exists(AT_FDCWD, line))
                        return infra_error_set(reterr, -ENOENT, "cannot start %s: its volume %s is not there", name,
                                               line);
        }
        return 0;
}

int start_check(handle c, const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_free_ char *bridge = handle_item(c, "lxc.net.0.link");
        struct container_status s;
        int r = container_observe(lxc_path, name, &s, reterr);

        if (r < 0)
                return r;
        if (*s.rootfs == '/' && !path_exists(AT_FDCWD, s.rootfs))
                return infra_error_set(reterr, -ENOENT, "cannot start %s: its root %s is not there", name, s.rootfs);
        if (bridge && if_nametoindex(bridge) == 0)
                return infra_error_set(reterr, -ENODEV, "cannot start %s: there is no bridge %s", name, bridge);
        return check_volumes(c, name, reterr);
}
