/* diff.c -- classify every key of two snapshots; writes delta and delta_field. */
#include "sync/diff.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/delta_row.h"
#include "sync/diff_parts.h"

#include <stdio.h>

size_t diff_fields(const struct binding *b, const struct cell *fno, const struct cell *dv, int *ret_fields,
                   size_t max)
{
    size_t n = 0;

    for (size_t k = 0; k < b->n_compared; k++) {
        size_t i = b->compared[k];

        if (!canon_equal(&b->fields[i].rule, fno[i], dv[i], NULL)) {
            if (n < max)
                ret_fields[n] = (int)i;
            n++;
        }
    }
    return n;
}

struct diff_counts *diff_company(struct diff_result *res, struct cell company)
{
    for (size_t i = 0; i < res->n_companies; i++)
        if (cell_is(company, res->companies[i].company))
            return &res->companies[i];
    return NULL;
}

struct diff_counts *comparing_company(struct comparing *c, const char *name)
{
    struct diff_counts *d = diff_company(c->res, cell_of(name));

    if (d)
        return d;
    /* Few companies, so growing by copying costs nothing. */
    d = arena_zalloc(c->a, (c->res->n_companies + 1) * sizeof(*d));
    if (c->res->n_companies)
        memcpy(d, c->res->companies, c->res->n_companies * sizeof(*d));
    c->res->companies = d;
    d = &c->res->companies[c->res->n_companies++];
    snprintf(d->company, sizeof(d->company), "%s", name);
    return d;
}

void delta_count(struct diff_counts *c, const char *class, int64_t add)
{
    uint64_t *at = !strcmp(class, "equal")            ? &c->equal
                   : !strcmp(class, "differ")         ? &c->differ
                   : !strcmp(class, "only_fno")       ? &c->only_fno
                   : !strcmp(class, "only_dataverse") ? &c->only_dataverse
                   : !strcmp(class, "waiting")        ? &c->waiting
                   : !strcmp(class, "waived")         ? &c->waived
                   : !strcmp(class, "in_flight")      ? &c->in_flight
                                                      : &c->errors;

    *at += (uint64_t)add;
}

const char *delta_sign(const char *class)
{
    return !strcmp(class, "differ")           ? "*"
           : !strcmp(class, "only_fno")       ? "+"
           : !strcmp(class, "only_dataverse") ? "-"
           : !strcmp(class, "waived")         ? "x"
           : !strcmp(class, "error")          ? "!"
           : !strcmp(class, "equal")          ? "="
                                              : "~";
}

/* An open conflict, a parked row or a reported delete of this key waits for a person or a parent: not drift. */
static enum ec waits(struct map_ctx *m, const char key[16], bool *ret, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "select 1 from pending where key_digest = ?1 and state in ('parked', 'conflict')");

    query_blob(q, 1, key, 16);
    *ret = query_step(q);
    return query_done(q, reterr);
}

static enum ec put_fields(struct comparing *c, const char key[16], const struct cell *fno, const struct cell *dv,
                          const struct cell *base, const int *fields, size_t n, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        struct query *q = store_query(
            c->m->state, "insert into delta_field(key_digest, field, fno, dataverse, base, rule) values(?1, "
                         "?2, ?3, ?4, ?5, ?6)");

        query_blob(q, 1, key, 16);
        query_cell(q, 2, c->m->b->fields[fields[i]].name);
        query_cell(q, 3, fno[fields[i]]);
        query_cell(q, 4, dv[fields[i]]);
        query_cell(q, 5, base ? base[fields[i]] : CELL_ABSENT);
        query_str(q, 6, canon_type_name(c->m->b->fields[fields[i]].rule.type));
        rc = query_run(q, reterr);
    }
    return rc;
}

static void put_packed(struct query *q, int at, const struct cell *row, struct cell packed, size_t n,
                       struct strbuf *own)
{
    if (!row)
        return;
    if (cell_absent(packed)) {
        row_pack(own, row, n);
        packed = (struct cell){ own->buf, own->len };
    }
    query_blob(q, at, packed.ptr, packed.len);
}

enum ec delta_put(struct map_ctx *m, const struct delta_row *d, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "insert or replace into delta(key_digest, key, company, class, sign, dv_id, fno, dataverse, "
                  "note) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    struct strbuf fno = STRBUF(0), dv = STRBUF(0);
    enum ec rc;

    query_blob(q, 1, d->key_octets, 16);
    query_cell(q, 2, d->key);
    query_cell(q, 3, cell_absent(d->company) ? CELL_LIT("") : d->company);
    query_str(q, 4, d->class);
    query_str(q, 5, delta_sign(d->class));
    query_cell(q, 6, cell_absent(d->dv_id) ? CELL_LIT("") : d->dv_id);
    put_packed(q, 7, d->fno, d->fno_packed, m->b->n, &fno);
    put_packed(q, 8, d->dv, d->dv_packed, m->b->n, &dv);
    query_str(q, 9, d->note ? d->note : "");
    rc = query_run(q, reterr);
    strbuf_release(&fno);
    strbuf_release(&dv);
    return rc;
}

