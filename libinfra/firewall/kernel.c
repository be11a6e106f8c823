/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/gen.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/macro.h"
#include "base/str.h"

enum { ANSWER_MAX = 256 * 1024, ANSWER_SECONDS = 30 };

int firewall_open(struct firewall **ret, infra_error **reterr)
{
        struct timeval limit = { .tv_sec = ANSWER_SECONDS };
        struct firewall *f = calloc(1, sizeof(*f));
        int one = 1;

        if (!f)
                return infra_error_oom(reterr);
        f->sequence = 1;
        f->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        if (!f->socket || mnl_socket_bind(f->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
                int r = infra_error_set(reterr, -errno, "cannot talk to nftables: %m");

                firewall_free(f);
                return r;
        }
        setsockopt(mnl_socket_get_fd(f->socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        mnl_socket_setsockopt(f->socket, NETLINK_EXT_ACK, &one, sizeof(one));
        *ret = f;
        return 0;
}

struct firewall *firewall_free(struct firewall *f)
{
        if (!f)
                return NULL;
        if (f->socket)
                mnl_socket_close(f->socket);
        free(f);
        return NULL;
}

int kernel_ask(struct firewall *f, uint16_t type, uint16_t family, uint16_t flags,
               void (*fill)(struct nlmsghdr *m, const void *userdata), const void *fill_data, mnl_cb_t each, void *each_data)
{
        _cleanup_free_ char *buffer = malloc(ANSWER_MAX);
        uint32_t sequence = f->sequence++;
        struct nlmsghdr *m;
        int r = MNL_CB_OK;

        if (!buffer)
                return -ENOMEM;
        memset(buffer, 0, 4096);
        m = nftnl_nlmsg_build_hdr(buffer, type, family, flags, sequence);
        if (fill)
                fill(m, fill_data);
        if (mnl_socket_sendto(f->socket, m, m->nlmsg_len) < 0)
                return -errno;
        while (r > MNL_CB_STOP) {
                ssize_t n = mnl_socket_recvfrom(f->socket, buffer, ANSWER_MAX);

                if (n < 0)
                        return -errno;
                /* What is left of a question that was given up half-way, such as an interrupted dump. */
                if (((struct nlmsghdr *)(void *)buffer)->nlmsg_seq != sequence)
                        continue;
                r = mnl_cb_run(buffer, (size_t)n, sequence, mnl_socket_get_portid(f->socket), each, each_data);
                if (r < 0)
                        return -errno;
                /* A get is one message and its acknowledgement is not asked for. */
                if (!(flags & (NLM_F_DUMP | NLM_F_ACK)))
                        break;
        }
        return 0;
}

static int on_generation(const struct nlmsghdr *m, void *userdata)
{
        struct nftnl_gen *g = nftnl_gen_alloc();

        if (g && nftnl_gen_nlmsg_parse(m, g) == 0)
                *(uint32_t *)userdata = nftnl_gen_get_u32(g, NFTNL_GEN_ID);
        if (g)
                nftnl_gen_free(g);
        return MNL_CB_OK;
}

int kernel_generation(struct firewall *f, uint32_t *ret)
{
        return kernel_ask(f, NFT_MSG_GETGEN, AF_UNSPEC, 0, NULL, NULL, on_generation, ret);
}

static int send_batch(struct firewall *f, const struct batch *b)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        struct iovec part = { .iov_base = b->data, .iov_len = b->size };
        struct msghdr message = { .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = &part, .msg_iovlen = 1 };
        int fd = mnl_socket_get_fd(f->socket), size = (int)MIN(b->size * 2 + 65536, (size_t)INT32_MAX);

        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                return -errno;
        return sendmsg(fd, &message, 0) < 0 ? -errno : 0;
}

static const struct message_origin *origin_of(const struct batch *b, uint32_t sequence)
{
        for (size_t i = 0; i < b->n_origins; i++)
                if (b->origins[i].sequence == sequence)
                        return &b->origins[i];
        return NULL;
}

/* The second half of an element, which counts as one with the first. */
static bool is_interval_end(const struct nlattr *item)
{
        const struct nlattr *a;

        mnl_attr_for_each_nested(a, item)
                if (mnl_attr_get_type(a) == NFTA_SET_ELEM_FLAGS)
                        return ntohl(mnl_attr_get_u32(a)) & NFT_SET_ELEM_INTERVAL_END;
        return false;
}

/* Which element of an element message the kernel points at, by the offset of the attribute it refused. */
static const struct span *element_at(const struct batch *b, const struct message_origin *o, uint32_t offset)
{
        const struct nlmsghdr *m = (const void *)(b->data + o->offset);
        const struct nlattr *list, *item;
        size_t i = 0;

        mnl_attr_for_each(list, m, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
                        continue;
                mnl_attr_for_each_nested(item, list) {
                        size_t from = (size_t)((const uint8_t *)item - (const uint8_t *)m);

                        if (offset >= from && offset < from + mnl_attr_get_len(item) && i < o->n_elements)
                                return &o->elements[i].span;
                        i += !is_interval_end(item);
                }
        }
        return o->n_elements ? &o->elements[0].span : NULL;
}

/* The offset in the refused message, from the extended acknowledgement; 0 = not told. */
static uint32_t refused_offset(const struct nlmsghdr *m)
{
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
        size_t skip = sizeof(*e);
        const struct nlattr *a;

        if (!(m->nlmsg_flags & NLM_F_ACK_TLVS))
                return 0;
        if (!(m->nlmsg_flags & NLM_F_CAPPED))
                skip += mnl_nlmsg_get_payload_len(m) > sizeof(*e) ? e->msg.nlmsg_len - sizeof(struct nlmsghdr) : 0;
        mnl_attr_for_each(a, m, skip)
                if (mnl_attr_get_type(a) == NLMSGERR_ATTR_OFFS)
                        return mnl_attr_get_u32(a);
        return 0;
}

static int refused(const struct batch *b, const struct nlmsghdr *m, infra_error **reterr)
{
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
        const struct message_origin *o = origin_of(b, m->nlmsg_seq);
        const struct span *span = o ? o->span : NULL;

        if (!o)
                return infra_error_set(reterr, e->error, "the kernel refuses the ruleset: %s", strerror(-e->error));
        if (o->n_elements)
                span = element_at(b, o, refused_offset(m));
        if (span && span->file)
                return infra_error_set(reterr, e->error, "%s:%u:%u: the kernel refuses %s %s: %s; the ruleset is unchanged", span->file,
                                       span->line, span->column, o->what, o->name, strerror(-e->error));
        return infra_error_set(reterr, e->error, "the kernel refuses %s %s: %s; the ruleset is unchanged", o->what, o->name,
                               strerror(-e->error));
}

/* Reads answers until the last message of the batch is answered. The first refusal is the one reported. */
static int take_answers(struct firewall *f, const struct batch *b, uint32_t last, infra_error **reterr)
{
        _cleanup_free_ char *buffer = malloc(ANSWER_MAX);
        int result = 0;

        if (!buffer)
                return infra_error_oom(reterr);
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(f->socket, buffer, ANSWER_MAX);
                struct nlmsghdr *m = (void *)buffer;
                int left = (int)n;

                if (n < 0)
                        return infra_error_set(reterr, -errno, "no answer from nftables: %m");
                for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
                        const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

                        /* Of an earlier batch that was refused as a whole, answers to its parts may follow. */
                        if (m->nlmsg_type != NLMSG_ERROR || m->nlmsg_seq < b->first || m->nlmsg_seq > last)
                                continue;
                        if (e->error == -ERESTART)
                                return -ERESTART;
                        if (e->error < 0 && result == 0)
                                result = refused(b, m, reterr);
                        /* A refusal of the batch as a whole is answered at its begin, and nothing more comes. */
                        if (m->nlmsg_seq == last || (e->error < 0 && !origin_of(b, m->nlmsg_seq)))
                                return result;
                }
        }
}

int kernel_commit(struct firewall *f, struct batch *b, infra_error **reterr)
{
        uint32_t last;
        int r;

        if (b->failed || b->n_origins == 0)
                return infra_error_oom(reterr);
        f->sequence = MAX(f->sequence, b->sequence);
        /* An acknowledgement of the last message says that the whole was answered. */
        last = b->origins[b->n_origins - 1].sequence;
        ((struct nlmsghdr *)(void *)(b->data + b->origins[b->n_origins - 1].offset))->nlmsg_flags |= NLM_F_ACK;
        r = send_batch(f, b);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot send the ruleset: %s", strerror(-r));
        return take_answers(f, b, last, reterr);
}
