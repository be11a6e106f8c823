/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel's routing would do with a packet: RTM_GETROUTE, one question a socket. */

#include "firewall/firewall.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/macro.h"

struct finding {
        char *interface;
        bool *local;
};

static int on_route(const struct nlmsghdr *m, void *userdata)
{
        const struct rtmsg *route = mnl_nlmsg_get_payload(m);
        struct finding *f = userdata;
        const struct nlattr *a;

        *f->local = route->rtm_type == RTN_LOCAL;
        mnl_attr_for_each(a, m, sizeof(*route))
                if (mnl_attr_get_type(a) == RTA_OIF)
                        if_indextoname(mnl_attr_get_u32(a), f->interface);
        return MNL_CB_OK;
}

int firewall_route(int family, const uint8_t *to, char ret_interface[static 16], bool *ret_local)
{
        char buffer[4096] = {};
        struct finding f = { ret_interface, ret_local };
        struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
        struct rtmsg *route;
        ssize_t n = -1;

        m->nlmsg_type = RTM_GETROUTE;
        m->nlmsg_flags = NLM_F_REQUEST;
        m->nlmsg_seq = 1;
        route = mnl_nlmsg_put_extra_header(m, sizeof(*route));
        route->rtm_family = (unsigned char)family;
        route->rtm_dst_len = family == AF_INET ? 32 : 128;
        mnl_attr_put(m, RTA_DST, family == AF_INET ? 4 : 16, to);
        if (s && mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) >= 0 && mnl_socket_sendto(s, m, m->nlmsg_len) >= 0)
                n = mnl_socket_recvfrom(s, buffer, sizeof(buffer));
        if (n > 0 && mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(s), on_route, &f) < 0)
                n = -1;
        if (s)
                mnl_socket_close(s);
        return n > 0 ? 0 : -EHOSTUNREACH;
}
