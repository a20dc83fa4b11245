/*
 * Conditional writes side by side. Sources: Dataverse Web API, "Perform conditional operations", "Execute batch operations using
 * the Web API". Every write may be sent again after a lost answer: an update or deletion carries the version that was read and is
 * refused when it has already been done, a creation carries an id chosen by us and is refused as a duplicate; in each
 * case the caller reads the row again and sees what is so.
 */
#include "dv/dv_records.h"
#include "base/step.h"
#include "dv/dv_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_OPS = 100 };

struct group { /* operations of one call */
    struct dv_op *ops;
    size_t n;
    bool batch;
    struct strbuf url, body;
    char boundary[48], content_type[100];
    struct dv_headers headers;
};
struct writing {
    struct dv *d;
    const struct dv_table *t;
    struct dv_op *ops;
    size_t n, at, per_call;
};

static const char *method(const struct dv_op *op)
{
    return op->verb == DV_CREATE ? "POST" : op->verb == DV_UPDATE ? "PATCH" : "DELETE";
}

static const char *what(const struct dv_op *op)
{
    return op->verb == DV_CREATE ? "create a row" : op->verb == DV_UPDATE ? "update of a row" : "delete of a row";
}

/* Path and body; the answer is asked for with the key alone, which is how the new version comes back. */
static void fill(const struct writing *w, const struct dv_op *op, struct strbuf *path, struct strbuf *body)
{
    struct arena a = { 0 };

    strbuf_addf(path, DV_API CELL_FMT, CELL_ARG(w->t->set));
    if (op->verb != DV_CREATE)
        strbuf_addf(path, "(" CELL_FMT ")", CELL_ARG(op->id));
    if (op->verb != DV_DELETE) {
        strbuf_addf(path, "?$select=" CELL_FMT, CELL_ARG(w->t->pk));
        dv_row_json(body, op->verb == DV_CREATE ? w->t->pk : CELL_ABSENT, cell_cstr(&a, op->id), op->body);
    }
    dv_add_tag(w->d, path, op->verb != DV_DELETE);
    arena_release(&a);
}

static void add_op(const struct writing *w, struct group *g, const struct dv_op *op, size_t number)
{
    struct strbuf path = { 0 }, body = { 0 };
    struct http_header h[5];
    size_t k = 0;

    for (size_t j = 0; j < w->d->n_write_headers; j++)
        h[k++] = w->d->write_headers[j];
    if (op->etag)
        h[k++] = (struct http_header){ "If-Match", op->etag };
    if (op->verb != DV_DELETE)
        h[k++] = (struct http_header){ "Prefer", "return=representation" };
    fill(w, op, &path, &body);
    dv_batch_op(&g->body, g->boundary, method(op), strbuf_str(&path), h, k, number,
                op->verb == DV_DELETE ? CELL_ABSENT : (struct cell){ body.buf, body.len });
    strbuf_release(&path);
    strbuf_release(&body);
}

static void group_free(struct group *g)
{
    strbuf_release(&g->url);
    strbuf_release(&g->body);
    free(g);
}

static bool next_call(void *ctx, struct session_job *job, struct err *reterr)
{
    struct writing *w = ctx;
    struct group *g;
    struct dv_request q = { .write = true, .repeat = CALL_REPEATABLE };

    (void)reterr;
    if (w->at == w->n)
        return false;
    g = xcalloc(1, sizeof(*g));
    g->ops = &w->ops[w->at];
    g->n = w->n - w->at < w->per_call ? w->n - w->at : w->per_call;
    g->batch = w->per_call > 1;
    w->at += g->n;
    if (g->batch) {
        dv_batch_boundary(g->boundary);
        snprintf(g->content_type, sizeof(g->content_type), "multipart/mixed;boundary=%s", g->boundary);
        for (size_t i = 0; i < g->n; i++)
            add_op(w, g, &g->ops[i], i + 1);
        dv_batch_end(&g->body, g->boundary);
        strbuf_adds(&g->url, DV_API "$batch");
        q.method = "POST";
        q.what = "$batch of single writes";
        q.prefer = "odata.continue-on-error";
        q.content_type = g->content_type;
        q.body = (struct cell){ g->body.buf, g->body.len };
    } else {
        fill(w, g->ops, &g->url, &g->body);
        q.method = method(g->ops);
        q.what = what(g->ops);
        q.if_match = g->ops->etag;
        if (g->ops->verb != DV_DELETE) {
            q.prefer = "return=representation";
            q.body = (struct cell){ g->body.buf, g->body.len };
        }
    }
    q.url = strbuf_str(&g->url);
    dv_call_fill(w->d, &q, &g->headers, &job->call);
    job->arg = g;
    STEP(write_call);
    return true;
}

