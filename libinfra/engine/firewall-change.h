/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Safe change of the firewall. A ruleset is stored, then loaded; what is not confirmed in time, over a new connection,
 * goes back by itself (deadman.h), or, when that process was killed too, as soon as anybody looks.
 */

#include "base/json.h"
#include "engine/generation.h"
#include "estate/estate.h"

enum { CONFIRM_MIN_MS = 1000, CONFIRM_MAX_MS = 3600 * 1000 };

struct firewall_change {
        const struct ruleset *wanted; /* NULL: generation `number` */
        const infra_estate *estate;   /* of @wanted: what the host falls back to */
        unsigned number;
        const char *policy; /* digest */
        const char *origin;
        uint32_t uid;
        int64_t confirm_ms; /* 0 = it stays at once */
};
/* -EBUSY while another one waits for its confirmation. On an error the kernel has what it had. */
int firewall_change_load(const char *state_dir, const struct firewall_change *change, unsigned *ret_number, infra_error **reterr);
/* -EBUSY while a change waits. What the kernel has then is not what it will have. */
int firewall_change_check_free(const char *state_dir, infra_error **reterr);
/* What the host falls back to, as the estate wants it, whose ruleset is the confirmed one already. */
int firewall_change_rescue(const char *state_dir, const infra_estate *e, infra_error **reterr);
/* @pid: who confirms; see session.h. -ENOENT when nothing waits, -ETIME when it is too late. */
int firewall_change_confirm(const char *state_dir, pid_t pid, infra_error **reterr);
/* Back at once. */
int firewall_change_revert(const char *state_dir, uint32_t uid, infra_error **reterr);
/*
 * Puts back what nobody confirmed and nobody put back: *ret_text says so, or is NULL when there was nothing to do.
 */
int firewall_change_settle(const char *state_dir, char **ret_text, infra_error **reterr);

/*
 * What a host starts with: the confirmed generation, else the rescue ruleset, else the built-in one. Needs no policy and
 * no journal. An enum boot_kind (retreat.h) with a line about it, or an error when the kernel takes none.
 */
int firewall_change_boot(const char *state_dir, char **ret_text, infra_error **reterr);

/* {"confirmed","active","loaded","rescued","drifted","drifted_by" (""),"drift","pending","last"}, see infra_manager_firewall_state(). */
int firewall_state(const char *state_dir, json_t **ret, infra_error **reterr);
/* {"generations":[...]} */
int firewall_state_generations(const char *state_dir, json_t **ret, infra_error **reterr);
