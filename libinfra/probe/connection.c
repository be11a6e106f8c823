/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One TCP connection with a deadline, and the tcp probe, which is nothing more than that. A refused,
 * reset or silent peer is the service's failure; what this machine lacks (route, descriptors, memory)
 * says nothing about the service and is "unknown".
 */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "probe/kind.h"

/* poll counts CLOCK_MONOTONIC, so long waits are sliced for the deadline to notice a suspended machine. */
enum { WAIT_SLICE_MS = 1000 };

bool errno_is_ours(int error)
{
        static const int ours[] = { ENOMEM,      ENOBUFS,     EMFILE,      ENFILE,        EACCES,        EPERM,
                                    ENETUNREACH, EHOSTUNREACH, ENETDOWN,   EADDRNOTAVAIL, EAFNOSUPPORT };

        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (ours[i] == error)
                        return true;
        return false;
}

int connection_wait(int fd, short events, int64_t deadline)
{
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                int64_t left = deadline - clock_boottime_ms();
                int n;

                if (left <= 0)
                        return -ETIME;
                n = poll(&p, 1, (int)MIN(left, WAIT_SLICE_MS));
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

static socklen_t socket_address(const struct probe_target *t, struct sockaddr_storage *ret)
{
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

        *ret = (struct sockaddr_storage){};
        if (t->address.family == AF_INET) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(t->port);
                v4->sin_addr = t->address.v4;
                return sizeof(*v4);
        }
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(t->port);
        v6->sin6_addr = t->address.v6;
        return sizeof(*v6);
}

/* 0, -ETIME, or the negative errno of the connection. */
static int connect_socket(int fd, const struct probe_target *t, int64_t deadline)
{
        struct sockaddr_storage address;
        socklen_t size = socket_address(t, &address), length = sizeof(int);
        int error = 0, r;

        if (connect(fd, (struct sockaddr *)&address, size) == 0)
                return 0;
        if (errno != EINPROGRESS && errno != EINTR)
                return -errno;
        r = connection_wait(fd, POLLOUT, deadline);
        if (r < 0)
                return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
                return -errno;
        return -error;
}

int connection_open(const struct probe_target *t, int64_t deadline, struct probe_result *ret)
{
        _cleanup_close_ int fd = socket(t->address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        char text[ADDRESS_TEXT_MAX];
        int r = fd < 0 ? -errno : connect_socket(fd, t, deadline);

        if (r == 0)
                return TAKE_FD(fd);
        address_format_host(&t->address, text);
        if (r == -ETIME)
                answer_set(ret, PROBE_FAIL, "no connection to %s port %u within the time limit", text, t->port);
        else
                answer_set(ret, errno_is_ours(-r) ? PROBE_UNKNOWN : PROBE_FAIL, "cannot connect to %s port %u: %s",
                           text, t->port, strerror(-r));
        return -1;
}

void tcp_ask(const struct probe *p UNUSED, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret)
{
        _cleanup_close_ int fd = connection_open(t, clock_boottime_ms() + timeout_ms, ret);
        char text[ADDRESS_TEXT_MAX];

        if (fd >= 0)
                answer_set(ret, PROBE_PASS, "connected to %s port %u", address_format_host(&t->address, text), t->port);
}
