/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* str, diag, error, address, clock: everything that turns text into values and back. */

#include "../testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"

static void str_grows(void **state)
{
        _cleanup_str_ struct str s = {};
        _cleanup_free_ char *text = NULL;

        (void)state;
        for (int i = 0; i < 1000; i++)
                str_add(&s, "%d,", i % 10);
        assert_int_equal(s.length, 2000);
        text = str_take(&s);
        assert_int_equal(strlen(text), 2000);
        assert_int_equal(s.length, 0);
}

static void nearest_name_is_found(void **state)
{
        static const char *const keys[] = { "services", "volumes", "release", "after" };

        (void)state;
        assert_string_equal(str_nearest("servcies", keys, 4), "services");
        assert_string_equal(str_nearest("realease", keys, 4), "release");
        assert_string_equal(str_nearest("aftr", keys, 4), "after");
        assert_null(str_nearest("bananas", keys, 4));
        assert_null(str_nearest("x", keys, 4));
        assert_int_equal(str_distance("abcd", "abdc"), 1);
        assert_int_equal(str_distance("", "abc"), 3);
}

static void lines_are_split(void **state)
{
        _cleanup_strlist_ struct strlist l = {};

        (void)state;
        assert_int_equal(strlist_lines(&l, "b\n\na\nlast"), 0);
        assert_int_equal(l.n, 3);
        strlist_sort(&l);
        assert_string_equal(l.items[0], "a");
        assert_true(strlist_contains(&l, "last"));
        assert_false(strlist_contains(&l, ""));
}

static void sizes_are_for_people(void **state)
{
        char b[32];

        (void)state;
        assert_string_equal(str_bytes(b, 999), "999 B");
        assert_string_equal(str_bytes(b, 1500), "1.5 kB");
        assert_string_equal(str_bytes(b, 213000000), "213 MB");
        assert_string_equal(str_duration(b, 1234), "1.2 s");
        assert_string_equal(str_duration(b, 45000), "45 s");
        assert_string_equal(str_duration(b, 123000), "2 min 03 s");
        assert_string_equal(str_duration(b, 3900000), "1 h 05 min");
}

static void addresses_round_trip(void **state)
{
        static const char *const good[] = { "10.0.0.1", "10.0.0.0/24", "2001:db8::1", "2001:db8:616:162:2::1/80", "0.0.0.0/0" };
        static const char *const bad[] = { "", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "::1/129", "a", "10.0.0.1/ 8" };
        char text[ADDRESS_TEXT_MAX];
        struct address a;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                assert_int_equal(address_parse(good[i], &a), 0);
                assert_string_equal(address_format(&a, text), good[i]);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(address_parse(bad[i], &a), -EINVAL);
}

static void networks_contain(void **state)
{
        struct address net, in, out, v6, wide;

        (void)state;
        address_parse("10.0.0.128/25", &net);
        address_parse("10.0.0.200", &in);
        address_parse("10.0.0.127", &out);
        address_parse("2001:db8::1", &v6);
        address_parse("10.0.0.0/24", &wide);
        assert_true(address_contains(&net, &in));
        assert_false(address_contains(&net, &out));
        assert_false(address_contains(&net, &v6));
        assert_false(address_contains(&net, &wide));
        assert_true(address_contains(&wide, &net));
}

static void ports_are_strict(void **state)
{
        static const char *const bad[] = { "25", "25/sctp", "0/tcp", "70000/tcp", "30-20/tcp", "tcp/25", "25/tcp ", "-/tcp", "1-/tcp" };
        char text[ADDRESS_TEXT_MAX];
        struct ports p;

        (void)state;
        assert_int_equal(ports_parse("60000-61000/udp", &p), 0);
        assert_int_equal(p.first, 60000);
        assert_string_equal(ports_format(&p, text), "60000-61000/udp");
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(ports_parse(bad[i], &p), -EINVAL);
}

static void times_are_read(void **state)
{
        char text[CLOCK_TEXT_MAX];
        int64_t ms;

        (void)state;
        assert_int_equal(clock_parse("2026-12-05T08:00Z", &ms), 0);
        assert_string_equal(clock_format(ms, text), "2026-12-05T08:00:00Z");
        assert_int_equal(clock_parse("2026-12-05 08:00", &ms), -EINVAL);
        assert_int_equal(duration_parse("2h30m", &ms), 0);
        assert_int_equal(ms, 9000000);
        assert_int_equal(duration_parse("500ms", &ms), 0);
        assert_int_equal(ms, 500);
        assert_int_equal(duration_parse("14d", &ms), 0);
        assert_int_equal(duration_parse("4", &ms), -EINVAL);
        assert_int_equal(duration_parse("", &ms), -EINVAL);
        assert_int_equal(duration_parse("h", &ms), -EINVAL);
}

static void errors_chain(void **state)
{
        _cleanup_error_ infra_error *e = NULL;

        (void)state;
        errno = ENOSPC;
        assert_int_equal(infra_error_set(&e, -errno, "rename: %m"), -ENOSPC);
        assert_int_equal(infra_error_prefix(&e, -ENOSPC, "cannot exchange generations of %s", "email"), -ENOSPC);
        assert_string_equal(infra_error_message(e), "cannot exchange generations of email: rename: No space left on device");
        assert_int_equal(infra_error_code(e), -ENOSPC);
        assert_int_equal(infra_error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void diagnostics_point_at_the_place(void **state)
{
        _cleanup_diags_ infra_diags *d = infra_diags_new();
        struct span late = { "b.yaml", 9, 1, 0 }, early = { "a.yaml", 2, 4, 5 };
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        (void)state;
        diags_add(d, &late, NULL, NULL, "second");
        diags_add(d, &early, "\t  relaese: x", "did you mean 'release'?", "unknown key '%s'", "relaese");
        diags_sort(d);
        infra_diags_print(d, f);
        fclose(f);
        assert_string_equal(text, "a.yaml:2:4: error: unknown key 'relaese'\n"
                                  "    2 | \t  relaese: x\n"
                                  "      | \t  ^~~~~\n"
                                  "      = did you mean 'release'?\n"
                                  "b.yaml:9:1: error: second\n");
        free(text);
}

static void arrays_grow_zeroed(void **state)
{
        int *items = NULL;
        size_t n = 0;

        (void)state;
        for (int i = 0; i < 100; i++) {
                int *slot = ARRAY_ADD(items, n);

                assert_int_equal(*slot, 0);
                *slot = i;
        }
        for (int i = 0; i < 100; i++)
                assert_int_equal(items[i], i);
        free(items);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(str_grows),           cmocka_unit_test(nearest_name_is_found),
                cmocka_unit_test(lines_are_split),     cmocka_unit_test(sizes_are_for_people),
                cmocka_unit_test(addresses_round_trip), cmocka_unit_test(networks_contain),
                cmocka_unit_test(ports_are_strict),    cmocka_unit_test(times_are_read),
                cmocka_unit_test(errors_chain),        cmocka_unit_test(diagnostics_point_at_the_place),
                cmocka_unit_test(arrays_grow_zeroed),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
