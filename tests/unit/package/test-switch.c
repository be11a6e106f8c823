/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Release switch: golden cases (tests/golden/sources/CASE: `to`, `in/`, `out/`), and roots that try to make
 * us read or write outside of them. With INFRA_GOLDEN_UPDATE set, out/ is written instead of compared.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "estate/estate.h"
#include "package/package.h"
#include "package/sources.h"

enum { TEXT_MAX = 1 << 20, CASES_MIN = 12, SOUPS = 3000, SOUP_WORDS = 40 };

struct place {
        char directory[64];
        char root[80];
        char parts[128];
};

static void place_make(struct place *p)
{
        snprintf(p->directory, sizeof(p->directory), "/tmp/infra-switch.XXXXXX");
        assert_non_null(mkdtemp(p->directory));
        snprintf(p->root, sizeof(p->root), "%s/root", p->directory);
        snprintf(p->parts, sizeof(p->parts), "%s/etc/apt/sources.list.d", p->root);
        assert_int_equal(dir_make(AT_FDCWD, p->parts, 0755), 0);
}

static void place_done(struct place *p)
{
        assert_int_equal(tree_remove(AT_FDCWD, p->directory), 0);
}

static char *read_text(const char *format, ...)
{
        char path[512], *text = NULL;
        va_list ap;

        va_start(ap, format);
        vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        return file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0 ? NULL : text;
}

static void write_text(const char *text, const char *format, ...)
{
        char path[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void list_directory(const char *path, struct strlist *names)
{
        DIR *dir = opendir(path);

        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));)
                if (*e->d_name != '.')
                        assert_int_equal(strlist_add(names, e->d_name), 0);
        closedir(dir);
        strlist_sort(names);
}

static const char *where(const char *name)
{
        return streq(name, "sources.list") || startswith(name, "sources.list.before") ? "etc/apt" : "etc/apt/sources.list.d";
}

static int switch_to(const char *root, const struct package_sources *to)
{
        struct guest g = { .rootfs = root };
        _cleanup_error_ infra_error *error = NULL;
        int r = package_switch(&g, to, &error);

        if (r < 0)
                print_message("# %s\n", infra_error_message(error));
        return r;
}

/* Every file of the root against out/; originals against in/. */
static void compare(const char *directory, const struct place *p, const char *release)
{
        _cleanup_strlist_ struct strlist names = {};
        char out[400], path[512];

        snprintf(out, sizeof(out), "%s/out", directory);
        if (getenv("INFRA_GOLDEN_UPDATE"))
                mkdir(out, 0755);
        snprintf(path, sizeof(path), "%s/etc/apt", p->root);
        list_directory(path, &names);
        list_directory(p->parts, &names);
        for (size_t i = 0; i < names.n; i++) {
                const char *name = names.items[i];
                _cleanup_free_ char *now = NULL, *wanted = NULL, *before = NULL, *kept = NULL;

                if (streq(name, "sources.list.d") || strstr(name, ".before-"))
                        continue;
                now = read_text("%s/%s/%s", p->root, where(name), name);
                if (getenv("INFRA_GOLDEN_UPDATE"))
                        write_text(now, "%s/%s", out, name);
                wanted = read_text("%s/%s", out, name);
                before = read_text("%s/in/%s", directory, name);
                kept = read_text("%s/%s/%s.before-%s", p->root, where(name), name, release);
                assert_non_null(wanted);
                assert_string_equal(now, wanted);
                if (before && streq(before, now))
                        assert_null(kept);
                else if (before)
                        assert_string_equal(kept, before);
        }
}

static void one_case(const char *directory)
{
        _cleanup_strlist_ struct strlist names = {};
        _cleanup_free_ char *to = read_text("%s/to", directory);
        char release[32], mirror[128], security[128], in[400];
        struct package_sources sources = { .release = release, .mirror = mirror, .security_mirror = security };
        struct place p;

        print_message("# %s\n", directory);
        assert_non_null(to);
        assert_int_equal(sscanf(to, "%31s %127s %127s", release, mirror, security), 3);
        if (streq(security, "-"))
                *security = '\0';
        place_make(&p);
        snprintf(in, sizeof(in), "%s/in", directory);
        list_directory(in, &names);
        for (size_t i = 0; i < names.n; i++) {
                _cleanup_free_ char *text = read_text("%s/%s", in, names.items[i]);

                write_text(text, "%s/%s/%s", p.root, where(names.items[i]), names.items[i]);
        }
        /* The second time changes nothing, and keeps the first originals. */
        assert_int_equal(switch_to(p.root, &sources), 0);
        compare(directory, &p, release);
        assert_int_equal(switch_to(p.root, &sources), 0);
        compare(directory, &p, release);
        place_done(&p);
}

