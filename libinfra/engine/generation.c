/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/generation.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/fd.h"
#include "firewall/codec.h"

enum {
        FILE_MAX = 64 << 20,
        STATE_FILE_MAX = 64 << 10,
        NUMBER_MAX = 999999,
        NAME_DIGITS = 6,
        HASH_BYTES = 32,
        LOCK_STEP_MS = 20,
};
static const char confirmed_file[] = "confirmed", pending_file[] = "pending", last_file[] = "last", rescue_file[] = "rescue.json";

void firewall_generation_done(struct firewall_generation *g)
{
        free(g->policy);
        free(g->origin);
        ruleset_free(g->ruleset);
        *g = (struct firewall_generation){};
}

void outcome_done(struct outcome *o)
{
        free(o->outcome);
        free(o->why);
        *o = (struct outcome){};
}

int generations_open(const char *state_dir, infra_error **reterr)
{
        _cleanup_free_ char *path = path_join("%s/firewall", state_dir);
        int r = path ? dir_make(AT_FDCWD, path, 0755) : -ENOMEM, fd;

        if (r < 0)
                return infra_error_set(reterr, r, "cannot make %s: %s", path ? path : "a directory", strerror(-r));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? infra_error_set(reterr, -errno, "cannot open %s: %m", path) : fd;
}

int generations_lock(int dir, int64_t patience_ms, infra_error **reterr)
{
        /* Whoever may open it may keep it. */
        _cleanup_close_ int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int64_t end = clock_boottime_ms() + patience_ms;

        if (fd < 0)
                return infra_error_set(reterr, -errno, "cannot lock the firewall's generations: %m");
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return infra_error_set(reterr, -errno, "cannot lock the firewall's generations: %m");
                if (clock_boottime_ms() >= end)
                        return infra_error_set(reterr, -EBUSY, "somebody else is changing the firewall");
                clock_sleep_ms(LOCK_STEP_MS);
        }
        return TAKE_FD(fd);
}

