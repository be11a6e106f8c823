/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Progress of a run under way. The model is the report's JSON, kept current by progress messages; where none
 * come, by newer reports. Each change of a step is shown: on a terminal as a block that is redrawn, elsewhere
 * as one line a change.
 */

#include <stdbool.h>
#include <stdint.h>

#include "infractl/terminal.h"

struct progress {
        struct terminal terminal;
        bool silent;      /* nothing is shown */
        json_t *report;   /* owned */
        int64_t begun_ms; /* boottime at which the run began */
        unsigned drawn;   /* lines of the block on the screen */
};

/* Takes over @report. */
void progress_init(struct progress *p, const struct terminal *t, bool silent, json_t *report);
void progress_done(struct progress *p);
/* A progress message of infra_manager_set_listener(), parsed. */
void progress_message(struct progress *p, const json_t *message);
/* A newer report: every difference counts as a change. */
void progress_renew(struct progress *p, const json_t *report);
/* Draws the block anew (where there is one): elapsed times go on between changes. */
void progress_draw(struct progress *p);
/* A line that stays, above the block. */
void progress_say(struct progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the block: what is printed next stands in its place. */
void progress_clear(struct progress *p);

#define _cleanup_progress_ CLEANUP(progress_done)
