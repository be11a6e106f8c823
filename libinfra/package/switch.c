/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Release switch: all source files are read and rewritten in memory first; only when that went well are
 * files replaced, each durably, its original put beside it before. A run that was killed in between is
 * finished by the next call: files already switched are left alone, and the first original stays the original.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/array.h"
#include "base/fd.h"
#include "estate/estate.h"
#include "package/root.h"
#include "package/sources.h"

enum { SOURCE_BYTES_MAX = 1 << 20, SOURCE_FILES_MAX = 1000 };

#define APT "etc/apt"
#define PARTS APT "/sources.list.d"

struct source {
        int dirfd;  /* not owned */
        char *name; /* in that directory */
        char *path; /* beneath the root */
        char *before;
        char *after;
};

struct sources {
        int root, apt, parts; /* parts -1 = no such directory */
        struct source *items;
        size_t n;
};

static void sources_done(struct sources *s)
{
        for (size_t i = 0; i < s->n; i++) {
                free(s->items[i].name);
                free(s->items[i].path);
                free(s->items[i].before);
                free(s->items[i].after);
        }
        free(s->items);
        closep(&s->parts);
        closep(&s->apt);
        closep(&s->root);
}

/* What apt reads in sources.list.d. */
static bool is_source_name(const char *name)
{
        for (const char *c = name; *c; c++)
                if (!isalnum((unsigned char)*c) && !strchr("_-.", *c))
                        return false;
        return *name != '.' && (endswith(name, ".list") || endswith(name, ".sources"));
}

static int parts_list(int parts, struct strlist *ret)
{
        int copy = fcntl(parts, F_DUPFD_CLOEXEC, 3);
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
        int r = 0;

        if (!dir) {
                closep(&copy);
                return -errno;
        }
        for (struct dirent *e; r >= 0 && (e = readdir(dir));)
                if (is_source_name(e->d_name))
                        r = ret->n < SOURCE_FILES_MAX ? strlist_add(ret, e->d_name) : -E2BIG;
        closedir(dir);
        strlist_sort(ret);
        return r;
}

static int source_add(struct sources *s, int dirfd, const char *directory, const char *name, infra_error **reterr)
{
        struct source *source = ARRAY_ADD(s->items, s->n);
        int r;

        if (!source)
                return infra_error_oom(reterr);
        source->dirfd = dirfd;
        source->name = strdup(name);
        source->path = path_join("%s/%s", directory, name);
        if (!source->name || !source->path)
                return infra_error_oom(reterr);
        r = root_read(s->root, source->path, SOURCE_BYTES_MAX, &source->before);
        if (r < 0 && r != -ENOENT)
                return infra_error_set(reterr, r, "cannot read %s: %s", source->path,
                                       r == -EINVAL ? "not a regular file" : strerror(-r));
        return 0;
}

static int sources_open(struct sources *s, const char *rootfs, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist names = {};
        int r = s->root = root_open(rootfs, reterr);

        if (r < 0)
                return r;
        r = s->apt = root_openat(s->root, APT, O_RDONLY | O_DIRECTORY);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot open " APT " (not a Debian root?): %s", strerror(-r));
        r = source_add(s, s->apt, APT, "sources.list", reterr);
        if (r < 0)
                return r;
        r = s->parts = root_openat(s->root, PARTS, O_RDONLY | O_DIRECTORY);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = parts_list(s->parts, &names);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot list " PARTS ": %s", strerror(-r));
        for (size_t i = 0; i < names.n && r >= 0; i++)
                r = source_add(s, s->parts, PARTS, names.items[i], reterr);
        return r;
}

static int add_default(struct source *list, const struct package_sources *to)
{
        _cleanup_free_ char *text = NULL, *old = TAKE_PTR(list->after);
        int r = sources_default(to, &text);

        if (r < 0)
                return r;
        list->after = path_join("%s%s%s", old ? old : "", old && *old && !endswith(old, "\n") ? "\n" : "", text);
        return list->after ? 0 : -ENOMEM;
}

static int sources_rewrite(struct sources *s, const struct package_sources *to)
{
        bool any = false;
        int r = 0;

        for (size_t i = 0; i < s->n && r >= 0; i++) {
                struct source *source = &s->items[i];
                bool debian = false;

                if (!source->before)
                        continue;
                r = (endswith(source->name, ".sources") ? sources_rewrite_stanzas : sources_rewrite_lines)(
                        source->before, to, &source->after, &debian);
                any |= debian;
        }
        return r < 0 || any ? r : add_default(&s->items[0], to);
}

/* The original beside it, then the new text. */
static int source_write(const struct source *s, const char *release)
{
        _cleanup_free_ char *kept = path_join("%s.before-%s", s->name, release);
        int r;

        if (!kept)
                return -ENOMEM;
        if (s->before && !path_exists(s->dirfd, kept)) {
                r = root_replace(s->dirfd, kept, s->name, s->before);
                if (r < 0)
                        return r;
        }
        return root_replace(s->dirfd, s->name, s->name, s->after);
}

int package_switch(const struct guest *g, const struct package_sources *to, infra_error **reterr)
{
        CLEANUP(sources_done) struct sources s = { .root = -1, .apt = -1, .parts = -1 };
        int r;

        if (release_index(to->release) < 0)
                return infra_error_set(reterr, -EINVAL, "%s is not a Debian release known here", to->release);
        r = sources_open(&s, g->rootfs, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot switch the package sources to %s", to->release);
        r = sources_rewrite(&s, to);
        if (r < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < s.n; i++) {
                const struct source *source = &s.items[i];

                if (!source->after || (source->before && streq(source->before, source->after)))
                        continue;
                r = source_write(source, to->release);
                if (r < 0)
                        return infra_error_set(reterr, r, "cannot switch the package sources to %s: %s: %s", to->release,
                                               source->path, strerror(-r));
        }
        return 0;
}
