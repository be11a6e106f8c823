/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "configuration.h"
#include "infrad.h"

enum { RETRY_US = 10 * 1000 * 1000, RETRY_ACCURACY_US = 1000 * 1000 };
static const uint64_t expire_us = 3600ull * 1000 * 1000;

static void usage(void)
{
        printf("Usage: infrad [OPTION...]\n\n"
               "Runs staged upgrades of LXC containers; asked through infractl.\n\n"
               "  --policy DIR     policy directory (default /etc/infra)\n"
               "  --profiles DIR   shipped profiles (default %s)\n"
               "  --state DIR      journal and transcripts (default /var/lib/infra)\n"
               "  --socket PATH    private socket (default /run/infra/infrad.socket)\n"
               "  --help, --version\n\nSee infrad(8).\n",
               INFRA_PROFILES_DIR);
}

struct options {
        struct infra_paths paths;
        const char *socket;
};

/* -1 = go on, else the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
        static const struct option longs[] = {
                { "policy", required_argument, NULL, 'p' }, { "profiles", required_argument, NULL, 'P' },
                { "state", required_argument, NULL, 's' },  { "socket", required_argument, NULL, 'S' },
                { "help", no_argument, NULL, 'h' },         { "version", no_argument, NULL, 'v' },
                {},
        };

        for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) >= 0;) {
                switch (c) {
                case 'p': o->paths.policy = optarg; break;
                case 'P': o->paths.profiles = optarg; break;
                case 's': o->paths.state = optarg; break;
                case 'S': o->socket = optarg; break;
                case 'h': usage(); return 0;
                case 'v': puts("infrad " INFRA_VERSION); return 0;
                default: return 2;
                }
        }
        if (optind == argc)
                return -1;
        fprintf(stderr, "infrad: unexpected argument '%s'; see infrad --help\n", argv[optind]);
        return 2;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata);

static void retry_later(struct infrad *d)
{
        d->retry_source = sd_event_source_disable_unref(d->retry_source);
        sd_event_add_time_relative(d->event, &d->retry_source, CLOCK_BOOTTIME, RETRY_US, RETRY_ACCURACY_US, on_retry, d);
}

/* A run that a crash left, or that stopped because the journal could not be written, is taken up (again). */
static void take_up(struct infrad *d)
{
        infra_error *error = NULL;
        int64_t run = 0;

        if (infra_manager_busy(d->manager))
                return;
        if (infra_manager_recover(d->manager, d->event, &run, &error) < 0) {
                log_event(LOG_TROUBLE, "%s", infra_error_message(error));
                retry_later(d);
        } else if (run) {
                log_event(LOG_RUN, "run %lld: taken up again", (long long)run);
        }
        infra_error_free(error);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        take_up(userdata);
        return 0;
}

/* What is kept long enough goes, and what goes tomorrow is said. */
static int on_expire(sd_event_source *source, uint64_t usec, void *userdata)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        struct infrad *d = userdata;
        infra_error *error = NULL;
        json_t *line;
        size_t i;

        (void)usec;
        if (infra_manager_expire(d->manager, &text, &error) < 0)
                log_event(LOG_TROUBLE, "what is kept long enough is not deleted: %s", infra_error_message(error));
        infra_error_free(error);
        j = text ? json_loads(text, 0, NULL) : NULL;
        json_array_foreach(json_object_get(j, "lines"), i, line)
                log_event(LOG_RUN, "%s", json_string_value(line));
        sd_event_source_set_time_relative(source, expire_us);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_changed(void *userdata, int64_t run, const char *json)
{
        struct infrad *d = userdata;
        _cleanup_json_ json_t *j = json_loads(json, 0, NULL);
        const char *state = json_string_value(json_object_get(j, "state"));

        server_broadcast(d, run, json);
        if (!state || streq(state, "running"))
                return;
        sd_notify(0, "STATUS=Idle");
        if (streq(state, "paused") && json_is_true(json_object_get(j, "interrupted"))) {
                log_event(LOG_TROUBLE, "run %lld: %s", (long long)run, json_string_value(json_object_get(j, "text")));
                retry_later(d);
                return;
        }
        log_event(LOG_RUN, "run %lld: %s %s", (long long)run, state, json_string_value(json_object_get(j, "text")));
}

/* Once a boot: what starts by itself is started, in order. The mark lives beside the socket, which a reboot clears. */
static void boot(struct infrad *d)
{
        _cleanup_free_ char *mark = path_join("%s.booted", d->socket_path);
        infra_error *error = NULL;
        int64_t run = 0;
        int r;

        if (!mark || path_exists(AT_FDCWD, mark) || infra_manager_busy(d->manager))
                return;
        r = infra_manager_begin(d->manager, d->event, "start", "", false, NULL, NULL, 0, &run, &error);
        if (r < 0 && r != -EALREADY)
                log_event(LOG_TROUBLE, "containers are not started at boot: %s", infra_error_message(error));
        else
                file_replace(AT_FDCWD, mark, "", 0, 0644);
        infra_error_free(error);
}

static int set_up(struct infrad *d, const struct options *o, infra_error **reterr)
{
        sigset_t mask;
        int r = infra_manager_new(&o->paths, &d->manager, reterr);

        if (r >= 0)
                r = infra_manager_lock(d->manager, "infrad", reterr);
        if (r < 0)
                return r;
        infra_manager_set_listener(d->manager, on_changed, d);
        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        signal(SIGPIPE, SIG_IGN);
        r = sd_event_default(&d->event);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = sd_event_set_watchdog(d->event, true);
        if (r < 0)
                return infra_error_set(reterr, r, "cannot set up the event loop: %s", strerror(-r));
        return server_listen(d, reterr);
}

static void tear_down(struct infrad *d)
{
        server_close(d);
        d->retry_source = sd_event_source_disable_unref(d->retry_source);
        d->expire_source = sd_event_source_disable_unref(d->expire_source);
        d->settle_source = sd_event_source_disable_unref(d->settle_source);
        infra_manager_free(d->manager);
        sd_event_unref(d->event);
        free(d->socket_path);
}

int main(int argc, char **argv)
{
        struct options o = { .socket = "/run/infra/infrad.socket" };
        struct infrad d = { .socket = -1 };
        infra_error *error = NULL;
        int r = parse(argc, argv, &o);

        if (r >= 0)
                return r;
        d.socket_path = strdup(o.socket);
        r = d.socket_path ? set_up(&d, &o, &error) : -ENOMEM;
        if (r < 0) {
                log_event(LOG_TROUBLE, "cannot start: %s", error ? infra_error_message(error) : strerror(-r));
                infra_error_free(error);
                tear_down(&d);
                return EXIT_FAILURE;
        }
        firewall_begin(&d);
        server_join_system_bus(&d);
        take_up(&d);
        boot(&d);
        sd_event_add_time_relative(d.event, &d.expire_source, CLOCK_BOOTTIME, 0, RETRY_ACCURACY_US, on_expire, &d);
        log_event(LOG_STARTED, "ready on %s", d.socket_path);
        sd_notify(0, "READY=1\nSTATUS=Idle");
        r = sd_event_loop(d.event);
        sd_notify(0, "STOPPING=1");
        log_event(LOG_STOPPED, "stopped; containers and workers go on");
        tear_down(&d);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
