/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "infrad.h"

enum { GROUPS_MAX_ASKED = 1024 };
static const char operators_group[] = "infra";

static bool is_operator(uid_t uid, gid_t gid, const gid_t *groups, size_t n)
{
        const struct group *g = getgrnam(operators_group);

        if (uid == 0)
                return true;
        for (size_t i = 0; g && i < n; i++)
                if (groups[i] == g->gr_gid)
                        return true;
        return g && gid == g->gr_gid;
}

/* On the private socket the kernel says who the peer is, and was when it connected. */
static int access_of_peer(sd_bus *bus, struct asker *ret)
{
        gid_t groups[GROUPS_MAX_ASKED];
        socklen_t size = sizeof(struct ucred), groups_size = sizeof(groups);
        struct ucred cred;
        int fd = sd_bus_get_fd(bus);

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return fd < 0 ? fd : -errno;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0)
                groups_size = 0;
        ret->uid = cred.uid;
        ret->pid = cred.pid;
        ret->operates = is_operator(cred.uid, cred.gid, groups, groups_size / sizeof(*groups));
        return 0;
}

static int access_of_sender(sd_bus_message *m, struct asker *ret)
{
        sd_bus_creds *creds = NULL;
        const gid_t *groups = NULL;
        int n, r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_EGID | SD_BUS_CREDS_SUPPLEMENTARY_GIDS | SD_BUS_CREDS_PID, &creds);

        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &ret->uid);
        if (r >= 0) {
                gid_t gid = (gid_t)-1;

                sd_bus_creds_get_egid(creds, &gid);
                sd_bus_creds_get_pid(creds, &ret->pid);
                n = sd_bus_creds_get_supplementary_gids(creds, &groups);
                ret->operates = is_operator(ret->uid, gid, groups, n > 0 ? (size_t)n : 0);
        }
        sd_bus_creds_unref(creds);
        return r;
}

int access_of(sd_bus_message *m, struct asker *ret)
{
        sd_bus *bus = sd_bus_message_get_bus(m);

        return sd_bus_is_bus_client(bus) > 0 ? access_of_sender(m, ret) : access_of_peer(bus, ret);
}

static bool is_admin(struct infrad *d, uid_t uid, const char *container)
{
        const struct passwd *user = getpwuid(uid);
        char *text = NULL;
        bool found = false;
        json_t *j, *name;
        size_t i;

        if (!user || infra_manager_show(d->manager, container, &text, NULL) < 0)
                return false;
        j = json_loads(text, 0, NULL);
        json_array_foreach(json_object_get(j, "admins"), i, name)
                found = found || strcmp(json_string_value(name), user->pw_name) == 0;
        json_decref(j);
        free(text);
        return found;
}

int access_check(struct infrad *d, sd_bus_message *m, const char *kind, const char *subject, uid_t *ret_uid,
                 sd_bus_error *error)
{
        bool power = strcmp(kind, "start") == 0 || strcmp(kind, "stop") == 0 || strcmp(kind, "restart") == 0 || strcmp(kind, "drift") == 0;
        struct asker asker = {};
        int r = access_of(m, &asker);

        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "cannot find out who asks: %s", strerror(-r));
        *ret_uid = asker.uid;
        if (asker.operates || (power && is_admin(d, asker.uid, subject)))
                return 0;
        if (power)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "to %s %s you must be root, in the group 'infra', or one of its admins", kind, subject);
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "for '%s' you must be root or in the group 'infra'", kind);
}
