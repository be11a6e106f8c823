/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command inside the container: exit 0 passes, and what is expected must be in its output. */

#include <errno.h>

#include "probe/kind.h"

/* As shells and process_run say it. */
enum { STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

/* The last line says why a command failed; the lines before it how it came to that. */
static const char *last_line(char *output)
{
        size_t n = strlen(output);
        char *line;

        while (n > 0 && strchr(" \t\r\n", output[n - 1]))
                output[--n] = '\0';
        line = strrchr(output, '\n');
        return line ? line + 1 : output;
}

static void judge(const struct probe *p, int status, char *output, struct probe_result *ret)
{
        const char *command = p->command.items[0];
        bool found = !p->expect || strstr(output, p->expect);
        const char *line = last_line(output);
        const char *colon = *line ? ": " : "";

        if (status == STATUS_NOT_FOUND || status == STATUS_NOT_EXECUTABLE)
                answer_set(ret, PROBE_UNKNOWN, "%s cannot be run%s%s", command, colon, line);
        else if (status != 0)
                answer_set(ret, PROBE_FAIL, "%s ended with %d%s%s", command, status, colon, line);
        else if (!found)
                answer_set(ret, PROBE_FAIL, "%s: \"%s\" is not in its output%s%s", command, p->expect, colon, line);
        else
                answer_set(ret, PROBE_PASS, "%s ended with 0%s%s", command, colon, line);
}

void exec_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret)
{
        _cleanup_free_ char **argv = strlist_argv(&p->command);
        _cleanup_free_ char *output = NULL;
        _cleanup_error_ infra_error *error = NULL;
        int status = -1, r;

        if (!argv)
                return;
        r = t->run(t->userdata, (const char *const *)argv, timeout_ms, &output, &status, &error);
        if (r == -ETIME)
                answer_set(ret, PROBE_FAIL, "%s did not end within the time limit", p->command.items[0]);
        else if (r < 0)
                answer_set(ret, PROBE_UNKNOWN, "%s cannot be run: %s", p->command.items[0],
                           error ? infra_error_message(error) : strerror(-r));
        else
                judge(p, status, output ? output : (char[]){ "" }, ret);
}
