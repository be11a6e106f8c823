/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Limits of what a policy may say. Each is named in the diagnostic that it causes. */

enum {
        POLICY_FILE_MAX = 4 << 20,       /* bytes of one file */
        POLICY_DEPTH_MAX = 16,           /* lists and mappings within each other */
        POLICY_FILES_MAX = 2000,         /* files of one kind in a directory */
        POLICY_CONTAINERS_MAX = 1000,
        POLICY_SERVICES_MAX = 20000,     /* of one container */
        POLICY_LIST_MAX = 20000,         /* items of any list */
        POLICY_RULES_MAX = 100000,       /* rules of one place or chain */
        POLICY_RULE_MAX = 4096,          /* characters of a rule */
        POLICY_CHAIN_NAME_MAX = 31,
        POLICY_PUBLIC_PORTS_MAX = 4096,  /* of one service */
        POLICY_NAME_MAX = 63,            /* characters: a name is also a host name's label */
        POLICY_TEXT_MAX = 1024,          /* characters of any text */
};
