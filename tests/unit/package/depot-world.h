/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For the tests of depots: a mirror on loopback, two depots that share a directory, and clients in the place of apt. */

#include "../testing.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "package/depot.h"

enum { BIG = 3 << 20, PIECE = 128 << 10, CLIENTS = 8, SETTLE_MS = 2000 };

#define MODIFIED "Sat, 05 Dec 2026 08:00:00 GMT"

struct mirror {
        int fd;
        uint16_t port;
        pthread_t thread;
        atomic_bool stop;
        atomic_int requests;
        char last[2048]; /* the last request */
        char *big;
};

struct answer {
        CURLcode code;
        long status;
        curl_off_t length;
        struct str body;
        struct str fields;
};

struct world {
        char directory[64];
        struct mirror mirror;
        char origin[64];
        int listener[2];
        uint16_t port[2];
        struct depot *depot[2];
};

static int listen_any(uint16_t *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fd, 64), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

static void put(int fd, const char *bytes, size_t size)
{
        while (size > 0) {
                ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                bytes += n;
                size -= (size_t)n;
        }
}

static void put_file(int fd, const char *fields, const char *body, size_t size, size_t sent)
{
        char head[256];

        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nConnection: close\r\nLast-Modified: " MODIFIED "\r\n%sContent-Length: %zu\r\n\r\n",
                 fields, size);
        put(fd, head, strlen(head));
        for (size_t at = 0; at < sent; at += PIECE) {
                put(fd, body + at, MIN((size_t)PIECE, sent - at));
                if (sent > PIECE)
                        usleep(4000);
        }
}

static void reply(struct mirror *m, int fd)
{
        static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n";
        static const char endless[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
        static const char unchanged[] = "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"one\"\r\n\r\n";
        static const char missing[] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnone";
        const char *q = m->last;

        if (startswith(q, "HEAD ") && strstr(q, "big.deb"))
                put_file(fd, "", m->big, BIG, 0);
        else if (strstr(q, "/pool/big.deb"))
                put_file(fd, "", m->big, BIG, BIG);
        else if (strstr(q, "/by-hash/empty"))
                put_file(fd, "", "", 0, 0);
        else if (strstr(q, "/InRelease") && (strstr(q, "\r\nIf-Modified-Since: " MODIFIED "\r\n") || strstr(q, "If-None-Match: \"one\"")))
                put(fd, unchanged, strlen(unchanged));
        else if (strstr(q, "/InRelease"))
                put_file(fd, "ETag: \"one\"\r\n", "Suite: x\n", 9, 9);
        else if (strstr(q, "/broken.deb") || strstr(q, "/Packages-broken"))
                put_file(fd, "", m->big, BIG, BIG / 2);
        else if (strstr(q, "/chunked"))
                put(fd, chunked, strlen(chunked)), put(fd, strstr(q, "/chunked-broken") ? "5\r\nhe" : "0\r\n\r\n", 5);
        else if (strstr(q, "/endless"))
                put(fd, endless, strlen(endless));
        else if (strstr(q, "/slow.deb"))
                usleep(100000), put(fd, missing, strlen(missing));
        else if (!strstr(q, "/silent"))
                put(fd, missing, strlen(missing));
}

static void *mirror_loop(void *userdata)
{
        struct mirror *m = userdata;

        while (!m->stop) {
                struct pollfd p = { .fd = m->fd, .events = POLLIN };
                int fd = poll(&p, 1, 10) > 0 ? accept(m->fd, NULL, NULL) : -1;
                ssize_t n = fd >= 0 ? read(fd, m->last, sizeof(m->last) - 1) : 0;

                if (n > 0) {
                        m->last[n] = '\0';
                        m->requests++;
                        reply(m, fd);
                }
                closep(&fd);
        }
        return NULL;
}

static void mirror_start(struct mirror *m)
{
        m->big = malloc(BIG);
        for (size_t i = 0; i < BIG; i++)
                m->big[i] = (char)(i * 2654435761u >> 13);
        m->fd = listen_any(&m->port);
        m->stop = false;
        m->requests = 0;
        assert_int_equal(pthread_create(&m->thread, NULL, mirror_loop, m), 0);
}

static void mirror_stop(struct mirror *m)
{
        m->stop = true;
        pthread_join(m->thread, NULL);
        close(m->fd);
        free(m->big);
}

static void depot_up(struct world *w, unsigned i)
{
        const char *origins[] = { "http://127.0.0.1:1/nobody/", w->origin, NULL };
        struct depot_options o = { .directory = w->directory, .origins = origins };
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(depot_start(w->listener[i], &o, &w->depot[i], &error), 0);
}

static void world_init(struct world *w)
{
        char template[] = "/tmp/test-depot-XXXXXX";

        *w = (struct world){};
        assert_non_null(mkdtemp(template));
        snprintf(w->directory, sizeof(w->directory), "%s/depot", template);
        mirror_start(&w->mirror);
        snprintf(w->origin, sizeof(w->origin), "http://127.0.0.1:%u/debian", w->mirror.port);
        for (unsigned i = 0; i < 2; i++) {
                w->listener[i] = listen_any(&w->port[i]);
                depot_up(w, i);
        }
}

static void world_done(struct world *w)
{
        for (unsigned i = 0; i < 2; i++) {
                depot_free(w->depot[i]);
                close(w->listener[i]);
        }
        mirror_stop(&w->mirror);
        *strrchr(w->directory, '/') = '\0';
        tree_remove(AT_FDCWD, w->directory);
}

static size_t take(char *data, size_t size, size_t n, void *userdata)
{
        str_add_bytes(userdata, data, size * n);
        return size * n;
}

static void answer_done(struct answer *a)
{
        str_done(&a->body);
        str_done(&a->fields);
}

#define _cleanup_answer_ CLEANUP(answer_done)

static void ask(const struct world *w, unsigned depot, const char *method, const char *url, const char *field, struct answer *ret)
{
        struct curl_slist *fields = field ? curl_slist_append(NULL, field) : NULL;
        CURL *c = curl_easy_init();
        char proxy[64];

        answer_done(ret);
        *ret = (struct answer){};
        snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", w->port[depot]);
        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_PROXY, proxy);
        curl_easy_setopt(c, CURLOPT_NOPROXY, "");
        curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, fields);
        curl_easy_setopt(c, CURLOPT_NOBODY, (long)streq(method, "HEAD"));
        if (!streq(method, "HEAD"))
                curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, &ret->body);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, &ret->fields);
        ret->code = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &ret->status);
        curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &ret->length);
        curl_easy_cleanup(c);
        curl_slist_free_all(fields);
}

