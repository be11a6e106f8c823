/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/str.h"

static int64_t read_clock(clockid_t id)
{
        struct timespec ts;

        clock_gettime(id, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_boottime_ms(void)
{
        return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
        return read_clock(CLOCK_REALTIME);
}

void clock_sleep_ms(int64_t ms)
{
        struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        while (ms > 0 && nanosleep(&ts, &ts) < 0 && errno == EINTR)
                ;
}

const char *clock_format(int64_t wall_ms, char buffer[static CLOCK_TEXT_MAX])
{
        time_t seconds = (time_t)(wall_ms / 1000);
        struct tm tm;

        gmtime_r(&seconds, &tm);
        strftime(buffer, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return buffer;
}

int clock_parse(const char *text, int64_t *ret_wall_ms)
{
        static const char *const formats[] = { "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ" };

        for (size_t i = 0; i < ELEMENTS(formats); i++) {
                struct tm tm = {};
                const char *end = strptime(text, formats[i], &tm);

                if (end && *end == '\0') {
                        *ret_wall_ms = (int64_t)timegm(&tm) * 1000;
                        return 0;
                }
        }
        return -EINVAL;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
        static const struct {
                const char *suffix;
                int64_t ms;
        } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
        int64_t total = 0;

        if (!*text)
                return -EINVAL;
        while (*text) {
                int64_t value = 0, unit = 0;
                size_t digits = strspn(text, "0123456789"), letters;

                if (digits == 0 || digits > 9)
                        return -EINVAL;
                for (size_t i = 0; i < digits; i++)
                        value = value * 10 + (text[i] - '0');
                text += digits;
                letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
                for (size_t i = 0; i < ELEMENTS(units); i++)
                        if (letters == strlen(units[i].suffix) && strncmp(text, units[i].suffix, letters) == 0)
                                unit = units[i].ms;
                if (unit == 0)
                        return -EINVAL;
                total += value * unit;
                text += letters;
        }
        *ret_ms = total;
        return 0;
}

int clock_boot_id(char ret[static 37])
{
        _cleanup_free_ char *text = NULL;
        int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL);

        if (r < 0)
                return r;
        snprintf(ret, 37, "%.36s", text);
        return 0;
}
