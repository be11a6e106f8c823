/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "container/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "base/macro.h"

static void socket_closep(struct mnl_socket **s)
{
        if (*s)
                mnl_socket_close(*s);
}

int netlink_talk(struct nlmsghdr *request)
{
        CLEANUP(socket_closep) struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        _cleanup_free_ char *buffer = malloc(MNL_SOCKET_BUFFER_SIZE);
        ssize_t n;

        if (!s || !buffer || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
                return buffer ? -errno : -ENOMEM;
        request->nlmsg_seq = 1;
        request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        if (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
                return -errno;
        n = mnl_socket_recvfrom(s, buffer, MNL_SOCKET_BUFFER_SIZE);
        if (n < 0)
                return -errno;
        return mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(s), NULL, NULL) < 0 ? -errno : 0;
}

static int address_change(uint16_t type, uint16_t flags, unsigned index, const struct address *a)
{
        _cleanup_free_ char *buffer = calloc(1, MNL_SOCKET_BUFFER_SIZE);
        struct nlmsghdr *m = buffer ? mnl_nlmsg_put_header(buffer) : NULL;
        struct ifaddrmsg *i;

        if (!m)
                return -ENOMEM;
        m->nlmsg_type = type;
        m->nlmsg_flags = flags;
        i = mnl_nlmsg_put_extra_header(m, sizeof(*i));
        i->ifa_family = (uint8_t)a->family;
        i->ifa_prefixlen = (uint8_t)a->prefix;
        i->ifa_index = index;
        i->ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0;
        mnl_attr_put(m, IFA_LOCAL, address_bits(a) / 8, a->bytes);
        mnl_attr_put(m, IFA_ADDRESS, address_bits(a) / 8, a->bytes);
        return netlink_talk(m);
}

int netlink_address_add(unsigned index, const struct address *a)
{
        int r = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, a);

        return r == -EEXIST ? 0 : r;
}

int netlink_address_delete(unsigned index, const struct address *a)
{
        return address_change(RTM_DELADDR, 0, index, a);
}
