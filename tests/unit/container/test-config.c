/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The LXC configuration as text: golden files, and names and addresses that do not collide. */

#include "fixture.h"

#include <net/if.h>

static const char *const hosts[] = { "/storage/volumes/lists/sympa", "/storage/volumes/lists/with space#\\" };

/* With AppArmor the profile is another one; golden is the machine without it. */
static void without_apparmor(char *text)
{
        static const char with[] = "generated\nlxc.apparmor.allow_nesting = 1\n", without[] = "unconfined\n";
        char *at = strstr(text, with);

        if (!at)
                return;
        memcpy(at, without, sizeof(without) - 1);
        memmove(at + sizeof(without) - 1, at + sizeof(with) - 1, strlen(at + sizeof(with) - 1) + 1);
}

static void golden(struct fixture *f, const char *name)
{
        _cleanup_free_ char *path = path_join("%s/tests/golden/container/%s.conf", getenv("INFRA_SOURCE"), name),
                            *text = NULL, *again = NULL;
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(
                container_config_text(&f->estate, &f->container, "/storage/lists/live/rootfs", hosts, &text, &error),
                0);
        assert_int_equal(
                container_config_text(&f->estate, &f->container, "/storage/lists/live/rootfs", hosts, &again, &error),
                0);
        assert_string_equal(text, again);
        without_apparmor(text);
        if (getenv("INFRA_GOLDEN_WRITE"))
                text_put(path, text);
        text_is(path, text);
}

static void unprivileged(void **state)
{
        _cleanup_fixture_ struct fixture f;

        (void)state;
        fixture_init(&f);
        golden(&f, "unprivileged");
}

static void privileged_with_volumes(void **state)
{
        _cleanup_fixture_ struct fixture f;

        (void)state;
        fixture_init(&f);
        f.container.privileged = true;
        f.container.n_volumes = 1;
        golden(&f, "privileged");
}

static void volumes_and_ipv6(void **state)
{
        _cleanup_fixture_ struct fixture f;

        (void)state;
        fixture_init(&f);
        f.container.n_volumes = 2;
        address_parse("2001:db8:616:162:2::1/80", &f.estate.host.bridge_ipv6);
        address_parse("2001:db8:616:162:2::17", &f.container.ipv6);
        golden(&f, "volumes-ipv6");
}

/* The value of a key, cut out of the text. */
static char *value_of(const char *text, const char *key)
{
        const char *at = strstr(text, key);

        assert_non_null(at);
        at += strlen(key) + strlen(" = ");
        return strndup(at, strcspn(at, "\n"));
}

static void remember(struct strlist *seen, const char *text, const char *key)
{
        _cleanup_free_ char *value = value_of(text, key);

        if (strlist_contains(seen, value))
                fail_msg("%s %s twice", key, value);
        assert_int_equal(strlist_add(seen, value), 0);
}

static void interfaces_are_unique(void **state)
{
        _cleanup_free_ char *policies = path_join("%s/policies/examples/infra02", getenv("INFRA_SOURCE"));
        _cleanup_free_ char *profiles = path_join("%s/policies/profiles", getenv("INFRA_SOURCE"));
        _cleanup_strlist_ struct strlist pairs = {}, addresses = {};
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_estate_ infra_estate *e = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;

        (void)state;
        assert_int_equal(infra_estate_load(policies, profiles, diags, &e, &error), 0);
        assert_true(e->n_containers > 20);
        fixture_init(&f);
        for (size_t i = 0; i < e->n_containers + 1000; i++) {
                char name[64];
                _cleanup_free_ char *text = NULL, *pair = NULL;

                snprintf(name, sizeof(name), "customer-of-ours-%zu", i);
                f.container.name = i < e->n_containers ? e->containers[i].name : name;
                assert_int_equal(container_config_text(&f.estate, &f.container, "/r", hosts, &text, &error), 0);
                remember(&pairs, text, "lxc.net.0.veth.pair");
                remember(&addresses, text, "lxc.net.0.hwaddr");
                pair = value_of(text, "lxc.net.0.veth.pair");
                assert_in_range(strlen(pair), 2, IFNAMSIZ - 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(unprivileged),
                cmocka_unit_test(privileged_with_volumes),
                cmocka_unit_test(volumes_and_ipv6),
                cmocka_unit_test(interfaces_are_unique),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
