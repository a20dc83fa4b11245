/* repair_fno.c -- the other way: what flows to F&O, record by record, each with the version that was compared. */
#include "base/log.h"
#include "erp/erp_records.h"
#include "loader/public/fno_read.h"
#include "sync/delta_row.h"
#include "sync/repair.h"

#include <stdlib.h>

enum { CHUNK = 100, MAX_KEY = 32 };

struct fixing {
    struct map_ctx *m;
    const struct run *run;
    struct fno_shape shape; /* the binding's fields */
    struct repair_fno_counts *c;
    struct erp_op ops[CHUNK], writes[CHUNK];
    struct cell keys[CHUNK][MAX_KEY], text[CHUNK], bodies[CHUNK];
    struct digest was[CHUNK];
    bool create[CHUNK];
    size_t n;
    struct arena a; /* of the chunk */
};

enum ec repair_refused(struct map_ctx *m, const struct run *run, const char *side, struct cell key, const char *why,
                       struct err *reterr)
{
    struct exception e = { .side = side,
                           .row_no = -1,
                           .line = -1,
                           .offset = -1,
                           .key = key,
                           .state = "rejected",
                           .stage = "write",
                           .message = cell_of(why) };

    return exception_add(m, run->id, &e, reterr);
}

static bool flows_to_fno(const struct bound_field *f)
{
    return f->f && !f->key && map_dir_to_fno(f->dir) && (!map_dir_to_dv(f->dir) || f->master == MASTER_DV);
}

/* EC_FORMAT: a cell that F&O cannot be given. *ret_any false: nothing of the row flows to F&O. */
static enum ec body_of(struct fixing *x, const struct delta_row *row, bool create, struct strbuf *out, bool *ret_any,
                       struct err *reterr)
{
    const struct binding *b = x->m->b;
    struct jsonw w = { .out = out };

    *ret_any = false;
    jw_begin(&w, '{');
    if (create && b->striped)
        jw_pstr(&w, "dataAreaId", row->dv[0]);
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];
        bool constant = f->kind == BOUND_CONST_FNO;
        struct cell literal;
        const char *why = "";

        if (create) {
            if (!f->f || f->kind == BOUND_COMPANY || (!f->key && !constant && !map_dir_to_fno(f->dir)))
                continue;
            if (!constant && cell_absent(row->dv[i]))
                continue; /* an explicit blank would suppress F&O's own defaults */
        } else if (!flows_to_fno(f) || canon_equal(&f->rule, row->fno[i], row->dv[i], NULL)) {
            continue;
        }
        if (!bind_to_fno_json(b, (int)i, row->dv[i], &x->a, &literal, &why))
            return err_set(reterr, EC_FORMAT, CELL_FMT " '" CELL_FMT "': %s", CELL_ARG(f->name), CELL_ARG(row->dv[i]),
                           why);
        jw_namec(&w, f->f->property);
        jw_raw(&w, literal);
        *ret_any = true;
    }
    jw_end(&w, '}');
    return EC_OK;
}

static enum ec add(struct fixing *x, const struct delta_row *row, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    bool create = !row->fno, any = false;
    size_t i = x->n;
    struct err why = { 0 };
    enum ec rc = body_of(x, row, create, &body, &any, &why);

    if (rc) {
        x->c->refused++;
        rc = repair_refused(x->m, x->run, "fno", row->key, why.msg, reterr);
    } else if (any) {
        (void)fno_key_of(x->m, row->dv, &x->a, x->keys[i], MAX_KEY);
        for (size_t k = 0; k < MAX_KEY; k++)
            x->keys[i][k] = cell_dup(&x->a, x->keys[i][k]);
        x->text[i] = cell_dup(&x->a, row->key);
        x->bodies[i] = cell_dup(&x->a, (struct cell){ body.buf, body.len });
        x->create[i] = create;
        if (row->fno)
            x->was[i] = bind_row_digest(x->m->b, row->fno, &x->a);
        x->ops[i] = (struct erp_op){ .verb = ERP_READ,
                                     .company = x->m->b->striped ? cell_dup(&x->a, row->dv[0]) : CELL_ABSENT,
                                     .key = x->keys[i],
                                     .a = &x->a };
        x->n++;
    }
    strbuf_release(&body);
    return rc;
}

