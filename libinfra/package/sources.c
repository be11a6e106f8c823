/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/sources.h"

#include <errno.h>

#include "package/archive.h"

#define MIRROR_DEFAULT "http://deb.debian.org/debian"

char *token_text(const char *text, const struct token *t)
{
        return strndup(text + t->at, t->length);
}

bool token_is(const char *text, const struct token *t, const char *word)
{
        return t->length == strlen(word) && strncmp(text + t->at, word, t->length) == 0;
}

int tokens_find(const char *text, const struct token *tokens, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (token_is(text, &tokens[i], word))
                        return (int)i;
        return -ENOENT;
}

void components_extend(const char *text, const struct token *tokens, size_t n, const char *release, struct edits *e)
{
        int i = tokens_find(text, tokens, n, "non-free");

        if (i >= 0 && release_splits_firmware(release) && tokens_find(text, tokens, n, "non-free-firmware") < 0)
                edits_add(e, tokens[i].at + tokens[i].length, 0, " non-free-firmware");
}

int sources_default(const struct package_sources *to, char **ret_text)
{
        const char *mirror = to->mirror && *to->mirror ? to->mirror : MIRROR_DEFAULT;
        _cleanup_str_ struct str s = {};

        str_add(&s, SOURCES_NOTE "no entry of Debian's own was found here, so these were written\n");
        str_add(&s, "deb %s %s main\n", mirror, to->release);
        str_add(&s, "deb %s %s-updates main\n", mirror, to->release);
        if (to->security_mirror && *to->security_mirror)
                str_add(&s, "deb %s %s%s main\n", to->security_mirror, to->release, suite_security_suffix(to->release));
        *ret_text = str_take(&s);
        return *ret_text ? 0 : -ENOMEM;
}
