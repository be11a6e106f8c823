/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which inodes of a btrfs subvolume were touched since a snapshot of it: BTRFS_IOC_TREE_SEARCH_V2 with min_transid,
 * so that the kernel passes over every block that is older, however large the tree (include/uapi/linux/btrfs.h,
 * btrfs_tree.h). An inode's own transid is the transaction that wrote it last; removals touch their directory.
 */

#include <btrfsutil.h>
#include <endian.h>
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "storage/touched.h"

enum { ROOM = 256 << 10, PATHS_ROOM = 64 << 10 };

struct search {
        int fd;
        uint64_t since;
        const char *below;
        struct strlist *paths;
};

/* All names of an inode; one that was removed since has none. */
static int add_paths(struct search *s, uint64_t inode)
{
        _cleanup_free_ struct btrfs_data_container *c = calloc(1, PATHS_ROOM);
        struct btrfs_ioctl_ino_path_args args = { .inum = inode, .size = PATHS_ROOM, .fspath = (uintptr_t)c };
        size_t n = strlen(s->below);

        if (!c)
                return -ENOMEM;
        /* The top directory has no name. */
        if (inode == BTRFS_FIRST_FREE_OBJECTID)
                return n == 0 ? strlist_add(s->paths, "/") : 0;
        if (ioctl(s->fd, BTRFS_IOC_INO_PATHS, &args) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (c->elem_missed > 0)
                return -EXDEV; /* more names than room: let everything be walked */
        for (uint32_t i = 0; i < c->elem_cnt; i++) {
                const char *name = (const char *)c->val + c->val[i];
                _cleanup_free_ char *path = path_join("/%s", name);

                if (!path)
                        return -ENOMEM;
                if (strncmp(path, s->below, n) != 0 || (path[n] != '/' && path[n] != '\0'))
                        continue;
                if (strlist_add(s->paths, path[n] ? path + n : "/") < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* One buffer of items; *key moves on behind the last. */
static int take_items(struct search *s, const struct btrfs_ioctl_search_args_v2 *args, struct btrfs_ioctl_search_key *key)
{
        const char *at = (const char *)args->buf;
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < args->key.nr_items; i++) {
                struct btrfs_ioctl_search_header h;
                struct btrfs_inode_item item;

                memcpy(&h, at, sizeof(h));
                at += sizeof(h);
                if (h.type == BTRFS_INODE_ITEM_KEY && h.len >= sizeof(item)) {
                        memcpy(&item, at, sizeof(item));
                        if (le64toh(item.transid) >= s->since)
                                r = add_paths(s, h.objectid);
                }
                at += h.len;
                key->min_objectid = h.objectid + 1;
        }
        return r;
}

static int search_all(struct search *s)
{
        _cleanup_free_ struct btrfs_ioctl_search_args_v2 *args = calloc(1, sizeof(*args) + ROOM);
        struct btrfs_ioctl_search_key key = {
                .min_objectid = BTRFS_FIRST_FREE_OBJECTID, .max_objectid = BTRFS_LAST_FREE_OBJECTID, .min_type = BTRFS_INODE_ITEM_KEY,
                .max_type = BTRFS_INODE_ITEM_KEY, .max_offset = UINT64_MAX, .min_transid = s->since, .max_transid = UINT64_MAX,
        };

        if (!args)
                return -ENOMEM;
        for (;;) {
                int r;

                key.nr_items = UINT32_MAX;
                args->key = key;
                args->buf_size = ROOM;
                if (ioctl(s->fd, BTRFS_IOC_TREE_SEARCH_V2, args) < 0)
                        return -errno;
                if (args->key.nr_items == 0)
                        return 0;
                r = take_items(s, args, &key);
                if (r < 0)
                        return r;
        }
}

/* Trees of their own below it have inodes of their own: they are walked. */
static bool has_nested(const char *tree)
{
        struct btrfs_util_subvolume_iterator *i = NULL;
        char *name = NULL;
        bool any = true;

        if (btrfs_util_create_subvolume_iterator(tree, 0, 0, &i) != BTRFS_UTIL_OK)
                return true;
        any = btrfs_util_subvolume_iterator_next(i, &name, NULL) != BTRFS_UTIL_ERROR_STOP_ITERATION;
        free(name);
        btrfs_util_destroy_subvolume_iterator(i);
        return any;
}

int btrfs_touched(const char *base, const char *tree, const char *below, struct strlist *ret, infra_error **reterr)
{
        struct btrfs_util_subvolume_info was, now;
        _cleanup_strlist_ struct strlist found = {};
        _cleanup_close_ int fd = -1;
        struct search s;
        int r;

        if (btrfs_util_subvolume_info(base, 0, &was) != BTRFS_UTIL_OK || btrfs_util_subvolume_info(tree, 0, &now) != BTRFS_UTIL_OK ||
            memcmp(was.parent_uuid, now.uuid, sizeof(now.uuid)) != 0)
                return -EOPNOTSUPP;
        if (has_nested(tree))
                return -EXDEV;
        /* What is in memory only has no transaction yet. */
        if (btrfs_util_sync(tree) != BTRFS_UTIL_OK)
                return infra_error_set(reterr, -EIO, "cannot sync %s", tree);
        fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot open %s: %m", tree);
        /* A snapshot is made at the end of its transaction: what came later is of a later one. */
        s = (struct search){ .fd = fd, .since = was.otransid + 1, .below = below, .paths = &found };
        r = search_all(&s);
        if (r == -EXDEV)
                return r;
        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask btrfs what was written to %s: %s", tree, strerror(-r));
        *ret = found;
        found = (struct strlist){};
        return 0;
}
