/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every cmocka test includes, in the order cmocka wants. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
