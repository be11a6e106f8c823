/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Configurations of ferm: each construct by itself, mistakes with their exact place, and texts that are cut off or
 * garbled. Whole configurations are compared with ferm in tests/integration/test_ferm.py.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../testing.h"

#include "base/fd.h"
#include "firewall/import/legacy.h"

/* A directory of its own for each test, with the file "f" in it. */
struct place {
        char path[64];
        bool resolve;
        struct legacy legacy;
        infra_diags *diags;
        infra_error *error;
};

static void place_done(struct place *p)
{
        legacy_done(&p->legacy);
        infra_diags_free(p->diags);
        infra_error_free(p->error);
        tree_remove(AT_FDCWD, p->path);
}
#define _cleanup_place_ CLEANUP(place_done)

static void place_init(struct place *p)
{
        *p = (struct place){ .path = "/tmp/infra-ferm.XXXXXX", .diags = infra_diags_new() };
        assert_non_null(mkdtemp(p->path));
        assert_non_null(p->diags);
}

static void put(const struct place *p, const char *name, const char *text, size_t n)
{
        _cleanup_free_ char *path = path_join("%s/%s", p->path, name);

        assert_int_equal(file_replace(AT_FDCWD, path, text, n, 0644), 0);
}

static int read_file(struct place *p)
{
        _cleanup_free_ char *path = path_join("%s/f", p->path);

        return legacy_read_ferm(&p->legacy, path, p->resolve, p->diags, &p->error);
}

/* The rules as lines "FAMILY TABLE CHAIN: words". */
static char *rules(const struct legacy *l)
{
        struct str s = {};

        for (size_t i = 0; i < l->n_tables; i++)
                for (size_t j = 0; j < l->tables[i].n_chains; j++)
                        for (size_t k = 0; k < l->tables[i].chains[j].n_rules; k++) {
                                const struct strlist *words = &l->tables[i].chains[j].rules[k].words;

                                str_add(&s, "%s %s %s:", l->tables[i].family == AF_INET6 ? "ip6" : "ip", l->tables[i].name,
                                        l->tables[i].chains[j].name);
                                for (size_t n = 0; n < words->n; n++)
                                        str_add(&s, " %s", words->items[n]);
                                str_add(&s, "\n");
                        }
        return str_take(&s);
}

static void assert_rules(const char *text, const char *expected)
{
        _cleanup_place_ struct place p;
        _cleanup_free_ char *got = NULL;
        int r;

        place_init(&p);
        put(&p, "f", text, strlen(text));
        r = read_file(&p);
        if (r < 0)
                infra_diags_print(p.diags, stderr);
        assert_int_equal(r, 0);
        assert_int_equal(p.diags->n, 0);
        got = rules(&p.legacy);
        assert_string_equal(got, expected);
}

struct mistake {
        const char *text;
        unsigned line, column, length;
        const char *message; /* a part of it */
};

static void assert_mistake(const struct mistake *m)
{
        _cleanup_place_ struct place p;

        place_init(&p);
        put(&p, "f", m->text, strlen(m->text));
        assert_int_equal(read_file(&p), -EBADMSG);
        if (p.diags->n != 1 || !strstr(p.diags->items[0].message, m->message) || p.diags->items[0].line != m->line ||
            p.diags->items[0].column != m->column || p.diags->items[0].length != m->length) {
                infra_diags_print(p.diags, stderr);
                fail_msg("expected only %u:%u:%u \"%s\" for: %s", m->line, m->column, m->length, m->message, m->text);
        }
        assert_true(endswith(p.diags->items[0].file, "/f"));
        assert_non_null(p.diags->items[0].text);
}

static void test_rule(void **state)
{
        (void)state;
        assert_rules("chain INPUT proto tcp dport 22 saddr ! 10.0.0.1 ACCEPT;",
                     "ip filter INPUT: --protocol tcp --dport 22 ! --source 10.0.0.1 --jump ACCEPT\n");
        assert_rules("table nat chain POSTROUTING outerface eth0 SNAT to 198.51.100.1;",
                     "ip nat POSTROUTING: --out-interface eth0 --jump SNAT --to-source 198.51.100.1\n");
        assert_rules("domain ip6 chain INPUT proto icmp icmp-type 1 REJECT reject-with icmp-host-unreachable;",
                     "ip6 filter INPUT: --protocol icmpv6 --icmpv6-type 1 --jump REJECT --reject-with icmp6-addr-unreachable\n");
        assert_rules("chain INPUT LOG log-prefix 'a \"b\" ';", "ip filter INPUT: --jump LOG --log-prefix a \"b\" \n");
        assert_rules("chain INPUT { proto tcp ! syn DROP; mod state state ! (NEW INVALID) NOP; }",
                     "ip filter INPUT: --protocol tcp ! --syn --jump DROP\n"
                     "ip filter INPUT: --match state ! --state NEW,INVALID\n");
}

