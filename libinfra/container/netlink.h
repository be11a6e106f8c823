/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* rtnetlink(7), as far as bridge and containers need it; in the network namespace of the calling process. */

#include <libmnl/libmnl.h>

#include "base/address.h"

/* Sends one request and takes the kernel's answer: 0 or a negative errno. */
int netlink_talk(struct nlmsghdr *request);
/* Adds an address with its prefix, usable at once (no duplicate detection: policies are checked for that); there
 * already: 0. */
int netlink_address_add(unsigned index, const struct address *a);
int netlink_address_delete(unsigned index, const struct address *a);
