/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "firewall/analyse/compare-space.h"

/* "accept, to 10.0.0.17:25", "drop", "reject with tcp reset"; allocated. */
char *end_says(struct space *s, fn leaf);