static void test_empty(void **state)
{
        (void)state;
        assert_rules("", "");
        assert_rules("# only a comment", "");
        assert_rules("\xef\xbb\xbf" "chain INPUT \\\r\n  ACCEPT;\r\n", "ip filter INPUT: --jump ACCEPT\n");
        assert_rules("chain INPUT saddr () ACCEPT;", "");
        assert_rules("domain (ip ip6) table nat chain PREROUTING daddr (10.0.0.1) DNAT to @ipfilter(10.0.0.2);",
                     "ip nat PREROUTING: --destination 10.0.0.1 --jump DNAT --to-destination 10.0.0.2\n");
}

static void test_lists(void **state)
{
        (void)state;
        assert_rules("chain (B A) saddr (1.1.1.1 (2.2.2.2)) proto (tcp udp) ACCEPT;",
                     "ip filter A: --source 1.1.1.1 --protocol tcp --jump ACCEPT\n"
                     "ip filter A: --source 1.1.1.1 --protocol udp --jump ACCEPT\n"
                     "ip filter A: --source 2.2.2.2 --protocol tcp --jump ACCEPT\n"
                     "ip filter A: --source 2.2.2.2 --protocol udp --jump ACCEPT\n"
                     "ip filter B: --source 1.1.1.1 --protocol tcp --jump ACCEPT\n"
                     "ip filter B: --source 1.1.1.1 --protocol udp --jump ACCEPT\n"
                     "ip filter B: --source 2.2.2.2 --protocol tcp --jump ACCEPT\n"
                     "ip filter B: --source 2.2.2.2 --protocol udp --jump ACCEPT\n");
        assert_rules("domain (ip ip6) chain INPUT saddr (10.0.0.1 2001:db8::1) ACCEPT;",
                     "ip filter INPUT: --source 10.0.0.1 --jump ACCEPT\n"
                     "ip6 filter INPUT: --source 2001:db8::1 --jump ACCEPT\n");
        assert_rules("chain INPUT proto tcp dports (1 2 3 4 5 6 7 8 9 10 11 12 13 14 15:16) ACCEPT;",
                     "ip filter INPUT: --protocol tcp --match multiport "
                     "--destination-ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14 --jump ACCEPT\n"
                     "ip filter INPUT: --protocol tcp --match multiport --destination-ports 15:16 --jump ACCEPT\n");
}

static void test_definitions(void **state)
{
        (void)state;
        assert_rules("@def $a = (x y); @def &f($i, $t) = { interface $i LOG log-prefix \"$t-$a-\"; }\n"
                     "{ @def $a = inner; chain INPUT &f(($a z), text); }",
                     "ip filter INPUT: --in-interface inner --jump LOG --log-prefix text-inner-\n"
                     "ip filter INPUT: --in-interface z --jump LOG --log-prefix text-inner-\n");
        assert_rules("@def &p($i) = interface $i; chain FORWARD &p(eth0) ACCEPT;", "ip filter FORWARD: --in-interface eth0 --jump ACCEPT\n");
        assert_rules("chain INPUT interface \"$CHAIN$LINE${x}\" ACCEPT;", "ip filter INPUT: --in-interface INPUT1${x} --jump ACCEPT\n");
        assert_rules("@def $n = ! 10.0.0.1; chain INPUT { saddr $n ACCEPT; interface @join(',', a, (b c)) DROP; }",
                     "ip filter INPUT: ! --source 10.0.0.1 --jump ACCEPT\n"
                     "ip filter INPUT: --in-interface a,b,c --jump DROP\n");
}

static void test_conditions(void **state)
{
        (void)state;
        assert_rules("@if 0 chain INPUT DROP; @else chain INPUT ACCEPT;", "ip filter INPUT: --jump ACCEPT\n");
        assert_rules("table filter chain INPUT { @if @eq($TABLE, filter) { ACCEPT; } @else { DROP; } @if @defined($x) DROP; }",
                     "ip filter INPUT: --jump ACCEPT\n");
}