static int digest(const json_t *ruleset, char ret[static 65], infra_error **reterr)
{
        _cleanup_free_ char *text = json_dumps(ruleset, JSON_COMPACT | JSON_SORT_KEYS);
        unsigned char hash[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (!text || EVP_Digest(text, strlen(text), hash, &n, EVP_sha256(), NULL) != 1 || n != HASH_BYTES)
                return infra_error_oom(reterr);
        for (unsigned i = 0; i < n; i++)
                snprintf(ret + i * 2, 3, "%02x", hash[i]);
        return 0;
}

static int write_json(int dir, const char *name, json_t *consumed, infra_error **reterr)
{
        _cleanup_json_ json_t *j = consumed;
        _cleanup_free_ char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
        int r;

        if (!text)
                return infra_error_oom(reterr);
        r = file_replace(dir, name, text, strlen(text), 0644);
        return r < 0 ? infra_error_set(reterr, r, "cannot write %s of the firewall: %s", name, strerror(-r)) : 0;
}

static int read_json(int dir, const char *name, size_t most, json_t **ret, infra_error **reterr)
{
        _cleanup_free_ char *text = NULL;
        json_error_t error;
        int r = file_read(dir, name, most, &text, NULL);

        if (r < 0)
                return infra_error_set(reterr, r, "cannot read %s of the firewall: %s", name, strerror(-r));
        *ret = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        return *ret ? 0 : infra_error_set(reterr, -EUCLEAN, "%s of the firewall is damaged: line %d: %s", name, error.line, error.text);
}

/* Whole and as it was written, or not at all. */
static int read_ruleset(const json_t *j, const char *name, struct ruleset **ret, infra_error **reterr)
{
        const json_t *ruleset = json_object_get(j, "ruleset");
        const char *wanted = json_string_value(json_object_get(j, "sha256"));
        char have[65];
        int r;

        if (!ruleset || !wanted)
                return infra_error_set(reterr, -EUCLEAN, "%s of the firewall is damaged: it has no ruleset", name);
        r = digest(ruleset, have, reterr);
        if (r < 0)
                return r;
        if (!streq(have, wanted))
                return infra_error_set(reterr, -EUCLEAN, "%s of the firewall is damaged: the ruleset is not the one that was stored", name);
        r = ruleset_decode(ruleset, ret, reterr);
        return r == -EBADMSG ? infra_error_prefix(reterr, -EUCLEAN, "%s of the firewall", name) : r;
}

static char *file_of(unsigned number)
{
        return path_join("%0*u.json", NAME_DIGITS, number);
}

static int compare(const void *a, const void *b)
{
        unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

        return (x > y) - (x < y);
}

/* "000005.json" and nothing else. */
static unsigned number_of(const char *name)
{
        size_t digits = strspn(name, "0123456789");

        return digits == NAME_DIGITS && streq(name + digits, ".json") ? (unsigned)strtoul(name, NULL, 10) : 0;
}

int generations_list(int dir, unsigned **ret, size_t *ret_n, infra_error **reterr)
{
        int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        unsigned *list = NULL;
        const struct dirent *entry;
        size_t n = 0;

        if (!d) {
                int r = infra_error_set(reterr, -errno, "cannot look for generations of the firewall: %m");

                if (fd >= 0)
                        close(fd);
                return r;
        }
        while ((entry = readdir(d))) {
                unsigned number = number_of(entry->d_name), *x = number ? ARRAY_ADD(list, n) : NULL;

                if (x)
                        *x = number;
        }
        closedir(d);
        if (n > 1)
                qsort(list, n, sizeof(*list), compare);
        *ret = list;
        *ret_n = n;
        return 0;
}

void generation_forget(int dir, unsigned number)
{
        _cleanup_free_ char *name = file_of(number);

        if (name)
                unlinkat(dir, name, 0);
}

/* Of @list, to which one more was just added. What is not known for sure to be of no use is kept. */
static void forget_oldest(int dir, const unsigned *list, size_t n)
{
        struct pending p = {};
        unsigned confirmed = 0;
        int r = pending_read(dir, &p, NULL);

        if (confirmed_read(dir, &confirmed, NULL) < 0 || (r < 0 && r != -ENOENT))
                return;
        for (size_t i = 0; i + GENERATIONS_KEPT <= n; i++)
                if (list[i] != confirmed && list[i] != p.number && list[i] != p.previous)
                        generation_forget(dir, list[i]);
}

/* {"sha256","ruleset"} */
static json_t *encode_rescue(const struct ruleset *r, infra_error **reterr)
{
        _cleanup_json_ json_t *j = ruleset_encode(r);
        char hash[65];

        if (!j || digest(j, hash, reterr) < 0)
                return NULL;
        return json_pack("{s:s,s:O}", "sha256", hash, "ruleset", j);
}

int generation_store(int dir, const struct ruleset *ruleset, const struct ruleset *rescue, const char *policy, const char *origin,
                     uint32_t uid, unsigned *ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = ruleset_encode(ruleset);
        _cleanup_free_ unsigned *list = NULL;
        _cleanup_free_ char *name = NULL;
        char hash[65], when[CLOCK_TEXT_MAX];
        int64_t now = clock_wall_ms();
        unsigned number;
        size_t n = 0;
        int r = j ? generations_list(dir, &list, &n, reterr) :
                    infra_error_set(reterr, -EINVAL, "the ruleset cannot be written: something in it is not UTF-8");

        if (r >= 0)
                r = digest(j, hash, reterr);
        if (r < 0)
                return r;
        number = n ? list[n - 1] + 1 : 1;
        name = file_of(number);
        if (!name || number > NUMBER_MAX)
                return infra_error_set(reterr, -ENOSPC, "there are no numbers left for generations of the firewall");
        r = write_json(dir, name,
                       json_pack("{s:i,s:s,s:I,s:I,s:s,s:s,s:s,s:O,s:o}", "number", (int)number, "when", clock_format(now, when), "wall",
                                 (json_int_t)now, "uid", (json_int_t)uid, "policy", policy ? policy : "", "origin", origin, "sha256", hash,
                                 "ruleset", j, "rescue", rescue ? encode_rescue(rescue, reterr) : json_null()),
                       reterr);
        if (r < 0)
                return r;
        forget_oldest(dir, list, n);
        *ret = number;
        return 0;
}

static char *text_of(const json_t *j, const char *key)
{
        const char *text = json_string_value(json_object_get(j, key));

        return strdup(text ? text : "");
}

int generation_read(int dir, unsigned number, struct firewall_generation *ret, infra_error **reterr)
{
        _cleanup_firewall_generation_ struct firewall_generation g = { .number = number };
        _cleanup_free_ char *name = file_of(number);
        _cleanup_json_ json_t *j = NULL;
        int r = name ? read_json(dir, name, FILE_MAX, &j, reterr) : infra_error_oom(reterr);

        if (r == -ENOENT)
                return infra_error_set(reterr, r, "there is no generation %u of the firewall; see `infractl firewall generations`", number);
        if (r >= 0)
                r = read_ruleset(j, name, &g.ruleset, reterr);
        if (r < 0)
                return r;
        g.wall_ms = json_integer_value(json_object_get(j, "wall"));
        g.uid = (uint32_t)json_integer_value(json_object_get(j, "uid"));
        g.policy = text_of(j, "policy");
        g.origin = text_of(j, "origin");
        snprintf(g.sha256, sizeof(g.sha256), "%s", json_string_value(json_object_get(j, "sha256")));
        if (!g.policy || !g.origin)
                return infra_error_oom(reterr);
        *ret = g;
        g = (struct firewall_generation){};
        return 0;
}

int confirmed_read(int dir, unsigned *ret, infra_error **reterr)
{
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_json_ json_t *j = NULL;
        int r = read_json(dir, confirmed_file, STATE_FILE_MAX, &j, &error);
        json_int_t number = json_integer_value(json_object_get(j, "number"));

        if (r == -ENOENT) {
                *ret = 0;
                return 0;
        }
        if (r >= 0 && (number <= 0 || number > NUMBER_MAX))
                r = infra_error_set(&error, -EUCLEAN, "'%s' of the firewall is damaged: it names no generation", confirmed_file);
        if (r < 0)
                return infra_error_set(reterr, r, "%s", infra_error_message(error));
        *ret = (unsigned)number;
        return 0;
}

int confirmed_write(int dir, unsigned number, infra_error **reterr)
{
        return write_json(dir, confirmed_file, json_pack("{s:i}", "number", (int)number), reterr);
}

int pending_write(int dir, const struct pending *p, infra_error **reterr)
{
        char until[CLOCK_TEXT_MAX];

        return write_json(dir, pending_file,
                          json_pack("{s:i,s:i,s:s,s:I,s:I,s:I,s:s,s:i,s:I,s:I}", "number", (int)p->number, "previous", (int)p->previous,
                                    "until", clock_format(p->wall_ms, until), "wall", (json_int_t)p->wall_ms, "deadline_ms",
                                    (json_int_t)p->deadline_ms, "loaded_ms", (json_int_t)p->loaded_ms, "boot", p->boot, "guard",
                                    (int)p->guard, "guard_identity", (json_int_t)p->guard_identity, "uid", (json_int_t)p->uid),
                          reterr);
}

int pending_read(int dir, struct pending *ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        const char *boot = NULL;
        int number = 0, previous = 0, guard = 0, r = read_json(dir, pending_file, STATE_FILE_MAX, &j, reterr);
        json_int_t deadline = 0, loaded = 0, identity = 0, uid = 0, wall = 0;

        if (r < 0)
                return r;
        if (json_unpack(j, "{s:i,s:i,s:I,s:I,s:I,s:s,s:i,s:I,s:I}", "number", &number, "previous", &previous, "wall", &wall, "deadline_ms",
                        &deadline, "loaded_ms", &loaded, "boot", &boot, "guard", &guard, "guard_identity", &identity, "uid", &uid) < 0 ||
            number <= 0 || number > NUMBER_MAX || previous < 0 || previous > NUMBER_MAX)
                return infra_error_set(reterr, -EUCLEAN, "'%s' of the firewall is damaged", pending_file);
        *ret = (struct pending){ .number = (unsigned)number, .previous = (unsigned)previous, .deadline_ms = deadline, .loaded_ms = loaded,
                                 .wall_ms = wall, .guard = guard, .guard_identity = (uint64_t)identity, .uid = (uint32_t)uid };
        snprintf(ret->boot, sizeof(ret->boot), "%s", boot);
        return 0;
}

int pending_remove(int dir, infra_error **reterr)
{
        int r = unlinkat(dir, pending_file, 0) < 0 && errno != ENOENT ? -errno : dir_sync(dir, ".");

        return r < 0 ? infra_error_set(reterr, r, "cannot remove '%s' of the firewall: %s", pending_file, strerror(-r)) : 0;
}

bool pending_is_confirmed(int dir, const struct pending *p)
{
        unsigned confirmed = 0;

        /* A generation loaded once more was confirmed before. */
        return p->number != p->previous && confirmed_read(dir, &confirmed, NULL) >= 0 && confirmed == p->number;
}

/* For people only: that it cannot be written changes nothing. */
void outcome_write(int dir, unsigned number, const char *outcome, const char *why)
{
        write_json(dir, last_file,
                   json_pack("{s:i,s:s,s:s,s:I}", "number", (int)number, "outcome", outcome, "why", why, "wall", (json_int_t)clock_wall_ms()),
                   NULL);
}

int outcome_read(int dir, struct outcome *ret)
{
        _cleanup_json_ json_t *j = NULL;
        int r = read_json(dir, last_file, STATE_FILE_MAX, &j, NULL);

        if (r < 0)
                return r;
        ret->number = (unsigned)json_integer_value(json_object_get(j, "number"));
        ret->outcome = text_of(j, "outcome");
        ret->why = text_of(j, "why");
        ret->wall_ms = json_integer_value(json_object_get(j, "wall"));
        return ret->outcome && ret->why ? 0 : -ENOMEM;
}

int rescue_write(int dir, const struct ruleset *r, infra_error **reterr)
{
        return write_json(dir, rescue_file, encode_rescue(r, reterr), reterr);
}

void rescue_adopt(int dir, unsigned number)
{
        _cleanup_free_ char *name = file_of(number);
        _cleanup_json_ json_t *j = NULL;
        json_t *rescue;

        if (!name || read_json(dir, name, FILE_MAX, &j, NULL) < 0)
                return;
        rescue = json_object_get(j, "rescue");
        if (json_is_object(rescue))
                write_json(dir, rescue_file, json_incref(rescue), NULL);
}

int rescue_read(int dir, struct ruleset **ret, infra_error **reterr)
{
        _cleanup_json_ json_t *j = NULL;
        int r = read_json(dir, rescue_file, FILE_MAX, &j, reterr);

        return r < 0 ? r : read_ruleset(j, rescue_file, ret, reterr);
}
