/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Load, read, unload, fence: whole operations on the kernel's ruleset. */

#include "firewall/firewall.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/kernel.h"

enum { RETRIES = 5 };

static const int table_families[RULESET_TABLES] = { NFPROTO_INET, NFPROTO_BRIDGE };
static const char *const fence_sets[] = { "fenced4", "fenced6" };

static int read_any(struct firewall *f, struct ruleset *r, bool *ret_found, infra_error **reterr)
{
        *ret_found = false;
        for (size_t i = 0; i < RULESET_TABLES; i++) {
                bool found = false;
                int x = kernel_read_table(f, &r->tables[i], &found, reterr);

                if (x < 0)
                        return x;
                *ret_found = *ret_found || found;
        }
        return 0;
}

int firewall_read(struct firewall *f, struct ruleset **ret, infra_error **reterr)
{
        struct ruleset *r = ruleset_new();
        bool found = false;
        int x = r ? read_any(f, r, &found, reterr) : infra_error_oom(reterr);

        if (x < 0 || !found)
                r = ruleset_free(r);
        if (x >= 0)
                *ret = r;
        return x;
}

static int load_once(struct firewall *f, const struct ruleset *wanted, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };
        struct ruleset *have = NULL;
        uint32_t generation = 0;
        int r = kernel_generation(f, &generation);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask for the ruleset's generation: %s", strerror(-r));
        r = firewall_read(f, &have, reterr);
        if (r < 0)
                return r;
        batch_begin(&b, generation);
        for (size_t i = 0; i < RULESET_TABLES; i++)
                batch_replace_table(&b, have ? &have->tables[i] : NULL, &wanted->tables[i]);
        batch_end(&b);
        r = kernel_commit(f, &b, reterr);
        ruleset_free(have);
        return r;
}

/* Somebody else's change between our look and our batch makes the batch fail, and we look again. */
static int retry(struct firewall *f, int (*once)(struct firewall *f, const void *what, infra_error **reterr), const void *what,
                 infra_error **reterr)
{
        for (int i = 0; i < RETRIES; i++) {
                _cleanup_error_ infra_error *error = NULL;
                int r = once(f, what, &error);

                if (r == -ERESTART || r == -EINTR)
                        continue;
                if (r < 0 && reterr)
                        *reterr = TAKE_PTR(error);
                return r;
        }
        return infra_error_set(reterr, -EBUSY, "somebody else keeps changing the ruleset");
}

static int load(struct firewall *f, const void *what, infra_error **reterr)
{
        return load_once(f, what, reterr);
}

int firewall_load(struct firewall *f, const struct ruleset *wanted, infra_error **reterr)
{
        return retry(f, load, wanted, reterr);
}

int firewall_unload(struct firewall *f, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };

        batch_begin(&b, 0);
        for (size_t i = 0; i < RULESET_TABLES; i++)
                batch_delete_table(&b, table_families[i]);
        batch_end(&b);
        return kernel_commit(f, &b, reterr);
}

/* A set of that name with the container's address in it; no element when it has none of that family. */
static int fence_set(struct set *s, size_t i, const struct container *c)
{
        static const enum field fields[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };
        const struct address *a = i == 0 ? &c->internal : &c->ipv6;
        struct element *e;

        s->name = (char *)(uintptr_t)fence_sets[i];
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

/* How many of the container's addresses are in the sets of both tables; -ENOENT without our tables. */
static int count_fenced(struct firewall *f, const struct container *c, size_t *ret_in, size_t *ret_of, infra_error **reterr)
{
        int r = 0;

        *ret_in = *ret_of = 0;
        for (size_t t = 0; r >= 0 && t < RULESET_TABLES; t++) {
                for (size_t i = 0; r >= 0 && i < ELEMENTS(fence_sets); i++) {
                        struct set wanted = {}, have = {};

                        r = fence_set(&wanted, i, c);
                        have = wanted;
                        have.elements = NULL;
                        have.n_elements = 0;
                        if (r >= 0 && wanted.n_elements)
                                r = kernel_read_elements(f, table_families[t], &have, reterr);
                        *ret_of += wanted.n_elements;
                        for (size_t k = 0; k < have.n_elements; k++) {
                                *ret_in += memcmp(have.elements[k].key, wanted.elements[0].key, RULESET_KEY_MAX) == 0;
                                element_done(&have.elements[k]);
                        }
                        free(have.elements);
                        free(wanted.elements);
                }
        }
        if (r == -ENOENT)
                return infra_error_set(reterr, r, "our ruleset is not loaded; `infractl apply` loads it");
        return r;
}

int firewall_fence_closed(struct firewall *f, const struct container *c, bool *ret_closed, infra_error **reterr)
{
        size_t in = 0, of = 0;
        int r = count_fenced(f, c, &in, &of, reterr);

        if (r >= 0)
                *ret_closed = of > 0 && in == of;
        return r;
}

struct fencing {
        const struct container *container;
        bool closed;
};

/* Elements that are (not) there already would make a deletion fail, so each is looked at under the generation id. */
static int add_change(struct firewall *f, struct batch *b, int family, size_t i, const struct fencing *what, infra_error **reterr)
{
        struct set s = {}, have = {};
        bool there = false;
        int r = fence_set(&s, i, what->container);

        have = s;
        have.elements = NULL;
        have.n_elements = 0;
        if (r >= 0 && s.n_elements)
                r = kernel_read_elements(f, family, &have, reterr);
        for (size_t k = 0; k < have.n_elements; k++) {
                there = there || memcmp(have.elements[k].key, s.elements[0].key, RULESET_KEY_MAX) == 0;
                element_done(&have.elements[k]);
        }
        free(have.elements);
        if (r >= 0 && there != what->closed)
                batch_elements(b, family, &s, what->closed);
        /* The batch has copied what it needs, but remembers elements for messages: it must not outlive them. */
        for (size_t k = 0; k < b->n_origins; k++)
                b->origins[k].n_elements = 0;
        free(s.elements);
        return r;
}

static int fence_once(struct firewall *f, const void *userdata, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };
        const struct fencing *what = userdata;
        uint32_t generation = 0;
        int r = kernel_generation(f, &generation);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot ask for the ruleset's generation: %s", strerror(-r));
        batch_begin(&b, generation);
        for (size_t t = 0; r >= 0 && t < RULESET_TABLES; t++)
                for (size_t i = 0; r >= 0 && i < ELEMENTS(fence_sets); i++)
                        r = add_change(f, &b, table_families[t], i, what, reterr);
        batch_end(&b);
        if (r == -ENOENT)
                return infra_error_set(reterr, r, "our ruleset is not loaded; `infractl apply` loads it");
        return r < 0 || b.n_origins == 0 ? r : kernel_commit(f, &b, reterr);
}

int firewall_fence(struct firewall *f, const struct container *c, bool closed, infra_error **reterr)
{
        struct fencing what = { .container = c, .closed = closed };

        return retry(f, fence_once, &what, reterr);
}
