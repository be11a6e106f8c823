/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of the estate's enum values, one table an enum. */

#include <errno.h>

#include "estate/estate.h"

static const char *const origin_kinds[ORIGIN_KIND_MAX] = {
        [ORIGIN_ANY] = "any",
        [ORIGIN_LOCAL] = "local",
        [ORIGIN_HOST] = "host",
        [ORIGIN_ZONE] = "zone",
        [ORIGIN_CONTAINER] = "container",
        [ORIGIN_NETWORK] = "network",
};

static const char *const probe_kinds[PROBE_KIND_MAX] = {
        [PROBE_NONE] = "none",
        [PROBE_TCP] = "tcp",
        [PROBE_SMTP] = "smtp",
        [PROBE_HTTP] = "http",
        [PROBE_HTTPS] = "https",
        [PROBE_EXEC] = "exec",
};

static const char *const strategies[STRATEGY_MAX] = {
        [STRATEGY_IN_PLACE] = "in-place",
        [STRATEGY_SHADOW] = "shadow",
};

static const char *const carries[CARRY_MAX] = {
        [CARRY_COPY] = "carry",
        [CARRY_IGNORE] = "ignore",
        [CARRY_CONFLICT] = "conflict",
};

static const char *const on_failures[ON_FAILURE_MAX] = {
        [ON_FAILURE_ROLLBACK_CONTAINER] = "rollback-container",
        [ON_FAILURE_ROLLBACK_WAVE] = "rollback-wave",
        [ON_FAILURE_PAUSE] = "pause",
};

static const char *const storage_backends[STORAGE_BACKEND_MAX] = {
        [STORAGE_BTRFS] = "btrfs",
        [STORAGE_DIR] = "dir",
};

static const char *const translates[TRANSLATE_MAX] = {
        [TRANSLATE_MASQUERADE] = "masquerade",
        [TRANSLATE_NONE] = "none",
        [TRANSLATE_ADDRESS] = "address",
};

static const char *const rule_places[RULE_PLACE_MAX] = {
        [RULE_RAW_PREROUTING] = "raw-prerouting",
        [RULE_MANGLE_PREROUTING] = "mangle-prerouting",
        [RULE_NAT_PREROUTING] = "nat-prerouting",
        [RULE_NAT_PREROUTING_LAST] = "nat-prerouting-last",
        [RULE_MANGLE_INPUT] = "mangle-input",
        [RULE_INPUT] = "input",
        [RULE_INPUT_LAST] = "input-last",
        [RULE_SECURITY_INPUT] = "security-input",
        [RULE_NAT_INPUT] = "nat-input",
        [RULE_MANGLE_FORWARD] = "mangle-forward",
        [RULE_FORWARD] = "forward",
        [RULE_FORWARD_LAST] = "forward-last",
        [RULE_SECURITY_FORWARD] = "security-forward",
        [RULE_RAW_OUTPUT] = "raw-output",
        [RULE_MANGLE_OUTPUT] = "mangle-output",
        [RULE_NAT_OUTPUT] = "nat-output",
        [RULE_OUTPUT] = "output",
        [RULE_OUTPUT_LAST] = "output-last",
        [RULE_SECURITY_OUTPUT] = "security-output",
        [RULE_MANGLE_POSTROUTING] = "mangle-postrouting",
        [RULE_NAT_POSTROUTING] = "nat-postrouting",
        [RULE_NAT_POSTROUTING_LAST] = "nat-postrouting-last",
};

/* https://www.debian.org/releases/ */
const char *const release_names[] = { "wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "forky", NULL };

static int parse(const char *const *names, int n, const char *s)
{
        for (int i = 0; i < n; i++)
                if (streq(names[i], s))
                        return i;
        return -EINVAL;
}

const char *origin_kind_name(enum origin_kind k)
{
        return origin_kinds[k];
}

const char *probe_kind_name(enum probe_kind k)
{
        return probe_kinds[k];
}

int probe_kind_parse(const char *s)
{
        return parse(probe_kinds, PROBE_KIND_MAX, s);
}

const char *strategy_name(enum strategy s)
{
        return strategies[s];
}

int strategy_parse(const char *s)
{
        return parse(strategies, STRATEGY_MAX, s);
}

const char *carry_name(enum carry c)
{
        return carries[c];
}

const char *on_failure_name(enum on_failure o)
{
        return on_failures[o];
}

int on_failure_parse(const char *s)
{
        return parse(on_failures, ON_FAILURE_MAX, s);
}

const char *storage_backend_name(enum storage_backend b)
{
        return storage_backends[b];
}

int storage_backend_parse(const char *s)
{
        return parse(storage_backends, STORAGE_BACKEND_MAX, s);
}

const char *zone_translate_name(enum translate t)
{
        return translates[t];
}

const char *rule_place_name(enum rule_place p)
{
        return rule_places[p];
}

int rule_place_parse(const char *s)
{
        return parse(rule_places, RULE_PLACE_MAX, s);
}

int release_index(const char *name)
{
        return parse(release_names, (int)ELEMENTS(release_names) - 1, name);
}

const char *release_next(const char *name)
{
        int i = release_index(name);

        return i < 0 ? NULL : release_names[i + 1];
}
