/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <stdio.h>

#include "infractl/infractl.h"

int verb_volume(struct infractl *i)
{
        _cleanup_str_ struct str subject = {};

        if (!streq(i->arguments[0], "extract")) {
                fprintf(stderr, "infractl: volume: '%s' is not extract\nSee: infractl volume --help\n", i->arguments[0]);
                return EXIT_USAGE;
        }
        if (i->arguments[2][0] != '/') {
                fprintf(stderr, "infractl: volume extract: the path must be absolute, as the container sees it\n");
                return EXIT_USAGE;
        }
        str_add(&subject, "%s%s", i->arguments[1], i->arguments[2]);
        return subject.text ? change_run(i, "extract", subject.text, false, true) : EXIT_FAILED;
}
