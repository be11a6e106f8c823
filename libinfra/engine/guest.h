/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/engine.h"
#include "package/package.h"

/* The running container as packages see it; @w must outlive it. */
struct guest guest_of(struct work *w);
/* Where packages of a release come from, as the policy says. */
struct package_sources sources_of(const struct host *h, const char *release);
