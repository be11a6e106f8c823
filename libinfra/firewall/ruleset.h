/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The intermediate form of a ruleset; the firewall room fills this in. */

struct ruleset;

struct ruleset *ruleset_free(struct ruleset *r);
