/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A mail client's first words: banner 220, EHLO answered by 250, QUIT (RFC 5321). No mail is handed in, so
 * nothing is left behind. Greeted with our own address as a literal, which needs no name service and which
 * servers that check the name accept. QUIT's answer is not waited for.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "probe/kind.h"

enum {
        REPLY_LINES_MAX = 100,
        LINE_BYTES_MAX = 2048, /* RFC 5321 says 512; some servers say more */
        GREETING_MAX = ADDRESS_TEXT_MAX + 32,
};

struct dialogue {
        int fd;
        int64_t deadline;
        char buffer[LINE_BYTES_MAX + 1];
        size_t used;
};

static int fill(struct dialogue *d)
{
        ssize_t n;
        int r = connection_wait(d->fd, POLLIN, d->deadline);

        if (r < 0)
                return r;
        n = recv(d->fd, d->buffer + d->used, LINE_BYTES_MAX - d->used, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        d->used += (size_t)n;
        return 0;
}

/* One line without its end into @line, which has LINE_BYTES_MAX + 1 bytes. */
static int read_line(struct dialogue *d, char *line)
{
        for (;;) {
                char *end = memchr(d->buffer, '\n', d->used);
                int r;

                if (end) {
                        size_t n = (size_t)(end - d->buffer);

                        memcpy(line, d->buffer, n);
                        line[n] = '\0';
                        d->used -= n + 1;
                        memmove(d->buffer, end + 1, d->used);
                        return 0;
                }
                if (d->used == LINE_BYTES_MAX)
                        return -EMSGSIZE;
                r = fill(d);
                if (r < 0)
                        return r;
        }
}

/* Last line of a reply ("250-..." goes on, "250 ..." ends); its code, or a negative errno. */
static int read_reply(struct dialogue *d, char *line)
{
        for (int i = 0; i < REPLY_LINES_MAX; i++) {
                int r = read_line(d, line);

                if (r < 0)
                        return r;
                if (strspn(line, "0123456789") != 3 || !strchr("- \r", line[3]))
                        return -EPROTO;
                if (line[3] != '-')
                        return atoi(line);
        }
        return -EMSGSIZE;
}

/* Whether the reply called @what had the code that lets us go on; else the result is set. */
static bool expect_reply(struct dialogue *d, const char *what, int code, char *line, struct probe_result *ret)
{
        int r = read_reply(d, line);

        if (r == code)
                return true;
        if (r == -ETIME)
                answer_set(ret, PROBE_FAIL, "connected, but no %s within the time limit", what);
        else if (r == -ECONNRESET)
                answer_set(ret, PROBE_FAIL, "connection closed before the %s", what);
        else if (r == -EPROTO)
                answer_set(ret, PROBE_FAIL, "the %s is not SMTP: %s", what, line);
        else if (r < 0)
                answer_set(ret, errno_is_ours(-r) ? PROBE_UNKNOWN : PROBE_FAIL, "no %s: %s", what,
                           r == -EMSGSIZE ? "endless reply" : strerror(-r));
        else
                answer_set(ret, PROBE_FAIL, "%s: %s", what, line);
        return false;
}

static bool say(struct dialogue *d, const char *text, struct probe_result *ret)
{
        ssize_t n = send(d->fd, text, strlen(text), MSG_NOSIGNAL);

        if (n == (ssize_t)strlen(text))
                return true;
        answer_set(ret, PROBE_FAIL, "connection closed by the server: %s", n < 0 ? strerror(errno) : "short write");
        return false;
}

static void make_greeting(int fd, char greeting[static GREETING_MAX])
{
        struct sockaddr_storage ss = {};
        socklen_t size = sizeof(ss);
        char text[INET6_ADDRSTRLEN] = "127.0.0.1";

        if (getsockname(fd, (struct sockaddr *)&ss, &size) == 0 && ss.ss_family == AF_INET6) {
                inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, text, sizeof(text));
                snprintf(greeting, GREETING_MAX, "EHLO [IPv6:%s]\r\n", text);
                return;
        }
        if (ss.ss_family == AF_INET)
                inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, text, sizeof(text));
        snprintf(greeting, GREETING_MAX, "EHLO [%s]\r\n", text);
}

void smtp_ask(const struct probe *p UNUSED, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret)
{
        int64_t deadline = clock_boottime_ms() + timeout_ms;
        _cleanup_close_ int fd = connection_open(t, deadline, ret);
        struct dialogue d = { .fd = fd, .deadline = deadline };
        char greeting[GREETING_MAX], banner[LINE_BYTES_MAX + 1], line[LINE_BYTES_MAX + 1];

        if (fd < 0)
                return;
        make_greeting(fd, greeting);
        if (!expect_reply(&d, "greeting", 220, banner, ret) || !say(&d, greeting, ret) ||
            !expect_reply(&d, "answer to EHLO", 250, line, ret))
                return;
        send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
        answer_set(ret, PROBE_PASS, "%s", banner);
}
