/* apply_read.c -- both records of every key of a chunk as they are now, in as few requests as the services allow. */
#include "sync/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- F&O: each by its key, side by side ---- */

static enum ec read_fno(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    const struct fno_entity *en = p->m->b->entity;
    struct erp_op *ops = xcalloc(n + 1, sizeof(*ops));
    size_t *of = xcalloc(n + 1, sizeof(*of)), k = 0;
    struct arena a = { 0 };
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        struct item *it = &items[i];

        if (it->fate != FATE_OPEN || !it->key_row)
            continue;
        (void)fno_key_of(p->m, it->key_row, &it->a, it->fno_key, COUNT(it->fno_key));
        of[k] = i;
        ops[k++] = (struct erp_op){ .verb = ERP_READ,
                                    .company = p->m->b->striped ? it->key_row[0] : CELL_ABSENT,
                                    .key = it->fno_key,
                                    .a = &it->a };
    }
    rc = erp_records(p->m->pair->app->erp, en, live_fno_select(p->m, &a), ops, k, reterr);
    for (size_t i = 0; i < k && !rc; i++) {
        struct item *it = &items[of[i]];

        if (ops[i].rc == EC_FNO || ops[i].rc == EC_FORMAT) {
            item_hold(it, "poison", ops[i].err.msg);
        } else if (ops[i].rc) {
            rc = ops[i].rc;
            if (reterr)
                *reterr = ops[i].err;
        } else {
            live_fno_record(p->m, ops[i].rec, &it->a, &it->live_fno);
        }
    }
    arena_release(&a);
    free(ops);
    free(of);
    return rc;
}

/* ---- Dataverse ---- */

struct found {
    struct cell id;
    struct json *rec;
};
struct gather {
    struct applying *p;
    struct arena *a; /* the chunk's */
    struct found *rows;
    size_t n, cap;
    const char *pk;
};

static enum ec keep_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct gather *g = arg;
    struct cell id = json_member(rec, g->pk);

    if (cell_blank(id))
        return err_set(reterr, EC_DATAVERSE, "a row came without its id");
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->rows = xrealloc(g->rows, g->cap * sizeof(*g->rows));
    }
    g->rows[g->n].rec = row_keep(g->a, rec);
    g->rows[g->n].id = json_member(g->rows[g->n].rec, g->pk);
    g->n++;
    return EC_OK;
}

/* The looked-up rows of all records, before they are asked for one by one. */
static enum ec want_lookups(struct gather *g, struct err *reterr)
{
    const struct json **recs = arena_zalloc(g->a, (g->n + 1) * sizeof(*recs));

    for (size_t i = 0; i < g->n; i++)
        recs[i] = g->rows[i].rec;
    return dv_want_lookups(g->p->m, g->p->d, recs, g->n, reterr);
}

static enum ec as_rows(struct gather *g, struct arena *a, struct live_row *rows, struct err *reterr)
{
    enum ec rc = want_lookups(g, reterr);

    for (size_t i = 0; i < g->n && !rc; i++) {
        rows[i] = (struct live_row){ .raw = g->rows[i].rec };
        dv_record(g->p->m, g->p->d, g->rows[i].rec, a, &rows[i]);
        rc = dict_failed(g->p->d, reterr);
        if (!rc)
            rc = dict_saw(g->p->d, g->p->m->b, rows[i].any, rows[i].id, reterr);
    }
    return rc;
}

static bool is_key(const struct applying *p, const struct item *it, const struct live_row *r)
{
    struct arena a = { 0 };
    bool yes = digest_eq(bind_key_digest(p->m->b, r->any, &a), it->digest);

    arena_release(&a);
    return yes;
}

static void take(struct item *it, const struct live_row *r)
{
    struct live_row *l = &it->live_dv;

    *l = *r;
    l->id = cell_lower(&it->a, r->id);
    it->dv_id = l->id;
}

