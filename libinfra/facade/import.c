/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Old rules become a policy directory: read, translated, written, and the policy compiled and compared with the
 * translation before anything is put in its place. What was recognised and does not come out equal is written as rules.
 */

#include <infra/estate.h>
#include <infra/firewall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "firewall/analyse/compare.h"
#include "firewall/firewall.h"
#include "firewall/import/legacy.h"
#include "firewall/import/policy.h"

enum { FILE_MAX = 64 << 20, DIFFERENCES_MAX = 1 };
static const size_t memory_max = 512u << 20;

static int read_file(struct legacy *l, const struct infra_import *o, const char *path, infra_diags *diags, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;
        int r;

        if (streq(o->kind, "ferm"))
                return legacy_read_ferm(l, path, o->resolve, diags, reterr);
        r = file_read(AT_FDCWD, path, FILE_MAX, &text, NULL);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s: %s", path, strerror(-r));
        return legacy_read_save(l, path, text, 0, diags, reterr);
}

/* Every file, so that all mistakes are seen at once. */
static int read_all(struct legacy *l, const struct infra_import *o, infra_diags *diags, infra_error **reterr)
{
        bool bad = false;

        for (size_t i = 0; o->files[i]; i++) {
                int r = read_file(l, o, o->files[i], diags, reterr);

                if (r < 0 && r != -EBADMSG)
                        return r;
                bad = bad || r < 0;
        }
        return bad ? -EBADMSG : 0;
}

static int write_files(const char *directory, const struct policy_files *files, infra_error **reterr)
{
        _cleanup_free_ char *containers = path_join("%s/containers", directory);

        if (!containers)
                return infra_error_oom(reterr);
        if (mkdir(containers, 0755) < 0 && errno != EEXIST)
                return infra_error_set(reterr, -errno, "cannot make %s: %m", containers);
        for (size_t i = 0; i < files->n; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, files->items[i].name);
                int r = path ? file_replace(AT_FDCWD, path, files->items[i].text, strlen(files->items[i].text), 0644) : -ENOMEM;

                if (r < 0)
                        return infra_error_set(reterr, r, "cannot write %s: %s", path ? path : "it", strerror(-r));
        }
        return 0;
}

static void remove_files(const char *directory, const struct policy_files *files)
{
        _cleanup_free_ char *containers = path_join("%s/containers", directory);

        for (size_t i = 0; i < files->n; i++) {
                _cleanup_free_ char *path = path_join("%s/%s", directory, files->items[i].name);

                if (path)
                        unlink(path);
        }
        if (containers)
                rmdir(containers);
        rmdir(directory);
}

/* What the written policy makes of itself. A mistake in it is ours, not the person's. */
static int compile(const char *directory, const char *profiles, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        _cleanup_estate_ infra_estate *e = NULL;
        int r = diags ? infra_estate_load(directory, profiles, diags, &e, reterr) : infra_error_oom(reterr);

        if (r == -EBADMSG && diags->n > 0)
                return infra_error_set(reterr, -EPROTO, "the policy that was written is not read: %s:%u: %s", diags->items[0].file,
                                       diags->items[0].line, diags->items[0].message);
        return r < 0 ? r : firewall_compile(e, ret, reterr);
}

struct attempt {
        const struct infra_import *options;
        const struct legacy *legacy;
        size_t routed; /* matches that routing makes superfluous */
        char *directory; /* where it is written first */
        struct policy_files files;
        enum answer answer;
        struct comparison comparison;
};

static void attempt_undo(struct attempt *a)
{
        comparison_done(&a->comparison);
        a->comparison = (struct comparison){};
        policy_files_done(&a->files);
        a->files = (struct policy_files){};
}

/* The rules as they are, or as they are among what is known of the bridge. */
static int old_rules(struct attempt *a, bool only_rules, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_diags_ infra_diags *diags = infra_diags_new();
        const struct infra_import *o = a->options;
        struct address network = {};
        int r;

        if (address_parse(o->network ? o->network : "10.0.0.1/24", &network) < 0)
                return infra_error_set(reterr, -EINVAL, "'%s' is no address with a prefix", o->network);
        r = diags ? legacy_translate(a->legacy, false, ret, diags, reterr) : infra_error_oom(reterr);
        a->routed = r >= 0 && !only_rules ? import_assume_route(*ret, o->bridge ? o->bridge : "br0", &network) : 0;
        return r;
}

static int attempt(struct attempt *a, bool only_rules, infra_error **reterr)
{
        const struct infra_import *o = a->options;
        struct import_options options = { o->host, o->release, o->bridge, o->network, only_rules };
        struct ruleset *new = NULL, *old = NULL;
        int r = old_rules(a, only_rules, &old, reterr);

        if (r >= 0)
                r = import_policy(old, &options, &a->files, reterr);

        if (r >= 0)
                r = write_files(a->directory, &a->files, reterr);
        if (r >= 0)
                r = compile(a->directory, o->profiles, &new, reterr);
        if (r >= 0)
                r = ruleset_compare(old, new, DIFFERENCES_MAX, memory_max, &a->comparison, reterr);
        a->answer = a->comparison.answer;
        ruleset_free(old);
        ruleset_free(new);
        return r;
}

