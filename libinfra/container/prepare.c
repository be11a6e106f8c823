/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of a guest's root written from outside before its first start. The root belongs to the guest, so
 * every path is resolved inside it (openat2, RESOLVE_IN_ROOT): a link cannot lead out.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "container/container.h"

/* Replaces a file; a link of that name is replaced by the file. A directory that the root lacks: nothing to do. */
static int put(int root, const char *directory, const char *name, const char *text, infra_error **reterr)
{
        _cleanup_close_ int dir = root_openat(root, directory, O_RDONLY | O_DIRECTORY);
        int r;

        if (dir == -ENOENT)
                return 0;
        r = dir < 0 ? dir : file_replace(dir, name, text, strlen(text), 0644);
        return r < 0 ? infra_error_set(reterr, r, "cannot write %s/%s of the root: %s", directory, name, strerror(-r))
                     : 0;
}

static int put_hosts(int root, const struct container *c, infra_error **reterr)
{
        _cleanup_str_ struct str s = {};
        char text[ADDRESS_TEXT_MAX];

        str_add(&s, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
        if (address_is_set(&c->internal))
                str_add(&s, "%s %s\n", address_format_host(&c->internal, text), c->name);
        if (address_is_set(&c->ipv6))
                str_add(&s, "%s %s\n", address_format_host(&c->ipv6, text), c->name);
        return s.failed ? infra_error_oom(reterr) : put(root, "etc", "hosts", s.text, reterr);
}

static int put_resolvers(int root, const infra_estate *e, infra_error **reterr)
{
        _cleanup_str_ struct str s = {};
        char text[ADDRESS_TEXT_MAX];

        /* Without resolvers the file of the machine the root was made on must not stay: every lookup would wait for it.
         */
        str_add(&s, e->host.n_resolvers ? "" : "# host.yaml names no resolvers\n");
        for (size_t i = 0; i < e->host.n_resolvers; i++)
                str_add(&s, "nameserver %s\n", address_format_host(&e->host.resolvers[i], text));
        return s.failed ? infra_error_oom(reterr) : put(root, "etc", "resolv.conf", s.text, reterr);
}

static int put_proxy(int root, const infra_estate *e, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;

        if (!e->host.proxy)
                return 0;
        text = path_join("Acquire::http::Proxy \"%s\";\n", e->host.proxy);
        return text ? put(root, "etc/apt/apt.conf.d", "99infra-proxy", text, reterr) : infra_error_oom(reterr);
}

/*
 * The addresses of eth0 are set from outside before the guest's init runs. networkd, where the guest has it, must
 * neither remove them nor hold up the boot waiting for a link that is not its own.
 */
static int put_networkd(int root, infra_error **reterr)
{
        _cleanup_close_ int units = -1;
        int r = put(root, "etc/systemd/network", "00-infra-eth0.network",
                    "# eth0 is configured by the host\n[Match]\nName=eth0\n\n[Link]\nUnmanaged=yes\n", reterr);

        if (r < 0)
                return r;
        units = root_openat(root, "etc/systemd/system", O_RDONLY | O_DIRECTORY);
        if (units == -ENOENT)
                return 0;
        r = units < 0                                                                                      ? units
            : symlinkat("/dev/null", units, "systemd-networkd-wait-online.service") < 0 && errno != EEXIST ? -errno
                                                                                                           : 0;
        return r < 0 ? infra_error_set(reterr, r, "cannot mask systemd-networkd-wait-online in the root: %s",
                                       strerror(-r))
                     : 0;
}

/* Mail programs copied the name of the machine the root was made on. */
static int put_mailname(int root, const char *name, infra_error **reterr)
{
        _cleanup_close_ int file = root_openat(root, "etc/mailname", O_PATH | O_NOFOLLOW);

        return file < 0 ? 0 : put(root, "etc", "mailname", name, reterr);
}

int container_prepare_root(const infra_estate *e, const struct container *c, const char *rootfs, infra_error **reterr)
{
        _cleanup_close_ int root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *name = path_join("%s\n", c->name);
        int r;

        if (root < 0)
                return infra_error_set(reterr, -errno, "cannot open the root %s: %m", rootfs);
        if (!name)
                return infra_error_oom(reterr);
        r = put(root, "etc", "hostname", name, reterr);
        if (r >= 0)
                r = put_hosts(root, c, reterr);
        if (r >= 0)
                r = put_resolvers(root, e, reterr);
        if (r >= 0)
                r = put_proxy(root, e, reterr);
        if (r >= 0)
                r = put_networkd(root, reterr);
        if (r >= 0)
                r = put_mailname(root, name, reterr);
        /* Empty, so that the guest makes one of its own at its first start: two clones must not share it. */
        return r < 0 ? r : put(root, "etc", "machine-id", "", reterr);
}
