/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Storage of generations and volumes behind one table of functions (btrfs, dir).
 *
 *   <path>/containers/NAME/live/            the live generation
 *   <path>/containers/NAME/generations/N/   every other one
 *   <path>/volumes/NAME/<escaped>/          live content of a volume ("/var/lib/mysql" -> "var-lib-mysql",
 *                                           "/a-b" -> "a%2db")
 *   <path>/snapshots/NAME/<tag>/<escaped>/  snapshots of volumes; the tag is the run's id
 *   <path>/cache/                           roots per release
 *
 * A generation's tree holds `identity` (text, see generation_identity) and `rootfs/`, the root of the
 * guest, who cannot see the identity. Which tree is where is only ever learned from the identities: the
 * directory names are a convenience, and a crash between the exchange and the renaming after it is
 * harmless. The generation at live/ is live whatever its identity says about the state.
 *
 * Every function is idempotent: asked for what is already so, it returns 0 and changes nothing. What is
 * built is built under a name beginning with ".new-" and renamed when complete, so that a half-built tree
 * is never taken for a whole one; left-overs of that name are removed by the next call.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "estate/estate.h"

struct storage; /* an opened backend */

enum generation_state {
        GENERATION_CANDIDATE,
        GENERATION_LIVE,
        GENERATION_PREVIOUS,
        GENERATION_BAD,
        GENERATION_STATE_MAX,
};
const char *generation_state_name(enum generation_state s);
int generation_state_parse(const char *s);

struct generation {
        unsigned number; /* from 1 */
        unsigned parent; /* 0 = made from a release root or adopted */
        char *release;
        enum generation_state state;
        char *run;          /* id of the run that made it, "" = none */
        int64_t created_ms; /* wall */
        char *path;         /* of its tree, absolute; the root is path + "/rootfs" */
};

struct generations {
        struct generation *items; /* by number */
        size_t n;
};
void generations_done(struct generations *g);
const struct generation *generations_find(const struct generations *g, unsigned number);
const struct generation *generations_live(const struct generations *g); /* or NULL */

/* Progress of a copy; bytes may be estimates. Returning a negative errno stops the copy with that error. */
typedef int (*storage_progress)(void *userdata, uint64_t done, uint64_t total);

/*
 * Opens the backend on @path (made if missing). btrfs refuses another filesystem with -EOPNOTSUPP and
 * says so. storage_free takes NULL.
 */
int storage_open(enum storage_backend backend, const char *path, struct storage **ret, infra_error **reterr);
struct storage *storage_free(struct storage *s);
void storage_set_progress(struct storage *s, storage_progress progress, void *userdata);
const char *storage_path(const struct storage *s);

/* All generations of a container, read from the identities. A container without any: 0 and an empty list. */
int storage_generations(struct storage *s, const char *container, struct generations *ret, infra_error **reterr);

/*
 * Makes generation @number as a candidate whose rootfs is filled by @fill, which gets the absolute path of
 * the empty rootfs directory (release root unpacked, adopted tree copied).
 */
typedef int (*storage_fill)(void *userdata, const char *rootfs, infra_error **reterr);
int storage_generation_make(struct storage *s, const char *container, unsigned number, const char *release,
                            const char *run, storage_fill fill, void *userdata, infra_error **reterr);

/* Clones generation @from into the new candidate @number (parent = @from). */
int storage_generation_clone(struct storage *s, const char *container, unsigned from, unsigned number,
                             const char *release, const char *run, infra_error **reterr);

/*
 * Makes @number the live generation in one atomic step (renameat2 RENAME_EXCHANGE; a plain rename when
 * there is no live one yet). The one that was live becomes @old_state. Synced to disk on return. The
 * container must be stopped.
 */
int storage_generation_exchange(struct storage *s, const char *container, unsigned number,
                                enum generation_state old_state, infra_error **reterr);

/* Rewrites release or state in the identity of a generation; NULL / GENERATION_STATE_MAX = unchanged. */
int storage_generation_mark(struct storage *s, const char *container, unsigned number, const char *release,
                            enum generation_state state, infra_error **reterr);

/* Everything written to the generation is on disk on return. */
int storage_generation_sync(struct storage *s, const char *container, unsigned number, infra_error **reterr);

/*
 * Throw-away copies of a generation's tree and of a volume's live content, to try something on; @use tells several
 * apart. ret_path is allocated. storage_scratch_drop() deletes all of the container.
 */
int storage_scratch_generation(struct storage *s, const char *container, unsigned number, unsigned use, char **ret_path,
                               infra_error **reterr);
int storage_scratch_volume(struct storage *s, const char *container, const char *volume, unsigned use, char **ret_path,
                           infra_error **reterr);
int storage_scratch_drop(struct storage *s, const char *container, infra_error **reterr);

/*
 * A base remembers a generation's root at one moment, to tell later what was written since: a snapshot where the
 * filesystem keeps one for nothing, else a manifest. Made once for a tag; deleting one that is gone: 0.
 */
int storage_base_make(struct storage *s, const char *container, unsigned number, const char *tag, infra_error **reterr);
int storage_base_delete(struct storage *s, const char *container, const char *tag, infra_error **reterr);
bool storage_base_exists(const struct storage *s, const char *container, const char *tag);
int storage_bases(struct storage *s, const char *container, struct strlist *ret, infra_error **reterr);

/* Like storage_generation_clone(), of one that serves; base @tag remembers the moment. */
int storage_generation_shadow(struct storage *s, const char *container, unsigned from, unsigned number, const char *run,
                              const char *tag, infra_error **reterr);

