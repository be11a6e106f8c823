/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MESSAGES_MAX = 64 * 1024, GROUP_BIT = 1u << (NFNLGRP_NFTABLES - 1) };

struct firewall_watch {
        struct mnl_socket *socket;
};

int firewall_watch_open(struct firewall_watch **ret, infra_error **reterr)
{
        struct firewall_watch *w = calloc(1, sizeof(*w));

        if (!w)
                return infra_error_oom(reterr);
        w->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!w->socket || mnl_socket_bind(w->socket, GROUP_BIT, MNL_SOCKET_AUTOPID) < 0) {
                int r = infra_error_set(reterr, -errno, "cannot watch nftables: %m");

                firewall_watch_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct firewall_watch *firewall_watch_free(struct firewall_watch *w)
{
        if (w && w->socket)
                mnl_socket_close(w->socket);
        free(w);
        return NULL;
}

int firewall_watch_fd(const struct firewall_watch *w)
{
        return mnl_socket_get_fd(w->socket);
}

bool firewall_watch_drain(struct firewall_watch *w)
{
        char buffer[MESSAGES_MAX];
        bool news = false;

        for (;;) {
                ssize_t n = mnl_socket_recvfrom(w->socket, buffer, sizeof(buffer));

                /* More than the socket holds is news, too. */
                if (n < 0 && errno != ENOBUFS && errno != EINTR)
                        return news;
                news = true;
        }
}
