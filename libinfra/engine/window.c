/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/window.h"

#include <errno.h>

#include "base/clock.h"

int64_t window_wait(const struct plan *p, size_t index, int64_t now, infra_error **reterr)
{
        int64_t forward = 0, back = 0;
        char end[CLOCK_TEXT_MAX], a[32], b[32];

        if (now < p->window_start_ms)
                return p->window_start_ms - now;
        /* What is prepared may take as long as it likes, as long as there is a window left. */
        if (p->steps[index].kind == STEP_PREFLIGHT && now < p->window_end_ms)
                return 0;
        for (size_t i = index; i < p->n_steps; i++) {
                if (!p->steps[i].container || !streq(p->steps[i].container, p->steps[index].container))
                        continue;
                forward += p->steps[i].forecast_ms;
                back += step_type(p->steps[i].kind)->back_ms;
        }
        if (!p->window_end_ms || now + forward + back <= p->window_end_ms)
                return 0;
        return infra_error_set(reterr, -ETIME, "the window ends at %s: too early for the cut-over (about %s) and, if need be, the way back (about %s)",
                               clock_format(p->window_end_ms, end), str_duration(a, forward), str_duration(b, back));
}
