/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known about Debian's archives: which addresses are theirs, and how suites are called in a release. */

#include <stdbool.h>

#include "package/package.h"

enum archive {
        ARCHIVE_FOREIGN, /* not Debian's own */
        ARCHIVE_MAIN,
        ARCHIVE_SECURITY,
        ARCHIVE_MAX,
};

/* Which archive an address is, with those of @to taken as Debian's. */
enum archive archive_of(const char *uri, const struct package_sources *to);
/* The rule for an address that is not Debian's own (or is what a rule made of one); NULL: none. */
const struct source_rule *archive_rule(const char *uri, const struct package_sources *to);
/* What a rule says the suite shall be; NULL: as it is. */
const char *rule_suite(const struct source_rule *rule, const struct package_sources *to);
/* The address to use for an archive of @to; NULL = the one that stands there. "" = there is none. */
const char *archive_mirror(enum archive a, const struct package_sources *to);

/*
 * The suite of release @release that corresponds to @suite of an older one ("buster/updates" ->
 * "bullseye-security", "stable" -> "trixie"), allocated. -ENOENT when there is none (testing, sid, newer
 * releases, unknown names), -ENOMEM.
 */
int suite_map(const char *suite, enum archive archive, const char *release, char **ret);
/* The security suite's name in a release: "buster/updates", "bullseye-security". */
const char *suite_security_suffix(const char *release);
/* Whether non-free firmware is a component of its own in the release. */
bool release_splits_firmware(const char *release);
