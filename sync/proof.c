/* proof.c -- source <-> F&O: what became of every cell that was sent. */
#include "sync/diff.h"

#include <stdlib.h>

struct proving {
    struct map_ctx *m;
    int64_t run_id;
    struct fno_shape shape;
    struct proof_counts c;
    proof_fn *tell; /* NULL = nobody asks */
    void *arg;
};

static enum ec did_not_land(struct proving *p, uint64_t row_no, bool *ret, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2 and stage <> "
                     "'second_pass'");

    query_int(q, 1, p->run_id);
    query_int(q, 2, (int64_t)row_no);
    *ret = query_step(q);
    return query_done(q, reterr);
}

static enum ec tell(struct proving *p, const char *class, const struct source_place *place,
                    const struct leaf_pair *pair, size_t field, struct err *reterr)
{
    bool row = !strcmp(class, "missing");
    struct proof_cell c = { .class = class,
                            .place = *place,
                            .field = row ? CELL_ABSENT : p->shape.names[field],
                            .source = row ? CELL_ABSENT : pair->a.cells[field],
                            .fno = row ? CELL_ABSENT : pair->b.cells[field] };
    struct arena a = { 0 };
    enum ec rc;

    if (!p->tell)
        return EC_OK;
    c.key = bind_key_text(p->m->b, pair->a.cells, &a);
    rc = p->tell(p->arg, &c, reterr);
    arena_release(&a);
    return rc;
}

static enum ec one_row(struct proving *p, const struct leaf_pair *pair, struct err *reterr)
{
    struct source_place place;
    bool out, defaulted = false, changed = false;
    enum ec rc;

    BUG_IF(!source_place_read(pair->a.extra, &place), "source place");
    rc = did_not_land(p, place.row_no, &out, reterr);
    if (rc || out)
        return rc;
    p->c.rows++;
    if (!pair->in_b) {
        p->c.missing_rows++;
        return tell(p, "missing", &place, pair, 0, reterr);
    }
    for (size_t i = 0; i < p->shape.n && !rc; i++) {
        struct cell was = pair->a.cells[i], is = pair->b.cells[i];

        if (!p->shape.supplied[i])
            continue;
        if (canon_equal(&p->shape.rules[i], was, is, NULL)) {
            p->c.kept++;
        } else if (cell_blank(was)) {
            p->c.defaulted_cells++;
            defaulted = true;
            rc = tell(p, "defaulted", &place, pair, i, reterr);
        } else {
            p->c.changed_cells++;
            changed = true;
            rc = tell(p, "changed", &place, pair, i, reterr);
        }
    }
    p->c.defaulted_rows += defaulted;
    p->c.changed_rows += changed;
    return rc;
}

enum ec proof_source(struct map_ctx *m, int64_t run_id, const struct snapshot *fno, proof_fn *tell_, void *arg,
                     struct proof_counts *ret, struct err *reterr)
{
    struct proving p = { .m = m, .run_id = run_id, .tell = tell_, .arg = arg };
    struct arena a = { 0 };
    struct leaf_file *source = NULL, *target = NULL;
    struct leaf_walk *w = NULL;
    char *path = load_source_file(m, run_id, &a);
    bool more = true;
    enum ec rc;

    if (!path)
        return err_set(reterr, EC_NOTFOUND, "map '%s' has no loaded source to compare with", m->cfg->alias);
    rc = fno_shape_of(m, &a, &p.shape, reterr);
    if (!rc)
        rc = leaf_open(path, &source, reterr);
    if (!rc)
        rc = leaf_open(fno->path, &target, reterr);
    if (!rc && (leaf_cells(source) != p.shape.n || leaf_cells(target) != p.shape.n))
        rc = err_set(reterr, EC_STATE, "the columns of map '%s' changed since its rows were read", m->cfg->alias);
    if (!rc)
        rc = leaf_walk_new(source, target, false, &w, reterr);
    while (!rc && more) {
        struct leaf_pair pair;

        rc = leaf_walk_next(w, true, &pair, &more, reterr);
        if (!rc && more && pair.in_a)
            rc = one_row(&p, &pair, reterr);
    }
    leaf_walk_free(w);
    leaf_close(source);
    leaf_close(target);
    arena_release(&a);
    if (!rc)
        *ret = p.c;
    return rc;
}
