/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "package/depot-upstream.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "base/fd.h"
#include "base/str.h"

enum {
        CONNECT_TIMEOUT_S = 20,
        SLOW_BYTES_PER_S = 1000,
        SLOW_S = 60,
        REDIRECTIONS_MAX = 5,
        IDLE_TRANSFERS_MAX = 8,
        POLL_MS = 1000,
};

struct upstreams {
        char *proxy;
        int stop;
        pthread_mutex_t mutex;
        struct upstream *idle[IDLE_TRANSFERS_MAX];
        size_t n_idle;
};

struct upstream {
        struct upstreams *all;
        CURL *easy;
        CURLM *multi; /* holds the connection between transfers */
        struct curl_slist *fields;
        struct str data; /* what came and was not read yet; as much as one step of curl brings */
        size_t taken;
        bool done;
        CURLcode code;
        long status;
        int64_t length;
        uint64_t received;
        char message[CURL_ERROR_SIZE];
};

struct upstreams *upstreams_new(const char *proxy, int stop)
{
        struct upstreams *all = calloc(1, sizeof(*all));

        if (!all)
                return NULL;
        all->proxy = strdup(proxy ? proxy : "");
        all->stop = stop;
        pthread_mutex_init(&all->mutex, NULL);
        return all->proxy ? all : upstreams_free(all);
}

static struct upstream *transfer_destroy(struct upstream *u)
{
        if (u->multi && u->easy)
                curl_multi_remove_handle(u->multi, u->easy);
        curl_easy_cleanup(u->easy);
        if (u->multi)
                curl_multi_cleanup(u->multi);
        curl_slist_free_all(u->fields);
        str_done(&u->data);
        free(u);
        return NULL;
}

struct upstreams *upstreams_free(struct upstreams *all)
{
        if (!all)
                return NULL;
        while (all->n_idle > 0)
                transfer_destroy(all->idle[--all->n_idle]);
        pthread_mutex_destroy(&all->mutex);
        free(all->proxy);
        free(all);
        return NULL;
}

static struct upstream *transfer_take(struct upstreams *all)
{
        struct upstream *u = NULL;

        pthread_mutex_lock(&all->mutex);
        if (all->n_idle > 0)
                u = all->idle[--all->n_idle];
        pthread_mutex_unlock(&all->mutex);
        if (u)
                return u;
        u = calloc(1, sizeof(*u));
        if (!u)
                return NULL;
        u->all = all;
        u->easy = curl_easy_init();
        u->multi = curl_multi_init();
        return u->easy && u->multi ? u : transfer_destroy(u);
}

static bool stopping(const struct upstreams *all)
{
        struct pollfd p = { .fd = all->stop, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

struct upstream *upstream_free(struct upstream *u)
{
        struct upstreams *all = u ? u->all : NULL;
        bool reusable = u && u->done && u->code == CURLE_OK;

        if (!u)
                return NULL;
        if (!reusable) {
                /* Else a name that is being looked up would hold up the end. */
                curl_easy_setopt(u->easy, CURLOPT_QUICK_EXIT, (long)stopping(all));
                return transfer_destroy(u);
        }
        curl_multi_remove_handle(u->multi, u->easy);
        curl_easy_reset(u->easy);
        curl_slist_free_all(u->fields);
        str_done(&u->data);
        *u = (struct upstream){ .all = all, .easy = u->easy, .multi = u->multi };
        pthread_mutex_lock(&all->mutex);
        if (all->n_idle < IDLE_TRANSFERS_MAX)
                all->idle[all->n_idle++] = TAKE_PTR(u);
        pthread_mutex_unlock(&all->mutex);
        return u ? transfer_destroy(u) : NULL;
}

static size_t body_take(char *data, size_t size, size_t n, void *userdata)
{
        struct upstream *u = userdata;

        str_add_bytes(&u->data, data, size * n);
        u->received += size * n;
        return u->data.failed ? 0 : size * n;
}

static int field_add(struct upstream *u, const char *name, const char *value)
{
        _cleanup_free_ char *line = value ? path_join("%s: %s", name, value) : NULL;
        struct curl_slist *fields = line ? curl_slist_append(u->fields, line) : NULL;

        if (!value)
                return 0;
        if (!fields)
                return -ENOMEM;
        u->fields = fields;
        return 0;
}

static int prepare(struct upstream *u, const struct upstream_ask *ask)
{
        CURL *c = u->easy;

        if (field_add(u, "If-Modified-Since", ask->modified) < 0 || field_add(u, "If-None-Match", ask->none_match) < 0 ||
            field_add(u, "Cache-Control", ask->fresh ? "max-age=0" : NULL) < 0 ||
            curl_easy_setopt(c, CURLOPT_URL, ask->url) != CURLE_OK ||
            curl_easy_setopt(c, CURLOPT_PROXY, u->all->proxy) != CURLE_OK)
                return -ENOMEM;
        curl_easy_setopt(c, CURLOPT_NOPROXY, "");
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTIONS_MAX);
        curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
        /* HTTP/2 has neither Content-Length for certain nor chunks. */
        curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "infra");
        curl_easy_setopt(c, CURLOPT_NOBODY, (long)ask->head);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, u->fields);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, u->message);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_take);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, u);
        return curl_multi_add_handle(u->multi, c) == CURLM_OK ? 0 : -ENOMEM;
}

