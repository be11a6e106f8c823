/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Match time. nftables reckons hours and moments in UTC, days of the week in the kernel's timezone, which is UTC unless
 * somebody tells the kernel another; xt_time has all in UTC, or with --kerneltz all in that timezone.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "firewall/import/translate.h"

enum { DAY_S = 86400, WEEK = 7, ALL_DAYS = 0x7f, LAST_MOMENT = INT32_MAX /* what iptables writes when no end was said */ };

static bool parse_hour(const char *text, uint64_t *ret)
{
        unsigned hour, minute, second = 0;
        int n = 0;

        *ret = 0;
        if (sscanf(text, "%2u:%2u%n:%2u%n", &hour, &minute, &n, &second, &n) < 2 || text[n] || hour > 23 || minute > 59 || second > 59)
                return false;
        *ret = (hour * 60 + minute) * 60 + second;
        return true;
}

/* "2026-12-05T08:00:00", or the beginning of it. */
static bool parse_moment(const char *text, uint64_t *ret)
{
        struct tm tm = { .tm_mday = 1 };
        int month = 1, n = 0;
        time_t moment;

        if (sscanf(text, "%4d%n-%2d%n-%2d%nT%2d%n:%2d%n:%2d%n", &tm.tm_year, &n, &month, &n, &tm.tm_mday, &n, &tm.tm_hour, &n, &tm.tm_min, &n,
                   &tm.tm_sec, &n) < 1 || text[n])
                return false;
        tm.tm_year -= 1900;
        tm.tm_mon = month - 1;
        moment = timegm(&tm);
        *ret = (uint64_t)moment;
        return moment >= 0 && moment <= LAST_MOMENT;
}

/* "Mon,Tue", "1,2": bits, Sunday's the lowest. */
static bool parse_days(const char *text, unsigned *ret)
{
        static const char *const names[WEEK] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

        for (*ret = 0;; text++) {
                size_t length = strcspn(text, ",");
                unsigned day = WEEK;

                for (unsigned i = 0; i < WEEK; i++)
                        if (length >= 2 && length <= strlen(names[i]) && strncasecmp(names[i], text, length) == 0)
                                day = i;
                if (length == 1 && *text >= '1' && *text <= '7')
                        day = (unsigned)(*text - '0') % WEEK;
                if (day == WEEK)
                        return false;
                *ret |= 1u << day;
                text += length;
                if (!*text)
                        return true;
        }
}

/* What is asked for; end before begin: over midnight. */
struct hours {
        uint64_t begin, end;
        unsigned days;
};

static int add_days(struct translate *t, unsigned days)
{
        struct number_range ranges[WEEK];
        size_t n = 0;

        for (unsigned i = 0; i < WEEK; i++)
                if (days & 1u << i)
                        ranges[n++] = (struct number_range){ i, i };
        return days == ALL_DAYS ? 0 : translate_ranges(t, FIELD_DAY, ranges, n, false);
}

static struct match *add_to(struct rule *r, enum field f, uint64_t first, uint64_t last)
{
        struct match *m = r ? rule_add_match(r, first == last ? MATCH_EQUAL : MATCH_RANGE, f) : NULL;

        if (m)
                field_put_number(f, first, m->value);
        if (m && first != last)
                field_put_number(f, last, m->mask);
        return m;
}

/* What is after midnight belongs to the day before. */
static int add_contiguous(struct translate *t, const struct hours *h)
{
        if (translate_choice(t) < 0)
                return -ENOMEM;
        for (unsigned i = 0; i < WEEK; i++) {
                struct rule *evening = h->days & 1u << i ? translate_alternative(t, false) : NULL, *morning;

                if (!(h->days & 1u << i))
                        continue;
                if (!add_to(evening, FIELD_HOUR, h->begin, DAY_S - 1) || !add_to(evening, FIELD_DAY, i, i))
                        return -ENOMEM;
                morning = translate_alternative(t, false);
                if (!add_to(morning, FIELD_HOUR, 0, h->end) || !add_to(morning, FIELD_DAY, (i + 1) % WEEK, (i + 1) % WEEK))
                        return -ENOMEM;
        }
        return 0;
}

