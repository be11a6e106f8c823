/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bans: elements of banned4 and banned6, an interface (or all) and an address or network each, that go by themselves.
 * Elements of such a set must not lie within each other: a wider ban takes the place of narrower ones, and lasts as long as
 * the longest of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/kernel.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

enum { NAME_SIZE = 16 };

static const enum field addresses[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };

static void describe(struct set *s, int family)
{
        static const char *const names[] = { "banned4", "banned6" };

        *s = (struct set){ .name = (char *)(uintptr_t)names[family == AF_INET6], .interval = true, .timeout = true };
        s->fields[0] = FIELD_IIFNAME;
        s->fields[1] = addresses[family == AF_INET6];
        s->n_fields = 2;
}

static void elements_done(struct set *s)
{
        for (size_t i = 0; i < s->n_elements; i++)
                element_done(&s->elements[i]);
        free(s->elements);
}

/* All zeroes to all ones is any interface. */
static struct element element_of(const char *interface, const struct address *a)
{
        struct address first = address_network(a), last = first;
        struct element e = {};

        if (interface) {
                memcpy(e.key, interface, strnlen(interface, NAME_SIZE - 1));
                memcpy(e.key_end, e.key, NAME_SIZE);
        } else {
                memset(e.key_end, 0xff, NAME_SIZE);
        }
        for (unsigned bit = a->prefix; bit < address_bits(a); bit++)
                last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
        memcpy(e.key + NAME_SIZE, first.bytes, address_bits(a) / 8);
        memcpy(e.key_end + NAME_SIZE, last.bytes, address_bits(a) / 8);
        return e;
}

static bool within(const struct element *inner, const struct element *outer, unsigned size)
{
        return memcmp(inner->key, outer->key, NAME_SIZE) >= 0 && memcmp(inner->key_end, outer->key_end, NAME_SIZE) <= 0 &&
               memcmp(inner->key + NAME_SIZE, outer->key + NAME_SIZE, size) >= 0 &&
               memcmp(inner->key_end + NAME_SIZE, outer->key_end + NAME_SIZE, size) <= 0;
}

/* Whether a packet can be meant by both: neither is within the other when one is wider in interfaces, one in addresses. */
static bool meet(const struct element *a, const struct element *b, unsigned size)
{
        return memcmp(a->key, b->key_end, NAME_SIZE) <= 0 && memcmp(b->key, a->key_end, NAME_SIZE) <= 0 &&
               memcmp(a->key + NAME_SIZE, b->key_end + NAME_SIZE, size) <= 0 &&
               memcmp(b->key + NAME_SIZE, a->key_end + NAME_SIZE, size) <= 0;
}

static int move(struct set *to, struct set *from, size_t i)
{
        struct element *e = ARRAY_ADD(to->elements, to->n_elements);

        if (!e)
                return -ENOMEM;
        *e = from->elements[i];
        from->elements[i] = from->elements[--from->n_elements];
        return 0;
}

static int not_loaded(int r, infra_error **reterr)
{
        return r == -ENOENT ? infra_error_set(reterr, r, "our ruleset is not loaded; `infractl apply` loads it") : r;
}

/* What is in the way of the new ban into @gone; a wider one that lasts is an error. */
static int make_way(struct set *have, struct set *gone, struct element *new, unsigned size, bool ban, infra_error **reterr)
{
        for (size_t i = 0; i < have->n_elements;) {
                struct element *old = &have->elements[i];
                bool inner = within(old, new, size);

                if (!inner && meet(old, new, size)) {
                        _cleanup_free_ char *text = element_text(have, old);

                        return infra_error_set(reterr, within(new, old, size) ? -EALREADY : -EEXIST,
                                               ban ? "%s is banned already; infractl firewall unban it first" : "what is banned is %s; unban that",
                                               text ? text : "?");
                }
                if (inner && old->expires_ms > new->expires_ms && new->expires_ms)
                        new->expires_ms = old->expires_ms;
                if (inner && move(gone, have, i) < 0)
                        return infra_error_oom(reterr);
                i += !inner;
        }
        return 0;
}