static enum ec read_by_id(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    struct arena *rows_a = &p->rows;
    struct gather g = { .p = p, .a = rows_a };
    struct live_row *rows = NULL;
    struct cell *ids = xcalloc(n + 1, sizeof(*ids));
    size_t k = 0;
    enum ec rc = EC_OK;

    g.pk = cell_cstr(rows_a, p->m->b->table->pk);
    for (size_t i = 0; i < n; i++)
        if (items[i].fate == FATE_OPEN && !cell_blank(items[i].dv_id))
            ids[k++] = items[i].dv_id;
    if (k)
        rc = dv_rows_by_id(p->m->pair->app->dv, p->m->b->table, ids, k, live_dv_select(p->m, rows_a), keep_row, &g,
                           reterr);
    rows = xcalloc(g.n + 1, sizeof(*rows));
    if (!rc)
        rc = as_rows(&g, rows_a, rows, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        for (size_t r = 0; r < g.n && items[i].fate == FATE_OPEN && !items[i].live_dv.raw; r++)
            /* A row that has another key by now is another record. */
            if (cell_ieq(rows[r].id, items[i].dv_id) && is_key(p, &items[i], &rows[r]))
                take(&items[i], &rows[r]);
    free(rows);
    free(g.rows);
    free(ids);
    return rc;
}

/* A text column of the key by which rows can be asked for in one request; -1 = none. */
static int text_key(const struct binding *b)
{
    for (size_t k = 0; k < b->n_key; k++) {
        const struct bound_field *f = &b->fields[b->key[k]];

        if (f->kind == BOUND_PLAIN && f->c && f->c->type == DV_STRING)
            return b->key[k];
    }
    return -1;
}

static bool lacks_dv(const struct item *it)
{
    return it->fate == FATE_OPEN && !it->live_dv.raw && it->key_row;
}

static enum ec read_company_keys(struct applying *p, struct item *items, size_t n, int at, struct cell company,
                                 struct err *reterr)
{
    struct arena *rows_a = &p->rows;
    const struct binding *b = p->m->b;
    const struct pair_company *c = b->striped ? pair_company(p->m->pair, company) : NULL;
    struct gather g = { .p = p, .a = rows_a, .pk = cell_cstr(rows_a, b->table->pk) };
    struct cell *values = xcalloc(n + 1, sizeof(*values)), column = CELL_ABSENT;
    struct live_row *rows = NULL;
    size_t k = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n; i++)
        if (lacks_dv(&items[i]) && (!b->striped || cell_ieq(items[i].key_row[0], company)))
            values[k++] = cell_absent(items[i].key_row[at]) ? CELL_LIT("") : items[i].key_row[at];
    if (b->striped && (!c || cell_absent(c->dv_id)))
        goto out; /* a company that is not there has no rows */
    if (b->striped)
        column = cell_printf(rows_a, "_%.*s_value", CELL_ARG(b->fields[0].c->name));
    rc = dv_find(p->m->pair->app->dv, b->table, b->fields[at].c->name, values, k, column, c ? c->dv_id : CELL_ABSENT,
                 live_dv_select(p->m, rows_a), keep_row, &g, reterr);
    rows = xcalloc(g.n + 1, sizeof(*rows));
    if (!rc)
        rc = as_rows(&g, rows_a, rows, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        for (size_t r = 0; r < g.n && lacks_dv(&items[i]); r++)
            if (is_key(p, &items[i], &rows[r]))
                take(&items[i], &rows[r]);
out:
    free(rows);
    free(g.rows);
    free(values);
    return rc;
}

static enum ec read_by_key(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    int at = text_key(p->m->b);
    bool *done = xcalloc(n + 1, sizeof(*done));
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        struct item *it = &items[i];

        if (done[i] || !lacks_dv(it))
            continue;
        if (at < 0) {
            rc = live_dv(p->m, p->d, it->key_row, CELL_ABSENT, &it->a, &it->live_dv, reterr);
            if (!rc)
                rc = dict_failed(p->d, reterr);
            if (!rc && it->live_dv.raw)
                it->dv_id = cell_lower(&it->a, it->live_dv.id);
            continue;
        }
        rc = read_company_keys(p, items, n, at, p->m->b->striped ? it->key_row[0] : CELL_ABSENT, reterr);
        for (size_t j = i; j < n; j++)
            done[j] =
                done[j] || !p->m->b->striped || (items[j].key_row && cell_ieq(items[j].key_row[0], it->key_row[0]));
    }
    free(done);
    return rc;
}

enum ec read_items(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        if (items[i].fate != FATE_OPEN)
            continue;
        items[i].live_fno = items[i].live_dv = (struct live_row){ .in_filter = true };
        items[i].fno_outside = items[i].dv_outside = false;
    }
    rc = read_fno(p, items, n, reterr);
    if (!rc)
        rc = read_by_id(p, items, n, reterr);
    if (!rc)
        rc = read_by_key(p, items, n, reterr);
    for (size_t i = 0; i < n && !rc; i++) {
        struct item *it = &items[i];

        if (it->fate != FATE_OPEN)
            continue;
        it->fno = it->live_fno.cells;
        it->dv = it->live_dv.cells;
        it->fno_outside = it->live_fno.raw && !it->fno;
        it->dv_outside = it->live_dv.raw && !it->dv;
    }
    return rc;
}
