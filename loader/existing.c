/*
 * existing.c -- rows that the target already holds, before anything is sent: equal ones are not sent again, others follow the
 * policy `existing` unless an earlier load of ours wrote them.
 */
#include "loader/existing.h"
#include "base/log.h"
#include "erp/odata.h"
#include "loader/earlier.h"
#include "loader/load_state.h"
#include "loader/mask.h"
#include "loader/public/fno_read.h"
#include "store/leaf.h"

#include <unistd.h>

struct existing {
    struct map_ctx *m;
    int64_t run_id;
    struct fno_shape shape;
    struct earlier *earlier; /* rows of loads before this one, NULL = none */
    struct leaf_file *adopted; /* rows that `adopt` found equal on both sides, NULL = none */
    struct mask unchanged, excluded;
    uint64_t there, refused;
    enum existing_policy policy;
    struct arena a;
};

struct reading {
    struct map_ctx *m;
    struct leaf_builder *build;
    uint64_t rows;
    struct arena a;
};

static enum ec add_fno_row(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct reading *r = arg;
    struct leaf_row row = { .cells = cells, .company = company };

    arena_reset(&r->a);
    row.key = bind_key_digest(r->m->b, cells, &r->a);
    row.row = bind_row_digest(r->m->b, cells, &r->a);
    r->rows++;
    return leaf_add(r->build, &row, reterr);
}

/* Every supplied cell that is not blank is in F&O as the source has it; a blank has no opinion, F&O may have defaulted it. */
static bool same_as_source(const struct existing *x, const struct cell *source, const struct cell *fno)
{
    for (size_t i = 0; i < x->shape.n; i++)
        if (x->shape.supplied[i] && (x->m->blanks_count || !cell_blank(source[i])) &&
            !canon_equal(&x->shape.rules[i], source[i], fno[i], NULL))
            return false;
    return true;
}

/* Adopted, and the sides agreed on it then: a load must not decide about a row that waits for a person. */
static enum ec is_adopted(struct existing *x, struct digest key, bool *ret, struct err *reterr)
{
    struct arena a = { 0 };
    struct leaf_row row;
    struct query *q;
    unsigned char octets[16];
    enum ec rc = leaf_find(x->adopted, key, &a, &row, ret, reterr);

    arena_release(&a);
    if (rc || !*ret)
        return rc;
    for (int i = 0; i < 8; i++) {
        octets[i] = (unsigned char)(key.hi >> (56 - 8 * i));
        octets[8 + i] = (unsigned char)(key.lo >> (56 - 8 * i));
    }
    q = store_query(x->m->state, "select 1 from base_overlay where key_digest = ?1 and row is null");
    query_blob(q, 1, octets, 16);
    *ret = !query_step(q);
    return query_done(q, reterr);
}

static enum ec both(struct existing *x, const struct leaf_pair *p, struct err *reterr)
{
    struct source_place place;
    struct exception e = { .side = "fno", .state = "rejected", .stage = "existing", .code = CELL_LIT("exists") };
    bool ours;
    enum ec rc;

    BUG_IF(!source_place_read(p->a.extra, &place), "source place");
    if (same_as_source(x, p->a.cells, p->b.cells)) {
        mask_add(&x->unchanged, place.row_no);
        return EC_OK;
    }
    rc = earlier_has(x->earlier, p->key, &ours, reterr);
    if (!rc && !ours && x->adopted)
        rc = is_adopted(x, p->key, &ours, reterr);
    if (rc || ours || x->policy == EXISTING_UPDATE)
        return rc;
    if (x->policy == EXISTING_KEEP) {
        mask_add(&x->excluded, place.row_no);
        return EC_OK;
    }
    arena_reset(&x->a);
    e.row_no = (int64_t)place.row_no;
    e.line = (int64_t)place.line;
    e.offset = (int64_t)place.offset;
    e.key = bind_key_text(x->m->b, p->a.cells, &x->a);
    e.message = CELL_LIT("F&O already holds a row of this key with other values, and existing = refuse");
    x->refused++;
    return exception_add(x->m, x->run_id, &e, reterr);
}

static enum ec compare(struct existing *x, const char *source_path, const char *fno_path, struct err *reterr)
{
    struct leaf_file *a = NULL, *b = NULL;
    struct leaf_walk *w = NULL;
    bool more = true;
    enum ec rc = leaf_open(source_path, &a, reterr);

    if (!rc)
        rc = leaf_open(fno_path, &b, reterr);
    if (!rc)
        rc = leaf_walk_new(a, b, false, &w, reterr);
    while (!rc && more) {
        struct leaf_pair p;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (!rc && more && p.in_a && p.in_b)
            rc = both(x, &p, reterr);
    }
    leaf_walk_free(w);
    leaf_close(a);
    leaf_close(b);
    return rc;
}

