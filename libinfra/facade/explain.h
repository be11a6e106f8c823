/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <infra/firewall.h>

#include "base/json.h"
#include "facade/source.h"

/* The packet that is meant, and the way it takes (PATH_KIND_MAX: as routing says). */
int explain_packet(const struct source *s, const struct infra_packet *what, struct packet *ret, enum path *ret_path, infra_error **reterr);
/* {"verdict","path","after","masqueraded","leaves_by","steps","assumed","unknown"} */
json_t *describe_trace(const struct trace *t);
