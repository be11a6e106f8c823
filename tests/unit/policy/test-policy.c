/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Policies as directories: the examples load; every kind of mistake gives the diagnostics in its golden file.
 * A case in tests/golden/diagnostics is laid over `base`: FILE replaces, FILE.absent takes away. To write the
 * golden files anew after a change of wording: INFRA_GOLDEN_WRITE=1, and read the difference.
 */

#include "../testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "estate/estate.h"
#include "policy/table.h"

enum { TEXT_MAX = 1 << 22, CASES_AT_LEAST = 50 };

static char *source(const char *path)
{
        return path_join("%s/%s", getenv("INFRA_SOURCE"), path);
}

/* Diagnostics as a person sees them; *ret_estate NULL when there are any. */
static char *load(const char *directory, infra_estate **ret_estate)
{
        _cleanup_free_ char *profiles = source("policies/profiles");
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_error_ infra_error *error = NULL;
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r = infra_estate_load(directory, profiles, diags, ret_estate, &error);

        assert_true(r == 0 || r == -EBADMSG);
        assert_int_equal(r == 0, infra_diags_count(diags) == 0);
        infra_diags_print(diags, f);
        fclose(f);
        return text;
}

static infra_estate *load_well(const char *path)
{
        _cleanup_free_ char *directory = source(path), *text = NULL;
        infra_estate *e = NULL;

        text = load(directory, &e);
        if (*text)
                fail_msg("%s", text);
        return e;
}

static void infra02_is_whole(void **state)
{
        _cleanup_estate_ infra_estate *e = load_well("policies/examples/infra02");
        const struct container *lists = estate_container(e, "lists"), *monitor = estate_container(e, "monitor");
        size_t services = 0;

        (void)state;
        assert_int_equal(e->n_containers, 26);
        for (size_t i = 0; i < e->n_containers; i++)
                services += e->containers[i].n_services;
        assert_true(services > 130);
        assert_string_equal(lists->release, "wheezy");
        assert_true(lists->essential);
        /* From the profile: volumes and a longer grace; from the container: who may hand over mail. */
        assert_int_equal(lists->n_volumes, 3);
        assert_int_equal(lists->stop_grace_ms, 180000);
        assert_string_equal(lists->services[1].from[0].name, "monitor");
        assert_int_equal(lists->services[1].from[0].kind, ORIGIN_ZONE);
        assert_int_equal(lists->services[1].from[1].kind, ORIGIN_CONTAINER);
        assert_int_equal(lists->services[1].probe.kind, PROBE_SMTP);
        assert_int_equal(monitor->services[0].public_port, 11822);
        assert_false(address_is_set(&monitor->internet));
}

static void spans_point_at_their_lines(void **state)
{
        _cleanup_estate_ infra_estate *e = load_well("policies/examples/infra02");

        (void)state;
        for (size_t i = 0; i < e->n_containers; i++) {
                const struct container *c = &e->containers[i];

                for (size_t k = 0; k < c->n_services; k++) {
                        _cleanup_free_ char *relative = path_join("policies/examples/infra02/%s", c->services[k].span.file);
                        _cleanup_free_ char *path = NULL, *text = NULL, *line = NULL;
                        struct source file = {};
                        char port[ADDRESS_TEXT_MAX];

                        /* A profile's service points into the profile. */
                        if (startswith(c->services[k].span.file, "profiles/"))
                                continue;
                        path = source(relative);
                        assert_int_equal(file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL), 0);
                        file.text = text;
                        line = source_line(&file, c->services[k].span.line);
                        assert_non_null(strstr(line, ports_format(&c->services[k].port, port)));
                }
        }
}

static void the_digest_is_of_the_content(void **state)
{
        _cleanup_estate_ infra_estate *a = load_well("policies/examples/demo"), *b = load_well("policies/examples/demo");
        _cleanup_estate_ infra_estate *c = load_well("policies/examples/infra02");

        (void)state;
        assert_string_equal(infra_estate_digest(a), infra_estate_digest(b));
        assert_string_not_equal(infra_estate_digest(a), infra_estate_digest(c));
        assert_int_equal(strlen(infra_estate_digest(a)), 64);
}

static void shell(const char *format, const char *a, const char *b)
{
        _cleanup_free_ char *command = NULL;
        struct process_options o = { .output = -1 };
        const char *argv[] = { "sh", "-c", NULL, NULL };
        int status = -1;

        assert_true(asprintf(&command, format, a, b, b) >= 0);
        argv[2] = command;
        assert_int_equal(process_run(argv, &o, &status, NULL), 0);
        assert_int_equal(status, 0);
}

