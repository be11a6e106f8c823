/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Does the mirror have the release, asked from the host before anything is touched. The head of InRelease
 * tells: it must be a signed Release file that names the release (a captive portal or a proxy's error page
 * is not). The signature itself is apt's matter.
 */

#include <curl/curl.h>
#include <errno.h>

#include "base/fd.h"
#include "package/archive.h"

enum { HEAD_BYTES_MAX = 65536 };

#define SIGNED_HEAD "-----BEGIN PGP SIGNED MESSAGE-----"
#define HINT "; see packages: in host.yaml"

static size_t head_take(char *data, size_t size, size_t n, void *userdata)
{
        struct str *head = userdata;

        /* The first fields are enough; returning 0 ends the transfer. */
        if (head->length + size * n > HEAD_BYTES_MAX)
                return 0;
        str_add_bytes(head, data, size * n);
        return head->failed ? 0 : size * n;
}

static CURLcode fetch(const char *url, const char *proxy, int64_t timeout_ms, struct str *head, long *ret_status,
                      char *message)
{
        CURL *c = curl_easy_init();
        CURLcode code = CURLE_FAILED_INIT;

        if (c && curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK) {
                curl_easy_setopt(c, CURLOPT_PROXY, proxy ? proxy : "");
                curl_easy_setopt(c, CURLOPT_NOPROXY, "");
                curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
                curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
                curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
                curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
                curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
                curl_easy_setopt(c, CURLOPT_USERAGENT, "infra");
                curl_easy_setopt(c, CURLOPT_ERRORBUFFER, message);
                curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, head_take);
                curl_easy_setopt(c, CURLOPT_WRITEDATA, head);
                code = curl_easy_perform(c);
                curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, ret_status);
        }
        curl_easy_cleanup(c);
        return code;
}

/* curl's idiom into ours. */
static int curl_errno(CURLcode code)
{
        switch (code) {
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
                return -ENOMEM;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIME;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_COULDNT_CONNECT:
                return -ECONNREFUSED;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
                return -EINVAL;
        default:
                return -EIO;
        }
}

/* Whether a line "Codename: @name" is in the head. */
static bool names_release(const char *head, const char *name)
{
        static const char key[] = "\nCodename: ";
        const char *line = strstr(head, key);
        const char *value = line ? line + strlen(key) : NULL;

        return value && strcspn(value, " \r\n") == strlen(name) && startswith(value, name);
}

static int judge(const char *url, const char *through, const struct str *head, long status, const char *codename,
                 infra_error **reterr)
{
        const char *text = head->length ? head->text : "";

        if (status == 404 || status == 410)
                return infra_error_set(reterr, -ENOENT, "%s%s: HTTP %ld: this mirror does not carry it" HINT, url, through,
                                       status);
        if (status != 200)
                return infra_error_set(reterr, -EIO, "%s%s: HTTP %ld" HINT, url, through, status);
        if (!startswith(text, SIGNED_HEAD))
                return infra_error_set(reterr, -EBADMSG, "%s%s: the answer is not a signed Release file" HINT, url, through);
        if (!names_release(text, codename))
                return infra_error_set(reterr, -EBADMSG, "%s%s: the Release file is not that of %s" HINT, url, through,
                                       codename);
        return 0;
}

static int check(const char *mirror, const char *suite, const char *codename, const char *proxy, int64_t timeout_ms,
                 infra_error **reterr)
{
        size_t n = strlen(mirror);
        _cleanup_free_ char *url = NULL, *through = NULL;
        _cleanup_str_ struct str head = {};
        char message[CURL_ERROR_SIZE] = "";
        long status = 0;
        CURLcode code;

        while (n > 0 && mirror[n - 1] == '/')
                n--;
        url = path_join("%.*s/dists/%s/InRelease", (int)n, mirror, suite);
        through = proxy && *proxy ? path_join(" through proxy %s", proxy) : strdup("");
        if (!url || !through)
                return infra_error_oom(reterr);
        code = fetch(url, proxy, timeout_ms, &head, &status, message);
        if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && head.length > 0))
                return infra_error_set(reterr, curl_errno(code), "%s%s: %s" HINT, url, through,
                                       *message ? message : curl_easy_strerror(code));
        return judge(url, through, &head, status, codename, reterr);
}

int package_mirror_check(const struct package_sources *s, int64_t timeout_ms, infra_error **reterr)
{
        _cleanup_free_ char *suite = NULL, *codename = NULL;
        int r = check(s->mirror, s->release, s->release, s->proxy, timeout_ms, reterr);

        if (r < 0)
                return infra_error_prefix(reterr, r, "the mirror does not answer for %s", s->release);
        if (!s->security_mirror || !*s->security_mirror)
                return 0;
        /* Its Codename has been "buster" with "/updates" and "bullseye-security" since. */
        suite = path_join("%s%s", s->release, suite_security_suffix(s->release));
        codename = path_join("%s%s", s->release, strchr(suite ? suite : "", '/') ? "" : "-security");
        if (!suite || !codename)
                return infra_error_oom(reterr);
        r = check(s->security_mirror, suite, codename, s->proxy, timeout_ms, reterr);
        return r < 0 ? infra_error_prefix(reterr, r, "the security mirror does not answer for %s", s->release) : 0;
}