static int add_hours(struct translate *t, const struct hours *h)
{
        int r = 0;

        if (h->begin < h->end && (h->begin > 0 || h->end < DAY_S - 1))
                r = translate_range(t, FIELD_HOUR, h->begin, h->end, false);
        else if (h->begin > h->end + 1)
                r = translate_range(t, FIELD_HOUR, h->end + 1, h->begin - 1, true);
        return r < 0 ? r : add_days(t, h->days);
}

static int read_hours(struct translate *t, const struct module *m, struct hours *ret)
{
        const struct given *start = given(m, "--timestart"), *stop = given(m, "--timestop"), *days = given(m, "--weekdays");

        *ret = (struct hours){ 0, DAY_S - 1, ALL_DAYS };
        if (start && !parse_hour(start->value, &ret->begin))
                return value_wrong(t, start);
        if (stop && !parse_hour(stop->value, &ret->end))
                return value_wrong(t, stop);
        if (days && !parse_days(days->value, &ret->days))
                return value_wrong(t, days);
        if (days && days->negated)
                ret->days ^= ALL_DAYS;
        return ret->days ? 0 : translate_complain(t, days->at + 1, "leave the rule out", "no packet can match this");
}

/* To the end of the last second. */
static int add_moments(struct translate *t, const struct module *m)
{
        const struct given *start = given(m, "--datestart"), *stop = given(m, "--datestop");
        uint64_t first = 0, last = LAST_MOMENT;

        if (start && !parse_moment(start->value, &first))
                return value_wrong(t, start);
        if (stop && !parse_moment(stop->value, &last))
                return value_wrong(t, stop);
        if (first > last)
                return value_wrong(t, stop);
        if (first == 0 && last == LAST_MOMENT)
                return 0;
        return translate_range(t, FIELD_TIME, first * SECOND_NS, last == LAST_MOMENT ? UINT64_MAX : last * SECOND_NS + SECOND_NS - 1, false);
}

static int check_zone(struct translate *t, const struct module *m)
{
        static const char *const in_utc[] = { "--timestart", "--timestop", "--datestart", "--datestop" };
        uint64_t moment;

        for (size_t i = 0; given(m, "--kerneltz") && i < ELEMENTS(in_utc); i++) {
                const struct given *g = given(m, in_utc[i]);

                if (g && !(i == 3 && parse_moment(g->value, &moment) && moment == LAST_MOMENT))
                        return translate_complain(t, g->at, "say it in UTC, without --kerneltz", "nftables knows hours and dates in UTC only");
        }
        return 0;
}

static int add_time(struct translate *t, const struct module *m)
{
        const struct given *month = given(m, "--monthdays");
        struct hours hours;
        int r = month ? translate_complain(t, month->at, "match days of the week", "nftables knows no days of the month") : check_zone(t, m);

        if (r >= 0)
                r = read_hours(t, m, &hours);
        if (r >= 0)
                r = add_moments(t, m);
        if (r < 0)
                return r;
        if (!given(m, "--contiguous") || hours.days == ALL_DAYS || hours.begin < hours.end)
                return add_hours(t, &hours);
        if (hours.begin == hours.end)
                return translate_complain(t, given(m, "--contiguous")->at, "an end before the beginning goes over midnight",
                                          "a time that begins with its end is no night");
        return add_contiguous(t, &hours);
}

static const struct option_type time_options[] = { { "--timestart", 1, false, NULL }, { "--timestop", 1, false, NULL }, { "--datestart", 1, false, NULL },
                                                   { "--datestop", 1, false, NULL }, { "--weekdays", 1, true, NULL }, { "--monthdays", 1, true, NULL },
                                                   { "--kerneltz", 0, false, NULL }, { "--utc", 0, false, NULL }, { "--contiguous", 0, false, NULL }, {} };
const struct module_type translate_match_time = { "time", time_options, add_time, 0 };
