/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Release roots: made by mmdebstrap, one directory per release, mirrors and package list, kept in the cache. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "container/container.h"

enum { MAKE_LIMIT_MS = 25 * 60 * 1000, LOG_MAX = 16 << 20 };

#define BUILDING ".new-"

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
        if (!ret->packages || add_source(ret, h->mirror, release, "") < 0 ||
            add_source(ret, h->mirror, release, "-updates") < 0)
                return -ENOMEM;
        if (*h->security_mirror && add_source(ret, h->security_mirror, release, "-security") < 0)
                return -ENOMEM;
        hash = hash_add(hash, ret->packages);
        for (size_t i = 0; i < ret->sources.n; i++)
                hash = hash_add(hash, ret->sources.items[i]);
        ret->key = path_join("%s-%016llx", release, (unsigned long long)hash);
        return ret->key ? 0 : -ENOMEM;
}

/*
 * In mount and host name spaces of its own: what it mounts goes away with it, also when it is killed, and the
 * packages' scripts do not see this machine's name. $0 keeps what it prints, for the reason of a failure.
 */
static const char run_apart[] = "set -o pipefail; hostname localhost; \"$@\" 2>&1 | tee \"$0\"";
/* The noninteractive frontend answers with the defaults; a mail server's must not depend on who asks. */
static const char answer[] =
        "--essential-hook=printf 'postfix postfix/main_mailer_type select Internet Site\\n' | chroot \"$1\" debconf-set-selections";
/* What was said for the making only must not stay in the root, nor this machine's name. */
static const char tidy[] =
        "--customize-hook=rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap; echo localhost > \"$1\"/etc/hostname";

static int arguments(const struct host *h, const char *release, const struct recipe *recipe, const char *target,
                     const char *log, struct strlist *argv)
{
        const char *const fixed[] = { "unshare",           "--mount", "--uts",      "bash",        "-c",
                                      run_apart,           log,       "mmdebstrap", "--mode=root", "--format=directory",
                                      "--variant=minbase", answer,    tidy };
        _cleanup_free_ char *proxy = h->proxy ? path_join("--aptopt=Acquire::http::Proxy \"%s\"", h->proxy) : NULL;
        _cleanup_free_ char *include = path_join("--include=%s", recipe->packages);
        int r = include && (proxy || !h->proxy) ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(fixed); i++)
                r = strlist_add(argv, fixed[i]);
        if (r >= 0)
                r = strlist_add(argv, include);
        if (r >= 0 && proxy)
                r = strlist_add(argv, proxy);
        if (r >= 0)
                r = strlist_add(argv, release);
        if (r >= 0)
                r = strlist_add(argv, target);
        return r < 0 ? r : strlist_copy(argv, &recipe->sources);
}

/* The first line that says why, from what mmdebstrap printed: apt's before its own. */
static int say_why(const char *log, const char *release, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist lines = {};
        _cleanup_free_ char *output = NULL;
        const char *why = NULL;

        if (file_read(AT_FDCWD, log, LOG_MAX, &output, NULL) >= 0 && strlist_lines(&lines, output) >= 0)
                for (size_t i = 0; i < lines.n && !why; i++)
                        if (startswith(lines.items[i], "E: "))
                                why = lines.items[i] + 3;
        return infra_error_set(reterr, -EREMOTEIO, "cannot make a root of %s: %s", release,
                               why ? why : "mmdebstrap failed");
}

static int make(const struct host *h, const char *release, const struct recipe *recipe, const char *target, int output,
                infra_error **reterr)
{
        static const char *const environment[] = { "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", NULL };
        struct process_options o = { .output = output, .timeout_ms = MAKE_LIMIT_MS, .environment = environment };
        _cleanup_free_ char *log = path_join("%s.log", target);
        _cleanup_strlist_ struct strlist list = {};
        _cleanup_free_ char **argv = NULL;
        int status = 0, r = log ? arguments(h, release, recipe, target, log, &list) : -ENOMEM;

        argv = r < 0 ? NULL : strlist_argv(&list);
        if (!argv)
                return infra_error_oom(reterr);
        r = process_run((const char *const *)argv, &o, &status, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot make a root of %s", release);
        return status == 0 ? 0 : say_why(log, release, reterr);
}

/* What a making that was cut short left behind; the lock is ours, so nobody makes anything now. */
static int sweep(const char *cache)
{
        DIR *dir = opendir(cache);
        struct dirent *entry;
        int r = dir ? 0 : -errno;

        while (r >= 0 && (entry = readdir(dir)))
                if (startswith(entry->d_name, BUILDING))
                        r = tree_remove(dirfd(dir), entry->d_name);
        if (dir)
                closedir(dir);
        return r;
}

/* On disk as a whole before it has its name. */
static int finish(const char *building, const char *path, infra_error **reterr)
{
        _cleanup_close_ int fd = open(building, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || syncfs(fd) < 0)
                return infra_error_set(reterr, -errno, "cannot write the root %s: %m", building);
        if (rename(building, path) < 0)
                return infra_error_set(reterr, -errno, "cannot name the root %s: %m", path);
        return 0;
}

/* Built beside and renamed when whole: what has the final name is complete. */
static int build(const struct host *h, const char *cache, const char *release, const struct recipe *recipe,
                 const char *path, int output, infra_error **reterr)
{
        _cleanup_free_ char *building = path_join("%s/" BUILDING "%s", cache, recipe->key);
        int r = building ? sweep(cache) : -ENOMEM;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot clear the cache in %s: %s", cache, strerror(-r));
        r = make(h, release, recipe, building, output, reterr);
        if (r >= 0)
                r = finish(building, path, reterr);
        sweep(cache);
        if (r < 0)
                return r;
        r = dir_sync(AT_FDCWD, cache);
        return r < 0 ? infra_error_set(reterr, r, "cannot sync %s: %s", cache, strerror(-r)) : 0;
}

/* Inherited by mmdebstrap: when we are killed it goes on, and nobody else may begin before it has ended. */
static int lock_take(const char *path, int output)
{
        static const char waiting[] = "waiting for another root that is being made\n";
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT, 0600);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return TAKE_FD(fd);
        if (errno != EWOULDBLOCK)
                return -errno;
        if (output >= 0)
                fd_write_all(output, waiting, strlen(waiting));
        while (flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
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
        lock = lock_take(lock_path, output);
        if (lock < 0)
                return infra_error_set(reterr, lock, "cannot lock %s: %s", lock_path, strerror(-lock));
        if (!path_exists(AT_FDCWD, path)) {
                r = build(&e->host, cache, release, &recipe, path, output, reterr);
                if (r < 0)
                        return r;
        }
        *ret_path = TAKE_PTR(path);
        return 0;
}
