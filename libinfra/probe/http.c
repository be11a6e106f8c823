/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * http and https through libcurl: the connection goes to the target's address, the request names the
 * site (Host and TLS server name), no proxy and no environment takes part, redirections are an answer
 * and not followed. Status 200..399 passes. The certificate is not verified here: this probe asks whether
 * the site serves, and a service behind a fence or under a new name must still be found alive.
 */

#include <curl/curl.h>
#include <errno.h>

#include "base/fd.h"
#include "probe/kind.h"

enum { BODY_MAX = 1 << 20 };

struct request {
        CURL *curl;
        struct curl_slist *headers;
        struct curl_slist *connect_to;
        struct str body;
        bool cut; /* the body was longer than BODY_MAX, the rest was not taken */
};

static void request_done(struct request *q)
{
        curl_easy_cleanup(q->curl);
        curl_slist_free_all(q->headers);
        curl_slist_free_all(q->connect_to);
        str_done(&q->body);
}

static size_t body_take(char *data, size_t size, size_t n, void *userdata)
{
        struct request *q = userdata;
        size_t bytes = size * n;

        if (q->body.length + bytes > BODY_MAX) {
                str_add_bytes(&q->body, data, BODY_MAX - q->body.length);
                q->cut = true;
                return 0;
        }
        str_add_bytes(&q->body, data, bytes);
        return q->body.failed ? 0 : bytes;
}

static bool is_header_text(const char *s)
{
        for (; *s; s++)
                if (*s <= ' ' || *s == 0x7f)
                        return false;
        return true;
}

/* Appends to a curl list; false when memory is out. */
static bool list_add(struct curl_slist **list, const char *text)
{
        struct curl_slist *longer = text ? curl_slist_append(*list, text) : NULL;

        if (longer)
                *list = longer;
        return longer != NULL;
}

/* Who is asked for, in the three places that name it: URL (thereby TLS server name), Host, connection. */
static bool name_target(struct request *q, const struct probe *p, const struct probe_target *t)
{
        const char *scheme = p->kind == PROBE_HTTPS ? "https" : "http", *path = p->path && *p->path ? p->path : "/";
        const char *host = p->host_header ? p->host_header : t->name;
        char text[ADDRESS_TEXT_MAX];
        _cleanup_free_ char *url = NULL, *header = NULL, *connect_to = NULL;

        address_format_host(&t->address, text);
        /* A port in the Host header is the client's view; the connection's own port stands in the URL. */
        url = path_join("%s://%.*s:%u%s%s", scheme, (int)strcspn(host, ":"), host, t->port, *path == '/' ? "" : "/", path);
        header = path_join("Host: %s", host);
        connect_to = path_join(t->address.family == AF_INET6 ? "::[%s]:%u" : "::%s:%u", text, t->port);
        return url && list_add(&q->headers, header) && list_add(&q->connect_to, connect_to) &&
               curl_easy_setopt(q->curl, CURLOPT_URL, url) == CURLE_OK;
}

static bool request_prepare(struct request *q, const struct probe *p, const struct probe_target *t, int64_t timeout_ms)
{
        CURL *c = q->curl = curl_easy_init();

        if (!c || !name_target(q, p, t))
                return false;
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, q->headers);
        curl_easy_setopt(c, CURLOPT_CONNECT_TO, q->connect_to);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_PROXY, "");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "infra-probe");
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_take);
        return curl_easy_setopt(c, CURLOPT_WRITEDATA, q) == CURLE_OK;
}

/* curl's idiom into ours. */
static void transfer_failed(struct request *q, CURLcode code, struct probe_result *ret)
{
        long error = 0, connections = 0;

        curl_easy_getinfo(q->curl, CURLINFO_OS_ERRNO, &error);
        curl_easy_getinfo(q->curl, CURLINFO_NUM_CONNECTS, &connections);
        if (code == CURLE_OPERATION_TIMEDOUT)
                answer_set(ret, PROBE_FAIL, "no complete answer within the time limit");
        else if (code == CURLE_COULDNT_CONNECT && error != 0)
                answer_set(ret, errno_is_ours((int)error) ? PROBE_UNKNOWN : PROBE_FAIL, "cannot connect: %s",
                           strerror((int)error));
        else if (code == CURLE_UNSUPPORTED_PROTOCOL && connections > 0)
                answer_set(ret, PROBE_FAIL, "the answer is not HTTP");
        else if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT || code == CURLE_UNSUPPORTED_PROTOCOL ||
                 code == CURLE_URL_MALFORMAT || q->body.failed)
                answer_set(ret, PROBE_UNKNOWN, "cannot ask: %s", curl_easy_strerror(code));
        else
                answer_set(ret, PROBE_FAIL, "%s", curl_easy_strerror(code));
}

static void judge(struct request *q, const struct probe *p, struct probe_result *ret)
{
        char size[32];
        long status = 0;
        bool found = !p->expect || (q->body.length > 0 && memmem(q->body.text, q->body.length, p->expect, strlen(p->expect)));

        curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
        str_bytes(size, q->body.length);
        if (status < 200 || status >= 400)
                answer_set(ret, PROBE_FAIL, "HTTP %ld", status);
        else if (!found)
                answer_set(ret, PROBE_FAIL, "HTTP %ld, but \"%s\" is not in the body (%s%s)", status, p->expect,
                           q->cut ? "first " : "", size);
        else
                answer_set(ret, PROBE_PASS, "HTTP %ld, %s%s", status, q->cut ? "over " : "", size);
}

void http_ask(const struct probe *p, const struct probe_target *t, int64_t timeout_ms, struct probe_result *ret)
{
        CLEANUP(request_done) struct request q = {};
        CURLcode code;

        if (!is_header_text(p->host_header ? p->host_header : t->name)) {
                answer_set(ret, PROBE_UNKNOWN, "cannot ask: the host name has a blank or control character");
                return;
        }
        if (!request_prepare(&q, p, t, timeout_ms)) {
                answer_set(ret, PROBE_UNKNOWN, "cannot ask: libcurl refused the request");
                return;
        }
        code = curl_easy_perform(q.curl);
        if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && q.cut))
                transfer_failed(&q, code, ret);
        else
                judge(&q, p, ret);
}
