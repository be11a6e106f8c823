/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A container's fence closed and opened in the kernel: its addresses in the sets of both tables, and the jumps first in
 * their chains from the first closed fence to the last. Both change in one batch.
 */

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/kernel.h"
#include "firewall/moment.h"

static const int table_families[RULESET_TABLES] = { NFPROTO_INET, NFPROTO_BRIDGE };
static const char *const fence_sets[] = { "fenced4", "fenced6" };
/* Where the jumps to the fences stand (moment.c). */
static const char *const chains[RULESET_TABLES][2] = { { "forward", "input" }, { "containers" } };

/* A set of that name with the container's address in it; no element when it has none of that family. */
static int fence_set(struct set *s, size_t i, const struct container *c)
{
        static const enum field fields[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
        const struct address *a = i == 0 ? &c->internal : &c->ipv6;
        struct element *e;

        *s = (struct set){ .name = (char *)(uintptr_t)fence_sets[i] };
        s->fields[0] = fields[i];
        s->n_fields = 1;
        if (!address_is_set(a))
                return 0;
        e = ARRAY_ADD(s->elements, s->n_elements);
        if (!e)
                return -ENOMEM;
        memcpy(e->key, a->bytes, address_bits(a) / 8);
        memcpy(e->key_end, e->key, sizeof(e->key));
        return 0;
}

/* The container's part of a set, what is in it now, and whether that includes the container. */
struct fenced {
        struct set own;
        struct set all;
        bool there;
};

static void fenced_done(struct fenced *x)
{
        set_done_elements(&x->own);
        set_done_elements(&x->all);
}

static int read_fenced(struct firewall *f, int family, size_t i, const struct container *c, struct fenced *ret, infra_error **reterr)
{
        int r = fence_set(&ret->own, i, c);

        if (r < 0)
                return infra_error_oom(reterr);
        ret->all = ret->own;
        ret->all.elements = NULL;
        ret->all.n_elements = 0;
        r = kernel_read_elements(f, family, &ret->all, NULL);
        if (r == -ENOENT)
                return infra_error_set(reterr, r, "our ruleset is not loaded; `infractl apply` loads it");
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read set %s: %s", ret->own.name, strerror(-r));
        for (size_t k = 0; k < ret->all.n_elements && ret->own.n_elements; k++)
                ret->there |= memcmp(ret->all.elements[k].key, ret->own.elements[0].key, RULESET_KEY_MAX) == 0;
        return 0;
}

/* A jump that somebody took out leaves a fence open, whoever is in the sets. */
static int jumps_stand(struct firewall *f, infra_error **reterr)
{
        int stand = 1, r = 0;

        for (size_t i = 0; r >= 0 && stand && i < RULESET_TABLES * ELEMENTS(chains[0]); i++) {
                const char *name = chains[i / ELEMENTS(chains[0])][i % ELEMENTS(chains[0])];
                struct chain c = { .name = (char *)(uintptr_t)name };
                _cleanup_free_ uint64_t *handles = NULL;

                if (!name)
                        continue;
                r = kernel_read_rules(f, table_families[i / ELEMENTS(chains[0])], &c, &handles, reterr);
                if (r >= 0)
                        stand = moment_standing(table_families[i / ELEMENTS(chains[0])], &c);
                c.name = NULL;
                chain_done(&c);
        }
        return r < 0 ? r : stand < 0 ? infra_error_oom(reterr) : stand > 0;
}

/* What is asked, and the answer. */
struct closed {
        const struct container *container;
        bool *ret;
};

static int closed_once(struct firewall *f, const void *userdata, infra_error **reterr)
{
        const struct closed *what = userdata;
        size_t in = 0, of = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < RULESET_TABLES * ELEMENTS(fence_sets); i++) {
                struct fenced x = {};

                r = read_fenced(f, table_families[i / ELEMENTS(fence_sets)], i % ELEMENTS(fence_sets), what->container, &x, reterr);
                in += x.there;
                of += x.own.n_elements;
                fenced_done(&x);
        }
        if (r >= 0 && of > 0 && in == of)
                r = jumps_stand(f, reterr);
        else if (r >= 0)
                r = 0;
        if (r >= 0)
                *what->ret = r > 0;
        return r < 0 ? r : 0;
}

int firewall_fence_closed(struct firewall *f, const struct container *c, bool *ret_closed, infra_error **reterr)
{
        struct closed what = { .container = c, .ret = ret_closed };

        return kernel_retry(f, closed_once, &what, reterr);
}

struct fencing {
        const struct container *container;
        bool closed;
};

/* The container's elements of one table into the batch; whether anybody is in there afterwards into *ret_closed. */
static int change_sets(struct firewall *f, struct batch *b, int family, const struct fencing *what, bool *ret_closed, infra_error **reterr)
{
        int r = 0;

        *ret_closed = false;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(fence_sets); i++) {
                struct fenced x = {};

                r = read_fenced(f, family, i, what->container, &x, reterr);
                if (r >= 0 && x.own.n_elements && x.there != what->closed)
                        batch_elements(b, family, &x.own, what->closed);
                *ret_closed |= x.all.n_elements > (size_t)(x.there && !what->closed) || (what->closed && x.own.n_elements);
                /* The batch has copied what it needs, but remembers elements for messages: it must not outlive them. */
                for (size_t k = 0; k < b->n_origins; k++)
                        b->origins[k].n_elements = 0;
                fenced_done(&x);
        }
        return r;
}

static int fence_once(struct firewall *f, const void *userdata, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };
        uint32_t generation = 0;
        int r = kernel_generation(f, &generation);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask for the ruleset's generation: %s", strerror(-r));
        batch_begin(&b, generation);
        for (size_t t = 0; r >= 0 && t < RULESET_TABLES; t++) {
                bool closed;

                r = change_sets(f, &b, table_families[t], userdata, &closed, reterr);
                for (size_t i = 0; r >= 0 && i < ELEMENTS(chains[t]) && chains[t][i]; i++)
                        r = moment_change(f, &b, table_families[t], chains[t][i], closed, reterr);
        }
        batch_end(&b);
        return r < 0 || (b.n_origins == 0 && !b.failed) ? r : kernel_commit(f, &b, reterr);
}

int firewall_fence(struct firewall *f, const struct container *c, bool closed, infra_error **reterr)
{
        struct fencing what = { .container = c, .closed = closed };

        return kernel_retry(f, fence_once, &what, reterr);
}
