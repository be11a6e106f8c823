/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's root seen from outside: links that lead out, and the cache of roots with a mmdebstrap of our own. */

#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void link_put(const char *target, char *path)
{
        assert_int_equal(symlink(target, path), 0);
        free(path);
}

static void dir_put(char *path)
{
        assert_int_equal(dir_make(AT_FDCWD, path, 0755), 0);
        free(path);
}

static void has(char *path, const char *text)
{
        text_is(path, text);
        free(path);
}

static void prepared_root_has_its_names(void **state)
{
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;
        _cleanup_free_ char *root = NULL, *mailname = NULL;

        (void)state;
        fixture_init(&f);
        root = IN(&f, "root");
        mailname = IN(&f, "root/etc/mailname");
        dir_put(IN(&f, "root/etc/apt/apt.conf.d"));
        dir_put(IN(&f, "root/etc/systemd/network"));
        text_put(mailname, "build-machine\n");
        f.estate.host.proxy = literal("http://10.0.0.201:3128");
        address_parse("10.0.0.1", &f.resolver);
        f.estate.host.resolvers = &f.resolver;
        f.estate.host.n_resolvers = 1;
        for (int i = 0; i < 2; i++)
                assert_int_equal(container_prepare_root(&f.estate, &f.container, root, &error), 0);
        has(IN(&f, "root/etc/hostname"), "lists\n");
        has(IN(&f, "root/etc/mailname"), "lists\n");
        has(IN(&f, "root/etc/hosts"),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.17 lists\n");
        has(IN(&f, "root/etc/resolv.conf"), "nameserver 10.0.0.1\n");
        has(IN(&f, "root/etc/machine-id"), "");
        has(IN(&f, "root/etc/apt/apt.conf.d/99infra-proxy"), "Acquire::http::Proxy \"http://10.0.0.201:3128\";\n");
        has(IN(&f, "root/etc/systemd/network/00-infra-eth0.network"),
            "# eth0 is configured by the host\n[Match]\nName=eth0\n\n[Link]\nUnmanaged=yes\n");
}

/* Absolute links mean the guest's own root, ".." does not leave it, and a file that is a link is replaced. */
static void links_do_not_lead_out(void **state)
{
        _cleanup_free_ char *root = NULL, *victim = NULL, *outside = NULL, *up = NULL;
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_fixture_ struct fixture f;

        (void)state;
        fixture_init(&f);
        root = IN(&f, "root");
        victim = IN(&f, "victim");
        outside = IN(&f, "outside");
        up = path_join("../../..%s", outside);
        dir_put(IN(&f, "root/etc/apt"));
        dir_put(IN(&f, "root/etc/systemd"));
        dir_put(IN(&f, "outside"));
        text_put(victim, "mine\n");
        f.estate.host.proxy = literal("http://10.0.0.201:3128");
        link_put(victim, IN(&f, "root/etc/hostname"));
        link_put(victim, IN(&f, "root/etc/machine-id"));
        link_put(victim, IN(&f, "root/etc/mailname"));
        link_put(outside, IN(&f, "root/etc/apt/apt.conf.d"));
        link_put(up, IN(&f, "root/etc/systemd/network"));
        link_put(outside, IN(&f, "root/etc/systemd/system"));
        assert_int_equal(container_prepare_root(&f.estate, &f.container, root, &error), 0);
        text_is(victim, "mine\n");
        assert_int_equal(rmdir(outside), 0);
        has(IN(&f, "root/etc/hostname"), "lists\n");
}

/* Takes the arguments down, makes the target and says or does what $FAKE wants. */
static const char program[] =
        "#!/bin/bash\n"
        "echo begin >> \"$FAKE_LOG\"; printf '%s\\n' \"$@\" > \"$FAKE_LOG.arguments\"\n"
        "for target; do [[ $target = */.new-* ]] && break; done\n"
        "mkdir \"$target\"; hostname > \"$target/made-on\"\n"
        "echo 'I: working'; sleep 0.1; echo end >> \"$FAKE_LOG\"\n"
        "if [ -n \"$FAKE\" ]; then echo \"E: $FAKE\" >&2; echo 'E: mmdebstrap failed to run' >&2; exit 1; fi\n";

struct cache {
        struct fixture fixture;
        char *path;
        struct strlist packages;
};

/* Name spaces are root's: without them a test of the cache has nothing to say. */
static bool can_make(void)
{
        return geteuid() == 0;
}

static void cache_init(struct cache *c)
{
        _cleanup_free_ char *bin = NULL, *fake = NULL, *log = NULL, *path = NULL;

        fixture_init(&c->fixture);
        c->packages = (struct strlist){};
        c->path = IN(&c->fixture, "cache");
        fake = IN(&c->fixture, "bin/mmdebstrap");
        bin = IN(&c->fixture, "bin");
        log = IN(&c->fixture, "log");
        dir_put(strdup(bin));
        text_put(fake, program);
        assert_int_equal(chmod(fake, 0755), 0);
        path = path_join("%s:/usr/sbin:/usr/bin:/sbin:/bin", bin);
        setenv("PATH", path, 1);
        setenv("FAKE_LOG", log, 1);
        setenv("FAKE", "", 1);
        assert_int_equal(strlist_add(&c->packages, "postfix"), 0);
}

static void cache_done(struct cache *c)
{
        strlist_done(&c->packages);
        free(c->path);
        fixture_done(&c->fixture);
}

static int root_get(struct cache *c, char **ret, infra_error **reterr)
{
        return root_cache(&c->fixture.estate, c->path, "bookworm", &c->packages, -1, ret, reterr);
}

static void root_is_made_once_for_two(void **state)
{
        _cleanup_free_ char *path = NULL, *again = NULL, *arguments = NULL, *text = NULL, *made = NULL;
        _cleanup_error_ infra_error *error = NULL;
        CLEANUP(cache_done) struct cache c;
        pid_t other;
        int status;

        (void)state;
        cache_init(&c);
        if (!can_make())
                return;
        dir_put(IN(&c.fixture, "cache/.new-of-a-crash/etc"));
        c.fixture.estate.host.proxy = literal("http://10.0.0.1:3142");
        other = fork();
        if (other == 0)
                _exit(root_get(&c, &again, NULL) < 0);
        if (root_get(&c, &path, &error) < 0)
                fail_msg("%s", infra_error_message(error));
        waitpid(other, &status, 0);
        assert_int_equal(status, 0);
        assert_int_equal(root_get(&c, &again, &error), 0);
        assert_string_equal(path, again);
        has(IN(&c.fixture, "log"), "begin\nend\n");
        made = path_join("%s/made-on", path);
        text_is(made, "localhost\n");
        arguments = IN(&c.fixture, "log.arguments");
        assert_int_equal(file_read(AT_FDCWD, arguments, 1 << 16, &text, NULL), 0);
        assert_non_null(strstr(text, "\n--include=systemd,systemd-sysv,dbus,iproute2,postfix\n"));
        assert_non_null(strstr(text, "\n--aptopt=Acquire::http::Proxy \"http://10.0.0.1:3142\"\nbookworm\n"));
        assert_non_null(strstr(text, "\ndeb http://mirror.example.org/debian-security bookworm-security main\n"));
        free(again);
        again = IN(&c.fixture, "cache/.new-of-a-crash");
        assert_false(path_exists(AT_FDCWD, again));
}

/* The maker's program goes on when the maker is killed: who comes next waits for it and begins anew. */
static void killed_maker_is_waited_for(void **state)
{
        _cleanup_free_ char *path = NULL, *log = NULL;
        _cleanup_error_ infra_error *error = NULL;
        CLEANUP(cache_done) struct cache c;
        pid_t other;

        (void)state;
        cache_init(&c);
        if (!can_make())
                return;
        log = IN(&c.fixture, "log");
        other = fork();
        if (other == 0)
                _exit(root_get(&c, &path, NULL) < 0);
        while (!path_exists(AT_FDCWD, log))
                usleep(5000);
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
        assert_int_equal(root_get(&c, &path, &error), 0);
        has(strdup(log), "begin\nend\nbegin\nend\n");
}

static void other_packages_are_another_root(void **state)
{
        _cleanup_free_ char *one = NULL, *two = NULL, *three = NULL;
        _cleanup_error_ infra_error *error = NULL;
        CLEANUP(cache_done) struct cache c;

        (void)state;
        cache_init(&c);
        if (!can_make())
                return;
        assert_int_equal(root_get(&c, &one, &error), 0);
        assert_int_equal(strlist_add(&c.packages, "apache2"), 0);
        assert_int_equal(root_get(&c, &two, &error), 0);
        assert_string_not_equal(one, two);
        strlist_sort(&c.packages);
        assert_int_equal(root_get(&c, &three, &error), 0);
        assert_string_equal(two, three);
}

static void failure_says_why_and_leaves_nothing(void **state)
{
        _cleanup_free_ char *path = NULL, *list = NULL, *log = NULL;
        _cleanup_error_ infra_error *error = NULL;
        CLEANUP(cache_done) struct cache c;

        (void)state;
        cache_init(&c);
        if (!can_make())
                return;
        setenv("FAKE", "Unable to locate package postfixx", 1);
        refused(root_get(&c, &path, &error), &error, -EREMOTEIO, "bookworm: Unable to locate package postfixx");
        assert_null(path);
        list = IN(&c.fixture, "cache/.lock");
        assert_int_equal(unlink(list), 0);
        /* Nothing but the lock was there. */
        assert_int_equal(rmdir(c.path), 0);
        setenv("FAKE", "", 1);
        assert_int_equal(root_get(&c, &path, &error), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(prepared_root_has_its_names),
                cmocka_unit_test(links_do_not_lead_out),
                cmocka_unit_test(root_is_made_once_for_two),
                cmocka_unit_test(killed_maker_is_waited_for),
                cmocka_unit_test(other_packages_are_another_root),
                cmocka_unit_test(failure_says_why_and_leaves_nothing),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
