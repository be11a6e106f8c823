/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bridge of the containers, by rtnetlink(7): link, addresses, up; and forwarding in this network namespace. */

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/container.h"
#include "container/netlink.h"

/*
 * A bridge without an address of its own takes the lowest one of its ports, so that every container that comes or
 * goes might change the gateway's and cut the others off until their neighbour entries expire. Ours is its own,
 * the same after each boot; locally administered.
 */
static void hardware_address(const struct host *h, uint8_t ret[static ETH_ALEN])
{
        uint64_t hash = 0xcbf29ce484222325u;

        for (const char *p = h->name ? h->name : ""; *p; p++)
                hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
        for (const char *p = h->bridge; *p; p++)
                hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
        ret[0] = 0x02;
        memcpy(ret + 1, &hash, ETH_ALEN - 1);
}

static int link_add(const struct host *h)
{
        _cleanup_free_ char *buffer = calloc(1, MNL_SOCKET_BUFFER_SIZE);
        struct nlmsghdr *m = buffer ? mnl_nlmsg_put_header(buffer) : NULL;
        uint8_t address[ETH_ALEN];
        struct ifinfomsg *i;
        struct nlattr *info;

        if (!m)
                return -ENOMEM;
        m->nlmsg_type = RTM_NEWLINK;
        m->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
        i = mnl_nlmsg_put_extra_header(m, sizeof(*i));
        i->ifi_family = AF_UNSPEC;
        mnl_attr_put_strz(m, IFLA_IFNAME, h->bridge);
        hardware_address(h, address);
        mnl_attr_put(m, IFLA_ADDRESS, sizeof(address), address);
        info = mnl_attr_nest_start(m, IFLA_LINKINFO);
        mnl_attr_put_str(m, IFLA_INFO_KIND, "bridge");
        mnl_attr_nest_end(m, info);
        return netlink_talk(m);
}

static int link_up(unsigned index)
{
        _cleanup_free_ char *buffer = calloc(1, MNL_SOCKET_BUFFER_SIZE);
        struct nlmsghdr *m = buffer ? mnl_nlmsg_put_header(buffer) : NULL;
        struct ifinfomsg *i;

        if (!m)
                return -ENOMEM;
        m->nlmsg_type = RTM_NEWLINK;
        i = mnl_nlmsg_put_extra_header(m, sizeof(*i));
        i->ifi_family = AF_UNSPEC;
        i->ifi_index = (int)index;
        i->ifi_flags = i->ifi_change = IFF_UP;
        return netlink_talk(m);
}

static bool is_bridge(const char *name)
{
        _cleanup_free_ char *path = path_join("/sys/class/net/%s/bridge", name);

        return path && path_exists(AT_FDCWD, path);
}

static bool carries(const struct ifaddrs *list, const char *name, const struct address *a)
{
        for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
                const void *bytes;

                if (!i->ifa_addr || i->ifa_addr->sa_family != a->family || !streq(i->ifa_name, name))
                        continue;
                bytes = a->family == AF_INET
                                ? (const void *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr
                                : (const void *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
                if (memcmp(bytes, a->bytes, address_bits(a) / 8) == 0 && (i->ifa_flags & IFF_UP))
                        return true;
        }
        return false;
}

static const struct {
        const char *path;
        int family;
} forwarding[] = {
        { "/proc/sys/net/ipv4/ip_forward", AF_INET },
        { "/proc/sys/net/ipv6/conf/all/forwarding", AF_INET6 },
};

static bool forwards(const char *path)
{
        _cleanup_free_ char *text = NULL;

        return file_read(AT_FDCWD, path, 16, &text, NULL) >= 0 && *text == '1';
}

/* Forwarding of a family is wanted when the bridge has an address of it. */
static bool is_wanted(const struct host *h, int family)
{
        return address_is_set(family == AF_INET ? &h->bridge_ipv4 : &h->bridge_ipv6);
}

bool bridge_is_made(const struct host *h)
{
        struct ifaddrs *list = NULL;
        bool made;

        if (!is_bridge(h->bridge) || getifaddrs(&list) < 0)
                return false;
        made = (!address_is_set(&h->bridge_ipv4) || carries(list, h->bridge, &h->bridge_ipv4)) &&
               (!address_is_set(&h->bridge_ipv6) || carries(list, h->bridge, &h->bridge_ipv6));
        freeifaddrs(list);
        for (size_t i = 0; i < ELEMENTS(forwarding); i++)
                made = made && (!is_wanted(h, forwarding[i].family) || forwards(forwarding[i].path));
        return made;
}

static int forward(const char *path, infra_error **reterr)
{
        _cleanup_close_ int fd = -1;

        if (forwards(path))
                return 0;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "1", 1) != 1)
                return infra_error_set(reterr, -errno, "cannot switch forwarding on in %s: %m", path);
        return 0;
}

int bridge_make(const struct host *h, infra_error **reterr)
{
        unsigned index = if_nametoindex(h->bridge);
        int r = 0;

        if (index && !is_bridge(h->bridge))
                return infra_error_set(reterr, -EEXIST, "%s exists and is not a bridge; it is left alone", h->bridge);
        if (!index)
                r = link_add(h);
        if (r < 0 && r != -EEXIST)
                return infra_error_set(reterr, r, "cannot make bridge %s: %s", h->bridge, strerror(-r));
        index = if_nametoindex(h->bridge);
        r = address_is_set(&h->bridge_ipv4) ? netlink_address_add(index, &h->bridge_ipv4) : 0;
        if (r >= 0 && address_is_set(&h->bridge_ipv6))
                r = netlink_address_add(index, &h->bridge_ipv6);
        if (r >= 0)
                r = link_up(index);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot set up bridge %s: %s", h->bridge, strerror(-r));
        for (size_t i = 0; r >= 0 && i < ELEMENTS(forwarding); i++)
                if (is_wanted(h, forwarding[i].family))
                        r = forward(forwarding[i].path, reterr);
        return r;
}