enum written_kind {
        WRITTEN_ADDED,
        WRITTEN_MODIFIED,
        WRITTEN_REMOVED,
        WRITTEN_KIND_MAX,
};
const char *written_kind_name(enum written_kind k);

struct written {
        char *path; /* as the guest sees it; of a volume: below the volume */
        enum written_kind kind;
        uint32_t mode;      /* of what is there now, or was */
        uint64_t bytes;     /* of a file that is there now */
        int64_t changed_ms; /* wall */
        bool content;       /* not only owner, mode or attributes */
        bool touched;       /* set by storage_touched() */
};
struct write_set {
        struct written *items; /* by path */
        size_t n;
};
void write_set_done(struct write_set *s);

/*
 * What was written to a generation's root since base @tag, but for what is below @skip (volumes). The generation may
 * be running. -ENOENT without such a base.
 */
int storage_write_set(struct storage *s, const char *container, unsigned number, const char *tag, const struct strlist *skip,
                      struct write_set *ret, infra_error **reterr);
/* The same for the live content of a volume since its snapshot @tag. */
int storage_volume_write_set(struct storage *s, const char *container, const char *volume, const char *tag,
                             struct write_set *ret, infra_error **reterr);
/* Marks the paths that generation @number has otherwise than base @tag. */
int storage_touched(struct storage *s, const char *container, unsigned number, const char *tag, struct write_set *set,
                    infra_error **reterr);
/* Whether a path is the same in two generations but for its time: 1 or 0. */
int storage_same(struct storage *s, const char *container, unsigned a, unsigned b, const char *path, infra_error **reterr);
/*
 * Makes these paths, sorted, of generation @to what they are in @from; neither may be running. A directory that is gone from
 * @from stays where it holds something that is not among the paths; one that would have to become a file is -ENOTEMPTY then.
 */
int storage_carry(struct storage *s, const char *container, unsigned from, unsigned to, const struct written *const *items,
                  size_t n, infra_error **reterr);

/* Deletes a generation that is not live (-EBUSY). One that is gone already: 0. */
int storage_generation_delete(struct storage *s, const char *container, unsigned number, infra_error **reterr);

/*
 * Copies a tree with everything (owners, ACLs, xattrs, hard links, sparse); reflinks where possible. @to is made
 * in one step, or is an empty directory that is filled; -ENOTEMPTY otherwise.
 */
int storage_tree_copy(struct storage *s, const char *from, const char *to, infra_error **reterr);

/* Path of the live content of a volume, allocated; it need not exist yet. */
char *storage_volume_path(const struct storage *s, const char *container, const char *volume);
/* Makes the volume if there is none, with the content @seed (a directory of the root; NULL or missing = empty). */
int storage_volume_make(struct storage *s, const char *container, const char *volume, const char *seed,
                        infra_error **reterr);
int storage_volume_snapshot(struct storage *s, const char *container, const char *volume, const char *tag,
                            infra_error **reterr);
/*
 * Puts the content of the snapshot back: a copy of the snapshot is built beside and exchanged with the
 * live volume in one step; what was live is kept as snapshot "<tag>.replaced" ("<tag>.replaced.2" when there is
 * one already). -ENOENT without snapshot. A no-op while the live volume is what a restore of this tag made, also
 * when it has been written to since.
 */
int storage_volume_restore(struct storage *s, const char *container, const char *volume, const char *tag,
                           infra_error **reterr);
/* Whether the live volume is what storage_volume_restore() of that tag put there. */
bool storage_volume_is_restored(struct storage *s, const char *container, const char *volume, const char *tag);

/* Whether there is, or was ever made, a volume of that path; a path that only the policy calls one is none yet. */
bool storage_volume_is_made(const struct storage *s, const char *container, const char *volume);
/*
 * A directory of generation @number's root becomes a volume. _copy: beside, while it serves (again: anew).
 * _extract: brings the copy up to date and puts it in its place, while stopped. _undo: back, whatever was done;
 * _copy_drop: the copy goes. The old content stays in the generation's tree.
 */
int storage_volume_copy(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr);
int storage_volume_copy_drop(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr);
int storage_volume_extract(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr);
int storage_volume_extract_undo(struct storage *s, const char *container, unsigned number, const char *volume, infra_error **reterr);

struct volume_snapshot {
        char *volume; /* escaped name */
        char *tag;
        int64_t created_ms;
};
struct volume_snapshots {
        struct volume_snapshot *items; /* by tag, volume */
        size_t n;
};
void volume_snapshots_done(struct volume_snapshots *l);
int storage_volume_snapshots(struct storage *s, const char *container, struct volume_snapshots *ret,
                             infra_error **reterr);
int storage_volume_snapshot_delete(struct storage *s, const char *container, const char *volume, const char *tag,
                                   infra_error **reterr);

/* Bytes free for new data, and in all. */
int storage_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, infra_error **reterr);
/* Bytes an in-place or shadow upgrade of the container may take: clones (0 on copy-on-write) + growth. */
int storage_forecast(struct storage *s, const char *container, uint64_t *ret_bytes, infra_error **reterr);
/* -ENOSPC with both figures in the message when @bytes plus a reserve (5 % of all, at least 512 MB) are not free. */
int storage_require(struct storage *s, uint64_t bytes, infra_error **reterr);

#define _cleanup_generations_ CLEANUP(generations_done)
DEFINE_CLEANUP(struct storage *, storage_free);
#define _cleanup_storage_ CLEANUP(storage_freep)
