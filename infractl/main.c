/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "infractl/infractl.h"
#include "infractl/terminal.h"

void print_json(const json_t *j)
{
        json_dumpf(j, stdout, JSON_INDENT(2));
        putchar('\n');
}

int infractl_fetch(struct infractl *i, const struct question *q, json_t **ret, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;
        json_error_t error;
        int r = client_ask(i->client, q, &text, reterr);

        if (r < 0)
                return r;
        *ret = json_loads(text, 0, &error);
        return *ret ? 0 : infra_error_set(reterr, -EPROTO, "the answer is no JSON: %s", error.text);
}

int infractl_ask(struct infractl *i, const struct question *q, json_t **ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        int r = infractl_fetch(i, q, &j, reterr);

        if (r < 0)
                return r;
        if (i->flags[OPTION_JSON]) {
                print_json(j);
                return 0;
        }
        json_make_printable(j, terminal_look(false).utf8);
        *ret = TAKE_PTR(j);
        return 0;
}

int run_parse(struct infractl *i, const char *text, int64_t *ret_run, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        char *end;
        int r;

        if (!streq(text, "last")) {
                errno = 0;
                *ret_run = strtoll(text, &end, 10);
                return errno || end == text || *end || *ret_run <= 0
                               ? infra_error_set(reterr, -EINVAL, "'%s' is no run: give its number, or last", text)
                               : 0;
        }
        r = infractl_fetch(i, &(struct question){ .ask = QUESTION_RUNS, .limit = 1 }, &j, reterr);
        if (r < 0)
                return r;
        *ret_run = json_integer_value(json_object_get(json_array_get(json_object_get(j, "runs"), 0), "id"));
        return *ret_run ? 0 : infra_error_set(reterr, -ENOENT, "there is no run yet");
}

static int run(struct infractl *i)
{
        const struct client_options o = {
                .paths = { i->values[OPTION_POLICY], i->values[OPTION_PROFILES], i->values[OPTION_STATE] },
                .socket = i->values[OPTION_SOCKET],
                .local = i->flags[OPTION_LOCAL],
                .quiet = i->flags[OPTION_COMPLETE],
        };
        infra_error *e = NULL;
        int r = client_new(&o, &i->client, &e), code;

        if (r < 0)
                return outcome(r, e);
        code = i->flags[OPTION_COMPLETE] ? complete_print(i, i->values[OPTION_COMPLETE]) : i->verb->run(i);
        i->client = client_free(i->client);
        return code;
}

int main(int argc, char **argv)
{
        struct infractl i = { .limit = 20 };
        int code;

        setlocale(LC_ALL, "");
        i.arguments = calloc((size_t)argc + 1, sizeof(*i.arguments));
        if (!i.arguments)
                return outcome(-ENOMEM, NULL);
        code = options_parse(&i, argc, argv);
        if (code < 0)
                code = run(&i);
        free(i.arguments);
        if (fflush(stdout) != 0 && code == EXIT_OK && errno != EPIPE) {
                perror("infractl: cannot write the answer");
                code = EXIT_FAILED;
        }
        return code;
}
