/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * infractl: one table of verbs, one table of options, one file a verb. A verb asks through the client
 * (client.h), which hides whether infrad or this process answers, and prints either the JSON as it came
 * (--json) or a view of it for people.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"
#include "base/str.h"
#include "infractl/client.h"

/* Exit codes, as infractl(1) documents them. */
enum exit_code {
        EXIT_OK = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_POLICY = 3, /* the policy has errors */
        EXIT_BUSY = 4,   /* another operator or run */
        EXIT_NOT_FOUND = 5,
        EXIT_TURNED_BACK = 6, /* the run ended partial or rolled back */
        EXIT_STUCK = 7,       /* a person is needed */
        EXIT_NO_ANSWER = 8,   /* infrad is gone */
        EXIT_REFUSED = 9,     /* permission */
        EXIT_UNDECIDED = 10,  /* a question without an answer */
        EXIT_RESCUE = 11,     /* at boot the rescue ruleset was loaded */
};

enum option_id {
        OPTION_JSON,
        OPTION_LOCAL,
        OPTION_POLICY,
        OPTION_PROFILES,
        OPTION_STATE,
        OPTION_SOCKET,
        OPTION_YES,
        OPTION_NO_COLOR,
        OPTION_HELP,
        OPTION_VERSION,
        /* of some verbs only */
        OPTION_LIMIT,
        OPTION_WITH_VOLUMES,
        OPTION_POLICY_SIDE,
        OPTION_STEPS,
        OPTION_DETACH,
        OPTION_PAUSE_BEFORE,
        OPTION_CONFIRM,
        OPTION_FOR,
        OPTION_ROOT,
        OPTION_IN,
        OPTION_FROM,
        OPTION_TO,
        OPTION_CT_STATE,
        OPTION_FORMAT,
        OPTION_OUTPUT,
        OPTION_INTO,
        OPTION_HOST_NAME,
        OPTION_RELEASE,
        OPTION_BRIDGE,
        OPTION_NETWORK,
        OPTION_RESOLVE,
        OPTION_ONLY_RULES,
        OPTION_ZONE,
        OPTION_COMPLETE, /* hidden: what shells complete */
        OPTION_MAX,
};
#define OPTION_BIT(o) (1ull << (o))

struct option_row {
        const char *name;     /* without the dashes */
        char letter;          /* or 0 */
        const char *argument; /* metavariable, NULL = a flag */
        const char *help;
};
extern const struct option_row option_rows[OPTION_MAX];
enum { OPTION_GLOBAL_MAX = OPTION_LIMIT };

struct infractl;

struct verb {
        const char *name;
        const char *arguments;          /* for the usage line, "" = none */
        const char *summary;            /* one line */
        const char *text;               /* what --help says below it */
        unsigned min, max;              /* number of arguments */
        uint64_t options;               /* bits of its own options */
        bool rest;                      /* whatever follows the first argument is passed on */
        int (*run)(struct infractl *i); /* returns an exit_code */
};
extern const struct verb verbs[];
extern const size_t n_verbs;
/* NULL when there is none of that name. */
const struct verb *verb_find(const char *name);

/* What the command line said. Strings are argv's or the environment's. */
struct infractl {
        const struct verb *verb;
        bool flags[OPTION_MAX];
        const char *values[OPTION_MAX];
        const char **arguments; /* NULL-terminated */
        size_t n_arguments;
        unsigned limit;
        struct client *client;
};

/* -1 = run the verb; else the exit code, with everything said. */
int options_parse(struct infractl *i, int argc, char **argv);
void help_short(FILE *f);
void help_full(FILE *f);
void help_verb(FILE *f, const struct verb *v);

/* The exit code of a failure. */
enum exit_code outcome_code(int r);
/* Says the error on stderr, or "nothing to do" for -EALREADY, and returns its exit code. Consumes @e. */
int outcome(int r, infra_error *e);
/* The same for verbs that plan: with --json "nothing to do" is JSON, too. */
int outcome_of_plan(const struct infractl *i, int r, infra_error *e);
/* The exit code of a run that ended in that state. */
enum exit_code outcome_of_run(const char *state);

/* Asks; with --json the answer is printed here and *ret stays NULL, else it is made safe to print. */
int infractl_ask(struct infractl *i, const struct question *q, json_t **ret, infra_error **reterr);
/* Prints JSON the way --json does. */
void print_json(const json_t *j);
/* The same, but the answer is always handed out and never printed. */
int infractl_fetch(struct infractl *i, const struct question *q, json_t **ret, infra_error **reterr);

/* Plan, question, run, progress, summary: what every changing verb is. @confirm: show and ask first. */
int change_run(struct infractl *i, const char *kind, const char *subject, bool restore_volumes, bool confirm);
/* Shows a run that is under way until it ended or the person leaves, then its summary. */
int change_follow(struct infractl *i, int64_t run);

/* "7" or "last"; an error says what was expected. */
int run_parse(struct infractl *i, const char *text, int64_t *ret_run, infra_error **reterr);

int complete_print(struct infractl *i, const char *what);

int verb_apply(struct infractl *i);
int verb_check(struct infractl *i);
int verb_console(struct infractl *i);
int verb_control(struct infractl *i);
int verb_drift(struct infractl *i);
int verb_firewall(struct infractl *i);
int verb_import(struct infractl *i);
int verb_list(struct infractl *i);
int verb_plan(struct infractl *i);
int verb_power(struct infractl *i);
int verb_rehearse(struct infractl *i);
int verb_report(struct infractl *i);
int verb_rollback(struct infractl *i);
int verb_runs(struct infractl *i);
int verb_shell(struct infractl *i);
int verb_show(struct infractl *i);
int verb_status(struct infractl *i);
int verb_upgrade(struct infractl *i);
int verb_volume(struct infractl *i);
int verb_watch(struct infractl *i);
