/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "storage/copy.h"

/*
 * Attributes go by name through /proc/self/fd, the only way that works alike for symbolic links, devices and
 * sockets, which cannot be opened; the last part of the path is never followed.
 */

static bool attribute_optional(const char *attribute)
{
        return streq(attribute, "security.selinux") || startswith(attribute, "btrfs.");
}

/* The attribute, or the file, was deleted meanwhile. */
static bool is_gone(int error)
{
        return error == ENODATA || error == ENOENT;
}

static int attribute_copy(struct copy *c, const char *source, const char *target, const char *attribute)
{
        _cleanup_free_ char *value = NULL;
        ssize_t size = lgetxattr(source, attribute, NULL, 0);

        if (size < 0)
                return is_gone(errno) ? 0 : copy_failed(c, -errno, "cannot read the attributes of");
        value = malloc((size_t)size + 1);
        if (!value)
                return infra_error_oom(c->reterr);
        size = lgetxattr(source, attribute, value, (size_t)size);
        if (size < 0)
                return is_gone(errno) ? 0 : copy_failed(c, -errno, "cannot read the attributes of");
        if (lsetxattr(target, attribute, value, (size_t)size, 0) < 0 &&
            !(errno == EOPNOTSUPP && attribute_optional(attribute)))
                return infra_error_set(c->reterr, -errno, "cannot keep attribute %s of %s%s: %m", attribute, c->from,
                                       c->path.text ? c->path.text : "");
        return 0;
}

static int xattrs_copy(struct copy *c, const char *source, const char *target)
{
        _cleanup_free_ char *names = NULL;
        ssize_t size = llistxattr(source, NULL, 0);

        if (size <= 0)
                return size == 0 || errno == EOPNOTSUPP || is_gone(errno)
                               ? 0
                               : copy_failed(c, -errno, "cannot list the attributes of");
        names = malloc((size_t)size);
        if (!names)
                return infra_error_oom(c->reterr);
        size = llistxattr(source, names, (size_t)size);
        if (size < 0)
                return is_gone(errno) ? 0 : copy_failed(c, -errno, "cannot list the attributes of");
        for (char *name = names; name < names + size; name += strlen(name) + 1) {
                int r = startswith(name, OWN_ATTRIBUTES) ? 0 : attribute_copy(c, source, target, name);

                if (r < 0)
                        return r;
        }
        return 0;
}

int attributes_drop(struct copy *c, int from, int to, const char *name)
{
        _cleanup_free_ char *source = path_join("/proc/self/fd/%d/%s", from, name);
        _cleanup_free_ char *target = path_join("/proc/self/fd/%d/%s", to, name);
        _cleanup_free_ char *names = malloc(XATTR_LIST_MAX);
        ssize_t size;

        if (!source || !target || !names)
                return infra_error_oom(c->reterr);
        size = llistxattr(target, names, XATTR_LIST_MAX);
        if (size < 0)
                return errno == EOPNOTSUPP ? 0 : copy_failed(c, -errno, "cannot list the attributes of the copy of");
        for (char *n = names; n < names + size; n += strlen(n) + 1) {
                if (startswith(n, OWN_ATTRIBUTES) || attribute_optional(n) || lgetxattr(source, n, NULL, 0) >= 0 || errno != ENODATA)
                        continue;
                if (lremovexattr(target, n) < 0 && errno != ENODATA)
                        return copy_failed(c, -errno, "cannot remove an attribute of the copy of");
        }
        return 0;
}

int attributes_copy(struct copy *c, int from, int to, const char *name, const struct stat *st)
{
        _cleanup_free_ char *source = path_join("/proc/self/fd/%d/%s", from, name);
        _cleanup_free_ char *target = path_join("/proc/self/fd/%d/%s", to, name);
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        int r;

        if (!source || !target)
                return infra_error_oom(c->reterr);
        /* chown drops set-id bits and capabilities: the mode and the attributes come after it. */
        if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                return copy_failed(c, -errno, "cannot keep the owner of");
        if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
                return copy_failed(c, -errno, "cannot keep the mode of");
        r = xattrs_copy(c, source, target);
        if (r < 0)
                return r;
        if (utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return copy_failed(c, -errno, "cannot keep the times of");
        return 0;
}