/* GET of a path beneath the origin through the first depot. */
static void get(const struct world *w, const char *path, const char *field, struct answer *ret)
{
        _cleanup_free_ char *url = path_join("%s%s", w->origin, path);

        ask(w, 0, "GET", url, field, ret);
}

static bool is_big(const struct world *w, const struct answer *a)
{
        return a->code == CURLE_OK && a->status == 200 && a->body.length == BIG && memcmp(a->body.text, w->mirror.big, BIG) == 0;
}

/* Files in the directory that end in @suffix; kept files when that is "". */
static int files(const struct world *w, const char *suffix)
{
        DIR *d = opendir(w->directory);
        struct dirent *e;
        int n = 0;

        while ((e = readdir(d)))
                n += e->d_name[0] != '.' && (*suffix ? endswith(e->d_name, suffix) : !strchr(e->d_name, '.'));
        closedir(d);
        return n;
}

/* A fetch ends after its last byte has been delivered. */
static void settle(const struct world *w)
{
        int64_t deadline = clock_boottime_ms() + SETTLE_MS;

        while (files(w, ".part") > 0 && clock_boottime_ms() < deadline)
                usleep(2000);
        assert_int_equal(files(w, ".part"), 0);
}

struct client {
        const struct world *w;
        unsigned depot;
        const char *path;
        struct answer a;
        pthread_t thread;
};

static void *client_run(void *userdata)
{
        struct client *c = userdata;
        _cleanup_free_ char *url = path_join("%s%s", c->w->origin, c->path);

        ask(c->w, c->depot, "GET", url, NULL, &c->a);
        return NULL;
}

static void all_ask(struct world *w, const char *path, struct client clients[static CLIENTS])
{
        for (unsigned i = 0; i < CLIENTS; i++) {
                clients[i] = (struct client){ .w = w, .depot = i % 2, .path = path };
                assert_int_equal(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
        }
        for (unsigned i = 0; i < CLIENTS; i++)
                pthread_join(clients[i].thread, NULL);
}

static uint64_t fetched(const struct world *w)
{
        struct depot_counts a, b;

        /* Counted just after the rename. */
        usleep(20000);
        depot_counts(w->depot[0], &a);
        depot_counts(w->depot[1], &b);
        return a.fetched + b.fetched;
}