static void test_subchains(void **state)
{
        (void)state;
        assert_rules("chain INPUT { proto tcp @subchain { dport 1 ACCEPT; DROP; } saddr 1.1.1.1 @gotosubchain \"x\" { RETURN; } }",
                     "ip filter INPUT: --protocol tcp --jump ferm_auto_1\n"
                     "ip filter INPUT: --source 1.1.1.1 --goto x\n"
                     "ip filter ferm_auto_1: --protocol tcp --dport 1 --jump ACCEPT\n"
                     "ip filter ferm_auto_1: --jump DROP\n"
                     "ip filter x: --jump RETURN\n");
}

static void test_chains(void **state)
{
        static const char text[] = "chain FORWARD policy DROP; chain own; chain INPUT jump own;";
        _cleanup_place_ struct place p;
        const struct legacy_table *t;

        (void)state;
        place_init(&p);
        put(&p, "f", text, strlen(text));
        assert_int_equal(read_file(&p), 0);
        assert_int_equal(p.legacy.n_tables, 1);
        t = &p.legacy.tables[0];
        assert_int_equal(t->n_chains, 3);
        assert_string_equal(t->chains[0].name, "FORWARD");
        assert_string_equal(t->chains[0].policy, "DROP");
        assert_string_equal(t->chains[1].policy, "ACCEPT");
        assert_string_equal(t->chains[2].name, "own");
        assert_null(t->chains[2].policy);
        assert_int_equal(t->chains[1].rules[0].span.line, 1);
        assert_int_equal(t->chains[1].rules[0].span.column, 51);
        assert_int_equal(t->chains[1].rules[0].span.length, 4);
}

/* The rule stands where its target stands, also in another file. */
static void test_include(void **state)
{
        static const char text[] = "chain INPUT {\n  proto tcp @include 'd/';\n}\n";
        static const char a[] = "\n\ndport 1\n  ACCEPT;\n", b[] = "dport 2 DROP;";
        _cleanup_place_ struct place p;
        _cleanup_free_ char *got = NULL, *directory = NULL;
        const struct legacy_rule *r;

        (void)state;
        place_init(&p);
        directory = path_join("%s/d", p.path);
        assert_int_equal(dir_make(AT_FDCWD, directory, 0755), 0);
        put(&p, "f", text, strlen(text));
        put(&p, "d/b", b, strlen(b));
        put(&p, "d/a", a, strlen(a));
        put(&p, "d/a~", "bad", 3);
        put(&p, "d/a.dpkg-old", "bad", 3);
        assert_int_equal(read_file(&p), -EBADMSG);
        /* The rule goes on behind @include, and so "}" finds it unfinished: ferm sees it the same way. */
        assert_int_equal(p.diags->n, 1);
        assert_non_null(strstr(p.diags->items[0].message, "';' is missing before '}'"));
        got = rules(&p.legacy);
        assert_string_equal(got, "ip filter INPUT: --protocol tcp --dport 1 --jump ACCEPT\n"
                                 "ip filter INPUT: --protocol tcp --dport 2 --jump DROP\n");
        r = &p.legacy.tables[0].chains[0].rules[0];
        assert_true(endswith(r->span.file, "/d/a"));
        assert_int_equal(r->span.line, 4);
        assert_int_equal(r->span.column, 3);
}

static void test_include_circle(void **state)
{
        _cleanup_place_ struct place p;

        (void)state;
        place_init(&p);
        put(&p, "f", "@include 'g';", 13);
        put(&p, "g", "@include 'f';", 13);
        assert_int_equal(read_file(&p), -EBADMSG);
        assert_int_equal(p.diags->n, 1);
        assert_true(endswith(p.diags->items[0].file, "/g"));
        assert_int_equal(p.diags->items[0].column, 10);
        assert_non_null(strstr(p.diags->items[0].message, "includes itself"));
}

