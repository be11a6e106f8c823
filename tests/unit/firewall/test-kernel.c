/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The real kernel, in a network namespace of this process. Skipped where that is not allowed. */

#include "../testing.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "sample.h"

struct fixture {
        infra_estate *estate;
        struct firewall *firewall;
        struct ruleset *wanted;
};

static bool own_namespace;

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        own_namespace = unshare(CLONE_NEWNET) == 0;
        f->estate = sample_estate();
        f->wanted = sample_ruleset(f->estate);
        if (own_namespace)
                assert_int_equal(firewall_open(&f->firewall, NULL), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        firewall_free(f->firewall);
        ruleset_free(f->wanted);
        infra_estate_free(f->estate);
        free(f);
        return 0;
}

static struct fixture *fixture(void **state)
{
        if (!own_namespace)
                skip();
        return *state;
}

static void load(struct fixture *f, const struct ruleset *r)
{
        _cleanup_error_ infra_error *error = NULL;

        if (firewall_load(f->firewall, r, &error) < 0)
                fail_msg("%s", infra_error_message(error));
        assert_null(error);
}

static void assert_loaded(struct fixture *f, const struct ruleset *want)
{
        struct ruleset *have = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_diff(have, want);
        assert_string_equal(text, "");
        ruleset_free(have);
}

static bool closed(struct fixture *f, size_t container)
{
        bool yes = false;

        assert_int_equal(firewall_fence_closed(f->firewall, &f->estate->containers[container], &yes, NULL), 0);
        return yes;
}

static void fence(struct fixture *f, size_t container, bool close)
{
        assert_int_equal(firewall_fence(f->firewall, &f->estate->containers[container], close, NULL), 0);
}

/* What `nft` says to @arguments; it must succeed. Skips the test where there is no nft. */
static char *nft(const char *option, const char *argument)
{
        const char *const argv[] = { "nft", option, argument, NULL };
        char *output = NULL;
        struct process_options options = { .output = -1, .ret_output = &output };
        int status = -1;

        if (access("/usr/sbin/nft", X_OK) < 0)
                skip();
        assert_int_equal(process_run(argv, &options, &status, NULL), 0);
        if (status != 0)
                fail_msg("nft %s %s: %s", option, argument, output);
        return output;
}

/* A rule put in the place of ours that does another thing with nearly the same expressions. */
static void replace_by_hand(struct fixture *f, const char *chain, const char *rule, const char *by)
{
        _cleanup_free_ char *what = path_join("list chain inet infra %s", chain), *list = nft("-a", what), *change = NULL;
        char *line = strstr(list, rule), *handle = line ? strstr(line, "# handle ") : NULL;

        (void)f;
        assert_non_null(handle);
        handle += strlen("# handle ");
        handle[strcspn(handle, "\n")] = '\0';
        change = path_join("replace rule inet infra %s handle %s %s", chain, handle, by);
        free(nft("--", change));
}

static void test_round_trip(void **state)
{
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
}

/* From one ruleset to another that differs in sets, elements, data and comments, and back. */
static void test_change_of_estate(void **state)
{
        struct fixture *f = fixture(state);
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *other;

        e->containers[MAIL].internet = sample_address("198.51.100.229");
        e->containers[WEB].ipv6 = sample_address("2001:db8::26");
        e->containers[WEB].services[0].public_port = 0;
        e->containers[MAIL].n_connects = 0;
        e->containers[MAIL].services[0].span.line = 99;
        sample_from(sample_service(e, WEB, "8000/tcp", 50), ORIGIN_NETWORK, 0)->network =
                sample_address("192.0.0.0/16");
        other = sample_ruleset(e);
        e->containers[MAIL].n_connects = 1;
        for (int i = 0; i < 2; i++) {
                load(f, f->wanted);
                assert_loaded(f, f->wanted);
                load(f, other);
                assert_loaded(f, other);
        }
        ruleset_free(other);
}

static void test_round_trip_of_examples(void **state)
{
        static const char *const examples[] = { "demo", "infra02", "complete" };
        struct fixture *f = fixture(state);

        for (size_t i = 0; i < ELEMENTS(examples); i++) {
                _cleanup_estate_ infra_estate *e = sample_example(examples[i]);
                struct ruleset *r = sample_ruleset(e);

                load(f, r);
                assert_loaded(f, r);
                ruleset_free(r);
        }
}

