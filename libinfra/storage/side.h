/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One side of a comparison: a tree as it is, or the manifest of one as it was. Paths begin with "/" and are those
 * the guest sees; no link of the guest is followed, and mounts are not entered.
 */

#include <sys/stat.h>

#include "base/str.h"
#include "storage/storage.h"

struct entry {
        uint32_t mode; /* 0 = there is none */
        uint32_t uid, gid;
        uint64_t device; /* of a device file */
        uint64_t size;
        int64_t modified_ns;
        int64_t changed_ns; /* ctime */
        uint64_t inode;
        uint64_t attributes; /* hash of the extended attributes */
        char *target;        /* of a symbolic link, or NULL */
};
void entry_done(struct entry *e);

struct manifest;

struct side {
        int root;                  /* a tree: its top directory, or -1 */
        struct manifest *manifest; /* otherwise */
};
int side_open_tree(const char *top, struct side *ret, infra_error **reterr);
int side_open_manifest(const char *file, struct side *ret, infra_error **reterr);
void side_done(struct side *s);

/* What is at @path; mode 0 when there is nothing. 0 or a negative errno. */
int side_entry(const struct side *s, const char *path, struct entry *ret);
/* Names in directory @path, sorted; none when it is no directory. */
int side_names(const struct side *s, const char *path, struct strlist *ret);
/* A directory of a tree side, by its path; no link is followed (-ELOOP), no mount entered (-EXDEV). */
int side_directory(const struct side *s, const char *path);

/* Everything below @top into a manifest, replaced as a whole. @known: what @top is a clone of was like this, or NULL. */
int manifest_write(const char *top, const struct manifest *known, const char *file, infra_error **reterr);

#define _cleanup_side_ CLEANUP(side_done)
#define _cleanup_entry_ CLEANUP(entry_done)
