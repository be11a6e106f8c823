/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "storage/copy.h"

enum { CHUNK = 4 << 20, BUFFER = 128 << 10, PROGRESS_STEP = 8 << 20 };

int copy_advance(struct copy *c, uint64_t bytes)
{
        c->done += bytes;
        if (!c->progress || c->done - c->told < PROGRESS_STEP)
                return 0;
        c->told = c->done;
        return c->progress(c->userdata, c->done, MAX(c->total, c->done));
}

/* A file that must not be copied on write (databases on btrfs) has to be told before it has content. */
static void nocow_copy(int from, int to)
{
        int flags = 0, own = 0;

        if (ioctl(from, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) &&
            ioctl(to, FS_IOC_GETFLAGS, &own) == 0) {
                own |= FS_NOCOW_FL;
                ioctl(to, FS_IOC_SETFLAGS, &own);
        }
}

static ssize_t buffer_copy(int from, int to, off_t offset, size_t size)
{
        char buffer[BUFFER];
        ssize_t n = pread(from, buffer, MIN(size, sizeof(buffer)), offset), done = 0;

        while (done < n) {
                ssize_t w = pwrite(to, buffer + done, (size_t)(n - done), offset + done);

                if (w < 0 && errno == EINTR)
                        continue;
                if (w < 0)
                        return -1;
                done += w;
        }
        return n;
}

static ssize_t chunk_copy(int from, int to, off_t offset, size_t size)
{
        loff_t in = offset, out = offset;
        ssize_t n = copy_file_range(from, &in, to, &out, MIN(size, (size_t)CHUNK), 0);

        if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ETXTBSY))
                return buffer_copy(from, to, offset, size);
        return n;
}

/* Returns where it ended: less than @end when the file was cut meanwhile. */
static int extent_copy(struct copy *c, int from, int to, off_t offset, off_t end, off_t *ret_end)
{
        while (offset < end) {
                ssize_t n = chunk_copy(from, to, offset, (size_t)(end - offset));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return copy_failed(c, -errno, "cannot copy the content of");
                if (n == 0)
                        break;
                offset += n;
                r = copy_advance(c, (uint64_t)n);
                if (r < 0)
                        return copy_failed(c, r, "stopped at");
        }
        *ret_end = offset;
        return 0;
}

static int extents_copy(struct copy *c, int from, int to, off_t size)
{
        off_t position = 0;

        while (position < size) {
                off_t data = lseek(from, position, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        break;
                if (data < 0 && errno != EINVAL)
                        return copy_failed(c, -errno, "cannot look for data in");
                if (data < 0)
                        data = position; /* a filesystem without holes */
                hole = lseek(from, data, SEEK_HOLE);
                if (hole < 0 || hole > size)
                        hole = size;
                r = extent_copy(c, from, to, data, hole, &position);
                if (r < 0)
                        return r;
                if (position < hole)
                        break;
        }
        return 0;
}

int data_copy(struct copy *c, int from, int to, const struct stat *st)
{
        int r;

        nocow_copy(from, to);
        if (st->st_size == 0)
                return 0;
        if (!c->no_reflink) {
                if (ioctl(to, FICLONE, from) == 0) {
                        r = copy_advance(c, (uint64_t)st->st_blocks * 512);
                        return r < 0 ? copy_failed(c, r, "stopped at") : 0;
                }
                if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
                        return copy_failed(c, -errno, "cannot share the blocks of");
                c->no_reflink = errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY;
        }
        r = extents_copy(c, from, to, st->st_size);
        if (r >= 0 && ftruncate(to, st->st_size) < 0)
                r = copy_failed(c, -errno, "cannot set the size of");
        return r;
}
