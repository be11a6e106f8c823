/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The LXC configuration of a container, written whole from the policy: the same policy gives the same bytes.
 * Keys: lxc.container.conf(5). Unprivileged containers keep their files with ordinary owners on disk: root
 * and volumes are id-mapped mounts (idmap=container), so that a generation can be looked at, copied and
 * adopted without shifting owners.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "container/lxc.h"

static void add_network(struct str *s, const infra_estate *e, const struct container *c)
{
        const struct host *h = &e->host;
        uint64_t hash = container_hash(c);
        char port[CONTAINER_PORT_MAX + 1], text[ADDRESS_TEXT_MAX];

        str_add(s, "\nlxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\nlxc.net.0.name = eth0\n",
                h->bridge);
        /* Locally administered. */
        str_add(s, "lxc.net.0.hwaddr = 02:%02x:%02x:%02x:%02x:%02x\n", (unsigned)(hash & 0xff),
                (unsigned)(hash >> 8 & 0xff), (unsigned)(hash >> 16 & 0xff), (unsigned)(hash >> 24 & 0xff),
                (unsigned)(hash >> 32 & 0xff));
        container_port(c, port);
        str_add(s, "lxc.net.0.veth.pair = %s\n", port);
        if (address_is_set(&c->internal)) {
                str_add(s, "lxc.net.0.ipv4.address = %s/%u\n", address_format_host(&c->internal, text),
                        h->bridge_ipv4.prefix);
                str_add(s, "lxc.net.0.ipv4.gateway = %s\n", address_format_host(&h->bridge_ipv4, text));
        }
        if (address_is_set(&c->ipv6) && address_is_set(&h->bridge_ipv6)) {
                str_add(s, "lxc.net.0.ipv6.address = %s/%u\n", address_format_host(&c->ipv6, text),
                        h->bridge_ipv6.prefix);
                str_add(s, "lxc.net.0.ipv6.gateway = %s\n", address_format_host(&h->bridge_ipv6, text));
        }
}

/* Octal escapes as in fstab(5): liblxc parses mount entries with getmntent, which knows these and no others. */
static void add_escaped(struct str *s, const char *path)
{
        for (; *path; path++) {
                if (*path == ' ' || *path == '\t' || *path == '\\')
                        str_add(s, "\\%03o", (unsigned)(unsigned char)*path);
                else
                        str_add(s, "%c", *path);
        }
}

static void add_volumes(struct str *s, const struct container *c, const char *const *volumes)
{
        for (size_t i = 0; i < c->n_volumes; i++) {
                if (!*volumes[i])
                        continue;
                str_add(s, "%s# %s:%u\nlxc.mount.entry = ", i ? "" : "\n", c->volumes[i].span.file,
                        c->volumes[i].span.line);
                add_escaped(s, volumes[i]);
                str_add(s, " ");
                add_escaped(s, c->volumes[i].path + 1);
                str_add(s, " none bind,create=dir%s 0 0\n", c->privileged ? "" : ",idmap=container");
        }
}

static bool has_apparmor(void)
{
        return path_exists(AT_FDCWD, "/sys/kernel/security/apparmor/profiles");
}

int container_config_text(const infra_estate *e, const struct container *c, const char *rootfs,
                          const char *const *volumes, char **ret, infra_error **reterr)
{
        _cleanup_free_ char *log = reason_path(e->host.lxc_path, c->name);
        struct str s = {};

        if (!log)
                return infra_error_oom(reterr);
        str_add(&s, CONTAINER_MARK "\n# %s:%u\n\n", c->span.file, c->span.line);
        str_add(&s, "lxc.include = /usr/share/lxc/config/common.conf\n");
        if (!c->privileged)
                str_add(&s, "lxc.include = /usr/share/lxc/config/userns.conf\n");
        /* systemd in the guest mounts and makes namespaces of its own; without AppArmor there is nothing to say. */
        str_add(&s, has_apparmor() ? "lxc.apparmor.profile = generated\nlxc.apparmor.allow_nesting = 1\n"
                                   : "lxc.apparmor.profile = unconfined\n");
        str_add(&s, "lxc.uts.name = %s\nlxc.rootfs.path = dir:%s\n", c->name, rootfs);
        if (!c->privileged)
                str_add(&s, "lxc.rootfs.options = idmap=container\nlxc.idmap = u 0 %u %u\nlxc.idmap = g 0 %u %u\n",
                        e->host.id_first, e->host.id_count, e->host.id_first, e->host.id_count);
        /* Started by infra, in order and by readiness. */
        str_add(&s, "lxc.start.auto = 0\nlxc.log.level = ERROR\nlxc.log.file = %s\n", log);
        add_network(&s, e, c);
        add_volumes(&s, c, volumes);
        *ret = str_take(&s);
        return *ret ? 0 : infra_error_oom(reterr);
}

