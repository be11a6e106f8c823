/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What containers there are and how they are; changes nothing. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "container/lxc.h"

static const char *const states[CONTAINER_STATE_MAX] = {
        [CONTAINER_ABSENT] = "absent",   [CONTAINER_STOPPED] = "stopped",   [CONTAINER_STARTING] = "starting",
        [CONTAINER_RUNNING] = "running", [CONTAINER_STOPPING] = "stopping", [CONTAINER_FROZEN] = "frozen",
};

/* liblxc's words (src/lxc/state.c). */
static const struct {
        const char *word;
        enum container_state state;
} words[] = {
        { "STOPPED", CONTAINER_STOPPED },   { "STARTING", CONTAINER_STARTING }, { "RUNNING", CONTAINER_RUNNING },
        { "STOPPING", CONTAINER_STOPPING }, { "ABORTING", CONTAINER_STOPPING }, { "FREEZING", CONTAINER_FROZEN },
        { "FROZEN", CONTAINER_FROZEN },     { "THAWED", CONTAINER_RUNNING },
};

const char *container_state_name(enum container_state s)
{
        return states[s];
}

enum container_state handle_state(handle c)
{
        const char *word = c->state(c);

        for (size_t i = 0; word && i < ELEMENTS(words); i++)
                if (streq(words[i].word, word))
                        return words[i].state;
        return CONTAINER_STOPPED;
}

static void rootfs_of(handle c, char *ret, size_t size)
{
        char item[512] = "";
        const char *path = item;

        if (c->get_config_item(c, "lxc.rootfs.path", item, sizeof(item)) <= 0)
                return;
        /* "dir:/path", "btrfs:/path", or a plain path */
        if (*path != '/' && strchr(path, ':'))
                path = strchr(path, ':') + 1;
        if (strlen(path) < size)
                strcpy(ret, path);
}

int container_observe(const char *lxc_path, const char *name, struct container_status *ret, infra_error **reterr)
{
        _cleanup_free_ char *config = path_join("%s/%s/config", lxc_path, name);
        _cleanup_handle_ handle c = NULL;
        struct container_status s = { .state = CONTAINER_ABSENT };
        int r;

        if (!config)
                return infra_error_oom(reterr);
        /* liblxc is asked only about what is there: it would make the directory of its lock for every name. */
        if (!path_exists(AT_FDCWD, config)) {
                *ret = s;
                return 0;
        }
        r = handle_open(lxc_path, name, &c, reterr);
        /* Destroyed by somebody since we looked. */
        if (r < 0 && !path_exists(AT_FDCWD, config)) {
                if (reterr)
                        *reterr = infra_error_free(*reterr);
                *ret = s;
                return 0;
        }
        if (r < 0)
                return r;
        s.state = handle_state(c);
        s.managed = mark_is_set(lxc_path, name);
        s.init = s.state == CONTAINER_STOPPED ? 0 : c->init_pid(c);
        s.init = MAX(s.init, 0);
        rootfs_of(c, s.rootfs, sizeof(s.rootfs));
        *ret = s;
        return 0;
}

int container_names(const char *lxc_path, struct strlist *ret, infra_error **reterr)
{
        char **names = NULL;
        int n, r = 0;

        if (!path_exists(AT_FDCWD, lxc_path))
                return 0;
        n = list_all_containers(lxc_path, &names, NULL);
        if (n < 0)
                return infra_error_set(reterr, -EIO, "liblxc cannot list the containers in %s", lxc_path);
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = strlist_add(ret, names[i]);
                free(names[i]);
        }
        free(names);
        strlist_sort(ret);
        return r < 0 ? infra_error_oom(reterr) : 0;
}

int container_adopt_source(const char *lxc_path, const char *name, char **ret_rootfs, infra_error **reterr)
{
        struct container_status s;
        int r = container_observe(lxc_path, name, &s, reterr);

        if (r < 0)
                return r;
        if (s.state == CONTAINER_ABSENT)
                return infra_error_set(reterr, -ENOENT, "there is no container %s in %s to adopt", name, lxc_path);
        if (s.state != CONTAINER_STOPPED)
                return infra_error_set(reterr, -EBUSY, "%s is %s; stop it before it is adopted", name, states[s.state]);
        if (!path_exists(AT_FDCWD, s.rootfs))
                return infra_error_set(reterr, -ENOENT, "the root of %s is not a directory: '%s'", name, s.rootfs);
        *ret_rootfs = strdup(s.rootfs);
        return *ret_rootfs ? 0 : infra_error_oom(reterr);
}
