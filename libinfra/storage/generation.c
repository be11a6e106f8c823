/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading generations. generations/ is locked shared while it is read, and exclusively around the few renames that
 * move a tree which others may be reading about (a directory that is read while its entries are renamed can show
 * neither name). So a status never waits for a clone and never misses a tree. A tree that is deleted under a
 * reader has no identity for a moment: it is read again, and what is wrong then is wrong on disk.
 */

#include "storage/generation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/fd.h"
#include "storage/identity.h"
#include "storage/place.h"

enum { READ_TRIES = 6, READ_PAUSE_MS = 5, GENERATIONS_MAX = 4096 };

static const char *const state_names[GENERATION_STATE_MAX] = {
        [GENERATION_CANDIDATE] = "candidate",
        [GENERATION_LIVE] = "live",
        [GENERATION_PREVIOUS] = "previous",
        [GENERATION_BAD] = "bad",
};

const char *generation_state_name(enum generation_state s)
{
        return state_names[s];
}

int generation_state_parse(const char *s)
{
        for (int i = 0; i < GENERATION_STATE_MAX; i++)
                if (streq(state_names[i], s))
                        return i;
        return -EINVAL;
}

void generation_done(struct generation *g)
{
        free(g->release);
        free(g->run);
        free(g->path);
        *g = (struct generation){};
}

void generations_done(struct generations *g)
{
        for (size_t i = 0; i < g->n; i++)
                generation_done(&g->items[i]);
        free(g->items);
        *g = (struct generations){};
}

const struct generation *generations_find(const struct generations *g, unsigned number)
{
        for (size_t i = 0; i < g->n; i++)
                if (g->items[i].number == number)
                        return &g->items[i];
        return NULL;
}

const struct generation *generations_live(const struct generations *g)
{
        for (size_t i = 0; i < g->n; i++)
                if (g->items[i].state == GENERATION_LIVE)
                        return &g->items[i];
        return NULL;
}

static int generations_add(struct generations *g, const char *container, char *path, bool live, infra_error **reterr)
{
        struct generation *item, found = {};
        int r;

        r = identity_read(path, container, &found, reterr);
        if (r < 0)
                return r;
        found.path = strdup(path);
        item = found.path ? ARRAY_ADD(g->items, g->n) : NULL;
        if (!item) {
                generation_done(&found);
                return infra_error_oom(reterr);
        }
        /* The place decides about live; one that says so elsewhere was moved by hand and has been live. */
        if (live)
                found.state = GENERATION_LIVE;
        else if (found.state == GENERATION_LIVE)
                found.state = GENERATION_PREVIOUS;
        *item = found;
        return 0;
}

static int by_number(const void *a, const void *b)
{
        unsigned x = ((const struct generation *)a)->number, y = ((const struct generation *)b)->number;

        return (x > y) - (x < y);
}

static int generations_check(struct generations *g, const char *container, infra_error **reterr)
{
        if (g->n > 1)
                qsort(g->items, g->n, sizeof(g->items[0]), by_number);
        for (size_t i = 1; i < g->n; i++)
                if (g->items[i - 1].number == g->items[i].number)
                        return infra_error_set(reterr, -EUCLEAN, "%s and %s both say they are generation %u of %s",
                                               g->items[i - 1].path, g->items[i].path, g->items[i].number, container);
        return 0;
}

int generations_read(const struct storage *s, const char *container, struct generations *ret, infra_error **reterr)
{
        _cleanup_free_ char *live = path_join("%s/containers/%s/live", s->path, container);
        _cleanup_free_ char *others = path_join("%s/containers/%s/generations", s->path, container);
        _cleanup_generations_ struct generations g = {};
        _cleanup_strlist_ struct strlist names = {};
        _cleanup_close_ int lock = -1;
        int r;

        if (!live || !others)
                return infra_error_oom(reterr);
        r = place_lock(others, LOCK_SH, &lock, reterr);
        if (r >= 0)
                r = place_entries(others, &names, reterr);
        if (r < 0)
                return r;
        if (names.n > GENERATIONS_MAX)
                return infra_error_set(reterr, -E2BIG, "%s holds more than %d entries", others, GENERATIONS_MAX);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", others, names.items[i]);

                if (!path)
                        return infra_error_oom(reterr);
                r = names.items[i][0] == '.' ? 0 : generations_add(&g, container, path, false, reterr);
                if (r < 0)
                        return r;
        }
        if (path_exists(AT_FDCWD, live)) {
                r = generations_add(&g, container, live, true, reterr);
                if (r < 0)
                        return r;
        }
        r = generations_check(&g, container, reterr);
        if (r < 0)
                return r;
        *ret = g;
        g = (struct generations){};
        return 0;
}

int storage_generations(struct storage *s, const char *container, struct generations *ret, infra_error **reterr)
{
        int r;

        r = place_name_check("container", container, reterr);
        for (unsigned i = 0; r >= 0; i++) {
                _cleanup_error_ infra_error *error = NULL;

                r = generations_read(s, container, ret, &error);
                if (r >= 0)
                        return 0;
                if (r == -EUCLEAN && i + 1 < READ_TRIES) {
                        clock_sleep_ms(READ_PAUSE_MS);
                        r = 0;
                        continue;
                }
                return infra_error_set(reterr, r, "cannot list generations of %s: %s", container,
                                       infra_error_message(error));
        }
        return r;
}

/*
 * The name a tree should have may be taken by another that is misnamed too: numbers are unique, so each
 * exchange puts at least one of them right for good.
 */
static int generation_rename(struct generations *g, struct generation *item, const char *right, infra_error **reterr)
{
        bool taken = path_exists(AT_FDCWD, right);
        int r;

        r = place_move(item->path, right, taken ? RENAME_EXCHANGE : RENAME_NOREPLACE, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < g->n && taken; i++)
                if (streq(g->items[i].path, right)) {
                        free(g->items[i].path);
                        g->items[i].path = TAKE_PTR(item->path);
                        break;
                }
        free(item->path);
        item->path = strdup(right);
        return item->path ? 0 : infra_error_oom(reterr);
}

int generations_rename(const struct storage *s, const char *container, struct generations *g, infra_error **reterr)
{
        _cleanup_free_ char *directory = path_join("%s/containers/%s/generations", s->path, container);
        _cleanup_close_ int lock = -1;
        int r = directory ? 0 : infra_error_oom(reterr);

        for (size_t i = 0; i < g->n && r >= 0; i++) {
                _cleanup_free_ char *right = path_join("%s/%u", directory, g->items[i].number);

                if (!right)
                        return infra_error_oom(reterr);
                if (g->items[i].state == GENERATION_LIVE || streq(g->items[i].path, right))
                        continue;
                if (lock < 0)
                        place_lock(directory, LOCK_EX, &lock, NULL); /* a reader that hangs does not stop us */
                r = generation_rename(g, &g->items[i], right, reterr);
        }
        return r;
}
