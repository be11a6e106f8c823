/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Diagnostics of a policy as JSON: the same form that infrad's Check answers. */

#include <infra/diag.h>

#include "base/diag.h"
#include "base/json.h"

/* {"diagnostics":[{"file","line","column","message","hint"}],"text"}; NULL when memory is out. */
json_t *diagnostics_json(const infra_diags *diags);
