/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What an upgrade asks of the storage, by the size of the root:
 *
 *      storage-bench DIRECTORY MEGABYTES RUNS
 *
 * DIRECTORY is an empty place on btrfs. Makes a container whose root holds so much random data, and a volume with the
 * same content (sharing its blocks); then, RUNS times, writes a little to both as a service does, clones the root,
 * makes the clone live and takes a snapshot of the volume. Prints a line "STEP MILLISECONDS" for each.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fd.h"
#include "storage/storage.h"

/* Files about as large as those of a Debian root are on average. */
enum { FILE_BYTES = 32 << 10, FILES_A_DIRECTORY = 1000, FRESH_FILES = 32 };

static const char container[] = "bench", volume[] = "/data", release[] = "bookworm";

static int file_write_random(const char *path, infra_error **reterr)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        static char content[FILE_BYTES];
        int r = fd < 0 ? -errno : 0;

        for (size_t n = 0; r >= 0 && n < sizeof(content);) {
                ssize_t got = getrandom(content + n, sizeof(content) - n, 0);

                if (got < 0 && errno != EINTR)
                        r = -errno;
                n += got < 0 ? 0 : (size_t)got;
        }
        if (r >= 0)
                r = fd_write_all(fd, content, sizeof(content));
        return r < 0 ? infra_error_set(reterr, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int files_make(const char *directory, unsigned n, infra_error **reterr)
{
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < n; i++) {
                _cleanup_free_ char *below = path_join("%s/data/%u", directory, i / FILES_A_DIRECTORY);
                _cleanup_free_ char *path = below ? path_join("%s/%u", below, i) : NULL;

                if (!path)
                        return infra_error_oom(reterr);
                r = i % FILES_A_DIRECTORY ? 0 : dir_make(AT_FDCWD, below, 0755);
                if (r < 0)
                        return infra_error_set(reterr, r, "cannot make %s: %s", below, strerror(-r));
                r = file_write_random(path, reterr);
        }
        return r;
}

static int fill(void *userdata, const char *rootfs, infra_error **reterr)
{
        const unsigned *megabytes = userdata;

        return files_make(rootfs, (unsigned)(*megabytes * 1000000ULL / FILE_BYTES), reterr);
}

/* Generation 1, live, and the volume; everything on disk. */
static int world_make(struct storage *s, unsigned megabytes, infra_error **reterr)
{
        _cleanup_free_ char *seed = path_join("%s/containers/%s/live/rootfs/data", storage_path(s), container);
        int r = seed ? 0 : infra_error_oom(reterr);

        if (r >= 0)
                r = storage_generation_make(s, container, 1, release, "run-0", fill, &megabytes, reterr);
        if (r >= 0)
                r = storage_generation_exchange(s, container, 1, GENERATION_PREVIOUS, reterr);
        if (r >= 0)
                r = storage_volume_make(s, container, volume, seed, reterr);
        return r < 0 ? r : storage_generation_sync(s, container, 1, reterr);
}

static int write_a_little(struct storage *s, infra_error **reterr)
{
        _cleanup_free_ char *root = path_join("%s/containers/%s/live/rootfs", storage_path(s), container);
        _cleanup_free_ char *content = storage_volume_path(s, container, volume);
        int r = root && content ? files_make(root, FRESH_FILES, reterr) : infra_error_oom(reterr);

        return r < 0 ? r : files_make(content, FRESH_FILES, reterr);
}

static double now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_BOOTTIME, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double say(const char *step, double since)
{
        double now = now_ms();

        printf("%s %.2f\n", step, now - since);
        fflush(stdout);
        return now;
}

static int measure(struct storage *s, unsigned number, infra_error **reterr)
{
        char tag[32];
        double since;
        int r = write_a_little(s, reterr);

        if (r < 0)
                return r;
        snprintf(tag, sizeof(tag), "run-%u", number);
        since = now_ms();
        r = storage_generation_clone(s, container, number, number + 1, NULL, tag, reterr);
        if (r < 0)
                return r;
        since = say("clone", since);
        r = storage_generation_exchange(s, container, number + 1, GENERATION_PREVIOUS, reterr);
        if (r < 0)
                return r;
        since = say("exchange", since);
        r = storage_volume_snapshot(s, container, volume, tag, reterr);
        if (r >= 0)
                say("snapshot", since);
        return r;
}

int main(int argc, char **argv)
{
        _cleanup_error_ infra_error *error = NULL;
        _cleanup_storage_ struct storage *s = NULL;
        unsigned megabytes, runs;
        int r;

        if (argc != 4 || sscanf(argv[2], "%u", &megabytes) != 1 || sscanf(argv[3], "%u", &runs) != 1) {
                fprintf(stderr, "usage: storage-bench DIRECTORY MEGABYTES RUNS\n");
                return 2;
        }
        r = storage_open(STORAGE_BTRFS, argv[1], &s, &error);
        if (r >= 0)
                r = world_make(s, megabytes, &error);
        for (unsigned i = 1; r >= 0 && i <= runs; i++)
                r = measure(s, i, &error);
        if (r < 0)
                fprintf(stderr, "storage-bench: %s\n", infra_error_message(error));
        return r < 0;
}