/* Comments come back, too: the policy line of an opening can be shown from the kernel alone. */
static void test_text_of_what_is_loaded(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *have = NULL;
        _cleanup_free_ char *text = NULL;

        load(f, f->wanted);
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_text(have);
        assert_non_null(strstr(text, "10.0.0.19 . tcp . 25 comment \"containers/mail.yaml:10\""));
        assert_null(strstr(text, "unknown"));
        ruleset_free(have);
}

static void test_unload(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *have = NULL;

        load(f, f->wanted);
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        assert_null(have);
}

/* Without translations there are no chains for them; those that are there stay, empty, or open connections would be cut. */
static void test_translations_come_and_go(void **state)
{
        struct fixture *f = fixture(state);
        _cleanup_estate_ infra_estate *e = sample_estate();
        _cleanup_free_ char *list = NULL;
        struct ruleset *plain;

        for (size_t i = 0; i < e->n_zones; i++)
                e->zones[i].translate = TRANSLATE_NONE;
        for (size_t i = 0; i < e->n_containers; i++) {
                e->containers[i].internet = e->containers[i].intranet = (struct address){};
                for (size_t k = 0; k < e->containers[i].n_services; k++)
                        e->containers[i].services[k].public_port = 0;
        }
        plain = sample_ruleset(e);
        assert_null(table_chain(&plain->tables[0], "prerouting"));
        assert_null(table_chain(&plain->tables[0], "postrouting"));
        load(f, f->wanted);
        for (int i = 0; i < 2; i++) {
                load(f, plain);
                assert_loaded(f, plain);
        }
        list = nft("--", "list chain inet infra postrouting");
        assert_non_null(strstr(list, "type nat hook postrouting"));
        assert_null(strstr(list, "snat"));
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        load(f, plain);
        assert_loaded(f, plain);
        ruleset_free(plain);
}

static void test_fence(void **state)
{
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        assert_false(closed(f, MAIL));
        for (int i = 0; i < 2; i++) {
                fence(f, MAIL, true);
                assert_true(closed(f, MAIL));
                assert_false(closed(f, WEB));
        }
        assert_loaded(f, f->wanted);
        for (int i = 0; i < 2; i++) {
                fence(f, MAIL, false);
                assert_false(closed(f, MAIL));
        }
}

/* What the first rule of the chain says. */
static void assert_first(const char *chain, const char *rule)
{
        _cleanup_free_ char *what = path_join("list chain %s", chain), *list = nft("--", what);
        char *first = strstr(list, "\tchain ");

        assert_non_null(first);
        first = strchr(first, '\n');
        if (first && startswith(first, "\n\t\ttype "))
                first = strchr(first + 1, '\n');
        assert_non_null(first);
        *strchrnul(first + 1, '\n') = '\0';
        if (!strstr(first, rule))
                fail_msg("%s begins with %s, not with %s", chain, first, rule);
}

/* Established connections are decided by the first rule, unless somebody is fenced: then, and only then, that is asked first. */
static void test_fence_stands_first_while_closed(void **state)
{
        static const char *const first[][3] = { { "inet infra forward", "ip daddr @fenced4 jump fence_in", "ct state established,related accept" },
                                                { "inet infra input", "ip saddr @fenced4 jump fence_host", "ct state established,related accept" },
                                                { "bridge infra containers", "ip daddr @fenced4 jump fence_in", "icmp type @icmp_types accept" } };
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        for (size_t i = 0; i < ELEMENTS(first); i++)
                assert_first(first[i][0], first[i][2]);
        fence(f, MAIL, true);
        fence(f, WEB, true);
        for (int n = 0; n < 3; n++) {
                for (size_t i = 0; i < ELEMENTS(first); i++)
                        assert_first(first[i][0], first[i][1]);
                assert_loaded(f, f->wanted);
                if (n == 0)
                        load(f, f->wanted);
                else if (n == 1)
                        fence(f, MAIL, false);
        }
        fence(f, WEB, false);
        for (size_t i = 0; i < ELEMENTS(first); i++)
                assert_first(first[i][0], first[i][2]);
}

