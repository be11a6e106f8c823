/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kept files of depots, in a directory that several processes share.
 *
 * A file is named by the SHA-256 of its URL and begins with a head of 4096 bytes; then comes the content. While
 * it is fetched its name ends in ".part" and the fetcher holds flock(LOCK_EX) on it: whoever meets a part that is
 * not locked knows that its fetcher is dead. The head is written in one piece once the size is known, so that
 * others may read the part while it grows. One rename makes it a kept file, and the file never changes again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
        CACHE_HEAD_BYTES = 4096,
        CACHE_URL_BYTES = 2048, /* with the final NUL */
};

/* On disk, in the byte order of the machine: the directory does not travel. */
struct cache_head {
        char magic[16];
        uint64_t size;   /* of the content */
        uint32_t status; /* 200, or what those who wait for a failed fetch are to answer */
        uint32_t reserved;
        char modified[64]; /* Last-Modified, or "" */
        char reason[512];  /* with another status than 200 */
        char url[CACHE_URL_BYTES];
};

/* Opens the directory, made if missing, and removes parts whose fetcher is dead. */
int cache_new(const char *path, int *ret_dir, infra_error **reterr);

/* A whole kept file, positioned anywhere; -ENOENT. One that a power cut has damaged is removed. */
int cache_open(int dir, const char *url, struct cache_head *ret, int *ret_fd);

/* 1: the part in ret_fd is empty, locked and the caller's to fetch. 0: another's, who is at it. */
int cache_claim(int dir, const char *url, int *ret_fd);
/* Of a claimed part: opens it once more, to follow it. */
int cache_reopen(int dir, const char *url, int *ret_fd);
/* Writes the head and reserves the room; the content is to be written to the descriptor afterwards. -ENOSPC. */
int cache_begin(int part, const char *url, uint64_t size, const char *modified);
/* Instead of cache_begin: leaves word for those who wait. */
void cache_report(int part, const char *url, unsigned status, const char *reason);
/* Makes the part the kept file, or -EIO when it has another size than was said, and unlocks it. */
int cache_keep(int dir, const char *url, int part, uint64_t size);
/* Gives the part up. */
void cache_drop(int dir, const char *url, int part);

/* Of another's part: 1 with its head, 0 when there is none yet. */
int cache_peek(int part, const char *url, struct cache_head *ret);
/* Whether its fetcher is still at it. */
bool cache_growing(int part);
