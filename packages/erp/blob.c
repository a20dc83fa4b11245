/* blob.c -- octets to and from signed URLs of Azure Blob storage. Sources: "Put Blob", "Put Block", "Put Block List". */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "erp/erp_parts.h"
#include "erp/pkgapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SINGLE_PUT = 64 << 20, BLOCK = 16 << 20, MAX_BLOCKS = 50000 };

/* The version of the request governs the size limits; without it the signed URL's own, old one would (64 MiB). */
static const struct http_header PUT_BLOB[] = { { "x-ms-blob-type", "BlockBlob" },
                                               { "x-ms-version", "2019-12-12" },
                                               { "Content-Type", "application/zip" } };
static const struct http_header PUT_BLOCK[] = { { "x-ms-version", "2019-12-12" } };

static enum ec explain(enum ec rc, struct err *reterr)
{
    if (rc == EC_FNO && reterr && reterr->http_status == 403) {
        reterr->code = EC_STATE;
        return EC_STATE; /* expired or no longer valid: the caller asks for a new place */
    }
    return rc;
}

static enum ec put_single(struct erp *e, const struct erp_place *place, const char *path, uint64_t size,
                          struct err *reterr)
{
    struct call c = { .http = { .method = "PUT",
                                .url = place->url,
                                .headers = PUT_BLOB,
                                .n_headers = COUNT(PUT_BLOB),
                                .file = path,
                                .body_len = size,
                                .timeout_ms = 30 * 60 * 1000,
                                .what = "upload of a package" },
                      .repeat = CALL_REPEATABLE,
                      .anonymous = true,
                      .user = -1 };
    struct http_response r;
    enum ec rc;

    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    http_response_release(&r);
    return explain(rc, reterr);
}

struct blocks {
    struct erp *e;
    const struct erp_place *place;
    const char *path;
    uint64_t size;
    size_t n, next;
};

static void block_id(size_t i, char ret[static 24])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char raw[10];

    /* Base64 of nine digits: all ids have equal length, as the service demands. */
    snprintf(raw, sizeof(raw), "%09zu", i);
    for (size_t k = 0; k < 3; k++) {
        uint32_t v = (uint32_t)(unsigned char)raw[3 * k] << 16 | (uint32_t)(unsigned char)raw[3 * k + 1] << 8 |
                     (unsigned char)raw[3 * k + 2];

        for (size_t d = 0; d < 4; d++)
            ret[4 * k + d] = DIGITS[v >> (18 - 6 * d) & 63];
    }
    ret[12] = 0;
}

static bool next_block(void *ctx, struct session_job *job, struct err *reterr)
{
    struct blocks *b = ctx;
    char id[24];
    struct strbuf url = STRBUF(0);
    size_t i = b->next;

    (void)reterr;
    if (i == b->n)
        return false;
    b->next++;
    block_id(i, id);
    strbuf_addf(&url, "%s&comp=block&blockid=", b->place->url);
    strbuf_add_url(&url, id, strlen(id), NULL);
    job->arg = url.buf;
    job->call =
        (struct call){ .http = { .method = "PUT",
                                 .url = url.buf,
                                 .headers = PUT_BLOCK,
                                 .n_headers = COUNT(PUT_BLOCK),
                                 .file = b->path,
                                 .file_offset = (uint64_t)i * BLOCK,
                                 .body_len =
                                     b->size - (uint64_t)i * BLOCK < BLOCK ? b->size - (uint64_t)i * BLOCK : BLOCK,
                                 .timeout_ms = 15 * 60 * 1000,
                                 .what = "upload of a block" },
                       .repeat = CALL_REPEATABLE,
                       .anonymous = true,
                       .user = -1 };
    return true;
}

static enum ec block_done(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    (void)ctx;
    free(job->arg);
    if (rc && reterr)
        *reterr = *call_err;
    return rc;
}

static enum ec put_list(struct erp *e, const struct blocks *b, struct err *reterr)
{
    struct strbuf body = STRBUF(0), url = STRBUF(0);
    struct call c = {
        .http = { .method = "PUT", .headers = PUT_BLOCK, .n_headers = COUNT(PUT_BLOCK), .what = "end of an upload" },
        .repeat = CALL_REPEATABLE,
        .anonymous = true,
        .user = -1
    };
    struct http_response r;
    enum ec rc;

    strbuf_adds(&body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (size_t i = 0; i < b->n; i++) {
        char id[24];

        block_id(i, id);
        strbuf_addf(&body, "<Latest>%s</Latest>", id);
    }
    strbuf_adds(&body, "</BlockList>");
    strbuf_addf(&url, "%s&comp=blocklist", b->place->url);
    c.http.url = url.buf;
    c.http.body = body.buf;
    c.http.body_len = body.len;
    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    http_response_release(&r);
    strbuf_release(&body);
    strbuf_release(&url);
    return rc;
}

enum ec erp_blob_put(struct erp *e, const struct erp_place *place, const char *path, struct err *reterr)
{
    int64_t size = file_size(path);
    struct blocks b = { .e = e, .place = place, .path = path };
    struct session_pool pool = { .next = next_block, .done = block_done, .ctx = &b, .max_in_flight = 4 };
    enum ec rc;

    if (size < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", path);
    STEP(blob_put);
    if (size <= SINGLE_PUT) {
        rc = put_single(e, place, path, (uint64_t)size, reterr);
    } else {
        b.size = (uint64_t)size;
        b.n = (size_t)((b.size + BLOCK - 1) / BLOCK);
        if (b.n > MAX_BLOCKS)
            return err_set(reterr, EC_LIMIT, "'%s' is too large for one blob", path);
        rc = session_run(e->s, &pool, reterr);
        if (!rc)
            rc = put_list(e, &b, reterr);
        rc = explain(rc, reterr);
    }
    STEP(blob_done);
    return rc;
}

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
