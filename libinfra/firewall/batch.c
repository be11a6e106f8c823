/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "firewall/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/macro.h"

void batch_done(struct batch *b)
{
        for (size_t i = 0; i < b->n_lists; i++)
                free(b->lists[i]);
        free(b->lists);
        free(b->data);
        free(b->origins);
        *b = (struct batch){};
}

static bool make_room(struct batch *b, size_t more)
{
        size_t room = MAX(b->room * 2, b->size + more);
        uint8_t *data;

        if (b->failed)
                return false;
        if (b->size + more <= b->room)
                return true;
        data = realloc(b->data, room);
        if (!data) {
                b->failed = true;
                return false;
        }
        b->data = data;
        b->room = room;
        return true;
}

void batch_begin(struct batch *b, uint32_t generation)
{
        struct nlmsghdr *m;

        if (!make_room(b, 256))
                return;
        b->first = b->sequence;
        m = nftnl_batch_begin((char *)b->data + b->size, b->sequence++);
        if (generation)
                mnl_attr_put_u32(m, NFNL_BATCH_GENID, htonl(generation));
        b->size += MNL_ALIGN(m->nlmsg_len);
}

void batch_end(struct batch *b)
{
        struct nlmsghdr *m;

        if (!make_room(b, 256))
                return;
        m = nftnl_batch_end((char *)b->data + b->size, b->sequence++);
        b->size += MNL_ALIGN(m->nlmsg_len);
}

struct nlmsghdr *batch_open(struct batch *b, uint16_t type, uint16_t family, uint16_t flags, const struct message_origin *origin)
{
        struct message_origin *o;

        if (!make_room(b, BATCH_MESSAGE_MAX))
                return NULL;
        o = ARRAY_ADD(b->origins, b->n_origins);
        if (!o) {
                b->failed = true;
                return NULL;
        }
        *o = *origin;
        o->sequence = b->sequence;
        o->offset = b->size;
        memset(b->data + b->size, 0, 256);
        return nftnl_nlmsg_build_hdr((char *)b->data + b->size, type, family, flags, b->sequence++);
}

void batch_close(struct batch *b, struct nlmsghdr *m)
{
        b->size += MNL_ALIGN(m->nlmsg_len);
}