static int keep_foreign(const char *config, infra_error **reterr)
{
        _cleanup_free_ char *kept = path_join("%s.before-infra", config), *text = NULL;
        size_t size = 0;
        int r;

        if (!kept)
                return infra_error_oom(reterr);
        if (path_exists(AT_FDCWD, kept))
                return 0;
        r = file_read(AT_FDCWD, config, 1 << 20, &text, &size);
        if (r >= 0)
                r = file_replace(AT_FDCWD, kept, text, size, 0640);
        return r < 0 ? infra_error_set(reterr, r, "cannot keep %s: %s", config, strerror(-r)) : 0;
}

int container_configure(const infra_estate *e, const struct container *c, const char *rootfs,
                        const char *const *volumes, bool adopt, infra_error **reterr)
{
        _cleanup_free_ char *dir = path_join("%s/%s", e->host.lxc_path, c->name), *config = path_join("%s/config", dir);
        _cleanup_free_ char *text = NULL, *have = NULL;
        int r;

        if (!dir || !config)
                return infra_error_oom(reterr);
        if (path_exists(AT_FDCWD, config) && !mark_is_set(e->host.lxc_path, c->name)) {
                if (!adopt)
                        return foreign_refuse(c->name, reterr);
                r = keep_foreign(config, reterr);
                if (r < 0)
                        return r;
        }
        r = container_config_text(e, c, rootfs, volumes, &text, reterr);
        if (r < 0)
                return r;
        if (file_read(AT_FDCWD, config, 1 << 20, &have, NULL) >= 0 && streq(have, text))
                return 0;
        r = dir_make(AT_FDCWD, dir, 0755);
        if (r >= 0)
                r = file_replace(AT_FDCWD, config, text, strlen(text), 0640);
        return r < 0 ? infra_error_set(reterr, r, "cannot write %s: %s", config, strerror(-r)) : 0;
}

/*
 * Calls that make files durable do nothing: the candidate is thrown away after a crash, and synced as a whole before
 * it may become live. The rest is what liblxc's own common.seccomp refuses. Syntax: lxc.container.conf(5), version 2.
 */
static const char idle_seccomp[] = "2\ndenylist\nreject_force_umount\n[all]\nkexec_load errno 1\nopen_by_handle_at errno 1\n"
                                   "init_module errno 1\nfinit_module errno 1\ndelete_module errno 1\n"
                                   "fsync errno 0\nfdatasync errno 0\nsync errno 0\nsyncfs errno 0\nsync_file_range errno 0\n";

static int write_ghost(const infra_estate *e, const char *dir, enum ghost kind, const char *text, infra_error **reterr)
{
        _cleanup_free_ char *config = path_join("%s/config", dir), *seccomp = path_join("%s/seccomp", dir);
        int r;

        if (!config || !seccomp)
                return infra_error_oom(reterr);
        r = dir_make(AT_FDCWD, e->host.lxc_path, 0711);
        if (r >= 0)
                r = dir_make(AT_FDCWD, dir, 0755);
        if (r >= 0 && kind == GHOST_IDLE)
                r = file_replace(AT_FDCWD, seccomp, idle_seccomp, strlen(idle_seccomp), 0640);
        if (r >= 0)
                r = file_replace(AT_FDCWD, config, text, strlen(text), 0640);
        return r < 0 ? infra_error_set(reterr, r, "cannot write %s: %s", config, strerror(-r)) : 0;
}

int container_configure_ghost(const infra_estate *e, const struct container *c, enum ghost kind, const char *rootfs,
                              const char *const *volumes, infra_error **reterr)
{
        _cleanup_free_ char *dir = path_join("%s/%s", e->host.lxc_path, c->name), *text = NULL;
        _cleanup_str_ struct str s = {};
        int r = dir ? container_config_text(e, c, rootfs, volumes, &text, reterr) : infra_error_oom(reterr);

        if (r < 0)
                return r;
        str_add(&s, "%s", text);
        if (kind == GHOST_IDLE)
                str_add(&s, "\nlxc.init.cmd = /bin/sleep infinity\nlxc.seccomp.profile = %s/seccomp\n"
                            "lxc.mount.entry = tmpfs run tmpfs rw,nosuid,nodev,mode=755,create=dir 0 0\n"
                            "lxc.mount.entry = tmpfs run/lock tmpfs rw,nosuid,nodev,noexec,mode=1777,create=dir 0 0\n",
                        dir);
        return s.length ? write_ghost(e, dir, kind, s.text, reterr) : infra_error_oom(reterr);
}

int container_forget(const char *lxc_path, const char *name, infra_error **reterr)
{
        _cleanup_free_ char *dir = path_join("%s/%s", lxc_path, name);
        struct container_status s;
        int r = container_observe(lxc_path, name, &s, reterr);

        if (r < 0 || s.state == CONTAINER_ABSENT)
                return r;
        if (!s.managed)
                return foreign_refuse(name, reterr);
        if (s.state != CONTAINER_STOPPED)
                return infra_error_set(reterr, -EBUSY, "%s is %s", name, container_state_name(s.state));
        r = dir ? tree_remove(AT_FDCWD, dir) : -ENOMEM;
        return r < 0 ? infra_error_set(reterr, r, "cannot remove %s: %s", dir ? dir : name, strerror(-r)) : 0;
}
