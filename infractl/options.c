/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The command line. Options may stand anywhere up to "--"; those of one verb only, behind it. For a verb with
 * `rest` everything behind its first argument belongs to the command it runs.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "configuration.h"
#include "infractl/infractl.h"

const struct option_row option_rows[OPTION_MAX] = {
        [OPTION_JSON] = { "json", 0, NULL, "answers as JSON" },
        [OPTION_LOCAL] = { "local", 0, NULL, "work without infrad, in this process" },
        [OPTION_POLICY] = { "policy", 0, "DIR", "policy directory (INFRA_POLICY; /etc/infra)" },
        [OPTION_PROFILES] = { "profiles", 0, "DIR", "shipped profiles (INFRA_PROFILES)" },
        [OPTION_STATE] = { "state", 0, "DIR", "journal and transcripts (INFRA_STATE; /var/lib/infra)" },
        [OPTION_SOCKET] = { "socket", 0, "PATH", "socket of infrad (INFRA_SOCKET; /run/infra/infrad.socket)" },
        [OPTION_YES] = { "yes", 'y', NULL, "do not ask before a change" },
        [OPTION_NO_COLOR] = { "no-color", 0, NULL, "no colours (NO_COLOR)" },
        [OPTION_HELP] = { "help", 'h', NULL, "this help; behind a verb, help about that verb" },
        [OPTION_VERSION] = { "version", 0, NULL, "the version" },
        [OPTION_LIMIT] = { "limit", 'n', "N", "at most N, the newest (0 = all)" },
        [OPTION_WITH_VOLUMES] = { "with-volumes", 0, NULL, "volumes go back too, not only the OS" },
        [OPTION_POLICY_SIDE] = { "policy-side", 0, NULL, "the ruleset the policy wants, not the loaded one" },
        [OPTION_STEPS] = { "steps", 0, NULL, "every step, not only those that went wrong" },
        [OPTION_DETACH] = { "detach", 0, NULL, "begin the run and do not wait for its end" },
        [OPTION_PAUSE_BEFORE] = { "pause-before", 0, "cut-over", "prepare everything, then wait for `infractl resume`" },
        [OPTION_CONFIRM] = { "confirm", 0, "TIME", "goes back unless it is confirmed in time (60s; 0 = it stays)" },
        [OPTION_FOR] = { "for", 0, "DURATION", "how long a ban holds (10m, 1h, 7d; default: until it is lifted)" },
        [OPTION_IN] = { "in", 0, "SOURCE", "a policy directory, kernel, or files of iptables-save (a+b)" },
        [OPTION_FROM] = { "from", 0, "ZONE", "zone or interface the packet comes by" },
        [OPTION_TO] = { "to", 0, "ZONE", "zone or interface the packet leaves by" },
        [OPTION_CT_STATE] = { "connection", 0, "STATE", "of its connection: new (default), established, related, invalid, untracked" },
        [OPTION_FORMAT] = { "format", 0, "FORMAT", "table (default), svg, html or json" },
        [OPTION_OUTPUT] = { "output", 'o', "FILE", "write there instead of standard output" },
        [OPTION_ROOT] = { "root", 0, "DIR", "look for services that start at boot below DIR" },
        [OPTION_INTO] = { "into", 0, "DIR", "directory that is made (default: policy)" },
        [OPTION_HOST_NAME] = { "host", 0, "NAME", "name of the host in the policy" },
        [OPTION_RELEASE] = { "release", 0, "RELEASE", "Debian release of host and containers" },
        [OPTION_BRIDGE] = { "bridge", 0, "INTERFACE", "the bridge that containers are on (default: br0)" },
        [OPTION_NETWORK] = { "network", 0, "ADDRESS/PREFIX", "the host's address on the bridge (default: 10.0.0.1/24)" },
        [OPTION_RESOLVE] = { "resolve", 0, NULL, "look names up in the DNS where the file asks for it" },
        [OPTION_ONLY_RULES] = { "only-rules", 0, NULL, "recognise no containers and services" },
        [OPTION_ZONE] = { "zone", 0, "ZONE", "only what comes in by the interface of ZONE" },
        [OPTION_COMPLETE] = { "complete", 0, "WHAT", NULL },
};

/* Where an option that is not given on the command line comes from. */
static const struct {
        enum option_id option;
        const char *variable;
} environment[] = {
        { OPTION_POLICY, "INFRA_POLICY" },
        { OPTION_PROFILES, "INFRA_PROFILES" },
        { OPTION_STATE, "INFRA_STATE" },
        { OPTION_SOCKET, "INFRA_SOCKET" },
};

static bool is_open_to(const struct verb *v, size_t option)
{
        return option < OPTION_GLOBAL_MAX || option == OPTION_COMPLETE || (v && v->options & OPTION_BIT(option));
}

static const char *see(const struct infractl *i)
{
        return i->verb ? i->verb->name : "";
}

static int usage_error(const struct infractl *i)
{
        fprintf(stderr, "See: infractl %s%s--help\n", see(i), i->verb ? " " : "");
        return EXIT_USAGE;
}

static int unknown_option(const struct infractl *i, const char *given, size_t length)
{
        const char *names[OPTION_MAX], *near;
        _cleanup_free_ char *name = strndup(given, length);
        size_t n = 0;

        for (size_t o = 0; o < OPTION_MAX; o++)
                if (is_open_to(i->verb, o) && option_rows[o].help)
                        names[n++] = option_rows[o].name;
        near = name ? str_nearest(name, names, n) : NULL;
        fprintf(stderr, "infractl: unknown option '--%.*s'", (int)length, given);
        for (size_t o = 0; o < OPTION_MAX; o++)
                if (name && streq(option_rows[o].name, name))
                        fprintf(stderr, i->verb ? " for %s" : "; it stands behind its verb", see(i));
        fprintf(stderr, near ? "; did you mean '--%s'?\n" : "\n", near);
        return usage_error(i);
}

