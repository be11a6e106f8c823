/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every cmocka test includes, in the order cmocka wants. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

/* How often something random is tried; INFRA_LONG=1 in the environment: ten times as often. */
static inline unsigned test_rounds(unsigned few)
{
        return getenv("INFRA_LONG") ? few * 10 : few;
}
