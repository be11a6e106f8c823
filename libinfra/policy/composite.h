/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Readers of values that are more than one field; called through the table in value.c. */

#include "policy/draft.h"

void read_probe(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_probe_path(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_probe_command(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_probe_plain(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_rate(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_translate(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_rule_lists(struct reader *r, const struct key *k, const struct node *n, void *target);
void read_waves(struct reader *r, const struct key *k, const struct node *n, void *target);