static void test_mistakes(void **state)
{
        static const struct mistake mistakes[] = {
                { "chain INPUT {\n\tprot tcp ACCEPT;\n}", 2, 2, 4, "unknown keyword 'prot'" },
                { "chain INPUT ctstate NEW ACCEPT;", 1, 13, 7, "unknown keyword 'ctstate'" },
                { "chain own ACCEPT; chain INPUT own;", 1, 31, 3, "unknown keyword 'own'" },
                { "chain INPUT interface $nope ACCEPT;", 1, 24, 4, "there is no variable '$nope'" },
                { "chain INPUT interface $TABLE ACCEPT;", 1, 24, 5, "there is no variable '$TABLE'" },
                { "chain INPUT &nope();", 1, 14, 4, "there is no function '&nope'" },
                { "@def &f($a) = ACCEPT; chain INPUT &f();", 1, 36, 1, "takes 1 parameters, 0 are given" },
                { "@def &f() = { ACCEPT; } chain INPUT &f() }", 1, 42, 1, "';' expected" },
                { "@def $a = x y; chain INPUT ACCEPT;", 1, 13, 1, "';' expected" },
                { "@def x = y;", 1, 6, 1, "expected" },
                { "chain INPUT proto tcp;", 1, 22, 1, "no action" },
                { "chain INPUT { ACCEPT }", 1, 22, 1, "';' is missing before '}'" },
                { ";", 1, 1, 1, "no rule before ';'" },
                { "proto tcp ACCEPT;", 1, 1, 5, "must be in a chain" },
                { "chain INPUT { ACCEPT;", 1, 21, 1, "'}' is missing" },
                { "chain INPUT ACCEPT", 1, 13, 6, "';' is missing" },
                { "chain INPUT ACCEPT; }", 1, 21, 1, "closes nothing" },
                { "chain INPUT ACCEPT DROP;", 1, 20, 4, "only one action" },
                { "chain INPUT dport 22 ACCEPT;", 1, 13, 5, "need \"proto tcp\"" },
                { "chain INPUT TCPMSS set-mss 5;", 1, 13, 6, "needs \"proto tcp\"" },
                { "chain INPUT ! ACCEPT;", 1, 15, 6, "cannot be negated" },
                { "chain INPUT proto ! (tcp udp) ACCEPT;", 1, 29, 1, "a list cannot be negated" },
                { "chain INPUT saddr (1.1.1.1, 2.2.2.2) ACCEPT;", 1, 27, 1, "not by commas" },
                { "chain INPUT saddr 1.1.1.1 policy DROP;", 1, 27, 6, "a policy has no matches" },
                { "chain INPUT policy REJECT;", 1, 20, 6, "cannot be a policy" },
                { "chain input ACCEPT;", 1, 7, 5, "upper case" },
                { "chain abcdefghijklmnopqrstuvwxyz1234 ACCEPT;", 1, 7, 30, "longer than 29" },
                { "domain arp chain INPUT ACCEPT;", 1, 8, 3, "domain 'arp' is outside" },
                { "domain (ip eb) chain INPUT ACCEPT;", 1, 12, 2, "domain 'eb' is outside" },
                { "domain ipx chain INPUT ACCEPT;", 1, 8, 3, "no domain 'ipx'" },
                { "domain ip domain ip6 chain INPUT ACCEPT;", 1, 11, 6, "already" },
                { "chain INPUT saddr `cat hosts` ACCEPT;", 1, 19, 11, "ferm would run the command `cat hosts`" },
                { "@hook post \"reload\";", 1, 1, 5, "ferm would run the command 'reload' (post)" },
                { "@hook later x;", 1, 7, 5, "no time for a hook" },
                { "@include 'list|';", 1, 10, 7, "ferm would run the command 'list'" },
                { "@include 'none';", 1, 10, 6, "there is no file" },
                { "@include @glob('/dev/nul[l]');", 1, 10, 5, "there is no file" },
                { "@include '/tmp';", 1, 10, 6, "is a directory" },
                { "chain INPUT saddr @resolve(a.example.org) ACCEPT;", 1, 19, 8, "ferm would look up 'a.example.org'" },
                { "chain INPUT interface @resolve(10.0.0.1) ACCEPT;", 1, 23, 8, "cannot be the value of 'in-interface'" },
                { "chain INPUT interface @foo(a) ACCEPT;", 1, 23, 4, "no function @foo" },
                { "chain INPUT interface @eq(a) ACCEPT;", 1, 23, 3, "does not take 1 parameters" },
                { "chain INPUT interface @substr(abc, 5, 1) ACCEPT;", 1, 23, 7, "outside of the text" },
                { "chain INPUT LOG log-prefix \"open ACCEPT;\nchain INPUT ACCEPT;", 1, 28, 1, "quote without an end" },
                { "chain INPUT interface eth* ACCEPT;", 1, 26, 1, "character '*'" },
                { "chain INPUT @subchain { ACCEPT; }", 1, 13, 9, "no rule before '@subchain'" },
                { "chain INPUT @preserve;", 1, 13, 9, "@preserve keeps the rules" },
                { "chain INPUT mod cgroup cgroup 1:xyz ACCEPT;", 1, 31, 5, "class identifier" },
                { "chain INPUT $a;", 1, 13, 1, "cannot be a keyword" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(mistakes); i++)
                assert_mistake(&mistakes[i]);
}

/* All of them at once, and what is right is there nevertheless. */
static void test_several_mistakes(void **state)
{
        static const char text[] = "@def $broken = @nothing();\n"
                                   "domain (ip ip6) chain INPUT {\n"
                                   "  proto tcp { bad; dport 22 ACCEPT; }\n"
                                   "  interface $broken ACCEPT;\n"
                                   "  saddr DROP ACCEPT DROP;\n"
                                   "}\n"
                                   "chain FORWARD wrong { ACCEPT; { DROP; } } chain FORWARD DROP;\n";
        _cleanup_place_ struct place p;
        _cleanup_free_ char *got = NULL;

        (void)state;
        place_init(&p);
        put(&p, "f", text, strlen(text));
        assert_int_equal(read_file(&p), -EBADMSG);
        assert_int_equal(p.diags->n, 4);
        assert_int_equal(p.diags->items[0].line, 1);
        assert_int_equal(p.diags->items[1].line, 3);
        assert_int_equal(p.diags->items[2].line, 5);
        assert_int_equal(p.diags->items[3].line, 7);
        got = rules(&p.legacy);
        assert_string_equal(got, "ip filter FORWARD: --jump DROP\n"
                                 "ip filter INPUT: --protocol tcp --dport 22 --jump ACCEPT\n"
                                 "ip6 filter INPUT: --protocol tcp --dport 22 --jump ACCEPT\n");
}

static void assert_limit(const char *text, const char *message)
{
        _cleanup_place_ struct place p;

        place_init(&p);
        put(&p, "f", text, strlen(text));
        assert_int_equal(read_file(&p), -EBADMSG);
        assert_true(p.diags->n >= 1);
        if (!strstr(p.diags->items[p.diags->n - 1].message, message))
                fail_msg("expected \"%s\", not \"%s\"", message, p.diags->items[p.diags->n - 1].message);
}

static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
        struct str s = {};

        str_add(&s, "%s", before);
        for (size_t i = 0; i < n; i++)
                str_add(&s, "%s", unit);
        str_add(&s, "%s", after);
        return str_take(&s);
}

