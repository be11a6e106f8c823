/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bans: an address or network that goes by itself, in banned4 and banned6 for every interface, in banned_at4 and banned_at6
 * with the one it is for. ("Every" as a range of names in one set would do, but `nft list` dies of it.) Here both are one list
 * of bans with a range of interfaces each. Elements of a set must not lie within each other: a wider ban takes the place of
 * narrower ones, and lasts as long as the longest of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "firewall/kernel.h"
#include "firewall/moment.h"

#include <netinet/in.h>
#include <linux/netfilter.h>

enum { NAME_SIZE = 16 };

static const enum field addresses[] = { FIELD_IP_SADDR, FIELD_IP6_SADDR };

/* The list of bans; describe_set(): one of the two sets in the kernel, @at the one with interfaces. */
static void describe(struct set *s, int family)
{
        *s = (struct set){ .interval = true, .timeout = true };
        s->fields[0] = FIELD_IIFNAME;
        s->fields[1] = addresses[family == AF_INET6];
        s->n_fields = 2;
}

static void describe_set(struct set *s, int family, bool at)
{
        static const char *const names[][2] = { { "banned4", "banned_at4" }, { "banned6", "banned_at6" } };

        describe(s, family);
        s->name = (char *)(uintptr_t)names[family == AF_INET6][at];
        if (!at) {
                s->fields[0] = s->fields[1];
                s->n_fields = 1;
        }
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

static bool is_everywhere(const struct element *e)
{
        return memcmp(e->key, e->key_end, NAME_SIZE) != 0;
}

/* An element of a set with addresses alone as a ban at every interface, and back. */
static void widen(struct element *e)
{
        memmove(e->key + NAME_SIZE, e->key, NAME_SIZE);
        memmove(e->key_end + NAME_SIZE, e->key_end, NAME_SIZE);
        memset(e->key, 0, NAME_SIZE);
        memset(e->key_end, 0xff, NAME_SIZE);
}

static void narrow(struct element *e)
{
        memmove(e->key, e->key + NAME_SIZE, NAME_SIZE);
        memmove(e->key_end, e->key_end + NAME_SIZE, NAME_SIZE);
        memset(e->key + NAME_SIZE, 0, NAME_SIZE);
        memset(e->key_end + NAME_SIZE, 0, NAME_SIZE);
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

/* All bans of that family. */
static int read_bans(struct firewall *f, int family, struct set *ret, infra_error **reterr)
{
        int r = 0;

        describe(ret, family);
        for (int at = 0; r >= 0 && at < 2; at++) {
                struct set s;

                describe_set(&s, family, at);
                r = not_loaded(kernel_read_elements(f, NFPROTO_INET, &s, NULL), reterr);
                for (size_t i = 0; r >= 0 && i < s.n_elements; i++) {
                        struct element *e = ARRAY_ADD(ret->elements, ret->n_elements);

                        if (!e) {
                                r = infra_error_oom(reterr);
                                break;
                        }
                        *e = s.elements[i];
                        s.elements[i].comment = NULL;
                        if (!at)
                                widen(e);
                }
                set_done_elements(&s);
        }
        return r;
}

/* Those of @bans that stand in one of the sets into the batch, out of it (@add false). The list is the batch's. */
static void batch_bans(struct batch *b, int family, const struct set *bans, bool at, bool add)
{
        struct element **list = ARRAY_ADD(b->lists, b->n_lists);
        struct set s;

        describe_set(&s, family, at);
        if (list)
                *list = calloc(bans->n_elements + 1, sizeof(**list));
        if (!list || !*list) {
                b->failed = true;
                return;
        }
        s.elements = *list;
        for (size_t i = 0; i < bans->n_elements; i++) {
                if (is_everywhere(&bans->elements[i]) == at)
                        continue;
                s.elements[s.n_elements] = bans->elements[i];
                if (!at)
                        narrow(&s.elements[s.n_elements]);
                s.n_elements++;
        }
        batch_elements(b, NFPROTO_INET, &s, add);
}

/* "203.0.113.0/24", with its interface if it is for one. */
static char *ban_text(const struct set *bans, const struct element *e)
{
        struct element narrowed = *e;
        struct set s;

        if (!is_everywhere(e))
                return element_text(bans, e);
        describe_set(&s, bans->fields[1] == FIELD_IP6_SADDR ? AF_INET6 : AF_INET, false);
        narrow(&narrowed);
        return element_text(&s, &narrowed);
}

/* What is in the way of the new ban into @gone; a wider one that lasts is an error. */
static int make_way(struct set *have, struct set *gone, struct element *new, unsigned size, bool ban, infra_error **reterr)
{
        bool lifts = false;

        for (size_t i = 0; i < have->n_elements; i++)
                lifts |= within(&have->elements[i], new, size);
        for (size_t i = 0; i < have->n_elements;) {
                struct element *old = &have->elements[i];
                bool inner = within(old, new, size), part = !inner && meet(old, new, size);

                /* One everywhere and one at one interface, neither within the other: both can hold. */
                part = part && !(ban ? is_everywhere(new) != is_everywhere(old) && !within(new, old, size) : lifts);
                if (part) {
                        _cleanup_free_ char *text = ban_text(have, old);

                        return infra_error_set(reterr, within(new, old, size) ? -EALREADY : -EEXIST,
                                               ban ? "%s is banned already; infractl firewall unban it first" : "what is banned is %s; unban that",
                                               text ? text : "?");
                }
                if (inner && new->expires_ms && (old->expires_ms == 0 || old->expires_ms > new->expires_ms))
                        new->expires_ms = old->expires_ms;
                if (inner && move(gone, have, i) < 0)
                        return infra_error_oom(reterr);
                i += !inner;
        }
        return 0;
}

/* Whether somebody of the other family is banned. */
static int others_banned(struct firewall *f, int family, bool *ret, infra_error **reterr)
{
        struct set s;
        int r = read_bans(f, family == AF_INET ? AF_INET6 : AF_INET, &s, reterr);

        *ret = s.n_elements > 0;
        set_done_elements(&s);
        return r;
}

/* @some: somebody is banned afterwards. */
static int commit(struct firewall *f, int family, uint32_t generation, const struct set *gone, const struct set *new, bool some, infra_error **reterr)
{
        _cleanup_batch_ struct batch b = { .sequence = f->sequence };
        int r;

        batch_begin(&b, generation);
        for (int at = 0; at < 2; at++)
                batch_bans(&b, family, gone, at, false);
        for (int at = 0; new && at < 2; at++)
                batch_bans(&b, family, new, at, true);
        r = moment_change(f, &b, NFPROTO_INET, "raw_prerouting", some, reterr);
        batch_end(&b);
        return r < 0 ? r : kernel_commit(f, &b, reterr);
}

/* @new NULL: what @key says is lifted. */
static int change(struct firewall *f, int family, struct element *key, bool ban, infra_error **reterr)
{
        unsigned size = family == AF_INET ? 4 : 16;
        struct set have, gone, new;
        uint32_t generation = 0;
        bool some = true;
        int r = kernel_generation(f, &generation);

        describe(&have, family);
        gone = new = have;
        if (r >= 0)
                r = read_bans(f, family, &have, reterr);
        if (r >= 0)
                r = make_way(&have, &gone, key, size, ban, reterr);
        new.elements = key;
        new.n_elements = 1;
        if (r >= 0 && !ban && gone.n_elements == 0)
                r = infra_error_set(reterr, -ENOENT, "nobody of that is banned; infractl firewall bans lists who is");
        if (r >= 0 && !ban && have.n_elements == 0)
                r = others_banned(f, family, &some, reterr);
        if (r >= 0)
                r = commit(f, family, generation, &gone, ban ? &new : NULL, some, reterr);
        set_done_elements(&have);
        set_done_elements(&gone);
        return r;
}

struct banning {
        const char *interface;
        const struct address *address;
        int64_t for_ms;
        bool ban;
};

static int change_once(struct firewall *f, const void *userdata, infra_error **reterr)
{
        const struct banning *what = userdata;
        struct element key = element_of(what->interface, what->address);

        key.expires_ms = what->for_ms;
        return change(f, what->address->family, &key, what->ban, reterr);
}

int firewall_ban(struct firewall *f, const char *interface, const struct address *a, int64_t for_ms, infra_error **reterr)
{
        struct banning what = { interface, a, for_ms, true };

        return kernel_retry(f, change_once, &what, reterr);
}

int firewall_unban(struct firewall *f, const char *interface, const struct address *a, infra_error **reterr)
{
        struct banning what = { interface, a, 0, false };

        return kernel_retry(f, change_once, &what, reterr);
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

                r = read_bans(f, families[i], &s, reterr);
                for (size_t k = 0; r >= 0 && k < s.n_elements; k++) {
                        struct ban *b = ARRAY_ADD(bans, n);

                        if (!b) {
                                r = infra_error_oom(reterr);
                                break;
                        }
                        b->address = address_of(&s.elements[k], families[i]);
                        b->left_ms = s.elements[k].expires_ms;
                        if (!is_everywhere(&s.elements[k]))
                                memcpy(b->interface, s.elements[k].key, NAME_SIZE);
                }
                set_done_elements(&s);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bans);
        *ret_n = n;
        return 0;
}
