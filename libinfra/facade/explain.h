/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "firewall/analyse/packet.h"

/* {"verdict","path","after","masqueraded","leaves_by","steps","assumed","unknown"} */
json_t *describe_trace(const struct trace *t);
