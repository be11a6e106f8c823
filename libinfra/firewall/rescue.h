/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "estate/estate.h"
#include "firewall/ruleset.h"

/*
 * What is loaded when nothing better can be: nothing gets in or through but answers, ICMP that must pass, and ssh from
 * the zones of `rescue` of firewall.yaml; from everywhere when there are none, or without an estate (@e NULL).
 */
int rescue_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr);
