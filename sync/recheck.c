/* recheck.c -- differing keys are read again on both sides before they count; and the reader of the stored delta. */
#include "base/log.h"
#include "base/step.h"
#include "sync/delta_row.h"

#include <stdio.h>
#include <stdlib.h>

struct delta_reader {
    struct map_ctx *m;
    sqlite3_stmt *st;
    struct arena a;
};

enum ec delta_reader_new(struct map_ctx *m, const char *where, struct delta_reader **ret, struct err *reterr)
{
    struct delta_reader *r = xcalloc(1, sizeof(*r));
    char *sql = arena_printf(
        &r->a,
        "select key_digest, key, company, class, dv_id, fno, dataverse, note from delta %s%s order by key_digest",
        where && where[0] ? "where " : "", where ? where : "");

    r->m = m;
    if (sqlite3_prepare_v2(store_handle(m->state), sql, -1, &r->st, NULL)) {
        enum ec rc = err_set(reterr, EC_DB, "read the delta: %s", sqlite3_errmsg(store_handle(m->state)));

        delta_reader_free(r);
        return rc;
    }
    *ret = r;
    return EC_OK;
}

static struct cell column(struct delta_reader *r, int i)
{
    const char *p = (const char *)sqlite3_column_text(r->st, i);
    size_t n = (size_t)sqlite3_column_bytes(r->st, i);

    return p ? (struct cell){ arena_dup(&r->a, p, n), n } : CELL_ABSENT;
}

static const struct cell *packed(struct delta_reader *r, int i)
{
    const void *p = sqlite3_column_blob(r->st, i);
    size_t n = (size_t)sqlite3_column_bytes(r->st, i);
    struct cell *cells;
    char *copy;

    if (!p)
        return NULL;
    copy = arena_dup(&r->a, p, n);
    cells = arena_zalloc(&r->a, (r->m->b->n + 1) * sizeof(*cells));
    return row_unpack(copy, n, cells, r->m->b->n) ? cells : NULL;
}

enum ec delta_reader_next(struct delta_reader *r, struct delta_row *ret, bool *ret_more, struct err *reterr)
{
    int rc = sqlite3_step(r->st);

    arena_reset(&r->a);
    *ret_more = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        return EC_OK;
    if (rc != SQLITE_ROW || sqlite3_column_bytes(r->st, 0) != 16)
        return err_set(reterr, EC_DB, "read the delta: %s", sqlite3_errmsg(store_handle(r->m->state)));
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->key_octets, sqlite3_column_blob(r->st, 0), 16);
    ret->key = column(r, 1);
    ret->company = column(r, 2);
    ret->class = cell_cstr(&r->a, column(r, 3));
    ret->dv_id = column(r, 4);
    ret->fno = packed(r, 5);
    ret->dv = packed(r, 6);
    ret->note = cell_cstr(&r->a, column(r, 7));
    return EC_OK;
}

void delta_reader_free(struct delta_reader *r)
{
    if (!r)
        return;
    sqlite3_finalize(r->st);
    arena_release(&r->a);
    free(r);
}

/* ---- recheck ---- */

static bool same_row(const struct binding *b, const struct cell *x, const struct cell *y)
{
    int f[1];

    if (!x || !y)
        return !x && !y;
    return !diff_fields(b, x, y, f, 0);
}

static void swap_digest(struct digest *sum, const struct binding *b, const struct cell *was, const struct cell *is,
                        struct arena *a)
{
    if (was)
        digest_sum_sub(sum, bind_row_digest(b, was, a));
    if (is)
        digest_sum_add(sum, bind_row_digest(b, is, a));
}

static void move(struct diff_result *res, const struct delta_row *d, const char *to, bool now_gone)
{
    struct diff_counts *by = diff_company(res, d->company);

    delta_count(&res->all, d->class, -1);
    if (by)
        delta_count(by, d->class, -1);
    if (now_gone) { /* neither side has the key any more */
        res->all.keys--;
        if (by)
            by->keys--;
        return;
    }
    delta_count(&res->all, to, 1);
    if (by)
        delta_count(by, to, 1);
}

static void count_sides(struct diff_result *res, const struct delta_row *d, const struct cell *fno,
                        const struct cell *dv)
{
    struct diff_counts *by = diff_company(res, d->company), *both[2] = { &res->all, by };

    for (size_t i = 0; i < 2; i++) {
        if (!both[i])
            continue;
        both[i]->fno_rows += (uint64_t)((fno != NULL) - (d->fno != NULL));
        both[i]->dataverse_rows += (uint64_t)((dv != NULL) - (d->dv != NULL));
    }
}

