/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies of directory trees with everything: owners, modes, times, extended attributes (capabilities, ACLs),
 * hard links, holes, links, devices, fifos, sockets. Blocks are shared where the filesystem can. No link is
 * followed and no mount entered (a directory with something mounted on it becomes an empty one), so that a
 * running guest cannot make us read outside its tree; what vanishes while we read is left out.
 * The attribute namespace trusted.infra is ours and not copied.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "base/str.h"
#include "storage/storage.h"

#define OWN_ATTRIBUTES "trusted.infra."

/* One copy under way. */
struct copy {
        const char *from;
        struct str path; /* of the entry at hand, below @from and @to, "/etc/passwd" */
        int top;         /* of the new tree */
        struct stat self; /* of the new tree: never copied into itself */
        void *links;     /* tsearch tree of files with several names, already copied under one of them */
        bool no_reflink; /* learned: these two filesystems cannot share */
        storage_progress progress;
        void *userdata;
        uint64_t done;
        uint64_t total;
        uint64_t told; /* done when progress was last called */
        unsigned depth;
        infra_error **reterr;
};

/* @to is made, or is an empty directory. Synced on return. On failure a partial tree stays at @to. */
int tree_copy(const char *from, const char *to, storage_progress progress, void *userdata, infra_error **reterr);
/* Bytes in blocks, each file with several names once. */
int tree_usage(const char *path, uint64_t *ret_bytes, infra_error **reterr);

/* One entry with everything below it; c->path may be empty. */
int copy_entry(struct copy *c, int from, int to, const char *name);
void copy_forget_links(struct copy *c);

/* Counts copied bytes and tells the progress now and then; a negative errno stops the copy. */
int copy_advance(struct copy *c, uint64_t bytes);
/* An error about the entry at hand. */
int copy_failed(struct copy *c, int code, const char *what);
/* Content of a regular file: reflink, else the parts that are not holes. */
int data_copy(struct copy *c, int from, int to, const struct stat *st);
/* Owner, attributes, mode and times of an entry, in the order that keeps set-id bits and capabilities. */
int attributes_copy(struct copy *c, int from, int to, const char *name, const struct stat *st);
/* Takes attributes from an older copy that the entry no longer has. */
int attributes_drop(struct copy *c, int from, int to, const char *name);

/* A directory below @dirfd, neither through a link nor a mount (-EXDEV). A descriptor or a negative errno. */
int directory_open(int dirfd, const char *name);
/* The same for reading a file; the caller checks what it got. */
int file_open(int dirfd, const char *name);
/* Entries of an open directory, whose descriptor stays the caller's; NULL with errno. */
DIR *directory_entries(int fd);
