/* pack.c -- the rows of one planned package into a zip. */
#include "base/log.h"
#include "base/step.h"
#include "dmf/pkgwrite.h"
#include "loader/lineage.h"
#include "loader/mask.h"
#include "loader/package_form.h"
#include "loader/package_rows.h"

#include <stdio.h>
#include <unistd.h>

struct packing {
    struct map_ctx *m;
    struct package_row *p;
    struct load_row load;
    struct package_rows from;
    struct source *src;
    struct mask unchanged, excluded;
    int64_t *except; /* rows of the range that have an exception, sorted */
    size_t n_except, at_except;
    struct package_form form;
    struct dmf_writer *w;
    struct lineage *lines;
    struct arena a;
    uint64_t rows, refused;
};

char *package_path(struct map_ctx *m, const struct package_row *p, struct arena *a)
{
    return workspace_path(&m->pair->app->ws, a, ".dmfsync/packages/run%lld-%s-%s%s%lld-pass%d.zip",
                          (long long)p->run_id, m->cfg->alias, p->company, p->company[0] ? "-" : "",
                          (long long)p->slice, p->pass);
}

static enum ec load_exceptions(struct packing *k, struct err *reterr)
{
    struct query *q = store_query(
        k->m->state, "select distinct row_no from row_exception where run_id = ?1 and side = 'fno' and row_no "
                     "between ?2 and ?3 order by row_no");
    size_t cap = 0;

    query_int(q, 1, k->p->run_id);
    query_int(q, 2, k->p->first_row);
    query_int(q, 3, k->p->last_row);
    while (query_step(q)) {
        if (k->n_except == cap) {
            cap = cap ? cap * 2 : 64;
            k->except = xrealloc(k->except, cap * sizeof(*k->except));
        }
        k->except[k->n_except++] = query_get_int(q, 0);
    }
    return query_done(q, reterr);
}

static int by_number(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

    return a < b ? -1 : a > b;
}

static bool has_exception(struct packing *k, uint64_t row_no)
{
    int64_t want = (int64_t)row_no;

    if (k->from.places) /* the rows of a corrected file come in any order */
        return k->n_except && bsearch(&want, k->except, k->n_except, sizeof(want), by_number);
    while (k->at_except < k->n_except && (uint64_t)k->except[k->at_except] < row_no)
        k->at_except++;
    return k->at_except < k->n_except && (uint64_t)k->except[k->at_except] == row_no;
}

static bool wanted(struct packing *k, const struct source_row *r)
{
    if (r->verdict != SOURCE_GOOD || !cell_is(r->company, k->p->company) || has_exception(k, r->number) ||
        mask_has(&k->unchanged, r->number) || mask_has(&k->excluded, r->number))
        return false;
    return k->p->pass == 1 || package_second_pass(k->src, r);
}

static enum ec refuse(struct packing *k, struct source_row *r, size_t field, struct arena *a, const struct err *why,
                      struct err *reterr)
{
    struct exception e = { .side = "fno",
                           .row_no = (int64_t)r->number,
                           .line = (int64_t)r->line,
                           .offset = (int64_t)r->offset,
                           .state = "rejected",
                           .stage = "lint",
                           .field = k->src->fields[k->form.fields[field]].f->staging,
                           .code = CELL_LIT("format"),
                           .message = cell_of(why->msg),
                           .version = k->p->version,
                           .retry = k->p->retry };

    source_whole(k->src, a, r);
    e.key = r->key;
    k->refused++;
    return exception_add(k->m, k->p->run_id, &e, reterr);
}

static enum ec add_row(struct packing *k, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct err why = { 0 };
    size_t field = 0;
    enum ec rc = package_row(k->w, 0, &k->form, k->src, r, a, &field, &why);

    if (rc == EC_FORMAT)
        return refuse(k, r, field, a, &why, reterr);
    if (!rc)
        rc = lineage_add(k->lines, r->line, r->offset, &why);
    if (rc && reterr)
        *reterr = why;
    k->rows += !rc;
    return rc;
}

static enum ec write_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct packing *k = arg;

    if (!(r->number & 4095))
        progress_update(&k->m->pair->app->out, k->m->cfg->alias, "pack", (int64_t)k->rows, -1, "");
    return wanted(k, r) ? add_row(k, r, a, reterr) : EC_OK;
}

