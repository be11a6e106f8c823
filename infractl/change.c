/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Plan, question, run: the digest of the plan that was shown goes along, so that no other one is carried out. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "infractl/infractl.h"
#include "infractl/plan-view.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

/* 1 = go on, 0 = no, else a negative errno. */
static int ask_person(const struct infractl *i, infra_error **reterr)
{
        int r;

        if (i->flags[OPTION_YES])
                return 1;
        r = i->flags[OPTION_JSON] ? -ENOTTY : terminal_confirm("Go on?");
        if (r == -ENOTTY)
                return infra_error_set(reterr, r, "nobody can be asked here: add --yes to go on without a question");
        return r;
}

/* Shows the plan; *ret_digest is its digest. */
static int show_plan(struct infractl *i, const char *kind, const char *subject, bool restore_volumes, char **ret_digest,
                     infra_error **reterr)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;
        int r = infractl_fetch(
                i,
                &(struct question){
                        .ask = QUESTION_PLAN, .kind = kind, .name = subject, .restore_volumes = restore_volumes },
                &j, reterr);

        if (r < 0)
                return r;
        *ret_digest = strdup(value_text(json_object_get(j, "plan"), "digest"));
        if (!*ret_digest)
                return infra_error_oom(reterr);
        if (i->flags[OPTION_JSON])
                return 0;
        json_make_printable(j, t.utf8);
        plan_print(&t, j);
        putchar('\n');
        return 0;
}

static int begin(struct infractl *i, const struct change *change)
{
        int64_t run = 0;
        infra_error *e = NULL;
        int r = client_begin(i->client, change, &run, &e);

        if (r < 0)
                return outcome_of_plan(i, r, e);
        if (i->flags[OPTION_DETACH]) {
                if (i->flags[OPTION_JSON])
                        printf("{\n  \"run\": %lld\n}\n", (long long)run);
                else
                        printf("Run %lld begun; `infractl watch %lld` shows it.\n", (long long)run, (long long)run);
                return EXIT_OK;
        }
        return change_follow(i, run);
}

int change_run(struct infractl *i, const char *kind, const char *subject, bool restore_volumes, bool confirm)
{
        struct change change = { .kind = kind, .subject = subject, .restore_volumes = restore_volumes, .digest = "", .control = "" };
        _cleanup_free_ char *digest = NULL;
        infra_error *e = NULL;
        int r;

        if (i->flags[OPTION_DETACH] && i->flags[OPTION_LOCAL]) {
                fprintf(stderr, "infractl: --detach needs infrad: with --local the run lives in this process\n");
                return EXIT_USAGE;
        }
        if (i->flags[OPTION_PAUSE_BEFORE]) {
                if (!streq(i->values[OPTION_PAUSE_BEFORE], "cut-over")) {
                        fprintf(stderr, "infractl: a run can pause before 'cut-over', not before '%s'\n", i->values[OPTION_PAUSE_BEFORE]);
                        return EXIT_USAGE;
                }
                change.control = "pause-before-cut-over";
        }
        r = client_prepare(i->client, &e);
        if (r >= 0 && confirm)
                r = show_plan(i, kind, subject, restore_volumes, &digest, &e);
        if (r < 0)
                return outcome_of_plan(i, r, e);
        if (confirm) {
                change.digest = digest;
                r = ask_person(i, &e);
                if (r == -ENOTTY)
                        return outcome(r, e), EXIT_USAGE;
                if (r == 0) {
                        fprintf(stderr, "Nothing was done.\n");
                        return EXIT_FAILED;
                }
        }
        return begin(i, &change);
}
