/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "base/str.h"

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

/* A name is whatever its process wants it to be. */
static void take_name(const struct nlattr *a, char ret[static 16])
{
        size_t n = MIN((size_t)mnl_attr_get_payload_len(a), (size_t)15);
        const char *name = mnl_attr_get_payload(a);

        memset(ret, 0, 16);
        for (size_t i = 0; i < n && name[i]; i++)
                ret[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
}

static int on_message(const struct nlmsghdr *m, void *userdata)
{
        struct firewall_changer who = {}, *last = userdata;
        const struct nlattr *a;

        if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
                return MNL_CB_OK;
        mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == NFTA_GEN_PROC_NAME)
                        take_name(a, who.name);
                else if (mnl_attr_get_type(a) == NFTA_GEN_PROC_PID && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                        who.pid = ntohl(mnl_attr_get_u32(a));
        }
        if (*who.name && !startswith(who.name, "infra"))
                *last = who;
        return MNL_CB_OK;
}

bool firewall_watch_drain(struct firewall_watch *w, struct firewall_changer *last)
{
        char buffer[MESSAGES_MAX];
        bool news = false;

        for (;;) {
                ssize_t n = mnl_socket_recvfrom(w->socket, buffer, sizeof(buffer));

                /* More than the socket holds is news, too. */
                if (n < 0 && errno != ENOBUFS && errno != EINTR)
                        return news;
                news = true;
                if (n > 0)
                        mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, last);
        }
}
