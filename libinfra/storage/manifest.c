/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "storage/manifest.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "storage/copy.h"
#include "storage/written.h"

enum { MANIFEST_BYTES_MAX = 1 << 30, DEPTH_MAX = 256 };

struct row {
        char *path;
        struct entry entry;
};

struct manifest {
        struct row *rows;
        size_t n;
};

static int path_compare(const char *a, const char *b)
{
        while (*a && *a == *b) {
                a++;
                b++;
        }
        if (*a == *b)
                return 0;
        if (*a == '\0' || *b == '\0')
                return *a ? 1 : -1;
        if (*a == '/' || *b == '/')
                return *a == '/' ? -1 : 1;
        return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int row_compare(const void *a, const void *b)
{
        return path_compare(((const struct row *)a)->path, ((const struct row *)b)->path);
}

static void escape(struct str *s, const char *text)
{
        for (; *text; text++) {
                if (*text <= ' ' || *text == '\\' || *text > '~')
                        str_add(s, "\\%02x", (unsigned)(unsigned char)*text);
                else
                        str_add_bytes(s, text, 1);
        }
}

static char *unescape(const char *text, size_t n)
{
        char *copy = strndup(text, n), *to = copy;

        for (const char *p = copy; copy && *p; p++) {
                unsigned byte;

                if (*p == '\\' && sscanf(p + 1, "%2x", &byte) == 1) {
                        *to++ = (char)byte;
                        p += 2;
                } else {
                        *to++ = *p;
                }
        }
        if (copy)
                *to = '\0';
        return copy;
}

static void write_row(struct str *s, const char *path, const struct entry *e)
{
        str_add(s, "%x %x %x %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " ", e->mode, e->uid, e->gid,
                e->device, e->size, (uint64_t)e->modified_ns, (uint64_t)e->changed_ns, e->inode, e->attributes);
        escape(s, path);
        if (e->target) {
                str_add(s, " ");
                escape(s, e->target);
        }
        str_add(s, "\n");
}

/*
 * An entry that is as @known has it keeps the inode and time of change it has there, the original's. One that is not was
 * written in between: which inode that was nobody knows, and it will count as written again.
 */
static int identify(struct entry *e, const char *path, const struct manifest *known)
{
        _cleanup_entry_ struct entry was = {};
        int r = known ? manifest_entry(known, path, &was) : 0;
        bool same = r >= 0 && known && entry_equal(&was, e, false);

        if (known) {
                e->inode = same ? was.inode : 0;
                e->changed_ns = same ? was.changed_ns : e->changed_ns;
        }
        return r;
}

static int write_directory(struct str *s, int fd, const char *path, const struct manifest *known, unsigned depth)
{
        DIR *dir = directory_entries(fd);
        int r = dir ? 0 : -errno;

        for (struct dirent *d; r >= 0 && (d = readdir(dir));) {
                _cleanup_free_ char *below = path_join("%s/%s", path, d->d_name);
                _cleanup_entry_ struct entry e = {};
                _cleanup_close_ int child = -1;

                if (streq(d->d_name, ".") || streq(d->d_name, ".."))
                        continue;
                r = below ? entry_read(fd, d->d_name, &e) : -ENOMEM;
                if (r < 0 || e.mode == 0)
                        continue;
                r = identify(&e, below, known);
                write_row(s, below, &e);
                if (r < 0 || !S_ISDIR(e.mode) || depth >= DEPTH_MAX)
                        continue;
                child = directory_open(fd, d->d_name);
                if (child >= 0)
                        r = write_directory(s, child, below, known, depth + 1);
        }
        if (dir)
                closedir(dir);
        return s->failed ? -ENOMEM : r;
}

int manifest_write(const char *top, const struct manifest *known, const char *file, infra_error **reterr)
{
        _cleanup_close_ int fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_str_ struct str s = {};
        int r = fd < 0 ? -errno : write_directory(&s, fd, "", known, 0);

        if (r >= 0)
                r = file_replace(AT_FDCWD, file, s.text ? s.text : "", s.length, 0600);
        return r < 0 ? infra_error_set(reterr, r, "cannot write down what is in %s: %s", top, strerror(-r)) : 0;
}

static int read_row(const char *line, size_t length, struct row *row)
{
        struct entry *e = &row->entry;
        uint64_t modified, changed;
        const char *path, *end = line + length, *space;
        int at = 0;

        if (sscanf(line, "%x %x %x %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %n", &e->mode, &e->uid,
                   &e->gid, &e->device, &e->size, &modified, &changed, &e->inode, &e->attributes, &at) < 9 || at == 0)
                return -EBADMSG;
        e->modified_ns = (int64_t)modified;
        e->changed_ns = (int64_t)changed;
        path = line + at;
        space = memchr(path, ' ', (size_t)(end - path));
        row->path = unescape(path, (size_t)((space ? space : end) - path));
        e->target = space ? unescape(space + 1, (size_t)(end - space - 1)) : NULL;
        return row->path && (!space || e->target) ? 0 : -ENOMEM;
}

int manifest_read(const char *file, struct manifest **ret, infra_error **reterr)
{
        struct manifest *m = calloc(1, sizeof(*m));
        _cleanup_free_ char *text = NULL;
        int r = m ? file_read(AT_FDCWD, file, MANIFEST_BYTES_MAX, &text, NULL) : -ENOMEM;

        for (char *line = text; r >= 0 && *line;) {
                size_t n = strcspn(line, "\n");
                struct row *row = ARRAY_ADD(m->rows, m->n);
                char *next = line + n + (line[n] == '\n');

                line[n] = '\0';
                r = row ? read_row(line, n, row) : -ENOMEM;
                line = next;
        }
        if (r < 0) {
                manifest_free(m);
                return infra_error_set(reterr, r, "cannot read %s: %s", file, strerror(-r));
        }
        if (m->n > 1)
                qsort(m->rows, m->n, sizeof(*m->rows), row_compare);
        *ret = m;
        return 0;
}

struct manifest *manifest_free(struct manifest *m)
{
        for (size_t i = 0; m && i < m->n; i++) {
                free(m->rows[i].path);
                entry_done(&m->rows[i].entry);
        }
        if (m)
                free(m->rows);
        free(m);
        return NULL;
}

int manifest_entry(const struct manifest *m, const char *path, struct entry *ret)
{
        struct row key = { .path = (char *)(uintptr_t)path };
        const struct row *row = m->n ? bsearch(&key, m->rows, m->n, sizeof(*m->rows), row_compare) : NULL;

        *ret = row ? row->entry : (struct entry){};
        if (row && row->entry.target) {
                ret->target = strdup(row->entry.target);
                return ret->target ? 0 : -ENOMEM;
        }
        return 0;
}

/* The first row whose path is not before @path. */
static size_t lower_bound(const struct manifest *m, const char *path)
{
        size_t low = 0, high = m->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (path_compare(m->rows[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

int manifest_names(const struct manifest *m, const char *path, struct strlist *ret)
{
        _cleanup_free_ char *prefix = path_join("%s/", path[1] ? path : "");
        size_t n = prefix ? strlen(prefix) : 0;
        int r = prefix ? 0 : -ENOMEM;

        for (size_t i = r < 0 ? m->n : lower_bound(m, prefix); r >= 0 && i < m->n && strncmp(m->rows[i].path, prefix, n) == 0; i++)
                if (!strchr(m->rows[i].path + n, '/'))
                        r = strlist_add(ret, m->rows[i].path + n);
        strlist_sort(ret);
        return r;
}
