/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans from an estate and facts: what is done, what is refused, and that the bytes repeat. */

#include "../testing.h"

#include <errno.h>

#include "../estates.h"
#include "plan/plan.h"

static char *kinds_of(const struct plan *p)
{
        struct str s = {};

        for (size_t i = 0; i < p->n_steps; i++)
                str_add(&s, "%s%s:%s", i ? " " : "", p->steps[i].container ? p->steps[i].container : "host", step_type(p->steps[i].kind)->name);
        return str_take(&s);
}

static int compute(enum plan_kind kind, const char *subject, const infra_estate *e, const struct facts *f, struct plan **ret,
                   infra_error **reterr)
{
        struct plan_options options = {};

        return plan_compute(kind, subject, &options, e, f, ret, reterr);
}

#define PLAN(kind, subject)                                             \
        _cleanup_estate_ infra_estate *e = estate_of_two();             \
        _cleanup_facts_ struct facts f = facts_of_two();                \
        _cleanup_error_ infra_error *error = NULL;                      \
        _cleanup_plan_ struct plan *p = NULL;                           \
        enum plan_kind k = (kind);                                      \
        const char *s = (subject);                                      \
        (void)state

static void in_place_has_every_step(void **state)
{
        _cleanup_free_ char *kinds = NULL;
        PLAN(PLAN_UPGRADE, "trixie");

        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        kinds = kinds_of(p);
        assert_string_equal(kinds,
                            "email:preflight email:baseline email:fence email:halt email:snapshot email:clone email:exchange "
                            "email:boot email:upgrade email:check email:restart email:gate email:commit "
                            "wiki:preflight wiki:baseline wiki:fence wiki:halt wiki:snapshot wiki:clone wiki:exchange "
                            "wiki:boot wiki:upgrade wiki:check wiki:restart wiki:gate wiki:commit");
        assert_int_equal(p->steps[0].from, 1);
        assert_int_equal(p->steps[0].to, 2);
        assert_int_equal(p->steps[13].wave, 2);
        assert_string_equal(p->steps[13].where, "containers/x.yaml:2");
}

static void what_is_not_enforced_is_said(void **state)
{
        PLAN(PLAN_UPGRADE, "trixie");

        e->upgrades[0].approvals = 2;
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        assert_int_equal(p->notes.n, 1);
        assert_string_equal(p->notes.items[0], "containers/x.yaml:9 asks for 2 approvals; this version leaves them to you");
}

static void same_input_same_bytes(void **state)
{
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL;
        _cleanup_plan_ struct plan *q = NULL, *back = NULL;
        PLAN(PLAN_UPGRADE, "trixie");

        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        assert_int_equal(compute(k, s, e, &f, &q, &error), 0);
        plan_to_json(p, &first, NULL);
        plan_to_json(q, &second, NULL);
        assert_string_equal(first, second);
        assert_int_equal(strlen(p->digest), 64);
        assert_int_equal(plan_from_json(first, &back, NULL), 0);
        plan_to_json(back, &third, NULL);
        assert_string_equal(first, third);
        f.containers[0].last = 7;
        q = plan_free(q);
        assert_int_equal(compute(k, s, e, &f, &q, &error), 0);
        assert_string_not_equal(p->digest, q->digest);
}

static void refused(const char *expected, int code, infra_estate *e, struct facts *f, enum plan_kind k, const char *s)
{
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_plan_ struct plan *p = NULL;

        assert_int_equal(compute(k, s, e, f, &p, &error), code);
        if (!strstr(infra_error_message(error), expected))
                fail_msg("'%s' is not in '%s'", expected, infra_error_message(error));
}

static void releases_are_not_skipped(void **state)
{
        PLAN(PLAN_UPGRADE, "trixie");

        free(f.containers[1].release);
        f.containers[1].release = strdup("bullseye");
        refused("does not skip releases", -EINVAL, e, &f, k, s);
        assert_null(p);
        assert_null(error);
}

static void what_cannot_be_judged_is_not_begun(void **state)
{
        PLAN(PLAN_UPGRADE, "trixie");

        f.containers[0].running = false;
        refused("is not running", -ENOTCONN, e, &f, k, s);
        f.containers[0].running = true;
        f.containers[0].fenced = true;
        refused("fence of email is closed", -EBUSY, e, &f, k, s);
        f.containers[0].fenced = false;
        f.containers[0].managed = false;
        refused("foreign container", -EPERM, e, &f, k, s);
        f.containers[0].managed = true;
        f.free_bytes = 1;
        refused("may take 2.1 GB", -ENOSPC, e, &f, k, s);
        f.free_bytes = 10ull << 30;
        f.firewall_loaded = false;
        refused("no fence to close", -ENOENT, e, &f, k, s);
        refused("did you mean 'trixie'", -ENOENT, e, &f, k, "trixy");
        assert_null(p);
        assert_null(error);
}

static void done_containers_are_left_alone(void **state)
{
        PLAN(PLAN_UPGRADE, "trixie");

        free(f.containers[0].release);
        f.containers[0].release = strdup("trixie");
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        assert_string_equal(p->steps[0].container, "wiki");
        assert_int_equal(p->notes.n, 1);
        free(f.containers[1].release);
        f.containers[1].release = strdup("trixie");
        refused("already", -EALREADY, e, &f, k, s);
}

static void apply_makes_what_is_missing_in_start_order(void **state)
{
        _cleanup_free_ char *kinds = NULL;
        PLAN(PLAN_APPLY, "");

        for (size_t i = 0; i < 2; i++) {
                struct container_fact *c = &f.containers[i];

                c->exists = c->managed = c->running = c->configured = c->volumes = false;
                c->live = c->last = 0;
        }
        f.bridge = f.firewall_loaded = false;
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        kinds = kinds_of(p);
        assert_string_equal(kinds, "host:bridge host:idmap host:firewall "
                                   "email:root email:create email:volumes email:configure email:start email:serve "
                                   "wiki:root wiki:create wiki:volumes wiki:configure wiki:start wiki:serve");
}

