/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "storage/identity.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

enum { IDENTITY_SIZE_MAX = 4096, IDENTITY_FORMAT = 1, IDENTITY_MODE = 0600 };

enum identity_key {
        IDENTITY_VERSION,
        IDENTITY_CONTAINER,
        IDENTITY_NUMBER,
        IDENTITY_PARENT,
        IDENTITY_RELEASE,
        IDENTITY_STATE,
        IDENTITY_RUN,
        IDENTITY_CREATED,
        IDENTITY_KEY_MAX,
};

static const char *const identity_keys[IDENTITY_KEY_MAX] = {
        [IDENTITY_VERSION] = "format",   [IDENTITY_CONTAINER] = "container", [IDENTITY_NUMBER] = "number",
        [IDENTITY_PARENT] = "parent",    [IDENTITY_RELEASE] = "release",     [IDENTITY_STATE] = "state",
        [IDENTITY_RUN] = "run",          [IDENTITY_CREATED] = "created",
};

/* Cuts the text into its values, which point into it. Returns the key that is wrong, or NULL. */
static const char *identity_split(char *text, char *values[static IDENTITY_KEY_MAX])
{
        for (int i = 0; i < IDENTITY_KEY_MAX; i++) {
                size_t length = strlen(identity_keys[i]);
                char *end = strchr(text, '\n');

                if (!end || strncmp(text, identity_keys[i], length) != 0 || text[length] != '=')
                        return identity_keys[i];
                *end = '\0';
                values[i] = text + length + 1;
                text = end + 1;
        }
        return *text ? "end" : NULL;
}

static int number_parse(const char *text, int64_t max, int64_t *ret)
{
        char *end;
        intmax_t value;

        errno = 0;
        value = strtoimax(text, &end, 10);
        if (errno != 0 || *end || !isdigit((unsigned char)text[0]) || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}

static const char *identity_fill(char *values[static IDENTITY_KEY_MAX], const char *container, struct generation *g)
{
        int64_t format, number, parent;

        if (number_parse(values[IDENTITY_VERSION], IDENTITY_FORMAT, &format) < 0 || format != IDENTITY_FORMAT)
                return identity_keys[IDENTITY_VERSION];
        if (!streq(values[IDENTITY_CONTAINER], container))
                return identity_keys[IDENTITY_CONTAINER];
        if (number_parse(values[IDENTITY_NUMBER], UINT_MAX, &number) < 0 || number == 0)
                return identity_keys[IDENTITY_NUMBER];
        if (number_parse(values[IDENTITY_PARENT], UINT_MAX, &parent) < 0)
                return identity_keys[IDENTITY_PARENT];
        if (generation_state_parse(values[IDENTITY_STATE]) < 0)
                return identity_keys[IDENTITY_STATE];
        if (number_parse(values[IDENTITY_CREATED], INT64_MAX, &g->created_ms) < 0)
                return identity_keys[IDENTITY_CREATED];
        g->number = (unsigned)number;
        g->parent = (unsigned)parent;
        g->state = (enum generation_state)generation_state_parse(values[IDENTITY_STATE]);
        g->release = strdup(values[IDENTITY_RELEASE]);
        g->run = strdup(values[IDENTITY_RUN]);
        return NULL;
}

int identity_read(const char *tree, const char *container, struct generation *ret, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/identity", tree), *text = NULL;
        char *values[IDENTITY_KEY_MAX];
        struct generation g = {};
        const char *wrong;
        int r;

        if (!path)
                return infra_error_oom(reterr);
        r = file_read(AT_FDCWD, path, IDENTITY_SIZE_MAX, &text, NULL);
        if (r == -ENOENT || r == -ENOTDIR || r == -EFBIG)
                return infra_error_set(reterr, -EUCLEAN, "%s has no readable identity: %s", tree, strerror(-r));
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        wrong = identity_split(text, values);
        if (!wrong)
                wrong = identity_fill(values, container, &g);
        if (wrong)
                return infra_error_set(reterr, -EUCLEAN, "%s is not the identity of a generation of %s: its %s is wrong",
                                       path, container, wrong);
        if (!g.release || !g.run) {
                free(g.release);
                free(g.run);
                return infra_error_oom(reterr);
        }
        *ret = g;
        return 0;
}

int identity_write(const char *tree, const char *container, const struct generation *g, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/identity", tree), *text = NULL;
        int r;

        if (strchr(g->release, '\n') || strchr(g->run, '\n'))
                return infra_error_set(reterr, -EINVAL, "release and run of a generation are single lines");
        text = path_join("format=%d\ncontainer=%s\nnumber=%u\nparent=%u\n"
                         "release=%s\nstate=%s\nrun=%s\ncreated=%" PRId64 "\n",
                         IDENTITY_FORMAT, container, g->number, g->parent,
                         g->release, generation_state_name(g->state), g->run, g->created_ms);
        if (!path || !text)
                return infra_error_oom(reterr);
        r = file_replace(AT_FDCWD, path, text, strlen(text), IDENTITY_MODE);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot write %s: %s", path, strerror(-r));
        return 0;
}
