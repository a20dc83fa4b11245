#include "data/zio.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { WINDOW_LOG_MAX = 27, CHUNK = 128 * 1024 };

struct zreader {
    char *path;
    int fd;
    ZSTD_DCtx *z; /* NULL = plain */
    char *in;
    ZSTD_inBuffer have;
    size_t frame_left; /* ZSTD_decompressStream's hint, 0 = between frames */
    bool eof, any; /* any: the file is not empty */
};

static bool ends_in_zst(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && !strcmp(path + n - 4, ".zst");
}

enum ec zreader_open(const char *path, struct zreader **ret, struct err *reterr)
{
    struct stat st;
    struct zreader *z;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", path);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) { /* open(2) allows it, read(2) does not */
        (void)close(fd);
        return err_set(reterr, EC_IO, "open '%s': it is a folder", path);
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    z = xcalloc(1, sizeof(*z));
    z->path = xstrdup(path);
    z->fd = fd;
    if (ends_in_zst(path)) {
        z->z = ZSTD_createDCtx();
        BUG_IF(!z->z || ZSTD_isError(ZSTD_DCtx_setParameter(z->z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)),
               "zstd context");
        z->in = xmalloc(CHUNK);
        z->have.src = z->in;
    }
    *ret = z;
    return EC_OK;
}

static int64_t read_some(struct zreader *z, void *buf, size_t n, struct err *reterr)
{
    ssize_t got;

    do
        got = read(z->fd, buf, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        err_errno(reterr, EC_IO, errno, "read '%s'", z->path);
    return got;
}

static int64_t read_zstd(struct zreader *z, void *buf, size_t n, struct err *reterr)
{
    ZSTD_outBuffer out = { buf, n, 0 };

    while (!out.pos && n) {
        size_t left;

        if (z->have.pos == z->have.size && !z->eof) {
            int64_t got = read_some(z, z->in, CHUNK, reterr);

            if (got < 0)
                return -1;
            z->eof = got == 0;
            z->any |= got > 0;
            z->have.pos = 0;
            z->have.size = (size_t)got;
        }
        if (z->eof && z->have.pos == z->have.size && !z->frame_left && z->any)
            return 0;
        left = ZSTD_decompressStream(z->z, &out, &z->have);
        if (ZSTD_isError(left)) {
            err_set(reterr, EC_FORMAT, "read '%s': not intact zstd data (%s)", z->path, ZSTD_getErrorName(left));
            return -1;
        }
        z->frame_left = left;
        /* Without new input the decoder may still flush what it holds; when it has nothing, the file is cut off. */
        if (z->eof && !out.pos && (left || !z->any)) {
            err_set(reterr, EC_FORMAT, "read '%s': the zstd data is cut off", z->path);
            return -1;
        }
    }
    return (int64_t)out.pos;
}

int64_t zreader_read(struct zreader *z, void *buf, size_t n, struct err *reterr)
{
    return z->z ? read_zstd(z, buf, n, reterr) : read_some(z, buf, n, reterr);
}

bool zreader_seekable(const struct zreader *z)
{
    return !z->z && lseek(z->fd, 0, SEEK_CUR) >= 0;
}

enum ec zreader_seek(struct zreader *z, uint64_t offset, struct err *reterr)
{
    struct stat st;

    if (!zreader_seekable(z))
        return err_set(reterr, EC_STATE, "'%s' cannot be read from the middle", z->path);
    if (fstat(z->fd, &st))
        return err_errno(reterr, EC_IO, errno, "look at '%s'", z->path);
    if (offset > (uint64_t)st.st_size)
        return err_set(reterr, EC_STATE, "'%s' is shorter than before: it has no octet %llu", z->path,
                       (unsigned long long)offset);
    if (lseek(z->fd, (off_t)offset, SEEK_SET) < 0)
        return err_errno(reterr, EC_IO, errno, "seek in '%s'", z->path);
    return EC_OK;
}

void zreader_close(struct zreader *z)
{
    if (!z)
        return;
    ZSTD_freeDCtx(z->z);
    (void)close(z->fd);
    free(z->in);
    free(z->path);
    free(z);
}

struct zwriter {
    char *path;
    int fd;
    ZSTD_CCtx *z; /* NULL = plain */
    char *out;
    size_t out_len; /* plain: gathered octets */
    enum ec failed; /* a write went wrong: closing must not report success */
};

enum ec zwriter_open(const char *path, int level, struct zwriter **ret, struct err *reterr)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct zwriter *z;

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", path);
    z = xcalloc(1, sizeof(*z));
    z->path = xstrdup(path);
    z->fd = fd;
    z->out = xmalloc(CHUNK);
    if (level) {
        z->z = ZSTD_createCCtx();
        BUG_IF(!z->z || ZSTD_isError(ZSTD_CCtx_setParameter(z->z, ZSTD_c_compressionLevel, level)) ||
                   ZSTD_isError(ZSTD_CCtx_setParameter(z->z, ZSTD_c_checksumFlag, 1)),
               "zstd context");
    }
    *ret = z;
    return EC_OK;
}

static enum ec put(struct zwriter *z, const void *p, size_t n, struct err *reterr)
{
    enum ec rc = n ? file_write_all(z->fd, p, n, z->path, reterr) : EC_OK;

    if (rc)
        z->failed = rc;
    return rc;
}

static enum ec compress(struct zwriter *z, const void *p, size_t n, ZSTD_EndDirective end, struct err *reterr)
{
    ZSTD_inBuffer in = { p, n, 0 };
    size_t left;

    do {
        ZSTD_outBuffer out = { z->out, CHUNK, 0 };
        enum ec rc;

        left = ZSTD_compressStream2(z->z, &out, &in, end);
        if (ZSTD_isError(left)) {
            z->failed = EC_IO;
            return err_set(reterr, EC_IO, "compress '%s': %s", z->path, ZSTD_getErrorName(left));
        }
        rc = put(z, z->out, out.pos, reterr);
        if (rc)
            return rc;
    } while (end == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return EC_OK;
}

enum ec zwriter_add(struct zwriter *z, const void *p, size_t n, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (z->failed)
        return err_set(reterr, z->failed, "write '%s': an earlier write failed", z->path);
    if (!n)
        return EC_OK;
    if (z->z)
        return compress(z, p, n, ZSTD_e_continue, reterr);
    if (n >= CHUNK - z->out_len) {
        rc = put(z, z->out, z->out_len, reterr);
        z->out_len = 0;
        if (!rc && n >= CHUNK) {
            rc = put(z, p, n, reterr);
            n = 0;
        }
    }
    if (!rc && n) {
        memcpy(z->out + z->out_len, p, n);
        z->out_len += n;
    }
    return rc;
}

enum ec zwriter_close(struct zwriter *z, struct err *reterr)
{
    enum ec rc;

    if (z->failed)
        rc = err_set(reterr, z->failed, "write '%s': an earlier write failed", z->path);
    else
        rc = z->z ? compress(z, NULL, 0, ZSTD_e_end, reterr) : put(z, z->out, z->out_len, reterr);
    if (!rc && fsync(z->fd))
        rc = err_errno(reterr, EC_IO, errno, "write '%s' to disk", z->path);
    if (close(z->fd) && !rc) /* a network file system may tell only now that the data went nowhere */
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", z->path);
    ZSTD_freeCCtx(z->z);
    free(z->out);
    free(z->path);
    free(z);
    return rc;
}