/* Is the record still what was compared (for a new one: still not there)? */
static bool as_compared(struct fixing *x, size_t i)
{
    struct cell *cells;
    size_t faults;
    bool in_filter;

    if (!x->ops[i].rec)
        return x->create[i];
    if (x->create[i])
        return false;
    cells = arena_zalloc(&x->a, (x->m->b->n + 1) * sizeof(*cells));
    fno_record(x->m, &x->shape, x->ops[i].rec, &x->a, cells, &in_filter, &faults);
    return in_filter && digest_eq(bind_row_digest(x->m->b, cells, &x->a), x->was[i]);
}

static enum ec outcome(struct fixing *x, const struct erp_op *op, size_t i, struct err *reterr)
{
    switch (op->rc) {
    case EC_OK:
        x->c->created += x->create[i];
        x->c->updated += !x->create[i];
        return EC_OK;
    case EC_CONFLICT: x->c->moved++; return EC_OK;
    case EC_FNO:
    case EC_NOTFOUND:
    case EC_FORMAT: x->c->refused++; return repair_refused(x->m, x->run, "fno", x->text[i], op->err.msg, reterr);
    default:
        if (reterr)
            *reterr = op->err;
        return op->rc;
    }
}

static enum ec flush(struct fixing *x, struct err *reterr)
{
    struct erp *erp = x->m->pair->app->erp;
    size_t of[CHUNK], n = 0;
    enum ec rc;

    if (!x->n)
        return EC_OK;
    rc = erp_records(erp, x->m->b->entity, bind_fno_select(x->m->b, &x->a), x->ops, x->n, reterr);
    for (size_t i = 0; i < x->n && !rc; i++) {
        if (x->ops[i].rc && x->ops[i].rc != EC_NOTFOUND) {
            rc = outcome(x, &x->ops[i], i, reterr);
            continue;
        }
        if (!as_compared(x, i)) {
            x->c->moved++;
            continue;
        }
        of[n] = i;
        x->writes[n++] =
            (struct erp_op){ .verb = x->create[i] ? ERP_CREATE : ERP_UPDATE,
                             .company = x->ops[i].company,
                             .key = x->keys[i],
                             .body = x->bodies[i],
                             .etag = x->create[i] ? CELL_ABSENT : json_member(x->ops[i].rec, "@odata.etag") };
    }
    if (!rc && n)
        rc = erp_records(erp, x->m->b->entity, NULL, x->writes, n, reterr);
    for (size_t k = 0; k < n && !rc; k++)
        rc = outcome(x, &x->writes[k], of[k], reterr);
    x->n = 0;
    arena_reset(&x->a);
    return rc;
}

enum ec repair_fno(struct map_ctx *m, const struct run *run, struct repair_fno_counts *ret, struct err *reterr)
{
    struct fixing *x = xcalloc(1, sizeof(*x));
    struct delta_reader *r = NULL;
    struct delta_row row;
    bool more = true;
    uint64_t done = 0;
    enum ec rc =
        delta_reader_new(m,
                         m->cfg->master_dataverse ? "class in ('differ', 'only_dataverse') and dataverse is not null"
                                                  : "class = 'differ' and fno is not null and dataverse is not null",
                         &r, reterr);

    *ret = (struct repair_fno_counts){ 0 };
    *x = (struct fixing){ .m = m, .run = run, .c = ret, .shape = { .n = m->b->n } };
    while (!rc && more) {
        rc = delta_reader_next(r, &row, &more, reterr);
        if (rc || !more)
            break;
        if (!repair_left_filter(&row))
            rc = add(x, &row, reterr);
        if (!rc && x->n == CHUNK)
            rc = flush(x, reterr);
        progress_update(&m->pair->app->out, m->cfg->alias, "repair F&O", (int64_t)++done, -1, "");
        if (!rc && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while repairing map '%s'", m->cfg->alias);
    }
    if (!rc)
        rc = flush(x, reterr);
    progress_clear(&m->pair->app->out);
    delta_reader_free(r);
    arena_release(&x->a);
    free(x);
    return rc;
}
