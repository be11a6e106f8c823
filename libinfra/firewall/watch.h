/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hears that somebody changed the kernel's ruleset; what, is to be read. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct firewall_watch;

int firewall_watch_open(struct firewall_watch **ret, infra_error **reterr);
struct firewall_watch *firewall_watch_free(struct firewall_watch *w);
/* Readable when there may be news. */
int firewall_watch_fd(const struct firewall_watch *w);
/* Who changed something. */
struct firewall_changer {
        char name[16]; /* the process' own; "" = not told */
        uint32_t pid;
};
/* Takes all news; whether there were any. *@last becomes the last who did it, of those that are not infra's, or stays. */
bool firewall_watch_drain(struct firewall_watch *w, struct firewall_changer *last);