/* Who is banned is asked for first, as long as somebody is; a load keeps both. */
static void test_bans_stand_first_while_there_are_any(void **state)
{
        static const char chain[] = "inet infra raw_prerouting", banned[] = "ip saddr @banned4 drop", other[] = "zones.yaml";
        struct address four = sample_address("203.0.113.7"), six = sample_address("2001:db8:7::/48");
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        assert_first(chain, other);
        assert_int_equal(firewall_ban(f->firewall, NULL, &four, 0, NULL), 0);
        assert_first(chain, banned);
        assert_loaded(f, f->wanted);
        load(f, f->wanted);
        assert_first(chain, banned);
        assert_int_equal(firewall_ban(f->firewall, "eno1", &six, 60000, NULL), 0);
        assert_int_equal(firewall_unban(f->firewall, NULL, &four, NULL), 0);
        assert_first(chain, banned);
        assert_int_equal(firewall_unban(f->firewall, "eno1", &six, NULL), 0);
        assert_first(chain, other);
        assert_loaded(f, f->wanted);
}

/* A jump taken out by hand opens a fence: that is seen, it is not called closed, and closing it closes it. */
static void test_fence_without_its_jumps(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *have = NULL;
        _cleanup_free_ char *text = NULL, *list = NULL;

        load(f, f->wanted);
        fence(f, MAIL, true);
        replace_by_hand(f, "forward", "fenced4 jump fence_in", "ct state established,related accept");
        assert_false(closed(f, MAIL));
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_diff(have, f->wanted);
        ruleset_free(have);
        assert_non_null(strstr(text, "+ chain forward: meta nfproto ipv4 ip daddr @fenced4 jump fence_in"));
        fence(f, MAIL, true);
        assert_true(closed(f, MAIL));
        fence(f, MAIL, false);
        list = nft("list", "ruleset");
        assert_null(strstr(list, "@fenced"));
}

static void test_fence_outlives_load(void **state)
{
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        fence(f, WEB, true);
        load(f, f->wanted);
        assert_true(closed(f, WEB));
        assert_false(closed(f, MAIL));
        fence(f, WEB, false);
}

static void test_fence_without_ruleset(void **state)
{
        struct fixture *f = fixture(state);
        _cleanup_error_ infra_error *error = NULL;

        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        assert_int_equal(firewall_fence(f->firewall, &f->estate->containers[MAIL], true, &error), -ENOENT);
        assert_non_null(strstr(infra_error_message(error), "not loaded"));
}

/* An opening taken away and a rule added by hand are seen, and mended by the next load. */
static void test_change_by_hand(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *have = NULL;
        _cleanup_free_ char *text = NULL;

        load(f, f->wanted);
        free(nft("--", "delete element inet infra services4 { 10.0.0.19 . tcp . 25 }"));
        free(nft("--", "insert rule inet infra forward ip daddr 10.0.0.19 limit rate 5/second accept"));
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_diff(have, f->wanted);
        assert_non_null(strstr(text, "+ map services4: 10.0.0.19 . tcp . 25"));
        assert_non_null(strstr(text, "- chain forward: "));
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        ruleset_free(have);
}

/* Whatever else somebody put into our table is gone after a load. */
static void test_strangers_in_our_table(void **state)
{
        static const char *const commands[] = {
                "add set inet infra strange { type inet_service; flags interval; elements = { 1-10 }; }",
                "add chain inet infra detour",
                "add rule inet infra detour th dport @strange accept",
                "add map inet infra ways { type inet_service : verdict; elements = { 7 : jump detour }; }",
                "insert rule inet infra forward th dport vmap @ways",
                "insert rule inet infra forward tcp dport { 80, 443, 1000-2000 } counter accept",
                "insert rule inet infra forward th dport vmap { 1 : accept, 2 : jump detour }",
                "insert rule inet infra input tcp dport 80 jump { ip saddr 192.0.2.1 accept; }",
                "add element inet infra services4 { 10.0.0.19 . tcp . 1 : accept }",
                "delete element inet infra services4 { 10.0.0.19 . tcp . 25 }",
                "delete element inet infra services_net4 { 192.0.2.0/24 . 10.0.0.26 . tcp . 8000 }",
                "add element inet infra services_net4 { 192.0.2.0-192.0.2.9 . 10.0.0.26 . tcp . 8000-9000 : accept }",
                "add chain inet infra early { type filter hook forward priority -10; policy accept; }",
                "add chain inet infra input { policy accept; }",
        };
        struct fixture *f = fixture(state);

        load(f, f->wanted);
        fence(f, MAIL, true);
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                free(nft("--", commands[i]));
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        assert_true(closed(f, MAIL));
        fence(f, MAIL, false);
}

