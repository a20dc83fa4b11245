/*
 * blob_put.c -- a package to its signed URL of Azure Blob storage: one PUT, or blocks side by side and their list. Each request
 * carries the Content-MD5 of its octets, which the service checks. Sources: "Put Blob", "Put Block", "Put Block List",
 * "Status and error codes".
 */
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "data/md5.h"
#include "erp/erp_parts.h"
#include "erp/pkgapi.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINGLE_PUT = 64 << 20, BLOCK = 16 << 20, MAX_BLOCKS = 50000, MAX_DAMAGED = 3, MAX_HEADERS = 4 };

/* The version of the request governs the size limits; without it the signed URL's own, old one would (64 MiB). */
static const struct http_header VERSION = { "x-ms-version", "2019-12-12" };

static enum ec explain(enum ec rc, struct err *reterr)
{
    if (rc != EC_FNO || !reterr)
        return rc;
    if (reterr->http_status == 403 && !strncmp(reterr->service_code, "AuthorizationPermission", 23)) {
        err_hint(reterr,
                 "the upload URL gives no right to write (its sp= lacks w); another one would not either: check the "
                 "storage account of the environment, or what stands between");
        return rc;
    }
    if (reterr->http_status == 403) {
        reterr->code = EC_STATE;
        return EC_STATE; /* expired or no longer valid: the caller asks for a new place */
    }
    return rc;
}

/*
 * The octets were changed on their way: they can be sent again. Azurite, which development boxes use, says it by
 * InvalidOperation and "Provided contentMD5 doesn't match."
 */
static bool damaged(enum ec rc, const struct err *e)
{
    return rc == EC_FNO && e && e->http_status == 400 &&
           (!strcmp(e->service_code, "Md5Mismatch") || strstr(e->msg, "contentMD5 doesn't match"));
}

static enum ec give_up_damaged(struct err *reterr, const char *path)
{
    err_hint(reterr,
             "something between here and the storage service changes what is sent (a proxy that rewrites or scans "
             "uploads?), or the disk gives other octets at each reading");
    return err_ctx(reterr, EC_FNO, "'%s' arrived damaged %d times", path, (int)MAX_DAMAGED);
}

struct put_headers {
    struct http_header h[MAX_HEADERS];
    char md5[25];
    size_t n;
};

static enum ec put_headers(struct put_headers *h, bool whole, const char *path, uint64_t offset, uint64_t n,
                           struct err *reterr)
{
    enum ec rc = md5_of_file(path, offset, n, h->md5, reterr);

    h->n = 0;
    h->h[h->n++] = VERSION;
    if (whole) {
        h->h[h->n++] = (struct http_header){ "x-ms-blob-type", "BlockBlob" };
        h->h[h->n++] = (struct http_header){ "Content-Type", "application/zip" };
    }
    if (h->md5[0])
        h->h[h->n++] = (struct http_header){ "Content-MD5", h->md5 };
    return rc;
}

static enum ec put_single(struct erp *e, const struct erp_place *place, const char *path, uint64_t size,
                          struct err *reterr)
{
    struct http_response r;
    enum ec rc = EC_OK;

    http_response_init(&r);
    for (int tries = 0; tries < MAX_DAMAGED; tries++) {
        struct put_headers h;
        struct call c = { .http = { .method = "PUT",
                                    .url = place->url,
                                    .headers = h.h,
                                    .file = path,
                                    .body_len = size,
                                    .timeout_ms = 30 * 60 * 1000,
                                    .what = "upload of a package" },
                          .repeat = CALL_REPEATABLE,
                          .anonymous = true,
                          .user = -1 };

        rc = put_headers(&h, true, path, 0, size, reterr);
        if (rc)
            break;
        c.http.n_headers = h.n;
        rc = session_do(e->s, &c, &r, reterr);
        if (!damaged(rc, reterr))
            break;
        log_warn("net", "the package arrived damaged%s", tries + 1 < MAX_DAMAGED ? ", sending it again" : "");
    }
    http_response_release(&r);
    return damaged(rc, reterr) ? give_up_damaged(reterr, path) : explain(rc, reterr);
}

struct block {
    struct put_headers headers;
    char *url;
    size_t i;
};
struct blocks {
    struct erp *e;
    const struct erp_place *place;
    const char *path;
    uint64_t size;
    size_t n, next;
    size_t again[MAX_DAMAGED], n_again; /* damaged ones */
    int n_damaged;
};

/* Base64 of nine digits: all ids have equal length, as the service demands. */
static void block_id(size_t i, char ret[static 24])
{
    char raw[10];

    snprintf(raw, sizeof(raw), "%09zu", i);
    EVP_EncodeBlock((unsigned char *)ret, (const unsigned char *)raw, 9);
}

static enum ec prepare_block(struct blocks *b, struct session_job *job, size_t i, struct err *reterr)
{
    struct block *one = xcalloc(1, sizeof(*one));
    struct strbuf url = STRBUF(0);
    uint64_t from = (uint64_t)i * BLOCK, len = b->size - from < BLOCK ? b->size - from : BLOCK;
    char id[24];
    enum ec rc;

    block_id(i, id);
    strbuf_addf(&url, "%s&comp=block&blockid=", b->place->url);
    strbuf_add_url(&url, id, strlen(id), NULL);
    one->url = url.buf;
    one->i = i;
    rc = put_headers(&one->headers, false, b->path, from, len, reterr);
    job->arg = one;
    job->call = (struct call){ .http = { .method = "PUT",
                                         .url = one->url,
                                         .headers = one->headers.h,
                                         .n_headers = one->headers.n,
                                         .file = b->path,
                                         .file_offset = from,
                                         .body_len = len,
                                         .timeout_ms = 15 * 60 * 1000,
                                         .what = "upload of a block" },
                               .repeat = CALL_REPEATABLE,
                               .anonymous = true,
                               .user = -1 };
    return rc;
}

static void free_block(struct session_job *job)
{
    struct block *one = job->arg;

    free(one->url);
    free(one);
    job->arg = NULL;
}

static bool next_block(void *ctx, struct session_job *job, struct err *reterr)
{
    struct blocks *b = ctx;
    bool again = b->n_again > 0;

    if (!again && b->next == b->n)
        return false;
    if (prepare_block(b, job, again ? b->again[b->n_again - 1] : b->next, reterr)) {
        free_block(job);
        return false;
    }
    if (again)
        b->n_again--;
    else
        b->next++;
    return true;
}

static enum ec block_done(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct blocks *b = ctx;
    size_t i = ((struct block *)job->arg)->i;

    free_block(job);
    if (damaged(rc, call_err) && ++b->n_damaged < MAX_DAMAGED) {
        log_warn("net", "block %zu of %zu arrived damaged, sending it again", i + 1, b->n);
        b->again[b->n_again++] = i;
        return EC_OK;
    }
    if (rc && reterr)
        *reterr = *call_err;
    return damaged(rc, call_err) ? give_up_damaged(reterr, b->path) : rc;
}

static enum ec put_list(struct erp *e, const struct blocks *b, struct err *reterr)
{
    struct strbuf body = STRBUF(0), url = STRBUF(0);
    struct call c = { .http = { .method = "PUT", .headers = &VERSION, .n_headers = 1, .what = "end of an upload" },
                      .repeat = CALL_REPEATABLE,
                      .anonymous = true,
                      .user = -1 };
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
