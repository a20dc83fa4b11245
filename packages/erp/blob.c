/* blob.c -- octets from signed URLs of Azure Blob storage, resumed where they broke off. Source: "Get Blob". */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "erp/erp_parts.h"
#include "erp/pkgapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of a package or an error file. Nothing that F&O makes comes near it. */
static const uint64_t MAX_DOWNLOAD = 64ULL << 30;
enum { MAX_IDLE_TRIES = 8 };

struct fetching {
    int fd;
    const char *path;
    const struct http_response *r;
    uint64_t got, total; /* total: as the answer says, 0 = it does not */
    bool asked_rest, checked;
};

/* Where the answer's first octet belongs: 0 for a whole blob, else the start of "Content-Range: bytes 100-199/200". */
static enum ec place_of_answer(struct fetching *f, struct err *reterr)
{
    struct arena a = { 0 };
    const char *range = http_header_get(f->r, "Content-Range", &a);
    unsigned long long from = 0, total = 0;
    enum ec rc = EC_OK;

    if (f->asked_rest && range && sscanf(range, "bytes %llu-%*u/%llu", &from, &total) < 1)
        from = UINT64_MAX;
    f->total = total;
    arena_release(&a);
    if (from > f->got)
        return err_set(reterr, EC_FNO, "download: the answer is another part of the file than asked for");
    if (from < f->got) { /* the range was ignored: everything comes again */
        if (ftruncate(f->fd, (off_t)from) || lseek(f->fd, (off_t)from, SEEK_SET) < 0)
            rc = err_errno(reterr, EC_IO, errno, "truncate '%s'", f->path);
        f->got = from;
    }
    return rc;
}

static enum ec take_octets(void *arg, const char *p, size_t n, struct err *reterr)
{
    struct fetching *f = arg;
    enum ec rc = f->checked ? EC_OK : place_of_answer(f, reterr);

    f->checked = true;
    if (rc)
        return rc;
    if (f->got + n > MAX_DOWNLOAD)
        return err_set(reterr, EC_LIMIT, "download: the file is larger than %llu octets",
                       (unsigned long long)MAX_DOWNLOAD);
    f->got += n;
    return file_write_all(f->fd, p, n, f->path, reterr);
}

/* The first answer's ETag: the rest must be of the same blob. */
static void keep_etag(const struct http_response *r, char ret[static 120])
{
    struct arena a = { 0 };
    const char *v = http_header_get(r, "ETag", &a);

    if (v && strlen(v) < 120)
        strcpy(ret, v);
    arena_release(&a);
}

static enum ec start_over(struct fetching *f, struct err *reterr)
{
    f->got = 0;
    return ftruncate(f->fd, 0) || lseek(f->fd, 0, SEEK_SET) < 0
               ? err_errno(reterr, EC_IO, errno, "truncate '%s'", f->path)
               : EC_NET;
}

static bool begins_with(const struct fetching *f, const char *magic)
{
    char head[8] = "";
    size_t n = strlen(magic);

    return pread(f->fd, head, sizeof(head), 0) >= (ssize_t)n && !memcmp(head, magic, n);
}

/* The connection may break in the middle of a large package: the rest is asked for by Range. */
static enum ec fetch(struct erp *e, const char *url, const char *magic, struct fetching *f, struct err *reterr)
{
    struct http_response r;
    char etag[120] = "";
    int idle = 0; /* tries in a row that brought nothing */
    enum ec rc;

    http_response_init(&r);
    f->r = &r;
    for (;;) {
        char range[48];
        struct http_header h[3] = { { "x-ms-version", "2019-12-12" }, { "Range", range }, { "If-Match", etag } };
        struct call c = { .http = { .method = "GET",
                                    .url = url,
                                    .headers = h,
                                    .n_headers = f->got ? (etag[0] ? 3 : 2) : 1,
                                    .sink = take_octets,
                                    .sink_arg = f,
                                    .timeout_ms = 60 * 60 * 1000,
                                    .what = "download" },
                          .repeat = CALL_ONCE, /* repeated here, from where it broke off */
                          .anonymous = true,
                          .user = -1 };
        uint64_t before = f->got;

        f->asked_rest = before > 0;
        f->checked = false;
        snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)before);
        rc = session_do(e->s, &c, &r, reterr);
        if (!etag[0])
            keep_etag(&r, etag);
        if (rc == EC_FNO && before && (reterr->http_status == 412 || reterr->http_status == 416)) {
            /* Another blob by now: from the beginning. */
            rc = start_over(f, reterr);
            etag[0] = 0;
        }
        if (!rc && ((f->total && f->got != f->total) || (magic && !begins_with(f, magic)))) {
            rc = err_set(reterr, EC_NET, "download: what came is not the file that was asked for");
            if (idle <= MAX_IDLE_TRIES)
                rc = start_over(f, reterr);
            before = UINT64_MAX;
            etag[0] = 0;
        }
        idle = f->got > before ? 0 : idle + 1;
        /* A call that never went out has been repeated by the session long enough. */
        if ((rc != EC_NET && rc != EC_BUSY) || (rc == EC_NET && !r.request_sent) || idle > MAX_IDLE_TRIES ||
            stop_requested())
            break;
        log_info("net", "download broke off after %llu octets, going on", (unsigned long long)f->got);
        clock_sleep_ms(idle ? 250 << idle : 100);
    }
    http_response_release(&r);
    return rc;
}

enum ec erp_blob_get(struct erp *e, const char *url, const char *magic, const char *path, struct err *reterr)
{
    struct strbuf part = STRBUF(0);
    struct fetching f = { 0 };
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    strbuf_addf(&part, "%s.part", path);
    f.path = part.buf;
    f.fd = open(part.buf, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f.fd < 0) {
        rc = err_errno(reterr, EC_IO, errno, "create '%s'", part.buf);
    } else {
        rc = fetch(e, url, magic, &f, reterr);
        close(f.fd);
        if (!rc)
            rc = file_publish(part.buf, path, reterr); /* whole or not at all, whenever we are ended */
        if (rc)
            (void)unlink(part.buf);
    }
    strbuf_release(&part);
    return rc;
}
