/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/archive.h"

#include <errno.h>
#include <fnmatch.h>
#include <strings.h>

#include "base/fd.h"
#include "estate/estate.h"

/* Addresses that Debian's installers and documentation have given out over the years. */
static const char *const debian_hosts[] = {
        "deb.debian.org",       "*.deb.debian.org",  "ftp.debian.org",     "ftp*.*.debian.org",
        "http.*.debian.org",    "http.debian.net",   "httpredir.debian.org", "cloudfront.debian.net",
        "archive.debian.org",   "security.debian.org", "security-*.debian.org",
};

static const struct {
        const char *suffix;
        bool security;
} flavours[] = {
        { "", false },
        { "-updates", false },
        { "-security", true },
        { "/updates", true },
        { "-backports", false },
        { "-proposed-updates", false },
};

/* Names of the suites that move with the releases; they mean whatever was current when the root was made. */
static const char *const moving[] = { "stable", "oldstable", "oldoldstable" };

static size_t length_without_slash(const char *s)
{
        size_t n = strlen(s);

        while (n > 0 && s[n - 1] == '/')
                n--;
        return n;
}

static bool same_address(const char *a, const char *b)
{
        size_t n = length_without_slash(a);

        return n == length_without_slash(b) && strncasecmp(a, b, n) == 0;
}

enum archive archive_of(const char *uri, const struct package_sources *to)
{
        _cleanup_free_ char *host = NULL;
        const char *start = strstr(uri, "://");
        size_t n;

        if (to->security_mirror && *to->security_mirror && same_address(uri, to->security_mirror))
                return ARCHIVE_SECURITY;
        if (to->mirror && same_address(uri, to->mirror))
                return ARCHIVE_MAIN;
        if (!start || (!startswith(uri, "http://") && !startswith(uri, "https://") && !startswith(uri, "ftp://")))
                return ARCHIVE_FOREIGN;
        start += 3;
        n = strcspn(start, ":/");
        host = strndup(start, n);
        for (size_t i = 0; host && i < ELEMENTS(debian_hosts); i++)
                if (fnmatch(debian_hosts[i], host, FNM_CASEFOLD) == 0)
                        return startswith(host, "security") || strstr(start + n, "/debian-security") ? ARCHIVE_SECURITY
                                                                                                     : ARCHIVE_MAIN;
        return ARCHIVE_FOREIGN;
}

const struct source_rule *archive_rule(const char *uri, const struct package_sources *to)
{
        for (size_t i = 0; i < to->n_rules; i++)
                if (same_address(uri, to->rules[i].uri) || (to->rules[i].to && same_address(uri, to->rules[i].to)))
                        return &to->rules[i];
        return NULL;
}

const char *rule_suite(const struct source_rule *rule, const struct package_sources *to)
{
        return rule->suite && streq(rule->suite, "release") ? to->release : rule->suite;
}

const char *archive_mirror(enum archive a, const struct package_sources *to)
{
        return a == ARCHIVE_SECURITY ? to->security_mirror : to->mirror;
}

/* Whether the first @n characters of @suite name the release or an older one, or a moving name. */
static bool base_is_known(const char *suite, size_t n, const char *release)
{
        int last = release_index(release);

        for (size_t i = 0; i < ELEMENTS(moving); i++)
                if (strlen(moving[i]) == n && strncmp(suite, moving[i], n) == 0)
                        return true;
        for (int i = 0; release_names[i] && i <= last; i++)
                if (strlen(release_names[i]) == n && strncmp(suite, release_names[i], n) == 0)
                        return true;
        return false;
}

const char *suite_security_suffix(const char *release)
{
        return release_index(release) < release_index("bullseye") ? "/updates" : "-security";
}

bool release_splits_firmware(const char *release)
{
        return release_index(release) >= release_index("bookworm");
}

int suite_map(const char *suite, enum archive archive, const char *release, char **ret)
{
        /* An old name of stable-proposed-updates. */
        const char *whole = streq(suite, "proposed-updates") ? "stable-proposed-updates" : suite;

        for (size_t i = 0; i < ELEMENTS(flavours); i++) {
                const char *suffix = flavours[i].suffix;

                if (!endswith(whole, suffix) || !base_is_known(whole, strlen(whole) - strlen(suffix), release))
                        continue;
                if (flavours[i].security || archive == ARCHIVE_SECURITY)
                        suffix = suite_security_suffix(release);
                *ret = path_join("%s%s", release, suffix);
                return *ret ? 0 : -ENOMEM;
        }
        return -ENOENT;
}