static int not_equal(const struct attempt *a, infra_error **reterr)
{
        const struct comparison *c = &a->comparison;

        if (a->answer == ANSWER_UNKNOWN)
                return infra_error_set(reterr, -EPROTO, "whether the policy is the same cannot be told: %s", c->reasons.n ? c->reasons.items[0] : "?");
        return infra_error_set(reterr, -EPROTO, "the policy that was written is not the same: %s: %s before, %s now",
                               c->n_differences ? c->differences[0].packets : "?", c->n_differences ? c->differences[0].a_says : "?",
                               c->n_differences ? c->differences[0].b_says : "?");
}

static int describe(const struct attempt *a, bool recognised, char **ret_json, infra_error **reterr)
{
        json_t *files = json_array(), *assumed = json_array();
        _cleanup_json_ json_t *j = NULL;

        for (size_t i = 0; i < a->files.n; i++)
                json_array_append_new(files, json_string(a->files.items[i].name));
        if (a->routed)
                json_array_append_new(assumed, json_sprintf("%s is reached by %s alone", a->options->network ? a->options->network : "10.0.0.1/24",
                                                            a->options->bridge ? a->options->bridge : "br0"));
        for (size_t i = 0; i < a->comparison.assumed.n; i++)
                json_array_append_new(assumed, json_string(a->comparison.assumed.items[i]));
        j = json_pack("{s:s,s:o,s:b,s:b,s:o}", "into", a->options->into, "files", files, "equal", 1, "recognised", (int)recognised, "assumed", assumed);
        *ret_json = j ? json_dumps(j, JSON_COMPACT) : NULL;
        return *ret_json ? 0 : infra_error_oom(reterr);
}

/* Recognised shapes first; what does not come out equal stays rules. */
static int convert(struct attempt *a, char **ret_json, infra_error **reterr)
{
        _cleanup_error_ infra_error *ignored = NULL;
        bool recognised = !a->options->only_rules;
        int r = recognised ? attempt(a, false, &ignored) : 0;

        if (!recognised || r < 0 || a->answer != ANSWER_EQUAL) {
                remove_files(a->directory, &a->files);
                attempt_undo(a);
                recognised = false;
                if (mkdir(a->directory, 0755) < 0 && errno != EEXIST)
                        return infra_error_set(reterr, -errno, "cannot make %s: %m", a->directory);
                r = attempt(a, true, reterr);
                if (r >= 0 && a->answer != ANSWER_EQUAL)
                        r = not_equal(a, reterr);
        }
        if (r >= 0 && rename(a->directory, a->options->into) < 0)
                r = infra_error_set(reterr, -errno, "cannot put the policy at %s: %m", a->options->into);
        return r < 0 ? r : describe(a, recognised, ret_json, reterr);
}

/* Into nothing, or an empty directory: a policy that is there is never mixed with. */
static int begin(struct attempt *a, infra_error **reterr)
{
        _cleanup_free_ char *place = path_join("%s.import-XXXXXX", a->options->into);

        if (!place)
                return infra_error_oom(reterr);
        if (rmdir(a->options->into) < 0 && errno != ENOENT)
                return infra_error_set(reterr, -errno, "%s is in the way: %m", a->options->into);
        if (!mkdtemp(place) || chmod(place, 0755) < 0)
                return infra_error_set(reterr, -errno, "cannot make a directory beside %s: %m", a->options->into);
        a->directory = TAKE_PTR(place);
        return 0;
}

INFRA_PUBLIC int infra_firewall_import(const struct infra_import *o, infra_diags *diags, char **ret_json, infra_error **reterr)
{
        _cleanup_legacy_ struct legacy l = {};
        struct attempt a = { .options = o, .legacy = &l };
        struct ruleset *old = NULL;
        int r;

        if (!streq(o->kind, "ferm") && !streq(o->kind, "iptables"))
                return infra_error_set(reterr, -EINVAL, "'%s' is neither ferm nor iptables", o->kind);
        r = read_all(&l, o, diags, reterr);
        if (r >= 0)
                r = legacy_translate(&l, false, &old, diags, reterr);
        if (r >= 0)
                r = begin(&a, reterr);
        if (r >= 0)
                r = convert(&a, ret_json, reterr);
        if (r < 0 && a.directory)
                remove_files(a.directory, &a.files);
        attempt_undo(&a);
        free(a.directory);
        ruleset_free(old);
        return r;
}