void delta_key_octets(struct digest key, char ret[static 16])
{
    for (int i = 0; i < 8; i++) {
        ret[i] = (char)(key.hi >> (56 - 8 * i));
        ret[8 + i] = (char)(key.lo >> (56 - 8 * i));
    }
}

/* A row with a value that is not of its type cannot be compared; the note says which. */
static bool faulty(const struct binding *b, struct delta_row *d, struct arena *a)
{
    const char *why;

    for (size_t k = 0; k < b->n_compared; k++)
        for (int side = 0; side < 2; side++) {
            const struct cell *row = side ? d->dv : d->fno;

            if (!row || !bind_cell_fault(b, b->compared[k], row[b->compared[k]], &why))
                continue;
            d->note = arena_printf(a, "%s: " CELL_FMT " '" CELL_FMT "': %s", side ? "Dataverse" : "F&O",
                                   CELL_ARG(b->fields[b->compared[k]].name), CELL_ARG(row[b->compared[k]]), why);
            return true;
        }
    return false;
}

struct digest delta_key_digest(const char octets[static 16])
{
    struct digest d = { 0, 0 };

    for (int i = 0; i < 8; i++) {
        d.hi = d.hi << 8 | (unsigned char)octets[i];
        d.lo = d.lo << 8 | (unsigned char)octets[8 + i];
    }
    return d;
}

void comparing_judge(const struct binding *b, const struct leaf_pair *p, struct arena *a, struct judged *ret)
{
    struct judged j = { .fields = arena_alloc(a, (b->n + 1) * sizeof(*j.fields)) };
    struct cell etag;

    j.d.class = p->in_a && p->in_b ? "differ" : p->in_a ? "only_fno" : "only_dataverse";
    if (p->in_a && p->in_b) {
        j.n = diff_fields(b, p->a.cells, p->b.cells, j.fields, b->n);
        j.equal = !j.n;
    }
    if (!j.equal) {
        j.d.key = bind_key_text(b, p->in_a ? p->a.cells : p->b.cells, a);
        j.d.company = p->in_a ? p->a.company : p->b.company;
        j.d.fno = p->in_a ? p->a.cells : NULL;
        j.d.dv = p->in_b ? p->b.cells : NULL;
        delta_key_octets(p->key, j.d.key_octets);
        if (p->in_b)
            (void)dv_extra_split(p->b.extra, &j.d.dv_id, &etag);
        if (faulty(b, &j.d, a))
            j.d.class = "error";
    }
    *ret = j;
}

/* rows of one side only are not in the other side's totals: keys = F&O rows + keys that only Dataverse has */
static void count_key(struct comparing *c, const struct delta_row *d)
{
    char name[16];
    struct diff_counts *by;

    snprintf(name, sizeof(name), "%.*s", (int)(d->company.len > 15 ? 15 : d->company.len),
             d->company.ptr ? d->company.ptr : "");
    by = comparing_company(c, name);
    delta_count(by, d->class, 1);
    delta_count(&c->res->all, d->class, 1);
    if (!d->fno) {
        by->keys++;
        c->res->all.keys++;
    }
}

enum ec comparing_settle(struct comparing *c, struct judged *j, struct err *reterr)
{
    struct delta_row *d = &j->d;
    bool yes = false;
    enum ec rc = EC_OK;

    if (j->equal) /* counted as what is left */
        return EC_OK;
    arena_reset(&c->row);
    if (c->any_pending)
        rc = waits(c->m, d->key_octets, &yes, reterr);
    if (yes && strcmp(d->class, "error") != 0)
        d->class = "waiting";
    else if (!yes && strcmp(d->class, "error") != 0 &&
             waivers_cover(&c->waivers, delta_key_digest(d->key_octets), d->fno, d->dv, j->fields, j->n, &c->row,
                           &d->note))
        d->class = "waived";
    if (!rc)
        rc = delta_put(c->m, d, reterr);
    if (!rc && j->n) {
        struct base_row base = { 0 };

        if (c->base)
            rc = baseline_row(c->base, delta_key_digest(d->key_octets), &c->row, &base, reterr);
        if (!rc)
            rc = put_fields(c, d->key_octets, d->fno, d->dv, base.cells, j->fields, j->n, reterr);
    }
    count_key(c, d);
    return rc;
}