static int set(struct infractl *i, size_t option, const char *value)
{
        char *end;

        i->flags[option] = true;
        i->values[option] = value;
        if (option != OPTION_LIMIT)
                return 0;
        errno = 0;
        i->limit = (unsigned)strtoul(value, &end, 10);
        if (!errno && end != value && !*end && *value >= '0' && *value <= '9')
                return 0;
        fprintf(stderr, "infractl: '--limit %s' is no number\n", value);
        return usage_error(i);
}

/* Takes the option at argv[*at]; *at ends on the last word used. */
static int parse_long(struct infractl *i, int argc, char **argv, int *at)
{
        const char *given = argv[*at] + 2, *equals = strchr(given, '='), *value = NULL;
        size_t length = equals ? (size_t)(equals - given) : strlen(given);

        for (size_t o = 0; o < OPTION_MAX; o++) {
                const struct option_row *row = &option_rows[o];

                if (strlen(row->name) != length || strncmp(row->name, given, length) != 0 || !is_open_to(i->verb, o))
                        continue;
                if (!row->argument && equals) {
                        fprintf(stderr, "infractl: '--%s' takes no value\n", row->name);
                        return usage_error(i);
                }
                if (row->argument)
                        value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
                if (row->argument && !value) {
                        fprintf(stderr, "infractl: '--%s' needs a value: --%s %s\n", row->name, row->name,
                                row->argument);
                        return usage_error(i);
                }
                return set(i, o, value);
        }
        return unknown_option(i, given, length);
}

static int parse_letter(struct infractl *i, int argc, char **argv, int *at)
{
        const char *given = argv[*at];

        for (size_t o = 0; o < OPTION_MAX; o++) {
                const struct option_row *row = &option_rows[o];

                if (row->letter != given[1] || !row->letter || !is_open_to(i->verb, o))
                        continue;
                if (!row->argument && given[2])
                        break;
                if (!row->argument)
                        return set(i, o, NULL);
                if (given[2] || *at + 1 < argc)
                        return set(i, o, given[2] ? given + 2 : argv[++*at]);
                fprintf(stderr, "infractl: '%s' needs a value: %s %s\n", given, given, row->argument);
                return usage_error(i);
        }
        fprintf(stderr, "infractl: unknown option '%s'\n", given);
        return usage_error(i);
}

static int unknown_verb(const char *given)
{
        const char *names[64], *near;
        size_t n = 0;

        for (; n < n_verbs && n < ELEMENTS(names); n++)
                names[n] = verbs[n].name;
        near = str_nearest(given, names, n);
        fprintf(stderr, "infractl: unknown verb '%s'", given);
        fprintf(stderr, near ? "; did you mean '%s'?\n" : "\n", near);
        fprintf(stderr, "See: infractl --help\n");
        return EXIT_USAGE;
}

static int parse_word(struct infractl *i, const char *word)
{
        if (i->verb) {
                i->arguments[i->n_arguments++] = word;
                return 0;
        }
        i->verb = verb_find(word);
        return i->verb ? 0 : unknown_verb(word);
}

static int parse_words(struct infractl *i, int argc, char **argv)
{
        bool plain = false;
        int r = 0;

        for (int at = 1; at < argc && r == 0; at++) {
                const char *word = argv[at];

                if (!plain && streq(word, "--"))
                        plain = true;
                else if (!plain && startswith(word, "--"))
                        r = parse_long(i, argc, argv, &at);
                else if (!plain && word[0] == '-' && word[1] && word[1] != '>') /* "->" points from a sender to a receiver */
                        r = parse_letter(i, argc, argv, &at);
                else
                        r = parse_word(i, word);
                if (i->verb && i->verb->rest && i->n_arguments == 1)
                        plain = plain || (at + 1 < argc && argv[at + 1][0] != '-');
        }
        return r;
}

static int check_arguments(const struct infractl *i)
{
        const struct verb *v = i->verb;

        if (i->n_arguments >= v->min && (v->rest || i->n_arguments <= v->max))
                return -1;
        if (i->n_arguments < v->min)
                fprintf(stderr, "infractl: '%s' needs %s\n", v->name, v->arguments);
        else
                fprintf(stderr, "infractl: unexpected argument '%s'\n", i->arguments[v->max]);
        fprintf(stderr, "Usage: infractl %s%s%s\n", v->name, *v->arguments ? " " : "", v->arguments);
        return EXIT_USAGE;
}

int options_parse(struct infractl *i, int argc, char **argv)
{
        int r;

        for (size_t e = 0; e < ELEMENTS(environment); e++) {
                const char *value = getenv(environment[e].variable);

                if (value && *value)
                        i->values[environment[e].option] = value;
        }
        r = parse_words(i, argc, argv);
        if (r != 0)
                return r;
        if (i->flags[OPTION_HELP]) {
                if (i->verb)
                        help_verb(stdout, i->verb);
                else
                        help_full(stdout);
                return EXIT_OK;
        }
        if (i->flags[OPTION_VERSION]) {
                puts("infractl " INFRA_VERSION);
                return EXIT_OK;
        }
        if (i->flags[OPTION_COMPLETE])
                return -1;
        if (!i->verb) {
                help_short(stdout);
                return EXIT_OK;
        }
        return check_arguments(i);
}