/* Until something of the body is there, or the end is. */
static int advance(struct upstream *u, infra_error **reterr)
{
        while (!u->done && u->data.length == 0) {
                struct curl_waitfd stop = { .fd = u->all->stop, .events = CURL_WAIT_POLLIN };
                int running = 0, left = 0;
                CURLMsg *m;

                if (stopping(u->all))
                        return infra_error_set(reterr, -ECANCELED, "the depot is being stopped");
                if (curl_multi_perform(u->multi, &running) != CURLM_OK)
                        return infra_error_set(reterr, -EIO, "libcurl cannot go on");
                while ((m = curl_multi_info_read(u->multi, &left)))
                        if (m->msg == CURLMSG_DONE) {
                                u->done = true;
                                u->code = m->data.result;
                        }
                if (!u->done && u->data.length == 0)
                        curl_multi_poll(u->multi, &stop, 1, POLL_MS, NULL);
        }
        return 0;
}

static int failure(struct upstream *u, infra_error **reterr)
{
        return infra_error_set(reterr, -EIO, "%s", *u->message ? u->message : curl_easy_strerror(u->code));
}

int upstream_open(struct upstreams *all, const struct upstream_ask *ask, struct upstream **ret, infra_error **reterr)
{
        _cleanup_upstream_ struct upstream *u = transfer_take(all);
        curl_off_t length = -1;
        int r = u ? prepare(u, ask) : -ENOMEM;

        if (r < 0)
                return infra_error_oom(reterr);
        r = advance(u, reterr);
        if (r < 0)
                return r;
        if (u->done && u->code != CURLE_OK)
                return failure(u, reterr);
        curl_easy_getinfo(u->easy, CURLINFO_RESPONSE_CODE, &u->status);
        curl_easy_getinfo(u->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        u->length = length;
        *ret = TAKE_PTR(u);
        return 0;
}

long upstream_status(const struct upstream *u)
{
        return u->status;
}

int64_t upstream_length(const struct upstream *u)
{
        return u->length;
}

const char *upstream_field(struct upstream *u, const char *name)
{
        struct curl_header *h = NULL;

        return curl_easy_header(u->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

bool upstream_chunked(struct upstream *u)
{
        const char *encoding = upstream_field(u, "Transfer-Encoding");

        return encoding && strcasestr(encoding, "chunked");
}

ssize_t upstream_read(struct upstream *u, void *buffer, size_t size, infra_error **reterr)
{
        size_t n;
        int r = advance(u, reterr);

        if (r < 0)
                return r;
        if (u->data.length == 0 && u->code != CURLE_OK)
                return failure(u, reterr);
        if (u->data.length == 0)
                return u->length < 0 || u->received == (uint64_t)u->length
                               ? 0
                               : infra_error_set(reterr, -EIO, "the server broke off");
        n = MIN(size, u->data.length - u->taken);
        memcpy(buffer, u->data.text + u->taken, n);
        u->taken += n;
        if (u->taken == u->data.length)
                u->taken = u->data.length = 0;
        return (ssize_t)n;
}

uint64_t upstream_received(const struct upstream *u)
{
        return u->received;
}

bool upstream_complete(const struct upstream *u)
{
        return u->length >= 0 ? u->received == (uint64_t)u->length : u->done && u->code == CURLE_OK;
}