static void boot_leaves_alone_what_nobody_applied(void **state)
{
        _cleanup_free_ char *kinds = NULL;
        PLAN(PLAN_START, "");

        f.bridge = f.firewall_loaded = f.containers[0].running = f.containers[1].running = false;
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        kinds = kinds_of(p);
        assert_string_equal(kinds, "host:bridge host:firewall email:start email:serve wiki:start wiki:serve");
        f.containers[0].managed = f.containers[1].managed = false;
        refused("as wanted", -EALREADY, e, &f, k, s);
}

static void apply_adopts_only_what_rests(void **state)
{
        _cleanup_free_ char *kinds = NULL;
        PLAN(PLAN_APPLY, "");

        f.containers[0].managed = f.containers[0].running = f.containers[0].configured = f.containers[0].volumes = false;
        f.containers[0].live = f.containers[0].last = 0;
        f.containers[1].managed = f.containers[1].configured = false;
        f.containers[1].live = f.containers[1].last = 0;
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        kinds = kinds_of(p);
        assert_string_equal(kinds, "email:adopt email:volumes email:configure email:start email:serve");
        assert_int_equal(p->notes.n, 2);
}

static void apply_with_nothing_to_do_says_so(void **state)
{
        PLAN(PLAN_APPLY, "");

        refused("as wanted", -EALREADY, e, &f, k, s);
        free(f.firewall_diff);
        f.firewall_diff = strdup("+ rule");
        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        assert_int_equal(p->n_steps, 1);
        assert_int_equal(p->steps[0].kind, STEP_FIREWALL);
}

static void rollback_needs_a_previous_generation(void **state)
{
        struct plan_options options = { .restore_volumes = true };
        _cleanup_free_ char *kinds = NULL;
        struct generation_fact *g;
        PLAN(PLAN_ROLLBACK, "wiki");

        refused("no previous generation", -ENOENT, e, &f, k, s);
        g = ARRAY_ADD(f.containers[1].generations, f.containers[1].n_generations);
        *g = (struct generation_fact){ 2, 1, strdup("bullseye"), strdup("previous"), strdup("run-1"), 0 };
        f.containers[1].previous = 2;
        free(f.containers[1].previous_run);
        f.containers[1].previous_run = strdup("run-3");
        assert_int_equal(plan_compute(k, s, &options, e, &f, &p, &error), 0);
        kinds = kinds_of(p);
        assert_string_equal(kinds, "wiki:baseline wiki:fence wiki:halt wiki:snapshot wiki:restore wiki:exchange wiki:boot wiki:gate wiki:commit");
        assert_string_equal(p->steps[4].tag, "run-3");
        assert_int_equal(p->steps[5].to, 2);
}

/* After a rollback the way forward again exists, but the volumes of that moment were never put away under its name. */
static void rollback_of_volumes_needs_their_snapshots(void **state)
{
        struct plan_options options = { .restore_volumes = true };
        struct generation_fact *g;
        PLAN(PLAN_ROLLBACK, "wiki");

        g = ARRAY_ADD(f.containers[1].generations, f.containers[1].n_generations);
        *g = (struct generation_fact){ 2, 1, strdup("bookworm"), strdup("previous"), strdup("run-2"), 0 };
        f.containers[1].previous = 2;
        assert_int_equal(plan_compute(k, s, &options, e, &f, &p, &error), -ENOENT);
        assert_non_null(strstr(infra_error_message(error), "no volume snapshots belong to it"));
        error = infra_error_free(error);
        options.restore_volumes = false;
        assert_int_equal(plan_compute(k, s, &options, e, &f, &p, &error), 0);
}

static void power_warns_of_dependents(void **state)
{
        PLAN(PLAN_STOP, "email");

        assert_int_equal(compute(k, s, e, &f, &p, &error), 0);
        assert_int_equal(p->notes.n, 1);
        assert_string_equal(p->notes.items[0], "wiki needs email and keeps running");
        refused("did you mean 'email'", -ENOENT, e, &f, k, "emial");
}

static void every_step_kind_has_a_row(void **state)
{
        (void)state;
        for (int i = 0; i < STEP_KIND_MAX; i++) {
                assert_non_null(step_type((enum step_kind)i)->name);
                assert_true(step_type((enum step_kind)i)->forecast_ms > 0);
                assert_int_equal(step_kind_parse(step_type((enum step_kind)i)->name), i);
        }
        for (int i = 0; i < PLAN_KIND_MAX; i++)
                assert_int_equal(plan_kind_parse(plan_kind_name((enum plan_kind)i)), i);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(in_place_has_every_step), cmocka_unit_test(what_is_not_enforced_is_said), cmocka_unit_test(same_input_same_bytes),
                cmocka_unit_test(releases_are_not_skipped), cmocka_unit_test(what_cannot_be_judged_is_not_begun),
                cmocka_unit_test(done_containers_are_left_alone), cmocka_unit_test(apply_makes_what_is_missing_in_start_order),
                cmocka_unit_test(boot_leaves_alone_what_nobody_applied),
                cmocka_unit_test(apply_adopts_only_what_rests), cmocka_unit_test(apply_with_nothing_to_do_says_so),
                cmocka_unit_test(rollback_needs_a_previous_generation), cmocka_unit_test(power_warns_of_dependents),
                cmocka_unit_test(rollback_of_volumes_needs_their_snapshots),
                cmocka_unit_test(every_step_kind_has_a_row),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
