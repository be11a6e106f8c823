/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The table of verbs, and help printed from it. */

#include <stdio.h>

#include "infractl/infractl.h"

const struct verb verbs[] = {
        { .name = "check",
          .arguments = "[DIR]",
          .max = 1,
          .run = verb_check,
          .summary = "find every mistake in the policy files",
          .text = "Reads DIR, or the policy directory, and prints every mistake as file:line:column with the line itself.\n"
                  "Nothing is changed. Exit code 3 when there is a mistake." },
        { .name = "apply",
          .arguments = "",
          .run = verb_apply,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "make the host as the policy says",
          .text = "Shows what would be done, asks, and does it: bridge, containers, firewall. Releases are not changed.\n"
                  "Only the plan that was shown is carried out; when it changed meanwhile, nothing is done." },
        { .name = "status",
          .arguments = "",
          .run = verb_status,
          .summary = "how the host stands, the important first",
          .text = "One line says what matters; then the containers." },
        { .name = "list",
          .arguments = "",
          .run = verb_list,
          .summary = "the containers in one table",
          .text = "Containers of the policy, and foreign ones, which are never touched." },
        { .name = "show",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_show,
          .summary = "everything about one container",
          .text = "Addresses, services, volumes and generations of a container." },
        { .name = "drift",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_drift,
          .summary = "what a container wrote outside its volumes",
          .text = "Since its generation went live, newest first, and what an upgrade would do with it. Directories that should be\n"
                  "volumes are proposed; infractl volume extract makes them." },
        { .name = "start",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_power,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "start a container and wait until it serves",
          .text = "Containers it stands on (`after`) are started first." },
        { .name = "stop",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_power,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "stop a container in order",
          .text = "The container has the time its services need (`stop-grace`)." },
        { .name = "restart",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_power,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "stop and start a container",
          .text = "Ends when the probes of the container pass again." },
        { .name = "shell",
          .arguments = "NAME [-- COMMAND...]",
          .min = 1,
          .max = 1,
          .rest = true,
          .run = verb_shell,
          .summary = "a shell or a command inside a container",
          .text = "Needs root and works without infrad. The exit code is that of the command." },
        { .name = "console",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_console,
          .summary = "the console of a container",
          .text = "Needs root and works without infrad. Left with Ctrl-a q." },
        { .name = "plan",
          .arguments = "UPGRADE | apply | KIND NAME",
          .min = 1,
          .max = 2,
          .run = verb_plan,
          .options = OPTION_BIT(OPTION_WITH_VOLUMES),
          .summary = "show what a change would do, and do nothing",
          .text = "KIND is upgrade, rehearse, rollback, start, stop or restart." },
        { .name = "upgrade",
          .arguments = "UPGRADE",
          .min = 1,
          .max = 1,
          .run = verb_upgrade,
          .options = OPTION_BIT(OPTION_DETACH) | OPTION_BIT(OPTION_PAUSE_BEFORE),
          .summary = "upgrade containers to another release, wave by wave",
          .text = "Shows the plan, asks, and carries it out. A container that does not serve afterwards goes back by itself." },
        { .name = "rehearse",
          .arguments = "CONTAINER|UPGRADE",
          .min = 1,
          .max = 1,
          .run = verb_rehearse,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "try an upgrade on throw-away copies",
          .text = "Clones, upgrades, boots and probes in a sealed network, and throws everything away. Nothing that serves is\n"
                  "touched; how long it took is the forecast of the upgrade." },
        { .name = "pause",
          .arguments = "",
          .run = verb_control,
          .summary = "begin nothing more in the run under way",
          .text = "A container behind its closed fence comes to its end first. infractl resume goes on." },
        { .name = "resume",
          .arguments = "",
          .run = verb_control,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "go on with a paused run",
          .text = "Follows the run to its end." },
        { .name = "abort",
          .arguments = "",
          .run = verb_control,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "turn back what is not committed in the run under way",
          .text = "Nothing is lost: candidates are thrown away, a container behind its closed fence goes back to its old\n"
                  "generation and volumes. What is committed stays; infractl rollback takes that back." },
        { .name = "runs",
          .arguments = "",
          .run = verb_runs,
          .options = OPTION_BIT(OPTION_LIMIT),
          .summary = "the runs so far, newest first",
          .text = "Twenty unless --limit says another number." },
        { .name = "report",
          .arguments = "RUN|last",
          .min = 1,
          .max = 1,
          .run = verb_report,
          .options = OPTION_BIT(OPTION_STEPS),
          .summary = "what a run did, and what it cost",
          .text = "Result and outage of every container beside the forecast, errors, and where the transcripts are." },
        { .name = "rollback",
          .arguments = "NAME",
          .min = 1,
          .max = 1,
          .run = verb_rollback,
          .options = OPTION_BIT(OPTION_WITH_VOLUMES) | OPTION_BIT(OPTION_DETACH),
          .summary = "take a container back to its generation before",
          .text = "Shows what that costs and asks. Without --with-volumes the data stays as it is now." },
        { .name = "firewall",
          .arguments = "WORD [ARGUMENT...]",
          .min = 1,
          .max = 16,
          .run = verb_firewall,
          .options = OPTION_BIT(OPTION_POLICY_SIDE) | OPTION_BIT(OPTION_CONFIRM) | OPTION_BIT(OPTION_FOR) | OPTION_BIT(OPTION_ZONE) |
                     OPTION_BIT(OPTION_ROOT) | OPTION_BIT(OPTION_IN) | OPTION_BIT(OPTION_FROM) | OPTION_BIT(OPTION_TO) | OPTION_BIT(OPTION_CT_STATE) |
                     OPTION_BIT(OPTION_FORMAT) | OPTION_BIT(OPTION_OUTPUT),
          .summary = "look at the firewall, change it safely, ban addresses",
          .text = "show             our ruleset as loaded, or with --policy-side as the policy wants it\n"
                  "diff             what loading the policy would change\n"
                  "apply            load the policy; it goes back by itself unless it is confirmed in time, see --confirm\n"
                  "confirm          it stays; over a new connection: ssh HOST infractl firewall confirm\n"
                  "revert           go back at once\n"
                  "restore N        load an older generation in the same way\n"
                  "generations      those that are kept\n"
                  "status           what is loaded, what waits, whether somebody else changed it\n"
                  "boot             load the confirmed generation, or what lets ssh in; needs no infrad and no policy\n"
                  "ban ADDRESS      drop everything that comes from there, with --for and --zone\n"
                  "unban ADDRESS    lift a ban\n"
                  "bans             who is banned, and for how long\n"
                  "explain PACKET   what becomes of '192.0.2.7 > 198.51.100.231:25/tcp', and by which rules; --in, --from, --to\n"
                  "matrix           who may reach what, tried packet by packet; --in, --format table|svg|html|json, --output\n"
                  "equal OLD NEW    whether two rulesets (policy directories, kernel, files of iptables-save) treat every packet alike\n"
                  "doctor           what else decides about packets here: other tables, services at boot, switches" },
        { .name = "import",
          .arguments = "ferm|iptables FILE...",
          .min = 2,
          .max = 16,
          .run = verb_import,
          .options = OPTION_BIT(OPTION_INTO) | OPTION_BIT(OPTION_HOST_NAME) | OPTION_BIT(OPTION_RELEASE) | OPTION_BIT(OPTION_BRIDGE) |
                     OPTION_BIT(OPTION_NETWORK) | OPTION_BIT(OPTION_RESOLVE) | OPTION_BIT(OPTION_ONLY_RULES),
          .summary = "make a policy of the rules of ferm or iptables",
          .text = "Files are a configuration of ferm, or what iptables-save and ip6tables-save print. The policy is proven to be the\n"
                  "same for every packet before it is put in place; a rule that cannot be expressed is an error with its line." },
        { .name = "volume",
          .arguments = "extract NAME PATH",
          .min = 3,
          .max = 3,
          .run = verb_volume,
          .options = OPTION_BIT(OPTION_DETACH),
          .summary = "make a directory of a running container a volume",
          .text = "The policy must call PATH a volume of NAME already. It is copied while the container serves, brought up to date\n"
                  "while it is stopped, and probed; when it does not serve, everything goes back." },
        { .name = "watch",
          .arguments = "[RUN]",
          .max = 1,
          .run = verb_watch,
          .summary = "follow a run",
          .text = "The run under way unless RUN says another. With --local a run that nobody carries on is taken up again." },
};
const size_t n_verbs = ELEMENTS(verbs);

