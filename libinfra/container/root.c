/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Release roots: made by mmdebstrap, one directory per release, mirrors and package list, kept in the cache. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "container/container.h"

enum { MAKE_LIMIT_MS = 25 * 60 * 1000 };

static const char base_packages[] = "systemd,systemd-sysv,dbus,iproute2";

/* The arguments after the options decide what is in the root, so they are its name in the cache. */
struct recipe {
        char *packages;
        struct strlist sources;
        char *key;
};

static void recipe_done(struct recipe *r)
{
        free(r->packages);
        free(r->key);
        strlist_done(&r->sources);
}

static int add_source(struct recipe *r, const char *mirror, const char *release, const char *suffix)
{
        _cleanup_free_ char *line = path_join("deb %s %s%s main", mirror, release, suffix);

        return line ? strlist_add(&r->sources, line) : -ENOMEM;
}

static uint64_t hash_add(uint64_t h, const char *text)
{
        for (; *text; text++)
                h = (h ^ (unsigned char)*text) * 0x100000001b3u;
        return (h ^ '\n') * 0x100000001b3u;
}

static int recipe_make(const struct host *h, const char *release, const struct strlist *packages, struct recipe *ret)
{
        _cleanup_strlist_ struct strlist sorted = {};
        uint64_t hash = 0xcbf29ce484222325u;
        struct str s = {};

        if (strlist_copy(&sorted, packages) < 0)
                return -ENOMEM;
        strlist_sort(&sorted);
        str_add(&s, "%s", base_packages);
        for (size_t i = 0; i < sorted.n; i++)
                str_add(&s, ",%s", sorted.items[i]);
        ret->packages = str_take(&s);
        if (!ret->packages || add_source(ret, h->mirror, release, "") < 0 || add_source(ret, h->mirror, release, "-updates") < 0)
                return -ENOMEM;
        if (*h->security_mirror && add_source(ret, h->security_mirror, release, "-security") < 0)
                return -ENOMEM;
        hash = hash_add(hash, ret->packages);
        for (size_t i = 0; i < ret->sources.n; i++)
                hash = hash_add(hash, ret->sources.items[i]);
        ret->key = path_join("%s-%016llx", release, (unsigned long long)hash);
        return ret->key ? 0 : -ENOMEM;
}

static int add_argument(struct strlist *argv, const char *format, const char *value)
{
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "%s%s", format, value) < 0)
                return -ENOMEM;
        return strlist_add(argv, text);
}

static int arguments(const struct host *h, const char *release, const struct recipe *recipe, const char *target,
                     struct strlist *argv)
{
        _cleanup_free_ char *proxy = h->proxy ? path_join("Acquire::http::Proxy \"%s\"", h->proxy) : NULL;

        if (strlist_add(argv, "mmdebstrap") < 0 || strlist_add(argv, "--mode=root") < 0 || strlist_add(argv, "--format=directory") < 0 ||
            strlist_add(argv, "--variant=minbase") < 0 || add_argument(argv, "--include=", recipe->packages) < 0 ||
            (proxy && add_argument(argv, "--aptopt=", proxy) < 0) ||
            /* What was said for the making only must not stay in the root. */
            strlist_add(argv, "--customize-hook=rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap") < 0 ||
            strlist_add(argv, release) < 0 || strlist_add(argv, target) < 0)
                return -ENOMEM;
        return strlist_copy(argv, &recipe->sources);
}

/* The last line that says why, from what mmdebstrap printed. */
static void say_why(const char *output, infra_error **reterr, int r, const char *release)
{
        _cleanup_strlist_ struct strlist lines = {};
        const char *why = NULL;

        if (strlist_lines(&lines, output) >= 0)
                for (size_t i = 0; i < lines.n; i++)
                        if (startswith(lines.items[i], "E: ") && !why)
                                why = lines.items[i] + 3;
        infra_error_set(reterr, r, "cannot make a root of %s: %s", release, why ? why : "mmdebstrap failed");
}

static int make(const struct host *h, const char *release, const struct recipe *recipe, const char *target, int output,
                infra_error **reterr)
{
        static const char *const environment[] = { "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", NULL };
        _cleanup_strlist_ struct strlist list = {};
        _cleanup_free_ char **argv = NULL, *text = NULL;
        struct process_options o = { .output = -1, .ret_output = &text, .timeout_ms = MAKE_LIMIT_MS, .environment = environment };
        int status = 0, r = arguments(h, release, recipe, target, &list);

        argv = strlist_argv(&list);
        if (r < 0 || !argv)
                return infra_error_oom(reterr);
        r = process_run((const char *const *)argv, &o, &status, reterr);
        if (r < 0)
                return r;
        if (output >= 0)
                fd_write_all(output, text, strlen(text));
        if (status == 0)
                return 0;
        say_why(text, reterr, -EREMOTEIO, release);
        return -EREMOTEIO;
}

/* Built beside and renamed when whole: what has the final name is complete. */
static int build(const struct host *h, const char *cache, const char *release, const struct recipe *recipe,
                 const char *path, int output, infra_error **reterr)
{
        _cleanup_free_ char *building = path_join("%s/.new-%s", cache, recipe->key);
        int r = building ? tree_remove(AT_FDCWD, building) : -ENOMEM;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot clear the cache in %s: %s", cache, strerror(-r));
        r = make(h, release, recipe, building, output, reterr);
        if (r < 0) {
                tree_remove(AT_FDCWD, building);
                return r;
        }
        if (rename(building, path) < 0)
                return infra_error_set(reterr, -errno, "cannot name the root %s: %m", path);
        r = dir_sync(AT_FDCWD, cache);
        return r < 0 ? infra_error_set(reterr, r, "cannot sync %s: %s", cache, strerror(-r)) : 0;
}

int root_cache(const infra_estate *e, const char *cache, const char *release, const struct strlist *packages,
               int output, char **ret_path, infra_error **reterr)
{
        _cleanup_free_ char *path = NULL, *lock_path = path_join("%s/.lock", cache);
        CLEANUP(recipe_done) struct recipe recipe = {};
        _cleanup_close_ int lock = -1;
        int r = recipe_make(&e->host, release, packages, &recipe);

        if (r < 0 || !lock_path)
                return infra_error_oom(reterr);
        path = path_join("%s/%s", cache, recipe.key);
        r = path ? dir_make(AT_FDCWD, cache, 0755) : -ENOMEM;
        if (r < 0)
                return infra_error_set(reterr, r, "cannot make %s: %s", cache, strerror(-r));
        lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (lock < 0 || flock(lock, LOCK_EX) < 0)
                return infra_error_set(reterr, -errno, "cannot lock %s: %m", lock_path);
        if (!path_exists(AT_FDCWD, path)) {
                r = build(&e->host, cache, release, &recipe, path, output, reterr);
                if (r < 0)
                        return r;
        }
        *ret_path = TAKE_PTR(path);
        return 0;
}
