/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Operations that make a directory of a root a volume. The path stands in the step's tag. */

#include "engine/engine.h"

int extract_copy_act(struct work *w, infra_error **reterr)
{
        int r = work_require_space(w, reterr);

        return r < 0 ? r : storage_volume_copy(w->storage, w->container->name, w->step->from, w->step->tag, reterr);
}

int extract_copy_undo(struct work *w, infra_error **reterr)
{
        int r = work_storage(w, reterr);

        return r < 0 ? r : storage_volume_copy_drop(w->storage, w->container->name, w->step->from, w->step->tag, reterr);
}

int extract_act(struct work *w, infra_error **reterr)
{
        int r = power_stopped_verify(w, reterr);

        if (r >= 0)
                r = work_storage(w, reterr);
        return r < 0 ? r : storage_volume_extract(w->storage, w->container->name, w->step->from, w->step->tag, reterr);
}

int extract_undo(struct work *w, infra_error **reterr)
{
        int r = power_stopped_verify(w, reterr);

        if (r >= 0)
                r = work_storage(w, reterr);
        return r < 0 ? r : storage_volume_extract_undo(w->storage, w->container->name, w->step->from, w->step->tag, reterr);
}
