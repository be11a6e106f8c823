/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end state: what is installed and in which state, whatever the commands before said. */

#include <ctype.h>
#include <errno.h>

#include "package/guest.h"

/* So many of each kind are named in an error; the rest is counted. */
enum { NAMED_MAX = 8 };

void package_state_done(struct package_state *s)
{
        free(s->release);
        strlist_done(&s->broken);
        strlist_done(&s->missing);
        strlist_done(&s->installed);
        *s = (struct package_state){};
}

/* What dpkg --audit names: package lines are indented, the prose around them is not. */
static int audit(const struct guest *g, struct strlist *broken, infra_error **reterr)
{
        static const char *const argv[] = { "dpkg", "--audit", NULL };
        _cleanup_strlist_ struct strlist lines = {};
        _cleanup_free_ char *output = NULL;
        int status;
        int r = guest_capture(g, argv, &output, &status, reterr);

        if (r < 0)
                return r;
        /* dpkg: 1 = something was found, 2 = the database cannot be read. */
        if (status > 1)
                return infra_error_set(reterr, -EREMOTEIO, "dpkg --audit in the guest ended with %d: %.*s", status,
                                       (int)strcspn(output, "\n"), output);
        if (strlist_lines(&lines, output) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < lines.n; i++) {
                const char *line = lines.items[i];
                char text[160];

                if (*line != ' ')
                        continue;
                line += strspn(line, " ");
                snprintf(text, sizeof(text), "%.*s (dpkg --audit)", (int)MIN(strcspn(line, " "), 100u), line);
                if (!strlist_contains(broken, text) && strlist_add(broken, text) < 0)
                        return infra_error_oom(reterr);
        }
        if (status == 1 && broken->n == 0 && strlist_add(broken, "dpkg --audit complains") < 0)
                return infra_error_oom(reterr);
        return 0;
}

/* Wanted, state and error letter of dpkg-query(1). Fine: installed and wanted so, or gone (with or without configuration). */
static bool is_whole(const char abbreviation[static 3])
{
        if (abbreviation[2] != ' ')
                return false;
        if (abbreviation[1] == 'i')
                return abbreviation[0] == 'i' || abbreviation[0] == 'h';
        return abbreviation[1] == 'n' || (abbreviation[1] == 'c' && (abbreviation[0] == 'r' || abbreviation[0] == 'p'));
}

static int states(const struct guest *g, struct strlist *broken, struct strlist *installed, infra_error **reterr)
{
        static const char *const argv[] = { "dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package}\\n", NULL };
        _cleanup_strlist_ struct strlist lines = {};
        _cleanup_free_ char *output = NULL;
        int r = guest_query(g, argv, &output, reterr);

        if (r < 0)
                return r;
        if (strlist_lines(&lines, output) < 0)
                return infra_error_oom(reterr);
        for (size_t i = 0; i < lines.n && r >= 0; i++) {
                const char *line = lines.items[i];
                char text[160];

                if (strlen(line) < 5 || line[3] != '|')
                        return infra_error_set(reterr, -EREMOTEIO, "dpkg-query in the guest said: %s", line);
                snprintf(text, sizeof(text), "%.100s (state \"%.3s\")", line + 4, line);
                if (line[1] == 'i')
                        r = strlist_add(installed, line + 4);
                if (r >= 0 && !is_whole(line))
                        r = strlist_add(broken, text);
        }
        return r < 0 ? infra_error_oom(reterr) : 0;
}

int package_observe(const struct guest *g, const struct strlist *essential, struct package_state *ret,
                    infra_error **reterr)
{
        _cleanup_package_state_ struct package_state s = {};
        int r = package_release(g->rootfs, &s.release, reterr);

        if (r >= 0)
                r = audit(g, &s.broken, reterr);
        if (r >= 0)
                r = states(g, &s.broken, &s.installed, reterr);
        if (r < 0)
                return infra_error_prefix(reterr, r, "cannot observe the packages");
        for (size_t i = 0; essential && i < essential->n; i++)
                if (!strlist_contains(&s.installed, essential->items[i]) && strlist_add(&s.missing, essential->items[i]) < 0)
                        return infra_error_oom(reterr);
        *ret = s;
        s = (struct package_state){};
        return 0;
}

static void add_names(struct str *s, const char *what, const struct strlist *names)
{
        if (names->n == 0)
                return;
        str_add(s, "%s%s: ", s->length ? "; " : "", what);
        for (size_t i = 0; i < MIN(names->n, (size_t)NAMED_MAX); i++)
                str_add(s, "%s%s", i ? ", " : "", names->items[i]);
        if (names->n > NAMED_MAX)
                str_add(s, " and %zu more", names->n - NAMED_MAX);
}

int package_check(const struct package_state *s, const char *release, infra_error **reterr)
{
        _cleanup_str_ struct str wrong = {};

        if (!s->release || !streq(s->release, release))
                str_add(&wrong, "the release is %s, not %s", s->release ? s->release : "unknown", release);
        add_names(&wrong, "not whole", &s->broken);
        add_names(&wrong, "no longer installed", &s->missing);
        if (wrong.failed)
                return infra_error_oom(reterr);
        return wrong.length ? infra_error_set(reterr, -EREMOTEIO, "%s", wrong.text) : 0;
}