enum ec load_read_fno(struct map_ctx *m, const struct fno_shape *shape, const char *path, uint64_t *ret_rows,
                      struct err *reterr)
{
    struct arena a = { 0 };
    struct reading r = { .m = m };
    struct fno_counts counts = { 0 };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    struct leaf_totals totals;
    enum ec rc =
        leaf_build(path, workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), -1, shape->n, &r.build, reterr);

    for (size_t i = 0; i < n && !rc; i++)
        rc = fno_scan_rows(m, shape, companies[i], add_fno_row, &r, &counts, reterr);
    if (!rc)
        rc = leaf_finish(r.build, NULL, &totals, reterr);
    else
        leaf_abandon(r.build);
    if (ret_rows)
        *ret_rows = r.rows;
    arena_release(&r.a);
    arena_release(&a);
    return rc;
}

static enum ec anything_there(struct map_ctx *m, bool *ret, struct err *reterr)
{
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    enum ec rc = EC_OK;

    *ret = false;
    for (size_t i = 0; i < n && !rc && !*ret; i++) {
        int64_t rows = 0;

        rc = erp_count(m->pair->app->erp, m->b->entity, cell_blank(companies[i]) ? CELL_ABSENT : companies[i], &rows,
                       reterr);
        *ret = rows > 0;
    }
    return rc;
}

/* The base that an adoption gave the map: what is in it is accounted for, like rows of our own. */
static enum ec open_adopted(struct existing *x, struct err *reterr)
{
    struct query *q = store_query(
        x->m->state, "select file from baseline where exists (select 1 from setting where name = 'adopted')");
    struct arena a = { 0 };
    char *path = query_step(q) ? arena_printf(&a, "%s/%s", x->m->dir, query_get_str(q, 0)) : NULL;
    enum ec rc = query_done(q, reterr);

    if (!rc && path && file_exists(path))
        rc = leaf_open(path, &x->adopted, reterr);
    arena_release(&a);
    return rc;
}

enum ec load_existing(struct map_ctx *m, int64_t run_id, struct err *reterr)
{
    struct existing x = { .m = m,
                          .run_id = run_id,
                          .policy = m->cfg->has_existing ? m->cfg->existing : m->pair->app->cfg.existing };
    struct arena a = { 0 };
    bool any = false, undo = undo_wanted(m);
    /* What undo needs is what is read here anyway: the file stays. */
    char *kept = arena_printf(&a, "undo-%lld-fno.db", (long long)run_id);
    char *path = undo ? arena_printf(&a, "%s/%s", m->dir, kept)
                      : workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp/existing-%s.db", m->cfg->alias);
    char *source = load_source_file(m, run_id, &a);
    enum ec rc = anything_there(m, &any, reterr);

    if (!rc && any && !source)
        rc = err_set(reterr, EC_STATE, "the source rows of run %lld of map '%s' are gone", (long long)run_id,
                     m->cfg->alias);
    if (!rc && (any || undo))
        rc = fno_shape_of(m, &a, &x.shape, reterr);
    if (!rc && any) {
        rc = earlier_open(m, run_id, &x.earlier, reterr);
        if (!rc)
            rc = open_adopted(&x, reterr);
        if (!rc)
            rc = load_read_fno(m, &x.shape, path, &x.there, reterr);
    }
    if (rc)
        goto out;
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    if (any)
        rc = compare(&x, source, path, reterr);
    if (!rc)
        rc = mask_store(m, run_id, "unchanged", &x.unchanged, reterr);
    if (!rc && x.excluded.set) {
        rc = mask_load(m, run_id, "excluded", &x.excluded, reterr);
        if (!rc)
            rc = mask_store(m, run_id, "excluded", &x.excluded, reterr);
    }
    if (!rc && undo)
        rc = undo_note(m, run_id, "fno", any ? kept : "", &x.shape, reterr);
    if (!rc)
        rc = load_phase_set(m, run_id, "send", reterr);
    rc = store_end(m->state, rc, reterr);
    if (!rc && any)
        log_info("load", "%s: F&O holds %llu rows; %llu source rows are unchanged, %llu refused", m->cfg->alias,
                 (unsigned long long)x.there, (unsigned long long)x.unchanged.set, (unsigned long long)x.refused);
out:
    if (!undo)
        (void)unlink(path);
    progress_clear(&m->pair->app->out);
    earlier_close(x.earlier);
    leaf_close(x.adopted);
    mask_release(&x.unchanged);
    mask_release(&x.excluded);
    arena_release(&x.a);
    arena_release(&a);
    return rc;
}
