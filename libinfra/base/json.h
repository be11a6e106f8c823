/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* jansson with our cleanup attribute (json_decrefp comes with jansson >= 2.9). */

#include <jansson.h>

#include "base/macro.h"

#define _cleanup_json_ CLEANUP(json_decrefp)
