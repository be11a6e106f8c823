/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An estate of one container by hand, and a directory that goes away with the test. */

#include "../testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "container/container.h"

struct fixture {
        char directory[64];
        infra_estate estate;
        struct container container;
        struct volume volumes[2];
        struct address resolver;
};

static inline char *literal(const char *s)
{
        return (char *)(uintptr_t)s;
}

static inline void fixture_init(struct fixture *f)
{
        struct host *h = &f->estate.host;
        struct container *c = &f->container;

        *f = (struct fixture){ .directory = "/tmp/infra-container.XXXXXX" };
        assert_non_null(mkdtemp(f->directory));
        h->bridge = literal("br0");
        h->lxc_path = literal("/var/lib/lxc");
        h->mirror = literal("http://mirror.example.org/debian");
        h->security_mirror = literal("http://mirror.example.org/debian-security");
        h->id_first = 100000;
        h->id_count = 65536;
        address_parse("10.0.0.1/24", &h->bridge_ipv4);
        address_parse("10.0.0.17", &c->internal);
        c->name = literal("lists");
        c->span = (struct span){ "containers/lists.yaml", 1, 12, 5 };
        f->volumes[0] =
                (struct volume){ .path = literal("/var/lib/sympa"), .span = { "containers/lists.yaml", 7, 5, 14 } };
        f->volumes[1] =
                (struct volume){ .path = literal("/srv/with space#\\"), .span = { "containers/lists.yaml", 8, 5, 14 } };
        c->volumes = f->volumes;
        f->estate.containers = c;
        f->estate.n_containers = 1;
}

static inline void fixture_done(struct fixture *f)
{
        tree_remove(AT_FDCWD, f->directory);
}
#define _cleanup_fixture_ CLEANUP(fixture_done)

/* A path in the fixture's directory; allocated. */
#define IN(f, format, ...) path_join("%s/" format, (f)->directory __VA_OPT__(, ) __VA_ARGS__)

static inline void text_put(const char *path, const char *text)
{
        assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static inline void text_is(const char *path, const char *text)
{
        _cleanup_free_ char *have = NULL;

        assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &have, NULL), 0);
        assert_string_equal(have, text);
}

static inline void refused(int r, infra_error **error, int code, const char *words)
{
        assert_int_equal(r, code);
        assert_non_null(*error);
        if (!strstr(infra_error_message(*error), words))
                fail_msg("'%s' does not say '%s'", infra_error_message(*error), words);
        *error = infra_error_free(*error);
}
