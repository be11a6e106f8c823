/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Drawings of the answer of infra_firewall_matrix(): whole documents, nothing fetched, no scripts, light and dark. */

#include "base/json.h"
#include "base/str.h"

void matrix_html(struct str *s, const json_t *j);
void matrix_svg(struct str *s, const json_t *j);

/* "25/tcp", "443/tcp IPv6", "60000-61000/udp partly" */
void matrix_port(struct str *s, const json_t *port);
