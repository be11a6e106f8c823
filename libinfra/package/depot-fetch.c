/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/depot-fetch.h"

#include <errno.h>
#include <poll.h>

#include "base/fd.h"

enum {
        BLOCK_BYTES = 65536,
        HEAD_POLL_MS = 20,
        AGAIN_MS = 1,
        FETCHES_MAX = 64,
};
#define KEPT_BYTES_MAX (UINT64_C(4) << 30)

struct fetch {
        struct depot *d;
        struct upstream *u;
        int part;
        uint64_t size;
        char *url;
        char block[BLOCK_BYTES];
};

bool depot_pause(const struct depot *d, int ms)
{
        struct pollfd p = { .fd = d->stop, .events = POLLIN };

        return poll(&p, 1, ms) > 0;
}

/* Until another's part has a head: 1 with it, 0 when its fetcher gave up without, -ECANCELED. */
static int wait_for_head(const struct depot *d, int part, const char *url, struct cache_head *ret)
{
        for (;;) {
                /* In this order: a fetcher that fails leaves word first and unlocks then. */
                bool growing = cache_growing(part);

                if (cache_peek(part, url, ret))
                        return growing || ret->status != 200;
                if (!growing)
                        return 0;
                if (depot_pause(d, HEAD_POLL_MS))
                        return -ECANCELED;
        }
}

int depot_find(const struct depot *d, const char *url, struct cache_head *ret, int *ret_fd)
{
        for (;;) {
                _cleanup_close_ int part = -1;
                int r = cache_open(d->directory, url, ret, ret_fd);

                if (r != -ENOENT)
                        return r < 0 ? r : DEPOT_WHOLE;
                r = cache_claim(d->directory, url, &part);
                if (r > 0 && cache_open(d->directory, url, ret, ret_fd) >= 0) {
                        /* Came between the two looks. */
                        cache_drop(d->directory, url, part);
                        return DEPOT_WHOLE;
                }
                if (r > 0) {
                        *ret_fd = TAKE_FD(part);
                        return DEPOT_OURS;
                }
                if (r == 0)
                        r = wait_for_head(d, part, url, ret);
                if (r > 0) {
                        *ret_fd = TAKE_FD(part);
                        return ret->status == 200 ? DEPOT_GROWING : DEPOT_FAILED;
                }
                if (r < 0)
                        return r;
                if (depot_pause(d, AGAIN_MS))
                        return -ECANCELED;
        }
}

static bool fetches_enter(struct depot *d)
{
        bool room;

        pthread_mutex_lock(&d->mutex);
        room = d->n_fetches < FETCHES_MAX;
        d->n_fetches += room;
        pthread_mutex_unlock(&d->mutex);
        return room;
}

static void fetches_leave(struct depot *d)
{
        pthread_mutex_lock(&d->mutex);
        d->n_fetches--;
        pthread_cond_signal(&d->fetch_ended);
        pthread_mutex_unlock(&d->mutex);
}

static void fetch_free(struct fetch *f)
{
        upstream_free(f->u);
        closep(&f->part);
        free(f->url);
        free(f);
}

static void *fetch_run(void *userdata)
{
        struct fetch *f = userdata;
        struct depot *d = f->d;
        ssize_t n;
        int r = 0;

        while (r >= 0 && (n = upstream_read(f->u, f->block, sizeof(f->block), NULL)) != 0)
                r = n < 0 ? (int)n : fd_write_all(f->part, f->block, (size_t)n);
        if (r >= 0)
                r = cache_keep(d->directory, f->url, f->part, f->size);
        if (r < 0)
                cache_drop(d->directory, f->url, f->part);
        atomic_fetch_add(&d->fetched_bytes, upstream_received(f->u));
        atomic_fetch_add(r < 0 ? &d->failed : &d->fetched, 1);
        fetch_free(f);
        fetches_leave(d);
        return NULL;
}

static int fetch_prepare(struct fetch *f, struct cache_head *ret, int *ret_follow)
{
        const char *modified = upstream_field(f->u, "Last-Modified");
        _cleanup_close_ int follow = -1;
        int r = cache_reopen(f->d->directory, f->url, &follow);

        if (r >= 0)
                r = cache_begin(f->part, f->url, f->size, modified ? modified : "");
        if (r < 0)
                return r;
        if (!cache_peek(follow, f->url, ret))
                return -EIO;
        *ret_follow = TAKE_FD(follow);
        return 0;
}

int depot_fetch_start(struct depot *d, const char *url, int part, struct upstream *u, struct cache_head *ret,
                      int *ret_follow)
{
        _cleanup_free_ struct fetch *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *copy = strdup(url);
        _cleanup_close_ int follow = -1;
        pthread_t thread;
        int r;

        if (!f || !copy)
                return -ENOMEM;
        if (upstream_length(u) < 0 || (uint64_t)upstream_length(u) > KEPT_BYTES_MAX)
                return -EFBIG;
        f->d = d;
        f->u = u;
        f->part = part;
        f->url = copy;
        f->size = (uint64_t)upstream_length(u);
        if (!fetches_enter(d))
                return -EAGAIN;
        r = fetch_prepare(f, ret, &follow);
        if (r >= 0)
                r = -pthread_create(&thread, NULL, fetch_run, f);
        if (r < 0) {
                fetches_leave(d);
                return r;
        }
        pthread_detach(thread);
        TAKE_PTR(f);
        TAKE_PTR(copy);
        *ret_follow = TAKE_FD(follow);
        return 0;
}
