/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What must survive an upgrade: the packages whose programs listen on the network now, and what keeps the
 * guest a bootable Debian. Found through /proc inside the guest, because neither ss nor lsof need be there.
 * Libraries are not in the list (they are renamed between releases), nor are interpreters: a listening
 * python3.11 is a service written in Python, and the next release rightly replaces it.
 */

#include <errno.h>

#include "base/fd.h"
#include "package/guest.h"

/* Sockets: TCP listening (0A) and unconnected UDP (07), their inodes joined with every process's descriptors. */
static const char listeners_script[] =
        "{ cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6\n"
        "  find /proc/[0-9]*/fd -lname 'socket:*' -printf 'fd %p %l\\n'\n"
        "} 2>/dev/null | awk '\n"
        "  $1 == \"fd\" { gsub(/[^0-9]/, \"\", $3); split($2, p, \"/\"); if ($3 in inode) pid[p[3]] = 1; next }\n"
        "  $4 == \"0A\" || $4 == \"07\" { inode[$10] = 1 }\n"
        "  END { for (i in pid) print i }' |\n"
        "while read -r pid; do readlink \"/proc/$pid/exe\" 2>/dev/null; done | sort -u\n";

static const char *const always[] = { "apt", "dpkg", "init", "systemd-sysv", "sysvinit-core" };
static const char *const interpreters[] = { "python", "perl", "ruby", "nodejs", "openjdk", "php", "erlang", "guile" };

enum { PROGRAMS_MAX = 500 };

/* The paths dpkg may know a program by: it has been /bin/x in one release and /usr/bin/x in another. */
static int add_paths(struct strlist *argv, const char *program)
{
        _cleanup_free_ char *path = strndup(program, strlen(program) - (endswith(program, " (deleted)") ? 10 : 0));
        _cleanup_free_ char *other = NULL;

        if (!path)
                return -ENOMEM;
        if (*path != '/')
                return 0;
        other = startswith(path, "/usr/") ? strdup(path + 4) : path_join("/usr%s", path);
        return other && strlist_add(argv, path) == 0 && strlist_add(argv, other) == 0 ? 0 : -ENOMEM;
}

static bool is_interpreter(const char *package)
{
        for (size_t i = 0; i < ELEMENTS(interpreters); i++)
                if (startswith(package, interpreters[i]))
                        return !strstr(package, "fpm");
        return false;
}

/* "openssh-server: /usr/sbin/sshd", "a, b:amd64: /path"; "diversion by ..." lines are no owners. */
static int add_owners(struct strlist *keep, const char *line)
{
        const char *end = strstr(line, ": /");

        if (!end || startswith(line, "diversion ") || startswith(line, "dpkg-query: "))
                return 0;
        while (line < end) {
                size_t n = MIN(strcspn(line, ",:"), (size_t)(end - line));
                _cleanup_free_ char *name = strndup(line, n);

                if (!name || (!is_interpreter(name) && !strlist_contains(keep, name) && strlist_add(keep, name) < 0))
                        return -ENOMEM;
                line += strcspn(line, ",");
                line += strspn(line, ", ");
        }
        return 0;
}

static int owners(const struct guest *g, const struct strlist *programs, struct strlist *keep, infra_error **reterr)
{
        _cleanup_strlist_ struct strlist words = {}, lines = {};
        _cleanup_free_ char **argv = NULL, *output = NULL;
        int r, status;

        if (strlist_add(&words, "dpkg-query") < 0 || strlist_add(&words, "-S") < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < MIN(programs->n, (size_t)PROGRAMS_MAX); i++)
                if (add_paths(&words, programs->items[i]) < 0)
                        return infra_error_oom(reterr);
        if (words.n == 2)
                return 0;
        argv = strlist_argv(&words);
        if (!argv)
                return infra_error_oom(reterr);
        /* The status is 1 when any path has no owner, which is the rule here. */
        r = guest_capture(g, (const char *const *)argv, &output, &status, reterr);
        if (r < 0)
                return r;
        if (status > 1)
                return infra_error_set(reterr, -EREMOTEIO, "dpkg-query in the guest ended with %d: %.*s", status,
                                       (int)strcspn(output, "\n"), output);
        r = strlist_lines(&lines, output);
        for (size_t i = 0; i < lines.n && r >= 0; i++)
                r = add_owners(keep, lines.items[i]);
        return r < 0 ? infra_error_oom(reterr) : 0;
}

/* Of the names that are always kept those installed now. */
static int add_always(const struct guest *g, struct strlist *keep, infra_error **reterr)
{
        static const char *const argv[] = { "dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package}\\n", NULL };
        _cleanup_strlist_ struct strlist lines = {};
        _cleanup_free_ char *output = NULL;
        int r = guest_query(g, argv, &output, reterr);

        if (r < 0)
                return r;
        if (strlist_lines(&lines, output) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < lines.n; i++)
                for (size_t j = 0; j < ELEMENTS(always); j++) {
                        const char *line = lines.items[i];

                        if (strlen(line) > 4 && line[1] == 'i' && streq(line + 4, always[j]) &&
                            !strlist_contains(keep, always[j]) && strlist_add(keep, always[j]) < 0)
                                return infra_error_oom(reterr);
                }
        return 0;
}

int package_keep_list(const struct guest *g, struct strlist *ret, infra_error **reterr)
{
        static const char *const argv[] = { "sh", "-c", listeners_script, NULL };
        _cleanup_strlist_ struct strlist programs = {}, keep = {};
        _cleanup_free_ char *output = NULL;
        int r = guest_query(g, argv, &output, reterr);

        if (r >= 0 && strlist_lines(&programs, output) < 0)
                r = infra_error_oom(reterr);
        if (r >= 0)
                r = owners(g, &programs, &keep, reterr);
        if (r >= 0)
                r = add_always(g, &keep, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot list the packages that must stay");
        strlist_sort(&keep);
        *ret = keep;
        keep = (struct strlist){};
        return 0;
}
