/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rules of iptables as words: what iptables-save prints, what ferm would hand to iptables. Two ways lead here
 * (save.c, ferm.c), one leads on (translate.c), to the intermediate form of a ruleset.
 *
 * Words are those of the command line without "-A CHAIN": "-s", "10.0.0.0/8", "-p", "tcp", "--dport", "25",
 * "!", "-i", "eth0", "-j", "ACCEPT". Quotes are already taken off.
 */

#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"
#include "firewall/ruleset.h"

struct legacy_rule {
        struct strlist words;
        struct span span; /* the line it stands on; file belongs to legacy.files */
        char *line;       /* as it stands there, of readers whose words are those of the line; else NULL */
};

struct legacy_chain {
        char *name;
        char *policy; /* "ACCEPT", "DROP"; NULL: a chain that is only jumped to */
        struct span span;
        struct legacy_rule *rules;
        size_t n_rules;
};

struct legacy_table {
        int family; /* AF_INET, AF_INET6 */
        char *name; /* "filter", "nat", "mangle", "raw", "security" */
        struct legacy_chain *chains; /* in the order of the file */
        size_t n_chains;
};

struct legacy {
        struct legacy_table *tables;
        size_t n_tables;
        struct strlist files; /* names that spans point to; never shrinks */
};

void legacy_done(struct legacy *l);
/* Finds or makes. NULL when memory is out. */
struct legacy_table *legacy_table(struct legacy *l, int family, const char *name);
struct legacy_chain *legacy_chain(struct legacy_table *t, const char *name);
/* A new rule at the end of the chain, its span set; the words are added by the caller. */
struct legacy_rule *legacy_rule(struct legacy_chain *c, const struct span *span);
/* The file's name as spans name it: kept in the list and valid as long as @l. NULL when memory is out. */
const char *legacy_file(struct legacy *l, const char *name);

/*
 * save.c: what iptables-save or ip6tables-save printed, added to @l. @family: AF_INET, AF_INET6, or 0: told by
 * the comment line of the tool or the addresses within. -EBADMSG with @diags filled (file:line:col).
 */
int legacy_read_save(struct legacy *l, const char *name, const char *text, int family, infra_diags *diags, infra_error **reterr);

/* The next word of a line of iptables-save, its quotes taken off; *ret_start: where it begins. 1, 0 at the end, or negative. */
int legacy_word(const char *line, size_t *at, struct str *ret, size_t *ret_start, bool *ret_quoted);

/*
 * ferm.c: a configuration of ferm 2.5, read from file @path (and what it includes), added to @l. @resolve: names
 * may be looked up in the DNS; otherwise @resolve() is an error that says so. -EBADMSG with @diags filled.
 */
int legacy_read_ferm(struct legacy *l, const char *path, bool resolve, infra_diags *diags, infra_error **reterr);

/*
 * translate.c: the same rules as a ruleset: tables[0], family inet, one chain "filter4-INPUT", "nat6-OUTPUT" for
 * each chain of each table and family; base chains hook in where iptables' do and begin with a rule that lets the other
 * family through. Spans and comments ("rules.v4:12") are those of the file. A rule that nftables cannot express gives a
 * diagnostic at its line that names match or target, and (@tolerant) a rule with `unknown` set, else -EBADMSG. *ret is
 * the caller's, to be freed before @l.
 */
int legacy_translate(const struct legacy *l, bool tolerant, struct ruleset **ret, infra_diags *diags, infra_error **reterr);

#define _cleanup_legacy_ CLEANUP(legacy_done)
