#include "sync/repair.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/delta_row.h"

#include <stdio.h>
#include <stdlib.h>

struct repairing {
    struct map_ctx *m;
    const struct run *run;
    struct dict *d;
    struct delta_reader *r;
    struct baseline *base;
    struct repair_counts *c;
    bool *fields;
    const struct repair_scope *scope;
    enum existing_policy policy;
    bool first; /* counts are taken in the first pass only */
    struct arena a;
};

/* A field of one direction goes that way whoever is the master: the map knows no other. */
bool repair_flows_to_dv(const struct bound_field *f)
{
    return f->kind != BOUND_COMPANY && !f->key && map_dir_to_dv(f->dir) &&
           (!map_dir_to_fno(f->dir) || f->master == MASTER_FNO);
}

bool repair_left_filter(const struct delta_row *row)
{
    return strstr(row->note, DELTA_LEFT) != NULL;
}

/* Our own rows: under the id that follows from their key, or in the base. */
static bool ours(struct repairing *p, const struct delta_row *row, struct err *reterr)
{
    struct base_row base = { 0 };
    char id[40];

    dvload_id(p->m->b, dict_organization(p->d), row->key, id);
    if (cell_ieq(row->dv_id, cell_of(id)))
        return true;
    if (!p->base)
        return false;
    return baseline_row(p->base, bind_key_digest(p->m->b, row->fno, &p->a), &p->a, &base, reterr) == EC_OK &&
           base.cells;
}

static enum ec refuse(struct repairing *p, const struct delta_row *row, struct err *reterr)
{
    struct exception e = {
        .side = "dataverse",
        .row_no = -1,
        .line = -1,
        .offset = -1,
        .key = row->key,
        .state = "rejected",
        .stage = "existing",
        .code = CELL_LIT("exists"),
        .message = CELL_LIT("Dataverse already holds a row of this key with other values, and existing = refuse")
    };

    if (!p->first)
        return EC_OK;
    p->c->refused_existing++;
    return exception_add(p->m, p->run->id, &e, reterr);
}

/* false = nothing to write for this row. */
/* A column that the file lacks, and a blank cell of one that it has, are no opinion: Dataverse may have its default there. */
static bool given(const struct repairing *p, const struct delta_row *row, size_t field)
{
    return !p->scope || !p->scope->fields || (p->scope->fields[field] && !cell_blank(row->fno[field]));
}

static bool choose_fields(struct repairing *p, const struct delta_row *row)
{
    int differ[512];
    size_t n = diff_fields(p->m->b, row->fno, row->dv, differ, COUNT(differ));
    bool any = false;

    memset(p->fields, 0, p->m->b->n);
    for (size_t i = 0; i < n && i < COUNT(differ); i++)
        if (repair_flows_to_dv(&p->m->b->fields[differ[i]]) && given(p, row, (size_t)differ[i]))
            any = p->fields[differ[i]] = true;
    return any;
}

/* A new row gets what is given, not blanks for what is not. */
static const bool *new_fields(struct repairing *p, const struct delta_row *row)
{
    const struct binding *b = p->m->b;

    if (!p->scope || !p->scope->fields)
        return NULL;
    for (size_t i = 0; i < b->n; i++)
        p->fields[i] = given(p, row, i);
    return p->fields;
}

/* Did F&O refuse this row in the scope's run? Then Dataverse must not have it. */
static enum ec outside(struct repairing *p, const struct delta_row *row, bool *ret, struct err *reterr)
{
    struct query *q;

    *ret = false;
    if (!p->scope || !p->scope->refused_run)
        return EC_OK;
    q = store_query(p->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and key = ?2 "
                                 "and stage <> 'lint'"); /* its key may be that of a good row, too */
    query_int(q, 1, p->scope->refused_run);
    query_cell(q, 2, row->key);
    *ret = query_step(q);
    return query_done(q, reterr);
}

static enum ec next_row(void *ctx, struct dvload_row *ret, bool *ret_more, struct err *reterr)
{
    struct repairing *p = ctx;
    struct delta_row row;
    bool skip = false;
    enum ec rc;