static void test_golden(void **state UNUSED)
{
        _cleanup_strlist_ struct strlist names = {};
        char cases[300], directory[360];

        assert_non_null(getenv("INFRA_SOURCE"));
        snprintf(cases, sizeof(cases), "%s/tests/golden/sources", getenv("INFRA_SOURCE"));
        list_directory(cases, &names);
        assert_true(names.n >= CASES_MIN);
        for (size_t i = 0; i < names.n; i++) {
                snprintf(directory, sizeof(directory), "%s/%s", cases, names.items[i]);
                one_case(directory);
        }
}

static const struct package_sources trixie = {
        .release = "trixie",
        .mirror = "http://deb.debian.org/debian",
        .security_mirror = "http://deb.debian.org/debian-security",
};

static const char line[] = "deb http://deb.debian.org/debian bookworm main\n";

/* Links that point out of the root end inside it: what lies outside is neither read nor changed. */
static void test_links(void **state UNUSED)
{
        _cleanup_free_ char *outside = NULL, *list = NULL;
        char path[256], target[256];
        struct stat st;
        struct place p;

        place_make(&p);
        write_text(line, "%s/secret.list", p.directory);
        write_text(line, "%s/etc/apt/sources.list", p.root);
        snprintf(path, sizeof(path), "%s/up.list", p.parts);
        assert_int_equal(symlink("../../../../secret.list", path), 0);
        snprintf(path, sizeof(path), "%s/absolute.list", p.parts);
        snprintf(target, sizeof(target), "%s/secret.list", p.directory);
        assert_int_equal(symlink(target, path), 0);
        assert_int_equal(switch_to(p.root, &trixie), 0);
        outside = read_text("%s/secret.list", p.directory);
        assert_string_equal(outside, line);
        list = read_text("%s/etc/apt/sources.list", p.root);
        assert_non_null(strstr(list, " trixie main"));
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        place_done(&p);
}

/* A directory link that leads out: the place of the same name inside is meant, and there is none. */
static void test_directory_link(void **state UNUSED)
{
        _cleanup_free_ char *outside = NULL;
        char path[256], target[256];
        struct place p;

        place_make(&p);
        snprintf(target, sizeof(target), "%s/elsewhere", p.directory);
        assert_int_equal(mkdir(target, 0755), 0);
        write_text(line, "%s/sources.list", target);
        snprintf(path, sizeof(path), "%s/etc/apt", p.root);
        assert_int_equal(tree_remove(AT_FDCWD, path), 0);
        assert_int_equal(symlink(target, path), 0);
        assert_int_equal(switch_to(p.root, &trixie), -ENOENT);
        outside = read_text("%s/sources.list", target);
        assert_string_equal(outside, line);
        place_done(&p);
}

/* A link inside of the root is followed for reading; what comes instead is a file, the link's target stays. */
static void test_link_inside(void **state UNUSED)
{
        _cleanup_free_ char *target = NULL, *list = NULL;
        char path[256];
        struct stat st;
        struct place p;

        place_make(&p);
        write_text(line, "%s/etc/shared", p.root);
        snprintf(path, sizeof(path), "%s/etc/apt/sources.list", p.root);
        assert_int_equal(symlink("/etc/shared", path), 0);
        assert_int_equal(switch_to(p.root, &trixie), 0);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        list = read_text("%s", path);
        assert_string_equal(list, "deb http://deb.debian.org/debian trixie main\n");
        target = read_text("%s/etc/shared", p.root);
        assert_string_equal(target, line);
        place_done(&p);
}

