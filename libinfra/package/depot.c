/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The life of a depot, and what may be asked of it. Every connection has a thread of libmicrohttpd; what is
 * answered is in depot-answer.c, the kept files are in depot-cache.c, how they come there in depot-fetch.c, and
 * libcurl is in depot-upstream.c.
 */

#include "package/depot.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "package/depot-answer.h"
#include "package/depot-cache.h"

enum {
        CONNECTIONS_MAX = 256,
        IDLE_S = 300, /* longer than any wait for upstream */
};

static size_t without_slashes(const char *s)
{
        size_t n = strlen(s);

        while (n > 0 && s[n - 1] == '/')
                n--;
        return n;
}

static int origin_add(struct depot *d, const char *origin)
{
        const char *host = startswith(origin, "http://") ? origin + 7 : startswith(origin, "https://") ? origin + 8 : NULL;
        _cleanup_free_ char *plain = strndup(origin, without_slashes(origin));

        if (!plain)
                return -ENOMEM;
        if (!host || *host == '\0' || *host == '/' || strpbrk(host, "?#\\ ") || memchr(host, '@', strcspn(host, "/")))
                return -EINVAL;
        return strlist_add(&d->origins, plain);
}

static int hex(char c)
{
        return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/*
 * Whether upstream cannot read the path in another way than we do: nothing that leads upwards, no parameters, and
 * no separator that is written as an escape.
 */
static bool path_is_plain(const char *path)
{
        size_t dots = 0, others = 0; /* of the segment, decoded */

        for (const char *p = path; *p; p++) {
                int c = (unsigned char)*p;

                if (c == '/') {
                        if (others == 0 && (dots == 1 || dots == 2))
                                return false;
                        dots = others = 0;
                        continue;
                }
                if (c == '%') {
                        if (hex(p[1]) < 0 || hex(p[2]) < 0)
                                return false;
                        c = hex(p[1]) * 16 + hex(p[2]);
                        p += 2;
                } else if (strchr("?#\"<>[]^`{|}", c)) {
                        return false;
                }
                if (c <= ' ' || c >= 0x7f || c == '/' || c == '\\')
                        return false;
                if (c == '.')
                        dots++;
                else
                        others++;
        }
        return others > 0 || dots == 0 || dots > 2;
}

/* The path beneath an origin that may be asked for, or NULL. */
static const char *allowed_path(const struct depot *d, const char *url)
{
        for (size_t i = 0; i < d->origins.n; i++) {
                const char *origin = d->origins.items[i];
                const char *path = startswith(url, origin) ? url + strlen(origin) : "";

                if (*path == '/' && path_is_plain(path))
                        return path;
        }
        return NULL;
}

static enum MHD_Result refuse(struct depot *d, struct MHD_Connection *c, unsigned status, const char *text)
{
        atomic_fetch_add(&d->refused, 1);
        return depot_say(c, status, text);
}

static enum MHD_Result refuse_origin(struct depot *d, struct MHD_Connection *c, const char *url)
{
        _cleanup_free_ char *text =
                path_join("%s is not beneath an address that this depot may ask. It is a proxy for apt (Acquire::http::Proxy) and "
                          "fetches only what the sources it was given name.", url);

        return refuse(d, c, MHD_HTTP_FORBIDDEN, text ? text : "This address may not be asked for.");
}

static void *request_new(void *userdata UNUSED, const char *uri, struct MHD_Connection *c UNUSED)
{
        struct depot_request *q = calloc(1, sizeof(*q));

        /* As it came: later it is unescaped, and cut at the '?'. */
        if (q)
                q->url = strdup(uri ? uri : "");
        return q;
}

static void request_done(void *userdata UNUSED, struct MHD_Connection *c UNUSED, void **context,
                         enum MHD_RequestTerminationCode code UNUSED)
{
        struct depot_request *q = *context;

        if (q)
                free(q->url);
        free(q);
        *context = NULL;
}

static enum MHD_Result handle(void *userdata, struct MHD_Connection *c, const char *path UNUSED, const char *method,
                              const char *version, const char *upload UNUSED, size_t *upload_size, void **context)
{
        struct depot *d = userdata;
        struct depot_request *q = *context;
        const char *beneath;

        if (!q || !q->url)
                return MHD_NO;
        q->head = streq(method, MHD_HTTP_METHOD_HEAD);
        if (!q->head && !streq(method, MHD_HTTP_METHOD_GET))
                return refuse(d, c, MHD_HTTP_METHOD_NOT_ALLOWED,
                              "This depot answers GET and HEAD only. It opens no tunnels either: write https:// sources as "
                              "http://, apt checks the signatures in any case.");
        /* An answer to the first call would end the connection. */
        if (!q->known || *upload_size > 0) {
                q->known = true;
                *upload_size = 0;
                return MHD_YES;
        }
        if (strlen(q->url) >= CACHE_URL_BYTES)
                return refuse(d, c, MHD_HTTP_URI_TOO_LONG, "The address is too long.");
        beneath = allowed_path(d, q->url);
        if (!beneath)
                return refuse_origin(d, c, q->url);
        q->keepable = strstr(beneath, "/pool/") || strstr(beneath, "/by-hash/");
        q->chunks = streq(version, MHD_HTTP_VERSION_1_1);
        return depot_answer(d, c, q);
}

static int serve(struct depot *d, int listener, infra_error **reterr)
{
        int own = fcntl(listener, F_DUPFD_CLOEXEC, 3);
        struct stat given, left;
        sigset_t all, before;

        if (own < 0)
                return infra_error_set(reterr, -errno, "cannot duplicate the depot's socket: %m");
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        /* With ITC: else it would be the socket that is shut down at the end, and that is not only ours. */
        d->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
                                     0, NULL, NULL, handle, d,
                                     MHD_OPTION_LISTEN_SOCKET, own,
                                     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
                                     MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                     MHD_OPTION_URI_LOG_CALLBACK, request_new, d,
                                     MHD_OPTION_NOTIFY_COMPLETED, request_done, d,
                                     MHD_OPTION_END);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (d->daemon)
                return 0;
        /* Whether it closed the socket depends on how far it came. */
        if (fstat(own, &left) == 0 && fstat(listener, &given) == 0 && left.st_ino == given.st_ino && left.st_dev == given.st_dev)
                close(own);
        return infra_error_set(reterr, -EIO, "cannot start the HTTP server of the depot");
}

