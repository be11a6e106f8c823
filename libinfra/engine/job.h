/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A worker under watch: its end and its time limit, on the event loop. */

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct job;
typedef void (*job_ended)(struct job *j, void *userdata);

/* What is known of a worker when it is watched. */
struct job_terms {
        size_t index;           /* of the step in its plan */
        bool undo;
        pid_t pid;              /* need not be our child: one that outlived its parent is watched all the same */
        int64_t limit_ms;
        int64_t silence_ms;     /* a transcript that does not grow for so long: it waits for somebody; 0 = it may */
        const char *transcript; /* borrowed only during the call */
        const char *disk;       /* that the step fills and others live on, with silence_ms; borrowed like the former */
        job_ended ended;
        void *userdata;
};

struct job {
        struct job_terms terms;
        char *transcript;
        char *disk;
        int64_t size;       /* of the transcript when it was last seen to grow */
        int64_t grown_ms;   /* boottime */
        bool late;          /* killed at its time limit */
        bool silent;        /* killed because of its silence */
        bool full;          /* killed because the disk was nearly full: what serves lives on it, too */
        bool aborted;       /* killed because a person said so */
        int pidfd;
        sd_event_source *exit_source;
        sd_event_source *limit_source;
        sd_event_source *look_source;
};

int job_watch(sd_event *event, const struct job_terms *terms, struct job **ret, infra_error **reterr);
/* Kills the worker and what it started. */
void job_kill(struct job *j);
/* Why it was killed, for people, allocated; NULL: it was not. */
char *job_verdict(const struct job *j);
/* Only stops watching. */
struct job *job_free(struct job *j);
