#include "loader/public/fno_read.h"
#include "base/clock.h"
#include "base/log.h"
#include "dmf/pkgread.h"

/* Where the values of one record come from: a JSON record or the cells of a package row. */
struct record {
    struct map_ctx *m;
    struct arena *a;
    const struct json *json;
    const struct cell *cells;
    size_t n_cells;
    const int *columns; /* package: cell index per entity field, -1 = the file has no such column */
    struct cell company;
};

static struct cell value_of(void *arg, const struct fno_field *f)
{
    struct record *r = arg;
    const struct fno_entity *e = r->m->b->entity;
    ptrdiff_t i;

    if (!f)
        return r->company;
    if (r->json)
        return json_member(r->json, cell_cstr(r->a, f->property));
    i = f - e->fields;
    if (i >= 0 && (size_t)i < e->n)
        return r->columns[i] >= 0 && (size_t)r->columns[i] < r->n_cells ? r->cells[r->columns[i]] : CELL_ABSENT;
    return CELL_ABSENT;
}

static bool filter_value(void *arg, struct cell field, struct cell *ret)
{
    struct record *r = arg;
    const struct fno_field *f = fno_field_find(r->m->b->entity, field);

    if (!f) {
        *ret = r->company;
        return cell_ieq(field, CELL_LIT("dataAreaId"));
    }
    *ret = value_of(r, f);
    return true;
}

static void to_cells(struct record *r, const struct fno_shape *shape, struct cell *cells, bool *ret_in_filter,
                     size_t *ret_faults)
{
    const struct binding *b = r->m->b;
    struct bind_fault faults[2];

    *ret_in_filter =
        (!b->striped || binding_company_wanted(b, r->company)) && filter_match(b->fno_filter, filter_value, r);
    *ret_faults = 0;
    if (!*ret_in_filter) { /* the key, for those who ask what has left */
        bool *keys = arena_zalloc(r->a, b->n + 1);

        for (size_t k = 0; k < b->n_key; k++)
            keys[b->key[k]] = true;
        memset(cells, 0, shape->n * sizeof(*cells));
        (void)bind_some_from_fno(b, keys, value_of, r, r->a, cells, faults, COUNT(faults));
        return;
    }
    *ret_faults = bind_from_fno(b, value_of, r, r->a, cells, faults, COUNT(faults));
    *ret_in_filter = binding_row_wanted(b, cells);
    for (size_t i = b->n; i < shape->n; i++) {
        const char *why;

        cells[i] = value_of(r, shape->extra[i - b->n]);
        if (canon_cell(&shape->rules[i], NULL, cells[i], r->a, &cells[i], &why) != CANON_FINE)
            ++*ret_faults;
    }
}

enum ec fno_record(struct map_ctx *m, const struct fno_shape *shape, const struct json *rec, struct arena *a,
                   struct cell *ret_cells, bool *ret_in_filter, size_t *ret_faults)
{
    struct record r = { .m = m, .a = a, .json = rec, .company = CELL_LIT("") };

    if (!m->b->entity->shared)
        r.company = cell_lower(a, json_member(rec, "dataAreaId"));
    to_cells(&r, shape, ret_cells, ret_in_filter, ret_faults);
    return EC_OK;
}

static void count_faults(struct map_ctx *m, struct fno_counts *c, size_t faults, const struct cell *cells)
{
    struct arena a = { 0 };

    if (!faults)
        return;
    if (!c->faults++)
        log_warn("read", "%s: F&O row '" CELL_FMT "' has a value that cannot be read as its type", m->cfg->alias,
                 CELL_ARG(bind_key_text(m->b, cells, &a)));
    arena_release(&a);
}

struct scanning {
    struct map_ctx *m;
    const struct fno_shape *shape;
    struct cell *cells;
    struct arena a;
    fno_row_fn *fn;
    void *arg;
    struct fno_counts *counts;
};

static enum ec give(struct scanning *s, bool in_filter, size_t faults, struct cell company, struct err *reterr)
{
    if (!in_filter) {
        s->counts->excluded++;
        return s->counts->left ? s->counts->left(s->arg, s->cells, company, reterr) : EC_OK;
    }
    count_faults(s->m, s->counts, faults, s->cells);
    if (!(++s->counts->rows & 1023)) {
        progress_update(&s->m->pair->app->out, s->m->cfg->alias, "read F&O", (int64_t)s->counts->rows, -1, "");
        if (stop_requested())
            return err_set(reterr, EC_STOPPED, "stopped while reading F&O");
    }
    return s->fn(s->arg, s->cells, company, reterr);
}

static enum ec take_record(void *arg, const struct json *rec, struct err *reterr)
{
    struct scanning *s = arg;
    struct cell company = CELL_LIT("");
    bool in_filter;
    size_t faults;

    arena_reset(&s->a);
    if (!s->m->b->entity->shared)
        company = cell_lower(&s->a, json_member(rec, "dataAreaId"));
    fno_record(s->m, s->shape, rec, &s->a, s->cells, &in_filter, &faults);
    return give(s, in_filter, faults, company, reterr);
}