/* The kernel takes no element that begins or ends within another, whatever a policy says twice. */
static void test_overlapping_openings(void **state)
{
        static const char *const networks[] = { "192.0.0.0/8", "192.0.2.0/24", "192.0.2.7", "198.51.100.0/24", "192.0.0.0/16" };
        static const char *const ports[] = { "2000-3000/tcp", "2500-3500/tcp", "1000-4000/tcp", "2500/tcp", "3000-3000/tcp" };
        struct fixture *f = fixture(state);
        _cleanup_estate_ infra_estate *e = sample_estate();
        struct ruleset *r;

        for (unsigned i = 0; i < ELEMENTS(networks); i++)
                for (unsigned k = 0; k < ELEMENTS(ports); k++)
                        sample_connection(e, WEB, ORIGIN_NETWORK, 0, ports[(i + k) % ELEMENTS(ports)], 50 + 10 * i + k)
                                ->to.network = sample_address(networks[i]);
        r = sample_ruleset(e);
        load(f, r);
        assert_loaded(f, r);
        ruleset_free(r);
}

/* Options that are easily overlooked, and each would open or break something. */
static void test_nearly_the_same_rule(void **state)
{
        static const struct {
                const char *chain, *rule, *by;
        } changes[] = {
                { "input", "iifname \"lo\"", "iifname \"lo*\" accept" },
                { "input", "ct state invalid", "ct state != invalid drop" },
                { "input", "ct state established", "ct state established,related,new accept" },
                { "forward", "@services4", "meta nfproto ipv4 ip daddr . meta l4proto . th sport vmap @services4" },
                { "fence_host", "drop", "accept" },
                { "prerouting", "@public_ports", "meta nfproto ipv4 fib saddr type local dnat ip to meta l4proto . th dport map @public_ports" },
                { "prerouting", "@nat_in", "meta nfproto ipv4 dnat ip to ip daddr map @nat_in persistent" },
                { "postrouting", "oifname \"br0\"", "meta nfproto ipv4 oifname \"br0\" ct original ip saddr 10.0.0.0/24 masquerade" },
        };
        struct fixture *f = fixture(state);

        for (size_t i = 0; i < ELEMENTS(changes); i++) {
                _cleanup_free_ char *text = NULL;
                struct ruleset *have = NULL;

                load(f, f->wanted);
                assert_loaded(f, f->wanted);
                replace_by_hand(f, changes[i].chain, changes[i].rule, changes[i].by);
                assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
                text = sample_diff(have, f->wanted);
                ruleset_free(have);
                if (!strstr(text, "\n+ chain") || !startswith(text, "- chain"))
                        fail_msg("%s is not seen: %s", changes[i].by, text);
        }
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
}

/* A table that is switched off filters nothing. It is seen, and the next load switches it on, fences and all. */
static void test_change_of_table_by_hand(void **state)
{
        static const char *const changes[][2] = {
                { "add table inet infra { flags dormant; }", "- table infra: flags dormant" },
                { "add table bridge infra { flags dormant; }", "- table infra: flags dormant" },
                { "add counter inet infra hand", "- table infra: object hand" },
                { "add set inet infra hand { type ipv4_addr; flags timeout; }", "- set hand" },
                { "add rule inet infra input ip saddr { 192.0.2.1, 192.0.2.3 } accept", "- chain input: " },
                { "add rule inet infra input tcp dport vmap { 22 : accept, 80 : drop }", "- chain input: " },
        };
        struct fixture *f = fixture(state);

        for (size_t i = 0; i < ELEMENTS(changes); i++) {
                _cleanup_free_ char *text = NULL, *list = NULL;
                struct ruleset *have = NULL;

                load(f, f->wanted);
                fence(f, MAIL, true);
                free(nft("--", changes[i][0]));
                assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
                text = sample_diff(have, f->wanted);
                ruleset_free(have);
                assert_non_null(strstr(text, changes[i][1]));
                load(f, f->wanted);
                assert_loaded(f, f->wanted);
                list = nft("list", "ruleset");
                assert_null(strstr(list, "dormant"));
                assert_null(strstr(list, "hand"));
                assert_true(closed(f, MAIL));
                fence(f, MAIL, false);
        }
}

