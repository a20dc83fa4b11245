/* undo.c -- F&O's part: the rows before, as the run wrote them and now, side by side; the file that gives them back. */
#include "sync/undo.h"
#include "sync/undo_file.h"

#include <string.h>
#include <unistd.h>

struct undoing {
    struct map_ctx *m;
    int64_t of_run;
    struct fno_shape shape;
    struct leaf_file *before, *now; /* before NULL = F&O was empty */
    struct load_left *left;
    struct undo_file inverse, created;
    struct cell *cells;
    struct undo_counts c;
    struct arena a;
};

/* Cells of the file: the key, and every column that the run supplied. */
static bool is_column(const struct undoing *u, size_t i)
{
    const struct binding *b = u->m->b;

    if (i >= b->n)
        return true;
    return b->fields[i].f && b->fields[i].kind != BOUND_COMPANY && (b->fields[i].key || u->shape.supplied[i]);
}

static enum ec put_header(struct undoing *u, struct undo_file *f, struct err *reterr)
{
    if (u->m->b->striped)
        undo_file_cell(f, CELL_LIT("DATAAREAID"));
    for (size_t i = 0; i < u->shape.n; i++)
        if (is_column(u, i))
            undo_file_cell(f, i < u->m->b->n ? u->m->b->fields[i].f->staging : u->shape.names[i]);
    return undo_file_row(f, reterr);
}

/* A value that F&O had and that its own rules do not take back ends the row: it is left as it is. */
static enum ec put_row(struct undoing *u, struct undo_file *f, const struct cell *cells, struct err *reterr)
{
    const struct binding *b = u->m->b;

    if (b->striped)
        undo_file_cell(f, cells[0]);
    for (size_t i = 0; i < u->shape.n; i++) {
        struct cell text = cells[i];
        const char *why = "";

        if (!is_column(u, i))
            continue;
        if (i < b->n && !bind_to_fno_value(b, (int)i, cells[i], &u->a, &text, &why))
            return err_set(reterr, EC_FORMAT, "map '%s', '" CELL_FMT "', " CELL_FMT " '" CELL_FMT "': %s",
                           u->m->cfg->alias, CELL_ARG(bind_key_text(b, cells, &u->a)), CELL_ARG(b->fields[i].name),
                           CELL_ARG(cells[i]), why);
        undo_file_cell(f, text);
    }
    return undo_file_row(f, reterr);
}

/* before, written, now: what is as it was written goes back. */
static enum ec overwritten(struct undoing *u, const struct cell *before, const struct cell *written,
                           const struct cell *now, struct err *reterr)
{
    bool goes = false, changed = false, as_before = true;

    for (size_t i = 0; i < u->shape.n; i++) {
        const struct canon_rule *r = &u->shape.rules[i];

        u->cells[i] = now[i];
        if (!is_column(u, i) || (i < u->m->b->n && u->m->b->fields[i].key) ||
            canon_equal(r, before[i], written[i], NULL) || canon_equal(r, before[i], now[i], NULL))
            continue;
        as_before = false;
        if (canon_equal(r, written[i], now[i], NULL)) {
            u->cells[i] = before[i];
            goes = true;
        } else {
            changed = true;
        }
    }
    u->c.back += as_before;
    u->c.changed += changed;
    u->c.rows += goes;
    return goes ? put_row(u, &u->inverse, u->cells, reterr) : EC_OK;
}

static enum ec one_row(struct undoing *u, const struct leaf_row *source, struct err *reterr)
{
    struct source_place place;
    struct leaf_row before = { 0 }, now = { 0 };
    bool skip = false, was = false, is = false;
    enum ec rc;

    arena_reset(&u->a);
    BUG_IF(!source_place_read(source->extra, &place), "source place");
    rc = load_left_has(u->left, place.row_no, &skip, reterr);
    if (rc || skip)
        return rc;
    if (u->before)
        rc = leaf_find(u->before, source->key, &u->a, &before, &was, reterr);
    if (!rc)
        rc = leaf_find(u->now, source->key, &u->a, &now, &is, reterr);
    if (rc)
        return rc;
    if (was && is)
        return overwritten(u, before.cells, source->cells, now.cells, reterr);
    if (was)
        u->c.gone++;
    else if (is)
        u->c.created++;
    return !was && is ? put_row(u, &u->created, now.cells, reterr) : EC_OK;
}