static enum ec side_totals(struct comparing *c, struct leaf_file *f, bool is_fno, struct err *reterr)
{
    struct leaf_company *co = NULL;
    size_t n = 0;
    enum ec rc = leaf_companies(f, c->a, &co, &n, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        struct diff_counts *d = comparing_company(c, co[i].name);

        *(is_fno ? &d->fno_rows : &d->dataverse_rows) = co[i].rows;
        *(is_fno ? &d->fno_digest : &d->dataverse_digest) = co[i].sum;
    }
    return rc;
}

void comparing_warn_twin(struct comparing *c, const struct cell *cells)
{
    if (c->twins <= 20)
        log_warn("diff", "%s: two rows of one side have the key '" CELL_FMT "'", c->m->cfg->alias,
                 CELL_ARG(bind_key_text(c->m->b, cells, &c->row)));
}

enum ec comparing_begin(struct comparing *c, struct err *reterr)
{
    struct query *q = store_query(c->m->state, "select exists(select 1 from pending)");
    enum ec rc;

    if (query_step(q))
        c->any_pending = query_get_int(q, 0);
    rc = query_done(q, reterr);
    if (!rc)
        rc = waivers_for(c->m, &c->waivers, reterr);
    if (!rc) {
        rc = baseline_open(c->m, &c->base, reterr);
        if (rc == EC_NOTFOUND)
            rc = EC_OK;
    }
    return rc;
}

void comparing_end(struct comparing *c)
{
    baseline_close(c->base);
    waivers_release(&c->waivers);
    arena_release(&c->row);
}

/* keys = F&O rows + keys only in Dataverse; equal is what no other class took. Duplicate rows of a side are errors. */
void comparing_finish_counts(struct diff_counts *d, uint64_t duplicates)
{
    d->keys += d->fno_rows;
    d->equal =
        d->keys - d->differ - d->only_fno - d->only_dataverse - d->waiting - d->waived - d->in_flight - d->errors;
    d->errors += duplicates;
    d->keys += duplicates;
}

enum ec comparing_clear(struct map_ctx *m, struct err *reterr)
{
    return store_exec(m->state, "delete from delta; delete from delta_field;", reterr);
}

static enum ec walk(struct comparing *c, struct leaf_file *fa, struct leaf_file *fb, struct err *reterr)
{
    struct leaf_walk *w = NULL;
    struct leaf_pair p;
    struct judged j;
    struct arena row = { 0 };
    uint64_t seen = 0;
    bool more = true;
    enum ec rc = leaf_walk_new(fa, fb, true, &w, reterr);

    while (!rc && more) {
        rc = leaf_walk_next(w, false, &p, &more, reterr);
        if (rc || !more)
            break;
        if (!(p.in_a && p.in_b && digest_eq(p.a.row, p.b.row))) {
            arena_reset(&row);
            comparing_judge(c->m->b, &p, &row, &j);
            rc = comparing_settle(c, &j, reterr);
        }
        if (!(++seen & 4095))
            progress_update(&c->m->pair->app->out, c->m->cfg->alias, "diff", (int64_t)(seen + leaf_walk_skipped(w)),
                            (int64_t)leaf_totals(fa)->rows, "");
    }
    leaf_walk_free(w);
    arena_release(&row);
    return rc;
}

enum ec diff_run(struct map_ctx *m, const struct snapshot *fno, const struct snapshot *dv, struct arena *a,
                 struct diff_result *ret, struct err *reterr)
{
    struct diff_result res = { 0 };
    struct comparing c = { .m = m, .res = &res, .a = a };
    struct leaf_file *fa = NULL, *fb = NULL;
    enum ec rc = leaf_open(fno->path, &fa, reterr);

    if (!rc)
        rc = leaf_open(dv->path, &fb, reterr);
    if (!rc)
        rc = comparing_begin(&c, reterr);
    if (!rc)
        rc = side_totals(&c, fa, true, reterr);
    if (!rc)
        rc = side_totals(&c, fb, false, reterr);
    if (rc)
        goto out;
    STEP(delta_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = comparing_clear(m, reterr);
    if (!rc)
        rc = walk(&c, fa, fb, reterr);
    if (!rc)
        rc = waivers_store(m, &c.waivers, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(delta_stored);
    if (rc)
        goto out;
    res.all.fno_rows = leaf_totals(fa)->rows;
    res.all.dataverse_rows = leaf_totals(fb)->rows;
    res.all.fno_digest = leaf_totals(fa)->sum;
    res.all.dataverse_digest = leaf_totals(fb)->sum;
    res.all.excluded_fno = fno->excluded;
    res.all.excluded_dataverse = dv->excluded;
    for (size_t i = 0; i < res.n_companies; i++)
        comparing_finish_counts(&res.companies[i], 0);
    comparing_finish_counts(&res.all, leaf_totals(fa)->duplicates + leaf_totals(fb)->duplicates);
    *ret = res;
out:
    progress_clear(&m->pair->app->out);
    comparing_end(&c);
    leaf_close(fa);
    leaf_close(fb);
    return rc;
}
