/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Safe change of the firewall: what is loaded goes back by itself unless somebody says over a new connection that it works. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "infractl/firewall.h"
#include "infractl/plan-view.h"
#include "infractl/table.h"
#include "infractl/terminal.h"
#include "infractl/value.h"

enum { CONFIRM_DEFAULT_MS = 60 * 1000 };

/* 1 = go on, 0 = no, else a negative errno. */
static int ask_person(const struct infractl *i, infra_error **reterr)
{
        int r;

        if (i->flags[OPTION_YES])
                return 1;
        r = i->flags[OPTION_JSON] ? -ENOTTY : terminal_confirm("Load it?");
        return r == -ENOTTY ? infra_error_set(reterr, r, "nobody can be asked here: add --yes to go on without a question") : r;
}

static int parse_confirm(const struct infractl *i, int64_t *ret_ms, infra_error **reterr)
{
        const char *text = i->values[OPTION_CONFIRM];

        *ret_ms = CONFIRM_DEFAULT_MS;
        if (!text)
                return 0;
        if (streq(text, "0")) {
                *ret_ms = 0;
                return 0;
        }
        return duration_parse(text, ret_ms) < 0 ? infra_error_set(reterr, -EINVAL, "'--confirm %s' is no time: say 60s or 5m, or 0", text) : 0;
}

static void print_pending(const struct terminal *t, const json_t *pending)
{
        char left[32], to[48];

        if (value_number(pending, "previous"))
                snprintf(to, sizeof(to), "to generation %lld", value_number(pending, "previous"));
        else
                snprintf(to, sizeof(to), "to no ruleset of ours");
        printf("%sGeneration %lld waits to be confirmed: it goes back %s in %s.%s\n", style_on(t, STYLE_CARE), value_number(pending, "number"), to,
               str_duration(left, value_number(pending, "left_ms")), style_off(t, STYLE_CARE));
        printf("When a new connection still works: ssh HOST infractl firewall confirm. At once back: infractl firewall revert\n");
        if (!value_truth(pending, "watched"))
                printf("%sThe process that would put it back is gone: only infrad, or the next look at the firewall, does it.%s\n", style_on(t, STYLE_BAD),
                       style_off(t, STYLE_BAD));
}

static void print_rescued(const struct terminal *t, long long active)
{
        char instead[48] = ", since no generation is confirmed";

        if (active)
                snprintf(instead, sizeof(instead), ", not generation %lld", active);
        printf("%sThe RESCUE ruleset is loaded%s: ssh gets in, nothing else works.%s\n", style_on(t, STYLE_BAD), instead, style_off(t, STYLE_BAD));
        printf("journalctl -u infra-firewall says why; infractl firewall apply, or infractl firewall restore N, brings the host back.\n");
}

static void print_state(const struct terminal *t, const json_t *j)
{
        const json_t *pending = json_object_get(j, "pending"), *last = json_object_get(j, "last");
        char when[CLOCK_TEXT_MAX];
        const char *by;

        if (json_is_object(pending))
                print_pending(t, pending);
        else if (!value_truth(j, "loaded"))
                printf("%sNo ruleset of ours is loaded.%s\n", style_on(t, STYLE_BAD), style_off(t, STYLE_BAD));
        else if (value_truth(j, "rescued"))
                print_rescued(t, value_number(j, "active"));
        else if (value_number(j, "confirmed"))
                printf("Generation %lld is confirmed and loaded at boot.\n", value_number(j, "confirmed"));
        else
                printf("There is no generation yet; infractl firewall apply makes one.\n");
        if (json_is_object(last))
                printf("Last change, %s: generation %lld %s: %s.\n", clock_format(value_number(last, "wall"), when), value_number(last, "number"),
                       value_text(last, "outcome"), value_text(last, "why"));
        if (!value_truth(j, "drifted") || value_truth(j, "rescued"))
                return;
        by = value_text(j, "drifted_by");
        printf("%sSomebody else changed the ruleset%s%s; it differs from generation %lld:%s\n", style_on(t, STYLE_CARE), *by ? ": " : "", by,
               value_number(j, "active"), style_off(t, STYLE_CARE));
        diff_print(t, value_text(j, "drift"), 2, 0);
}

/* The state, as it came or for people. Consumes @e. */
static int show_state(const struct infractl *i, int r, const char *text, infra_error *e)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_json_ json_t *j = NULL;

        if (r < 0)
                return outcome(r, e);
        j = json_loads(text, 0, NULL);
        if (!j)
                return outcome(-EPROTO, NULL);
        if (i->flags[OPTION_JSON]) {
                print_json(j);
                return EXIT_OK;
        }
        json_make_printable(j, t.utf8);
        print_state(&t, j);
        return EXIT_OK;
}

static int say(struct infractl *i, const struct infra_firewall_change *change)
{
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int r = client_firewall(i->client, change, &text, &e);

        return show_state(i, r, text, e);
}