static enum ec drop_delta(struct map_ctx *m, const struct delta_row *d, struct err *reterr)
{
    static const char *const SQL[] = { "delete from delta where key_digest = ?1",
                                       "delete from delta_field where key_digest = ?1" };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < COUNT(SQL) && !rc; i++) {
        struct query *q = store_query(m->state, SQL[i]);

        query_blob(q, 1, d->key_octets, 16);
        rc = query_run(q, reterr);
    }
    return rc;
}

/* There, but the map's filter or companies leave it out. */
static bool outside(const struct live_row *r)
{
    return r->raw && !r->cells;
}

static enum ec recheck_one(struct map_ctx *m, struct dict *d, const struct delta_row *row, struct diff_result *res,
                           struct err *reterr)
{
    struct arena a = { 0 };
    struct live_row fno, dv;
    const struct cell *key = row->fno ? row->fno : row->dv;
    struct delta_row now = *row;
    bool equal;
    enum ec rc = live_fno(m, key, &a, &fno, reterr);

    if (!rc)
        rc = live_dv(m, d, key, row->dv_id, &a, &dv, reterr);
    if (!rc && !dv.raw && !cell_blank(row->dv_id)) /* gone under that id: perhaps made anew under another */
        rc = live_dv(m, d, key, CELL_ABSENT, &a, &dv, reterr);
    if (rc)
        goto out;
    equal = same_row(m->b, fno.cells, dv.cells);
    swap_digest(&res->all.fno_digest, m->b, row->fno, fno.cells, &a);
    swap_digest(&res->all.dataverse_digest, m->b, row->dv, dv.cells, &a);
    if (diff_company(res, row->company)) {
        swap_digest(&diff_company(res, row->company)->fno_digest, m->b, row->fno, fno.cells, &a);
        swap_digest(&diff_company(res, row->company)->dataverse_digest, m->b, row->dv, dv.cells, &a);
    }
    count_sides(res, row, fno.cells, dv.cells);
    if (equal) {
        move(res, row, "equal", !fno.cells);
        rc = drop_delta(m, row, reterr);
    } else if (!same_row(m->b, fno.cells, row->fno) || !same_row(m->b, dv.cells, row->dv)) {
        /* It moved after the snapshot began: somebody is at work on it. */
        now.class = "in_flight";
        now.fno = fno.cells;
        now.dv = dv.cells;
        now.dv_id = dv.id;
        now.note = "changed after the snapshot began";
        move(res, row, now.class, false);
        rc = delta_put(m, &now, reterr);
    } else if (outside(&fno) || outside(&dv)) {
        now.note = outside(&dv) ? "Dataverse has the row " DELTA_LEFT : "F&O has the row " DELTA_LEFT;
        rc = delta_put(m, &now, reterr);
    }
out:
    arena_release(&a);
    return rc;
}

enum ec diff_recheck(struct map_ctx *m, struct dict *d, uint64_t max, struct diff_result *res, struct err *reterr)
{
    struct delta_reader *r = NULL;
    struct strbuf keys = STRBUF(0); /* digests first: the table changes under a reader */
    struct delta_row row;
    uint64_t done = 0;
    bool more = true;
    enum ec rc = EC_OK;

    if (res->all.differ + res->all.only_fno + res->all.only_dataverse > max)
        return EC_OK; /* too many to be a matter of timing; they stand as they are */
    rc = delta_reader_new(m, "class in ('differ', 'only_fno', 'only_dataverse')", &r, reterr);
    while (!rc && more) {
        rc = delta_reader_next(r, &row, &more, reterr);
        if (!rc && more)
            strbuf_add(&keys, row.key_octets, 16);
    }
    delta_reader_free(r);
    if (!rc && keys.len) {
        STEP(delta_store);
        rc = store_begin(m->state, reterr);
    }
    for (size_t at = 0; at < keys.len && !rc; at += 16) {
        char hex[33], where[80];
        struct digest key = { 0, 0 };

        for (int i = 0; i < 8; i++) {
            key.hi = key.hi << 8 | (unsigned char)keys.buf[at + (size_t)i];
            key.lo = key.lo << 8 | (unsigned char)keys.buf[at + 8 + (size_t)i];
        }
        digest_format_hex(key, hex);
        snprintf(where, sizeof(where), "key_digest = x'%s'", hex);
        rc = delta_reader_new(m, where, &r, reterr);
        if (!rc)
            rc = delta_reader_next(r, &row, &more, reterr);
        if (!rc && more)
            rc = recheck_one(m, d, &row, res, reterr);
        delta_reader_free(r);
        progress_update(&m->pair->app->out, m->cfg->alias, "recheck", (int64_t)++done, (int64_t)(keys.len / 16), "");
    }
    if (store_in_transaction(m->state)) {
        rc = store_end(m->state, rc, reterr);
        STEP(delta_stored);
    }
    progress_clear(&m->pair->app->out);
    strbuf_release(&keys);
    return rc;
}
