/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Two ways in with the same object: a private socket, which needs no message bus, and the system bus. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "infrad.h"

enum { PEERS_MAX = 64, BACKLOG = 16 };

struct peer {
        struct infrad *infrad;
        sd_bus *bus;
        struct peer *next;
};

static void peer_close(struct peer *p)
{
        struct peer **link = &p->infrad->peers;

        while (*link && *link != p)
                link = &(*link)->next;
        if (*link)
                *link = p->next;
        sd_bus_close_unref(p->bus);
        free(p);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        (void)m;
        (void)error;
        peer_close(userdata);
        return 0;
}

static int peer_start(struct peer *p, int fd)
{
        sd_id128_t id;
        int r = sd_bus_new(&p->bus);

        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_bus_set_fd(p->bus, fd, fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(p->bus, 1, id);
        if (r >= 0)
                r = sd_bus_set_anonymous(p->bus, 0);
        if (r >= 0)
                r = sd_bus_start(p->bus);
        if (r >= 0)
                r = sd_bus_attach_event(p->bus, p->infrad->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(p->bus, NULL, INFRAD_OBJECT, INFRAD_INTERFACE, manager_vtable, p->infrad);
        if (r >= 0)
                r = sd_bus_match_signal_async(p->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, p);
        return r;
}

static size_t peer_count(const struct infrad *d)
{
        size_t n = 0;

        for (const struct peer *p = d->peers; p; p = p->next)
                n++;
        return n;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct infrad *d = userdata;
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct peer *p;

        (void)source;
        (void)revents;
        if (connection < 0)
                return 0;
        p = peer_count(d) < PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;
        if (!p) {
                close(connection);
                return 0;
        }
        p->infrad = d;
        p->next = d->peers;
        d->peers = p;
        if (peer_start(p, connection) < 0)
                peer_close(p);
        return 0;
}

static int make_socket(const char *path, infra_error **reterr)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        _cleanup_free_ char *dir = strdup(path);
        int r;

        if (fd < 0 || !dir || strlen(path) >= sizeof(address.sun_path) || !strrchr(dir, '/'))
                return infra_error_set(reterr, -EINVAL, "cannot use %s as a socket", path);
        *strrchr(dir, '/') = '\0';
        r = *dir ? dir_make(AT_FDCWD, dir, 0755) : 0;
        if (r < 0)
                return infra_error_set(reterr, r, "cannot make %s: %s", dir, strerror(-r));
        strcpy(address.sun_path, path);
        unlink(path);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0)
                return infra_error_set(reterr, -errno, "cannot listen on %s: %m", path);
        return TAKE_FD(fd);
}

int server_listen(struct infrad *d, infra_error **reterr)
{
        int r;

        /* Started by its socket unit, or by itself. Everybody may connect: each method checks who asks. */
        d->socket = sd_listen_fds(1) == 1 ? SD_LISTEN_FDS_START : make_socket(d->socket_path, reterr);
        if (d->socket < 0)
                return d->socket;
        r = sd_event_add_io(d->event, &d->accept_source, d->socket, EPOLLIN, on_connection, d);
        return r < 0 ? infra_error_set(reterr, r, "cannot watch the socket: %s", strerror(-r)) : 0;
}

void server_close(struct infrad *d)
{
        while (d->peers)
                peer_close(d->peers);
        d->accept_source = sd_event_source_disable_unref(d->accept_source);
        if (d->socket >= 0)
                close(d->socket);
        d->system = sd_bus_flush_close_unref(d->system);
}

void server_join_system_bus(struct infrad *d)
{
        int r = sd_bus_open_system(&d->system);

        if (r >= 0)
                r = sd_bus_attach_event(d->system, d->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(d->system, NULL, INFRAD_OBJECT, INFRAD_INTERFACE, manager_vtable, d);
        if (r >= 0)
                r = sd_bus_request_name(d->system, INFRAD_NAME, 0);
        if (r < 0)
                d->system = sd_bus_flush_close_unref(d->system);
}

void server_broadcast(struct infrad *d, int64_t run, const char *json)
{
        for (struct peer *p = d->peers; p; p = p->next)
                sd_bus_emit_signal(p->bus, INFRAD_OBJECT, INFRAD_INTERFACE, "Progress", "xs", run, json);
        if (d->system)
                sd_bus_emit_signal(d->system, INFRAD_OBJECT, INFRAD_INTERFACE, "Progress", "xs", run, json);
}
