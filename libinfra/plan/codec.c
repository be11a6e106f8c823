/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans as canonical JSON: sorted keys, no spaces, so that the digest is of the meaning. */

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/json.h"
#include "plan/plan.h"

static json_t *step_encode(const struct step *s)
{
        return json_pack("{s:i,s:s,s:s?,s:i,s:i,s:i,s:s?,s:s?,s:s?,s:I}", "number", (int)s->number, "kind",
                         step_type(s->kind)->name, "container", s->container, "wave", (int)s->wave, "from",
                         (int)s->from, "to", (int)s->to, "release", s->release, "tag", s->tag, "where", s->where,
                         "forecast_ms", (json_int_t)s->forecast_ms);
}

static json_t *plan_encode(const struct plan *p)
{
        json_t *steps = json_array(), *notes = json_array();

        for (size_t i = 0; i < p->n_steps; i++)
                json_array_append_new(steps, step_encode(&p->steps[i]));
        for (size_t i = 0; i < p->notes.n; i++)
                json_array_append_new(notes, json_string(p->notes.items[i]));
        return json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:I,s:I,s:o,s:o}", "kind", plan_kind_name(p->kind), "subject", p->subject,
                         "policy", p->policy_digest, "on-failure", on_failure_name(p->on_failure), "jobs", (int)p->jobs,
                         "keep_ms", (json_int_t)p->keep_ms, "silence_ms", (json_int_t)p->silence_ms,
                         "window_start_wall", (json_int_t)p->window_start_ms, "window_end_wall", (json_int_t)p->window_end_ms,
                         "steps", steps, "notes", notes);
}

static int digest_text(const char *text, char **ret)
{
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned int n = 0;
        struct str s = {};

        if (EVP_Digest(text, strlen(text), hash, &n, EVP_sha256(), NULL) != 1)
                return -EIO;
        for (unsigned int i = 0; i < n; i++)
                str_add(&s, "%02x", hash[i]);
        *ret = str_take(&s);
        return *ret ? 0 : -ENOMEM;
}

int plan_seal(struct plan *p, infra_error **reterr)
{
        _cleanup_json_ json_t *j = plan_encode(p);
        _cleanup_free_ char *text = j ? json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
        char *digest = NULL;
        int r = text ? digest_text(text, &digest) : -ENOMEM;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot compute the digest of the plan");
        free(p->digest);
        p->digest = digest;
        return 0;
}

int plan_to_json(const struct plan *p, char **ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = plan_encode(p);
        char *text;

        if (!j || json_object_set_new(j, "digest", json_string(p->digest)) < 0)
                return infra_error_oom(reterr);
        text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
        if (!text)
                return infra_error_oom(reterr);
        *ret = text;
        return 0;
}

static int copy_string(json_t *j, const char *key, char **ret)
{
        const char *s = json_string_value(json_object_get(j, key));

        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

static int step_decode(json_t *j, struct step *s)
{
        const char *kind = json_string_value(json_object_get(j, "kind"));
        int k = kind ? step_kind_parse(kind) : -EINVAL;

        if (k < 0)
                return -EBADMSG;
        s->kind = (enum step_kind)k;
        s->number = (unsigned)json_integer_value(json_object_get(j, "number"));
        s->wave = (unsigned)json_integer_value(json_object_get(j, "wave"));
        s->from = (unsigned)json_integer_value(json_object_get(j, "from"));
        s->to = (unsigned)json_integer_value(json_object_get(j, "to"));
        s->forecast_ms = json_integer_value(json_object_get(j, "forecast_ms"));
        if (copy_string(j, "container", &s->container) < 0 || copy_string(j, "release", &s->release) < 0 ||
            copy_string(j, "tag", &s->tag) < 0 || copy_string(j, "where", &s->where) < 0)
                return -ENOMEM;
        return 0;
}

static int plan_decode(json_t *j, struct plan *p)
{
        const char *kind = json_string_value(json_object_get(j, "kind"));
        const char *on_failure = json_string_value(json_object_get(j, "on-failure"));
        int k = kind ? plan_kind_parse(kind) : -EINVAL, o = on_failure ? on_failure_parse(on_failure) : -EINVAL;
        json_t *item;
        size_t i;

        if (k < 0 || o < 0)
                return -EBADMSG;
        p->kind = (enum plan_kind)k;
        p->on_failure = (enum on_failure)o;
        p->jobs = MAX((unsigned)json_integer_value(json_object_get(j, "jobs")), 1u);
        p->keep_ms = json_integer_value(json_object_get(j, "keep_ms"));
        p->silence_ms = json_integer_value(json_object_get(j, "silence_ms"));
        p->window_start_ms = json_integer_value(json_object_get(j, "window_start_wall"));
        p->window_end_ms = json_integer_value(json_object_get(j, "window_end_wall"));
        if (copy_string(j, "subject", &p->subject) < 0 || copy_string(j, "policy", &p->policy_digest) < 0 ||
            copy_string(j, "digest", &p->digest) < 0)
                return -ENOMEM;
        if (!p->subject || !p->policy_digest || !p->digest)
                return -EBADMSG;
        json_array_foreach(json_object_get(j, "notes"), i, item)
                if (json_is_string(item) && strlist_add(&p->notes, json_string_value(item)) < 0)
                        return -ENOMEM;
        json_array_foreach(json_object_get(j, "steps"), i, item) {
                struct step *s = ARRAY_ADD(p->steps, p->n_steps);
                int r = s ? step_decode(item, s) : -ENOMEM;

                if (r < 0)
                        return r;
        }
        return 0;
}

int plan_from_json(const char *json, struct plan **ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = json_loads(json, 0, NULL);
        _cleanup_plan_ struct plan *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return infra_error_oom(reterr);
        r = j ? plan_decode(j, p) : -EBADMSG;
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read the journaled plan");
        *ret = TAKE_PTR(p);
        return 0;
}