static void test_foreign_table(void **state)
{
        struct fixture *f = fixture(state);
        _cleanup_free_ char *before = NULL, *after = NULL;

        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        free(nft("--", "add table inet foreign"));
        free(nft("--", "add set inet foreign fenced4 { type ipv4_addr; elements = { 192.0.2.1 }; }"));
        /* Our name in a family that is not ours. */
        free(nft("--", "add table ip infra"));
        before = nft("list", "ruleset");
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        after = nft("list", "ruleset");
        assert_non_null(strstr(before, "192.0.2.1"));
        assert_string_equal(before, after);
        free(nft("flush", "ruleset"));
}

/* All or nothing: the refused load names the policy line, and the old ruleset with its fence stays. */
static void test_refused_load(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *bad = sample_ruleset(f->estate);
        struct set *s = table_set(&bad->tables[0], "services_net4");
        _cleanup_error_ infra_error *error = NULL;

        load(f, f->wanted);
        fence(f, MAIL, true);
        /* An interval that ends before it begins, in the middle of the list. */
        assert_true(s->n_elements >= 3);
        memset(s->elements[1].key_end, 0, 4);
        assert_true(firewall_load(f->firewall, bad, &error) < 0);
        assert_non_null(strstr(infra_error_message(error), s->elements[1].comment));
        assert_non_null(strstr(infra_error_message(error), "services_net4"));
        assert_loaded(f, f->wanted);
        assert_true(closed(f, MAIL));
        /* The socket is as good as before. */
        load(f, f->wanted);
        fence(f, MAIL, false);
        ruleset_free(bad);
}

/* What we print is what nft reads: loaded by it, its sets are ours and its rules print as those we load. */
static void test_nft_reads_our_text(void **state)
{
        struct fixture *f = fixture(state);
        _cleanup_free_ char *text = sample_text(f->wanted), *ours = NULL, *theirs = NULL, *diff = NULL;
        char path[] = "/tmp/infra-ruleset-XXXXXX";
        struct ruleset *have = NULL;
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        /* On an empty ground, since chains that stay keep their place in the list. */
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        load(f, f->wanted);
        ours = nft("-t", "list ruleset");
        assert_int_equal(firewall_unload(f->firewall, NULL), 0);
        free(nft("-f", path));
        unlink(path);
        theirs = nft("-t", "list ruleset");
        assert_string_equal(ours, theirs);
        /* nft loads rules in other steps than we do, but there is only one way to write an element. */
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        diff = sample_diff(have, f->wanted);
        assert_null(strstr(diff, "- set "));
        assert_null(strstr(diff, "+ set "));
        assert_null(strstr(diff, "- map "));
        assert_null(strstr(diff, "+ map "));
        ruleset_free(have);
}

static size_t count_bans(struct fixture *f)
{
        struct ban *bans = NULL;
        size_t n = 0;

        assert_int_equal(firewall_bans(f->firewall, &bans, &n, NULL), 0);
        free(bans);
        return n;
}