const struct verb *verb_find(const char *name)
{
        for (size_t i = 0; i < n_verbs; i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

void help_short(FILE *f)
{
        fprintf(f, "Usage: infractl VERB [ARGUMENT...]\n\n"
                   "  infractl status           how the host stands\n"
                   "  infractl check            find mistakes in the policy\n"
                   "  infractl apply            make the host as the policy says\n"
                   "  infractl upgrade NAME     upgrade containers; what fails goes back by itself\n"
                   "  infractl watch            follow the run under way\n\n"
                   "All verbs and options: infractl --help; infractl(1)\n");
}

static void print_options(FILE *f, size_t from, size_t to, uint64_t only)
{
        for (size_t o = from; o < to; o++) {
                const struct option_row *row = &option_rows[o];
                char left[40];

                if (!(only & OPTION_BIT(o)) || !row->help)
                        continue;
                snprintf(left, sizeof(left), "%s%s%s", row->name, row->argument ? " " : "",
                         row->argument ? row->argument : "");
                fprintf(f, "  %c%c%c --%-16s %s\n", row->letter ? '-' : ' ', row->letter ? row->letter : ' ',
                        row->letter ? ',' : ' ', left, row->help);
        }
}

void help_full(FILE *f)
{
        fprintf(f, "Usage: infractl [OPTION...] VERB [ARGUMENT...]\n\nVerbs:\n");
        for (size_t i = 0; i < n_verbs; i++) {
                char left[64];

                snprintf(left, sizeof(left), "%s%s%s", verbs[i].name, *verbs[i].arguments ? " " : "",
                         verbs[i].arguments);
                fprintf(f, "  %-32s %s\n", left, verbs[i].summary);
        }
        fprintf(f, "\nOptions:\n");
        print_options(f, 0, OPTION_GLOBAL_MAX, ~UINT64_C(0));
        fprintf(f, "\nOptions of one verb: infractl VERB --help. Exit codes: infractl(1).\n");
}

void help_verb(FILE *f, const struct verb *v)
{
        fprintf(f, "Usage: infractl %s%s%s\n\n%c%s.\n", v->name, *v->arguments ? " " : "", v->arguments,
                v->summary[0] - 'a' + 'A', v->summary + 1);
        fprintf(f, "%s\n", v->text);
        if (v->options) {
                fprintf(f, "\nOptions:\n");
                print_options(f, OPTION_GLOBAL_MAX, OPTION_MAX, v->options);
        }
        fprintf(f, "\nGlobal options: infractl --help\n");
}