/* A fifo must not hold us, and a file left by a killed run must not be written through. */
static void test_odd_files(void **state UNUSED)
{
        _cleanup_free_ char *victim = NULL, *list = NULL;
        char path[256], target[256];
        struct place p;

        place_make(&p);
        write_text(line, "%s/etc/apt/sources.list", p.root);
        write_text("precious", "%s/victim", p.directory);
        snprintf(target, sizeof(target), "%s/victim", p.directory);
        snprintf(path, sizeof(path), "%s/etc/apt/.sources.list.infra-new", p.root);
        assert_int_equal(link(target, path), 0);
        assert_int_equal(switch_to(p.root, &trixie), 0);
        victim = read_text("%s", target);
        assert_string_equal(victim, "precious");
        snprintf(path, sizeof(path), "%s/odd.list", p.parts);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(switch_to(p.root, &trixie), -EINVAL);
        place_done(&p);
}

/* The owner of an unprivileged guest's file has a shifted id, which must stay. */
static void test_owner(void **state UNUSED)
{
        char path[256], kept[300];
        struct stat st;
        struct place p;

        if (geteuid() != 0)
                skip();
        place_make(&p);
        write_text(line, "%s/etc/apt/sources.list", p.root);
        snprintf(path, sizeof(path), "%s/etc/apt/sources.list", p.root);
        snprintf(kept, sizeof(kept), "%s.before-trixie", path);
        assert_int_equal(chown(path, 100000, 100007), 0);
        assert_int_equal(chmod(path, 0640), 0);
        assert_int_equal(switch_to(p.root, &trixie), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 100000);
        assert_int_equal(st.st_gid, 100007);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(stat(kept, &st), 0);
        assert_int_equal(st.st_uid, 100000);
        place_done(&p);
}

/* A killed run: one file switched, its original kept, the other file not yet. */
static void test_resume(void **state UNUSED)
{
        _cleanup_free_ char *kept = NULL, *other = NULL;
        struct place p;

        place_make(&p);
        write_text("the first original\n", "%s/etc/apt/sources.list.before-trixie", p.root);
        write_text("deb http://deb.debian.org/debian trixie main\n", "%s/etc/apt/sources.list", p.root);
        write_text("deb http://packages.example.org/ ./\n", "%s/other.list", p.parts);
        assert_int_equal(switch_to(p.root, &trixie), 0);
        kept = read_text("%s/etc/apt/sources.list.before-trixie", p.root);
        assert_string_equal(kept, "the first original\n");
        other = read_text("%s/other.list", p.parts);
        assert_true(startswith(other, SOURCES_NOTE));
        place_done(&p);
}

static void test_refusals(void **state UNUSED)
{
        struct package_sources to = trixie;
        struct place p;

        place_make(&p);
        to.release = "sarge";
        assert_int_equal(switch_to(p.root, &to), -EINVAL);
        assert_int_equal(switch_to("/nonexistent", &trixie), -ENOENT);
        place_done(&p);
}

