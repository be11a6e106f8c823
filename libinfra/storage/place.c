/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "storage/place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"

enum { LOCK_TRIES = 400, LOCK_PAUSE_MS = 5, MOUNT_LINE_FIELDS = 4 };

char *volume_escape(const char *volume)
{
        _cleanup_str_ struct str s = {};
        const char *p = volume[0] == '/' ? volume + 1 : volume;

        if (*p == '\0')
                return strdup("-");
        for (size_t i = 0; p[i]; i++) {
                unsigned char c = (unsigned char)p[i];

                if (c == '/')
                        str_add(&s, "-");
                else if ((isalnum(c) && c < 0x80) || c == ':' || c == '_' || (c == '.' && i > 0))
                        str_add(&s, "%c", c);
                else
                        str_add(&s, "%%%02x", c);
        }
        return str_take(&s);
}

int place_name_check(const char *what, const char *name, infra_error **reterr)
{
        if (!name || name[0] == '\0' || name[0] == '.' || strlen(name) > TAG_LENGTH_MAX)
                return infra_error_set(reterr, -EINVAL, "\"%s\" cannot be a %s", name ? name : "", what);
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
                        return infra_error_set(reterr, -EINVAL, "\"%s\" cannot be a %s: only letters, digits, \"._-\"",
                                               name, what);
        return 0;
}

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

int place_entries(const char *directory, struct strlist *ret, infra_error **reterr)
{
        CLEANUP(closedirp) DIR *dir = opendir(directory);

        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return infra_error_set(reterr, -errno, "cannot read %s: %m", directory);
        for (;;) {
                struct dirent *e;

                errno = 0;
                e = readdir(dir);
                if (!e && errno != 0)
                        return infra_error_set(reterr, -errno, "cannot read %s: %m", directory);
                if (!e)
                        break;
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (strlist_add(ret, e->d_name) < 0)
                        return infra_error_oom(reterr);
        }
        strlist_sort(ret);
        return 0;
}

int place_sync_parent(const char *path, infra_error **reterr)
{
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash ? strndup(path, MAX((size_t)(slash - path), 1u)) : strdup(".");
        int r;

        if (!parent)
                return infra_error_oom(reterr);
        r = dir_sync(AT_FDCWD, parent);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot sync %s: %s", parent, strerror(-r));
        return 0;
}

int place_move(const char *from, const char *to, unsigned flags, infra_error **reterr)
{
        int r;

        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
                return infra_error_set(reterr, -errno, "cannot %s %s and %s: %m",
                                       flags & RENAME_EXCHANGE ? "exchange" : "rename between", from, to);
        r = place_sync_parent(to, reterr);
        return r < 0 ? r : place_sync_parent(from, reterr);
}

int place_make(const char *path, mode_t mode, infra_error **reterr)
{
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return infra_error_oom(reterr);
        for (char *p = copy + 1;; p++) {
                char end = *p;
                int r;

                if (end != '/' && end != '\0')
                        continue;
                *p = '\0';
                if (mkdir(copy, mode) == 0)
                        r = place_sync_parent(copy, reterr);
                else
                        r = errno == EEXIST ? 0 : infra_error_set(reterr, -errno, "cannot make %s: %m", copy);
                if (r < 0)
                        return r;
                *p = end;
                if (end == '\0')
                        return 0;
        }
}

int place_lock(const char *directory, int operation, int *ret_fd, infra_error **reterr)
{
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", directory);
        for (unsigned i = 0; flock(fd, operation | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return infra_error_set(reterr, -errno, "cannot lock %s: %m", directory);
                if (i >= LOCK_TRIES)
                        return infra_error_set(reterr, -EBUSY, "another process is changing %s", directory);
                clock_sleep_ms(LOCK_PAUSE_MS);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Undoes the \ooo of mountinfo in place. */
static void mount_unescape(char *text)
{
        char *to = text;

        for (const char *p = text; *p; p++) {
                if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
                        *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
                        p += 3;
                } else {
                        *to++ = *p;
                }
        }
        *to = '\0';
}

static int mounts_refuse(const char *path, infra_error **reterr)
{
        _cleanup_free_ char *real = realpath(path, NULL), *line = NULL;
        FILE *file = real ? fopen("/proc/self/mountinfo", "re") : NULL;
        size_t room = 0, length;
        int r = 0;

        if (!file)
                return infra_error_set(reterr, -errno, "cannot look for mounts below %s: %m", path);
        length = strlen(real);
        while (r == 0 && getline(&line, &room, file) > 0) {
                char *field = line, *end;

                for (unsigned i = 0; i < MOUNT_LINE_FIELDS && field; i++) {
                        field = strchr(field, ' ');
                        field = field ? field + 1 : NULL;
                }
                end = field ? strchr(field, ' ') : NULL;
                if (!end)
                        continue;
                *end = '\0';
                mount_unescape(field);
                if (strncmp(field, real, length) == 0 && (field[length] == '/' || field[length] == '\0'))
                        r = infra_error_set(reterr, -EBUSY, "%s is still mounted", field);
        }
        fclose(file);
        return r;
}

int tree_discard(const struct storage *s, const char *path, infra_error **reterr)
{
        int r;

        if (!path_exists(AT_FDCWD, path))
                return 0;
        r = mounts_refuse(path, reterr);
        if (r >= 0)
                r = s->backend->tree_delete(s, path, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "cannot delete %s", path) : 0;
}

int tree_retire(const struct storage *s, const char *path, infra_error **reterr)
{
        const char *name = strrchr(path, '/') + 1;
        _cleanup_free_ char *doomed = path_join("%.*s" DELETE_PREFIX "%s", (int)(name - path), path, name);
        int r;

        if (!doomed)
                return infra_error_oom(reterr);
        if (!path_exists(AT_FDCWD, path))
                return 0;
        r = mounts_refuse(path, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot delete %s", path);
        r = place_move(path, doomed, RENAME_NOREPLACE, reterr);
        return r < 0 ? r : tree_discard(s, doomed, reterr);
}

int place_tidy(const struct storage *s, const char *directory, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist names = {};
        int r;

        r = place_entries(directory, &names, reterr);
        for (size_t i = 0; i < names.n && r >= 0; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, names.items[i]);

                if (!path)
                        return infra_error_oom(reterr);
                if (startswith(names.items[i], BUILD_PREFIX) || startswith(names.items[i], DELETE_PREFIX))
                        r = tree_discard(s, path, reterr);
        }
        return r;
}
