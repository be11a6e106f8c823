/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an upgrade without a person leaves to be settled: services that must not start, files that both sides changed. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "package/guest.h"
#include "package/root.h"

enum { CONFFILE_BYTES_MAX = 4 << 20 };

#define POLICY "policy-rc.d"
#define POLICY_KEPT POLICY ".before-infra"
#define POLICY_NOTE "# infra: nothing starts while this root is upgraded aside\n"

static const char policy_text[] = "#!/bin/sh\n" POLICY_NOTE "exit 101\n";

static int forbid_in(int sbin, bool forbid)
{
        _cleanup_free_ char *text = NULL;
        bool ours = root_read(sbin, POLICY, CONFFILE_BYTES_MAX, &text) >= 0 && strstr(text, POLICY_NOTE);
        int r;

        if (!forbid) {
                if (ours && unlinkat(sbin, POLICY, 0) < 0)
                        return -errno;
                if (path_exists(sbin, POLICY_KEPT) && renameat(sbin, POLICY_KEPT, sbin, POLICY) < 0)
                        return -errno;
                return 0;
        }
        if (!ours && path_exists(sbin, POLICY) && renameat(sbin, POLICY, sbin, POLICY_KEPT) < 0)
                return -errno;
        r = root_replace(sbin, POLICY, POLICY, policy_text);
        return r < 0 ? r : fchmodat(sbin, POLICY, 0755, 0) < 0 ? -errno : 0;
}

int package_services_forbid(const struct guest *g, bool forbid, infra_error **reterr)
{
        _cleanup_close_ int root = root_open(g->rootfs, reterr), sbin = -1;
        int r;

        if (root < 0)
                return root;
        r = sbin = root_openat(root, "usr/sbin", O_RDONLY | O_DIRECTORY);
        if (r >= 0)
                r = forbid_in(sbin, forbid);
        return r < 0 ? infra_error_set(reterr, r, "cannot %s services in %s: %s", forbid ? "forbid" : "allow", g->rootfs, strerror(-r)) : 0;
}

int package_conffiles(const struct guest *g, struct strlist *ret, infra_error **reterr)
{
        static const char *const argv[] = { "find", "/etc", "-xdev", "-type", "f", "(", "-name", "*.dpkg-dist", "-o", "-name",
                                            "*.ucf-dist", ")", NULL };
        _cleanup_free_ char *output = NULL;
        int r = guest_query(g, argv, &output, reterr);

        if (r < 0)
                return r;
        if (strlist_lines(ret, output) < 0)
                return infra_error_oom(reterr);
        strlist_sort(ret);
        return 0;
}

struct settling {
        int dir;
        const char *name;
        char dist[256];
        char before[256];
};

static int conffile_keep(const struct settling *c)
{
        _cleanup_free_ char *text = NULL;

        if (path_exists(c->dir, c->before) || root_read(c->dir, c->name, CONFFILE_BYTES_MAX, &text) < 0)
                return 0;
        return root_replace(c->dir, c->before, c->name, text);
}

static int conffile_settle(const struct settling *c, const char *use, const char *text)
{
        bool brought = path_exists(c->dir, c->dist);
        int r = 0;

        if (streq(use, "keep"))
                return brought && unlinkat(c->dir, c->dist, 0) < 0 ? -errno : 0;
        if (streq(use, "new")) {
                r = brought ? conffile_keep(c) : 0;
                return r < 0 ? r : brought && renameat(c->dir, c->dist, c->dir, c->name) < 0 ? -errno : 0;
        }
        r = conffile_keep(c);
        if (r >= 0)
                r = root_replace(c->dir, c->name, c->name, text);
        return r < 0 ? r : brought && unlinkat(c->dir, c->dist, 0) < 0 ? -errno : 0;
}

int package_conffile_settle(const struct guest *g, const char *path, const char *use, const char *text, infra_error **reterr)
{
        _cleanup_close_ int root = root_open(g->rootfs, reterr), dir = -1;
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;
        struct settling c = { .name = slash ? slash + 1 : path };
        int r;

        if (root < 0)
                return root;
        if (!parent)
                return infra_error_oom(reterr);
        r = dir = root_openat(root, *parent ? parent : "/", O_RDONLY | O_DIRECTORY);
        if (r == -ENOENT)
                return 0;
        c.dir = dir;
        snprintf(c.dist, sizeof(c.dist), "%.200s.dpkg-dist", c.name);
        if (r >= 0 && !path_exists(dir, c.dist))
                snprintf(c.dist, sizeof(c.dist), "%.200s.ucf-dist", c.name);
        snprintf(c.before, sizeof(c.before), "%.200s.before-upgrade", c.name);
        if (r >= 0)
                r = conffile_settle(&c, use, text);
        return r < 0 ? infra_error_set(reterr, r, "cannot settle %s: %s", path, strerror(-r)) : 0;
}