static void test_limits(void **state)
{
        _cleanup_free_ char *blocks = repeat("", "{", 5000, ""), *lists = repeat("chain INPUT saddr ", "(", 5000, ""),
                            *calls = repeat("chain INPUT interface ", "@cat(", 5000, ""), *mistakes = repeat("", "bad;\n", 500, ""),
                            *rows = repeat("chain INPUT ", "saddr (1 2 3 4 5 6 7 8 9 10) ", 8, "ACCEPT;"),
                            *text = repeat("@def $a = 0123456789;", "@def $a = \"$a$a\";", 40, ""),
                            *replays = repeat("@def $a = (0 1 2 3 4 5 6 7);", "chain $a ", 12, "policy DROP;"),
                            *list = repeat("@def $a = (0 1 2);", "@def $a = ($a $a);", 40, "");

        (void)state;
        assert_limit(blocks, "nested more than");
        assert_limit(lists, "nested more than");
        assert_limit(calls, "nested more than");
        assert_limit(mistakes, "mistakes so far");
        assert_limit(rows, "more than 262144 rules");
        assert_limit(text, "longer than");
        assert_limit(list, "longer than");
        assert_limit("@def &f() = &f(); chain INPUT &f();", "does '&f' call itself?");
        assert_limit("@def &f() = { &f(); } chain INPUT &f();", "nested more than");
        assert_limit(replays, "MB of memory");
        /* Empty lists make no rules, however many combinations there would be. */
        assert_rules("@def $a = (1 2 3 4 5 6 7 8 9); @def $a = ($a $a $a $a $a $a $a $a $a); @def $a = ($a $a $a $a $a $a $a);\n"
                     "chain INPUT saddr $a daddr $a interface $a outerface $a proto () ACCEPT;", "");
}