/* The policy of a case: base with the case laid over it. */
static void compose(const char *golden, const char *name, const char *to)
{
        _cleanup_free_ char *base = path_join("%s/base", golden), *overlay = path_join("%s/%s", golden, name);

        shell("cp -r '%s/.' '%s'", base, to);
        shell("cp -r '%s/.' '%s' && rm -f '%s/expected'", overlay, to);
        shell("%scd '%s' && find . -name '*.absent' | while read f; do rm -f \"$f\" \"${f%%.absent}\"; done", "", to);
}

static void run_case(const char *golden, const char *name)
{
        _cleanup_free_ char *expected_path = path_join("%s/%s/expected", golden, name), *expected = NULL, *text = NULL;
        char directory[] = "/tmp/infra-policy-XXXXXX";
        infra_estate *e = NULL;

        assert_non_null(mkdtemp(directory));
        compose(golden, name, directory);
        text = load(directory, &e);
        tree_remove(AT_FDCWD, directory);
        if (e)
                fail_msg("%s: the mistake was not found", name);
        if (getenv("INFRA_GOLDEN_WRITE"))
                file_replace(AT_FDCWD, expected_path, text, strlen(text), 0644);
        assert_int_equal(file_read(AT_FDCWD, expected_path, TEXT_MAX, &expected, NULL), 0);
        if (!streq(text, expected))
                fail_msg("%s:\n%s\nexpected:\n%s", name, text, expected);
}

static void mistakes_are_shown(void **state)
{
        _cleanup_free_ char *golden = source("tests/golden/diagnostics");
        struct dirent **entries = NULL;
        int n = scandir(golden, &entries, NULL, alphasort), cases = 0;

        (void)state;
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.' && !streq(entries[i]->d_name, "base")) {
                        run_case(golden, entries[i]->d_name);
                        cases++;
                }
                free(entries[i]);
        }
        free(entries);
        assert_true(cases >= CASES_AT_LEAST);
}

static void the_base_of_the_cases_is_good(void **state)
{
        _cleanup_estate_ infra_estate *e = load_well("tests/golden/diagnostics/base");

        (void)state;
        assert_int_equal(e->n_containers, 2);
        assert_int_equal(e->upgrades[0].n_waves, 2);
}

static const struct {
        const char *name;
        const struct table *table;
} kinds[] = {
        { "host", &host_table },       { "zones", &zones_table },     { "container", &container_table },
        { "upgrade", &upgrade_table }, { "profile", &profile_table },
        { "firewall", &filter_table },
};

static void schemas_are_those_of_the_tables(void **state)
{
        (void)state;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                _cleanup_free_ char *relative = path_join("policies/schema/%s.schema.json", kinds[i].name);
                _cleanup_free_ char *path = source(relative), *have = NULL, *want = schema_text(kinds[i].table);

                if (getenv("INFRA_GOLDEN_WRITE"))
                        file_replace(AT_FDCWD, path, want, strlen(want), 0644);
                assert_int_equal(file_read(AT_FDCWD, path, TEXT_MAX, &have, NULL), 0);
                assert_string_equal(have, want);
        }
}

/* Random damage to a good file: an estate or a diagnostic, never a crash, never neither. */
static void damage_never_crashes(void **state)
{
        _cleanup_free_ char *base = source("tests/golden/diagnostics/base"), *file = NULL, *good = NULL;
        char directory[] = "/tmp/infra-policy-XXXXXX";
        size_t size = 0;

        (void)state;
        srandom(20261123);
        assert_non_null(mkdtemp(directory));
        shell("cp -r '%s/.' '%s'", base, directory);
        file = path_join("%s/containers/wiki.yaml", directory);
        assert_int_equal(file_read(AT_FDCWD, file, TEXT_MAX, &good, &size), 0);
        for (int i = 0; i < 1000; i++) {
                static const char damage[] = "\0\n\t {}[]:,-&*!|>'\"%@#a0";
                _cleanup_free_ char *bad = strdup(good), *text = NULL;
                _cleanup_estate_ infra_estate *e = NULL;

                for (long k = random() % 4; k >= 0; k--)
                        bad[(size_t)random() % size] = damage[(size_t)random() % sizeof(damage)];
                assert_int_equal(file_replace(AT_FDCWD, file, bad, size, 0600), 0);
                text = load(directory, &e);
                assert_true((e == NULL) == (*text != '\0'));
        }
        tree_remove(AT_FDCWD, directory);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(infra02_is_whole),
                cmocka_unit_test(spans_point_at_their_lines),
                cmocka_unit_test(the_digest_is_of_the_content),
                cmocka_unit_test(the_base_of_the_cases_is_good),
                cmocka_unit_test(mistakes_are_shown),
                cmocka_unit_test(schemas_are_those_of_the_tables),
                cmocka_unit_test(damage_never_crashes),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
