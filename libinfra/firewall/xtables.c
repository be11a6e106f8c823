/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Read through the socket options of ip_tables and ip6_tables: a table is one block of entries, each with the offsets of its
 * target and of the next entry (linux/netfilter_ipv4/ip_tables.h). The chains that packets enter by end at `underflow`.
 */

#include "firewall/xtables.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/str.h"

enum { NAMES_MAX = 4096, TABLE_MAX = 64 << 20 };

static const struct family {
        int family, domain, level, info, entries;
        const char *names; /* there only once somebody asked for a table */
        size_t target_at, next_at, smallest;
} families[] = {
        { NFPROTO_IPV4, AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES, "/proc/net/ip_tables_names",
          offsetof(struct ipt_entry, target_offset), offsetof(struct ipt_entry, next_offset), sizeof(struct ipt_entry) },
        { NFPROTO_IPV6, AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES, "/proc/net/ip6_tables_names",
          offsetof(struct ip6t_entry, target_offset), offsetof(struct ip6t_entry, next_offset), sizeof(struct ip6t_entry) },
};

/* What both families' structures look like. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "the same questions");
_Static_assert(offsetof(struct ipt_get_entries, entrytable) == offsetof(struct ip6t_get_entries, entrytable), "the same answers");

static bool is_policy(const struct ipt_getinfo *info, size_t at)
{
        for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; hook++)
                if (info->valid_hooks & 1u << hook && info->underflow[hook] == at)
                        return true;
        return false;
}

static void look_at_target(const struct xt_entry_target *t, bool policy, struct xtables_table *ret)
{
        const char *name = t->u.user.name;

        if (*name == '\0') {
                bool drops = ((const struct xt_standard_target *)t)->verdict == -NF_DROP - 1;

                ret->drops = ret->drops || (drops && policy);
                ret->refuses = ret->refuses || (drops && !policy);
        }
        ret->refuses = ret->refuses || streq(name, "REJECT") || streq(name, "TARPIT");
        ret->translates = ret->translates || strstr(name, "NAT") || streq(name, "MASQUERADE") || streq(name, "REDIRECT") || streq(name, "NETMAP");
}

static bool look_at_entries(const struct family *f, const struct ipt_getinfo *info, const char *entries, struct xtables_table *ret)
{
        for (size_t at = 0; at < info->size;) {
                uint16_t target, next;

                if (info->size - at < f->smallest)
                        return false;
                memcpy(&target, entries + at + f->target_at, sizeof(target));
                memcpy(&next, entries + at + f->next_at, sizeof(next));
                if (next < target + sizeof(struct xt_standard_target) || next > info->size - at || target < f->smallest)
                        return false;
                look_at_target((const struct xt_entry_target *)(entries + at + target), is_policy(info, at), ret);
                at += next;
        }
        return true;
}

static bool look_at_table(const struct family *f, int fd, struct xtables_table *ret)
{
        struct ipt_getinfo info = {};
        socklen_t size = sizeof(info);
        struct ipt_get_entries *all;
        bool known;

        memcpy(info.name, ret->name, sizeof(info.name));
        if (fd < 0 || getsockopt(fd, f->level, f->info, &info, &size) < 0 || info.size > TABLE_MAX)
                return false;
        size = (socklen_t)(sizeof(*all) + info.size);
        all = calloc(1, size);
        if (!all)
                return false;
        memcpy(all->name, ret->name, sizeof(all->name));
        all->size = info.size;
        /* -EAGAIN when somebody changed it in between: then nothing is known. */
        known = getsockopt(fd, f->level, f->entries, all, &size) >= 0 && look_at_entries(f, &info, (const char *)all->entrytable, ret);
        free(all);
        return known;
}

static int read_family(const struct family *f, struct xtables_table **tables, size_t *n)
{
        _cleanup_close_ int fd = socket(f->domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
        _cleanup_free_ char *text = NULL;

        if (file_read(AT_FDCWD, f->names, NAMES_MAX, &text, NULL) < 0)
                return 0;
        for (char *p = text, *word; (word = strsep(&p, "\n"));) {
                struct xtables_table *t;

                if (!*word || strlen(word) >= sizeof(t->name))
                        continue;
                t = ARRAY_ADD(*tables, *n);
                if (!t)
                        return -ENOMEM;
                *t = (struct xtables_table){ .family = f->family };
                strcpy(t->name, word);
                t->refuses = !look_at_table(f, fd, t) || t->refuses;
        }
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct xtables_table *x = a, *y = b;

        return x->family != y->family ? x->family - y->family : strcmp(x->name, y->name);
}

int xtables_read(struct xtables_table **ret, size_t *ret_n)
{
        struct xtables_table *tables = NULL;
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS(families); i++)
                if (read_family(&families[i], &tables, &n) < 0) {
                        free(tables);
                        return -ENOMEM;
                }
        if (n > 1)
                qsort(tables, n, sizeof(*tables), compare);
        *ret = tables;
        *ret_n = n;
        return 0;
}
