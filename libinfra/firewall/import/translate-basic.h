/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* translate-basic.c: what iptables knows without modules: interfaces, addresses, protocol, fragments, the plain verdicts. */

#include "firewall/import/translate.h"

int translate_basics(struct translate *t);
/* "10.0.0.0/8", "2001:db8::/32", with masks of any form, as a match of field @f. */
int translate_address(struct translate *t, const struct given *g, const char *text, enum field f);
