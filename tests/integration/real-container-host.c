/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "real-container.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static infra_estate estate;
static struct container containers[1];
static struct volume volumes[2];
static struct address resolvers[1];

const char *const the_volumes[] = { WORK "/volumes/data", WORK "/volumes/a #b" };

const infra_estate *the_estate(void)
{
        return &estate;
}

struct container *the_container(void)
{
        return &containers[0];
}

/* String literals: nothing here is freed. */
static char *literal(const char *s)
{
        return (char *)(uintptr_t)s;
}

static void estate_fill(void)
{
        struct host *h = &estate.host;
        struct container *c = &containers[0];

        h->name = literal("infra02");
        h->bridge = literal("br0");
        h->lxc_path = literal(LXC_PATH);
        h->storage_path = literal(WORK);
        h->mirror = literal("http://deb.debian.org/debian");
        h->security_mirror = literal("http://deb.debian.org/debian-security");
        h->proxy = getenv("INFRA_TEST_PROXY");
        h->id_first = 100000;
        h->id_count = 65536;
        h->resolvers = resolvers;
        h->n_resolvers = 1;
        c->name = literal(NAME);
        c->span = (struct span){ "containers/plain.yaml", 1, 12, 5 };
        c->volumes = volumes;
        c->n_volumes = 2;
        volumes[0] = (struct volume){ .path = literal("/srv/data"), .span = { "containers/plain.yaml", 4, 12, 9 } };
        volumes[1] = (struct volume){ .path = literal("/srv/a #b"), .span = { "containers/plain.yaml", 4, 23, 9 } };
        address_parse("10.0.0.1/24", &h->bridge_ipv4);
        address_parse("2001:db8:616:162:2::1/80", &h->bridge_ipv6);
        address_parse("10.0.0.1", &resolvers[0]);
        address_parse("10.0.0.5", &c->internal);
        address_parse("2001:db8:616:162:2::5", &c->ipv6);
        estate.containers = containers;
        estate.n_containers = 1;
}

int outside(const char *script)
{
        const char *const argv[] = { "sh", "-c", script, NULL };
        _cleanup_free_ char *output = NULL;
        struct process_options o = { .output = -1, .ret_output = &output, .timeout_ms = 120000 };
        int status = -1;

        if (process_run(argv, &o, &status, NULL) < 0)
                return -1;
        if (status != 0 && *output)
                print_message("# %s\n", output);
        return status;
}

void good(int r, infra_error **error)
{
        if (r < 0)
                fail_msg("%s (%d)", *error ? infra_error_message(*error) : "no message", r);
}

void bad(int r, infra_error **error, int code, const char *words)
{
        assert_int_equal(r, code);
        if (!*error || !strstr(infra_error_message(*error), words))
                fail_msg("'%s' does not say '%s'", *error ? infra_error_message(*error) : "", words);
        print_message("# %s\n", infra_error_message(*error));
        *error = infra_error_free(*error);
}

struct container_status status_now(void)
{
        _cleanup_error_ infra_error *error = NULL;
        struct container_status s;

        good(container_observe(LXC_PATH, NAME, &s, &error), &error);
        return s;
}

int inside(const char *script, char **ret_output)
{
        const char *const argv[] = { "sh", "-c", script, NULL };
        struct container_command command = {
                .argv = argv, .input = -1, .output = -1, .ret_output = ret_output, .timeout_ms = COMMAND_MS
        };
        _cleanup_error_ infra_error *error = NULL;
        int status = -1;

        good(container_run(LXC_PATH, NAME, &command, &status, &error), &error);
        return status;
}

void configure(bool privileged)
{
        _cleanup_error_ infra_error *error = NULL;

        good(container_stop(LXC_PATH, NAME, STOP_MS, NULL, &error), &error);
        containers[0].privileged = privileged;
        good(container_configure(&estate, &containers[0], ROOTFS, the_volumes, false, &error), &error);
}

void boot(bool privileged)
{
        _cleanup_error_ infra_error *error = NULL;

        if (status_now().state != CONTAINER_RUNNING || containers[0].privileged != privileged)
                configure(privileged);
        good(container_start(LXC_PATH, NAME, &error), &error);
        good(container_wait_booted(LXC_PATH, NAME, START_MS, &error), &error);
}

int host_setup(void **state)
{
        const char *filesystem = getenv("INFRA_TEST_FILESYSTEM") ?: "btrfs", *tar = getenv("INFRA_TEST_ROOT_TAR");
        _cleanup_free_ char *script = path_join(
                "set -e; f=$(mktemp /var/tmp/infra-rc.XXXXXX); truncate -s 3G $f; mkfs.%s -q $f; mkdir -p " WORK
                "; mount -o loop $f " WORK " || { rm $f; exit 1; }; rm $f\n"
                "mkdir -p " ROOTFS " " WORK "/volumes/data " LXC_PATH " '" WORK "/volumes/a #b'; tar -C " ROOTFS
                " --exclude=./dev -xf '%s'; mkdir -p " ROOTFS "/dev\n"
                "echo old > " WORK "/volumes/data/file; chown 33:33 " WORK "/volumes/data/file",
                filesystem, tar ? tar : "");

        (void)state;
        if (!tar || !getenv("INFRA_TEST_INTERNET")) {
                print_message("Bail out! run under tests/host/isolated-host with INFRA_TEST_ROOT_TAR\n");
                return -1;
        }
        estate_fill();
        return script && outside(script) == 0 ? 0 : -1;
}

int host_teardown(void **state)
{
        (void)state;
        container_stop(LXC_PATH, NAME, 0, NULL, NULL);
        return outside("umount -l " WORK);
}
