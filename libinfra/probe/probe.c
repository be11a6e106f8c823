/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Asking and waiting. A probe is stateless: one table row for each kind, one attempt at a time, and the
 * only loop is probe_wait's. What a service answers is a result; errors are for the caller's mistakes and
 * for memory that is out. Durations and deadlines are boottime.
 */

#include <errno.h>
#include <stdarg.h>

#include "base/clock.h"
#include "probe/kind.h"

enum {
        DETAIL_MAX = 240,
        TIMEOUT_DEFAULT_MS = 5000,
        INTERVAL_DEFAULT_MS = 1000,
};

static const char *const verdicts[PROBE_VERDICT_MAX] = {
        [PROBE_UNKNOWN] = "unknown",
        [PROBE_PASS] = "pass",
        [PROBE_FAIL] = "fail",
};

static void none_ask(const struct probe *p UNUSED, const struct probe_target *t UNUSED, int64_t timeout_ms UNUSED,
                     struct probe_result *ret)
{
        answer_set(ret, PROBE_PASS, "not probed");
}

static const probe_attempt kinds[PROBE_KIND_MAX] = {
        [PROBE_NONE] = none_ask,
        [PROBE_TCP] = tcp_ask,
        [PROBE_SMTP] = smtp_ask,
        [PROBE_HTTP] = http_ask,
        [PROBE_HTTPS] = http_ask,
        [PROBE_EXEC] = exec_ask,
};

const char *probe_verdict_name(enum probe_verdict v)
{
        return verdicts[v];
}

int probe_verdict_parse(const char *s)
{
        for (int i = 0; i < PROBE_VERDICT_MAX; i++)
                if (streq(verdicts[i], s))
                        return i;
        return -EINVAL;
}

void probe_result_done(struct probe_result *r)
{
        free(r->detail);
        *r = (struct probe_result){};
}

/* Control characters could forge log lines or drive a terminal, so only printable ASCII is kept. */
static void make_printable(char *s)
{
        for (; *s; s++)
                if (*s == '\t' || *s == '\n' || *s == '\r')
                        *s = ' ';
                else if (*s < 0x20 || *s >= 0x7f)
                        *s = '?';
}

void answer_set(struct probe_result *ret, enum probe_verdict verdict, const char *format, ...)
{
        char *detail = NULL;
        size_t n;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&detail, format, ap) < 0)
                detail = NULL;
        va_end(ap);
        free(ret->detail);
        ret->verdict = verdict;
        ret->detail = detail;
        if (!detail)
                return;
        make_printable(detail);
        n = strnlen(detail, DETAIL_MAX);
        while (n > 0 && detail[n - 1] == ' ')
                n--;
        detail[n] = '\0';
}

static int check_arguments(const struct probe *p, const struct probe_target *t, infra_error **reterr)
{
        bool network = p->kind != PROBE_NONE && p->kind != PROBE_EXEC;

        if (p->kind < 0 || p->kind >= PROBE_KIND_MAX)
                return infra_error_set(reterr, -EINVAL, "no such kind of probe: %d", (int)p->kind);
        if (network && (!address_is_set(&t->address) || t->port == 0))
                return infra_error_set(reterr, -EINVAL, "%s probe of %s: no address or port to ask",
                                       probe_kind_name(p->kind), t->name);
        if (p->kind == PROBE_EXEC && (!t->run || p->command.n == 0))
                return infra_error_set(reterr, -EINVAL, "exec probe of %s: no command or no way to run it", t->name);
        return 0;
}

static int ask_within(const struct probe *p, const struct probe_target *t, int64_t timeout_ms,
                      struct probe_result *ret, infra_error **reterr)
{
        _cleanup_probe_result_ struct probe_result result = {};
        int64_t start = clock_boottime_ms();
        int r = check_arguments(p, t, reterr);

        if (r < 0)
                return r;
        kinds[p->kind](p, t, timeout_ms, &result);
        if (!result.detail)
                return infra_error_oom(reterr);
        result.duration_ms = clock_boottime_ms() - start;
        *ret = result;
        result = (struct probe_result){};
        return 0;
}

static int64_t attempt_timeout(const struct probe *p)
{
        return p->timeout_ms > 0 ? p->timeout_ms : TIMEOUT_DEFAULT_MS;
}

int probe_ask(const struct probe *p, const struct probe_target *t, struct probe_result *ret, infra_error **reterr)
{
        return ask_within(p, t, attempt_timeout(p), ret, reterr);
}

/* The limit is over in the middle of a series of passes: that is not yet "serves". */
static void fail_unsteady(struct probe_result *r, unsigned passes, unsigned needed)
{
        _cleanup_free_ char *last = TAKE_PTR(r->detail);

        answer_set(r, PROBE_FAIL, "only %u of %u passes in a row within the limit; last: %s", passes, needed,
                   last ? last : "");
}

int probe_wait(const struct probe *p, const struct probe_target *t, struct probe_result *ret,
               int (*progress)(void *userdata, const struct probe_result *last, unsigned passes), void *userdata,
               infra_error **reterr)
{
        int64_t end = clock_boottime_ms() + p->within_ms;
        int64_t interval = p->interval_ms > 0 ? p->interval_ms : INTERVAL_DEFAULT_MS;
        unsigned needed = MAX(p->passes, 1u), passes = 0;

        for (;;) {
                _cleanup_probe_result_ struct probe_result last = {};
                int64_t left = end - clock_boottime_ms();
                /* The last attempt does not outlive the gate; with no limit given it has its own time. */
                int64_t timeout = p->within_ms > 0 ? MAX(MIN(attempt_timeout(p), left), 1) : attempt_timeout(p);
                int r = ask_within(p, t, timeout, &last, reterr);

                if (r < 0)
                        return r;
                passes = last.verdict == PROBE_PASS ? passes + 1 : 0;
                r = progress ? progress(userdata, &last, passes) : 0;
                if (r < 0)
                        return infra_error_set(reterr, r, "waiting for %s was ended: %s", t->name, strerror(-r));
                left = end - clock_boottime_ms();
                if (passes >= needed || left <= 0) {
                        if (last.verdict == PROBE_PASS && passes < needed)
                                fail_unsteady(&last, passes, needed);
                        *ret = last;
                        last = (struct probe_result){};
                        return ret->detail ? 0 : infra_error_oom(reterr);
                }
                clock_sleep_ms(MIN(interval, left));
        }
}

bool probe_is_worse(enum probe_verdict now, enum probe_verdict baseline)
{
        static const int rank[PROBE_VERDICT_MAX] = {
                [PROBE_PASS] = 2,
                [PROBE_UNKNOWN] = 1,
                [PROBE_FAIL] = 0,
        };

        return rank[now] < rank[baseline];
}