/* One operation's answer. */
static void settle(const struct writing *w, struct dv_op *op, const struct http_response *r)
{
    enum dv_fault f;

    if (r->status >= 200 && r->status < 300) {
        op->rc = EC_OK;
        dv_etag_of(r, op->new_etag);
        return;
    }
    f = dv_answer_error(r, &op->err);
    if (f == DVF_DUPLICATE && op->verb == DV_CREATE)
        op->err.code = EC_CONFLICT;
    else if (r->status == 404 && f == DVF_REFERENCE && op->verb != DV_CREATE) {
        char id[40];

        /* both "this row is gone" and "a row it points to is not there": the text names which */
        snprintf(id, sizeof(id), CELL_FMT, CELL_ARG(op->id));
        if (op->verb == DV_DELETE || strcasestr(op->err.msg, id))
            op->err.code = EC_NOTFOUND;
    }
    op->rc = err_ctx(&op->err, op->err.code, "%s of " CELL_FMT, what(op), CELL_ARG(w->t->set));
}

static void settle_batch(const struct writing *w, struct group *g, const struct http_response *r)
{
    struct arena a = { 0 };
    const char *boundary = dv_batch_boundary_of(http_header_get(r, "Content-Type", &a), &a);
    struct dv_batch_part *parts = NULL;
    struct err e = { 0 };
    size_t n = 0;
    bool complete = false;

    if (!boundary ||
        dv_batch_parse(boundary, strbuf_str(&r->body), r->body.len, BATCH_OPS * 2, &a, &parts, &n, &complete, &e))
        n = 0;
    for (size_t i = 0; i < g->n; i++)
        g->ops[i].rc = err_set(&g->ops[i].err, EC_NET, "$batch: the answer holds nothing about this row");
    for (size_t i = 0; i < n; i++) {
        size_t at = parts[i].content_id > 0 ? (size_t)parts[i].content_id - 1 : i;
        struct http_response one;

        if (at >= g->n)
            continue;
        http_response_init(&one);
        one.status = parts[i].status;
        strbuf_add(&one.body, parts[i].body.ptr, parts[i].body.len);
        g->ops[at].err = (struct err){ 0 };
        settle(w, &g->ops[at], &one);
        if (!g->ops[at].rc && !g->ops[at].new_etag[0] && !cell_blank(parts[i].etag))
            snprintf(g->ops[at].new_etag, sizeof(g->ops[at].new_etag), CELL_FMT, CELL_ARG(parts[i].etag));
        http_response_release(&one);
    }
    arena_release(&a);
}

static enum ec done_call(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct writing *w = ctx;
    struct group *g = job->arg;

    (void)reterr;
    STEP(write_called);
    if (rc) {
        for (size_t i = 0; i < g->n; i++) {
            g->ops[i].rc = rc;
            g->ops[i].err = *call_err;
        }
    } else if (!g->batch) {
        settle(w, g->ops, &job->resp);
    } else if (job->resp.status >= 200 && job->resp.status < 300) {
        settle_batch(w, g, &job->resp);
    } else {
        for (size_t i = 0; i < g->n; i++)
            settle(w, &g->ops[i], &job->resp);
    }
    group_free(g);
    return EC_OK;
}

enum ec dv_records(struct dv *d, const struct dv_table *t, int how, struct dv_op *ops, size_t n, struct err *reterr)
{
    struct writing w = { .d = d, .t = t, .ops = ops, .n = n, .per_call = how == DV_IN_BATCHES ? BATCH_OPS : 1 };
    struct session_pool pool = { .next = next_call, .done = done_call, .ctx = &w };
    uint8_t bin[16];

    for (size_t i = 0; i < n; i++) {
        BUG_IF(!dv_guid(ops[i].id, bin), "a row is written by its id");
        ops[i].rc = EC_STOPPED;
        ops[i].err = (struct err){ 0 };
        ops[i].new_etag[0] = 0;
    }
    return session_run(d->session, &pool, reterr);
}

enum ec dv_rows_by_id(struct dv *d, const struct dv_table *t, const struct cell *ids, size_t n, const char *select,
                      json_row_fn *row, void *arg, struct err *reterr)
{
    return dv_find(d, t, t->pk, ids, n, CELL_ABSENT, CELL_ABSENT, select, row, arg, reterr);
}