    for (;;) {
        arena_reset(&p->a);
        rc = delta_reader_next(p->r, &row, ret_more, reterr);
        if (rc || !*ret_more)
            return rc;
        *ret = (struct dvload_row){ .key = row.key, .cells = row.fno };
        rc = outside(p, &row, &skip, reterr);
        if (rc)
            return rc;
        if (skip) {
            p->c->outside += p->first;
            continue;
        }
        if (!row.dv &&
            (repair_left_filter(&row) || (p->scope && p->scope->master_only && p->m->cfg->master_dataverse))) {
            p->c->left_alone += p->first;
            continue;
        }
        if (!row.dv) { /* only in F&O: created */
            ret->fields = new_fields(p, &row);
            return EC_OK;
        }
        if (!choose_fields(p, &row)) {
            p->c->left_alone += p->first;
            continue;
        }
        if (p->policy != EXISTING_UPDATE && !ours(p, &row, reterr)) {
            rc = p->policy == EXISTING_REFUSE ? refuse(p, &row, reterr) : EC_OK;
            if (rc)
                return rc;
            continue;
        }
        ret->id = row.dv_id;
        ret->fields = p->fields;
        return EC_OK;
    }
}

static enum ec rewind_rows(void *ctx, struct err *reterr)
{
    struct repairing *p = ctx;

    p->first = false;
    delta_reader_free(p->r);
    p->r = NULL;
    return delta_reader_new(p->m, "class in ('only_fno', 'differ') and fno is not null", &p->r, reterr);
}

/* What the writing took, for `plan`: rows and milliseconds. Few rows say nothing about many. */
static enum ec note_rate(struct map_ctx *m, const struct dvload_counts *c, int64_t ms, struct err *reterr)
{
    uint64_t rows = c->created + c->updated;
    struct query *q;
    char text[64];

    if (rows < 100)
        return EC_OK;
    q = store_query(m->state, "insert or replace into setting(name, value) values('rate_dataverse', ?1)");
    snprintf(text, sizeof(text), "%llu %lld", (unsigned long long)rows, (long long)ms);
    query_str(q, 1, text);
    return query_run(q, reterr);
}

/* What the rows are before they are written; what an earlier turn or try of this run has kept stays. */
static enum ec keep_before(struct map_ctx *m, const struct run *run, struct err *reterr)
{
    struct query *q;
    enum ec rc = store_begin(m->state, reterr);

    if (rc)
        return rc;
    q = store_query(
        m->state, "insert or ignore into undo_row(run_id, key_digest, key, dv_id, before, written) select ?1, "
                  "key_digest, key, dv_id, dataverse, case when dataverse is not null then fno end from delta where "
                  "class in ('only_fno', 'differ') and fno is not null");
    query_int(q, 1, run->id);
    rc = query_run(q, reterr);
    if (!rc)
        rc = undo_note(m, run->id, "dataverse", "", NULL, reterr);
    return store_end(m->state, rc, reterr);
}

enum ec repair_dataverse(struct map_ctx *m, const struct run *run, struct dict *d, const struct repair_scope *scope,
                         struct repair_counts *ret, struct err *reterr)
{
    struct repairing p = { .m = m,
                           .run = run,
                           .d = d,
                           .c = ret,
                           .scope = scope,
                           .first = true,
                           .policy = m->cfg->has_existing ? m->cfg->existing : m->pair->app->cfg.existing };
    struct dvload in = { .next = next_row,
                         .rewind = rewind_rows,
                         .ctx = &p,
                         .total = -1,
                         .more = scope && scope->more,
                         .again = scope && scope->again };
    struct query *q =
        store_query(m->state, "select count(*) from delta where class in ('only_fno', 'differ') and fno is not null");
    enum ec rc;

    *ret = (struct repair_counts){ 0 };
    if (query_step(q))
        in.total = query_get_int(q, 0);
    rc = query_done(q, reterr);
    if (rc || !in.total)
        return rc;
    if (undo_wanted(m))
        rc = keep_before(m, run, reterr);
    if (rc)
        return rc;
    p.fields = xcalloc(m->b->n + 1, sizeof(*p.fields));
    rc = baseline_open(m, &p.base, reterr);
    if (rc == EC_NOTFOUND || rc == EC_STATE)
        rc = EC_OK;
    if (!rc)
        rc = delta_reader_new(m, "class in ('only_fno', 'differ') and fno is not null", &p.r, reterr);
    if (!rc) {
        int64_t began = clock_mono_ms();

        rc = dvload_write(m, run, d, &in, &ret->written, reterr);
        if (!rc)
            rc = note_rate(m, &ret->written, clock_mono_ms() - began, reterr);
    }
    delta_reader_free(p.r);
    baseline_close(p.base);
    free(p.fields);
    arena_release(&p.a);
    if (!rc)
        log_info("repair", "%s: Dataverse %llu created, %llu updated, %llu linked, %llu refused, %llu parked",
                 m->cfg->alias, (unsigned long long)ret->written.created, (unsigned long long)ret->written.updated,
                 (unsigned long long)ret->written.linked,
                 (unsigned long long)(ret->written.refused + ret->refused_existing),
                 (unsigned long long)ret->written.parked);
    return rc;
}
