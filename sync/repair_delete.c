/* repair_delete.c -- rows that the master does not have are deleted on the other side, under the guard and as they were compared. */
#include "base/log.h"
#include "dv/dv_records.h"
#include "erp/erp_records.h"
#include "loader/public/fno_read.h"
#include "sync/delta_row.h"
#include "sync/repair.h"
#include "sync/verdict.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 100, MAX_KEY = 32 };

/* ---- the guard ---- */

static const char *class_of(const struct map_ctx *m)
{
    return m->cfg->master_dataverse ? "only_fno" : "only_dataverse";
}

static enum ec check_company(struct map_ctx *m, struct cell company, uint64_t n, const struct leaf_company *base,
                             size_t n_base, struct err *reterr)
{
    const char *share;
    uint64_t rows = leaf_company_rows(base, n_base, company), allowed = deletes_allowed(m, rows, &share);

    if (n <= allowed)
        return EC_OK;
    err_set(reterr, EC_GUARD,
            "%s: %llu rows of %s" CELL_FMT
            " would be deleted, max_delete = %s of the base's %llu allows %llu; nothing was "
            "deleted",
            m->cfg->alias, (unsigned long long)n, company.len ? "company " : "the map", CELL_ARG(company), share,
            (unsigned long long)rows, (unsigned long long)allowed);
    return err_hint(reterr, "look at 'dmfsync diff %s'; if they are to go, raise max_delete in [map.%s] for this run",
                    m->cfg->alias, m->cfg->alias);
}

enum ec repair_deletes_plan(struct map_ctx *m, struct repair_delete_counts *ret, struct err *reterr)
{
    struct arena a = { 0 };
    struct leaf_company *base = NULL;
    size_t n_base = 0;
    struct query *q;
    enum ec rc, guard = EC_OK;

    *ret = (struct repair_delete_counts){ 0 };
    if (m->cfg->deletes != DELETES_APPLY && m->cfg->deletes != DELETES_MARK)
        return EC_OK;
    if (m->cfg->deletes == DELETES_MARK &&
        (m->cfg->master_dataverse || !dv_column_find(m->b->table, CELL_LIT("statecode"))))
        return EC_OK; /* F&O has no common way to mark a record */
    rc = baseline_companies(m, &a, &base, &n_base, reterr);
    if (rc)
        goto out;
    q = store_query(m->state, "select company, count(*) from delta where class = ?1 and instr(note, ?2) = 0 group by "
                              "company order by 2 desc");
    query_str(q, 1, class_of(m));
    query_str(q, 2, DELTA_LEFT);
    while (query_step(q)) {
        uint64_t n = (uint64_t)query_get_int(q, 1);

        ret->planned += n;
        if (!guard)
            guard = check_company(m, query_get_cell(q, 0), n, base, n_base, reterr);
    }
    rc = query_done(q, guard ? NULL : reterr);
out:
    arena_release(&a);
    return guard ? guard : rc;
}

/* ---- Dataverse ---- */

struct chunk {
    struct map_ctx *m;
    const struct run *run;
    struct dict *d;
    struct repair_delete_counts *c;
    struct cell key[CHUNK], id[CHUNK], keys[CHUNK][MAX_KEY];
    struct digest was[CHUNK];
    char *etag[CHUNK]; /* NULL = not there, or no longer what was compared */
    struct dv_op dv[CHUNK];
    struct erp_op read[CHUNK], erp[CHUNK];
    size_t of[CHUNK], n;
    struct arena a;
};

static enum ec seen_dv(void *arg, const struct json *rec, struct err *reterr)
{
    struct chunk *x = arg;
    struct arena a = { 0 };
    struct live_row live = { 0 };

    (void)reterr;
    dv_record(x->m, x->d, rec, &a, &live);
    for (size_t i = 0; i < x->n; i++)
        if (cell_ieq(x->id[i], live.id) && live.cells &&
            digest_eq(bind_row_digest(x->m->b, live.cells, &a), x->was[i]))
            x->etag[i] = cell_cstr(&x->a, live.etag);
    arena_release(&a);
    return EC_OK;
}

static enum ec outcome(struct chunk *x, size_t i, enum ec rc, const struct err *why, const char *side, bool mark,
                       struct err *reterr)
{
    switch (rc) {
    case EC_OK:
    case EC_NOTFOUND: /* gone already */
        x->c->marked += mark;
        x->c->deleted += !mark;
        return EC_OK;
    case EC_CONFLICT: x->c->moved++; return EC_OK;
    case EC_FNO:
    case EC_DATAVERSE:
    case EC_FORMAT: x->c->refused++; return repair_refused(x->m, x->run, side, x->key[i], why->msg, reterr);
    default:
        if (reterr)
            *reterr = *why;
        return rc;
    }
}

static enum ec delete_dv(struct chunk *x, struct err *reterr)
{
    struct dv *dv = x->m->pair->app->dv;
    bool mark = x->m->cfg->deletes == DELETES_MARK;
    size_t n = 0;
    enum ec rc = dv_rows_by_id(dv, x->m->b->table, x->id, x->n, bind_dv_select(x->m->b, &x->a), seen_dv, x, reterr);