/* Words removed in any combination leave a stanza that still says the same about the rest. */
static void test_word_removal(void **state UNUSED)
{
        static const struct {
                const char *before, *after;
        } cases[] = {
                { "Suites: sid bookworm\n", "Suites: trixie\n" },
                { "Suites: bookworm sid\n", "Suites: trixie\n" },
                { "Suites: bookworm sid testing\n", "Suites: trixie \n" },
                { "Suites: sid testing bookworm\n", "Suites: trixie\n" },
                { "Suites:\n sid\n bookworm\n", "Suites:\n trixie\n" },
                { "Suites: sid\n bookworm\n", "Suites:\n trixie\n" },
                { "Suites: bookworm\n# why\n sid\n", "Suites: trixie\n# why\n" },
                { "Suites:\n# why\n sid bookworm\n", "Suites:\n# why\n trixie\n" },
                { "Suites: bookworm sid", "Suites: trixie" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *text = path_join("Types: deb\nURIs: http://deb.debian.org/debian\n%s", cases[i].before);
                _cleanup_free_ char *after = NULL, *again = NULL;
                bool debian = false;

                assert_int_equal(sources_rewrite_stanzas(text, &trixie, &after, &debian), 0);
                assert_true(debian);
                assert_non_null(strstr(after, "Suites"));
                assert_string_equal(strstr(after, "Suites:"), cases[i].after);
                assert_int_equal(sources_rewrite_stanzas(after, &trixie, &again, &debian), 0);
                assert_string_equal(again, after);
        }
}

/* Random words, blanks, comments and fields: the result of a result is itself, whatever the text was. */
static void test_word_soup(void **state UNUSED)
{
        static const char *const words[] = {
                "Types:", "URIs:", "Suites:", "Components:", "Enabled:", "deb", "deb-src", "bookworm", "sid", "stable",
                "bookworm-security", "buster/updates", "http://deb.debian.org/debian", "http://security.debian.org/",
                "http://x.example.org", "main", "non-free", "no", "[", "]", "#", " ", " ", " ", "\t", "\n", "\n", "\n ", "\n#", "\n\n",
                "\nSuites: ", "\nURIs: http://deb.debian.org/debian", "\ndeb http://deb.debian.org/debian ",
        };
        uint32_t random = 616;

        for (int i = 0; i < SOUPS; i++) {
                _cleanup_str_ struct str s = {};
                bool debian;

                for (int n = 0; n < SOUP_WORDS; n++) {
                        random = random * 1664525 + 1013904223;
                        str_add(&s, "%s", words[(random >> 8) % ELEMENTS(words)]);
                }
                for (int lines = 0; lines < 2; lines++) {
                        int (*rewrite)(const char *, const struct package_sources *, char **, bool *) =
                                lines ? sources_rewrite_lines : sources_rewrite_stanzas;
                        _cleanup_free_ char *once = NULL, *twice = NULL;

                        assert_int_equal(rewrite(s.text, &trixie, &once, &debian), 0);
                        assert_int_equal(rewrite(once, &trixie, &twice, &debian), 0);
                        if (!streq(once, twice))
                                print_message("# from: <<%s>>\n", s.text);
                        assert_string_equal(once, twice);
                }
        }
}

/* What is not Debian's own stays, moves or follows the release where a rule says so, over one hop and the next. */
static void third_party_sources_follow_their_rules(void **state)
{
        static const struct source_rule rules[] = {
                { .uri = (char *)"http://kept.example.org/apt" },
                { .uri = (char *)"http://old.example.org/debian/", .to = (char *)"http://new.example.org/debian", .suite = (char *)"release" },
        };
        static const char lines[] = "deb http://kept.example.org/apt ./\n"
                                    "deb [signed-by=/k.gpg] http://old.example.org/debian bullseye main # ours\n"
                                    "deb http://other.example.org/x stable main\n";
        static const char stanzas[] = "Types: deb\nURIs: http://old.example.org/debian\nSuites: bullseye\nComponents: main\nSigned-By: /k.gpg\n\n"
                                      "Types: deb\nURIs: http://kept.example.org/apt\nSuites: ./\n";
        struct package_sources to = { .release = "bookworm", .mirror = "http://deb.debian.org/debian", .rules = rules, .n_rules = 2 };
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;
        bool debian;

        (void)state;
        assert_int_equal(sources_rewrite_lines(lines, &to, &first, &debian), 0);
        assert_non_null(strstr(first, "deb http://kept.example.org/apt ./\n"));
        assert_non_null(strstr(first, "deb [signed-by=/k.gpg] http://new.example.org/debian bookworm main # ours\n"));
        assert_non_null(strstr(first, "# deb http://other.example.org/x stable main"));
        to.release = "trixie";
        assert_int_equal(sources_rewrite_lines(first, &to, &second, &debian), 0);
        assert_non_null(strstr(second, "deb [signed-by=/k.gpg] http://new.example.org/debian trixie main # ours\n"));
        assert_int_equal(sources_rewrite_stanzas(stanzas, &to, &third, &debian), 0);
        assert_string_equal(third, "Types: deb\nURIs: http://new.example.org/debian\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n\n"
                                   "Types: deb\nURIs: http://kept.example.org/apt\nSuites: ./\n");
        assert_int_equal(sources_rewrite_stanzas(third, &to, &fourth, &debian), 0);
        assert_string_equal(fourth, third);
        assert_false(debian);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(third_party_sources_follow_their_rules),
                cmocka_unit_test(test_golden),       cmocka_unit_test(test_links),    cmocka_unit_test(test_directory_link),
                cmocka_unit_test(test_link_inside),  cmocka_unit_test(test_odd_files), cmocka_unit_test(test_owner),
                cmocka_unit_test(test_resume),       cmocka_unit_test(test_refusals), cmocka_unit_test(test_word_removal), cmocka_unit_test(test_word_soup),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
