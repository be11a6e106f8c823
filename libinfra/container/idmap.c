/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subordinate ids of root: newuidmap(1), which liblxc calls, wants them in /etc/subuid and /etc/subgid. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/container.h"

enum { FILE_MAX = 1 << 20 };

/* Whether a line "root:FIRST:COUNT" (subuid(5)) covers the wanted range. */
static bool allows(const char *text, unsigned first, unsigned count)
{
        _cleanup_strlist_ struct strlist lines = {};

        if (strlist_lines(&lines, text) < 0)
                return false;
        for (size_t i = 0; i < lines.n; i++) {
                uint64_t from, n;

                if (sscanf(lines.items[i], "root:%" SCNu64 ":%" SCNu64, &from, &n) != 2 &&
                    sscanf(lines.items[i], "0:%" SCNu64 ":%" SCNu64, &from, &n) != 2)
                        continue;
                if (from <= first && n <= UINT32_MAX && from + n >= (uint64_t)first + count)
                        return true;
        }
        return false;
}

int idmap_allow_in(const char *path, unsigned first, unsigned count, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL, *line = path_join("root:%u:%u\n", first, count);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        size_t size = 0;
        int r;

        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", path);
        /* Appended in one write and not replaced: shadow's tools write it too, and may hold it open. */
        if (flock(fd, LOCK_EX) < 0)
                return infra_error_set(reterr, -errno, "cannot lock %s: %m", path);
        r = line ? file_read(AT_FDCWD, path, FILE_MAX, &text, &size) : -ENOMEM;
        if (r >= 0 && allows(text, first, count))
                return 0;
        if (r >= 0 && size > 0 && text[size - 1] != '\n')
                r = fd_write_all(fd, "\n", 1);
        if (r >= 0)
                r = fd_write_all(fd, line, strlen(line));
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r < 0 ? infra_error_set(reterr, r, "cannot add %u ids from %u to %s: %s", count, first, path,
                                       strerror(-r))
                     : 0;
}

int idmap_allow(const struct host *h, infra_error **reterr)
{
        int r = idmap_allow_in("/etc/subuid", h->id_first, h->id_count, reterr);

        return r < 0 ? r : idmap_allow_in("/etc/subgid", h->id_first, h->id_count, reterr);
}
