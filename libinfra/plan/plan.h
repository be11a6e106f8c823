/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A plan: ordered steps computed from the estate (what is wanted) and the facts (what was observed). Pure:
 * the same input gives the same bytes and the same digest. What a step does, how it is observed, verified
 * and undone stands in the engine's table; the plan only says which, on what, in what order.
 *
 * Steps of one container stand together and run in order. When one fails, the steps of that container
 * that were begun are undone in reverse order; a step behind the container's STEP_COMMIT is never undone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "estate/estate.h"
#include "facts/facts.h"

enum plan_kind {
        PLAN_APPLY,
        PLAN_UPGRADE,
        PLAN_ROLLBACK,
        PLAN_START,
        PLAN_STOP,
        PLAN_RESTART,
        PLAN_REHEARSE, /* of an upgrade or a container: nothing that serves is touched */
        PLAN_EXTRACT,  /* a directory of a running container becomes a volume; subject "NAME/PATH" */
        PLAN_KIND_MAX,
};
const char *plan_kind_name(enum plan_kind k);
int plan_kind_parse(const char *s);

enum step_kind {
        /* of the host */
        STEP_BRIDGE,
        STEP_IDMAP,
        STEP_FIREWALL,
        /* making a container */
        STEP_ROOT,      /* release root in the cache */
        STEP_CREATE,    /* first generation from it */
        STEP_ADOPT,     /* first generation from a foreign container's root */
        STEP_VOLUMES,   /* make the missing ones */
        STEP_CONFIGURE,
        /* running it */
        STEP_START,
        STEP_STOP,
        STEP_RESTART,
        STEP_SERVE,     /* wait until every probe passes */
        /* changing its release */
        STEP_PREFLIGHT, /* release, mirror, space, nobody else's hands */
        STEP_BASELINE,  /* probes before */
        STEP_FENCE,     /* close */
        STEP_HALT,      /* ordered stop; undo: start and prove that it serves */
        STEP_SNAPSHOT,  /* of the volumes; undo: restore them */
        STEP_CLONE,     /* live generation -> candidate */
        STEP_EXCHANGE,  /* candidate <-> live; undo: back */
        STEP_BOOT,      /* start; undo: stop */
        STEP_UPGRADE,
        STEP_CHECK,     /* the end state */
        STEP_GATE,      /* probes against the baseline */
        STEP_COMMIT,    /* open the fence; from here on nothing is undone */
        /* aside, while the original serves */
        STEP_SHADOW,    /* live generation -> candidate, and a base that remembers that moment; undo: discard */
        STEP_PREPARE,   /* the release upgrade inside the candidate */
        STEP_REHEARSE,  /* boot and probe throw-away clones in a sealed network */
        STEP_CARRY,     /* what the original wrote since the clone: carried, ignored, or a conflict */
        STEP_COPY,      /* a directory beside, while it serves; undo: the copy goes */
        STEP_EXTRACT,   /* the copy up to date and in its place as a volume; undo: back */
        STEP_DISCARD,   /* the candidate goes: it was a rehearsal */
        /* back to an earlier generation */
        STEP_RESTORE,   /* volumes from their snapshots */
        STEP_KIND_MAX,
};

struct step_type {
        const char *name;        /* "exchange" */
        const char *doing;       /* "exchanging generations" */
        int64_t forecast_ms;     /* when nothing better is known; measured on a small machine */
        bool undoable;           /* has an undo that does something */
        int64_t back_ms;         /* forecast of that undo */
        bool beside;             /* may run beside steps of other containers: touches nothing that serves */
};
const struct step_type *step_type(enum step_kind k);
int step_kind_parse(const char *s);

struct step {
        unsigned number; /* from 1, in order */
        enum step_kind kind;
        char *container; /* NULL: the host */
        unsigned wave;   /* from 1; 0 = none */
        unsigned from;   /* generation that is live before */
        unsigned to;     /* generation that is live after */
        char *release;   /* target release, or NULL */
        char *tag;       /* volume snapshots (STEP_RESTORE), path of the volume (STEP_COPY, STEP_EXTRACT), or NULL */
        char *where;     /* policy line, "containers/email.yaml:3" */
        int64_t forecast_ms;
};

struct plan {
        enum plan_kind kind;
        char *subject;       /* name of the upgrade or container; "" for apply */
        char *policy_digest;
        enum on_failure on_failure;
        unsigned jobs;       /* containers that may be prepared at the same time; at least 1 */
        int64_t keep_ms;         /* of what it puts out of use; 0 = for ever */
        int64_t silence_ms;      /* a step of packages that prints nothing for so long is ended; 0 = never */
        int64_t window_start_ms; /* wall; no fence closes before; 0 = at once */
        int64_t window_end_ms;   /* wall; what could not be undone by then is not begun; 0 = no end */
        struct step *steps;
        size_t n_steps;
        struct strlist notes; /* what a person should know before saying yes */
        char *digest;         /* SHA-256 of all the above, hexadecimal */
};

struct plan_options {
        bool restore_volumes; /* PLAN_ROLLBACK: everything back, not only the OS */
};

/*
 * Computes a plan. -ENOENT when the subject does not exist, -EALREADY when there is nothing to do,
 * -EPERM for a foreign container, -ENOSPC when the forecast does not fit; @reterr says why.
 */
int plan_compute(enum plan_kind kind, const char *subject, const struct plan_options *options,
                 const infra_estate *e, const struct facts *f, struct plan **ret, infra_error **reterr);
struct plan *plan_free(struct plan *p);

/* Canonical JSON (sorted keys) and back. */
int plan_to_json(const struct plan *p, char **ret, infra_error **reterr);
int plan_from_json(const char *json, struct plan **ret, infra_error **reterr);
/* Computes and sets p->digest. */
int plan_seal(struct plan *p, infra_error **reterr);

/* For the makers of plans: appends a step with its defaults; NULL when memory is out. */
struct step *plan_add(struct plan *p, enum step_kind kind, const struct container *c);
int plan_note(struct plan *p, const char *format, ...) PRINTF_LIKE(2, 3);

int plan_apply(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr);
int plan_upgrade(struct plan *p, const struct upgrade *u, const infra_estate *e, const struct facts *f,
                 infra_error **reterr);
int plan_extract(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr);
int plan_rehearse(struct plan *p, const infra_estate *e, const struct facts *f, infra_error **reterr);
int plan_rollback(struct plan *p, const struct container *c, const struct plan_options *options,
                  const infra_estate *e, const struct facts *f, infra_error **reterr);
/* PLAN_START without a subject: bridge, ruleset and every container of ours that starts by itself (boot). */
int plan_start_all(struct plan *p, const infra_estate *e, const struct facts *f);
int plan_power(struct plan *p, const struct container *c, const infra_estate *e, const struct facts *f,
               infra_error **reterr);

DEFINE_CLEANUP(struct plan *, plan_free);
#define _cleanup_plan_ CLEANUP(plan_freep)
