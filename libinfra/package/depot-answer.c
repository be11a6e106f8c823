/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A kept file is answered from its descriptor. One that is missing is claimed: the connection's thread asks
 * upstream and, when there is a file of a known length, leaves the fetch to a thread of its own and follows the
 * growing part like everybody else. What cannot be kept (no length, no room) is passed through, and so is what
 * changes.
 */

#include "package/depot-answer.h"

#include <errno.h>

#include "base/clock.h"
#include "base/fd.h"
#include "package/depot-fetch.h"

enum {
        BLOCK_BYTES = 65536,
        FOLLOW_POLL_MS = 10,
        STALLED_MS = 90000, /* more than the fetcher's own patience with upstream */
};

/* The body of an answer: a part that grows, or upstream's. */
struct body {
        struct depot *d;
        int part;
        uint64_t size;
        bool ended; /* nobody writes it any more */
        struct upstream *u;
};

enum MHD_Result depot_say(struct MHD_Connection *c, unsigned status, const char *text)
{
        _cleanup_free_ char *line = path_join("%s\n", text);
        struct MHD_Response *response =
                line ? MHD_create_response_from_buffer(strlen(line), line, MHD_RESPMEM_MUST_COPY) : NULL;
        enum MHD_Result result;

        if (!response)
                return MHD_NO;
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        result = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        return result;
}

static enum MHD_Result say_status(struct depot *d, struct MHD_Connection *c, unsigned status, const char *reason)
{
        atomic_fetch_add(status < 500 ? &d->served : &d->failed, 1);
        return depot_say(c, status, reason);
}

static enum MHD_Result say_failure(struct depot *d, struct MHD_Connection *c, int r, const char *reason)
{
        return say_status(d, c, r == -ECANCELED ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_BAD_GATEWAY, reason);
}

static enum MHD_Result send_response(struct depot *d, struct MHD_Connection *c, unsigned status,
                                     struct MHD_Response *response, const char *modified)
{
        enum MHD_Result result;

        if (!response)
                return MHD_NO;
        if (modified && *modified)
                MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, modified);
        atomic_fetch_add(&d->served, 1);
        result = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        return result;
}

static void body_free(void *userdata)
{
        struct body *b = userdata;

        if (b->u && upstream_status(b->u) == 200) {
                atomic_fetch_add(&b->d->fetched_bytes, upstream_received(b->u));
                atomic_fetch_add(&b->d->fetched, upstream_complete(b->u));
        }
        upstream_free(b->u);
        closep(&b->part);
        free(b);
}

static ssize_t body_follow(void *userdata, uint64_t position, char *block, size_t max)
{
        struct body *b = userdata;
        int64_t deadline = clock_boottime_ms() + STALLED_MS;

        for (;;) {
                ssize_t n = pread(b->part, block, MIN(max, b->size - position), (off_t)(CACHE_HEAD_BYTES + position));

                if (n > 0)
                        return n;
                if (n < 0 || b->ended || clock_boottime_ms() >= deadline)
                        return MHD_CONTENT_READER_END_WITH_ERROR;
                /* One more look after its fetcher has gone: it may have gone because it was ready. */
                b->ended = !cache_growing(b->part);
                if (!b->ended && depot_pause(b->d, FOLLOW_POLL_MS))
                        return MHD_CONTENT_READER_END_WITH_ERROR;
        }
}