    for (size_t i = 0; i < x->n && !rc; i++) {
        if (!x->etag[i]) {
            x->c->moved++;
            continue;
        }
        x->of[n] = i;
        x->dv[n++] = (struct dv_op){ .verb = mark ? DV_UPDATE : DV_DELETE,
                                     .id = x->id[i],
                                     .body = mark ? CELL_LIT("\"statecode\":1") : CELL_ABSENT,
                                     .etag = x->etag[i][0] ? x->etag[i] : "*" };
    }
    if (!rc && n)
        rc = dv_records(dv, x->m->b->table, n > 10 ? DV_IN_BATCHES : DV_ONE_BY_ONE, x->dv, n, reterr);
    for (size_t k = 0; k < n && !rc; k++)
        rc = outcome(x, x->of[k], x->dv[k].rc, &x->dv[k].err, "dataverse", mark, reterr);
    return rc;
}

/* ---- F&O ---- */

static enum ec delete_fno(struct chunk *x, struct err *reterr)
{
    struct erp *erp = x->m->pair->app->erp;
    struct fno_shape shape = { .n = x->m->b->n };
    size_t n = 0;
    enum ec rc = erp_records(erp, x->m->b->entity, bind_fno_select(x->m->b, &x->a), x->read, x->n, reterr);

    for (size_t i = 0; i < x->n && !rc; i++) {
        struct cell *cells = arena_zalloc(&x->a, (x->m->b->n + 1) * sizeof(*cells));
        size_t faults;
        bool in_filter = false;

        if (x->read[i].rc && x->read[i].rc != EC_NOTFOUND) {
            rc = outcome(x, i, x->read[i].rc, &x->read[i].err, "fno", false, reterr);
            continue;
        }
        if (x->read[i].rec)
            fno_record(x->m, &shape, x->read[i].rec, &x->a, cells, &in_filter, &faults);
        if (!in_filter || !digest_eq(bind_row_digest(x->m->b, cells, &x->a), x->was[i])) {
            x->c->moved++;
            continue;
        }
        x->of[n] = i;
        x->erp[n++] = (struct erp_op){ .verb = ERP_DELETE,
                                       .company = x->read[i].company,
                                       .key = x->keys[i],
                                       .etag = json_member(x->read[i].rec, "@odata.etag") };
    }
    if (!rc && n)
        rc = erp_records(erp, x->m->b->entity, NULL, x->erp, n, reterr);
    for (size_t k = 0; k < n && !rc; k++)
        rc = outcome(x, x->of[k], x->erp[k].rc, &x->erp[k].err, "fno", false, reterr);
    return rc;
}

/* ---- all of them ---- */

static void add(struct chunk *x, const struct delta_row *row)
{
    size_t i = x->n++;
    const struct cell *cells = row->dv ? row->dv : row->fno;

    x->key[i] = cell_dup(&x->a, row->key);
    x->id[i] = cell_dup(&x->a, row->dv_id);
    x->etag[i] = NULL;
    x->was[i] = bind_row_digest(x->m->b, cells, &x->a);
    if (!row->fno)
        return;
    (void)fno_key_of(x->m, cells, &x->a, x->keys[i], MAX_KEY);
    for (size_t k = 0; k < MAX_KEY; k++)
        x->keys[i][k] = cell_dup(&x->a, x->keys[i][k]);
    x->read[i] = (struct erp_op){ .verb = ERP_READ,
                                  .company = x->m->b->striped ? cell_dup(&x->a, cells[0]) : CELL_ABSENT,
                                  .key = x->keys[i],
                                  .a = &x->a };
}

static enum ec flush(struct chunk *x, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (x->n)
        rc = x->m->cfg->master_dataverse ? delete_fno(x, reterr) : delete_dv(x, reterr);
    x->n = 0;
    memset(x->keys, 0, sizeof(x->keys));
    arena_reset(&x->a);
    return rc;
}

enum ec repair_deletes(struct map_ctx *m, const struct run *run, struct dict *d, struct repair_delete_counts *ret,
                       struct err *reterr)
{
    struct chunk *x;
    struct delta_reader *r = NULL;
    struct delta_row row;
    char where[40];
    bool more = true;
    enum ec rc = repair_deletes_plan(m, ret, reterr);

    if (rc || !ret->planned)
        return rc;
    x = xcalloc(1, sizeof(*x));
    x->m = m;
    x->run = run;
    x->d = d;
    x->c = ret;
    snprintf(where, sizeof(where), "class = '%s'", class_of(m));
    rc = delta_reader_new(m, where, &r, reterr);
    while (!rc && more) {
        rc = delta_reader_next(r, &row, &more, reterr);
        if (rc || !more)
            break;
        if (!repair_left_filter(&row))
            add(x, &row);
        if (x->n == CHUNK)
            rc = flush(x, reterr);
        if (!rc && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while repairing map '%s'", m->cfg->alias);
    }
    if (!rc)
        rc = flush(x, reterr);
    delta_reader_free(r);
    arena_release(&x->a);
    free(x);
    if (!rc)
        log_info("repair", "%s: %llu deleted, %llu made inactive, %llu refused, %llu changed meanwhile",
                 m->cfg->alias, (unsigned long long)ret->deleted, (unsigned long long)ret->marked,
                 (unsigned long long)ret->refused, (unsigned long long)ret->moved);
    return rc;
}
