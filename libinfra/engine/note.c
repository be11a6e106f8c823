/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/note.h"

#include "base/clock.h"
#include "base/json.h"
#include "engine/engine.h"

int note_fence(struct journal *j, int64_t run, const struct step *s, bool undo, const char *data, infra_error **reterr)
{
        bool closing = s->kind == STEP_FENCE && !undo;
        bool opening = s->kind == STEP_COMMIT || (s->kind == STEP_FENCE && undo);
        _cleanup_json_ json_t *answer = data ? json_loads(data, 0, NULL) : NULL;

        if (closing && !data)
                return journal_fence(j, run, s->container, true, clock_wall_ms(), clock_boottime_ms(), reterr);
        if (opening && json_object_get(answer, "wall"))
                return journal_fence(j, run, s->container, false, json_integer_value(json_object_get(answer, "wall")),
                                     json_integer_value(json_object_get(answer, "boot")), reterr);
        return 0;
}

int note_kept(struct journal *j, int64_t run, const struct plan *p, const struct step *s, bool undo, infra_error **reterr)
{
        bool committed = s->kind == STEP_COMMIT && s->from != s->to, back = undo && s->kind == STEP_EXCHANGE;
        char tag[32];

        run_tag(run, tag);
        if (p->keep_ms <= 0 || !(committed || back))
                return 0;
        return journal_keep(j, s->container, committed ? s->from : s->to, tag, clock_wall_ms() + p->keep_ms, reterr);
}