static const char everything[] =
        "@def $A = (10.0.0.1 2001:db8::1 'q s'); @def &F($p, $q) = { proto $p dport $q LOG log-prefix \"$q x\"; }\n"
        "@include 'g';\ndomain (ip ip6) table (filter mangle) chain (INPUT own) { policy ACCEPT; @if @eq($DOMAIN, ip) saddr ! 1.2.3.4 DROP;\n"
        "@else { saddr @ipfilter(($A @cat(a, \"b$A\"))) ACCEPT; } &F((tcp udp), 5);\n"
        "proto tcp tcp-flags ! (SYN ACK) SYN @subchain \"s\" { syn RETURN; }\n"
        "mod multiport proto udp sports (1 2:3) MARK set-mark 0x1/0xff; mod set set s (src dst) NOP; mod u32 u32 ('a' \"b\") goto own;\n"
        "interface @substr(abcdef, -3, 2) @gotosubchain { mod cgroup cgroup 1:2 TRACE; } # comment\n}\n@hook pre `x`;\n";

/* Only that nothing breaks: the sanitizers look. */
static void read_anything(const char *text, size_t n)
{
        _cleanup_place_ struct place p;
        int r;

        place_init(&p);
        put(&p, "f", text, n);
        put(&p, "g", "@def $z = 1;", 12);
        r = read_file(&p);
        assert_true(r == 0 || (r == -EBADMSG && p.diags->n > 0));
}

static void test_truncated(void **state)
{
        size_t step = test_rounds(1) > 1 ? 1 : 3;

        (void)state;
        for (size_t n = 0; n < sizeof(everything); n += step)
                read_anything(everything, n);
}

static void test_garbled(void **state)
{
        static const char noise[] = "{}();,!=&$@\"'`#%\n\0\xff 1a";
        unsigned long long random = 42;

        (void)state;
        for (unsigned round = 0; round < test_rounds(60); round++) {
                char text[sizeof(everything)];

                memcpy(text, everything, sizeof(text));
                for (unsigned i = 0; i < 1 + round % 8; i++) {
                        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
                        text[(random >> 33) % (sizeof(text) - 1)] = noise[(random >> 20) % (sizeof(noise) - 1)];
                }
                read_anything(text, sizeof(text) - 1);
        }
}

static void test_no_file(void **state)
{
        _cleanup_place_ struct place p;

        (void)state;
        place_init(&p);
        assert_int_equal(read_file(&p), -ENOENT);
        assert_int_equal(p.diags->n, 0);
        assert_non_null(strstr(infra_error_message(p.error), "cannot read"));
}

/* Literal addresses need no permission to look up; names of the other family are filtered. */
static void test_resolve(void **state)
{
        (void)state;
        assert_rules("chain INPUT saddr @resolve((192.0.2.1 192.0.2.2)) ACCEPT;",
                     "ip filter INPUT: --source 192.0.2.1 --jump ACCEPT\nip filter INPUT: --source 192.0.2.2 --jump ACCEPT\n");
        assert_rules("domain ip6 chain INPUT saddr @resolve(2001:db8::1, AAAA) ACCEPT;",
                     "ip6 filter INPUT: --source 2001:db8::1 --jump ACCEPT\n");
}

/* With permission; this name is on every machine, whether there is a DNS or not. */
static void test_resolve_name(void **state)
{
        static const char text[] = "domain (ip ip6) chain INPUT saddr @resolve(localhost) ACCEPT;";
        _cleanup_place_ struct place p;
        _cleanup_free_ char *got = NULL;

        (void)state;
        place_init(&p);
        p.resolve = true;
        put(&p, "f", text, strlen(text));
        assert_int_equal(read_file(&p), 0);
        got = rules(&p.legacy);
        assert_non_null(strstr(got, "ip filter INPUT: --source 127.0.0.1 --jump ACCEPT\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rule),         cmocka_unit_test(test_empty),
                cmocka_unit_test(test_lists),        cmocka_unit_test(test_definitions),
                cmocka_unit_test(test_conditions),   cmocka_unit_test(test_subchains),
                cmocka_unit_test(test_chains),       cmocka_unit_test(test_include),
                cmocka_unit_test(test_include_circle), cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_several_mistakes), cmocka_unit_test(test_limits),
                cmocka_unit_test(test_truncated),    cmocka_unit_test(test_garbled),
                cmocka_unit_test(test_no_file),      cmocka_unit_test(test_resolve),
                cmocka_unit_test(test_resolve_name),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
