/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small server on loopback for the probes' tests: a thread that gives each connection to a handler. */

#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/str.h"
#include "probe/probe.h"

struct server {
        void (*handle)(int fd, struct server *s);
        const char *answers[4]; /* for the handlers below */
        int delay_ms;
        char request[4096];     /* what the last client said */
        atomic_uint connections;
        int fd;
        uint16_t port;
        struct address address;
        atomic_bool stop;
        pthread_t thread;
};

static void *server_loop(void *userdata)
{
        struct server *s = userdata;

        while (!s->stop) {
                struct pollfd p = { .fd = s->fd, .events = POLLIN };
                int fd;

                if (poll(&p, 1, 10) <= 0)
                        continue;
                fd = accept(s->fd, NULL, NULL);
                if (fd < 0)
                        continue;
                s->connections++;
                s->handle(fd, s);
                close(fd);
        }
        return NULL;
}

/* @address: "127.0.0.1" or "::1". */
static void server_start(struct server *s, const char *address)
{
        struct sockaddr_storage ss = {};
        struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
        socklen_t size;

        assert_int_equal(address_parse(address, &s->address), 0);
        ss.ss_family = (sa_family_t)s->address.family;
        size = ss.ss_family == AF_INET ? sizeof(*v4) : sizeof(*v6);
        if (ss.ss_family == AF_INET)
                v4->sin_addr = s->address.v4;
        else
                v6->sin6_addr = s->address.v6;
        s->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(s->fd >= 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&ss, size), 0);
        assert_int_equal(listen(s->fd, 16), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *)&ss, &size), 0);
        s->port = ntohs(ss.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
        s->stop = false;
        assert_int_equal(pthread_create(&s->thread, NULL, server_loop, s), 0);
}

static void server_stop(struct server *s)
{
        s->stop = true;
        pthread_join(s->thread, NULL);
        close(s->fd);
}

static inline struct probe_target server_target(const struct server *s)
{
        return (struct probe_target){ .name = "lists", .address = s->address, .port = s->port };
}

/* Reads up to an empty line or one line, as the protocol has it, into s->request. */
static inline void server_read(int fd, struct server *s, const char *end)
{
        size_t used = 0;

        s->request[0] = '\0';
        while (used + 1 < sizeof(s->request) && !strstr(s->request, end)) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                ssize_t n = poll(&p, 1, 500) > 0 ? read(fd, s->request + used, sizeof(s->request) - 1 - used) : 0;

                if (n <= 0)
                        return;
                used += (size_t)n;
                s->request[used] = '\0';
        }
}

static inline void server_say(int fd, const char *text)
{
        send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* One attempt against the server; frees nothing of the result. */
static inline struct probe_result server_ask(const struct probe *p, const struct server *s)
{
        struct probe_target t = server_target(s);
        struct probe_result result = {};
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(probe_ask(p, &t, &result, &error), 0);
        assert_non_null(result.detail);
        print_message("# %s: %s\n", probe_verdict_name(result.verdict), result.detail);
        return result;
}
