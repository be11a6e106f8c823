/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of volumes: what making, snapshots and restoring share. */

#include "storage/place.h"

/* One change of one volume: the lock on the container's volumes, and where things are. */
struct volume_change {
        int lock;
        char *escaped;
        char *directory; /* of the container's live volumes */
        char *live;
        char *snapshots; /* of the container */
};
void volume_change_done(struct volume_change *c);
#define _cleanup_volume_change_ CLEANUP(volume_change_done)

/* Checks the names, takes the lock, and settles what crashed calls left. */
int volume_change_begin(struct storage *s, const char *container, const char *volume, struct volume_change *c,
                        infra_error **reterr);
/* Remembers that the volume was made, so that one that is lost is not taken for one that never was. */
int volume_mark(const struct storage *s, const char *container, const char *volume, infra_error **reterr);
/* Settles restores that were cut off (restore.c). */
int restores_settle(struct storage *s, const struct volume_change *c, infra_error **reterr);
/* Writes when the snapshot was taken into the tree, durably with the next sync. */
int snapshot_stamp(const char *tree, infra_error **reterr);
