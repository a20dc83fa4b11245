#include "erp/erp_records.h"
#include "base/step.h"
#include "erp/erp_parts.h"

#include <stdlib.h>
#include <string.h>

/* What a call on its way borrows. */
struct on_way {
    struct erp_op *op;
    struct strbuf url;
    struct http_header h[2];
    char *etag;
};
struct records {
    struct erp *e;
    const struct fno_entity *en;
    const char *select;
    struct erp_op *ops;
    size_t n, at;
};

static struct on_way *way_new(struct records *r, struct erp_op *op)
{
    struct on_way *w = xcalloc(1, sizeof(*w));

    w->op = op;
    if (op->verb == ERP_CREATE)
        strbuf_addf(&w->url, "/data/" CELL_FMT "?cross-company=true", CELL_ARG(r->en->set));
    else
        erp_add_address(&w->url, r->en, op->company, op->key);
    if (op->verb == ERP_READ && r->select)
        strbuf_addf(&w->url, "&$select=%s", r->select);
    return w;
}

static void way_free(struct on_way *w)
{
    strbuf_release(&w->url);
    free(w->etag);
    free(w);
}

static bool next_call(void *ctx, struct session_job *job, struct err *reterr)
{
    static const char *const METHODS[] = { "GET", "POST", "PATCH", "DELETE" };
    static const char *const WHATS[] = { "read one record", "create a record in F&O", "update a record in F&O",
                                         "delete a record in F&O" };
    struct records *r = ctx;
    struct erp_op *op;
    struct on_way *w;
    struct call *c = &job->call;

    (void)reterr;
    /* Keys with enums are read one by one, by filter. */
    while (r->at < r->n && r->ops[r->at].verb == ERP_READ && erp_has_enum_key(r->en))
        r->at++;
    if (r->at == r->n)
        return false;
    op = &r->ops[r->at++];
    w = way_new(r, op);
    c->http.method = METHODS[op->verb];
    c->http.what = WHATS[op->verb];
    c->http.url = w->url.buf;
    c->http.headers = w->h;
    c->http.timeout_ms = c->http.stall_ms = 240000;
    /* A creation or deletion whose answer is lost is looked up by reading, never sent again. */
    c->repeat = op->verb == ERP_READ || op->verb == ERP_UPDATE ? CALL_REPEATABLE : CALL_ONCE;
    c->statuses_are_mine = op->verb == ERP_READ;
    c->json_object = op->verb == ERP_READ;
    if (op->verb == ERP_CREATE || op->verb == ERP_UPDATE) {
        w->h[c->http.n_headers++] = (struct http_header){ "Content-Type", "application/json; charset=utf-8" };
        c->http.body = op->body.ptr;
        c->http.body_len = op->body.len;
    }
    if (op->verb != ERP_READ && !cell_blank(op->etag)) {
        w->etag = strndup(op->etag.ptr, op->etag.len);
        w->h[c->http.n_headers++] = (struct http_header){ "If-Match", w->etag };
    }
    c->user = -1;
    job->arg = w;
    if (op->verb != ERP_READ)
        STEP(write_call);
    return true;
}

static void take_read(struct records *r, struct erp_op *op, const struct http_response *resp)
{
    op->rec = NULL;
    if (resp->status == 200) {
        op->rc = json_parse("record", strbuf_str(&resp->body), resp->body.len, NULL, op->a, &op->rec, &op->err);
        if (op->rc)
            op->rc = err_ctx(&op->err, EC_FNO, "the answer of F&O cannot be read");
    } else if (resp->status != 404) {
        /* 400 may mean "no such row" as well as a bad request: asked once more, in the form that tells them apart */
        op->rc = EC_FAIL;
    }
    (void)r;
}

static enum ec done_call(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr)
{
    struct on_way *w = job->arg;
    struct erp_op *op = w->op;

    (void)reterr;
    op->rc = rc;
    if (rc)
        op->err = *call_err;
    if (op->verb != ERP_READ) {
        STEP(write_called);
        op->rc = erp_write_refused(rc, &op->err);
    } else if (!rc) {
        take_read(ctx, op, &job->resp);
    }
    way_free(w);
    return EC_OK;
}

enum ec erp_records(struct erp *e, const struct fno_entity *en, const char *select, struct erp_op *ops, size_t n,
                    struct err *reterr)
{
    struct records r = { .e = e, .en = en, .select = select, .ops = ops, .n = n };
    struct session_pool pool = { .next = next_call, .done = done_call, .ctx = &r };
    bool by_filter = erp_has_enum_key(en);
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        ops[i].rc = ops[i].verb == ERP_READ && by_filter ? EC_FAIL : EC_STOPPED;
        ops[i].rec = NULL;
    }
    rc = session_run(e->s, &pool, reterr);
    for (size_t i = 0; i < n && !rc; i++) {
        struct erp_op *op = &ops[i];
        bool found = false;

        if (op->verb != ERP_READ || op->rc != EC_FAIL)
            continue;
        op->err = (struct err){ 0 };
        op->rc = erp_get(e, en, op->company, op->key, select, op->a, &op->rec, &found, &op->err);
        if (!found)
            op->rec = NULL;
        if (op->rc == EC_STOPPED) {
            rc = op->rc;
            if (reterr)
                *reterr = op->err;
        }
    }
    return rc;
}
