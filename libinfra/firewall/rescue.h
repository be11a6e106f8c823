/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "estate/estate.h"
#include "firewall/ruleset.h"

/*
 * What is loaded when nothing better can be: nothing gets in or through but answers, ICMP that must pass (neighbour
 * discovery among it), answers of DHCP servers, and ssh. ssh from the zones of `rescue` of firewall.yaml; without that
 * from where a service of the host lets somebody reach port 22; from everywhere when that is nobody, or without an estate
 * (@e NULL). What bridges switch is left alone. Pure and deterministic.
 */
int rescue_compile(const infra_estate *e, struct ruleset **ret, infra_error **reterr);