static enum ec store_packed(struct packing *k, const struct dmf_result *r, struct err *reterr)
{
    struct query *q = store_query(
        k->m->state, "update package set state = ?2, project = ?3, digest = ?4, octets = ?5, rows = ?6, file = "
                     "?7 where id = ?1");
    struct arena a = { 0 };
    enum ec rc;

    snprintf(k->p->state, sizeof(k->p->state), k->rows ? "packed" : "empty");
    snprintf(k->p->digest, sizeof(k->p->digest), "%s", r->digest);
    k->p->rows = (int64_t)k->rows;
    k->p->octets = (int64_t)r->octets;
    query_int(q, 1, k->p->id);
    query_str(q, 2, k->p->state);
    query_str(q, 3, k->p->project);
    query_str(q, 4, r->digest);
    query_int(q, 5, k->p->octets);
    query_int(q, 6, k->p->rows);
    query_str(q, 7, strrchr(package_path(k->m, k->p, &a), '/') + 1);
    rc = query_run(q, reterr);
    arena_release(&a);
    return rc;
}

/* The format that lint settled on: of the settings, or XML where some value needs it. */
static enum ec describe(struct packing *k, struct dmf_format *f, struct err *reterr)
{
    const struct config *cfg = &k->m->pair->app->cfg;
    const char *name = cfg->data_format;
    enum ec rc = load_row(k->m, k->p->run_id, &k->load, reterr);

    if (!rc)
        rc = package_format(cfg, f, reterr);
    if (rc)
        return rc;
    if (k->load.unfit)
        package_format_xml(f, &name);
    package_form(k->src, k->p->pass, k->p->company, f, name, &k->a, &k->form);
    snprintf(k->p->project, sizeof(k->p->project), "%s", k->form.project);
    return EC_OK;
}

static enum ec pack(struct packing *k, struct err *reterr)
{
    struct dmf_format f;
    struct dmf_result r = { 0 };
    struct deflate_pool *pool = NULL;
    const char *path = package_path(k->m, k->p, &k->a);
    enum ec rc = describe(k, &f, reterr);

    if (!rc)
        rc = package_pool(k->m->pair->app, &pool, reterr);
    if (!rc)
        rc = dmf_writer_new(&k->form.package, &f, workspace_path(&k->m->pair->app->ws, &k->a, ".dmfsync/tmp"), &k->w,
                            reterr);
    if (!rc) {
        dmf_writer_use_pool(k->w, pool);
        rc = lineage_new(path, 0, k->load.path, &k->lines, reterr);
    }
    if (!rc)
        rc = package_rows_each(&k->from, write_row, k, reterr);
    if (!rc && k->rows) {
        STEP(package_publish);
        rc = lineage_close(k->lines, reterr);
        k->lines = NULL;
        if (!rc)
            rc = dmf_writer_finish(k->w, path, &r, reterr);
        else
            dmf_writer_abandon(k->w);
        STEP(package_published);
        k->w = NULL;
    }
    lineage_abandon(k->lines);
    dmf_writer_abandon(k->w); /* it borrows the form: no row, or an error */
    k->w = NULL;
    deflate_pool_free(pool);
    return rc ? rc : store_packed(k, &r, reterr);
}

enum ec package_pack(struct map_ctx *m, struct package_row *p, struct err *reterr)
{
    struct packing k = { .m = m, .p = p };
    enum ec rc = package_rows_open(m, p, &k.from, reterr);

    k.src = k.from.src;
    if (!rc)
        source_values_only(k.src);
    if (!rc)
        rc = mask_load(m, p->run_id, "unchanged", &k.unchanged, reterr);
    if (!rc)
        rc = mask_load(m, p->run_id, "excluded", &k.excluded, reterr);
    if (!rc)
        rc = load_exceptions(&k, reterr);
    if (rc)
        goto out;
    STEP(slice_pack);
    rc = store_begin(m->state, reterr);
    if (!rc)
        rc = store_end(m->state, pack(&k, reterr), reterr);
    STEP(slice_packed);
    if (!rc && k.rows)
        log_info("pack", "%s: package %lld of company '%s', %llu rows, %lld octets%s", m->cfg->alias,
                 (long long)p->slice, p->company, (unsigned long long)k.rows, (long long)p->octets,
                 p->pass == 2 ? " (second pass)" : "");
out:
    mask_release(&k.unchanged);
    mask_release(&k.excluded);
    free(k.except);
    package_rows_close(&k.from);
    arena_release(&k.a);
    return rc;
}