/* What is asked before something is loaded. -1 = go on. */
static int ask_first(struct infractl *i)
{
        infra_error *e = NULL;
        int r = ask_person(i, &e);

        if (r == -ENOTTY)
                return outcome(r, e), EXIT_USAGE;
        if (r == 0)
                fprintf(stderr, "Nothing was done.\n");
        return r > 0 ? -1 : r == 0 ? EXIT_FAILED : outcome(r, e);
}

int firewall_apply_word(struct infractl *i)
{
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        struct infra_firewall_change change = { .what = "apply" };
        _cleanup_json_ json_t *j = NULL, *shown = NULL;
        infra_error *e = NULL;
        int r = parse_confirm(i, &change.confirm_ms, &e);

        if (r < 0)
                return outcome(r, e), EXIT_USAGE;
        r = client_prepare(i->client, &e);
        if (r >= 0)
                r = infractl_fetch(i, &(struct question){ .ask = QUESTION_FIREWALL, .name = "diff" }, &j, &e);
        if (r < 0)
                return outcome(r, e);
        shown = json_deep_copy(j);
        change.shown = value_text(j, "diff");
        if (!i->flags[OPTION_JSON] && *change.shown) {
                json_make_printable(shown, t.utf8);
                diff_print(&t, value_text(shown, "diff"), 0, 0);
                putchar('\n');
        }
        r = *change.shown ? ask_first(i) : -1;
        return r >= 0 ? r : say(i, &change);
}

int firewall_restore_word(struct infractl *i)
{
        struct infra_firewall_change change = { .what = "restore" };
        infra_error *e = NULL;
        char *end = NULL;
        int r = parse_confirm(i, &change.confirm_ms, &e);
        unsigned long number = i->n_arguments > 1 ? strtoul(i->arguments[1], &end, 10) : 0;

        if (r >= 0 && (number == 0 || number > INT32_MAX || *end))
                r = infra_error_set(&e, -EINVAL, "say which generation: infractl firewall restore N; infractl firewall generations lists them");
        if (r < 0)
                return outcome(r, e), EXIT_USAGE;
        change.number = (unsigned)number;
        r = client_prepare(i->client, &e);
        if (r < 0)
                return outcome(r, e);
        r = ask_first(i);
        return r >= 0 ? r : say(i, &change);
}

int firewall_say_word(struct infractl *i)
{
        return say(i, &(struct infra_firewall_change){ .what = i->arguments[0] });
}

int firewall_status_word(struct infractl *i)
{
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int r = client_ask(i->client, &(struct question){ .ask = QUESTION_FIREWALL_STATE, .name = "status" }, &text, &e);

        return show_state(i, r, text, e);
}

int firewall_generations_word(struct infractl *i)
{
        static const struct table_column columns[] = { { "N", true },     { "STATE", false }, { "WHEN", false },
                                                       { "FROM", false }, { "UID", true },    { "POLICY", false } };
        struct terminal t = terminal_look(!i->flags[OPTION_NO_COLOR]);
        _cleanup_table_ struct table *table = NULL;
        _cleanup_json_ json_t *j = NULL;
        char when[CLOCK_TEXT_MAX];
        infra_error *e = NULL;
        const json_t *g;
        size_t k;
        int r = infractl_ask(i, &(struct question){ .ask = QUESTION_FIREWALL_STATE, .name = "generations" }, &j, &e);

        if (r < 0)
                return outcome(r, e);
        if (!j)
                return EXIT_OK;
        if (json_array_size(value_list(j, "generations")) == 0)
                printf("There is no generation yet; infractl firewall apply makes one.\n");
        table = table_new(&t, columns, ELEMENTS(columns), 0);
        json_array_foreach (value_list(j, "generations"), k, g) {
                const char *error = value_text(g, "error"), *state = value_text(g, "state");

                table_add(table, STYLE_PLAIN, "%lld", value_number(g, "number"));
                table_add(table, *error ? STYLE_BAD : streq(state, "pending") ? STYLE_CARE : STYLE_PLAIN, "%s", *error ? "damaged" : state);
                table_add(table, STYLE_DIM, "%s", clock_format(value_number(g, "wall"), when));
                table_add(table, STYLE_PLAIN, "%s", value_text(g, "origin"));
                table_add(table, STYLE_PLAIN, "%lld", value_number(g, "uid"));
                table_add(table, STYLE_DIM, "%.12s", value_text(g, "policy"));
        }
        if (json_array_size(value_list(j, "generations")))
                table_print(table);
        return EXIT_OK;
}

/* Before there is a network, a daemon or a journal. */
int firewall_boot_word(struct infractl *i)
{
        _cleanup_free_ char *text = NULL;
        infra_error *e = NULL;
        int r = infra_firewall_boot(i->values[OPTION_STATE], &text, &e);

        if (r < 0)
                return outcome(r, e);
        fprintf(stderr, "infractl: firewall: %s\n", text);
        return r == 0 ? EXIT_OK : EXIT_RESCUE;
}