char *fno_shape_select(struct map_ctx *m, const struct fno_shape *shape, struct arena *a)
{
    struct strbuf b = STRBUF(0);
    char *s;

    strbuf_adds(&b, bind_fno_select(m->b, a));
    for (size_t i = m->b->n; i < shape->n; i++)
        strbuf_addf(&b, ",%.*s", (int)shape->extra[i - m->b->n]->property.len,
                    shape->extra[i - m->b->n]->property.ptr);
    s = arena_dup(a, b.buf, b.len);
    strbuf_release(&b);
    return s;
}

enum ec fno_scan_rows(struct map_ctx *m, const struct fno_shape *shape, struct cell company, fno_row_fn *fn,
                      void *arg, struct fno_counts *counts, struct err *reterr)
{
    struct scanning s = { .m = m, .shape = shape, .fn = fn, .arg = arg, .counts = counts };
    struct arena a = { 0 };
    enum ec rc;

    s.cells = arena_zalloc(&a, (shape->n + 1) * sizeof(*s.cells));
    rc = erp_scan(m->pair->app->erp, m->b->entity, fno_shape_select(m, shape, &a), NULL,
                  cell_blank(company) ? CELL_ABSENT : company, take_record, &s, reterr);
    arena_release(&s.a);
    arena_release(&a);
    return rc;
}

static int entity_of(const struct dmf_package *p, const struct map_ctx *m)
{
    for (size_t i = 0; i < p->n; i++)
        if (cell_ieq(p->entities[i].label, m->b->entity->label) || cell_ieq(p->entities[i].aot, m->b->entity->aot))
            return (int)i;
    return -1;
}

enum ec fno_package_rows(struct map_ctx *m, const struct fno_shape *shape, const char *path, struct cell company,
                         fno_row_fn *fn, void *arg, struct fno_counts *counts, struct err *reterr)
{
    struct scanning s = { .m = m, .shape = shape, .fn = fn, .arg = arg, .counts = counts };
    const struct fno_entity *e = m->b->entity;
    struct arena a = { 0 };
    struct dmf_reader *pkg = NULL;
    struct dmf_rows *rows = NULL;
    struct dmf_format csv = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"', .doubled_quotes = true };
    int *columns = arena_zalloc(&a, (e->n + 1) * sizeof(*columns)), at;
    enum ec rc = dmf_reader_open(path, workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), NULL, &pkg, reterr);

    if (rc)
        goto out;
    at = entity_of(dmf_reader_package(pkg), m);
    if (at < 0) {
        rc = err_set(reterr, EC_FORMAT, "package '%s' does not hold entity '" CELL_FMT "'", path, CELL_ARG(e->label));
        goto out;
    }
    rc = dmf_rows_open(pkg, (size_t)at, &csv, &rows, reterr);
    if (rc)
        goto out;
    s.cells = arena_zalloc(&a, (shape->n + 1) * sizeof(*s.cells));
    for (;;) {
        struct record r = { .m = m, .a = &s.a, .columns = columns, .company = company };
        struct cell *cells;
        const char *fault = NULL;
        bool more = false, in_filter;
        size_t n = 0, faults;

        arena_reset(&s.a);
        rc = dmf_rows_next(rows, &s.a, &cells, &n, &fault, &more, reterr);
        if (rc || !more)
            break;
        if (fault) {
            /* A row that cannot be read is not "not there": the side was not read whole. */
            rc = err_set(reterr, EC_FNO, "the export of '" CELL_FMT "' has a row that cannot be read: %s",
                         CELL_ARG(e->label), fault);
            err_hint(reterr, "export in XML-Element (data_format in [load]), which carries every text");
            break;
        }
        for (size_t i = 0; i < e->n; i++)
            columns[i] = dmf_rows_column(rows, e->fields[i].staging);
        r.cells = cells;
        r.n_cells = n;
        to_cells(&r, shape, s.cells, &in_filter, &faults);
        rc = give(&s, in_filter, faults, company, reterr);
        if (rc)
            break;
    }
out:
    dmf_rows_close(rows);
    dmf_reader_close(pkg);
    arena_release(&s.a);
    arena_release(&a);
    return rc;
}

const struct fno_field *fno_modified_field(const struct map_ctx *m)
{
    static const char *const NAMES[] = { "ModifiedDateTime", "LastModifiedDateTime", "ModifiedDateTime1" };

    for (size_t n = 0; n < COUNT(NAMES); n++)
        for (size_t i = 0; i < m->b->entity->n; i++) {
            const struct fno_field *f = &m->b->entity->fields[i];

            if (f->type == FNO_UTCDATETIME && cell_ieq(f->property, cell_of(NAMES[n])))
                return f;
        }
    return NULL;
}

enum ec pair_check_rules(const struct map_ctx *m, struct err *reterr)
{
    bool dv = dv_column_find(m->b->table, CELL_LIT("modifiedon")) != NULL, fno = fno_modified_field(m) != NULL;

    if (m->cfg->conflict != CONFLICT_NEWEST || (dv && fno))
        return EC_OK;
    err_set(reterr, EC_CONFIG, "[map.%s]: conflict = newest, but %s does not tell when a record was modified",
            m->cfg->alias, fno ? "the Dataverse table" : "the F&O entity");
    return err_hint(reterr, "take conflict = master or queue, or expose ModifiedDateTime in the entity");
}
