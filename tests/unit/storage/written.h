/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A generation that serves, its candidate, and what is told about them. */

#include "fixture.h"

enum { FILES = 60, DIRECTORIES = 12 };

static UNUSED char *root_of(char buffer[static PATH_ROOM], const struct storage *s, const char *place)
{
        return path_in(buffer, "%s/containers/lists/%s/rootfs", storage_path(s), place);
}

static UNUSED int fill(void *userdata UNUSED, const char *rootfs, infra_error **reterr UNUSED)
{
        char path[PATH_ROOM];

        for (int i = 0; i < DIRECTORIES; i++)
                assert_int_equal(mkdir(path_in(path, "%s/d%d", rootfs, i), 0755), 0);
        for (int i = 0; i < FILES; i++)
                text_write(path_in(path, "%s/d%d/f%d", rootfs, i % DIRECTORIES, i), "old");
        for (int i = 0; i < 2; i++) {
                assert_int_equal(dir_make(AT_FDCWD, path_in(path, "%s/twins/%c", rootfs, 'a' + i), 0755), 0);
                text_write(path_in(path, "%s/twins/%c/same", rootfs, 'a' + i), i ? "b" : "a");
        }
        assert_int_equal(symlink("d0/f0", path_in(path, "%s/link", rootfs)), 0);
        text_write(path_in(path, "%s/name with space\nand line", rootfs), "old");
        return 0;
}

static UNUSED void live_one(struct storage *s)
{
        assert_ok(storage_generation_make(s, "lists", 1, "bookworm", "", fill, NULL, &error));
        assert_ok(storage_generation_exchange(s, "lists", 1, GENERATION_PREVIOUS, &error));
        assert_ok(storage_generation_shadow(s, "lists", 1, 2, "run-1", "clone-2", &error));
        assert_true(storage_base_exists(s, "lists", "clone-2"));
        /* Again: the same base, the same candidate. */
        assert_ok(storage_generation_shadow(s, "lists", 1, 2, "run-1", "clone-2", &error));
        /* Times of change must be able to differ. */
        usleep(20000);
}

static UNUSED const struct written *find(const struct write_set *set, const char *path)
{
        for (size_t i = 0; i < set->n; i++)
                if (streq(set->items[i].path, path))
                        return &set->items[i];
        return NULL;
}

static UNUSED void expect(const struct write_set *set, const char *path, enum written_kind kind)
{
        const struct written *w = find(set, path);

        if (!w)
                fail_msg("%s is missing", path);
        assert_string_equal(written_kind_name(w->kind), written_kind_name(kind));
}

#define AT_EACH_PLACE(what)                                             \
        static void test_##what(void **state UNUSED)                    \
        {                                                               \
                FOREACH_PLACE(p) {                                      \
                        _cleanup_storage_ struct storage *s = storage_at(p, #what); \
                                                                        \
                        what(s);                                        \
                }                                                       \
        }
