/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Building blocks of plans, and the way from a kind and a subject to the maker of that plan. */

#include "plan/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/fd.h"

static void step_done(struct step *s)
{
        free(s->container);
        free(s->release);
        free(s->tag);
        free(s->where);
}

struct plan *plan_free(struct plan *p)
{
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_steps; i++)
                step_done(&p->steps[i]);
        free(p->steps);
        free(p->subject);
        free(p->policy_digest);
        free(p->digest);
        strlist_done(&p->notes);
        free(p);
        return NULL;
}

struct step *plan_add(struct plan *p, enum step_kind kind, const struct container *c)
{
        struct step *s = ARRAY_ADD(p->steps, p->n_steps);

        if (!s)
                return NULL;
        s->number = (unsigned)p->n_steps;
        s->kind = kind;
        s->forecast_ms = step_type(kind)->forecast_ms;
        if (!c)
                return s;
        s->container = strdup(c->name);
        s->where = path_join("%s:%u", c->span.file, c->span.line);
        if (s->container && s->where)
                return s;
        step_done(s);
        p->n_steps--;
        return NULL;
}

int plan_note(struct plan *p, const char *format, ...)
{
        _cleanup_str_ struct str s = {};
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        str_addv(&s, format, ap);
        va_end(ap);
        text = str_take(&s);
        return text ? strlist_add(&p->notes, text) : -ENOMEM;
}

static int plan_fill(struct plan *p, const struct plan_options *options, const infra_estate *e,
                     const struct facts *f, infra_error **reterr)
{
        const struct container *c;

        if (p->kind == PLAN_APPLY)
                return plan_apply(p, e, f, reterr);
        if (p->kind == PLAN_UPGRADE) {
                const struct upgrade *u = estate_upgrade(e, p->subject);

                if (!u)
                        return estate_no_upgrade(e, p->subject, reterr);
                return plan_upgrade(p, u, e, f, reterr);
        }
        if (p->kind == PLAN_START && !*p->subject)
                return plan_start_all(p, e, f);
        if (p->kind == PLAN_REHEARSE)
                return plan_rehearse(p, e, f, reterr);
        if (p->kind == PLAN_EXTRACT)
                return plan_extract(p, e, f, reterr);
        c = estate_container(e, p->subject);
        if (!c)
                return estate_no_container(e, p->subject, reterr);
        if (p->kind == PLAN_ROLLBACK)
                return plan_rollback(p, c, options, e, f, reterr);
        return plan_power(p, c, e, f, reterr);
}

/* What a person should know stands in the notes; without any there is nothing to know. */
static int nothing_to_do(const struct plan *p, infra_error **reterr)
{
        _cleanup_str_ struct str s = {};

        for (size_t i = 0; i < p->notes.n; i++)
                str_add(&s, "%s%s", i ? "; " : "", p->notes.items[i]);
        return infra_error_set(reterr, -EALREADY, "%s", s.length ? s.text : "everything is as wanted");
}

int plan_compute(enum plan_kind kind, const char *subject, const struct plan_options *options,
                 const infra_estate *e, const struct facts *f, struct plan **ret, infra_error **reterr)
{
        _cleanup_plan_ struct plan *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return infra_error_oom(reterr);
        p->kind = kind;
        p->on_failure = ON_FAILURE_ROLLBACK_CONTAINER;
        p->jobs = 1;
        p->subject = strdup(subject);
        p->policy_digest = strdup(e->digest);
        if (!p->subject || !p->policy_digest)
                return infra_error_oom(reterr);
        r = plan_fill(p, options, e, f, reterr);
        if (r == -ENOMEM)
                return infra_error_oom(reterr);
        if (r < 0)
                return r;
        if (p->n_steps == 0)
                return nothing_to_do(p, reterr);
        r = plan_seal(p, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}
