/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Firewall generations: rulesets kept as files in STATE/firewall, written durably, to be read by people, too.
 *
 *   000005.json   a generation: {"number","when","wall","uid","policy","origin","sha256","ruleset","rescue"}; sha256 is of
 *                 the ruleset as compact JSON with sorted keys. What was edited by hand is not loaded. "rescue" is null, or
 *                 what becomes rescue.json when this generation is confirmed.
 *   confirmed     {"number"}: the last one somebody confirmed. The host boots with it.
 *   pending       one that is loaded and waits for its confirmation; gone as soon as it has it or went back
 *   last          what became of the last change: {"number","outcome","why","wall"}
 *   rescue.json   {"sha256","ruleset"}: what the host boots with when the confirmed one cannot be loaded
 *   lock          whoever changes any of these has it locked
 */

#include <stdint.h>
#include <sys/types.h>

#include "firewall/ruleset.h"

enum { GENERATIONS_KEPT = 20 };

struct firewall_generation {
        unsigned number;
        int64_t wall_ms;
        uint32_t uid;
        char *policy; /* digest, "" = none */
        char *origin; /* "apply", "run", "found" */
        char sha256[65];
        struct ruleset *ruleset;
};
void firewall_generation_done(struct firewall_generation *g);

/* The directory, made when missing. A descriptor. */
int generations_open(const char *state_dir, infra_error **reterr);
/* A descriptor that holds the lock; -EBUSY when somebody else keeps it for longer than that. */
int generations_lock(int dir, int64_t patience_ms, infra_error **reterr);

/* The next number. Forgets the oldest, but never those in `confirmed` and `pending`. */
/* @rescue: what the host falls back to once this generation is confirmed; NULL = whatever it falls back to then. */
int generation_store(int dir, const struct ruleset *r, const struct ruleset *rescue, const char *policy, const char *origin, uint32_t uid,
                     unsigned *ret, infra_error **reterr);
/* -ENOENT, -EUCLEAN when it is not what was stored. */
int generation_read(int dir, unsigned number, struct firewall_generation *ret, infra_error **reterr);
void generation_forget(int dir, unsigned number);
/* Numbers, ascending; to be freed. */
int generations_list(int dir, unsigned **ret, size_t *ret_n, infra_error **reterr);

/* 0 = none. */
int confirmed_read(int dir, unsigned *ret, infra_error **reterr);
int confirmed_write(int dir, unsigned number, infra_error **reterr);

struct pending {
        unsigned number;
        unsigned previous;      /* what it goes back to; 0: there was no ruleset of ours */
        int64_t deadline_ms;    /* CLOCK_BOOTTIME */
        int64_t loaded_ms;      /* CLOCK_BOOTTIME; 0: not yet */
        int64_t wall_ms;        /* when the wait ends, for people */
        char boot[37];
        pid_t guard;            /* the dead-man */
        uint64_t guard_identity;
        uint32_t uid;
};
/* -ENOENT when nothing waits, -EUCLEAN when what is written there cannot be understood. */
int pending_read(int dir, struct pending *ret, infra_error **reterr);
int pending_write(int dir, const struct pending *p, infra_error **reterr);
int pending_remove(int dir, infra_error **reterr);
/* `confirmed` is what decides: whoever confirmed it may have been killed before `pending` was gone. */
bool pending_is_confirmed(int dir, const struct pending *p);

struct outcome {
        unsigned number;
        char *outcome; /* "confirmed", "went back", "kept" */
        char *why;
        int64_t wall_ms;
};
void outcome_done(struct outcome *o);
void outcome_write(int dir, unsigned number, const char *outcome, const char *why);
int outcome_read(int dir, struct outcome *ret);

/* That of a generation, which must have been confirmed; when it has none the one before stays. */
void rescue_adopt(int dir, unsigned number);
int rescue_write(int dir, const struct ruleset *r, infra_error **reterr);
int rescue_read(int dir, struct ruleset **ret, infra_error **reterr);

#define _cleanup_firewall_generation_ CLEANUP(firewall_generation_done)
#define _cleanup_outcome_ CLEANUP(outcome_done)