static void test_bans(void **state)
{
        struct fixture *f = fixture(state);
        struct address one = sample_address("203.0.113.7"), net = sample_address("203.0.113.0/24"), six = sample_address("2001:db8:7::/48");
        _cleanup_free_ struct ban *bans = NULL;
        size_t n = 0;

        load(f, f->wanted);
        assert_int_equal(count_bans(f), 0);
        assert_int_equal(firewall_ban(f->firewall, "eno1", &one, 3600000, NULL), 0);
        assert_int_equal(firewall_ban(f->firewall, NULL, &six, 0, NULL), 0);
        /* Again is longer; of the network it is a part. */
        assert_int_equal(firewall_ban(f->firewall, "eno1", &one, 7200000, NULL), 0);
        assert_int_equal(count_bans(f), 2);
        assert_int_equal(firewall_ban(f->firewall, "eno1", &net, 60000, NULL), 0);
        assert_int_equal(firewall_ban(f->firewall, "eno1", &one, 60000, NULL), -EALREADY);
        assert_int_equal(firewall_unban(f->firewall, NULL, &one, NULL), -EEXIST);
        /* The address everywhere, its network at one interface: both hold, and each is lifted by itself. */
        assert_int_equal(firewall_ban(f->firewall, NULL, &one, 60000, NULL), 0);
        assert_int_equal(count_bans(f), 3);
        /* nft itself must be able to say what there is. */
        free(nft("list", "ruleset"));
        assert_int_equal(firewall_unban(f->firewall, NULL, &one, NULL), 0);
        assert_int_equal(count_bans(f), 2);
        /* No difference to the policy, and they outlive a load. */
        assert_loaded(f, f->wanted);
        load(f, f->wanted);
        assert_int_equal(firewall_bans(f->firewall, &bans, &n, NULL), 0);
        assert_int_equal(n, 2);
        assert_true(address_equal(&bans[0].address, &net));
        assert_string_equal(bans[0].interface, "eno1");
        assert_true(bans[0].left_ms > 7000000 && bans[0].left_ms <= 7200000);
        assert_true(address_equal(&bans[1].address, &six));
        assert_string_equal(bans[1].interface, "");
        assert_int_equal(bans[1].left_ms, 0);
        assert_int_equal(firewall_unban(f->firewall, NULL, &net, NULL), 0);
        assert_int_equal(firewall_unban(f->firewall, NULL, &net, NULL), -ENOENT);
        assert_int_equal(firewall_unban(f->firewall, NULL, &six, NULL), 0);
        assert_int_equal(count_bans(f), 0);
        /* Without an end is the longest, and one everywhere does not keep a network at one interface from being banned. */
        assert_int_equal(firewall_ban(f->firewall, NULL, &one, 0, NULL), 0);
        assert_int_equal(firewall_ban(f->firewall, "eno1", &net, 60000, NULL), 0);
        assert_int_equal(count_bans(f), 2);
        assert_int_equal(firewall_unban(f->firewall, "eno1", &net, NULL), 0);
        assert_int_equal(firewall_ban(f->firewall, NULL, &net, 60000, NULL), 0);
        free(bans);
        bans = NULL;
        assert_int_equal(firewall_bans(f->firewall, &bans, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_int_equal(bans[0].left_ms, 0);
        assert_int_equal(firewall_unban(f->firewall, NULL, &net, NULL), 0);
        assert_int_equal(firewall_ban(f->firewall, NULL, &one, 200, NULL), 0);
        clock_sleep_ms(600);
        assert_int_equal(count_bans(f), 0);
}

/* Attribute and socket limits, and that the time stays far from the number of openings squared. */
static void test_many_services(void **state)
{
        enum { MANY = 10000, LIMIT_MS = 20000 };
        struct fixture *f = fixture(state);
        _cleanup_estate_ infra_estate *e = sample_estate();
        int64_t begin = clock_boottime_ms();
        struct ruleset *r;

        for (unsigned i = 0; i < MANY; i++) {
                char port[16];

                snprintf(port, sizeof(port), "%u/tcp", 10000 + i);
                if (i % 20)
                        sample_from(sample_service(e, i % 2, port, 100 + i), ORIGIN_ANY, 0);
                else
                        sample_from(sample_service(e, i % 2, port, 100 + i), ORIGIN_NETWORK, 0)->network =
                                sample_address("192.0.2.0/24");
        }
        r = sample_ruleset(e);
        load(f, r);
        assert_loaded(f, r);
        load(f, f->wanted);
        assert_loaded(f, f->wanted);
        assert_true(clock_boottime_ms() - begin < LIMIT_MS);
        ruleset_free(r);
}

/* What a field needs beside it to be told from another at the same place. */
static uint8_t protocol_of(enum field f)
{
        switch (f) {
        case FIELD_ICMPV6_TYPE:
        case FIELD_ICMPV6_CODE: return IPPROTO_ICMPV6;
        case FIELD_COMP_CPI: return IPPROTO_COMP;
        default: return IPPROTO_TCP;
        }
}

static struct match *field_rule(struct chain *c, enum match_kind kind, enum field f, bool negated)
{
        struct rule *r = chain_add_rule(c, VERDICT_ACCEPT, NULL);
        struct match *m = rule_add_match(r, MATCH_EQUAL, FIELD_L4PROTO);

        m->value[0] = protocol_of(f);
        m = rule_add_match(r, kind, f);
        m->negated = negated;
        return m;
}

/* Every field, compared in every way, is loaded and read back as it was. */
static void test_every_field(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *r = ruleset_new(), *have = NULL;
        _cleanup_free_ char *text = NULL, *diff = NULL;
        struct chain *c = table_add_chain(&r->tables[0], "fields", NULL, 0, 0, false);

        for (int i = 0; i < FIELD_MAX; i++) {
                enum field field = (enum field)i;
                bool name = streq(field_type(field)->datatype_name, "ifname") || field == FIELD_CT_HELPER;

                for (int negated = 0; negated < 2; negated++) {
                        struct match *m = field_rule(c, MATCH_EQUAL, field, negated);

                        if (name) {
                                memcpy(m->value, "eth0", 4);
                                continue;
                        }
                        m->value[0] = 1;
                        if (field == FIELD_CT_LABEL)
                                continue;
                        m = field_rule(c, MATCH_RANGE, field, negated);
                        field_put_number(field, 1, m->value);
                        field_put_number(field, 3, m->mask);
                        m = field_rule(c, MATCH_BITS, field, negated);
                        m->value[0] = 1;
                        m->mask[0] = 3;
                }
        }
        load(f, r);
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_text(have);
        assert_null(strstr(text, "unknown"));
        diff = sample_diff(have, r);
        assert_string_equal(diff, "");
        ruleset_free(have);
        ruleset_free(r);
        /* Nothing that nft cannot show. */
        free(nft("-nn", "list ruleset"));
}

/* What a rule gives a connection comes with the rule and goes with it; a stranger's is seen, and goes with the next load. */
static void test_helpers_come_and_go(void **state)
{
        struct fixture *f = fixture(state);
        struct ruleset *r = ruleset_new(), *have = NULL;
        struct chain *c = table_add_chain(&r->tables[0], "gives", NULL, 0, 0, false);
        _cleanup_free_ char *text = NULL, *list = NULL;

        strcpy(rule_add_statement(chain_add_rule(c, VERDICT_CONTINUE, NULL), STATEMENT_HELPER)->name, "ftp-tcp-4");
        for (int i = 0; i < 2; i++) {
                load(f, f->wanted);
                assert_loaded(f, f->wanted);
                load(f, r);
                assert_loaded(f, r);
                load(f, r);
                assert_loaded(f, r);
        }
        free(nft("--", "add ct helper inet infra ftp-tcp-6 { type \"ftp\" protocol tcp; }"));
        assert_int_equal(firewall_read(f->firewall, &have, NULL), 0);
        text = sample_diff(have, r);
        assert_non_null(strstr(text, "object ftp-tcp-6"));
        ruleset_free(have);
        load(f, r);
        assert_loaded(f, r);
        load(f, f->wanted);
        list = nft("list", "ruleset");
        assert_null(strstr(list, "helper"));
        ruleset_free(r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_change_of_estate),
                cmocka_unit_test(test_round_trip_of_examples),
                cmocka_unit_test(test_text_of_what_is_loaded),
                cmocka_unit_test(test_unload),
                cmocka_unit_test(test_translations_come_and_go),
                cmocka_unit_test(test_fence),
                cmocka_unit_test(test_fence_stands_first_while_closed),
                cmocka_unit_test(test_bans_stand_first_while_there_are_any),
                cmocka_unit_test(test_fence_without_its_jumps),
                cmocka_unit_test(test_fence_outlives_load),
                cmocka_unit_test(test_fence_without_ruleset),
                cmocka_unit_test(test_change_by_hand),
                cmocka_unit_test(test_foreign_table),
                cmocka_unit_test(test_overlapping_openings),
                cmocka_unit_test(test_nearly_the_same_rule), cmocka_unit_test(test_change_of_table_by_hand),
                cmocka_unit_test(test_strangers_in_our_table),
                cmocka_unit_test(test_refused_load),
                cmocka_unit_test(test_nft_reads_our_text),
                cmocka_unit_test(test_bans),
                cmocka_unit_test(test_many_services), cmocka_unit_test(test_every_field), cmocka_unit_test(test_helpers_come_and_go),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, setup, teardown);
}