static ssize_t body_pass(void *userdata, uint64_t position UNUSED, char *block, size_t max)
{
        struct body *b = userdata;
        ssize_t n = upstream_read(b->u, block, max, NULL);

        if (n > 0)
                return n;
        if (n == 0)
                return MHD_CONTENT_READER_END_OF_STREAM;
        atomic_fetch_add(&b->d->failed, 1);
        return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Takes @part or @u, also on failure. */
static struct MHD_Response *body_new(struct depot *d, uint64_t size, int part, struct upstream *u)
{
        struct body *b = calloc(1, sizeof(*b));
        struct MHD_Response *response = NULL;

        if (b) {
                *b = (struct body){ .d = d, .part = part, .size = size, .u = u };
                response = MHD_create_response_from_callback(size, BLOCK_BYTES, u ? body_pass : body_follow, b, body_free);
                if (!response)
                        body_free(b);
                return response;
        }
        closep(&part);
        upstream_free(u);
        return NULL;
}

/* Gives what upstream says on as it is; takes @u, which has begun. */
static enum MHD_Result pass_on(struct depot *d, struct MHD_Connection *c, const struct depot_request *q,
                               struct upstream *u)
{
        static const char *const fields[] = { "ETag", "Content-Type", "Last-Modified" };
        int64_t length = upstream_length(u);
        unsigned status = (unsigned)upstream_status(u);
        struct MHD_Response *response;

        /* A connection that ends would be a whole file to the client. */
        if (status == 200 && length < 0 && !q->head && !(q->chunks && upstream_chunked(u))) {
                upstream_free(u);
                return say_failure(d, c, -EIO, "the mirror does not say how long the file is");
        }
        response = body_new(d, status != 200 ? 0 : length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length, -1, u);
        for (size_t i = 0; response && i < ELEMENTS(fields); i++) {
                const char *value = upstream_field(u, fields[i]);

                if (value)
                        MHD_add_response_header(response, fields[i], value);
        }
        return send_response(d, c, status, response, NULL);
}

/* The status to answer when there is no file, with the reason; 0 when there is one, or 304 for who may have that. */
static unsigned no_file(const struct upstream *u, const char *url, bool conditional, char **ret_reason)
{
        long status = upstream_status(u);

        if (status == 200 || (status == 304 && conditional))
                return 0;
        *ret_reason = path_join("%s: the answer from upstream is HTTP %ld", url, status);
        return status >= 400 && status < 600 && status != 407 ? (unsigned)status : MHD_HTTP_BAD_GATEWAY;
}

static enum MHD_Result answer_changing(struct depot *d, struct MHD_Connection *c, const struct depot_request *q)
{
        struct upstream_ask ask = {
                .url = q->url,
                .head = q->head,
                .fresh = !q->keepable,
                .modified = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MODIFIED_SINCE),
                .none_match = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH),
        };
        _cleanup_upstream_ struct upstream *u = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_free_ char *reason = NULL;
        int r = upstream_open(d->upstreams, &ask, &u, &error);
        unsigned status;

        if (r < 0) {
                reason = path_join("%s: %s", q->url, infra_error_message(error));
                return say_failure(d, c, r, reason ? reason : "out of memory");
        }
        status = no_file(u, q->url, ask.modified || ask.none_match, &reason);
        if (status > 0)
                return say_status(d, c, status, reason ? reason : "out of memory");
        return pass_on(d, c, q, TAKE_PTR(u));
}

/* Asks for a file whose part is claimed; takes @claimed. */
static enum MHD_Result answer_missing(struct depot *d, struct MHD_Connection *c, const struct depot_request *q, int claimed)
{
        struct upstream_ask ask = { .url = q->url };
        _cleanup_close_ int part = claimed;
        _cleanup_upstream_ struct upstream *u = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_free_ char *reason = NULL;
        struct cache_head head = {};
        int r = upstream_open(d->upstreams, &ask, &u, &error), follow = -1;
        unsigned status = r < 0 ? MHD_HTTP_BAD_GATEWAY : no_file(u, q->url, false, &reason);

        if (r < 0)
                reason = path_join("%s: %s", q->url, infra_error_message(error));
        if (status > 0) {
                if (r != -ECANCELED && reason)
                        cache_report(part, q->url, status, reason);
                cache_drop(d->directory, q->url, part);
                return r < 0 ? say_failure(d, c, r, reason ? reason : "out of memory")
                             : say_status(d, c, status, reason ? reason : "out of memory");
        }
        r = depot_fetch_start(d, q->url, part, u, &head, &follow);
        if (r < 0) {
                cache_drop(d->directory, q->url, part);
                return pass_on(d, c, q, TAKE_PTR(u));
        }
        TAKE_FD(part);
        TAKE_PTR(u);
        return send_response(d, c, MHD_HTTP_OK, body_new(d, head.size, follow, NULL), head.modified);
}

static enum MHD_Result answer_whole(struct depot *d, struct MHD_Connection *c, const struct cache_head *head, int kept)
{
        struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(head->size, kept, CACHE_HEAD_BYTES);

        if (!response)
                close(kept);
        return send_response(d, c, MHD_HTTP_OK, response, head->modified);
}

static enum MHD_Result answer_kept(struct depot *d, struct MHD_Connection *c, const struct depot_request *q)
{
        struct cache_head head = {};
        _cleanup_close_ int fd = -1;
        int r = depot_find(d, q->url, &head, &fd);

        switch (r) {
        case DEPOT_WHOLE:
                return answer_whole(d, c, &head, TAKE_FD(fd));
        case DEPOT_GROWING:
                return send_response(d, c, MHD_HTTP_OK, body_new(d, head.size, TAKE_FD(fd), NULL), head.modified);
        case DEPOT_FAILED:
                return say_status(d, c, head.status, head.reason);
        case DEPOT_OURS:
                return answer_missing(d, c, q, TAKE_FD(fd));
        case -ECANCELED:
                return say_failure(d, c, r, "the depot is being stopped");
        default:
                /* A directory that is full or broken is no reason to have no packages. */
                return answer_changing(d, c, q);
        }
}

enum MHD_Result depot_answer(struct depot *d, struct MHD_Connection *c, const struct depot_request *q)
{
        struct cache_head head = {};
        int fd = -1;

        if (q->keepable && !q->head)
                return answer_kept(d, c, q);
        if (q->keepable && cache_open(d->directory, q->url, &head, &fd) >= 0)
                return answer_whole(d, c, &head, fd);
        return answer_changing(d, c, q);
}