static int commit(struct firewall *f, uint32_t generation, const struct set *gone, const struct set *new, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };

        batch_begin(&b, generation);
        if (gone->n_elements)
                batch_elements(&b, NFPROTO_INET, gone, false);
        if (new)
                batch_elements(&b, NFPROTO_INET, new, true);
        batch_end(&b);
        return kernel_commit(f, &b, reterr);
}

/* @new NULL: what @key says is lifted. */
static int change(struct firewall *f, int family, struct element *key, bool ban, infra_error **reterr)
{
        unsigned size = family == AF_INET ? 4 : 16;
        struct set have, gone, new;
        uint32_t generation = 0;
        int r = kernel_generation(f, &generation);

        describe(&have, family);
        gone = new = have;
        if (r >= 0)
                r = not_loaded(kernel_read_elements(f, NFPROTO_INET, &have, NULL), reterr);
        if (r >= 0)
                r = make_way(&have, &gone, key, size, ban, reterr);
        new.elements = key;
        new.n_elements = 1;
        if (r >= 0 && !ban && gone.n_elements == 0)
                r = infra_error_set(reterr, -ENOENT, "nobody of that is banned; infractl firewall bans lists who is");
        if (r >= 0)
                r = commit(f, generation, &gone, ban ? &new : NULL, reterr);
        elements_done(&have);
        elements_done(&gone);
        return r;
}

static int change_again(struct firewall *f, const char *interface, const struct address *a, int64_t for_ms, bool ban, infra_error **reterr)
{
        enum { RETRIES = 5 };

        for (int i = 0; i < RETRIES; i++) {
                struct element key = element_of(interface, a);
                int r;

                key.expires_ms = for_ms;
                r = change(f, a->family, &key, ban, reterr);
                if (r != -ERESTART)
                        return r;
        }
        return infra_error_set(reterr, -EBUSY, "somebody else keeps changing the ruleset");
}

int firewall_ban(struct firewall *f, const char *interface, const struct address *a, int64_t for_ms, infra_error **reterr)
{
        return change_again(f, interface, a, for_ms, true, reterr);
}

int firewall_unban(struct firewall *f, const char *interface, const struct address *a, infra_error **reterr)
{
        return change_again(f, interface, a, 0, false, reterr);
}

/* The prefix that a range is; an odd one, put in by hand, by its first address. */
static struct address address_of(const struct element *e, int family)
{
        struct address a = { .family = family, .prefix = family == AF_INET ? 32 : 128 };
        const uint8_t *first = e->key + NAME_SIZE, *last = e->key_end + NAME_SIZE;

        memcpy(a.bytes, first, a.prefix / 8);
        while (a.prefix > 0 && !(first[(a.prefix - 1) / 8] & 0x80u >> (a.prefix - 1) % 8) && (last[(a.prefix - 1) / 8] & 0x80u >> (a.prefix - 1) % 8))
                a.prefix--;
        return a;
}

int firewall_bans(struct firewall *f, struct ban **ret, size_t *ret_n, infra_error **reterr)
{
        static const int families[] = { AF_INET, AF_INET6 };
        _cleanup_free_ struct ban *bans = NULL;
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(families); i++) {
                struct set s;

                describe(&s, families[i]);
                r = not_loaded(kernel_read_elements(f, NFPROTO_INET, &s, NULL), reterr);
                for (size_t k = 0; r >= 0 && k < s.n_elements; k++) {
                        struct ban *b = ARRAY_ADD(bans, n);

                        if (!b) {
                                r = infra_error_oom(reterr);
                                break;
                        }
                        b->address = address_of(&s.elements[k], families[i]);
                        b->left_ms = s.elements[k].expires_ms;
                        if (memcmp(s.elements[k].key, s.elements[k].key_end, NAME_SIZE) == 0)
                                memcpy(b->interface, s.elements[k].key, NAME_SIZE);
                }
                elements_done(&s);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bans);
        *ret_n = n;
        return 0;
}