int depot_start(int listener, const struct depot_options *o, struct depot **ret, infra_error **reterr)
{
        _cleanup_depot_ struct depot *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return infra_error_oom(reterr);
        pthread_mutex_init(&d->mutex, NULL);
        pthread_cond_init(&d->fetch_ended, NULL);
        d->directory = -1;
        d->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (d->stop < 0)
                return infra_error_set(reterr, -errno, "cannot make an event: %m");
        for (size_t i = 0; o->origins && o->origins[i]; i++) {
                r = origin_add(d, o->origins[i]);
                if (r < 0)
                        return infra_error_set(reterr, r, "%s is no origin for a depot: http://HOST/PATH is", o->origins[i]);
        }
        d->upstreams = upstreams_new(o->proxy, d->stop);
        if (!d->upstreams)
                return infra_error_oom(reterr);
        r = cache_new(o->directory, &d->directory, reterr);
        if (r >= 0)
                r = serve(d, listener, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

void depot_counts(struct depot *d, struct depot_counts *ret)
{
        *ret = (struct depot_counts){
                .served = d->served,
                .fetched = d->fetched,
                .refused = d->refused,
                .failed = d->failed,
                .fetched_bytes = d->fetched_bytes,
        };
}

struct depot *depot_free(struct depot *d)
{
        if (!d)
                return NULL;
        if (d->stop >= 0)
                eventfd_write(d->stop, 1);
        if (d->daemon)
                MHD_stop_daemon(d->daemon);
        pthread_mutex_lock(&d->mutex);
        while (d->n_fetches > 0)
                pthread_cond_wait(&d->fetch_ended, &d->mutex);
        pthread_mutex_unlock(&d->mutex);
        upstreams_free(d->upstreams);
        strlist_done(&d->origins);
        closep(&d->directory);
        closep(&d->stop);
        pthread_cond_destroy(&d->fetch_ended);
        pthread_mutex_destroy(&d->mutex);
        free(d);
        return NULL;
}