static enum ec walk(struct undoing *u, const char *source_path, struct err *reterr)
{
    struct leaf_file *source = NULL;
    struct leaf_walk *w = NULL;
    bool more = true;
    enum ec rc = leaf_open(source_path, &source, reterr);

    if (!rc)
        rc = leaf_walk_new(source, NULL, false, &w, reterr);
    while (!rc && more) {
        struct leaf_pair p;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (!rc && more)
            rc = one_row(u, &p.a, reterr);
    }
    leaf_walk_free(w);
    leaf_close(source);
    return rc;
}

static enum ec open_states(struct undoing *u, struct arena *a, const char *now_path, struct err *reterr)
{
    char *before = NULL;
    enum ec rc = fno_shape_of(u->m, a, &u->shape, reterr);

    if (!rc)
        rc = undo_kept(u->m, u->of_run, "fno", &u->shape, a, &before, reterr);
    if (!rc && *before)
        rc = leaf_open(before, &u->before, reterr);
    if (!rc)
        rc = load_read_fno(u->m, &u->shape, now_path, NULL, reterr);
    if (!rc)
        rc = leaf_open(now_path, &u->now, reterr);
    if (!rc)
        rc = load_left_open(u->m, u->of_run, &u->left, reterr);
    return rc;
}

/* A run whose rows came from the other side had a file of its own. */
static const struct config_map *columns_of_run(struct map_ctx *m, int64_t of_run, struct arena *a)
{
    struct config_map *own = arena_alloc(a, sizeof(*own));
    bool is_own;
    const char *name = load_file_name(m, of_run, a, &is_own);

    if (is_own)
        return m->cfg;
    pairing_own_file(m->cfg, workspace_path(&m->pair->app->ws, a, "%s", name), own);
    return own;
}

enum ec undo_fno_plan(struct map_ctx *m, int64_t of_run, struct arena *a, struct undo_counts *ret, struct err *reterr)
{
    struct undoing u = { .m = m, .of_run = of_run };
    const struct config_map *was = m->cfg;
    char *now = workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp/undo-%s.db", m->cfg->alias);
    char *source = load_source_file(m, of_run, a);
    enum ec rc;

    m->cfg = columns_of_run(m, of_run, a);
    rc = open_states(&u, a, now, reterr);
    if (!rc && !source)
        rc = err_set(reterr, EC_STATE, "the source rows of run %lld of map '%s' are gone", (long long)of_run,
                     was->alias);
    u.cells = arena_zalloc(a, (u.shape.n + 1) * sizeof(*u.cells));
    if (!rc)
        rc = undo_file_open(m, &u.inverse, a, reterr, "%s-%lld-fno.csv", was->alias, (long long)of_run);
    if (!rc)
        rc = undo_file_open(m, &u.created, a, reterr, "%s-%lld-fno-created.csv", was->alias, (long long)of_run);
    if (!rc)
        rc = put_header(&u, &u.inverse, reterr);
    if (!rc)
        rc = put_header(&u, &u.created, reterr);
    if (!rc)
        rc = walk(&u, source, reterr);
    rc = undo_file_close(&u.inverse, u.c.rows > 0, rc, &u.c.file, reterr);
    rc = undo_file_close(&u.created, u.c.created > 0, rc, &u.c.created_file, reterr);
    m->cfg = was;
    leaf_close(u.before);
    leaf_close(u.now);
    (void)unlink(now);
    load_left_close(u.left);
    arena_release(&u.a);
    if (!rc)
        *ret = u.c;
    return rc;
}

enum ec undo_fno(struct map_ctx *m, const struct run *run, const char *file, struct load_counts *ret,
                 struct err *reterr)
{
    const struct config_map *was = m->cfg;
    struct config_map own;
    enum ec rc;

    pairing_own_file(was, file, &own);
    own.existing = EXISTING_UPDATE;
    own.has_existing = true;
    m->cfg = &own;
    m->blanks_count = true;
    rc = load_map(m, run, ret, reterr);
    m->blanks_count = false;
    m->cfg = was;
    return rc;
}
